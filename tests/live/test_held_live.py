"""A statement that waits for a human, with the real processes: psycopg waits, somebody decides at the command line."""

import http.client
import json
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.live.rig import Gateway, Postgres, serving, standard_entries, wait_for

POLICY = """
[[grant]]
name = "owners"
groups = ["owners"]
databases = ["dev", "dev_trust"]
allow = ["all"]
unmask = ["*"]
[[grant]]
name = "agents"
groups = ["owners"]
actors = ["*"]
databases = ["dev"]
allow = ["all"]
unmask = ["*"]
[[guardrail]]
name = "orders wait"
effect = "hold"
statements = ["UPDATE", "DELETE"]
tables = ["waits", "slow_waits", "two_waits", "again_waits", "tries"]
message = "The shop looks at it first."
[[approval]]
name = "the shop"
approvers = { groups = ["shop"] }
databases = ["dev"]
wait_seconds = 60
[[approval]]
name = "tried first"
users = ["petra"]
approvers = { groups = ["shop"] }
wait_seconds = 60
preview = true
"""


@pytest.fixture(scope="module")
def gateway(postgres: Postgres) -> Iterator[Gateway]:
    entries = standard_entries(postgres)
    (pooled,) = (one for one in entries if one["name"] == "dev_trust")
    pooled["pool"] = "transaction"
    with postgres.connect("shop", autocommit=True) as owner:  # before any catalogue is read
        owner.execute("drop table if exists tries")
        owner.execute("create table tries (id int primary key, email text, amount int)")
        owner.execute("grant all on tries to public")
    yield from serving(Gateway(entries, POLICY))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def call(gateway: Gateway, method: str, path: str, user: str = "bo", groups: tuple[str, ...] = ("shop",), actor: str = "",
         body: Any = None) -> tuple[int, dict[str, Any]]:  # fmt: skip
    """An operation of the admin process, as its HTTP interface answers."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.admin_port, timeout=20)
    headers = {"Authorization": f"Bearer {gateway.token(user, groups, actor)}"}
    connection.request(method, path, json.dumps(body or {}) if method == "POST" else None, headers)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    return answer.status, said


def pending(gateway: Gateway, table: str) -> dict[str, Any]:
    """The request about this table that waits."""

    def found() -> dict[str, Any] | None:
        _, answer = quietly(lambda: call(gateway, "GET", "/v1/approvals")) or (0, {"approvals": ()})  # it may begin yet
        waits = (one for one in answer["approvals"] if one["state"] == "pending" and table in one["statement"])
        return next(waits, None)

    one: dict[str, Any] = wait_for("a request", found)
    return one


def table(gateway: Gateway, name: str) -> psycopg.Connection:
    connection = gateway.connect("dev", "olga", ("owners",))
    connection.execute(f"create table if not exists {name} (id int, amount int)")
    connection.execute(f"truncate {name}")
    connection.execute(f"insert into {name} values (1, 10), (2, 20)")
    return connection


def test_an_update_waits_and_runs_when_somebody_approves_it_at_the_command_line(
    gateway: Gateway, pool: ThreadPoolExecutor
) -> None:
    with table(gateway, "waits") as connection:
        notices: list[str] = []
        connection.add_notice_handler(lambda said: notices.append(str(said.message_primary)))
        connection.execute("set sluice.reason = 'ticket=T-9 correct an amount'")
        done = pool.submit(connection.execute, "update waits set amount = %s where id = %s", (4711, 1))
        one = pending(gateway, "waits")
        assert (one["by"], one["rules"], one["approvals"]) == ("olga (local)", ["orders wait"], ["the shop"])
        assert (one["reason"], one["ticket"]) == ("correct an amount", "T-9")
        assert "4711" not in json.dumps(one)
        with gateway.connect("dev", "olga", ("owners",)) as other:  # it holds no lock meanwhile
            other.execute("set lock_timeout = 500")
            with other.transaction():
                other.execute("lock table waits in access exclusive mode")
        listed = gateway.sluice("approvals", "list", SLUICE_TOKEN=gateway.token("bo", ("shop",)))
        assert one["id"] in listed.stdout
        shown = gateway.sluice("approvals", "show", one["id"], "--json", SLUICE_TOKEN=gateway.token("bo", ("shop",)))
        assert json.loads(shown.stdout)["parameters"] == ["4711", "1"]
        assert not done.done()
        bo = gateway.token("bo", ("shop",))
        approved = gateway.sluice("approvals", "approve", one["id"], "--reason", "seen", SLUICE_TOKEN=bo)
        assert (approved.returncode, approved.stdout) == (0, f"{one['id']}: approved\n"), approved.stderr
        assert done.result(10).rowcount == 1
        assert connection.execute("select amount from waits where id = 1").fetchone() == (4711,)
        assert any(one["id"] in said and "The shop looks at it first" in said for said in notices)
    records = gateway.audit("--approval", one["id"])
    assert [each["kind"] for each in records if each["kind"] == "intent"] == ["intent"]
    what = {each["event"]["what"]: each["event"] for each in records if each["kind"] == "approval"}
    assert what["statement approved"]["user"] == "bo"
    assert what["statement approved"]["decision"] == "seen"
    assert "statement held" in what
    assert "4711" not in json.dumps(gateway.audit())
    kept = b"".join(path.read_bytes() for path in (gateway.folder / "var" / "state").iterdir())
    assert b"4711" not in kept


def test_who_may_not_decide_is_told_why_and_releases_nothing(gateway: Gateway, pool: ThreadPoolExecutor) -> None:
    with table(gateway, "waits") as connection, gateway.connect("dev", "olga", ("owners",), actor="bot") as bot:
        for asker in (connection, bot):
            done = pool.submit(asker.execute, "delete from waits where id = 2")
            one = pending(gateway, "waits")
            path = f"/v1/approvals/{one['id']}"
            for user, groups, actor, status, why in (
                ("olga", ("shop", "owners"), "", 403, "nobody decides about what he"),
                ("OLGA", ("shop",), "", 403, "nobody decides about what he"),
                ("bo", ("shop",), "bot", 403, "an agent decides nothing"),
                ("eve", ("others",), "", 404, "there is no such request"),
            ):
                said = call(gateway, "POST", f"{path}/approve", user, groups, actor)
                assert (said[0], why in said[1]["error"]) == (status, True), said
            own = call(gateway, "GET", path, "olga", ("owners",))[1]["approval"]
            assert "text" not in own, "who asked reads no literals"
            assert not done.done()
            assert call(gateway, "POST", f"{path}/deny", body={"reason": "not this one"})[0] == 200
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"was denied by bo \(local\): not this one"):
                done.result(10)
            assert call(gateway, "POST", f"{path}/approve")[0] == 409
        assert connection.execute("select count(*) from waits").fetchone() == (2,)


def test_a_pipeline_and_psql_wait_too_and_ctrl_c_takes_it_back(
    gateway: Gateway, postgres: Postgres, pool: ThreadPoolExecutor
) -> None:
    with table(gateway, "waits") as connection:
        with connection.pipeline():
            before = connection.execute("select 1")
            connection.execute("update waits set amount = 7 where id = 1")
            after = connection.execute("select amount from waits where id = 1")
            decided = pool.submit(lambda: call(gateway, "POST", f"/v1/approvals/{pending(gateway, 'waits')['id']}/approve"))
        assert decided.result(10)[0] == 200
        assert (before.fetchone(), after.fetchone()) == ((1,), (7,))
        psql = subprocess.Popen(
            [postgres.program("psql"), gateway.dsn("dev"), "-X", "-c", "update waits set amount = 8 where id = 1"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        one = pending(gateway, "waits")
        psql.send_signal(signal.SIGINT)
        _, errors = psql.communicate(timeout=20)
        assert f"request {one['id']}" in errors
        assert "canceling statement due to user request" in errors
        assert connection.execute("select amount from waits where id = 1").fetchone() == (7,)

        def over() -> bool:
            return bool(call(gateway, "GET", f"/v1/approvals/{one['id']}")[1]["approval"]["state"] == "withdrawn")

        wait_for("the request to be over", over)
        assert call(gateway, "POST", f"/v1/approvals/{one['id']}/approve")[0] == 409


def previewed(gateway: Gateway, table: str) -> dict[str, Any]:
    """The request about this table, once its outcome is there."""

    def found() -> dict[str, Any] | None:
        one = pending(gateway, table)
        _, answer = quietly(lambda: call(gateway, "GET", f"/v1/approvals/{one['id']}")) or (0, {})
        return dict(answer["approval"]) if answer.get("approval", {}).get("preview") is not None else None

    one: dict[str, Any] = wait_for("a preview", found)
    return one


def people(gateway: Gateway, seed: int) -> list[str]:
    """A table with addresses that are like no others; which they are."""
    chance = random.Random(seed)
    addresses = [f"{chance.randbytes(6).hex()}@example.com" for _ in range(6)]
    with gateway.connect("dev", "olga", ("owners",)) as owner:
        owner.execute("truncate tries")
        for number, address in enumerate(addresses):
            owner.execute("insert into tries values (%s, %s, 10)", (number, address))
    return addresses


def test_who_decides_sees_what_it_would_change_and_no_hidden_value(gateway: Gateway, pool: ThreadPoolExecutor) -> None:
    addresses = people(gateway, 1)
    for database in ("dev", "dev_trust"):
        with gateway.connect(database, "petra", ("owners",)) as petra:
            done = pool.submit(petra.execute, "update tries set amount = amount + 1 where id < %s", (3,))
            one = previewed(gateway, "tries")
            assert one["preview"]["tables"] == [
                {"table": "public.tries", "inserted": 0, "updated": 3, "deleted": 0}
            ], one["preview"]  # fmt: skip
            shown = json.dumps(one)
            if database == "dev":
                text = gateway.sluice("approvals", "show", one["id"], SLUICE_TOKEN=gateway.token("bo", ("shop",))).stdout
                assert all(word in text for word in ("UPDATE 3", "[redacted]", "before"))
                shown += text
            (sample,) = one["samples"]
            assert sample["columns"] == ["id", "email", "amount"]
            before, after = ([int(row[2]) for row in sample[when]] for when in ("before", "after"))
            assert [each - 1 for each in after] == before
            assert call(gateway, "POST", f"/v1/approvals/{one['id']}/approve")[0] == 200
            assert done.result(10).rowcount == 3
            for address in addresses:
                assert address not in shown
    everything = json.dumps(gateway.audit())
    assert "public.tries: 3 updated" in everything
    assert not any(address in everything for address in addresses)


def test_what_is_tried_leaves_nothing_where_its_worker_or_the_admin_process_dies(
    gateway: Gateway, pool: ThreadPoolExecutor
) -> None:
    people(gateway, 2)
    with gateway.connect("dev", "petra", ("owners",)) as petra:
        done = pool.submit(petra.execute, "update tries set amount = 7 where id = 1")
        one = previewed(gateway, "tries")
        admin = gateway.admin()
        os.kill(admin, signal.SIGKILL)
        wait_for("another admin process", lambda: gateway.admin_or_none() not in (None, admin))
        wait_for("an answer", lambda: quietly(lambda: call(gateway, "POST", f"/v1/approvals/{one['id']}/approve")[0] == 200))
        assert done.result(20).rowcount == 1
        lost = pool.submit(petra.execute, "update tries set amount = 0 where pg_sleep(0.3) is not null")
        with gateway.connect("dev", "olga", ("owners",)) as olga:
            running = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
            wait_for("a trial", lambda: olga.execute(running).fetchone() == (1,))
        for pid in gateway.workers():
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            lost.result(20)
    with wait_for("a worker", lambda: quietly(lambda: gateway.connect("dev", "olga", ("owners",)))) as olga:
        assert olga.execute("select sum(amount) from tries").fetchone() == (57,)
        wait_for("the server to end it", lambda: olga.execute(running).fetchone() == (0,))


def test_killed_admin_process_and_killed_worker_release_nothing_twice(
    gateway: Gateway, pool: ThreadPoolExecutor
) -> None:
    with table(gateway, "waits") as connection:
        done = pool.submit(connection.execute, "update waits set amount = amount + 1 where id = 1")
        one = pending(gateway, "waits")
        for _ in range(3):
            admin = gateway.admin()
            os.kill(admin, signal.SIGKILL)
            wait_for("another admin process", lambda admin=admin: gateway.admin_or_none() not in (None, admin))
        again = wait_for("the request", lambda: quietly(lambda: pending(gateway, "waits")))
        assert again["id"] == one["id"]
        wait_for("an answer", lambda: quietly(lambda: call(gateway, "POST", f"/v1/approvals/{one['id']}/approve")[0] == 200))
        assert done.result(20).rowcount == 1
        assert connection.execute("select amount from waits where id = 1").fetchone() == (11,)
        lost = pool.submit(connection.execute, "update waits set amount = amount + 100 where id = 1")
        two = pending(gateway, "waits")
        for pid in gateway.workers():
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            lost.result(20)
        status, said = call(gateway, "POST", f"/v1/approvals/{two['id']}/approve")
        assert status in (409, 200), said  # it may not be known yet that the worker is gone
        assert not call(gateway, "GET", f"/v1/approvals/{two['id']}")[1]["approval"]["ran"]
    with wait_for("a worker", lambda: quietly(lambda: gateway.connect("dev", "olga", ("owners",)))) as connection:
        assert connection.execute("select amount from waits where id = 1").fetchone() == (11,)


def quietly(work: Callable[[], Any]) -> Any:
    """None while it cannot be done."""
    try:
        return work()
    except (OSError, AssertionError, http.client.HTTPException, psycopg.OperationalError, ValueError, KeyError):
        return None
