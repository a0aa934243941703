"""What stays certain of a session's own relations."""

from gateway.classify.own import NOTHING, Own


def test_what_is_left_is_left_of_all_three() -> None:
    own = Own(frozenset("abc"), frozenset("ab"), frozenset("b"))
    assert own.within(frozenset("bcd")) == Own(frozenset("bc"), frozenset("b"), frozenset("b"))
    assert own.within(frozenset()) == NOTHING


def test_nothing_is_made_anew_where_all_is_left() -> None:
    own = Own(frozenset("a"), frozenset("a"))
    assert own.within(frozenset("ab")) is own
