"""Which messages are about which request, on the disk: after a restart nobody is told twice, and the end still finds them.

No power failure is waited for: what it costs is a message that is told again.
"""

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Final

from workers.state_database import open_database

_FILE: Final = "receipts.db"
_SCHEMA: Final = """
create table if not exists receipts (
    request text not null,
    channel text not null,
    receipt text not null,
    primary key (request, channel)) strict, without rowid;
"""


class Receipts(MutableMapping[tuple[str, str], str]):
    """By request and channel. Raises OSError where the disk, and sqlite3.Error where the file, cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._db = open_database(folder, _FILE, _SCHEMA, synchronous="normal")
        rows = self._db.execute("select request, channel, receipt from receipts")
        self._known: dict[tuple[str, str], str] = {(request, channel): receipt for request, channel, receipt in rows}

    def __getitem__(self, key: tuple[str, str]) -> str:
        return self._known[key]

    def __setitem__(self, key: tuple[str, str], receipt: str) -> None:
        self._db.execute("insert or replace into receipts values (?, ?, ?)", (*key, receipt))
        self._known[key] = receipt

    def __delitem__(self, key: tuple[str, str]) -> None:
        self._db.execute("delete from receipts where request = ? and channel = ?", key)
        del self._known[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()
