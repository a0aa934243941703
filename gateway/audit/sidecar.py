"""What a complete segment holds, in few bytes, so that a search opens only segments that may match.

A Summary has exact sets of the few names that matter most, where they are few, and Bloom filters (B. Bloom, CACM 13/7, 1970)
over all facts that a question may name: `facts` of the definitions, `values` of what each statement brings along (digests
of literals, tags, approvals). With 12 bits an element and 4 probes a filter says "maybe" of 0.7 % of what is not there, and
never "no" of what is. It is derived from the segment alone and proves nothing.
"""

import struct
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final

import msgspec

from gateway.audit import records
from gateway.audit.filters import Filter, names
from gateway.audit.records import ColumnsInfo, Intent, RulingInfo, SessionInfo
from gateway.audit.segment import Frame, Header

VERSION: Final = 1
_BITS: Final = 12
_PROBES: Final = 4
_NAMES_MAX: Final = 256  # of one exact set
_TABLES_MAX: Final = 1024
_ITEMS_MAX: Final = 1 << 20  # of one Bloom filter; more, and it is left out
_DIGEST: Final = struct.Struct("<Q")
_intent = msgspec.msgpack.Decoder(records.Intent).decode
_outcome = msgspec.msgpack.Decoder(records.Outcome).decode
Names = tuple[str, ...] | None  # None: too many to name


class Bloom(msgspec.Struct, array_like=True, frozen=True):
    """A set of 64-bit hashes. No bits: anything may be in it."""

    bits: bytes

    def may_hold(self, item: int) -> bool:
        """False only for what was never added."""
        size = len(self.bits) * 8
        return not size or all(self.bits[at >> 3] >> (at & 7) & 1 for at in _places(item, size))


class Summary(msgspec.Struct, array_like=True, frozen=True):
    """Of the first `length` bytes of a segment. Times are the lowest and highest of its frames, nanoseconds; `kinds` counts
    entries by kind."""

    version: int
    chain: bytes
    segment: int
    length: int
    first_ns: int
    last_ns: int
    kinds: dict[str, int]
    users: Names
    actors: Names
    databases: Names
    environments: Names
    tables: Names
    facts: Bloom
    values: Bloom


