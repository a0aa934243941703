"""Check digits: numbers that the issuers publish as examples pass, the same with a digit changed do not."""

import pytest

from gateway.masking import checks

EXAMPLES = [
    (checks.card, b"4111111111111111"),
    (checks.card, b"5555555555554444"),
    (checks.card, b"2223003122003222"),
    (checks.card, b"378282246310005"),
    (checks.card, b"6011111111111117"),
    (checks.card, b"3530111333300000"),
    (checks.card, b"30569309025904"),
    (checks.iban, b"DE89370400440532013000"),
    (checks.iban, b"GB29NWBK60161331926819"),
    (checks.iban, b"NO9386011117947"),
    (checks.cpf, b"11144477735"),
    (checks.aadhaar, b"234123412346"),
    (checks.nir, b"255081416802538"),
    (checks.chinese_id, b"11010519491231002X"),
    (checks.personnummer, b"8112189876"),
    (checks.dni, b"12345678Z"),
    (checks.dni, b"X1234567L"),
    (checks.codice_fiscale, b"RSSMRA85T10A562S"),
]


@pytest.mark.parametrize(("check", "value"), EXAMPLES, ids=lambda value: getattr(value, "__name__", None))
def test_published_example_passes_and_no_neighbour_of_it(check: object, value: bytes) -> None:
    assert callable(check)
    assert check(value)
    place = len(value) // 2
    while not 48 <= value[place] <= 57:
        place += 1
    for digit in b"0123456789":
        changed = value[:place] + bytes([digit]) + value[place + 1 :]
        if changed != value and not (check is checks.codice_fiscale and digit + value[place] in (97, 99)):
            assert not check(changed), changed


@pytest.mark.parametrize("value", [b"1111111111111117", b"9111111111111111", b"411111111111", b"", b"0"])
def test_number_of_no_issuer_is_no_card(value: bytes) -> None:
    assert not checks.card(value)


@pytest.mark.parametrize("value", [b"000123456", b"666123456", b"123004567", b"123450000", b"900123456"])
def test_number_never_given_out_is_no_ssn(value: bytes) -> None:
    assert not checks.us_ssn(value)


def test_account_of_a_wrong_length_or_country_is_none() -> None:
    assert not checks.iban(b"DE8937040044053201300")
    assert not checks.iban(b"ZZ89370400440532013000")
    assert checks.iban(b"de89370400440532013000")
