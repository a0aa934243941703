"""The verdict over one statement: a deny beats a missing grant, that beats a hold, and a hold beats a warning."""

from collections.abc import Iterable
from dataclasses import replace

from gateway.classify.catalog import Catalog
from gateway.errors import Refused, State
from gateway.identity import end_user, on_hold
from gateway.identity.declaration import Declaration
from gateway.policy import builtin, guardrails
from gateway.policy.affected import counted
from gateway.policy.decision import (
    NO_LIMITS,
    SPANS,
    STRICTNESS,
    Budget,
    Decision,
    GrantNote,
    Limit,
    Limits,
    Spent,
    Verdict,
)
from gateway.policy.guardrails import PLAIN, UNNEST, Finding, Said
from gateway.policy.holds import Hold, held
from gateway.policy.intents import mismatch
from gateway.policy.needs import CALLS_WRITER, Need, Needs, needs
from gateway.policy.rights import Rights
from gateway.policy.rules import Grant
from gateway.policy.sides import Side
from parser.facts import Facts

_STRENGTH = ("read", "write", "ddl", "admin", "all")
_HOUR, _MINUTE, _TASK = 3600, 60, 0
_BUDGETS: tuple[tuple[Spent, int], ...] = (
    ("rows", _HOUR), ("rows", _TASK), ("bytes", _HOUR), ("bytes", _TASK), ("statements", _MINUTE), ("statements", _HOUR),
    ("statements", _TASK), ("subjects", _HOUR), ("subjects", _TASK),
)  # fmt: skip


def decide(
    facts: Facts,
    rights: Rights,
    catalog: Catalog,
    estimated_rows: int | None = None,
    own: frozenset[str] = frozenset(),
    declared: Declaration | None = None,
) -> Decision:
    """The verdict over a statement of a session with these rights. Pure and total.

    `estimated_rows`: the planner's estimate of the rows that the statement returns or changes, None where it was not asked
    yet (see Decision.wants_estimate); it can make the verdict stricter and never milder. `own`: bare names that now
    certainly mean temporary relations of the session. `declared`: what was said of the statement before.

    What is held is refused by whoever cannot have it wait for people (`Decision.hold`). A refusal is 42501, names its rule
    and no value, and its hint tells how to mend the statement.
    """
    needed = needs(facts, rights, catalog, own)
    if declared is None:
        return _decided(facts, needed, rights, catalog, estimated_rows, own, ())
    differs = mismatch(declared, facts, needed, catalog, own)
    decision = _decided(facts, needed, rights, catalog, estimated_rows, own, differs)
    return replace(decision, mismatch=differs) if differs else decision


def _decided(
    facts: Facts,
    needed: Needs,
    rights: Rights,
    catalog: Catalog,
    estimated_rows: int | None,
    own: frozenset[str],
    differs: tuple[str, ...],
) -> Decision:
    said = guardrails.speak(facts, needed, rights.guardrails, catalog, estimated_rows, own, differs)
    decision = _verdict(said, facts, needed, rights, catalog, estimated_rows)
    return replace(decision, loops=tuple(said.loops)) if said.loops else decision


def _verdict(
    said: Said, facts: Facts, needed: Needs, rights: Rights, catalog: Catalog, estimated_rows: int | None
) -> Decision:
    if rights.production:
        built_in = builtin.speak(facts, needed, catalog, estimated_rows)
        said.found += built_in.found
        said.waiting += built_in.waiting
    if (refused := end_user.misplaced(facts)) is not None:
        return Decision("deny", (end_user.RULE,), facts, None, refused)
    if (refused := on_hold.unknown(facts)) is not None:
        return Decision("deny", (on_hold.RULE,), facts, None, refused)
    found = said.found
    for finding in found:
        if finding.effect == "deny":
            return _refuse("deny", finding, found, facts)
    for need in needed.wanted:
        if not rights.may(need.word):
            return _ungranted(need, facts, rights)
    grants = _spoken(rights.sides, needed.wanted)
    uncounted = _uncounted(facts, needed, grants)
    if uncounted is not None:
        return _beyond(uncounted, found, facts)
    holding = [finding for finding in found if finding.effect == "hold"]
    hold = held([one.rule for one in holding], "; ".join(map(_words, holding)), rights.approvals) if holding else None
    if holding and hold is None:
        return _refuse("hold", holding[0], found, facts)
    note = GrantNote(grants[0].name, grants[0].granted_by, grants[0].reason)
    verdict: Verdict = "hold" if holding else "warn" if found else "allow"
    stricter = [
        Limit(one.rule, rows - 1) for one, rows in said.waiting if STRICTNESS[one.effect] > STRICTNESS[verdict]
    ]
    return Decision(
        verdict,
        (*(one.rule for one in found), *(one.name for one in grants)),
        facts,
        note,
        refused=_waits(hold, holding[0]) if hold is not None else None,
        message="; ".join(_words(finding) for finding in found),
        limits=_limits(facts, needed, said, grants),
        wants_estimate=bool(stricter),
        counted_instead=_strictest(stricter) if counted(facts) == "tag" else None,
        hold=hold,
        estimated_rows=estimated_rows,
    )


