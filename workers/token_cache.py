"""The sign-in that `sluice login` keeps for its owner: one file, mode 0600 in a folder 0700, replaced as a whole.

It lies in $XDG_STATE_HOME/sluice (XDG Base Directory Specification; ~/.local/state/sluice where that is not set).
"""

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = "sign-in.json"
_LOCK: Final = "lock"


class Unusable(Exception):
    """The kept sign-in is not one that can be used: one line that says why and how to mend it."""


class KeptSignIn(msgspec.Struct, frozen=True):
    """What a sign-in brought. Never printed: `token` is what the gateway is given; `expires` in POSIX seconds."""

    issuer: str  # the issuer's own text, `iss`
    client_id: str
    token_endpoint: str
    token: str
    expires: float
    user: str
    refresh_token: str = ""
    revocation_endpoint: str = ""
    client_secret: str = ""  # of clients that have one; for programs on people's machines it is no secret
    id_token: bool = False  # whether the token is the id_token of each answer, else its access_token
    user_claim: str = "sub"
    ca_file: str = ""
    host: str = ""  # the gateway's address, where the sign-in has learnt it
    port: int = 0

    def __repr__(self) -> str:
        return f"KeptSignIn(issuer={self.issuer!r}, user={self.user!r})"


def folder(environ: Mapping[str, str]) -> Path:
    """Where it lies. A relative XDG_STATE_HOME is to be passed over, says its specification."""
    state = environ.get("XDG_STATE_HOME", "")
    home = Path(state) if state.startswith("/") else Path(environ.get("HOME") or "/") / ".local" / "state"
    return home / "sluice"


def read(environ: Mapping[str, str]) -> KeptSignIn | None:
    """What is kept; None where nothing is. Raises Unusable."""
    file = folder(environ) / FILE
    try:
        with file.open("rb") as opened:
            found = os.fstat(opened.fileno())
            if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
                raise Unusable(f"{file}: others may read it; `sluice logout`, then `sluice login`")
            return msgspec.json.decode(opened.read(), type=KeptSignIn)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unusable(f"{file}: {os.strerror(error.errno or 0)}") from error
    except msgspec.DecodeError as error:
        raise Unusable(f"{file}: it cannot be read; `sluice login` writes it anew") from error


def write(kept: KeptSignIn, environ: Mapping[str, str]) -> Path:
    """Keeps it in place of what was kept; the file. Raises OSError."""
    home = _made(environ)
    fd, name = tempfile.mkstemp(prefix=f".{FILE}.", dir=home)  # mode 0600 from its first moment
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(kept) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(home / FILE)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return home / FILE


def remove(environ: Mapping[str, str]) -> bool:
    """Forgets it; whether there was one."""
    try:
        (folder(environ) / FILE).unlink()
    except FileNotFoundError:
        return False
    return True


@contextlib.contextmanager
def locked(environ: Mapping[str, str]) -> Iterator[None]:
    """One process at a time renews: a refresh token may count once."""
    fd = os.open(_made(environ) / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _made(environ: Mapping[str, str]) -> Path:
    home = folder(environ)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    return home
