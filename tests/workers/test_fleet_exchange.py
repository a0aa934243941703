"""Hosts that tell each other what they used agree, whatever is lost, comes late, comes twice or begins anew."""

from collections import Counter as Counts

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.fleet_hosts import KEY, NOON, PURSES, SECOND, Host, Store, exchanged
from workers.budgets import Budgets
from workers.fleet_rows import Row, signed


def test_what_finds_no_room_is_counted_and_what_cannot_be_read_is_passed_over() -> None:
    small = Host(Budgets(2, 4, KEY))
    rows = [Row(0, key, 0, bytes(16), 60) for key in (1, 2)] + [Row(7, 1, 0, b"", 60), Row(0, 9, 0, b"rubbish", 60)]
    small.exchange.hear(b"another", [signed(row, b"another", KEY) for row in rows], NOON)
    small.exchange.show(NOON)
    assert small.exchange.full == 0
    window = (NOON // (60 * SECOND) & ((1 << 24) - 1)) << 40 | 5
    rows = [Row(0, key, 0, window.to_bytes(8, "big") * 2, 60) for key in range(1, 11)]
    small.exchange.hear(b"another", [signed(row, b"another", KEY) for row in rows], NOON)
    small.exchange.show(NOON)
    assert small.exchange.full == 2


def test_what_no_host_of_the_fleet_has_said_is_passed_over() -> None:
    one, other = Host(), Host()
    one.spend(0, 0, 400, NOON)
    (row,) = one.exchange.moved(NOON)
    forged = (
        (one.exchange.host, row._replace(content=bytes(len(row.content)))),
        (one.exchange.host, row._replace(content=b"")),
        (one.exchange.host, row._replace(content=row.content[:15] + b"\xff" + row.content[16:])),
        (one.exchange.host, row._replace(key=row.key ^ 1)),
        (one.exchange.host, row._replace(sort=1)),
        (b"another", row),
        (one.exchange.host, signed(row._replace(content=row.content[:16]), one.exchange.host, b"another key")),
    )
    for host, said in forged:
        other.exchange.hear(host, [said], NOON)
    other.exchange.show(NOON)
    assert other.left(0, NOON) == 1000
    other.exchange.hear(one.exchange.host, [row], NOON)
    other.exchange.show(NOON)
    assert other.left(0, NOON) == 600


A_HOST = st.integers(0, 2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("spend"), A_HOST, st.integers(0, 1), st.integers(0, len(PURSES) - 1), st.integers(1, 60)),
        st.tuples(st.just("tell"), A_HOST, st.booleans()),
        st.tuples(st.just("hear"), A_HOST, st.randoms(use_true_random=False)),
        st.tuples(st.sampled_from(("admin", "gateway", "forget", "alone")), A_HOST),
        st.tuples(st.just("wait"), st.sampled_from((1, 40, 61, 3600))),
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(STEPS)
def test_sums_agree_whatever_the_order_and_nothing_is_counted_twice(steps: list[tuple[object, ...]]) -> None:
    hosts, store, now = [Host() for _ in range(3)], Store(), NOON + 17 * SECOND
    spent: Counts[tuple[int, int]] = Counts()  # (purse, window)

    def used(purse: int) -> int:
        seconds = PURSES[purse][1].window_seconds
        if not seconds:
            return spent[purse, 0]
        window, elapsed = divmod(now, seconds * SECOND)
        before = spent[purse, window - 1] * (seconds * SECOND - elapsed)
        return spent[purse, window] - -before // (seconds * SECOND)

    for step in steps:
        match step:
            case ("spend", int(host), int(worker), int(purse), int(count)):
                hosts[host].spend(worker, purse, count, now)
                seconds = PURSES[purse][1].window_seconds
                spent[purse, now // (seconds * SECOND) if seconds else 0] += count
            case ("tell", int(host), bool(known)):
                store.told(hosts[host], now, known=known)
            case ("hear", int(host), chance):
                some = chance.choices(store.rows, k=len(store.rows)) if store.rows else []  # some twice, some not at all
                store.hear(hosts[host], some, now)
            case ("admin", int(host)):
                hosts[host].begin()
            case ("gateway", int(host)):
                store.told(hosts[host], now)
                hosts[host] = Host()
            case ("forget", int(host)):
                hosts[host].exchange.forget()
            case ("alone", int(host)):
                hosts[host].exchange.assume(2, now)
                store.hear(hosts[host], [], now)
            case ("wait", int(seconds)):
                now += seconds * SECOND
        for purse, (_, budget) in enumerate(PURSES):
            assert all(budget.most - host.left(purse, now) <= min(used(purse), budget.most) for host in hosts)
    exchanged(hosts, now, store)
    for purse, (_, budget) in enumerate(PURSES):
        assert {budget.most - host.left(purse, now) for host in hosts} == {min(used(purse), budget.most)}
