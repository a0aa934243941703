"""Bars on the disk, so that they outlive the gateway: one file, replaced as a whole."""

import contextlib
import os
from pathlib import Path
from typing import Final

from gateway.errors import ConfigError, ConfigFault
from gateway.identity import barred
from gateway.identity.barred import Bars

_FILE: Final = "barred"


def read(state_dir: Path) -> Bars:
    """Those that were kept. Raises ConfigError: nobody is let in by a file that cannot be read."""
    path = state_dir / _FILE
    try:
        return barred.unpack(path.read_bytes())
    except FileNotFoundError:
        return Bars()
    except (OSError, ValueError) as error:
        why = f"who is kept out cannot be read ({type(error).__name__})"
        mend = "restore the file; without it revoked tokens, locked users and stopped agents would come in"
        raise ConfigError(ConfigFault(str(path), 0, "barred", why, mend)) from error


def write(state_dir: Path, bars: Bars) -> None:
    """Keeps them; they are on the disk when it returns. Raises OSError: then those of before are kept."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, fresh = state_dir / _FILE, state_dir / f"{_FILE}.new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(barred.pack(bars))
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        raise
    folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
