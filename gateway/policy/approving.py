"""Approval rules: who releases what a guardrail holds, over which channels, and for how long it waits."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.channels import check_words
from gateway.policy import escalating, step_up
from gateway.policy.access import Approvers, Names, Step, Text, check_approvers
from gateway.policy.allowances import MaxAllowance
from gateway.policy.step_up import StepUp
from gateway.toml_source import Path, fail


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who releases what is held of whom, over which channels, and for how long it waits.

    `users`, `groups` and `actors` are those who ask, as in a guardrail. Where several rules speak of a statement each must
    be satisfied. `in_transaction`: whether a statement may wait where its transaction keeps locks. `escalate`: who is asked
    next. Whoever does not wait has a ticket, which waits for `ticket_seconds` and, once it is approved, is worth something
    for `use_within_seconds`.
    `max_allowance`: how many more of its shape one decision may allow, None where it decides about one alone.
    `preview`: a write is tried in a transaction that is rolled back, for `preview_seconds` at most, and those who decide see
    what it would change.
    `step_up`: how fresh and strong the sign-in of who decides must be.
    """

    name: Text
    approvers: Approvers
    users: Names = ()
    groups: Names = ()
    actors: Names = ()
    databases: Names = ()
    environments: Names = ()
    approvals_needed: Annotated[int, Meta(ge=1, le=16)] = 1
    channels: Names = ("console",)
    wait_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 300.0
    remember_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    ticket_seconds: Annotated[float, Meta(ge=1, le=604_800)] = 3600.0
    use_within_seconds: Annotated[float, Meta(ge=1, le=86_400)] = 900.0
    max_allowance: MaxAllowance | None = None
    in_transaction: Literal["warn", "refuse"] = "warn"
    escalate: tuple[Step, ...] = ()
    preview: bool = False
    preview_seconds: Annotated[float, Meta(ge=0.1, le=60)] = 5.0
    step_up: StepUp | None = None


def check(rule: Approval, path: Path, text: str, file: str) -> None:
    """Raises ConfigError for the first thing that cannot be meant."""
    if not rule.approvers:
        mend = 'write approvers = { groups = ["dba"] }'
        fail(text, file, (*path, "approvers"), "nobody could release anything", mend)
    if rule.preview and rule.remember_seconds:
        mend = "leave remember_seconds out: what passes again is looked at by nobody, so its outcome is compared with none"
        fail(text, file, (*path, "remember_seconds"), "it cannot stand beside preview", mend)
    if rule.preview and rule.max_allowance is not None:
        mend = "leave max_allowance out: what passes under an allowance is looked at by nobody"
        fail(text, file, (*path, "max_allowance"), "it cannot stand beside preview", mend)
    check_approvers(rule.approvers, (*path, "approvers"), text, file)
    check_words(rule.channels, path, text, file)
    escalating.check(rule.escalate, rule.wait_seconds, "wait_seconds", path, text, file)
    step_up.check(rule.step_up, (*path, "step_up"), text, file)
