"""Whom a request that nobody decides reaches next: steps of a rule, each after its time."""

from collections.abc import Sequence

from gateway.channels import check_words
from gateway.policy.access import Approvers, Step, check_approvers
from gateway.toml_source import Path, fail


def due(steps: Sequence[Step], waited: float) -> tuple[Step, ...]:
    """The steps that count once a request has waited so long."""
    return tuple(one for one in steps if waited >= one.after_seconds)


def widened(approvers: Approvers, steps: Sequence[Step]) -> Approvers:
    """The rule's own people, and those of these steps."""
    users = (*approvers.users, *(user for one in steps for user in one.approvers.users))
    groups = (*approvers.groups, *(group for one in steps for group in one.approvers.groups))
    return Approvers(tuple(dict.fromkeys(users)), tuple(dict.fromkeys(groups)))


def check(steps: Sequence[Step], wait_seconds: float, wait: str, path: Path, text: str, file: str) -> None:
    """Raises ConfigError for the first step that cannot be meant. `wait`: what limits them, in words."""
    before = 0.0
    for index, one in enumerate(steps):
        here: Path = (*path, "escalate", index)
        if not one.approvers and not one.channels:
            mend = 'write approvers = { groups = ["dba-lead"] }, channels = ["pagerduty"], or both'
            fail(text, file, here, "the step asks nobody and tells nobody", mend)
        if one.approvers:
            check_approvers(one.approvers, (*here, "approvers"), text, file)
        check_words(one.channels, here, text, file)
        if one.after_seconds <= before:
            mend = "write the steps in their order, each later than the one before"
            fail(text, file, (*here, "after_seconds"), "the step is not later than the one before", mend)
        if one.after_seconds >= wait_seconds:
            mend = f"set it below {wait}, which is {wait_seconds:.15g}"
            fail(text, file, (*here, "after_seconds"), "nothing waits so long", mend)
        before = one.after_seconds
