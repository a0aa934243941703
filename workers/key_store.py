"""Fetched keys on the disk, beside the audit: a gateway that starts while an issuer is down has those of the last time.

They are public. What somebody else could write there would be believed, so files and folder are their owner's alone.
"""

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from gateway.errors import ConfigError
from gateway.identity.keys import FetchedSet, read_fetched, source_of
from gateway.issuers import Issuer

log = logging.getLogger("sluice.keys")


def folder(audit_dir: Path) -> Path:
    """Where they lie."""
    return audit_dir.parent / "state" / "keys"


def read_all(home: Path, issuers: Iterable[Issuer]) -> dict[str, FetchedSet]:
    """By issuer's name, those that can be used; nothing where there is nothing."""
    found: dict[str, FetchedSet] = {}
    for issuer in issuers:
        if issuer.fetches_keys and (kept := _read(home / _name(issuer), issuer)) is not None:
            found[issuer.name] = kept
    return found


def write(home: Path, issuer: Issuer, fetched: FetchedSet) -> None:
    """Replaces what was kept of this issuer as a whole. Raises OSError."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(prefix=".new-", dir=home)  # mode 0600
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(fetched) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(home / _name(issuer))
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _name(issuer: Issuer) -> str:
    """A configured name may hold anything."""
    return f"{hashlib.sha256(issuer.name.encode()).hexdigest()[:16]}.json"


def _read(file: Path, issuer: Issuer) -> FetchedSet | None:
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=FetchedSet)
        read_fetched(issuer, kept.content)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, ConfigError) as error:
        log.warning("%s: the keys kept of issuer %s cannot be used: %s", file, issuer.name, error)
        return None
    return kept if kept.source == source_of(issuer) else None
