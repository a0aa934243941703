"""Formulas over tests: what holds for every row."""

from decimal import Decimal
from itertools import product
from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from parser.conditions import (
    INVERSE,
    AllOf,
    AnyOf,
    Formula,
    Probe,
    always,
    both,
    chosen,
    compares_twice,
    either,
    negated,
)


def number(op: str, than: int, name: str = "a") -> Probe:
    return Probe(("number", name), op, Decimal(than))


FLAG = Probe(("is", "flag"), "")


def test_opposites_cover_everything() -> None:
    order = Probe(("order", "a", "b"), "<")
    text = Probe(("text", "a"), "=", "x")
    for test in (number(">", 1), FLAG, order, text):
        assert always(either([test, negated(test)]))
        assert not always(test)
        assert not always(both([test, negated(test)]))


def test_ranges_that_overlap_or_meet_cover_everything() -> None:
    assert always(either([number(">", 1), number("<", 5)]))
    assert always(either([number("<=", 1), number(">=", 2)]))  # of whole numbers
    assert always(either([number("<>", 1), number("<>", 2)]))
    assert not always(either([number(">", 5), number("<", 1)]))
    assert not always(either([number(">", 1), number("<", 1)]))
    assert not always(either([number(">", 1), number("<", 5, "b")]))


def test_texts_are_told_apart_but_not_put_in_order() -> None:
    a, b = Probe(("text", "n"), "<>", "a"), Probe(("text", "n"), "<>", "b")
    assert always(either([a, b]))
    assert not always(either([a, negated(b)]))
    assert not always(either([Probe(("text", "n"), "=", "a"), Probe(("text", "n"), "=", "b")]))


def test_a_choice_that_comes_to_the_same_is_no_choice() -> None:
    a, b = number("=", 1), number("=", 2, "b")
    assert always(chosen(FLAG, negated(FLAG), True, True))
    assert always(either([both([a, b]), both([a, negated(b)]), negated(a)]))
    assert not always(either([both([a, b]), both([negated(a), negated(b)])]))


def test_constants_vanish() -> None:
    assert both([True, FLAG]) == either([False, FLAG]) == FLAG
    assert both([True, True]) is True
    assert both([FLAG, False]) is False
    assert either([FLAG, True]) is True
    assert either([]) is False


def test_literals_matter_where_one_value_is_compared_twice_and_not_for_equality_alone() -> None:
    assert compares_twice(either([number(">", 1), number("<", 5)]))
    assert not compares_twice(both([number(">", 1), number("<", 5)]))
    assert not compares_twice(either([number("=", 1), number("=", 5)]))
    assert not compares_twice(number(">", 1))


TESTS = st.one_of(
    st.builds(number, st.sampled_from(sorted(INVERSE)), st.integers(0, 4), st.sampled_from("ab")),
    st.builds(lambda op: Probe(("is", "flag"), op), st.sampled_from(["", "not"])),
    st.builds(lambda op: Probe(("order", "a", "b"), op), st.sampled_from(sorted(INVERSE))),
)
FORMULAS: st.SearchStrategy[Formula] = st.recursive(
    TESTS,
    lambda inner: st.one_of(st.lists(inner, max_size=4).map(both), st.lists(inner, max_size=4).map(either)),
    max_leaves=8,
)


def value(formula: Formula, points: dict[str, int]) -> bool:
    """The formula where its keys are independent of each other, which is what it takes them for."""
    if isinstance(formula, bool):
        return formula
    if isinstance(formula, AllOf):
        return all(value(part, points) for part in formula.parts)
    if isinstance(formula, AnyOf):
        return any(value(part, points) for part in formula.parts)
    return formula.holds(points[" ".join(formula.key)])


@given(FORMULAS)
def test_what_always_holds_holds_wherever_it_is_tried(formula: Formula) -> None:
    grid = product(range(-1, 6), range(-1, 6), (0, 1), (-1, 0, 1))
    tried = [
        value(formula, {"number a": a, "number b": b, "is flag": flag, "order a b": order}) for a, b, flag, order in grid
    ]
    assert always(formula) is all(tried)


def test_long_chains_take_time_in_proportion() -> None:
    begun = process_time()
    chain = either([number("=", n) for n in range(20_000)])
    assert not always(chain)
    assert always(either([chain, number("<>", 7)]))
    wide = either([both([Probe(("is", str(n)), ""), Probe(("is", str(n + 1)), "not")]) for n in range(300)])
    assert not always(wide)
    assert process_time() - begun < 2
