"""The questions every auditor asks, answered from records as they pass: who touched it, what moved, who granted it."""

from dataclasses import dataclass, field
from typing import Any, Final

from gateway.audit.effects import EFFECTS, effect, ran, rows_changed, rows_out
from gateway.audit.query import Entry, timestamp
from gateway.audit.records import ColumnsInfo, SessionInfo

_KEPT: Final = 10_000  # names of one set; more are not told apart


def _keep(names: set[str], *more: str) -> None:
    """Adds names while there are not too many."""
    if len(names) < _KEPT:
        names.update(each for each in more if each)


@dataclass(slots=True)
class Touch:
    """What one person, through one chain of agents, did. Statements by effect are those that ran or may have."""

    user: str
    actors: tuple[str, ...]
    statements: dict[str, int] = field(default_factory=lambda: dict.fromkeys(EFFECTS, 0))
    refused: int = 0
    not_run: int = 0
    failed: int = 0
    unresolved: int = 0
    running: int = 0  # begun, and not answered yet
    rows_out: int = 0
    bytes_out: int = 0
    rows_changed: int = 0
    first_ns: int = 0
    last_ns: int = 0
    sessions: set[str] = field(default_factory=set)
    tables: set[str] = field(default_factory=set)
    environments: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    grants: set[str] = field(default_factory=set)

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "user": self.user,
            "actor": list(self.actors),
            "statements": sum(self.statements.values()),
            **{name: self.statements[name] for name in EFFECTS},
            "refused": self.refused,
            "not_run": self.not_run,
            "failed": self.failed,
            "unresolved": self.unresolved,
            "running": self.running,
            "rows_out": self.rows_out,
            "bytes_out": self.bytes_out,
            "rows_changed": self.rows_changed,
            "tables": sorted(self.tables),
            "environments": sorted(self.environments),
            "models": sorted(self.models),
            "grants": sorted(self.grants),
            "sessions": sorted(self.sessions),
            "first": timestamp(self.first_ns),
            "last": timestamp(self.last_ns),
        }


class Touched:
    """Who touched a place: its intents and outcomes in, one Touch for each user and chain of agents out."""

    def __init__(self) -> None:
        self._touches: dict[tuple[str, tuple[str, ...]], Touch] = {}
        self._open: dict[str, Entry] = {}

    def add(self, entry: Entry) -> None:
        """One intent or outcome."""
        who, ruling = entry.session, entry.ruling
        if who is None or ruling is None:
            return
        touch = self._touch(who, entry.time_ns)
        if entry.outcome is None:
            self._open[entry.id] = entry
            return
        self._open.pop(entry.intent, None)
        if not ran(entry):
            touch.refused += entry.outcome.status == "refused"
            touch.not_run += entry.outcome.status == "not-run"
            return
        _keep(touch.tables, *ruling.tables)
        touch.statements[effect(ruling.kinds)] += 1
        touch.failed += entry.outcome.status != "ok"
        touch.unresolved += entry.outcome.status == "unresolved"
        touch.rows_out += (rows := rows_out(entry))
        touch.bytes_out += entry.outcome.nbytes if rows else 0
        touch.rows_changed += rows_changed(entry)
        if ruling.grant is not None:
            _keep(touch.grants, ruling.grant.name)

    def _touch(self, who: SessionInfo, time_ns: int) -> Touch:
        touch = self._touches.get((who.user, who.actors))
        if touch is None:
            touch = self._touches[who.user, who.actors] = Touch(who.user, who.actors, first_ns=time_ns)
        touch.last_ns = time_ns
        _keep(touch.sessions, who.session)
        _keep(touch.environments, who.environment)
        _keep(touch.models, who.model)
        return touch

    def found(self) -> list[Touch]:
        """Those who changed most, then those who read most, first."""
        for entry in self._open.values():
            if entry.session is not None and entry.ruling is not None:
                touch = self._touches[entry.session.user, entry.session.actors]
                touch.running += 1
                _keep(touch.tables, *entry.ruling.tables)
        self._open.clear()
        return sorted(
            self._touches.values(), key=lambda each: (-each.rows_changed, -each.rows_out, each.user, each.actors)
        )


@dataclass(slots=True)
class Moved:
    """What left of a column, or where `column` is empty of a table. Of labelled columns the records tell rows that they were
    masked in and rows that they were clear in; of one without a label, rows of the statements that read it: shown in clear,
    if it was shown at all. Bytes are those of the whole results.
    """

    table: str
    column: str
    labels: set[str] = field(default_factory=set)
    masks: set[str] = field(default_factory=set)
    masked_rows: int = 0
    clear_rows: int = 0
    unlabelled_rows: int = 0
    rows: int = 0
    nbytes: int = 0
    statements: int = 0

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        told: dict[str, Any] = {"table": self.table}
        if self.column:
            told |= {
                "column": self.column,
                "labels": sorted(self.labels),
                "masks": sorted(self.masks),
                "rows_masked": self.masked_rows,
                "rows_clear": self.clear_rows,
                "rows_unlabelled": self.unlabelled_rows,
            }
        return told | {"rows": self.rows, "bytes": self.nbytes, "statements": self.statements}


