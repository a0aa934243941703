"""Reading back: frames joined into the records that people and tools see, and the filters over them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.audit import records
from gateway.audit.records import ColumnsInfo, Outcome, RulingInfo, SessionInfo, Tags
from gateway.audit.segment import Frame, Header

_SECOND = 1_000_000_000
_UNKNOWN: dict[int, Any] = {  # in place of definitions that could not be read
    records.SESSION: SessionInfo("unknown", "unknown"),
    records.RULING: RulingInfo(0, "", "unknown", "", (), decision="unknown"),
    records.COLUMNS: ColumnsInfo(),
}


@dataclass(slots=True)
class Entry:
    """One record: an intent, an outcome (with its intent's facts), an event, or a note of the audit about
    itself.
    """

    label: str  # the id's prefix: host-worker.chain
    seq: int
    time_ns: int
    kind: str  # session | intent | outcome | approval | policy | system
    session: SessionInfo | None = None
    ruling: RulingInfo | None = None
    tags: Tags | None = None
    approval: str = ""
    intent: str = ""  # the intent's id, of an outcome
    outcome: Outcome | None = None
    columns: ColumnsInfo | None = None
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The record's name, unique over hosts, workers and restarts."""
        return f"{self.label}-{self.seq}"


@dataclass(slots=True)
class Pending:
    """An intent seen without its outcome."""

    seq: int
    time_ns: int
    session: SessionInfo
    ruling: RulingInfo
    tags: Tags | None
    approval: str
    origin: str  # the id's prefix


class Joiner:
    """Turns one chain's frames, in order, into entries. Starts at any segment: each one is complete in
    itself.

    Raises ValueError for a frame that passed its checksum but does not hold what its type says. `lenient`, behind
    damage: a definition that is missing is then nobody's fault, and stands as unknown.
    """

    __slots__ = ("_cards", "_label", "closed", "lenient", "pending")

    def __init__(self) -> None:
        self.lenient = False
        self._label = ""
        self._cards: dict[tuple[int, int], Any] = {}
        self.pending: dict[int, Pending] = {}  # intents that have no outcome yet
        self.closed = False  # the chain's end was seen

    def begin(self, header: Header) -> None:
        """A segment starts: numbers of definitions start again."""
        self._label = header.label
        self._cards.clear()
        self.lenient = False

    def read(self, frame: Frame) -> Entry | None:
        """The entry of a frame; None for definitions, checkpoints and what only repeats."""
        kind = frame.kind
        said = records.decode(kind, frame.payload)
        if kind == records.INTENT:
            return self._intent(frame, said)
        if kind == records.OUTCOME:
            return self._outcome(frame, said)
        if kind <= records.COLUMNS:
            self._cards[kind, said.number] = records.decode_info(kind, said)
        elif kind == records.EVENT:
            session = self._card(records.SESSION, said.session) if said.session else None
            return Entry(self._label, frame.seq, frame.time_ns, said.kind, session, data=said.data)
        elif kind == records.CARRIED:
            origin = said.origin or self._label
            session, ruling = (
                self._card(records.SESSION, said.session),
                self._card(records.RULING, said.ruling),
            )
            self.pending[said.intent] = Pending(
                said.intent, said.time_ns, session, ruling, said.tags, said.approval, origin
            )
        elif kind == records.LOST:
            return self._lost(frame, said)
        elif kind == records.STATE:
            return self._state(frame, said)
        elif kind == records.RECOVERED:
            return self._recovered(frame, said)
        elif kind == records.CLOSED:
            self.closed = True
        return None

    def _card(self, kind: int, number: int) -> Any:
        try:
            return self._cards[kind, number]
        except KeyError:
            if self.lenient:
                return _UNKNOWN[kind]
            raise ValueError("a record names a definition that its segment does not hold") from None

    def _intent(self, frame: Frame, said: records.Intent) -> Entry:
        session, ruling = self._card(records.SESSION, said.session), self._card(records.RULING, said.ruling)
        label, seq, time_ns = self._label, frame.seq, frame.time_ns
        self.pending[seq] = Pending(seq, time_ns, session, ruling, said.tags, said.approval, label)
        return Entry(label, seq, time_ns, "intent", session, ruling, said.tags, said.approval)

    def _outcome(self, frame: Frame, said: Outcome) -> Entry | None:
        opened = self.pending.pop(said.intent, None)
        if opened is None:
            return None  # said again in a new segment after a failed write
        columns = self._card(records.COLUMNS, said.columns) if said.columns else None
        intent = f"{opened.origin}-{said.intent}"
        who = (opened.session, opened.ruling, opened.tags, opened.approval)
        return Entry(self._label, frame.seq, frame.time_ns, "outcome", *who, intent, said, columns)

    def _lost(self, frame: Frame, said: records.Lost) -> Entry:
        for seq in [each for each in self.pending if said.first <= each <= said.last]:
            del self.pending[seq]
        data = {
            "what": "audit failed",
            "first": f"{self._label}-{said.first}",
            "last": f"{self._label}-{said.last}",
            "statements": said.intents,
            "events": said.events,
            "sqlstate": said.sqlstate,
            "statements_ran": said.continued,
        }
        return Entry(self._label, frame.seq, frame.time_ns, "system", data=data)

    def _state(self, frame: Frame, said: records.State) -> Entry:
        data: dict[str, Any] = {"what": "audit state", "state": said.state}
        if said.sqlstate:
            data["sqlstate"] = said.sqlstate
        if said.state == "unsynced":
            data |= {"segment": said.segment, "offset": said.offset}
        return Entry(self._label, frame.seq, frame.time_ns, "system", data=data)

    def _recovered(self, frame: Frame, said: records.Recovered) -> Entry:
        data = {
            "what": "audit recovered",
            "chain": said.chain.hex(),
            "segment": said.segment,
            "length": said.length,
            "torn_bytes": said.tail,
            "unresolved": said.open_intents,
        }
        if said.damage or said.beyond:
            data |= {"damage": said.damage, "records_beyond": said.beyond}
        return Entry(self._label, frame.seq, frame.time_ns, "system", data=data)


def timestamp(time_ns: int) -> str:
    """RFC 3339 with microseconds, UTC."""
    seconds, rest = divmod(time_ns, _SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def to_json(entry: Entry) -> dict[str, Any]:
    """The record as `sluice audit … --json` prints it: intents and outcomes have every field of theirs, null
    or empty where nothing is known; other kinds have who they concern, and an `event` object.
    """
    out: dict[str, Any] = {"id": entry.id, "time": timestamp(entry.time_ns), "kind": entry.kind}
    if entry.session is not None:
        out |= _who(entry.session)
    if entry.ruling is None:
        return out | {"event": entry.data}
    out |= _what(entry.ruling)
    out["approval"] = entry.approval or None
    out["tags"] = dict(entry.tags or ())
    if entry.session is not None and entry.session.application:
        out["tags"].setdefault("application_name", entry.session.application)
    said, columns = entry.outcome, entry.columns or ColumnsInfo()
    if said is not None:
        out |= {
            "intent": entry.intent,
            "status": said.status,
            "rows": said.rows,
            "bytes": said.nbytes,
            "columns_masked": [{"column": c, "label": label, "mask": m} for c, label, m in columns.masked],
            "columns_clear": list(columns.clear),
            "command": said.command,
            "sqlstate": said.sqlstate,
            "duration_us": said.duration_us,
        }
    return out


def _who(info: SessionInfo) -> dict[str, Any]:
    return {
        "session": info.session,
        "user": info.user,
        "issuer": info.issuer,
        "groups": list(info.groups),
        "actor": list(info.actors),
        "client": {"address": info.address, "application": info.application},
        "database": info.database,
        "environment": info.environment,
        "role": info.role,
        "token_id": info.token_id,
    }


def _what(info: RulingInfo) -> dict[str, Any]:
    grant = info.grant
    return {
        "grant": grant and {"name": grant.name, "granted_by": grant.granted_by, "reason": grant.reason},
        "statement": info.statement,
        "fingerprint": info.fingerprint,
        "statement_kind": ", ".join(info.kinds),
        "tables": list(info.tables),
        "columns_read": list(info.columns_read),
        "columns_written": list(info.columns_written),
        "decision": info.decision,
        "rules": list(info.rules),
        "policy": {"generation": info.generation, "hash": info.policy_hash},
    }


@dataclass(frozen=True, slots=True)
class Filter:
    """What `audit query` asks for; an empty field does not matter, the others must all hold. Times are
    nanoseconds, `since` included, `until` not. Tables and columns match by their whole name or its last parts
    ("email", "customers.email").
    """

    user: str = ""
    actor: str = ""
    database: str = ""
    environment: str = ""
    table: str = ""
    column: str = ""
    decision: str = ""
    session: str = ""
    approval: str = ""
    text: str = ""  # in the statement, whatever the case
    since: int = 0
    until: int = 0

    def matches(self, entry: Entry) -> bool:
        """Whether the entry is asked for."""
        if entry.time_ns < self.since or (self.until and entry.time_ns >= self.until):
            return False
        if self.approval and self.approval not in (entry.approval, str(entry.data.get("approval", ""))):
            return False
        return self._session(entry.session) and self._ruling(entry)

    def _session(self, info: SessionInfo | None) -> bool:
        wanted = (self.user, self.database, self.environment, self.session)
        if info is None:
            return not any(wanted) and not self.actor
        found = (info.user, info.database, info.environment, info.session)
        if any(want and want != has for want, has in zip(wanted, found, strict=True)):
            return False
        return not self.actor or self.actor in info.actors

    def _ruling(self, entry: Entry) -> bool:
        info = entry.ruling
        if info is None:
            return not (self.table or self.column or self.decision or self.text)
        if self.decision and self.decision != info.decision:
            return False
        if self.text and self.text.casefold() not in info.statement.casefold():
            return False
        if self.table and not any(_names(each, self.table) for each in info.tables):
            return False
        return not self.column or any(_names(each, self.column) for each in _columns(entry, info))


def _columns(entry: Entry, info: RulingInfo) -> Iterator[str]:
    yield from info.columns_read
    yield from info.columns_written
    if entry.columns is not None:
        yield from entry.columns.clear
        yield from (each[0] for each in entry.columns.masked)


def _names(full: str, wanted: str) -> bool:
    return full == wanted or full.endswith("." + wanted)


def moment(text: str, now_ns: int) -> int:
    """Nanoseconds since the epoch for "2026-01-31", "2026-01-31T10:00:00Z" (UTC where no zone is given) or an
    age: "90s", "15m", "2h", "7d". Raises ValueError.
    """
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if text[-1:] in units and text[:-1].isascii() and text[:-1].isdigit():
        return now_ns - int(text[:-1]) * units[text[-1]] * _SECOND
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return int(when.timestamp()) * _SECOND + when.microsecond * 1000