def bloom(items: Iterable[int]) -> Bloom:
    """A filter over the hashes."""
    kept = set(items)
    if len(kept) > _ITEMS_MAX:
        return Bloom(b"")
    bits = bytearray(max(8, (len(kept) * _BITS + 7) // 8))
    size = len(bits) * 8
    for item in kept:  # as in _places, written out: a segment may have a million
        at, step = item & 0xFFFFFFFF, item >> 32 | 1
        for place in (at % size, (at + step) % size, (at + 2 * step) % size, (at + 3 * step) % size):
            bits[place >> 3] |= 1 << (place & 7)
    return Bloom(bytes(bits))


def _places(item: int, size: int) -> list[int]:
    """Kirsch and Mitzenmacher's probes: two halves of one hash make all of them."""
    first, step = item & 0xFFFFFFFF, item >> 32 | 1
    return [(first + each * step) % size for each in range(_PROBES)]


def fact(field: str, value: str) -> int:
    """The hash of "this field has this value"."""
    data = f"{field}\0{value}".encode("utf-8", "replace")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


class Summarizer:
    """Reads a segment's frames in order and sums them up."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._first, self._last = 1 << 63, 0
        self._intents = self._outcomes = 0
        self._kinds: dict[str, int] = {}
        self._names: dict[str, set[str]] = {"user": set(), "actor": set(), "database": set(), "environment": set()}
        self._tables: set[str] = set()
        self._facts: set[int] = set()
        self._values: set[int] = set()
        self._ends: set[tuple[str, str]] = set()  # status and SQLSTATE: they stand in each outcome, and few differ

    def read(self, frame: Frame) -> None:
        """One frame. Raises ValueError where it does not hold what its type says."""
        kind, _, time_ns, payload, _, _ = frame
        if time_ns > self._last:
            self._last = time_ns
        if time_ns < self._first:
            self._first = time_ns
        if kind == records.OUTCOME:
            outcome = _outcome(payload)
            self._outcomes += 1
            self._ends.add((outcome.status, outcome.sqlstate))
        elif kind == records.INTENT:
            self._intents += 1
            self._statement(_intent(payload))
        elif kind not in (records.CHECKPOINT, records.CLOSED, records.ROWS):
            self._other(kind, records.decode(kind, payload))

    def _other(self, kind: int, said: Any) -> None:
        if kind <= records.COLUMNS:
            self._define(records.decode_info(kind, said))
        elif kind == records.CARRIED:
            self._statement(said)
        elif kind == records.EVENT:
            self._count(said.kind)
            if "approval" in said.data:
                self._facts.add(fact("approval", str(said.data["approval"])))
            if isinstance(said.data.get("generation"), int):
                self._facts.add(fact("policy", str(said.data["generation"])))
        else:
            self._count("system")

    def summary(self, length: int) -> Summary:
        """What was read, of a segment of so many bytes."""
        counted = (("intent", self._intents), ("outcome", self._outcomes))
        kinds = self._kinds | {name: count for name, count in counted if count}
        exact = {name: _few(found, _NAMES_MAX) for name, found in self._names.items()}
        for status, sqlstate in self._ends:
            self._facts.update((fact("status", status), fact("sqlstate", sqlstate)))
        return Summary(
            VERSION,
            self._header.chain,
            self._header.segment,
            length,
            min(self._first, self._last),
            self._last,
            kinds,
            exact["user"],
            exact["actor"],
            exact["database"],
            exact["environment"],
            _few(self._tables, _TABLES_MAX),
            bloom(self._facts),
            bloom(self._values),
        )

    def _count(self, kind: str) -> None:
        self._kinds[kind] = self._kinds.get(kind, 0) + 1

    def _statement(self, said: Intent | records.Carried) -> None:
        values = self._values
        if len(values) > _ITEMS_MAX:
            return  # the filter is left out
        if said.tags:
            values.update(fact("tag", f"{name}={value}") for name, value in said.tags)
        if said.approval:
            values.add(fact("approval", said.approval))
        if said.declared is not None and said.declared.ticket:
            values.add(fact("ticket", said.declared.ticket))
        if said.literals:
            values.update(digest for (digest,) in _DIGEST.iter_unpack(said.literals[: len(said.literals) & ~7]))

    def _define(self, info: SessionInfo | RulingInfo | ColumnsInfo) -> None:
        if isinstance(info, SessionInfo):
            self._session(info)
            return
        if isinstance(info, RulingInfo):
            self._tables.update(info.tables)
            self._add("table", suffixes(info.tables))
            self._add("column", suffixes((*info.columns_read, *info.columns_written)))
            self._add("label", (label for _, label in info.labels))
            self._add("rule", info.rules)
            self._add("decision", (info.decision,))
            self._add("fingerprint", (info.fingerprint,))
            self._add("policy", (str(info.generation),))
            self._add("statement_kind", (word for kind in info.kinds for word in beginnings(kind)))
            if info.grant is not None:
                self._add("grant", (info.grant.name,))
            return
        masked = suffixes(each[0] for each in info.masked)
        clear = suffixes(info.clear)
        self._add("masked", masked)
        self._add("clear", clear)
        self._add("column", masked | clear)
        self._add("label", (each[1] for each in info.masked))

    def _session(self, info: SessionInfo) -> None:
        for name in ("user", "database", "environment"):
            self._names[name].add(getattr(info, name))
        self._names["actor"].update(info.actors)
        for name in ("user", "database", "environment", "session", "issuer", "role", "application", "model", "run"):
            self._add(name, (getattr(info, name),))
        self._add("actor", info.actors)
        self._add("group", info.groups)
        self._add("token", (info.token_id,))
        self._add("client", (info.address, info.address.rpartition(":")[0].strip("[]")))

    def _add(self, field: str, found: Iterable[str]) -> None:
        self._facts.update(fact(field, each) for each in found)


def _few(found: set[str], most: int) -> Names:
    return tuple(sorted(found)) if len(found) <= most else None


def suffixes(found: Iterable[str]) -> set[str]:
    """All last parts of dotted names that a question may name them by."""
    ends: set[str] = set()
    for each in found:
        while each not in ends:
            ends.add(each)
            _, dot, each = each.partition(".")
            if not dot:
                break
    return ends


def beginnings(kind: str) -> list[str]:
    """The first word, the first two words, … of a statement kind."""
    words = kind.split(" ")
    return [" ".join(words[:count]) for count in range(1, len(words) + 1)]


class Needs:
    """A question as what a segment must hold. Made once, asked of many summaries."""

    def __init__(self, asked: Filter) -> None:
        self._asked = asked
        alike = ("user", "actor", "group", "issuer", "token", "model", "run", "session", "application", "database")
        same = ("environment", "role", "table", "column", "label", "decision", "rule", "grant", "fingerprint")
        of_result = ("status", "sqlstate", "masked", "clear")
        wanted = [(name, str(getattr(asked, name))) for name in (*alike, *same, *of_result) if getattr(asked, name)]
        if asked.statement_kind:
            wanted.append(("statement_kind", asked.statement_kind.upper()))
        if asked.policy:
            wanted.append(("policy", str(asked.policy)))
        if asked.client and "/" not in asked.client:
            wanted.append(("client", asked.client))
        self._facts = [fact(*each) for each in wanted]
        self._values = [fact("tag", f"{name}={value}") for name, value in asked.tags]
        if asked.ticket:
            self._values.append(fact("ticket", asked.ticket))
        if asked.literal:
            self._values.append(int.from_bytes(asked.literal, "little"))
        self._approval = fact("approval", asked.approval) if asked.approval else 0
        self._place = [fact(name, asked.place) for name in ("environment", "database", "table") if asked.place]

    def may_match(self, summary: Summary) -> bool:
        """False only where the segment holds nothing that is asked for."""
        asked = self._asked
        if summary.last_ns < asked.since or (asked.until and summary.first_ns >= asked.until):
            return False
        if asked.kinds and not any(each in summary.kinds for each in asked.kinds):
            return False
        facts, values = summary.facts, summary.values
        if not all(facts.may_hold(each) for each in self._facts):
            return False
        if not all(values.may_hold(each) for each in self._values):
            return False
        if self._approval and not (facts.may_hold(self._approval) or values.may_hold(self._approval)):
            return False
        if self._place and not any(facts.may_hold(each) for each in self._place):
            return False
        return _named(asked, summary)


def _named(asked: Filter, summary: Summary) -> bool:
    """Whether the exact sets, where there are any, hold what is asked for."""
    pairs: tuple[tuple[str, Names], ...] = (
        (asked.user, summary.users),
        (asked.actor, summary.actors),
        (asked.database, summary.databases),
        (asked.environment, summary.environments),
    )
    if any(wanted and found is not None and wanted not in found for wanted, found in pairs):
        return False
    return not asked.table or summary.tables is None or any(names(each, asked.table) for each in summary.tables)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Summary).decode


def to_bytes(summary: Summary) -> bytes:
    """What a sidecar file holds."""
    return _encode(summary)


def from_bytes(data: bytes) -> Summary | None:
    """The summary of a sidecar file; None where it is of another version or no summary at all."""
    try:
        found: Any = _decode(data)
    except ValueError:
        return None
    return found if isinstance(found, Summary) and found.version == VERSION else None
