"""What the policy says: of a principal (Rights) and of one statement (Decision)."""

from dataclasses import dataclass
from typing import Literal

from gateway.errors import Refused
from parser.facts import Facts

Verdict = Literal["allow", "deny", "hold", "warn"]


@dataclass(frozen=True, slots=True)
class GrantNote:
    """The grant a statement ran under, as the audit names it."""

    name: str
    granted_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict over one statement under one policy generation and one catalogue version.

    `refused` is set for deny, and for hold as long as nothing can release it. `grant` is None only when refused.
    """

    verdict: Verdict
    rules: tuple[str, ...]  # names of the grants and guardrails that spoke, deciding one first
    facts: Facts
    grant: GrantNote | None
    refused: Refused | None = None
    message: str = ""  # a warning's text
