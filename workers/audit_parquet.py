"""The trail as Parquet files in Hive's layout, for DuckDB, Trino, Spark, ClickHouse and Athena.

`dt=YYYY-MM-DD/hour=HH/host=NAME/part-<chain>-<segment>-<first>.parquet`, where `first` is the lowest number that its
records may have. What was exported of each segment stands in `_sluice/<chain>-<segment>.json`: what will be written is
put down before it is, so that a run which was cut short is repeated exactly and no record comes twice. Files are created,
never changed.
"""

import contextlib
import fcntl
import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from gateway.audit.query import Entry, Joiner, timestamp, to_json
from gateway.audit.records import ColumnsInfo, GrantInfo, Outcome, RulingInfo, SessionInfo
from workers.audit_trail import ChainFiles, chains, read_segment

ROW_GROUP: Final = 100_000
_LEDGER: Final = "_sluice"  # names that begin so are no data to Hive's readers
_HOUR_NS: Final = 3_600_000_000_000
_ALL: Final = (1 << 63) - 1  # beyond all records' numbers
_TEXT: Final = pa.string()
_TEXTS: Final = pa.list_(pa.string())
_NOBODY: Final = SessionInfo("", "")
_NOTHING: Final = RulingInfo(0, "", "", "", ())
_NO_GRANT: Final = GrantInfo("")
_MASKED: Final = pa.list_(pa.struct([("column", _TEXT), ("label", _TEXT), ("mask", _TEXT)]))
_LABELS: Final = pa.list_(pa.struct([("column", _TEXT), ("label", _TEXT)]))


class Conflict(Exception):
    """A file that should be written is there with another content."""


class _Ledger(msgspec.Struct):
    """What of a segment is exported: up to `done`; up to `planned` when a run was cut short. -1: nothing."""

    done: int = -1
    planned: int = -1
    whole: bool = False  # the segment is complete, and all of it is exported


@dataclass(slots=True)
class Written:
    """What a run added."""

    files: int = 0
    records: int = 0
    segments: int = 0
    skipped: int = 0  # segments of which all was there


def _who(entry: Entry) -> SessionInfo:
    return entry.session or _NOBODY


def _what(entry: Entry) -> RulingInfo:
    return entry.ruling or _NOTHING


def _grant(entry: Entry) -> GrantInfo:
    return _what(entry).grant or _NO_GRANT


def _said(entry: Entry, of: Callable[[Outcome], Any]) -> Any:
    return of(entry.outcome) if entry.outcome is not None else None


def _masked(entry: Entry) -> list[dict[str, str]]:
    found = (entry.columns or ColumnsInfo()).masked
    return [{"column": column, "label": label, "mask": mask} for column, label, mask in found]


def _event(entry: Entry) -> str | None:
    return msgspec.json.encode(to_json(entry)["event"]).decode() if entry.ruling is None else None


