"""Equal values in one form, however the server or a person writes them; what is not certain has none."""

import struct
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.key_forms import OTHER_BINARY, OTHER_TEXT, family_of, form_of, slow
from gateway.masking.key_forms import given as typed

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def numeric(value: Decimal) -> bytes:
    """As numeric_send writes it."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).rjust(max(1, -exponent), "0")
    whole, fraction = (text[:exponent], text[exponent:]) if exponent < 0 else (text + "0" * exponent, "")
    whole, fraction = whole.rjust(-(-len(whole) // 4) * 4, "0"), fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    weight = len(whole) // 4 - 1
    groups = [int((whole + fraction)[at : at + 4]) for at in range(0, len(whole + fraction), 4)]
    while groups and groups[0] == 0:
        groups, weight = groups[1:], weight - 1
    while groups and groups[-1] == 0:
        groups = groups[:-1]
    head = struct.pack(">hhHh", len(groups), weight if groups else 0, 0x4000 if sign else 0, max(0, -exponent))
    return head + struct.pack(f">{len(groups)}h", *groups)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_number_has_one_form_whatever_its_scale_and_format(value: Decimal) -> None:
    form = slow(f"{value:f}".encode(), OTHER_TEXT, "n")
    assert form is not None
    assert Decimal(form.decode()) == value
    assert slow(f"{value:f}000".encode(), OTHER_TEXT, "n") == form
    assert slow(numeric(value), OTHER_BINARY, "n") == form
    assert typed(f" {value:f}", "n") == form


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-14 * 60, 14 * 60))
def test_moment_has_one_form_in_every_zone_and_in_binary(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=UTC)
    micros = (moment - _EPOCH) // timedelta(microseconds=1)
    form = slow(struct.pack(">q", micros), OTHER_BINARY, "z")
    local = (naive + timedelta(minutes=minutes)).isoformat(" ")
    sign = "-" if minutes < 0 else "+"
    zone = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    assert slow((local + zone).encode(), OTHER_TEXT, "z") == form
    assert typed(naive.isoformat("T") + "Z", "z") == form
    without = slow(struct.pack(">q", micros), OTHER_BINARY, "s")
    assert slow(naive.isoformat(" ").encode(), OTHER_TEXT, "s") == without
    assert without != form


@given(st.dates())
def test_date_has_one_form_in_text_and_binary(day: date) -> None:
    binary = struct.pack(">i", (day - date(2000, 1, 1)).days)
    assert slow(binary, OTHER_BINARY, "d") == slow(day.isoformat().encode(), OTHER_TEXT, "d") == typed(str(day), "d")


@pytest.mark.parametrize(
    ("cell", "form", "family"),
    [
        (b"28.11.2026", OTHER_TEXT, "d"),
        (b"Sat Nov 28 16:00:00 2026 CET", OTHER_TEXT, "z"),
        (b"2026-11-28 16:00:00", OTHER_TEXT, "z"),
        (b"2026-11-28 16:00:00+00", OTHER_TEXT, "s"),
        (b"2026-13-28 16:00:00", OTHER_TEXT, "s"),
        (b"1e5", OTHER_TEXT, "n"),
        (b"\0\1", OTHER_BINARY, "n"),
        (b"\0", OTHER_BINARY, "d"),
        (b"\0\0\0", OTHER_BINARY, "i"),
        (struct.pack(">q", 2**62), OTHER_BINARY, "s"),
    ],
)
def test_what_is_not_certain_has_no_form(cell: bytes, form: int, family: str) -> None:
    assert slow(cell, form, family) is None


def test_ends_of_time_have_forms() -> None:
    assert slow(struct.pack(">q", 2**63 - 1), OTHER_BINARY, "z") == slow(b"infinity", OTHER_TEXT, "z") == b"infinity"
    assert slow(struct.pack(">i", -(2**31)), OTHER_BINARY, "d") == slow(b"-infinity", OTHER_TEXT, "d")
    assert slow(struct.pack(">hhHh", 0, 0, 0xC000, 0), OTHER_BINARY, "n") == slow(b"NaN", OTHER_TEXT, "n") == b"NaN"


@pytest.mark.parametrize(
    ("text", "family", "form"),
    [
        ("4711", "i", b"4711"),
        ("+04711", "i", b"4711"),
        ("{550E8400-E29B-41D4-A716-446655440000}", "u", bytes.fromhex("550e8400e29b41d4a716446655440000")),
        ("AT  ", "c", b"AT"),
        ("AT  ", "t", b"AT  "),
        ("True", "b", b"t"),
    ],
)
def test_what_a_person_types_is_brought_to_the_form(text: str, family: str, form: bytes) -> None:
    assert typed(text, family) == form


@pytest.mark.parametrize(("text", "family"), [("x", "i"), ("550e", "u"), ("yes", "b"), ("tomorrow", "d"), ("1,5", "n")])
def test_what_is_none_of_the_type_is_a_value_error(text: str, family: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- of int(), of bytes.fromhex() and our own
        typed(text, family)


def test_types_without_a_form_have_no_family() -> None:
    assert family_of(701) is None
    assert family_of(17000) is None
    assert (family_of(26), form_of(26, binary=True)) == ("i", OTHER_BINARY)
    assert slow(b"\xff\xff\xff\xff", OTHER_BINARY, "i") == b"4294967295"
