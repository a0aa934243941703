"""Moments by the minute: what comes, what is put off, and what is over."""

from workers.deadlines import Deadlines


def test_what_is_due_comes_from_the_beginning_of_its_minute_on_until_it_is_dropped() -> None:
    deadlines: Deadlines[str] = Deadlines()
    minute = deadlines.put("early", 119.5)
    deadlines.put("late", 120)
    assert deadlines.come(59.9) == []
    assert deadlines.come(60) == ["early"]
    assert deadlines.come(119.9) == ["early"], "as long as nobody drops it"
    assert deadlines.come(10_000) == ["early", "late"]
    deadlines.drop("early", minute)
    assert deadlines.come(10_000) == ["late"]


def test_what_is_put_off_comes_later_and_once() -> None:
    deadlines: Deadlines[str] = Deadlines()
    minute = deadlines.put("one", 30)
    deadlines.drop("one", minute)
    deadlines.put("one", 3600)
    assert deadlines.come(60) == []
    assert deadlines.come(3600) == ["one"]


def test_dropping_what_is_not_there_does_no_harm() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.drop("one", 7)
    minute = deadlines.put("one", 30)
    deadlines.drop("other", minute)
    assert deadlines.come(60) == ["one"]


def test_a_minute_that_is_empty_takes_no_place() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for moment in range(0, 86_400, 7):
        deadlines.drop(moment, deadlines.put(moment, moment))
    assert not deadlines._minutes
