"""What an approver allows besides: further statements of the same shape."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Scope = Literal["task", "person"]


class Allowance(msgspec.Struct, frozen=True):
    """`times` statements, the one that was decided about among them, which change `rows` rows in all, until then (POSIX
    seconds): of the same task - the run that the token is for, or the token - or of the same person and agents."""

    times: int
    rows: int
    until: float
    scope: Scope


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An approver's words for one."""

    times: Annotated[int, Meta(ge=1, le=1_000_000)]
    rows: Annotated[int, Meta(ge=1, le=2**53)]
    seconds: Annotated[int, Meta(ge=1, le=604_800)]
    scope: Scope = "task"