_COLUMNS: Final[tuple[tuple[str, Any, Callable[[Entry], Any]], ...]] = (
    ("id", _TEXT, lambda e: e.id),
    ("time", pa.timestamp("us", tz="UTC"), lambda e: e.time_ns // 1000),
    ("kind", _TEXT, lambda e: e.kind),
    ("session", _TEXT, lambda e: _who(e).session),
    ("user", _TEXT, lambda e: _who(e).user),
    ("issuer", _TEXT, lambda e: _who(e).issuer),
    ("groups", _TEXTS, lambda e: _who(e).groups),
    ("actor", _TEXTS, lambda e: _who(e).actors),
    ("model", _TEXT, lambda e: _who(e).model),
    ("run", _TEXT, lambda e: _who(e).run),
    ("client_address", _TEXT, lambda e: _who(e).address),
    ("application", _TEXT, lambda e: _who(e).application),
    ("database", _TEXT, lambda e: _who(e).database),
    ("environment", _TEXT, lambda e: _who(e).environment),
    ("role", _TEXT, lambda e: _who(e).role),
    ("token_id", _TEXT, lambda e: _who(e).token_id),
    ("grant_name", _TEXT, lambda e: _grant(e).name),
    ("granted_by", _TEXT, lambda e: _grant(e).granted_by),
    ("grant_reason", _TEXT, lambda e: _grant(e).reason),
    ("statement", _TEXT, lambda e: _what(e).statement),
    ("fingerprint", _TEXT, lambda e: _what(e).fingerprint),
    ("statement_kinds", _TEXTS, lambda e: _what(e).kinds),
    ("tables", _TEXTS, lambda e: _what(e).tables),
    ("columns_read", _TEXTS, lambda e: _what(e).columns_read),
    ("columns_written", _TEXTS, lambda e: _what(e).columns_written),
    ("labels", _LABELS, lambda e: [{"column": column, "label": label} for column, label in _what(e).labels]),
    ("decision", _TEXT, lambda e: _what(e).decision if e.ruling is not None else None),
    ("rules", _TEXTS, lambda e: _what(e).rules),
    ("policy_generation", pa.int64(), lambda e: _what(e).generation if e.ruling is not None else None),
    ("policy_hash", _TEXT, lambda e: _what(e).policy_hash),
    ("approval", _TEXT, lambda e: e.approval or None),
    ("tags", pa.map_(_TEXT, _TEXT), lambda e: list(dict(e.tags or ()).items())),
    ("literals", _TEXTS, lambda e: [e.literals[at : at + 8].hex() for at in range(0, len(e.literals), 8)]),
    ("declared_reason", _TEXT, lambda e: e.declared.reason if e.declared is not None else None),
    ("declared_ticket", _TEXT, lambda e: e.declared.ticket if e.declared is not None else None),
    ("declared_effect", _TEXT, lambda e: e.declared.effect if e.declared is not None else None),
    ("declared_tables", _TEXTS, lambda e: e.declared.tables if e.declared is not None else []),
    ("mismatch", _TEXTS, lambda e: e.declared.mismatch if e.declared is not None else []),
    ("intent", _TEXT, lambda e: e.intent or None),
    ("status", _TEXT, lambda e: _said(e, lambda said: said.status)),
    ("rows", pa.int64(), lambda e: _said(e, lambda said: said.rows)),
    ("bytes", pa.int64(), lambda e: _said(e, lambda said: said.nbytes)),
    ("columns_masked", _MASKED, _masked),
    ("columns_clear", _TEXTS, lambda e: (e.columns or ColumnsInfo()).clear),
    ("command", _TEXT, lambda e: _said(e, lambda said: said.command)),
    ("sqlstate", _TEXT, lambda e: _said(e, lambda said: said.sqlstate)),
    ("duration_us", pa.int64(), lambda e: _said(e, lambda said: said.duration_us)),
    ("affected", pa.map_(_TEXT, pa.int64()), lambda e: _said(e, lambda said: list(dict(said.affected or ()).items()))),
    ("event", _TEXT, _event),
)
SCHEMA: Final = pa.schema([(name, of) for name, of, _ in _COLUMNS])


def table(entries: list[Entry]) -> pa.Table:
    """The entries as columns."""
    return pa.table([pa.array([get(each) for each in entries], of) for _, of, get in _COLUMNS], schema=SCHEMA)


def export(
    directory: Path, out: Path, since_ns: int = 0, until_ns: int = 0, progress: Callable[[Written], None] = lambda _: None
) -> Written:
    """Adds what is not yet in `out` of the segments that reach into the times. Raises OSError, ValueError, Conflict;
    BlockingIOError while another run writes there.
    """
    written = Written()
    ledgers = out / _LEDGER
    ledgers.mkdir(parents=True, exist_ok=True)
    with _alone(ledgers), _no_collection():
        for chain in chains(directory):
            if chain.is_void():
                continue
            live = not chain.is_closed() and chain.is_live()
            numbers = chain.segments()
            for number in numbers:
                header = chain.header(number)
                outside = header is None or (until_ns and header.time_ns >= until_ns)
                if outside or chain.written_ns(number) < since_ns:
                    continue
                _segment(_Segment(chain, number, live and number == numbers[-1], out), written)
                progress(written)
    return written


@dataclass(slots=True)
class _Segment:
    chain: ChainFiles
    number: int
    grows: bool
    out: Path
    buffers: dict[str, list[Entry]] = field(default_factory=dict)
    files: dict[str, tuple[pq.ParquetWriter, Path]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.chain.id.hex()}-{self.number:08d}"


def _segment(segment: _Segment, written: Written) -> None:
    """One segment's records that are not exported yet."""
    place = segment.out / _LEDGER / f"{segment.name}.json"
    ledger = msgspec.json.decode(place.read_bytes(), type=_Ledger) if place.exists() else _Ledger()
    if ledger.whole:
        written.skipped += 1
        return
    if ledger.planned > ledger.done:  # a run was cut short: the same again, then what came since
        _range(segment, ledger, ledger.planned, place, written)
    last = _ALL
    if segment.grows:
        last = max((each.seq for each in _entries(segment, ledger.done, _ALL)), default=-1)
    if last >= 0:
        ledger.planned = last
        _keep(place, ledger)
        _range(segment, ledger, last, place, written)
    ledger.whole = not segment.grows
    _keep(place, ledger)
    written.segments += 1


def _range(segment: _Segment, ledger: _Ledger, last: int, place: Path, written: Written) -> None:
    span = f"part-{segment.name}-{ledger.done + 1}.parquet"
    try:
        for entry in _entries(segment, ledger.done, last):
            written.records += 1
            folder = _partition(entry)
            buffer = segment.buffers.setdefault(folder, [])
            buffer.append(entry)
            if len(buffer) >= ROW_GROUP:
                _flush(segment, folder, span)
        for folder in sorted(segment.buffers.keys() | segment.files.keys()):
            if segment.buffers.get(folder):
                _flush(segment, folder, span)
            writer, temporary = segment.files[folder]
            writer.close()
            written.files += _settle(temporary, segment.out / folder / span)
            del segment.files[folder]
    finally:
        for writer, temporary in segment.files.values():
            writer.close()
            temporary.unlink(missing_ok=True)
        segment.files.clear()
        segment.buffers.clear()
    ledger.done = last
    _keep(place, ledger)


def _entries(segment: _Segment, done: int, last: int) -> Iterator[Entry]:
    for entry in read_segment(segment.chain, segment.number, Joiner()):
        if done < entry.seq <= last:
            yield entry


def _partition(entry: Entry) -> str:
    when = timestamp(entry.time_ns - entry.time_ns % _HOUR_NS)
    return f"dt={when[:10]}/hour={when[11:13]}/host={quote(entry.label.rpartition('-')[0], safe='')}"


def _flush(segment: _Segment, folder: str, span: str) -> None:
    entries = segment.buffers.pop(folder)
    if folder not in segment.files:
        (segment.out / folder).mkdir(parents=True, exist_ok=True)
        temporary = segment.out / folder / f".{span}.tmp"
        segment.files[folder] = pq.ParquetWriter(temporary, SCHEMA, compression="zstd", write_statistics=True), temporary
    segment.files[folder][0].write_table(table(entries), row_group_size=ROW_GROUP)


def _settle(temporary: Path, path: Path) -> int:
    """Gives a finished file its name, unless it is there already; 1 where it is new."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        if pq.read_table(path, partitioning=None).equals(pq.read_table(temporary, partitioning=None)):
            return 0
        raise Conflict(f"{path} is there with another content; it was not touched: move it away first") from None
    finally:
        temporary.unlink()
    return 1


def _keep(place: Path, ledger: _Ledger) -> None:
    fresh = place.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(ledger))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(place)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Many small records that all stay: the cycle collector would walk them again and again and find nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
