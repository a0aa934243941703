"""Sketches count different keys within two in a hundred, whoever saw them and how often."""

import random

import numpy as np
import pytest

from gateway.masking.distinct import REGISTERS, add, estimate, seen, united

PEOPLE = "prod.public.customers"


def keys(count: int, seed: int) -> bytes:
    """Digests of so many different keys, 16 bytes each."""
    return random.Random(seed).randbytes(16 * count)


def sketch(*digests: bytes, name: str = PEOPLE) -> memoryview:
    made = memoryview(bytearray(REGISTERS))
    for one in digests:
        add(made, seen([(one, name)]).hashes)
    return made


@pytest.mark.parametrize("count", [1, 10])
def test_a_few_are_counted_exactly(count: int) -> None:
    assert estimate(sketch(keys(count, 1))) == count


@pytest.mark.parametrize(
    ("count", "seeds"), [(100, 40), (1000, 20), (10_000, 20), (40_000, 5), (82_000, 5), (160_000, 3), (1_000_000, 2)]
)
def test_counts_are_within_two_in_a_hundred_of_the_exact_ones(count: int, seeds: int) -> None:
    """Around 82,000 linear counting and the estimate by ranks meet."""
    for seed in range(seeds):
        assert abs(estimate(sketch(keys(count, seed))) - count) <= 0.02 * count


def test_nobody_is_nobody() -> None:
    assert estimate(sketch()) == estimate(sketch(b"")) == 0
    assert seen([]).most == seen([(b"", PEOPLE)]).most == 0


def test_who_was_seen_before_counts_no_more() -> None:
    some = keys(5000, 2)
    once = sketch(some)
    assert bytes(sketch(some, some[:800], some)) == bytes(once)


def test_sketches_of_several_unite_to_the_one_of_all() -> None:
    digests = keys(9000, 3)
    parts = [digests[begin : begin + 16 * 4000] for begin in (0, 16 * 2000, 16 * 5000)]
    assert bytes(united(sketch(one) for one in parts)) == bytes(sketch(digests))
    assert estimate(united([])) == 0


def test_keys_of_another_table_are_other_people() -> None:
    some = keys(2000, 4)
    both = united([sketch(some), sketch(some, name="prod.public.orders")])
    assert abs(estimate(both) - 4000) <= 80
    assert seen([(some, PEOPLE), (some, "prod.public.orders")], 3).most == 4003


def test_hashes_are_those_of_each_run_in_turn() -> None:
    one, other = keys(3, 5), keys(2, 6)
    together = seen([(one, "a"), (b"", "b"), (other, "b")])
    assert together.hashes.tolist() == [*seen([(one, "a")]).hashes, *seen([(other, "b")]).hashes]


def test_ranks_are_those_of_plain_arithmetic() -> None:
    hashes = np.array([0, 1, (1 << 49) - 1, 1 << 48, 3 << 49, (1 << 64) - 1], np.uint64)
    made = memoryview(bytearray(REGISTERS))
    add(made, hashes)
    expected = bytearray(REGISTERS)
    for one in hashes.tolist():
        rank = 50 - (one & ((1 << 49) - 1)).bit_length()
        expected[one >> 49] = max(expected[one >> 49], rank)
    assert bytes(made) == bytes(expected)
