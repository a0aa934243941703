"""Allowances on the disk: never more uses, nor rows, than were given."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from workers.allowance_store import KEPT_SECONDS, Left, Use
from workers.held_store import HeldStore

NOW = 1_800_000_000.0
GIVEN = Left("h1", 3, 10, NOW + 60)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HeldStore]:
    made = HeldStore(tmp_path)
    yield made
    made.close()


def fitting(store: HeldStore, binding: bytes = b"b", now: float = NOW) -> list[Left]:
    return store.allowances.fitting(b"task", b"person", binding, now)


@pytest.mark.parametrize("key", [b"task", b"person"])
def test_a_use_takes_all_rows_and_gives_back_what_it_did_not_change(store: HeldStore, key: bytes) -> None:
    store.allowances.open(GIVEN, key, None)
    store.allowances.open(GIVEN._replace(times=99), key, None)  # once
    assert fitting(store) == [GIVEN]
    assert store.allowances.take(GIVEN, "a", b"b")
    assert not store.allowances.take(GIVEN, "b", b"b"), "somebody was quicker"
    assert fitting(store) == [GIVEN._replace(times=2, rows=0)]
    assert (store.allowances.busy("h1"), store.allowances.in_hand()) == (True, ["a"])
    assert store.allowances.using("a") == Use("h1", 10)
    store.allowances.count("a", 4)
    store.allowances.count("a", 0)
    assert fitting(store) == [GIVEN._replace(times=2, rows=6)]
    assert store.allowances.using("a") is None, "what came back is nobody's"
    assert not store.allowances.busy("h1")


def test_whoever_it_was_given_with_has_all_of_it_first(store: HeldStore) -> None:
    store.allowances.open(GIVEN, b"task", b"b")
    store.allowances.open(GIVEN, b"task", b"b")
    assert store.allowances.left("h1") == GIVEN._replace(times=2, rows=0)
    assert store.allowances.using("h1") == Use("h1", 10)


def test_what_nobody_knows_has_used_everything(store: HeldStore) -> None:
    store.allowances.open(GIVEN, b"task", None)
    store.allowances.take(GIVEN, "a", b"b")
    store.allowances.count("a", None)
    store.allowances.count("a", 3)
    assert fitting(store) == []
    assert store.allowances.using("a") == Use("h1", 10), "if it runs after all, that was counted"
    assert store.allowances.left("h1") == GIVEN._replace(times=2, rows=0)


def test_the_statement_that_was_too_much_passes_under_it_no_more(store: HeldStore) -> None:
    store.allowances.open(GIVEN, b"task", None)
    store.allowances.take(GIVEN, "a", b"b")
    store.allowances.count("a", 0, exceeded=True)
    assert fitting(store) == []
    assert fitting(store, b"other") == [GIVEN._replace(times=2)]


def test_it_ends_with_its_time_its_uses_or_at_once(store: HeldStore) -> None:
    store.allowances.open(GIVEN, b"task", None)
    store.allowances.open(Left("h2", 1, 5, NOW + 90), b"task", None)
    assert [one.id for one in fitting(store, now=NOW + 60)] == ["h2"]
    assert (store.allowances.end("h1", NOW), store.allowances.end("h1", NOW)) == (True, False)
    assert [one.id for one in fitting(store)] == ["h2"]
    store.allowances.take(Left("h2", 1, 5, NOW + 90), "a", b"b")
    store.allowances.give_back("a")
    assert (fitting(store), store.allowances.using("a")) == ([], None)
    store.allowances.tidy(NOW + KEPT_SECONDS + 1)
    assert (store.allowances.left("h1"), store.allowances.left("h2")) == (None, Left("h2", 0, 5, NOW + 90))


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_and_wherever_it_breaks_off_no_more_is_used_than_was_given(store: HeldStore, seed: int) -> None:
    """Each step may be the last one of its process: what would follow it is left out."""
    dice = random.Random(seed)
    given = Left("h1", dice.randint(1, 8), dice.randint(1, 30), NOW + 60)
    store.allowances.open(given, b"task", dice.choice((None, b"first")))
    changed, released = 0, 0
    hands: list[str] = ["h1"] if store.allowances.using("h1") else []
    released += len(hands)
    for number in range(40):
        found = fitting(store, b"%d" % number)
        if found and found[0].rows and store.allowances.take(found[0], f"u{number}", b"%d" % number):
            released += 1
            hands.append(f"u{number}")
        if hands and dice.random() < 0.7:
            asks = hands.pop()
            use = store.allowances.using(asks)
            assert use is not None
            rows = dice.randint(0, use.rows)
            changed += rows
            if dice.random() < 0.8:
                store.allowances.count(asks, rows if dice.random() < 0.9 else None, exceeded=dice.random() < 0.1)
    assert changed <= given.rows
    assert released <= given.times
