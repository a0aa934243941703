"""Hosts of a fleet: what they count without a store and a clock, and whole ones but for their processes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import trio

from gateway.identity.principal import Principal
from gateway.policy.decision import Budget
from tests.workers import admin_rig
from workers import admin_link
from workers.admin_link import StoreFares
from workers.admin_process import Desk
from workers.budgets import Budgets
from workers.fleet import Member
from workers.fleet_exchange import Exchange
from workers.fleet_rows import Row
from workers.slab import Slab
from workers.store_connection import StoreTarget

SECOND = 10**9
HOUR = 3600 * SECOND
NOON = 500_000 * HOUR
KEY = b"k" * 32
ADA = Principal("ada", "local", (), ("agent-7",), (NOON + 10 * HOUR) / SECOND, "t1", run="r1")
BOB = replace(ADA, user="bob", run="r2")
ROWS = Budget("analysts read", "rows", 1000, 3600)
STATEMENTS = Budget("analysts read", "statements", 100, 60)
TASK = Budget("analysts read", "rows", 1000, 0)
PURSES = [(person, budget) for person in (ADA, BOB) for budget in (ROWS, STATEMENTS, TASK)]


@dataclass
class Host:
    """Two workers and their admin process."""

    budgets: Budgets = field(default_factory=lambda: Budgets(2, 64, KEY))
    exchange: Exchange = field(init=False)

    def __post_init__(self) -> None:
        slab = Slab(2)
        self.ledgers = [self.budgets.ledger(index, slab.row(index)) for index in range(2)]
        self.begin()

    def begin(self) -> None:
        """A new admin process."""
        self.exchange = Exchange(self.budgets)

    def spend(self, worker: int, purse: int, count: int, now: int) -> None:
        self.ledgers[worker].purse(*PURSES[purse]).spend(count, now)

    def left(self, purse: int, now: int, worker: int = 0) -> int:
        return self.ledgers[worker].purse(*PURSES[purse]).left(now)

    def used(self, purse: int, now: int) -> int:
        return PURSES[purse][1].most - self.left(purse, now)


@dataclass
class Store:
    """What hosts have told: everything that they ever did."""

    rows: list[tuple[bytes, Row]] = field(default_factory=list)

    def told(self, host: Host, now: int, *, known: bool = True) -> None:
        """`known`: whether the host hears that it was told."""
        self.rows += [(host.exchange.host, row) for row in host.exchange.moved(now)]
        if known:
            host.exchange.taken()

    def hear(self, host: Host, rows: list[tuple[bytes, Row]], now: int) -> None:
        for name, row in rows:
            host.exchange.hear(name, [row], now)
        host.exchange.show(now)


def exchanged(hosts: list[Host], now: int, store: Store | None = None) -> Store:
    store = store or Store()
    for host in hosts:
        store.told(host, now)
    for host in hosts:
        store.hear(host, store.rows, now)
    return store


class AHost:
    """One with one worker, whose supervisor is the test."""

    def __init__(self, desk: Desk, supervisor: admin_rig.Supervisor) -> None:
        self.desk, self.supervisor = desk, supervisor
        self.budgets = Budgets(1, 64, KEY)
        self.ledger = self.budgets.ledger(0, Slab(1).row(0))
        self.fares: list[StoreFares] = []

    def begin(self, nursery: trio.Nursery, where: Callable[[], StoreTarget]) -> None:
        nursery.start_soon(self.listen)
        nursery.start_soon(Member(self.desk, Exchange(self.budgets), where).keep)

    async def listen(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self.supervisor.control)
            heard = admin_link.receive(self.supervisor.control)
            assert heard is not None
            if isinstance(heard[0], StoreFares):
                self.fares.append(heard[0])
            else:
                self.supervisor.told.append(heard[0])  # type: ignore[arg-type]

    def left(self, budget: Budget = ROWS) -> int:
        return self.ledger.purse(ADA, budget).left(time.time_ns())

    def spend(self, count: int, budget: Budget = ROWS) -> None:
        self.ledger.purse(ADA, budget).spend(count, time.time_ns())

    def happened(self) -> list[str]:
        return [one.data["what"] for one in self.supervisor.told]


async def until(true: Callable[[], object]) -> None:
    with trio.fail_after(5):
        while not true():
            await trio.sleep(0.005)
