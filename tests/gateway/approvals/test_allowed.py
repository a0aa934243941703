"""An approver's words for an allowance."""

import msgspec
import pytest

from gateway.approvals.allowed import Wanted


def test_the_task_is_meant_where_nothing_is_said() -> None:
    assert msgspec.json.decode(b'{"times": 2, "rows": 3, "seconds": 4}', type=Wanted) == Wanted(2, 3, 4, "task")


@pytest.mark.parametrize(
    "body",
    [
        b'{"times": 2, "rows": 3}',
        b'{"times": 0, "rows": 3, "seconds": 4}',
        b'{"times": 2, "rows": 3, "seconds": 4, "scope": "all"}',
        b'{"times": 2, "rows": 3, "seconds": 4, "for": 5}',
    ],
)
def test_half_an_allowance_is_none(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Wanted)
