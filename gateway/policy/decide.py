"""The verdict over one statement: a deny beats a missing grant, that beats a hold, and a hold beats a warning."""

from gateway.classify.catalog import Catalog
from gateway.errors import Refused, State
from gateway.policy import builtin, guardrails
from gateway.policy.decision import Decision, GrantNote
from gateway.policy.guardrails import Finding
from gateway.policy.needs import Need, needs
from gateway.policy.rights import Rights
from gateway.policy.rules import Grant
from parser.facts import Facts

_STRENGTH = ("read", "write", "ddl", "admin", "all")


def decide(facts: Facts, rights: Rights, catalog: Catalog) -> Decision:
    """The verdict over a statement of a session with these rights. Pure and total.

    What is held is refused: nothing can release it here. A refusal is 42501, names its rule and no value, and its
    hint tells how to mend the statement.
    """
    needed = needs(facts, rights, catalog)
    found = guardrails.speak(facts, needed, rights.guardrails)
    if rights.production:
        found += builtin.speak(facts, needed)
    for finding in found:
        if finding.effect == "deny":
            return _refuse("deny", finding, found, facts)
    for need in needed.wanted:
        if not rights.may(need.word):
            return _ungranted(need, facts)
    for finding in found:
        if finding.effect == "hold":
            return _refuse("hold", finding, found, facts)
    grants = _spoken(rights.grants, needed.wanted)
    note = GrantNote(grants[0].name, grants[0].granted_by, grants[0].reason)
    names = tuple(one.name for one in grants)
    if not found:
        return Decision("allow", names, facts, note)
    warnings = "; ".join(_words(finding) for finding in found)
    return Decision("warn", (*(one.rule for one in found), *names), facts, note, message=warnings)


def _refuse(verdict: str, finding: Finding, found: list[Finding], facts: Facts) -> Decision:
    if verdict == "hold":
        message = f"held by {_words(finding)} (it needs an approval, which nobody can give here)"
    else:
        message = f"denied by {_words(finding)}"
    refused = Refused(State.DENIED, message, finding.hint, finding.rule)
    rules = (finding.rule, *(one.rule for one in found if one is not finding))
    return Decision("hold" if verdict == "hold" else "deny", rules, facts, None, refused)


def _words(finding: Finding) -> str:
    rule = f'guardrail "{finding.rule}"'
    return f"{rule}: {finding.words}" if finding.words else rule


def _ungranted(need: Need, facts: Facts) -> Decision:
    message = f'denied by "{builtin.DEFAULT_DENY}": the statement {need.what}, and no grant here allows {need.word}'
    refused = Refused(State.DENIED, message, need.hint, builtin.DEFAULT_DENY)
    return Decision("deny", (builtin.DEFAULT_DENY,), facts, None, refused)


def _spoken(grants: tuple[Grant, ...], wanted: tuple[Need, ...]) -> list[Grant]:
    """The grants a statement runs under, that of its strongest need first: for each need that no grant before covers,
    that which allows least, by name."""
    narrow = sorted(grants, key=lambda one: (max(_STRENGTH.index(word) for word in one.allow), one.name))
    chosen: list[Grant] = []
    for need in wanted:
        if not any(_covers(one, need) for one in chosen):
            chosen.append(next(one for one in narrow if _covers(one, need)))
    return chosen or narrow[:1]


def _covers(grant: Grant, need: Need) -> bool:
    return need.word in grant.allow or "all" in grant.allow
