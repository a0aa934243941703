"""What the policy says: of a principal (Rights) and of one statement (Decision)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from gateway.errors import Refused
from gateway.policy.holds import Hold
from gateway.policy.rules import Guardrail
from parser.facts import Facts

Verdict = Literal["allow", "deny", "hold", "warn"]
Spent = Literal["rows", "bytes", "statements", "subjects", "guesses"]
SPANS = {0: "task", 60: "minute", 3600: "hour"}  # by seconds
STRICTNESS: dict[str, int] = {"allow": 0, "warn": 1, "hold": 2, "deny": 3}


@dataclass(frozen=True, slots=True)
class GrantNote:
    """The grant a statement ran under, as the audit names it."""

    name: str
    granted_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Limit:
    """The strictest of the limits of one sort, and the rule (grant or guardrail) that sets it."""

    rule: str
    most: float  # rows or seconds; integral for rows
    exactly: bool = False  # neither more nor fewer: as many as were approved

    def broken_by(self, rows: int) -> bool:
        """Whether a statement that changed so many rows is taken back."""
        return rows != self.most if self.exactly else rows > self.most


@dataclass(frozen=True, slots=True)
class Budget:
    """What one grant allows one principal in a window, or in a task (`window_seconds` 0). Of values compared with hidden
    columns ("guesses") `grant` is the label. `personal`: what agents use of it is taken from their person's own."""

    grant: str
    what: Spent
    most: int
    window_seconds: int
    personal: bool = False

    @property
    def setting(self) -> str:
        """How a grant calls it."""
        return f"max_{self.what}_per_{SPANS[self.window_seconds]}"


@dataclass(frozen=True, slots=True)
class Guesses:
    """Values that a statement compares with hidden columns of one label each time it runs: so many, and the entries of the
    arrays that are these parameters."""

    budget: Budget
    count: int
    arrays: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a statement that may run must stay within. `affected_rows`: rows changed, by its command tag."""

    affected_rows: Limit | None = None
    statement_seconds: Limit | None = None
    budgets: tuple[Budget, ...] = ()
    guesses: tuple[Guesses, ...] = ()


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict over one statement under one policy generation and one catalogue version.

    `refused` is set for deny and for hold; `hold` where people may release it. `grant` is None only when refused.
    `wants_estimate`: a rule could make the verdict stricter once the planner's estimate of its rows is known; the statement
    must not run before it was decided again with it. Never set where the statement is refused anyway. `counted_instead`:
    where no estimate can be had, a limit on the rows it changes does as well, since its command tag counts them; None where
    it does not.
    """

    verdict: Verdict
    rules: tuple[str, ...]  # names of the grants and guardrails that spoke, deciding one first
    facts: Facts
    grant: GrantNote | None
    refused: Refused | None = None
    message: str = ""  # a warning's text
    limits: Limits = NO_LIMITS
    wants_estimate: bool = False
    counted_instead: Limit | None = None
    hold: Hold | None = None
    loops: tuple[Guardrail, ...] = ()  # rules that count how often it comes
    mismatch: tuple[str, ...] = ()  # how the statement differs from what was declared
    estimated_rows: int | None = None  # the planner's estimate, where it was asked


def denied(decision: Decision, refused: Refused) -> Decision:
    """The same statement, refused for another reason than the policy's rules."""
    return replace(decision, verdict="deny", refused=refused, rules=(refused.rule, *decision.rules), hold=None)


def deferred(decision: Decision) -> Decision:
    """What PREPARE holds is held when it runs."""
    return decision if decision.hold is None else replace(decision, verdict="allow", refused=None, message="", hold=None)


def refusal(decisions: Iterable[Decision]) -> Refused | None:
    """The first refusal, which stops the whole text; one that people could lift only where there is no other."""
    refused = [one for one in decisions if one.refused is not None]
    return next((one.refused for one in refused if one.hold is None), refused[0].refused if refused else None)
