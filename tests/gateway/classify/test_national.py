"""National numbers that are published as examples pass, and those with one digit changed do not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.classify.national import NATIONAL_NUMBERS, NationalNumber, national_number, ssn_us

NUMBERS = [
    ("US", b"219-09-9999"), ("GB", b"AB 12 34 56 C"), ("DE", b"15070649C103"), ("DE", b"86095742719"), ("ES", b"12345678Z"),
    ("ES", b"X1234567L"), ("IT", b"RSSMRA85T10A562S"), ("FR", b"2 55 08 14 168 025 38"), ("BR", b"529.982.247-25"),
    ("CH", b"756.9217.0769.85"), ("FI", b"131052-308T"), ("SE", b"811218-9876"), ("CN", b"11010519491231002X"),
    ("IN", b"9999 4105 7058"), ("HR", b"69435151530"), ("RU", b"500100732259"), ("RU", b"112-233-445 95"),
    ("CZ", b"736028/5163"), ("RO", b"1800101221144"), ("TR", b"10000000146"), ("GB", b"943 476 5919"), ("NL", b"111222333"),
    ("BR", b"111.444.777-35"), ("IN", b"2341 2341 2346"),
]  # fmt: skip


@pytest.mark.parametrize(("country", "number"), NUMBERS)
def test_national_numbers_that_are_published_as_examples_pass(country: str, number: bytes) -> None:
    assert country in {each.country for each in NATIONAL_NUMBERS if each.holds(number)}


def test_numbers_that_are_never_given_out_are_no_social_security_numbers() -> None:
    assert ssn_us(b"219099999")
    assert ssn_us(b"900-70-1234")
    for number in (b"900 12 3456", b"000123456", b"666.12.3456", b"123004567", b"123 45 0000", b"12-345-6789x"):
        assert not ssn_us(number)


def test_hyphens_alone_make_a_social_security_number_of_any_digits() -> None:
    assert ssn_us(b"900-12-3456")
    assert ssn_us(b"666-12-3456")
    assert not ssn_us(b"66-612-3456")


@pytest.mark.parametrize(("country", "number"), NUMBERS)
def test_one_other_digit_makes_it_no_number_of_that_country(country: str, number: bytes) -> None:
    each = next(each for each in NATIONAL_NUMBERS if each.country == country and each.holds(number))
    place = next(at for at in range(len(number) // 2, len(number)) if 48 <= number[at] <= 57)
    others = [number[:place] + bytes([digit]) + number[place + 1 :] for digit in b"0123456789" if digit != number[place]]
    unchecked = number in (b"219-09-9999", b"AB 12 34 56 C")  # these have no check digit
    assert unchecked or sum(map(each.holds, others)) <= (country == "IT")  # where two signs may count alike


@settings(max_examples=200)
@given(st.sampled_from(NATIONAL_NUMBERS), st.data())
def test_any_text_of_a_form_is_checked_without_error(each: NationalNumber, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(each.form, fullmatch=True))
    assert each.holds(text) in (True, False)
    assert national_number(text) is None or national_number(text) in NATIONAL_NUMBERS


@given(st.binary(max_size=40))
def test_any_bytes_are_judged_without_error(text: bytes) -> None:
    assert national_number(text) is None or len(text) >= 9
