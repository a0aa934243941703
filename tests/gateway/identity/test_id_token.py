"""An ID token says how somebody signed in only where it answers this very sign-in, signed by its issuer."""

from typing import Any

import pytest

from gateway.identity.authentication import Authentication
from gateway.identity.id_token import authentication_of

from .token_rig import ED_KEYS, NOW, OTHER_ED, claims, token

ISSUER, CLIENT, NONCE = "https://sluice.local", "console", "n-1"
GOOD = {"aud": CLIENT, "nonce": NONCE, "auth_time": int(NOW) - 5, "amr": ["mfa"]}


def read(made: str, issuer: str = ISSUER, nonce: str = NONCE) -> Authentication | None:
    return authentication_of(made, ED_KEYS, issuer, CLIENT, nonce, NOW)


@pytest.mark.parametrize("audience", [{}, {"aud": [CLIENT]}, {"aud": [CLIENT, "others"], "azp": CLIENT}])
def test_the_answer_to_this_sign_in_counts(audience: dict[str, Any]) -> None:
    assert read(token(claims(**GOOD | audience))) == Authentication(int(NOW) - 5, "", ("mfa",))


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "others"}, {"aud": ["others"]}, {"aud": [CLIENT, "others"]}, {"aud": [CLIENT, "others"], "azp": "others"},
        {"aud": None}, {"nonce": "n-2"}, {"nonce": None}, {"nonce": 1}, {"iss": "https://evil.example.com"},
        {"exp": int(NOW) - 60}, {"iat": int(NOW) + 60}, {"iat": None},
    ],
)  # fmt: skip
def test_any_other_answer_says_nothing(change: dict[str, Any]) -> None:
    assert read(token(claims(**GOOD | change))) is None


def test_forged_and_mixed_up_ones_say_nothing() -> None:
    good = claims(**GOOD)
    assert read(token(good, key=OTHER_ED)) is None
    assert read(token(good), issuer="https://other.example.com") is None
    assert read(token(good), nonce="") is None
    assert read("no.token.at-all") is None
    made = token(good)
    assert all(read(made[:at] + ("A" if made[at] != "A" else "B") + made[at + 1 :]) is None for at in range(0, len(made), 7))
