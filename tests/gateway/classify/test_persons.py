"""Names and addresses are told by what a column's values have in common."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.classify.persons import address_share, name_share, name_words, plain

NAMES = [
    "Anna Müller", "Dr. James O'Brien", "Maria de la Cruz García", "Jansen, Pieter", "KARL LINDBERG", "Ewa Nowak-Kowalska",
]  # fmt: skip
ADDRESSES = [
    "742 Evergreen Terrace\nSpringfield, OR 97403", "10 Downing Street, London SW1A 2AA",
    "Hauptstraße 12, 10115 Berlin", "12 rue de la Paix\n75002 Paris", "Calle Mayor 5, 28013 Madrid",
    "Via Roma, 24\n16154 Genova (GE)", "Storgatan 3\n111 22 Lund",
    "ul. Pogodna 70\n97-774 Tczew", "Lilylaan 41\n3541KQ Utrecht", "東京都千代田区丸の内1丁目2",
]  # fmt: skip
OTHERS = [
    "Steel Chair 12", "Blue Table", "http://example.com/1", "Payments Ltd", "2026-01-01 10:00", "SK-000123",
    "error in line 12",
]  # fmt: skip


def test_names_in_many_forms_are_known() -> None:
    assert name_share(NAMES) > 0.8
    assert name_share([name.lower() for name in ("Anna Smith", "James Miller", "Robert Brown")]) > 0.6
    assert name_share(["王小明", "李娜", "陈伟"]) == 1
    assert name_share(["김민수", "이영희", "박지훈"]) == 1
    assert name_share(["佐藤 健", "鈴木 一郎"]) == 1


def test_words_places_and_firms_are_no_names() -> None:
    assert name_share(OTHERS) == 0
    assert name_share(["Port Jessica", "New Christopher", "Lake Laura"]) == 0
    assert name_share(["Miller Ltd", "Smith and Sons", "Garcia Group"]) == 0
    assert name_share(["Oslo", "Lima", "Rome", "Berlin"]) < 0.3
    assert name_share([]) == 0


def test_words_of_other_names_of_the_table_count_as_known() -> None:
    rare = ["Wołczyk", "Rębiś", "Stroka", "Futyma"]
    alone = name_share(rare)
    assert name_share(rare, name_words(["Marianna Wołczyk", "Ryszard Rębiś", "Dorota Stroka"])) == alone + 0.75


def test_addresses_of_many_countries_are_known() -> None:
    for address in ADDRESSES:
        assert address_share([address]) == 1, address
    assert address_share(OTHERS) == 0
    assert address_share([]) == 0


@pytest.mark.parametrize(("word", "expected"), [("Müller", "muller"), ("Łukasz", "lukasz"), ("Sørensen", "sorensen")])
def test_accents_go(word: str, expected: str) -> None:
    assert plain(word) == expected


@given(st.lists(st.text(max_size=40), max_size=30))
def test_any_values_have_a_share(values: list[str]) -> None:
    assert 0 <= name_share(values) <= 1
    assert 0 <= address_share(values) <= 1