class Movement:
    """What moved: outcomes in; columns and tables that went out, and tables that rows went into, out."""

    def __init__(self) -> None:
        self._out: dict[tuple[str, str], Moved] = {}
        self.into: dict[str, int] = {}  # rows changed by table; -1 where the server did not tell
        self.rows = 0  # of all results
        self.nbytes = 0
        self.statements = 0

    def add(self, entry: Entry) -> None:
        """One outcome."""
        said, ruling = entry.outcome, entry.ruling
        if said is None or ruling is None or not ran(entry):
            return
        self.statements += 1
        self._changed(entry)
        if not (rows := rows_out(entry)):
            return
        self.rows += rows
        self.nbytes += said.nbytes
        for table in ruling.tables:
            self._moved(table, "", entry)
        shown, labels = entry.columns or ColumnsInfo(), dict(ruling.labels)
        for column, found in _by_column(shown.masked).items():
            moved = self._column(column, entry)
            moved.masked_rows += rows
            _keep(moved.labels, *(label for label, _ in found))
            _keep(moved.masks, *(mask for _, mask in found))
        listed = {column for column, _, _ in shown.masked}
        for column in shown.clear:
            moved = self._column(column, entry) if column not in listed else self._out[_place(column)]
            moved.clear_rows += rows
            _keep(moved.labels, labels.get(column, ""))
        for column in ruling.columns_read:
            if column not in labels and column not in listed and column not in shown.clear:
                self._column(column, entry).unlabelled_rows += rows

    def _changed(self, entry: Entry) -> None:
        said, ruling = entry.outcome, entry.ruling
        assert said is not None
        assert ruling is not None
        if said.affected is not None:
            for table, count in said.affected:
                self.into[table] = max(self.into.get(table, 0), 0) + count if count >= 0 else self.into.get(table, -1)
        elif (rows := rows_changed(entry)) and ruling.tables:
            targets = {column.rpartition(".")[0] for column in ruling.columns_written} or set(ruling.tables[:1])
            for table in targets:
                self.into[table] = max(self.into.get(table, 0), 0) + rows

    def _column(self, name: str, entry: Entry) -> Moved:
        return self._moved(*_place(name), entry)

    def _moved(self, table: str, column: str, entry: Entry) -> Moved:
        """The table's or column's sum, with this entry's result in it."""
        moved = self._out.get((table, column))
        if moved is None:
            moved = self._out[table, column] = Moved(table, column)
        assert entry.outcome is not None
        moved.rows += entry.outcome.rows
        moved.nbytes += entry.outcome.nbytes
        moved.statements += 1
        return moved

    def tables(self) -> list[Moved]:
        """Those of most rows first."""
        found = (each for each in self._out.values() if not each.column)
        return sorted(found, key=lambda each: (-each.rows, each.table))

    def columns(self) -> list[Moved]:
        """By table; labelled columns that most rows left clear in come first."""
        found = (each for each in self._out.values() if each.column)
        return sorted(found, key=lambda each: (each.table, -each.clear_rows, -each.masked_rows, each.column))


def _place(name: str) -> tuple[str, str]:
    table, _, column = name.rpartition(".")
    return table, column


def _by_column(masked: tuple[tuple[str, str, str], ...]) -> dict[str, list[tuple[str, str]]]:
    """Labels and masks by column: one column may have been masked for several."""
    found: dict[str, list[tuple[str, str]]] = {}
    for column, label, mask in masked:
        found.setdefault(column, []).append((label, mask))
    return found


@dataclass(slots=True)
class Grounds:
    """What a session's statements rested on."""

    who: SessionInfo | None = None
    host: str = ""  # the prefix of its records' ids
    first_ns: int = 0
    last_ns: int = 0
    grants: dict[tuple[str, str, str], int] = field(default_factory=dict)  # name, granted_by, reason: statements
    policies: dict[tuple[int, str], int] = field(default_factory=dict)  # generation, hash: first use
    approvals: dict[str, list[str]] = field(default_factory=dict)  # their ids: intents
    rules: dict[str, int] = field(default_factory=dict)
    refused: int = 0

    def add(self, entry: Entry) -> None:
        """A record of the session."""
        self.who = self.who or entry.session
        self.host = self.host or entry.label.rpartition("-")[0]
        self.first_ns, self.last_ns = self.first_ns or entry.time_ns, entry.time_ns
        ruling = entry.ruling
        if ruling is None or entry.kind != "intent":
            return
        self.policies.setdefault((ruling.generation, ruling.policy_hash), entry.time_ns)
        self.refused += ruling.decision in ("deny", "hold")
        for rule in ruling.rules:
            self.rules[rule] = self.rules.get(rule, 0) + 1
        if ruling.grant is not None:
            grant = (ruling.grant.name, ruling.grant.granted_by, ruling.grant.reason)
            self.grants[grant] = self.grants.get(grant, 0) + 1
        if entry.approval:
            used = self.approvals.setdefault(entry.approval, [])
            if len(used) < _KEPT:
                used.append(entry.id)


class InForce:
    """When policies came into force on one host: its policy and system records in, by time."""

    def __init__(self, host: str) -> None:
        self._host, self._last = host, ""
        self._begun: dict[str, list[int]] = {}

    def add(self, entry: Entry) -> None:
        """A record of the gateway's own."""
        digest = entry.data.get("policy") or entry.data.get("hash")
        if not isinstance(digest, str) or entry.label.rpartition("-")[0] != self._host:
            return
        if digest != self._last:
            self._begun.setdefault(digest, []).append(entry.time_ns)
        self._last = digest

    def since(self, digest: str, used_ns: int) -> int:
        """The last time before its use that the policy of this hash came into force; 0 where that is not on record."""
        return max((each for each in self._begun.get(digest, ()) if each <= used_ns), default=0)
