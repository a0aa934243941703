"""Columns of telephone numbers are told from columns of other numbers."""

import random

import pytest

from gateway.classify.phones import share


def numbers(form: str, seed: int = 5) -> list[str]:
    """Texts of a form in which d is any digit."""
    chance = random.Random(seed)
    return ["".join(str(chance.randrange(10)) if sign == "d" else sign for sign in form) for _ in range(60)]


def american(seed: int = 5) -> list[str]:
    chance = random.Random(seed)
    return [f"{chance.choice((212, 415, 617, 305))}{chance.randrange(2000000, 9999999)}" for _ in range(60)]


@pytest.mark.parametrize(
    "values",
    [
        american(),
        [f"({each[:3]}) {each[3:6]}-{each[6:]}" for each in american()],
        [f"+1-{each[:3]}-{each[3:6]}-{each[6:]} x{each[:3]}" for each in american()],
        numbers("+49 (0)30 12ddddd"),
        numbers("(+358) 40 ddddddd"),
        numbers("06 1d dd dd dd"),
        numbers("+48 5d1 ddd ddd") + numbers("601 ddd ddd"),
        numbers("07700 900ddd") + numbers("+44 20 7946 0ddd"),
    ],
    ids=lambda values: values[0],
)
def test_telephone_numbers_are_known(values: list[str]) -> None:
    assert share(values) > 0.7


@pytest.mark.parametrize(
    "values",
    [
        [str(1000000000 + each) for each in range(60)],
        numbers("1ddddddddd"),
        numbers("dddddddd"),
        numbers("ddd-dd-dddd"),
        numbers("dd-dddd-ddd"),
        numbers("978-d-ddd-ddddd-d"),
        numbers("dddd dddd dddd"),
        numbers("2026-01-1d 1d:3d"),
        numbers("1d.dddddd"),
        numbers("192.168.1d.d"),
        ["gold", "silver"],
        [],
    ],
    ids=str,
)
def test_other_numbers_are_not(values: list[str]) -> None:
    assert share(values) == 0
