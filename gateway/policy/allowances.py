"""How much a rule lets one decision allow at most: further statements of the same shape, without anybody being asked."""

from typing import Annotated

import msgspec
from msgspec import Meta


class MaxAllowance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many statements, which change so many rows in all, for so long."""

    times: Annotated[int, Meta(ge=1, le=1_000_000)]
    rows: Annotated[int, Meta(ge=1, le=2**53)]
    seconds: Annotated[int, Meta(ge=1, le=604_800)]
