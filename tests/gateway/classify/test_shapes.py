"""What one value is by its own form, and what a text has inside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.classify import shapes

KINDS = [
    ("ada@example.com", "email"),
    ("Ada Lovelace <ada.l+x@mail.example.co.uk>", "email"),
    ("mailto:ada@example.com", "email"),
    ("4111 1111 1111 1111", "card"),
    ("378282246310005", "card"),
    ("DE89 3704 0044 0532 0130 00", "iban"),
    ("gb29nwbk60161331926819", "iban"),
    ("192.168.0.17", "ip"),
    ("10.0.0.0/8", "ip"),
    ("2001:db8::1", "ip"),
    ("::ffff:10.0.0.1", "ip"),
    ("00:1B:44:11:3A:B7", "ip"),
    ("52.520008, 13.404954", "geo"),
    ("POINT(13.4 52.5)", "geo"),
    ("AKIAIOSFODNN7EXAMPLE", "secret"),
    ("ghp_" + "a1B2" * 9, "secret"),
    ("xoxb-123456789012-abcdef", "secret"),
    ("sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", "secret"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U", "secret"),
    ("$2b$12$" + "R9h.cIPz0gi.URNNX3kh2OPST9" * 2, "secret"),
    ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub", "secret"),
    ("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEI", "secret"),
    ("postgres://app:hunter2secret@db:5432/x", "secret"),
]
NOTHING = [
    "", "x", "4006381333931", "2026-01-31", "12:30:00", "1.2.3", "999.1.1.1", "a@b", "@handle", "ORD-2026-000017", "Oslo",
    "550e8400-e29b-41d4-a716-446655440000", "507f1f77bcf86cd799439011", "3.14159", "https://example.com/a", "a" * 5000,
]  # fmt: skip
INSIDE = [
    ("please write to ada@example.com, thanks", {"email"}),
    ("card 4111-1111-1111-1111 was declined", {"card"}),
    ("his number is 219-09-9999.", {"ssn"}),
    ("call +49 30 123456789 or (415) 555-2671", {"phone"}),
    ("from 10.1.2.3 at noon", {"ip"}),
    ("pay to DE89 3704 0044 0532 0130 00 today", {"iban"}),
    ("key is AKIAIOSFODNN7EXAMPLE", {"secret"}),
    ("Mozilla/5.0 (X11; rv:1.9.4.20) Chrome/45.0.829.0 Safari/531.0", set()),
    ("the 3 boxes of 2026-01-31 weigh 12.5 kg", set()),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), KINDS)
def test_value_of_a_form_of_its_own_is_known(value: str, expected: str) -> None:
    assert shapes.kind(value) == expected


@pytest.mark.parametrize("value", NOTHING)
def test_other_values_are_nothing(value: str) -> None:
    assert shapes.kind(value) is None


@pytest.mark.parametrize(("text", "expected"), INSIDE)
def test_texts_are_searched(text: str, expected: set[str]) -> None:
    assert shapes.inside(text) == expected


def test_passwords_random_tokens_digests_and_diagnoses_have_their_looks() -> None:
    assert shapes.is_password("_5Cz9vGm(^")
    assert not any(map(shapes.is_password, ("short1!", "two words!1A", "SK-000123", "password")))
    assert shapes.is_random("kT9xQ2mZ7pL4vB8nR3sW6yH1")
    assert not any(map(shapes.is_random, ("507f1f77bcf86cd799439011", "CamelCaseIdentifierOfCode", "short")))
    assert shapes.is_digest("d41d8cd98f00b204e9800998ecf8427e")
    assert not shapes.is_digest("507f1f77bcf86cd799439011")
    assert shapes.is_diagnosis_code("E11.9")
    assert not shapes.is_diagnosis_code("U2")


@given(st.text(max_size=80))
def test_any_text_is_judged_without_error(text: str) -> None:
    assert shapes.kind(text) in {None, "email", "card", "iban", "ip", "geo", "secret"}
    assert shapes.inside(text) <= {"email", "card", "iban", "ip", "ssn", "phone", "secret"}
    for judge in (shapes.is_password, shapes.is_random, shapes.is_digest, shapes.is_diagnosis_code):
        assert judge(text) in (True, False)
