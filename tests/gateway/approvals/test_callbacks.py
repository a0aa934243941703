"""The body of a decision."""

import pytest

from gateway.approvals import callbacks
from gateway.approvals.signatures import Unproven


def test_a_decision_is_read_and_its_token_not_shown() -> None:
    found = callbacks.read(b'{"request": "h1", "approve": true, "token": "ey.to.ken", "words": "fine"}')
    assert (found.request, found.approve, found.words) == ("h1", True, "fine")
    assert "ey.to.ken" not in repr(found)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"[" * 100_000, b"\xff\xfe",
        b'{"request": "h1", "approve": "true", "token": "t"}',
        b'{"request": "h1", "approve": 1, "token": "t"}',
        b'{"request": "h1", "approve": null, "token": "t"}',
        b'{"request": "", "approve": true, "token": "t"}',
        b'{"request": "h1", "approve": true, "token": "t", "user": "root"}',
        b'{"request": "h1", "approve": true, "token": "' + b"t" * 9000 + b'"}',
        b'{"request": "h1", "approve": true}',
    ],
)  # fmt: skip
def test_what_is_none_is_refused_without_being_quoted(body: bytes) -> None:
    with pytest.raises(Unproven, match=r"^the body is not a decision: request, approve, token and words$"):
        callbacks.read(body)
