"""The table of whom others met takes in what is a sketch of a span that counts, and nothing else."""

import pytest

from tests.workers.fleet_hosts import NOON, SECOND
from workers.crowds import COUNT_BITS, HEAD, REGISTERS, Crowds
from workers.fleet_crowd_table import CrowdTable
from workers.fleet_rows import Crowd

SPAN_SECONDS, ENTRIES = 1200, 4
NUMBER = NOON // (SPAN_SECONDS * SECOND) + 1
FULL = bytes([50]) * REGISTERS


def made() -> tuple[Crowds, CrowdTable]:
    crowds = Crowds(2, ENTRIES, 4, SPAN_SECONDS)
    return crowds, CrowdTable(crowds, 1)


def spans(crowds: Crowds) -> set[tuple[int, int]]:
    """Number and rows without a key of all sketches in the table that were ever begun."""
    head, width = crowds.tables[1].head, crowds.width
    words = [word for place in range(0, len(head), width) for word in head[place + HEAD : place + width]]
    return {(word >> COUNT_BITS, word & ((1 << COUNT_BITS) - 1)) for word in words if word}


@pytest.mark.parametrize("stamp", [NUMBER + 2, NUMBER - 4, 0])
def test_a_span_that_counts_no_more_or_is_far_ahead_is_passed_over(stamp: int) -> None:
    crowds, table = made()
    table.hear(b"another", 7, Crowd(stamp, 5, 9, 0, FULL), NOON)
    table.show()
    assert spans(crowds) == set()


def test_the_next_span_of_a_clock_that_is_a_little_ahead_counts() -> None:
    crowds, table = made()
    for stamp in (NUMBER + 1, NUMBER, NUMBER - 3):  # the last of which that span has taken the place of
        table.hear(b"another", 7, Crowd(stamp, 5, 9, 0, FULL), NOON)
    table.show()
    assert spans(crowds) == {(NUMBER + 1, 5), (NUMBER, 5)}


def test_what_is_no_sketch_is_said_to_be_none_and_leaves_the_others_as_they_are() -> None:
    crowds, table = made()
    with pytest.raises(ValueError, match="not a sketch"):
        table.hear(b"another", 7, Crowd(NUMBER, 5, 9, 0, bytes([51]) * REGISTERS), NOON)
    assert not any(crowds.tables[1].registers)


def test_rows_without_a_key_add_up_over_hosts_and_are_never_counted_twice() -> None:
    crowds, table = made()
    for host, unknown in ((b"one", 5), (b"other", 7), (b"one", 3), (b"one", 6), (b"other", 7)):
        table.hear(host, 7, Crowd(NUMBER, unknown, 9, 0, bytes(REGISTERS)), NOON)
    table.show()
    assert spans(crowds) == {(NUMBER, 13)}
    table.assume(7, Crowd(NUMBER, 0, 0, 0, b""), 100, NOON)
    table.show()
    assert spans(crowds) == {(NUMBER, 113)}
    table.assume_nothing()
    table.show()
    assert spans(crowds) == {(NUMBER, 13)}
    table.prune(NOON + 7200 * SECOND)
    table.show(whole=True)
    assert spans(crowds) == {(NUMBER, 0)}


def test_what_finds_no_room_is_counted() -> None:
    crowds, table = made()
    for key in range(1, ENTRIES + 3):
        table.hear(b"another", key, Crowd(NUMBER, key, 9, 0, FULL), NOON)
    table.show()
    assert table.full == 2
    assert len(spans(crowds)) == ENTRIES
