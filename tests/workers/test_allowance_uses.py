"""What one worker has in its hands."""

from workers.allowance_uses import Uses
from workers.holds_link import Leave, Used, Using


def test_what_came_of_it_is_said_until_it_is_counted() -> None:
    said: list[Used] = []
    uses = Uses(said.append)
    assert uses.begin("h1", None) is None
    first, second = uses.begin("h1", Leave("a", 9)), uses.begin("h2", Leave("a", 9))
    assert first is not None
    assert second is not None
    assert (first.allowance, first.rows_most) == ("a", 9)
    assert sorted(uses.again(), key=str) == [Using("h1"), Using("h2")]
    first.settle(4)
    first.settle(9)
    assert said == [Used("h1", 4)]
    assert list(uses.again()) == [Using("h2"), Used("h1", 4)]
    uses.counted("h1")
    second.settle(None)
    assert list(uses.again()) == [Used("h2", None)]


def test_what_does_not_wait_any_more_gives_it_back_unless_it_ran_with_it() -> None:
    said: list[Used] = []
    uses = Uses(said.append)
    uses.unused("h1")
    assert said == [Used("h1", 0)]
    use = uses.begin("h2", Leave("a", 9))
    uses.unused("h2")
    assert use is not None
    use.settle(3)
    uses.unused("h2")
    assert said == [Used("h1", 0), Used("h2", 3)]
