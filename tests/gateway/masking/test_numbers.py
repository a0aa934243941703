"""Numbers in a run of digits: the personal ones are found whole, dates, versions, ids and measurements are not."""

import pytest

from gateway.masking import numbers


def found(text: str) -> list[tuple[str, str]]:
    raw = text.encode()
    spans: list[tuple[str, str]] = []
    at = 0
    while at < len(raw):
        if raw[at] in b"+(0123456789":  # a gate would name this place
            start, end = numbers.run_around(raw, at, at)
            spans += [(raw[a:b].decode(), label) for a, b, label in numbers.personal(raw, start, end)]
            at = end
        at += 1
    return list(dict.fromkeys(spans))


@pytest.mark.parametrize(
    ("text", "number", "label"),
    [
        ("to 4111 1111 1111 1111.", "4111 1111 1111 1111", "card"),
        ("3782-822463-10005", "3782-822463-10005", "card"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "card"),
        ("item 12, 4111111111111111, paid", "4111111111111111", "card"),
        ("is 123-45-6789 now", "123-45-6789", "ssn"),
        ("111.444.777-35", "111.444.777-35", "ssn"),
        ("811218-9876", "811218-9876", "ssn"),
        ("2341 2341 2346", "2341 2341 2346", "ssn"),
        ("social security number: 123456789", "123456789", "ssn"),
        ("BSN 382749066", "382749066", "ssn"),
        ("+49 (0)30 1234567", "+49 (0)30 1234567", "phone"),
        ("0033 1 23 45 67 89", "0033 1 23 45 67 89", "phone"),
        ("(212) 555-0123 x12", "(212) 555-0123 x12", "phone"),
        ("01 23 45 67 89", "01 23 45 67 89", "phone"),
        ("030/1234567", "030/1234567", "phone"),
        ("call me at 5551234567", "5551234567", "phone"),
        ("Passport no. AB1234567", "AB1234567", "passport"),
        ("x4111111111111111y", "4111111111111111", "card"),
        ("id123-45-6789x", "123-45-6789", "ssn"),
        ("Passport no. 123456789", "123456789", "passport"),
        ("account number 123456789012", "123456789012", "iban"),
        ("52.520008, 13.404954", "52.520008, 13.404954", "geo"),
    ],
)
def test_personal_number_is_found_whole(text: str, number: str, label: str) -> None:
    assert (number, label) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-12 12:30:45.123456",
        "20240512123045",
        "1715517045123",
        "01/02/2024 10:11",
        "12.05.2024",
        "550e8400-e29b-41d4-a716-446655440000",
        "order 1234567890",
        "order 123456789 of 200000000",
        "0.123456789012",
        "3.141592653589793",
        "1,234,567,890.00",
        "4111111111111112",
        "account 2024-05-12",
        "pages 10-20, 30-40, 50-60",
        "1 2 3 4 5 6 7 8 9 10 11 12",
        "1.2.3.4567",
        "+1000000000",
    ],
)
def test_other_number_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_run_ends_where_no_digit_and_no_separator_stands() -> None:
    text = b"ab 12 34-5 cd"
    start, end = numbers.run_around(text, 0, 4)
    assert text[start:end] == b" 12 34-5 "
    assert numbers.run_around(text, 4, 4) == (4, end)
