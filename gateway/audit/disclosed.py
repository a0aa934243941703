"""Who was shown one row: the trail searched for the keyed digest of its primary key.

Used in place of a Joiner over each chain's segments, in order: it gives the outcomes of those statements alone whose
recorded keys hold the one that is looked for.
"""

from dataclasses import dataclass, field
from typing import Any

from gateway.audit import records
from gateway.audit.query import Entry, Joiner, Pending, timestamp
from gateway.audit.records import ColumnsInfo
from gateway.audit.segment import Frame
from gateway.masking.key_sets import Probe, read


@dataclass(slots=True)
class Tally:
    """How sure the answer is, over all chains: `sets` that were looked into, and how many of them are expected to seem to
    hold the key though they do not. `unread`: statements that returned rows of the table, or changed some, and whose keys
    are not on record, by why."""

    sets: int = 0
    unreadable: int = 0  # chains that could not be opened
    expected_false: float = 0.0
    unread: dict[str, int] = field(default_factory=dict)


NO_KEY = "the result did not hold the whole primary key"


class Sought(Joiner):
    """See the module. `table`: schema.table, or table; `changed`: rows that were changed rather than shown."""

    __slots__ = ("_changed", "_keyed", "_met", "_probe", "_since", "_table", "_tally", "_until")

    def __init__(
        self, probe: Probe, table: str, tally: Tally, *, changed: bool = False, since: int = 0, until: int = 0
    ) -> None:
        super().__init__()
        self._since, self._until = since, until or 1 << 63  # nanoseconds: of the outcome, or the last keys
        self._probe, self._table, self._tally, self._changed = probe, table, tally, changed
        self._met: set[int] = set()  # intents without outcome so far, in whose sets the key is
        self._keyed: set[int] = set()  # … of which keys of the table are on record

    def read(self, frame: Frame) -> Entry | None:
        """The outcome of a statement that was shown the row; None for all else."""
        within = self._since <= frame.time_ns < self._until
        if frame.kind == records.ROWS and within:
            self._look(records.decode(frame.kind, frame.payload))
        entry = super().read(frame)
        if entry is None or entry.outcome is None:
            return None
        intent = entry.outcome.intent
        keyed = intent in self._keyed
        self._keyed.discard(intent)
        if intent in self._met:
            self._met.discard(intent)
            # What failed or was refused changed nothing, but what it showed was shown.
            return entry if not self._changed or entry.outcome.status in _DONE else None
        if within and not keyed and not self._changed:
            self._miss(entry)
        return None

    def unfinished(self) -> list[Entry]:
        """Statements that were shown the row and have no outcome in their chain: their worker died."""
        return [_entry(self.pending[intent]) for intent in sorted(self._met) if intent in self.pending]

    def _look(self, said: records.Rows) -> None:
        if said.changed is not self._changed or not names(said.table, self._table):
            return
        found = read(said.digests, said.count)
        self._keyed.add(said.intent)
        if found.why:
            self._tally.unread[found.why] = self._tally.unread.get(found.why, 0) + 1
            return
        digest = self._probe.digest(found.families)
        if digest is None:
            return
        self._tally.sets += 1
        self._tally.expected_false += found.error
        if found.holds(digest):
            self._met.add(said.intent)

    def _miss(self, entry: Entry) -> None:
        """A statement that read the table and returned rows without its key: nobody knows whose."""
        ruling, said = entry.ruling, entry.outcome
        if ruling is None or said is None or not said.rows or said.command.split(" ")[0] not in _RETURNING:
            return
        if any(names(each, self._table) for each in ruling.tables):
            self._tally.unread[NO_KEY] = self._tally.unread.get(NO_KEY, 0) + 1


_DONE = frozenset({"ok", "unresolved"})
_RETURNING = frozenset({"SELECT", "FETCH", "COPY", "PORTAL"})


def names(full: str, wanted: str) -> bool:
    """Whether a table's name is meant by schema.table or table."""
    return full == wanted or full.endswith("." + wanted)


def to_json(entry: Entry) -> dict[str, Any]:
    """One disclosure as `sluice audit disclosed --json` prints it: who, when, through what, and which columns stood in the
    result: `masked` (with label and mask), `clear` (labelled, shown in clear) and `other` (read, without a label). Those
    of other tables too, since they stood beside the row."""
    session, ruling, said = entry.session, entry.ruling, entry.outcome
    assert session is not None, "only what a session did is looked at"
    assert ruling is not None, "only statements have outcomes"
    columns = entry.columns or ColumnsInfo()
    masked = [{"column": column, "label": label, "mask": mask} for column, label, mask in columns.masked]
    told = {column for column, _, _ in columns.masked}.union(columns.clear)
    other = [column for column in ruling.columns_read if column not in told]
    return {
        "id": entry.id,
        "time": timestamp(entry.time_ns),
        "intent": entry.intent or entry.id,
        "status": said.status if said is not None else "unresolved",
        "session": session.session,
        "user": session.user,
        "actor": list(session.actors),
        "groups": list(session.groups),
        "client": {"address": session.address, "application": session.application},
        "database": session.database,
        "environment": session.environment,
        "statement": ruling.statement,
        "statement_kind": ", ".join(ruling.kinds),
        "rows": said.rows if said is not None else None,
        "masked": masked,
        "clear": list(columns.clear),
        "other": other,
        "grant": ruling.grant.name if ruling.grant is not None else None,
    }


def _entry(opened: Pending) -> Entry:
    who = (opened.session, opened.ruling, opened.tags, opened.approval)
    return Entry(opened.origin, opened.seq, opened.time_ns, "intent", *who)
