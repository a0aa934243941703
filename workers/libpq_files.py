"""The two files that libpq and its many relatives read: services (libpq, 32.17) and passwords (32.16). What others have
written there stays, character by character."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

_HEADER = re.compile(r"[ \t]*\[([^\]\n]*)\]")


class NotWritable(Exception):
    """A file or a value that cannot be written: one line."""


def service_file(environ: Mapping[str, str]) -> Path:
    """PGSERVICEFILE, else ~/.pg_service.conf."""
    return Path(environ.get("PGSERVICEFILE") or Path(environ.get("HOME") or "/") / ".pg_service.conf")


def password_file(environ: Mapping[str, str]) -> Path:
    """PGPASSFILE, else ~/.pgpass."""
    return Path(environ.get("PGPASSFILE") or Path(environ.get("HOME") or "/") / ".pgpass")


def write_service(file: Path, name: str, parameters: Mapping[str, str]) -> None:
    """Puts the service there in place of one of the same name. Raises NotWritable and OSError."""
    if not name or any(char in name for char in "[]\n\r") or name != name.strip():
        raise NotWritable(f"a service cannot be named {name!r}")
    for key, value in parameters.items():
        if "\n" in value or "\r" in value or value != value.strip():
            raise NotWritable(f"a service file cannot hold this {key}")
    entry = [f"[{name}]\n", *(f"{key}={value}\n" for key, value in parameters.items())]
    lines = _lines(file)
    start = next((at for at, line in enumerate(lines) if (found := _HEADER.match(line)) and found[1] == name), len(lines))
    end = next((at for at in range(start + 1, len(lines)) if _HEADER.match(lines[at])), len(lines))
    after = lines[end:]
    if after:
        entry.append("\n")
    before = lines[:start]
    if before and not before[-1].endswith("\n"):
        before[-1] += "\n"
    if before and before[-1].strip():
        before.append("\n")
    _write(file, "".join([*before, *entry, *after]))


def write_password(file: Path, host: str, port: int, database: str, user: str, password: str) -> None:
    """Puts the password there, first, since libpq takes the first line that fits; one for the same goes. Raises NotWritable
    and OSError."""
    place = ":".join(_escaped(one) for one in (host, str(port), database, user)) + ":"
    lines = [line for line in _lines(file) if not line.startswith(place)]
    _write(file, f"{place}{_escaped(password)}\n" + "".join(lines))


def _escaped(value: str) -> str:
    if "\n" in value or "\r" in value:
        raise NotWritable("a password file cannot hold a line break")
    return value.replace("\\", "\\\\").replace(":", "\\:")


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
    except FileNotFoundError:
        return []


def _write(file: Path, text: str) -> None:
    """As a whole, mode 0600; through a link to where it leads."""
    place = file.resolve()
    fd, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as made:
            made.write(text)
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
