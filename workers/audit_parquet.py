"""The trail as Parquet files in Hive's layout, for engines that read a fleet's trail from object storage.

`dt=2026-01-31/hour=10/host=db1/<chain>-<segment>.parquet`: one file for each complete segment and hour. A file that is
there is never written again, so a second run adds what is new. Needs pyarrow (the extra `[audit]`).
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from gateway.audit.query import Entry, Joiner, to_json
from workers import audit_index
from workers.audit_index import is_complete
from workers.audit_trail import ChainFiles, chains, read_segment

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP: Final = 100_000
_TEXTS: Final = (
    "id", "kind", "session", "user", "issuer", "database", "environment", "role", "token_id", "model", "run", "method",
    "statement", "fingerprint", "statement_kind", "decision", "approval", "intent", "status", "command", "sqlstate",
)  # fmt: skip
_LISTS: Final = ("groups", "actor", "tables", "columns_read", "columns_written", "rules", "columns_clear", "literals")
_NUMBERS: Final = ("rows", "bytes", "duration_us")
_PARTS: Final = {  # column: the object in the record and its field
    "client_address": ("client", "address"),
    "client_application": ("client", "application"),
    "grant_name": ("grant", "name"),
    "granted_by": ("grant", "granted_by"),
    "grant_reason": ("grant", "reason"),
    "policy_hash": ("policy", "hash"),
    "declared_reason": ("declared", "reason"),
    "declared_effect": ("declared", "effect"),
    "declared_ticket": ("declared", "ticket"),
}


class NotInstalled(Exception):
    """The extra is missing; the text says what to install."""


def schema() -> "pa.Schema":
    """The columns: every field of a record. Raises NotInstalled."""
    pa = _pyarrow()
    text, texts = pa.string(), pa.list_(pa.string())
    masked = pa.struct([("column", text), ("label", text), ("mask", text)])
    return pa.schema(
        [
            ("time", pa.timestamp("us", tz="UTC")),
            *((name, text) for name in _TEXTS),
            *((name, texts) for name in _LISTS),
            *((name, pa.int64()) for name in _NUMBERS),
            *((name, text) for name in _PARTS),
            ("policy_generation", pa.int64()),
            ("declared_mismatch", texts),
            ("columns_masked", pa.list_(masked)),
            ("labels", pa.map_(text, text)),
            ("tags", pa.map_(text, text)),
            ("affected", pa.map_(text, pa.int64())),
            ("event", text),
        ]
    )


def export(directory: Path, out: Path, since_ns: int = 0, until_ns: int = 0) -> Iterator[tuple[Path, int]]:
    """Writes what is not there yet of a trail's complete segments: each new file and its records. Segments that lie wholly
    outside the times are left out. Raises NotInstalled, OSError, ValueError.
    """
    wanted = schema()
    for chain, number in complete(directory):
        header = chain.header(number)
        if header is None or (until_ns and header.time_ns >= until_ns) or chain.written_ns(number) < since_ns:
            continue
        yield from _segment(chain, number, out, header.host, wanted)


def complete(directory: Path) -> Iterator[tuple[ChainFiles, int]]:
    """Segments of a trail that nothing is appended to any more."""
    for chain in chains(directory):
        if not chain.is_void():
            yield from ((chain, number) for number in chain.segments() if is_complete(chain, number))


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise NotInstalled("Parquet needs pyarrow: pip install 'sluice-gateway[audit]'") from None
    return pyarrow


def _segment(
    chain: ChainFiles, number: int, out: Path, host: str, wanted: "pa.Schema"
) -> Iterator[tuple[Path, int]]:
    place = f"host={host}/{chain.id.hex()}-{number:08d}.parquet"
    summary = audit_index.load(chain, number) or audit_index.build(chain, number)
    if summary is not None and (out / _hour(summary.last_ns) / place).exists():
        return  # published last
    files: dict[str, _File] = {}
    try:
        with _no_collection():
            for entry in read_segment(chain, number, Joiner()):
                hour = _hour(entry.time_ns)
                if hour not in files:
                    files[hour] = _File(out / hour / place, wanted)
                files[hour].add(entry)
        for file in files.values():
            file.flush()
        for hour in sorted(files):
            if files[hour].publish():
                yield files[hour].path, files[hour].count
    finally:
        for file in files.values():
            file.discard()


def _hour(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):dt=%Y-%m-%d/hour=%H}"


@contextmanager
def _no_collection() -> Iterator[None]:
    """Records hold no cycles, and looking for some takes half of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class _File:
    """One Parquet file, under another name until it is whole."""

    def __init__(self, path: Path, wanted: "pa.Schema") -> None:
        from pyarrow import parquet

        self.path, self.count = path, 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}")
        self._schema = wanted
        self._columns: dict[str, list[Any]] = {name: [] for name in wanted.names}
        self._writer = parquet.ParquetWriter(self._temporary, wanted, compression="zstd", version="2.6")

    def add(self, entry: Entry) -> None:
        columns = self._columns
        for name, value in row(entry).items():
            columns[name].append(value)
        self.count += 1
        if not self.count % ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        if self._columns["id"]:
            self._writer.write_table(pa.table(self._columns, schema=self._schema), ROW_GROUP)
            for column in self._columns.values():
                column.clear()

    def publish(self) -> bool:
        """Gives it its name; False where another run was quicker."""
        self._writer.close()
        with self._temporary.open("rb+") as written:
            os.fsync(written.fileno())
        try:
            os.link(self._temporary, self.path)
        except FileExistsError:
            return False
        return True

    def discard(self) -> None:
        self._writer.close()
        self._temporary.unlink(missing_ok=True)


def row(entry: Entry) -> dict[str, Any]:
    """A record as a row: every column of `schema`, None where the record says nothing."""
    record = to_json(entry)
    out: dict[str, Any] = {"time": entry.time_ns // 1000}
    for name in (*_TEXTS, *_LISTS, *_NUMBERS, "columns_masked"):
        out[name] = record.get(name)
    for name, (part, field) in _PARTS.items():
        out[name] = (record.get(part) or {}).get(field)
    out["policy_generation"] = (record.get("policy") or {}).get("generation")
    out["declared_mismatch"] = (record.get("declared") or {}).get("mismatch")
    for name in ("labels", "tags", "affected"):
        out[name] = list(record[name].items()) if name in record else None
    out["event"] = orjson.dumps(record["event"]).decode() if "event" in record else None
    return out
