"""Numbers that issuers publish as examples pass, and those with one digit changed do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.classify.validators import bar_code, card, iban, iban_check

CARDS = [
    b"4111111111111111", b"4012888888881881", b"5555555555554444", b"2223003122003222", b"378282246310005",
    b"30569309025904", b"6011111111111117", b"3530111333300000", b"6304000000000000", b"6200000000000005",
    b"060400000000", b"8200000000000001", b"5080000000000002", b"4000000000000000006",
]  # fmt: skip
IBANS = [b"DE89370400440532013000", b"GB29 NWBK 6016 1331 9268 19", b"fr1420041010050500013m02606", b"NO9386011117947"]


@pytest.mark.parametrize("number", CARDS)
def test_card_numbers_of_issuers_pass_and_their_neighbours_do_not(number: bytes) -> None:
    assert card(number)
    assert not card(number[:-1] + b"%d" % ((number[-1] - 47) % 10))


@pytest.mark.parametrize(
    "number",
    [b"4006381333931", b"9780306406157", b"0000000000000000", b"6666666666666666", b"1234567890", b"411111111111", b""],
)
def test_bar_codes_and_repeated_digits_are_no_cards(number: bytes) -> None:
    assert not card(number)
    assert bar_code(number) == (number not in (b"6666666666666666", b"1234567890", b"411111111111"))


@pytest.mark.parametrize("number", IBANS)
def test_account_numbers_of_the_registry_pass_and_their_neighbours_do_not(number: bytes) -> None:
    assert iban(number)
    changed = number[:-1] + b"%d" % ((number[-1] - 47) % 10)
    assert not iban(changed)
    assert not iban(number[:-1])


@pytest.mark.parametrize("number", [b"GB84NTXN0252559806222", b"ZZ22370400440532013000"])
def test_an_account_of_another_length_or_of_no_country_passes_the_check_alone(number: bytes) -> None:
    assert iban_check(number)
    assert not iban(number)


@given(st.binary(max_size=40))
def test_any_bytes_are_judged_without_error(text: bytes) -> None:
    assert not (iban(text) and len(text) < 15)
