"""What is held, and what releases it: the guardrails that hold a statement, and the approval rules that speak of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.policy.approving import Approval


@dataclass(frozen=True, slots=True)
class Hold:
    """A statement that waits for people. `rules`: the guardrails that hold it; `approvals`: the rules each of which must be
    satisfied."""

    rules: tuple[str, ...]
    words: str  # what the rules say of it
    approvals: tuple[Approval, ...]

    @property
    def whom(self) -> str:
        """Who is asked, by the names of the rules."""
        return " and ".join(f'"{one.name}"' for one in self.approvals)

    @property
    def wait_seconds(self) -> float:
        """For how long it waits at most."""
        return min(one.wait_seconds for one in self.approvals)

    @property
    def ticket_seconds(self) -> float:
        """For how long it waits at most where its client does not."""
        return min(one.ticket_seconds for one in self.approvals)

    @property
    def use_within_seconds(self) -> float:
        """For how long it may be sent again once it was approved."""
        return min(one.use_within_seconds for one in self.approvals)

    @property
    def remember_seconds(self) -> float:
        """For how long the same shape of the same person passes again, once it was approved."""
        return min(one.remember_seconds for one in self.approvals)

    @property
    def preview_seconds(self) -> float:
        """For how long its outcome may be tried; 0 where no rule asks for that."""
        return min((one.preview_seconds for one in self.approvals if one.preview), default=0.0)

    @property
    def refuses_in_transaction(self) -> bool:
        """Whether it must not wait where locks are kept."""
        return any(one.in_transaction == "refuse" for one in self.approvals)


def held(rules: Sequence[str], words: str, approvals: tuple[Approval, ...]) -> Hold | None:
    """What the guardrails of these names hold; None where nobody could release it."""
    return Hold(tuple(rules), words, approvals) if approvals else None
