"""What hosts say comes to the same in whatever order it is heard, and however often."""

from functools import reduce
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.budgets import COUNT_BITS, COUNT_MAX, MINUTES, OLD_MINUTES
from workers.fleet_values import NOTHING, TASK_MINUTES_MORE, Counting, Said, Tallies, Windows, longest
from workers.tasks import COUNT_MAX as TASK_COUNT_MAX

NOON = 30_000_000  # a minute
TURN = 2 << 24  # where minutes begin anew from nothing


def word(minute: int, count: int) -> int:
    return (minute & MINUTES) << COUNT_BITS | count


@st.composite
def windows(draw: st.DrawFn) -> Said:
    """Of windows of an hour that run now, ran before, or are long past."""
    hours = draw(st.tuples(st.sampled_from((0, 2, 4, 400)), st.sampled_from((1, 3, 401))))
    counts = draw(st.tuples(st.integers(0, 50), st.integers(0, 50)))
    even, odd = (word(NOON - 60 * hour, count) for hour, count in zip(hours, counts, strict=True))
    return even, odd


lives = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda life: life[0] << 32 | life[1])
tallies = st.tuples(st.integers(0, 50), lives)
SORTS = ((Windows(), windows()), (Tallies(), tallies))


@pytest.mark.parametrize(("counting", "said"), SORTS)
def test_states_of_one_host_are_joined_in_any_order_and_any_number_of_times(
    counting: Counting, said: st.SearchStrategy[Said]
) -> None:
    @settings(max_examples=50)
    @given(st.lists(said, min_size=1, max_size=3))
    def same(states: list[Said]) -> None:
        def joined(of: list[Said]) -> Said:
            return reduce(lambda one, other: counting.joined(one, other, NOON), of, NOTHING)

        expected = joined(states)
        assert {joined([*order, *order[:2]]) for order in permutations(states)} == {expected}

    same()


@pytest.mark.parametrize(("counting", "said"), SORTS)
def test_hosts_are_added_up_in_any_order(
    counting: Counting, said: st.SearchStrategy[Said]
) -> None:
    @settings(max_examples=50)
    @given(st.lists(said, max_size=3))
    def same(states: list[Said]) -> None:
        assert len({counting.added(order, NOON) for order in permutations(states)}) == 1

    same()


def test_of_windows_the_newest_that_counts_is_meant() -> None:
    now, before, old = word(NOON, 5), word(NOON - 120, 70), word(NOON - 240, 900)
    made = word(NOON + 1, 0)  # an entry without a count bears the time
    late = word(NOON + 59, 8)  # of a host whose clock is far ahead
    kind = Windows()
    assert kind.added([(now, 0), (before, 0), (old, 0), (made, 0), (late, 0)], NOON) == (now, 0)
    assert kind.added([(before, 0), (word(NOON - 120, 3), 0), (old, 0)], NOON) == (word(NOON - 120, 73), 0)
    assert kind.joined((late, 0), (now, 0), NOON) == (now, 0)
    assert kind.joined((word(NOON, 4), 0), (now, 0), NOON) == (now, 0)
    assert kind.added([(word(NOON, COUNT_MAX), 0), (now, 0)], NOON) == (word(NOON, COUNT_MAX), 0)


def test_windows_go_on_where_minutes_begin_anew() -> None:
    kind = Windows()
    for minute in (TURN - 1, TURN, TURN + 1):
        pair = word(TURN - 60, 7), word(TURN, 2)
        assert kind.added([pair, pair], minute) == (word(TURN - 60, 14), word(TURN, 4))
        assert kind.minutes(pair, minute) == OLD_MINUTES + 1 - (minute - TURN)
    assert kind.minutes((word(TURN - 60, 7), 0), TURN + OLD_MINUTES - 59) == 0


def test_what_has_grown_is_of_the_same_window() -> None:
    kind = Windows()
    then, now = (word(NOON, 5), word(NOON - 60, 9)), (word(NOON, 12), word(NOON + 60, 4))
    assert kind.grown(now, then) == (word(NOON, 7), word(NOON + 60, 4))
    assert kind.grown(then, now)[0] & COUNT_MAX == 0
    assert kind.times((word(NOON, 7), 0), 3) == (word(NOON, 21), 0)


def test_a_task_counts_while_its_tokens_live_and_a_while_longer() -> None:
    kind = Tallies()
    task = 5, longest(NOON << 32, NOON - 9)
    assert task[1] == NOON << 32 | NOON - 9
    assert kind.minutes(task, NOON) == TASK_MINUTES_MORE
    assert kind.minutes(task, NOON + TASK_MINUTES_MORE) == kind.minutes((0, task[1]), NOON) == 0
    assert kind.added([task, (3, NOON << 32 | NOON)], NOON) == (8, NOON << 32 | NOON)
    assert kind.joined(task, (2, 0), NOON) == task
    assert kind.grown((9, 1), (4, 1)) == (5, 1)
    assert kind.times((TASK_COUNT_MAX, 1), 2) == (TASK_COUNT_MAX, 1)
