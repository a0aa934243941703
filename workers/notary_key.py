"""The audit's signing key: where it lies, and how one key hands over to the next.

`audit.rotations` beside audit.key holds a line a rotation: the new public key and, by the key before it, the signature
over `gateway.audit.heads.endorsement`, both in hexadecimal.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from gateway.audit import heads
from gateway.errors import ConfigError
from workers import configuration
from workers.notary_log import Signer, verify

KEY_FILE: Final = "audit.key"
PUBLIC_FILE: Final = "audit.pub"
ROTATIONS_FILE: Final = "audit.rotations"


class Rotation(NamedTuple):
    """A key (32 raw bytes) and a signature over its endorsement."""

    public: bytes
    endorsed: bytes


class NoKey(Exception):
    """There is no usable key; the text says why."""


def load(folder: Path, environ: Mapping[str, str]) -> Signer:
    """The key that signs. `folder` is sluice.toml's. Raises NoKey."""
    path = configuration.key_path(folder, KEY_FILE, environ)
    if not path.exists():
        raise NoKey(f"no {KEY_FILE}")
    try:
        return Signer(configuration.secret(path, KEY_FILE))
    except ConfigError as error:
        raise NoKey(str(error)) from error
    except (TypeError, ValueError) as error:
        raise NoKey(f"{path} is no Ed25519 key in PEM") from error


def rotations(folder: Path, environ: Mapping[str, str]) -> list[Rotation]:
    """What keys have said of each other, oldest first; lines that cannot be read are left out."""
    try:
        lines = (
            configuration.key_path(folder, ROTATIONS_FILE, environ).read_text(encoding="ascii").splitlines()
        )
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        try:
            public, endorsed = map(bytes.fromhex, line.split())
        except ValueError:
            continue
        found.append(Rotation(public, endorsed))
    return found


def endorsements(log: bytes, before: bytes, after: bytes, said: Iterable[Rotation]) -> list[Rotation]:
    """The way from one key to another over keys that each vouch for the next; empty where there is none."""
    steps = list(said)
    ways: dict[bytes, list[Rotation]] = {before: []}
    for _ in steps:  # a way is no longer than there are steps
        for step in steps:
            if step.public in ways:
                continue
            message = heads.endorsement(log, step.public)
            signer = next((key for key in ways if verify(key, step.endorsed, message)), None)
            if signer is not None:
                ways[step.public] = [*ways[signer], step]
    return ways.get(after, [])


def write(path: Path, content: bytes, mode: int) -> None:
    """Puts a file in its place in one step, on disk on return; the owner stays the folder's. Raises OSError."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        os.fsync(file.fileno())
    fresh.replace(path)
