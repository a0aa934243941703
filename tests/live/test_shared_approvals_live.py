"""Two gateways over one store of approvals, with the real processes: who waits at one is let go from the other, once."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.live.rig import Gateway, Postgres, standard_entries, wait_for
from tests.live.test_held_live import POLICY, call, pending, quietly
from tests.workers.store_rig import PASSWORD, StoreServer
from workers import status

pytestmark = pytest.mark.xdist_group("store")


def fares(gateway: Gateway) -> dict[str, Any]:
    """How its store does, as `sluice status` tells it."""
    stores = status.ask(gateway.folder / "var" / "run")["stores"]
    return dict(stores[0]) if stores else {"why": "", "hosts": []}


def approve(gateway: Gateway, request: str) -> bool:
    """By a deputy."""
    decide = f"/v1/approvals/{request}/approve"
    return bool(quietly(lambda: call(gateway, "POST", decide, "dee", ("others",))[0] == 200))


@pytest.fixture(scope="module")
def fleet(postgres: Postgres, store_of_all: StoreServer) -> Iterator[tuple[Gateway, Gateway]]:
    """Two gateways that begin while their store is away."""
    store_of_all.empty()
    made = tuple(Gateway(standard_entries(postgres), POLICY, workers=1) for _ in range(2))
    a, b = made
    shutil.copy(a.folder / "mask.key", b.folder / "mask.key")
    for one in made:
        (one.folder / "store.password").write_text(PASSWORD)
        (one.folder / "store.password").chmod(0o600)
        with one.config.open("a") as settings:
            settings.write(f'\n[approvals]\nstore = "{store_of_all.url}"\npassword_file = "store.password"\n')
    store_of_all.stop()
    try:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(Gateway.start, made))
        yield a, b
    finally:
        store_of_all.start()
        for one in made:
            one.stop()
            one.remove()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def asking(gateway: Gateway) -> tuple[psycopg.Connection, list[str]]:
    connection = gateway.connect("dev", "olga", ("owners",))
    said: list[str] = []
    connection.add_notice_handler(lambda notice: said.append(str(notice.message_primary)))
    return connection, said


def test_gateways_begin_without_their_store_and_ask_as_soon_as_it_is_there(
    fleet: tuple[Gateway, Gateway], store_of_all: StoreServer, pool: ThreadPoolExecutor
) -> None:
    a, b = fleet
    assert wait_for("what is amiss", lambda: fares(a)["why"])
    assert not fares(a)["reached"]
    connection, said = asking(a)
    with connection:
        connection.execute("create table if not exists waits (id int, amount int)")
        connection.execute("insert into waits values (1, 10)")
        done = pool.submit(connection.execute, "update waits set amount = 4711 where id = 1")
        wait_for("the word that nobody can be asked", lambda: any("nobody can be asked" in one for one in said))
        assert not done.done()
        store_of_all.start()
        one = wait_for("the request", lambda: quietly(lambda: pending(b, "waits")))
        shown = call(b, "GET", f"/v1/approvals/{one['id']}")[1]["approval"]
        assert "4711" in shown["text"]
        answer = call(b, "POST", f"/v1/approvals/{one['id']}/approve", body={"reason": "seen"})[1]
        assert answer["approval"]["state"] == "approved", answer
        assert done.result(10).rowcount == 1
        assert call(a, "POST", f"/v1/approvals/{one['id']}/approve")[0] == 409
    wait_for("both to be there", lambda: len(fares(a)["hosts"]) == 2)
    released = [each["event"]["what"] for each in a.audit("--approval", one["id"]) if each["kind"] == "approval"]
    assert "statement released" in released
    (given,) = [
        each["event"] for each in b.audit("--approval", one["id"]) if each["event"].get("what") == "statement approved"
    ]
    assert (given["user"], given["decision"]) == ("bo", "seen")


def test_whatever_is_killed_while_a_client_waits_its_statement_runs_once_and_when_it_is_approved(
    fleet: tuple[Gateway, Gateway], store_of_all: StoreServer, pool: ThreadPoolExecutor
) -> None:
    a, b = fleet
    lent = {"to": "dee", "until": time.time() + 3600, "reason": "leave"}
    assert call(a, "POST", "/v1/delegations", body=lent)[0] == 200, "and who is lent it decides at the other"
    connection, _ = asking(a)
    with connection:
        connection.execute("create table if not exists two_waits (id int, amount int)")
        connection.execute("insert into two_waits values (1, 0)")
        for amount, kill in ((1, kills_admin(a)), (2, kills_admin(b)), (3, restarts(store_of_all))):
            done = pool.submit(connection.execute, "update two_waits set amount = amount + 1")
            one = wait_for("the request", lambda: quietly(lambda: pending(b, "two_waits")))
            kill()
            assert not done.done()
            wait_for("the approval", lambda one=one: approve(b, one["id"]))
            assert done.result(20).rowcount == 1
            assert connection.execute("select amount from two_waits").fetchone() == (amount,)
        assert all(call(at, "POST", f"/v1/approvals/{one['id']}/approve")[0] == 409 for at in (a, b))


def kills_admin(gateway: Gateway) -> Callable[[], None]:
    def kill() -> None:
        before = gateway.admin()
        os.kill(before, signal.SIGKILL)
        wait_for("another admin process", lambda: gateway.admin_or_none() not in (None, before))

    return kill


def restarts(store: StoreServer) -> Callable[[], None]:
    def restart() -> None:
        store.stop()
        store.start()

    return restart
