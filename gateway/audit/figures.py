"""One pass over the trail becomes the figures and the exceptions of a report; memory stays bounded however long the
period is, and what did not fit is said.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Final

from gateway.audit.query import Entry, timestamp
from gateway.audit.records import ColumnsInfo, RulingInfo

HOUR_NS: Final = 3_600_000_000_000
NAMES_MAX: Final = 10_000  # different names that one table counts; the rest goes under OTHERS
PAIRS_MAX: Final = 200_000  # (person, table) that are remembered as seen
LISTED_MAX: Final = 100  # exceptions listed of one kind; all are counted
TEXT_MAX: Final = 240  # characters of a statement in the list
OTHERS: Final = "(others)"
NO_GRANT: Final = "(no rule: nothing granted it)"
_SATURDAY: Final = 5
_ADMINISTERS: Final = frozenset(("GRANT", "REVOKE", "CREATE", "ALTER", "DROP", "TRUNCATE", "REINDEX", "VACUUM", "CLUSTER"))

# Kinds of exceptions, the gravest first, and what they say.
KINDS: Final = {
    "gap": "The trail has a gap, or says that it could not be written",
    "unresolved": "Nobody knows how the statement ended",
    "sign-in": "Sign-in refused",
    "deny": "Statement refused",
    "hold": "Statement held for approval",
    "mismatch": "The statement does other than was declared",
    "policy": "Policy changed, or a change was refused",
    "command": "An operator's command",
    "disclosed": "Labelled columns handed out in clear",
    "bulk": "Bulk read",
    "first": "First access to a table",
    "privileged": "Structure or rights changed",
    "off-hours": "Outside working hours",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What the report's reader agreed to call unusual. Working hours are those of `zone`, Monday to Friday, `opens`
    included, `closes` not.
    """

    since_ns: int  # the period; entries before it only teach which tables a person knows
    until_ns: int
    zone: tzinfo
    opens: int = 7
    closes: int = 19
    bulk_rows: int = 10_000


@dataclass(frozen=True, slots=True)
class Noticed:
    """One exception: enough to find the record again."""

    kind: str
    id: str
    time: str
    who: str
    database: str
    what: str


@dataclass(slots=True)
class GrantUse:
    """How a grant was used in the period."""

    granted_by: str
    reason: str
    statements: int = 0
    users: set[str] = field(default_factory=set)
    last: str = ""


