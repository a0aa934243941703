"""Access on request: who may ask for which rights, for how long, and who decides.

What is approved becomes a grant of its own with an end (`gateway.approvals.requests`).
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from gateway.channels import check_words
from gateway.toml_source import Path, fail

WAIT_SECONDS: Final = 86_400.0  # for which a request waits for its answer
Word = Literal["read", "write", "ddl", "admin", "all"]
Text = Annotated[str, Meta(min_length=1, max_length=1024)]
Names = tuple[Text, ...]


class Approvers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may decide; never the requester."""

    users: Names = ()
    groups: Names = ()

    def __bool__(self) -> bool:
        return bool(self.users or self.groups)


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So long after a request was made these may decide it too, and these channels are told."""

    after_seconds: Annotated[float, Meta(ge=1, le=86_400)]
    approvers: Approvers = Approvers()
    channels: Names = ()


class Access(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What those whom the selectors fit may ask for. Selectors are those of a grant: without `actors` people alone ask.

    `break_glass`: they have it at once when they say so, with an alarm, and `review_by` reviews it afterwards.
    """

    name: Text
    allow: Annotated[tuple[Word, ...], Meta(min_length=1)]
    approvers: Approvers = Approvers()
    users: Names = ()
    groups: Names = ()
    actors: Names = ()
    issuers: Names = ()
    databases: Names = ()
    environments: Names = ()
    role: str = ""  # "": the database's own user
    unmask: Names = ()
    max_seconds: Annotated[float, Meta(ge=60, le=31 * 86_400)] = 28_800.0
    break_glass: bool = False
    review_by: Approvers = Approvers()
    channels: Names = ("console",)
    escalate: tuple[Step, ...] = ()


def check(rule: Access, path: Path, text: str, file: str) -> None:
    """Raises ConfigError for the first thing that cannot be meant."""
    check_words(rule.channels, path, text, file)
    if not rule.approvers and not rule.break_glass:
        mend = 'write approvers = { groups = ["dba"] }'
        fail(text, file, (*path, "approvers"), "nobody could approve anything", mend)
    if rule.escalate and not rule.approvers:
        mend = "add approvers, or take escalate out"
        fail(text, file, (*path, "escalate"), "nobody is asked first whom others could follow", mend)
    if rule.break_glass and not rule.review_by:
        mend = 'write review_by = { groups = ["security"] }'
        fail(text, file, (*path, "review_by"), "nobody would review what was broken open", mend)
    if rule.review_by and not rule.break_glass:
        mend = "set break_glass = true or take review_by out"
        fail(text, file, (*path, "review_by"), "it means nothing without break_glass", mend)
    for key in ("approvers", "review_by"):
        check_approvers(getattr(rule, key), (*path, key), text, file)
    if rule.role.casefold() in ("none", "default", "public"):
        fail(text, file, (*path, "role"), "not the name of a role that can sign in", "name an upstream role")


def check_approvers(named: Approvers, path: Path, text: str, file: str) -> None:
    """Raises ConfigError where they name nobody in particular, or cannot be printed."""
    if "*" in (*named.users, *named.groups):
        fail(text, file, path, '"*" names nobody', "name the users or groups that decide")
    if not all(one.isprintable() for one in (*named.users, *named.groups)):
        fail(text, file, path, "it holds a control character", "write it in one plain line")
