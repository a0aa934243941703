"""What one host uses, the others have no more: in windows that slide, and in tasks."""

from tests.workers.fleet_hosts import HOUR, NOON, SECOND, Host, Store, exchanged


def test_what_one_host_uses_the_others_have_no_more() -> None:
    hosts = [Host() for _ in range(3)]
    for number, host in enumerate(hosts):
        host.spend(0, 0, 100, NOON)
        host.spend(1, 0, 50 * number, NOON)
        host.spend(1, 2, 7, NOON)
    exchanged(hosts, NOON)
    assert [host.left(0, NOON, worker) for host in hosts for worker in (0, 1)] == [550] * 6
    assert [host.left(2, NOON) for host in hosts] == [979] * 3
    assert [host.left(3, NOON) for host in hosts] == [1000] * 3, "another's"


def test_nothing_is_told_again_that_did_not_move() -> None:
    one, other = Host(), Host()
    store = Store()
    assert one.exchange.moved(NOON) == []
    one.spend(0, 0, 5, NOON)
    one.spend(0, 4, 5, NOON)
    store.told(one, NOON)
    assert len(store.rows) == 2
    assert one.exchange.moved(NOON) == []
    one.spend(1, 0, 1, NOON)
    assert len(one.exchange.moved(NOON)) == 1
    assert len(one.exchange.moved(NOON)) == 1, "as long as nobody knows that it arrived"
    one.exchange.taken()
    assert one.exchange.moved(NOON) == []
    one.exchange.forget()
    assert len(one.exchange.moved(NOON)) == 2
    store.hear(one, store.rows, NOON)
    assert one.left(0, NOON) == 994, "what it said itself it does not hear"
    assert other.left(0, NOON) == 1000


def test_windows_slide_and_end_for_what_others_used_as_well() -> None:
    one, other = Host(), Host()
    one.spend(0, 0, 400, NOON)
    store = exchanged([one, other], NOON)
    later = NOON + HOUR + HOUR // 2
    one.spend(1, 0, 100, later)
    exchanged([one, other], later, store)
    assert one.used(0, later) == other.used(0, later) == 300
    assert other.used(0, NOON + 2 * HOUR) == 100
    assert other.used(0, NOON + 3 * HOUR) == 0
    for host in (one, other):
        host.exchange.prune(NOON + 9 * HOUR)
        assert host.exchange.moved(NOON + 9 * HOUR) == []


def test_a_host_that_is_gone_counts_on_and_one_that_begins_anew_is_another() -> None:
    gone, here = Host(), Host()
    gone.spend(0, 0, 400, NOON)
    store = exchanged([gone, here], NOON)
    successor = Host()
    successor.spend(0, 0, 1, NOON)
    exchanged([successor, here], NOON, store)
    assert successor.used(0, NOON) == here.used(0, NOON) == 401


def test_an_admin_process_that_begins_anew_goes_on_where_the_last_one_was() -> None:
    one, other = Host(), Host()
    one.spend(0, 0, 400, NOON)
    store = exchanged([one, other], NOON)
    other.exchange.assume(1, NOON)
    other.begin()
    assert other.used(0, NOON) == 400, "until it has heard what the others say the table stays as it is"
    store.hear(other, store.rows, NOON)
    assert other.used(0, NOON) == 400
    other.begin()
    store.hear(other, [], NOON)
    assert other.used(0, NOON) == 0, "what nobody says any more does not stay for ever"


def test_hosts_that_hear_nobody_use_no_more_than_their_shares_together() -> None:
    hosts = [Host() for _ in range(3)]
    for purse in (0, 2):
        hosts[0].spend(0, purse, 100, NOON)
    store = exchanged(hosts, NOON)
    now = NOON + 60 * SECOND
    for _ in range(200):
        for host in hosts:
            host.exchange.assume(2, now)
            for purse in (0, 2):
                host.spend(1, purse, min(5, host.left(purse, now)), now)
    assert [host.left(purse, now) for host in hosts for purse in (0, 2)] == [0] * 6
    exchanged(hosts, now, store)
    for purse in (0, 2):
        used = {host.used(purse, now) for host in hosts}
        assert len(used) == 1
        assert 985 <= used.pop() <= 1000, "together, within what was left, and a step each"


def test_one_that_never_heard_of_others_uses_what_is_left() -> None:
    one = Host()
    one.spend(0, 0, 100, NOON)
    one.exchange.assume(0, NOON)
    assert one.left(0, NOON) == 900
    assert not any(one.budgets.tables[one.budgets.elsewhere])


def test_one_that_was_alone_and_hears_them_again_knows_what_they_did_use() -> None:
    one, other = Host(), Host()
    one.spend(0, 0, 50, NOON)
    store = exchanged([one, other], NOON)
    one.exchange.forget()
    one.spend(0, 0, 50, NOON)
    one.exchange.assume(1, NOON)
    assert one.left(0, NOON) == 850, "what the others were told they need not use as well"
    one.spend(0, 0, 25, NOON)
    one.exchange.assume(1, NOON)
    assert one.left(0, NOON) == 800
    one.exchange.assume(1, NOON)
    one.exchange.forget()
    one.exchange.assume(1, NOON)
    assert one.left(0, NOON) == 800, "what was assumed before is not assumed once more"
    other.spend(0, 0, 7, NOON)
    exchanged([one, other], NOON, store)
    assert one.left(0, NOON) == other.left(0, NOON) == 868
