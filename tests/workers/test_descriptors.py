"""The limit on open files: lifted where that may be, and said where it does not suffice."""

import resource
from collections.abc import Iterator

import pytest

from workers import descriptors

HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@pytest.fixture(autouse=True)
def soft() -> Iterator[int]:
    """A limit as shells set it, which may be lifted."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = 2048
    resource.setrlimit(resource.RLIMIT_NOFILE, (low, hard))
    yield low
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def test_the_limit_is_lifted_as_far_as_the_sessions_need() -> None:
    assert descriptors.allow(500, 1) == ""
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == descriptors.needed(500)
    assert descriptors.sessions_room() == 500


def test_a_limit_that_is_high_enough_is_left_alone(soft: int) -> None:
    assert descriptors.allow(100, 1) == ""
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == soft


@pytest.mark.skipif(HARD == resource.RLIM_INFINITY, reason="there is no limit here")
def test_where_it_may_not_be_lifted_so_far_the_warning_tells_how_many_sessions_there_can_be() -> None:
    sessions = 2 * HARD  # each needs two
    said = descriptors.allow(sessions, 2)
    room = (HARD - descriptors.SPARE) // 2
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == HARD
    assert descriptors.sessions_room() == room
    assert f"max_sessions = {sessions} " in said
    assert f"no more than {2 * room} sessions" in said


def test_a_limit_below_the_spare_leaves_no_room(soft: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors.SPARE - 10, HARD))
    assert descriptors.sessions_room() == 0
