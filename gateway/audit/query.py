"""Reading back: frames joined into the records that people and tools see."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.audit import records
from gateway.audit.records import ColumnsInfo, Declared, Outcome, RulingInfo, SessionInfo, Tags
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
    literals: bytes = b""
    declared: Declared | None = None
    intent: str = ""  # the intent's id, of an outcome
    outcome: Outcome | None = None
    columns: ColumnsInfo | None = None
    data: dict[str, Any] = field(default_factory=dict)
    disclosed: dict[tuple[str, bool], int] = field(default_factory=dict)  # keys on record, by table and whether changed

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
    literals: bytes = b""
    declared: Declared | None = None


class Joiner:
    """Turns one chain's frames, in order, into entries. Starts at any segment: each one is complete in
    itself.

    Raises ValueError for a frame that passed its checksum but does not hold what its type says. `lenient`, behind
    damage: a definition that is missing is then nobody's fault, and stands as unknown.
    """

    __slots__ = ("_cards", "_disclosed", "_label", "closed", "lenient", "pending")

    def __init__(self) -> None:
        self.lenient = False
        self._label = ""
        self._cards: dict[tuple[int, int], Any] = {}
        self.pending: dict[int, Pending] = {}  # intents that have no outcome yet
        self._disclosed: dict[int, dict[tuple[str, bool], int]] = {}  # by intent
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
            session = self.card(records.SESSION, said.session) if said.session else None
            return Entry(self._label, frame.seq, frame.time_ns, said.kind, session, data=said.data)
        elif kind == records.CARRIED:
            origin = said.origin or self._label
            session, ruling = (
                self.card(records.SESSION, said.session),
                self.card(records.RULING, said.ruling),
            )
            self.pending[said.intent] = Pending(
                said.intent,
                said.time_ns,
                session,
                ruling,
                said.tags,
                said.approval,
                origin,
                said.literals,
                said.declared,
            )
        elif kind == records.ROWS:
            keys = self._disclosed.setdefault(said.intent, {})
            keys[said.table, said.changed] = keys.get((said.table, said.changed), 0) + said.count
        elif kind == records.LOST:
            return self._lost(frame, said)
        elif kind == records.RECOVERED:
            return self._recovered(frame, said)
        elif kind == records.STATE:
            return self._state(frame, said)
        elif kind == records.CLOSED:
            self.closed = True
        return None

    def card(self, kind: int, number: int) -> Any:
        """What a number stands for in this segment: a SessionInfo, RulingInfo or ColumnsInfo. Raises ValueError."""
        try:
            return self._cards[kind, number]
        except KeyError:
            if self.lenient:
                return _UNKNOWN[kind]
            raise ValueError("a record names a definition that its segment does not hold") from None

    def _intent(self, frame: Frame, said: records.Intent) -> Entry:
        session, ruling = self.card(records.SESSION, said.session), self.card(records.RULING, said.ruling)
        label, seq, time_ns = self._label, frame.seq, frame.time_ns
        how = (said.tags, said.approval)
        meant = (said.literals, said.declared)
        self.pending[seq] = Pending(seq, time_ns, session, ruling, *how, label, *meant)
        return Entry(label, seq, time_ns, "intent", session, ruling, *how, *meant)

    def _outcome(self, frame: Frame, said: Outcome) -> Entry | None:
        opened = self.pending.pop(said.intent, None)
        if opened is None:
            return None  # said again in a new segment after a failed write
        columns = self.card(records.COLUMNS, said.columns) if said.columns else None
        intent = f"{opened.origin}-{said.intent}"
        who = (opened.session, opened.ruling, opened.tags, opened.approval, opened.literals, opened.declared)
        keys = self._disclosed.pop(said.intent, {}) if self._disclosed else {}
        label, seq, time_ns = self._label, frame.seq, frame.time_ns
        return Entry(label, seq, time_ns, "outcome", *who, intent, said, columns, disclosed=keys)

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
    out["literals"] = [entry.literals[at : at + 8].hex() for at in range(0, len(entry.literals), 8)]
    out["declared"] = _declared(entry.declared)
    said, columns = entry.outcome, entry.columns or ColumnsInfo()
    if said is not None:
        out |= {
            "intent": entry.intent,
            "status": said.status,
            "rows": said.rows,
            "bytes": said.nbytes,
            "columns_masked": [{"column": c, "label": label, "mask": m} for c, label, m in columns.masked],
            "columns_clear": list(columns.clear),
            "disclosed": [
                {"table": table, "keys": count, "changed": changed}
                for (table, changed), count in sorted(entry.disclosed.items())
            ],
            "command": said.command,
            "sqlstate": said.sqlstate,
            "duration_us": said.duration_us,
            "affected": {table: count if count >= 0 else None for table, count in said.affected or ()},
        }
    return out


def _declared(said: Declared | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {
        "reason": said.reason,
        "tables": list(said.tables),
        "effect": said.effect,
        "ticket": said.ticket,
        "source": said.source,
        "mismatch": list(said.mismatch),
    }


def _who(info: SessionInfo) -> dict[str, Any]:
    who = {
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
        "model": info.model,
        "run": info.run,
        "account": info.account,
        "method": info.method,
    }
    return who | {"weak": True} if info.weak else who


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
        "labels": dict(info.labels),
        "decision": info.decision,
        "rules": list(info.rules),
        "policy": {"generation": info.generation, "hash": info.policy_hash},
    }


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
