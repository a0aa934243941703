"""What stays certain of a session's own relations."""

from gateway.classify.own import ALL, CARRIES_MAX, NOTHING, Own


def test_what_is_left_is_left_of_all_three() -> None:
    own = Own(frozenset("abc"), frozenset("ab"), frozenset("b"))
    assert own.within(frozenset("bcd")) == Own(frozenset("bc"), frozenset("b"), frozenset("b"))
    assert own.within(frozenset()) == NOTHING


def test_nothing_is_made_anew_where_all_is_left() -> None:
    own = Own(frozenset("a"), frozenset("a"))
    assert own.within(frozenset("ab")) is own


def test_what_went_into_them_is_remembered_when_no_name_is_certain_any_more() -> None:
    own = Own(frozenset("a")).carrying("a", "ssn", lasting=False)
    assert own.carrying("a", "ssn", lasting=False) is own
    assert own.within(frozenset()).carries == own.uncertain().carries == {("a", "ssn", False)}


def test_more_than_can_be_told_apart_may_carry_anything() -> None:
    own = NOTHING
    for number in range(CARRIES_MAX + 5):
        own = own.carrying(f"t{number}", "ssn", lasting=False)
    assert own.carries == {(ALL, "derived", False), (ALL, "derived", True)}