def _refuse(verdict: Verdict, finding: Finding, found: list[Finding], facts: Facts) -> Decision:
    if verdict == "hold":
        message = f"held by {_words(finding)} (it needs an approval, which nobody can give here)"
    else:
        message = f"denied by {_words(finding)}"
    refused = Refused(State.DENIED, message, finding.hint, finding.rule)
    rules = (finding.rule, *(one.rule for one in found if one is not finding))
    return Decision(verdict, rules, facts, None, refused)


def _waits(hold: Hold, finding: Finding) -> Refused:
    """For whoever cannot have it wait."""
    hint = "Send it as a statement of its own, in the simple or the extended protocol: there it can wait for an approval."
    return Refused(State.DENIED, f"held by {hold.words}", hint, finding.rule)


def _words(finding: Finding) -> str:
    rule = f'guardrail "{finding.rule}"'
    return f"{rule}: {finding.words}" if finding.words else rule


def _ungranted(need: Need, facts: Facts, rights: Rights) -> Decision:
    if rights.nobody:
        return Decision("deny", (end_user.RULE,), facts, None, end_user.NOBODY)
    whose = ""
    if len(rights.sides) > 1:
        whose = " of the agent's" if any(_covers(one, need) for one in rights.sides[-1]) else " of the user's own"
    message = f'denied by "{builtin.DEFAULT_DENY}": the statement {need.what}, and no grant{whose} here allows {need.word}'
    refused = Refused(State.DENIED, message, need.hint, builtin.DEFAULT_DENY)
    return Decision("deny", (builtin.DEFAULT_DENY,), facts, None, refused)


def _beyond(finding: Finding, found: list[Finding], facts: Facts) -> Decision:
    message = f'denied by grant "{finding.rule}": {finding.words}'
    refused = Refused(State.DENIED, message, finding.hint, finding.rule)
    return Decision("deny", (finding.rule, *(one.rule for one in found)), facts, None, refused)


def _spoken(sides: tuple[Side, ...], wanted: tuple[Need, ...]) -> list[Grant]:
    """The grants a statement runs under, those of each side: an agent's before the person's."""
    if len(sides) == 1:
        return _of_side(sides[0], wanted)
    return list({one.name: one for side in sides for one in _of_side(side, wanted)}.values())


def _of_side(grants: Side, wanted: tuple[Need, ...]) -> list[Grant]:
    """That of the statement's strongest need first: for each need that no grant before covers, that which allows least,
    by name."""
    chosen: list[Grant] = []
    for need in wanted:
        if not any(_covers(one, need) for one in chosen):
            chosen.append(min((one for one in grants if _covers(one, need)), key=_breadth))
    return chosen or [min(grants, key=_breadth)]


def _breadth(grant: Grant) -> tuple[int, str]:
    """How much a grant allows, and its name."""
    return max(_STRENGTH.index(word) for word in grant.allow), grant.name


def _covers(grant: Grant, need: Need) -> bool:
    return need.word in grant.allow or "all" in grant.allow


def _uncounted(facts: Facts, needed: Needs, grants: list[Grant]) -> Finding | None:
    """The denial of a statement that may change rows uncounted under a grant that limits them."""
    limited = next((one.name for one in grants if one.max_affected_rows is not None), None)
    if limited is None:
        return None
    words = "the rows it may change are limited, and cannot be counted"
    if CALLS_WRITER in needed.wanted:
        return Finding(limited, "deny", words, CALLS_WRITER.hint)
    if needed.own:
        return None
    if needed.unread:
        return Finding(limited, "deny", words, PLAIN)
    return Finding(limited, "deny", words, UNNEST) if counted(facts) == "never" else None


def _limits(facts: Facts, needed: Needs, said: Said, grants: list[Grant]) -> Limits:
    """The strictest limits of the grants and guardrails, and every budget."""
    rows = list(said.limits)
    if not needed.own and counted(facts) == "tag":
        rows += [Limit(one.name, one.max_affected_rows) for one in grants if one.max_affected_rows is not None]
    seconds = [Limit(one.name, one.max_statement_seconds) for one in grants if one.max_statement_seconds is not None]
    budgets = tuple(budget for one in grants for budget in _budgets(one))
    if not rows and not seconds and not budgets:
        return NO_LIMITS
    return Limits(_strictest(rows), _strictest(seconds), budgets)


def _strictest(limits: Iterable[Limit]) -> Limit | None:
    return min(limits, key=lambda one: (one.most, one.rule), default=None)


def _budgets(grant: Grant) -> Iterable[Budget]:
    for what, seconds in _BUDGETS:
        most: int | None = getattr(grant, f"max_{what}_per_{SPANS[seconds]}")
        if most is not None:
            yield Budget(grant.name, what, most, seconds, personal=not grant.actors)
