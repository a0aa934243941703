"""Which guardrails of the policy speak of a statement, and which set it a limit.

A statement whose effects cannot be read counts as the worst it could be: every guardrail in force for the session speaks
of it, and the strictest are named. Names are matched with all that they reach (`gateway.policy.reach`).
"""

from dataclasses import dataclass, field

from msgspec.structs import replace

from gateway.classify.catalog import Catalog
from gateway.policy import kinds
from gateway.policy.affected import counted, estimable
from gateway.policy.decision import Limit
from gateway.policy.needs import CALLS_WRITER, Needs
from gateway.policy.rails import Asked, Rails
from gateway.policy.reach import Reach, columns, fits_column, fits_function, fits_relation, relations
from gateway.policy.rules import Guardrail
from parser.facts import Facts

_DEFINITIONS = ("CREATE", "DROP", "ALTER", "TRUNCATE")
PLAIN = "Write it as plain statements, one by one."
UNNEST = "Write the change as a statement of its own, without WITH, EXPLAIN or COPY around it."


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that speaks: its name, its effect (deny, hold, warn), its words, and how to mend the statement."""

    rule: str
    effect: str
    words: str
    hint: str


@dataclass(slots=True)
class Said:
    """What rules say of a statement. `waiting`: what they would say too if the planner's estimate of its rows were as high
    as that. `limits`: the most rows it may change. `loops`: the rules that count how often it comes."""

    found: list[Finding] = field(default_factory=list)
    waiting: list[tuple[Finding, int]] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    loops: list[Guardrail] = field(default_factory=list)

    def add(self, finding: Finding, rows: int | None = None, estimated_rows: int | None = None) -> None:
        """One more rule, which speaks of statements of at least `rows` estimated rows."""
        if rows is None or (estimated_rows is not None and estimated_rows >= rows):
            self.found.append(finding)
        elif estimated_rows is None:
            self.waiting.append((finding, rows))


def speak(
    facts: Facts,
    needs: Needs,
    rails: Rails,
    catalog: Catalog,
    estimated_rows: int | None = None,
    own: frozenset[str] = frozenset(),
    mismatch: tuple[str, ...] = (),
) -> Said:
    """What the guardrails say of the statement, in the order of their names. `own`: see `gateway.policy.reach`. `mismatch`:
    how it differs from what was declared (`gateway.policy.intents`); rules on that say nothing where nothing differs.
    """
    said = Said()
    seen = _Seen(facts, needs, catalog, own)
    asked = Asked(facts, spoken_kinds(facts, needs), seen.relations, seen.columns)
    for rail in rails.worst(undeclared=bool(mismatch)) if needs.unread else rails.of(asked):
        if rail.loop is not None:
            if needs.unread or _meets(rail, seen):
                said.loops.append(rail)
            continue
        if rail.intent_mismatch:
            if not mismatch:
                continue
            rail = replace(rail, message=_undeclared(rail, mismatch))
        if needs.unread:
            said.add(Finding(rail.name, rail.effect, rail.message, PLAIN))
        elif not _meets(rail, seen):
            continue
        elif rail.max_affected_rows is not None:
            _limit(said, rail, rail.max_affected_rows, seen)
        elif rail.min_estimated_rows is None:
            said.add(Finding(rail.name, rail.effect, rail.message, _hint(rail)))
        elif estimable(facts):
            finding = Finding(rail.name, rail.effect, rail.message, _hint(rail))
            said.add(finding, rail.min_estimated_rows, estimated_rows)
    return said


def spoken_kinds(facts: Facts, needs: Needs) -> tuple[str, ...]:
    """The kinds that rules see: definitions of the session's own temporary tables are none."""
    if not needs.own:
        return facts.kinds
    return tuple(kind for kind in facts.kinds if kind.split()[0] not in _DEFINITIONS)


class _Seen:
    """The statement with what its names reach, worked out when a rule first asks."""

    __slots__ = ("_catalog", "_columns", "_own", "_relations", "facts", "needs")

    def __init__(self, facts: Facts, needs: Needs, catalog: Catalog, own: frozenset[str]) -> None:
        self.facts = facts
        self.needs = needs
        self._catalog = catalog
        self._own = own
        self._relations: Reach | None = None
        self._columns: Reach | None = None

    def relations(self) -> Reach:
        if self._relations is None:
            named = (*self.facts.reads, *self.facts.writes, *self.facts.creates)
            self._relations = relations(named, self._catalog, self._own)
        return self._relations

    def columns(self) -> Reach:
        if self._columns is None:
            self._columns = columns(self.facts, self._catalog, self._own)
        return self._columns


def _meets(rail: Guardrail, seen: _Seen) -> bool:
    """Whether all conditions of the rule hold but those on numbers of rows."""
    facts, needs = seen.facts, seen.needs
    if rail.statements:
        own = spoken_kinds(facts, needs)
        if not any(kinds.fits(one, kind) for one in rail.statements for kind in own):
            return False
    if rail.without_where and (needs.own or not facts.unfiltered):
        return False
    if rail.tables:
        reach = seen.relations()
        if not reach.unknown and not any(fits_relation(p, one) for p in rail.tables for one in reach.relations):
            return False
    if rail.columns:
        reach = seen.columns()
        if not reach.unknown and not any(fits_column(p, one) for p in rail.columns for one in reach.columns):
            return False
    return not rail.functions or any(fits_function(p, *one) for p in rail.functions for one in facts.functions)


def _undeclared(rail: Guardrail, mismatch: tuple[str, ...]) -> str:
    words = f"the statement {', '.join(mismatch)}, which was not declared"
    return f"{rail.message} ({words})" if rail.message else words


def _limit(said: Said, rail: Guardrail, most: int, seen: _Seen) -> None:
    """The session's own temporary tables have no limit."""
    if CALLS_WRITER in seen.needs.wanted:
        said.add(Finding(rail.name, rail.effect, rail.message, CALLS_WRITER.hint))
        return
    how = "none" if seen.needs.own else counted(seen.facts)
    if how == "tag":
        said.limits.append(Limit(rail.name, most))
    elif how == "never":
        said.add(Finding(rail.name, rail.effect, rail.message, UNNEST))


def _hint(rail: Guardrail) -> str:
    if rail.min_estimated_rows is not None:
        return "Narrow the WHERE, or work in smaller steps."
    if rail.intent_mismatch:
        return "Do what was declared, or declare it first: SET sluice.reason = 'tables=… effect=… why'."
    if rail.without_where:
        return "Add a WHERE that selects the rows you mean."
    if rail.functions:
        return "Leave the function out of the statement."
    if rail.columns:
        return "Leave the columns out of the statement."
    if rail.tables and not rail.statements:
        return "Leave the table out of the statement."
    return "Leave this kind of statement out."
