"""Links in mail: looked at often, used once, by nobody's guess."""

import base64

import pytest

from gateway.approvals.one_time import Links
from gateway.approvals.signatures import Unproven


def test_looking_uses_nothing_up_and_deciding_does() -> None:
    links = Links(b"k" * 32)
    token = links.make("h1", "carol@example.com", 100.0, "n1")
    for _ in range(3):
        assert links.read(token, "h1", 99.0).reader == "carol@example.com"
    assert links.spend(token, "h1", 99.0).request == "h1"
    with pytest.raises(Unproven, match="used already"):
        links.spend(token, "h1", 99.0)
    with pytest.raises(Unproven, match="used already"):
        links.read(token, "h1", 99.0)
    assert links.spend(links.make("h1", "dora@example.com", 100.0, "n2"), "h1", 99.0).reader == "dora@example.com"


def test_a_link_is_of_one_request_and_ends() -> None:
    links = Links(b"k" * 32)
    token = links.make("h1", "carol@example.com", 100.0, "n1")
    with pytest.raises(Unproven, match="another request"):
        links.read(token, "h2", 1.0)
    with pytest.raises(Unproven, match="expired"):
        links.spend(token, "h1", 100.0)


def test_a_link_that_is_not_ours_or_was_meddled_with_is_none() -> None:
    links = Links(b"k" * 32)
    token = links.make("h1", "carol@example.com", 100.0, "n1")
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    for at in range(len(raw)):
        raw[at] ^= 1
        with pytest.raises(Unproven, match="not of this gateway"):
            links.read(base64.urlsafe_b64encode(raw).decode().rstrip("="), "h1", 1.0)
        raw[at] ^= 1
    for other in ("", "é", "AAAA", token + "!", "x" * 2000, Links(b"other" * 8).make("h1", "c@d.e", 100.0, "n")):
        with pytest.raises(Unproven):
            links.read(other, "h1", 1.0)
