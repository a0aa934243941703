"""Tokens that only their issuer can read: whom to ask, and what is made of the answer."""

from typing import Any

import pytest

from gateway.errors import Refusal
from gateway.identity.introspection import REMEMBERED_SECONDS, Asked, is_of, issuer_for, principal
from gateway.issuers import Issuer
from gateway.settings import load

from .token_rig import NOW, token

TEXT = """
[[issuer]]
name = "local"
issuer = "https://sluice.local"
audience = "sluice"
key_file = "local.pub"
[[issuer]]
name = "okta"
kind = "okta"
issuer = "https://acme.okta.com"
audience = "https://acme.okta.com"
introspection = "https://acme.okta.com/oauth2/v1/introspect"
client_id = "0oa9"
client_secret_file = "okta.secret"
client_ids = ["0oa1"]
scopes = ["openid"]
user_claim = "username"
"""
ISSUERS = load(TEXT, "sluice.toml", {}).issuers
OKTA: Issuer = ISSUERS[1]
ANSWER = {
    "active": True, "scope": "openid profile", "username": "ada@acme.example", "exp": int(NOW) + 3600, "iat": int(NOW),
    "sub": "ada@acme.example", "aud": "https://acme.okta.com", "iss": "https://acme.okta.com", "jti": "AT.1",
    "token_type": "Bearer", "client_id": "0oa1", "uid": "00u1", "groups": ["analysts"],
}  # fmt: skip


def test_a_token_is_asked_about_where_it_cannot_be_read_or_says_so() -> None:
    body = {"iss": "https://acme.okta.com", "sub": "x"}
    assert issuer_for("opaque-1234", ISSUERS) is OKTA
    assert issuer_for("ya29.a0Af", ISSUERS) is OKTA
    assert issuer_for(token(body), ISSUERS) is OKTA
    assert issuer_for(token(), ISSUERS) is None
    assert issuer_for("a.b.c", ISSUERS) is None
    for bad in ("", "x" * 8193, "tökén", "line\nbreak"):
        assert issuer_for(bad, ISSUERS) is None
    assert issuer_for("opaque-1234", ISSUERS[:1]) is None


def test_a_good_answer_is_somebody() -> None:
    found = principal(ANSWER, "opaque", OKTA, NOW)
    assert (found.user, found.issuer, found.groups, found.expires) == ("ada@acme.example", "okta", ("analysts",), NOW + 3600)
    assert found.key == ""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"active": False}, "not signed by a key"),
        ({"active": "true"}, "not signed by a key"),
        ({"active": None}, "not signed by a key"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"aud": "https://evil.example"}, "another audience"),
        ({"aud": ["https://acme.okta.com", "x"]}, "another audience"),
        ({"exp": None}, "whole numbers"),
        ({"exp": int(NOW) - 60}, "expired"),
        ({"client_id": "0oa2"}, "another application"),
        ({"client_id": None}, "not an access token"),
        ({"scope": "email"}, "lacks a scope"),
        ({"username": None}, "user claim"),
        ({"cnf": {"x5t#S256": "x"}}, "proof of possession"),
    ],
)
def test_an_answer_is_judged_as_claims_are(changes: dict[str, Any], why: str) -> None:
    answer = {name: value for name, value in (ANSWER | changes).items() if value is not None}
    if answer.get("exp", answer["iat"]) < answer["iat"]:
        answer["iat"] = answer["exp"] - 600
    with pytest.raises(Refusal, match=why):
        principal(answer, "opaque", OKTA, NOW)


def test_an_answer_counts_for_a_minute_and_never_longer_than_the_token() -> None:
    asked = Asked()
    found = principal(ANSWER, "opaque", OKTA, NOW)
    asked.learn("opaque", found, NOW)
    assert asked.find("opaque", NOW + REMEMBERED_SECONDS - 1) is found
    assert asked.find("another", NOW) is None
    assert is_of(found, found.user)
    assert not is_of(found, "bo")
    assert asked.find("opaque", NOW + REMEMBERED_SECONDS) is None
    short = principal(ANSWER | {"exp": int(NOW) + 5}, "opaque", OKTA, NOW)
    asked.learn("opaque", short, NOW)
    assert asked.find("opaque", NOW + 4) is short
    assert asked.find("opaque", NOW + 5) is None


def test_what_is_remembered_has_an_end() -> None:
    asked = Asked()
    found = principal(ANSWER, "opaque", OKTA, NOW)
    for number in range(4100):
        asked.learn(str(number), found, NOW)
    assert len(asked) == 4096
