"""What an execution under an allowance may change, and what it has changed, frame by frame."""

import pytest

from gateway.session import holding
from gateway.session.uses import Use
from parser.messages import bind, command_complete, execute, parse, query
from tests.gateway.session.rig import (
    BOUND,
    CLOSED,
    IN_TRANSACTION,
    NO_DATA,
    PARSED,
    READY,
    SUSPENDED,
    SYNC,
    Rig,
    failure,
    field,
    kinds,
)
from tests.gateway.session.test_holding import BY_PARAMETER, HOLDS, UPDATE, waiting

Told = list[tuple[int | None, bool]]


@pytest.fixture
def rig() -> Rig:
    return Rig(HOLDS)


def released(rig: Rig, most: int = 5) -> Told:
    """Lets what waits go under an allowance; what is told of that."""
    told: Told = []
    held = waiting(rig)
    held.id, held.use = "h-2", Use("h-1", most, lambda rows, exceeded: told.append((rows, exceeded)))
    holding.answered(rig.session, held, None)
    return told


def test_the_first_word_of_a_use_counts() -> None:
    told: Told = []
    use = Use("h-1", 5, lambda rows, exceeded: told.append((rows, exceeded)))
    use.settle(3)
    use.settle(None)
    assert told == [(3, False)]


def test_a_query_is_counted_before_it_is_committed(rig: Rig) -> None:
    rig.ask(query(UPDATE))
    told = released(rig)
    assert kinds(rig.ask(b""))[:4] == b"PBDE", "it is asked so that it does not commit by itself"
    rig.say(PARSED, BOUND, NO_DATA, command_complete("UPDATE 3"))
    assert told == [], "the commit may still fail"
    rig.say(CLOSED, READY)
    assert told == [(3, False)]


def test_what_exceeds_it_is_taken_back_and_says_so(rig: Rig) -> None:
    rig.ask(parse("", BY_PARAMETER), bind("", "", (b"8",)), execute(""), SYNC)
    told = released(rig)
    rig.ask(b"")
    rig.say(PARSED, BOUND, NO_DATA, command_complete("UPDATE 6"))
    (report, *_) = [one for one in rig.say(failure("42601"), READY) if one[:1] == b"E"]
    assert field("M", report).startswith('denied by "allowance h-1": the statement changed 6 rows and may change 5')
    assert told == [(0, True)]


def test_a_stricter_rule_of_the_policy_still_counts() -> None:
    rig = Rig(HOLDS.replace('allow = ["read", "write"]', 'allow = ["read", "write"]\nmax_affected_rows = 2'))
    rig.ask(query(UPDATE))
    told = released(rig)
    rig.ask(b"")
    rig.say(PARSED, BOUND, NO_DATA, command_complete("UPDATE 3"))
    (report, *_) = [one for one in rig.say(failure("42601"), READY) if one[:1] == b"E"]
    assert '"writers"' in field("M", report)
    assert told == [(0, True)]


def test_what_fails_has_changed_nothing_and_of_what_is_lost_nobody_knows(rig: Rig) -> None:
    rig.ask(query("begin"))
    rig.say(command_complete("BEGIN"), IN_TRANSACTION)
    rig.ask(parse("", UPDATE), bind("", ""), execute(""), SYNC)
    told = released(rig)
    rig.ask(b"")
    rig.say(PARSED, BOUND, NO_DATA, failure("23505"))
    assert told == [(0, False)]
    rig.ask(SYNC)
    rig.say(READY)
    rig.ask(parse("", UPDATE), bind("", ""), execute(""), SYNC)
    told = released(rig)
    rig.ask(b"")
    rig.session.close("client-gone", rig.now)
    assert told == [(None, False)]


def test_a_result_in_parts_cannot_be_counted(rig: Rig) -> None:
    rig.ask(parse("", UPDATE), bind("", ""), execute("", 1), SYNC)
    told = released(rig)
    rig.ask(b"")
    rig.say(PARSED, BOUND, NO_DATA, SUSPENDED)
    rig.say(failure("42601"), READY)
    assert told == [(0, True)]


def test_what_never_runs_gives_it_back(rig: Rig) -> None:
    rig.ask(parse("", UPDATE), bind("", ""), execute(""), SYNC)
    told = released(rig)
    rig.session.close("client-gone", rig.now)
    assert told == [(0, False)]
    other = Rig(HOLDS)
    other.ask(parse("", BY_PARAMETER), bind("", "", (b"8",)), execute(""), SYNC)
    told = released(other)
    other.session.search_path = ("elsewhere",)  # what it was let go for is another statement now
    other.ask(b"")
    assert told == [(0, False)]
    assert waiting(other).use is None
