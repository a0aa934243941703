"""Equal values of many sessions are one object."""

from workers.sharing import KEPT, shared
from workers.upstream import Target


def test_equal_values_are_one_object() -> None:
    one, other = (("TimeZone", str(n)) for n in (1, 1))
    assert one is not other
    assert shared(one) is shared(other)
    assert shared(Target((("a", 1),), "shop", "me")) is shared(Target((("a", 1),), "shop", "me"))


def test_values_that_differ_stay_apart() -> None:
    assert shared(Target((("a", 1),), "shop", "me", "secret")).password == "secret"
    assert shared(Target((("a", 1),), "shop", "me", "other")).password == "other"


def test_what_is_forgotten_is_made_equal_anew() -> None:
    first = shared(("first",))
    for number in range(KEPT):
        shared((number,))
    assert shared(("first",)) == first