class Figures:
    """Feed it the entries by time, from some while before the period on; then read its counts."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.records = 0
        self.counts: Counter[str] = Counter()  # single figures by name
        self.decisions: Counter[str] = Counter()
        self.hours: dict[int, Counter[str]] = {}  # hours since the epoch: decision -> statements
        self.users: Counter[str] = Counter()
        self.actors: Counter[str] = Counter()
        self.refused_users: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.databases: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.masked_rows: Counter[str] = Counter()  # by label: rows of results that held a masked column of it
        self.clear_rows: Counter[str] = Counter()  # by label: rows of results that held one in clear
        self.disclosed: Counter[tuple[str, str]] = Counter()  # (label, user): rows in clear
        self.rows_by_day: dict[int, list[int]] = {}  # days since the epoch: rows with a mask, rows without
        self.grants: dict[str, GrantUse] = {}
        self.generations: Counter[str] = Counter()
        self.listed: dict[str, list[Noticed]] = {kind: [] for kind in KINDS}
        self.exceptions: Counter[str] = Counter()
        self.crowded = False  # more names or pairs than are kept
        self._known: set[tuple[str, str]] = set()
        self._clock: dict[int, bool] = {}  # hours since the epoch: whether they are working hours

    def feed(self, entries: Iterable[Entry]) -> None:
        """Takes entries in, by time."""
        terms = self.terms
        for entry in entries:
            if entry.time_ns < terms.since_ns:
                self._learn(entry)
            elif entry.time_ns < terms.until_ns:
                self.records += 1
                if entry.kind == "intent":
                    self._intent(entry)
                elif entry.kind == "outcome":
                    self._outcome(entry)
                else:
                    self._event(entry)

    def _learn(self, entry: Entry) -> None:
        if entry.kind == "intent" and entry.session is not None and entry.ruling is not None:
            for table in entry.ruling.tables:
                self._is_new(entry.session.user, table)

    def _is_new(self, user: str, table: str) -> bool:
        pair = (user, table)
        if pair in self._known:
            return False
        if len(self._known) >= PAIRS_MAX:
            self.crowded = True
            return False
        self._known.add(pair)
        return True

    def _intent(self, entry: Entry) -> None:
        session, ruling = entry.session, entry.ruling
        if session is None or ruling is None:
            return
        self.counts["intents"] += 1
        decision, hour = ruling.decision, entry.time_ns // HOUR_NS
        self.decisions[decision] += 1
        self.hours.setdefault(hour, Counter())[decision] += 1
        self._count(self.users, session.user)
        self._count(self.databases, session.database or "-")
        self.generations[f"{ruling.generation} ({ruling.policy_hash[:12]})"] += 1
        for kind in ruling.kinds:
            self._count(self.kinds, kind)
        if session.actors:
            self.counts["by agents"] += 1
            self._count(self.actors, " > ".join(session.actors))
        if decision == "deny":
            self._count(self.refused_users, session.user)
            for rule in ruling.rules or (NO_GRANT,):
                self._count(self.rules, rule)
            self._note("deny", entry, f"{', '.join(ruling.rules) or NO_GRANT}: {ruling.statement}")
        elif decision == "hold":
            self._note("hold", entry, f"{', '.join(ruling.rules)}: {ruling.statement}")
        if entry.approval:
            self.counts["approved or waiting"] += 1
        if entry.declared is not None and entry.declared.mismatch:
            self._note("mismatch", entry, f"{', '.join(entry.declared.mismatch)}: {ruling.statement}")
        self._granted(entry, ruling, session.user)
        self._unusual(entry, ruling, session.user, hour)

    def _granted(self, entry: Entry, ruling: RulingInfo, user: str) -> None:
        grant = ruling.grant
        if grant is None:
            return
        use = self.grants.get(grant.name)
        if use is None:
            if len(self.grants) >= NAMES_MAX:
                self.crowded = True
                return
            use = self.grants[grant.name] = GrantUse(grant.granted_by, grant.reason)
        use.statements += 1
        use.last = timestamp(entry.time_ns)
        if len(use.users) < NAMES_MAX:
            use.users.add(user)

    def _unusual(self, entry: Entry, ruling: RulingInfo, user: str, hour: int) -> None:
        if not self._works(hour):
            self.counts["out of hours"] += 1
            self._note("off-hours", entry, ruling.statement)
        if ruling.decision == "deny":
            return
        for table in ruling.tables:
            if self._is_new(user, table):
                self._note("first", entry, f"{table}: {ruling.statement}")
        if any(kind.partition(" ")[0] in _ADMINISTERS for kind in ruling.kinds):
            self._note("privileged", entry, ruling.statement)

    def _works(self, hour: int) -> bool:
        found = self._clock.get(hour)
        if found is None:
            then = datetime.fromtimestamp(hour * 3600, self.terms.zone)
            within = self.terms.opens <= then.hour < self.terms.closes
            found = self._clock[hour] = within and then.weekday() < _SATURDAY
        return found

    def _outcome(self, entry: Entry) -> None:
        said, ruling = entry.outcome, entry.ruling
        if said is None:
            return
        self.counts["outcomes"] += 1
        self.statuses[said.status] += 1
        self.counts["rows"] += said.rows
        self.counts["bytes"] += said.nbytes
        if said.status == "unresolved":
            self._note("unresolved", entry, f"intent {entry.intent}: {ruling.statement if ruling else ''}")
        if said.sqlstate and said.status == "error":
            self.counts["errors"] += 1
        if said.rows >= self.terms.bulk_rows:
            self._note("bulk", entry, f"{said.rows:,} rows: {ruling.statement if ruling else said.command}")
        if said.rows and ruling is not None:
            self._shown(entry, ruling, said.rows)

    def _shown(self, entry: Entry, ruling: RulingInfo, rows: int) -> None:
        columns, labels = entry.columns or ColumnsInfo(), dict(ruling.labels)
        self._rows(entry, 0 if columns.masked else 1, rows)
        for label in {label for _, label, _ in columns.masked}:
            self._count(self.masked_rows, label, rows)
        clear = {labels.get(column, "(label not on record)") for column in columns.clear}
        for label in clear:
            self._count(self.clear_rows, label, rows)
            who = entry.session.user if entry.session is not None else "-"
            if (label, who) in self.disclosed or len(self.disclosed) < NAMES_MAX:
                self.disclosed[label, who] += rows
            else:
                self.crowded = True
        if clear:
            self._note("disclosed", entry, f"{rows:,} rows, in clear: {', '.join(columns.clear)}")

    def _rows(self, entry: Entry, which: int, rows: int) -> None:
        self.rows_by_day.setdefault(entry.time_ns // (24 * HOUR_NS), [0, 0])[which] += rows
        self.counts["rows of results without a masked column" if which else "rows of results with a masked column"] += rows

    def _event(self, entry: Entry) -> None:
        what = str(entry.data.get("what", ""))
        self.counts[f"{entry.kind} events"] += 1
        if entry.kind == "session":
            self._session(entry, what)
        elif entry.kind == "policy":
            if what != "policy in force":
                self._note("policy", entry, facts(entry.data))
        elif entry.kind == "approval":
            self.counts["approval decisions"] += 1
        elif what in ("audit failed", "audit recovered", "events dropped") or "state" in entry.data:
            self._note("gap", entry, facts(entry.data))
        elif what == "command":
            self._note("command", entry, facts(entry.data))

    def _session(self, entry: Entry, what: str) -> None:
        if what == "session opened":
            self.counts["sessions"] += 1
            if entry.session is not None and entry.session.actors:
                self.counts["sessions of agents"] += 1
            if entry.session is not None and entry.session.weak:
                self.counts["sessions signed in weakly"] += 1
        elif what == "session closed":
            self.counts["sessions closed"] += 1
        elif what == "sign-ins limited":
            self.counts["sign-ins refused"] += int(entry.data.get("count", 0))
            self._note("sign-in", entry, facts(entry.data))
        elif "refused" in what:
            self.counts["sign-ins refused"] += 1
            self._note("sign-in", entry, str(entry.data.get("why") or what))

    def _count(self, counter: Counter[str], name: str, by: int = 1) -> None:
        if name not in counter and len(counter) >= NAMES_MAX:
            self.crowded = True
            name = OTHERS
        counter[name] += by

    def _note(self, kind: str, entry: Entry, what: str) -> None:
        self.exceptions[kind] += 1
        listed = self.listed[kind]
        if len(listed) < LISTED_MAX:
            session = entry.session
            who = "-" if session is None else " > ".join((session.user or "-", *session.actors))
            text = what if len(what) <= TEXT_MAX else what[:TEXT_MAX] + "…"
            where = session.database if session is not None and session.database else "-"
            listed.append(Noticed(kind, entry.id, timestamp(entry.time_ns), who, where, text))


def facts(data: dict[str, Any]) -> str:
    """An event's facts in one line."""
    what = [str(data["what"])] if "what" in data else []
    return "; ".join(what + [f"{name}: {value}" for name, value in data.items() if name != "what"])
