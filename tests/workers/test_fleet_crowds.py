"""Different people are counted once, on whichever hosts they were met, and as many as there are."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.identity.principal import Principal
from gateway.masking.distinct import Seen
from gateway.policy.decision import Budget
from tests.workers.fleet_hosts import ADA, HOUR, KEY, NOON, SECOND
from tests.workers.test_meetings import people
from workers.budgets import Budgets
from workers.fleet_crowds import SKETCHES_MAX
from workers.fleet_exchange import Exchange
from workers.fleet_rows import Row
from workers.meetings import CrowdAccount, Meetings
from workers.slab import Slab

MINUTE = 60 * SECOND
HOURLY = Budget("agents read", "subjects", 2000, 3600)
TASK = Budget("agents read", "subjects", 2000, 0)
EVERYBODY = people(0, 1100)


class Host:
    """Two workers and their admin process."""

    def __init__(self) -> None:
        self.budgets = Budgets(2, 16, KEY)
        slab = Slab(2)
        self.meetings = [Meetings(self.budgets, index, slab.row(index)) for index in range(2)]
        self.exchange = Exchange(self.budgets)

    def crowd(self, budget: Budget = HOURLY, worker: int = 0, principal: Principal = ADA) -> CrowdAccount:
        return self.meetings[worker].crowd(principal, budget)


def told(host: Host, now: int = NOON) -> list[tuple[bytes, Row]]:
    rows = []
    while some := host.exchange.moved(now):
        rows += [(host.exchange.host, row) for row in some]
        host.exchange.taken()
    return rows


def heard(host: Host, rows: list[tuple[bytes, Row]], now: int = NOON) -> None:
    for name, row in rows:
        host.exchange.hear(name, [row], now)
    host.exchange.show(now)


def exchanged(hosts: list[Host], now: int = NOON) -> list[tuple[bytes, Row]]:
    rows = [row for host in hosts for row in told(host, now)]
    for host in hosts:
        heard(host, rows, now)
    return rows


def near(found: int, expected: int) -> bool:
    return abs(found - expected) <= 0.02 * expected


def test_people_met_on_several_hosts_count_once() -> None:
    hosts = [Host() for _ in range(3)]
    for number, host in enumerate(hosts):
        for budget in (HOURLY, TASK):
            assert host.crowd(budget, number % 2).meet(people(300 * number, 300 * number + 600, unknown=10), NOON)
    exchanged(hosts)
    for host in hosts:
        for budget in (HOURLY, TASK):
            for worker in (0, 1):
                assert near(host.crowd(budget, worker).met(NOON), 1230)
    assert not hosts[2].crowd().meet(people(5000, 5900), NOON)
    assert hosts[2].crowd().meet(people(0, 900), NOON), "the others met these already"


def test_an_account_that_had_no_reason_to_estimate_has_one_when_others_met_many() -> None:
    one, other = Host(), Host()
    account = one.crowd()
    assert account.meet(people(0, 10), NOON)
    assert not account.exceeded(NOON)
    assert other.crowd().meet(people(10, 1990), NOON)
    exchanged([one, other])
    assert account.meet(people(0, 10), NOON)
    assert not account.meet(people(3000, 3200), NOON)


def test_a_sketch_travels_only_when_it_moved() -> None:
    one = Host()
    one.crowd().meet(people(0, 100), NOON)
    assert len(told(one)) == 1
    one.crowd(worker=1).meet(people(0, 100), NOON)
    assert told(one) == [], "they were met before"
    one.crowd().meet(people(0, 0, unknown=1), NOON)
    assert len(told(one)) == 1
    one.crowd().meet(people(0, 200), NOON + 20 * MINUTE)
    (_, row), = told(one, NOON + 20 * MINUTE)
    assert row.seconds == 80 * 60 + 20 * 60, "and of a span that is past, not again"
    one.exchange.forget()
    assert len(told(one, NOON + 20 * MINUTE)) == 2


def test_much_is_told_bit_by_bit() -> None:
    one, other = Host(), Host()
    crowd = SKETCHES_MAX + 20
    for number in range(crowd):
        one.crowd(principal=replace(ADA, user=f"user {number}")).meet(people(number, number + 1), NOON)
    first = one.exchange.moved(NOON)
    assert len(first) == SKETCHES_MAX
    one.exchange.taken()
    rows = [(one.exchange.host, row) for row in first] + told(one)
    assert len(rows) == crowd
    heard(other, rows)
    assert all(other.crowd(principal=replace(ADA, user=f"user {number}")).met(NOON) == 1 for number in range(crowd))


def test_the_hour_moves_for_what_others_met_as_well() -> None:
    one, other = Host(), Host()
    for step in range(4):
        now = NOON + 20 * step * MINUTE
        (one if step % 2 else other).crowd().meet(people(100 * step, 100 * step + 100, unknown=1), now)
        exchanged([one, other], now)
    for minute, expected in ((60, 404), (79, 404), (80, 303), (119, 202), (139, 101), (140, 0)):
        for host in (one, other):
            assert near(host.crowd().met(NOON + minute * MINUTE), expected)
    one.crowd().meet(people(0, 5), NOON + 141 * MINUTE)
    exchanged([one, other], NOON + 141 * MINUTE)
    assert other.crowd().met(NOON + 141 * MINUTE) == 5, "the sketch of an old span is used again"


def test_hosts_that_hear_nobody_meet_no_more_than_their_shares_together() -> None:
    hosts = [Host() for _ in range(3)]
    for budget in (HOURLY, TASK):
        hosts[0].crowd(budget).meet(people(0, 500), NOON)
    exchanged(hosts)
    now = NOON + 30 * SECOND
    for step in range(80):
        for number, host in enumerate(hosts):
            host.exchange.assume(2, now)
            for budget in (HOURLY, TASK):
                begin = 10_000 * (number + 1) + 20 * step
                host.crowd(budget, step % 2).meet(people(begin, begin + 20), now)
    for budget in (HOURLY, TASK):
        assert all(not host.crowd(budget).meet(people(90_000, 90_100), now) for host in hosts)
    exchanged(hosts, now)
    for budget in (HOURLY, TASK):
        for host in hosts:
            assert 0.95 * 2000 <= host.crowd(budget).met(now) <= 1.02 * 2000


def test_an_admin_process_that_begins_anew_goes_on_where_the_last_one_was() -> None:
    one, other = Host(), Host()
    one.crowd().meet(people(0, 300, unknown=20), NOON)
    rows = exchanged([one, other])
    other.exchange.assume(1, NOON)
    other.exchange = Exchange(other.budgets)
    assert near(other.crowd().met(NOON), 320)
    heard(other, rows)
    assert near(other.crowd().met(NOON), 320)
    other.exchange.prune(NOON + 9 * HOUR)
    one.exchange.prune(NOON + 9 * HOUR)
    assert told(one, NOON + 9 * HOUR) == []


STEPS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 900), st.integers(1, 200)), max_size=6)


@settings(max_examples=15)
@given(STEPS, st.randoms(use_true_random=False))
def test_everybody_comes_to_one_number_whatever_the_order(steps: list[tuple[int, int, int]], chance: object) -> None:
    hosts, rows, model = [Host() for _ in range(3)], [], set()
    everybody = EVERYBODY.hashes
    for host, begin, length in steps:
        hosts[host].crowd().meet(Seen(everybody[begin : begin + length]), NOON, must=True)
        model.update(range(begin, begin + length))
        rows += told(hosts[host])
        heard(hosts[host], chance.choices(rows, k=len(rows)))  # type: ignore[attr-defined]
        assert all(near(one.crowd().met(NOON), len(model)) or one.crowd().met(NOON) < len(model) for one in hosts)
    for host in hosts:
        heard(host, rows)
    found = {host.crowd().met(NOON) for host in hosts}
    assert len(found) == 1
    assert near(found.pop(), len(model))
