"""What stands prepared on a connection: under whose names, for how long, and how much of it."""

from gateway.session.lent import PREPARED_MAX, Lent


def test_same_text_is_found_in_later_lendings_and_another_name_each_time_it_is_prepared() -> None:
    lent = Lent()
    lent.begin()
    first = lent.make(lent.key(b"select 1\0\0\0"), 0)
    lent.begin()
    assert lent.find(lent.key(b"select 1\0\0\0")) is first
    assert lent.find(lent.key(b"select 2\0\0\0")) is None
    second = lent.make(lent.key(b"select 1\0\0\0"), 0)
    assert second.name != first.name
    assert lent.closing == [first]
    lent.forget(first)
    assert lent.find(lent.key(b"select 1\0\0\0")) is second, "it was another's already"


def test_what_is_prepared_under_settings_of_a_transaction_is_for_that_lending_alone() -> None:
    lent = Lent()
    lent.begin()
    lent.local = True
    key = lent.key(b"select date '1.2.2026'\0\0\0")
    prepared = lent.make(key, 0)
    assert lent.find(key) is prepared
    lent.begin()
    assert not lent.local
    assert lent.find(lent.key(b"select date '1.2.2026'\0\0\0")) is None


def test_the_one_unused_for_longest_makes_room() -> None:
    lent = Lent()
    made = [lent.make((b"%d" % number, None), 0) for number in range(PREPARED_MAX)]
    assert lent.find(made[0].key) is made[0]
    lent.make((b"one more", None), 0)
    assert lent.closing == [made[1]]
    assert len(lent) == PREPARED_MAX
    lent.clear()
    assert len(lent) == 0
    assert lent.closing == []
