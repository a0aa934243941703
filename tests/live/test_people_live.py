"""People around what waits, with the real processes: further ones who decide, deputies, many decided at once."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.live.rig import Gateway, Postgres, serving, standard_entries, wait_for
from tests.live.test_held_live import call, pending, quietly, table

POLICY = """
[[grant]]
name = "owners"
groups = ["owners"]
databases = ["dev"]
allow = ["all"]
unmask = ["*"]
[[guardrail]]
name = "orders wait"
effect = "hold"
statements = ["UPDATE", "DELETE"]
tables = ["lent", "slow", "alike"]
[[approval]]
name = "the shop"
approvers = { groups = ["shop"] }
databases = ["dev"]
wait_seconds = 60
escalate = [{ after_seconds = 1, approvers = { groups = ["leads"] }, channels = ["console"] }]
"""


@pytest.fixture(scope="module")
def gateway(postgres: Postgres) -> Iterator[Gateway]:
    with postgres.connect("shop", user="sluice", autocommit=True) as connection:
        connection.execute("create table alike (id int, amount int)")  # there before any session, so that all know it
        connection.execute("insert into alike values (1, 10)")
    yield from serving(Gateway(standard_entries(postgres), POLICY))


def events(gateway: Gateway, request: str) -> dict[str, dict[str, Any]]:
    return {each["event"]["what"]: each["event"] for each in gateway.audit("--approval", request) if "event" in each}


def test_what_nobody_decides_reaches_further_people_over_the_death_of_the_admin_process(gateway: Gateway) -> None:
    with table(gateway, "slow") as connection, ThreadPoolExecutor(1) as pool:
        done = pool.submit(connection.execute, "update slow set amount = 11 where id = 1")
        one = pending(gateway, "slow")
        admin = gateway.admin()
        os.kill(admin, signal.SIGKILL)
        wait_for("another admin process", lambda: gateway.admin_or_none() not in (None, admin))

        def escalated() -> Any:
            shown = quietly(lambda: call(gateway, "GET", f"/v1/approvals/{one['id']}"))
            return shown and shown[1].get("approval", {}).get("escalated")

        assert [each["rule"] for each in wait_for("the step", escalated)] == ["the shop"]
        assert call(gateway, "POST", f"/v1/approvals/{one['id']}/approve", "olga", ("leads",))[0] == 403
        assert call(gateway, "POST", f"/v1/approvals/{one['id']}/approve", "lee", ("leads",))[0] == 200
        assert done.result(10).rowcount == 1
    told = events(gateway, one["id"])
    assert told["request escalated"]["steps"][0]["groups"] == ["leads"]
    assert told["statement approved"]["user"] == "lee"


def test_a_deputy_decides_until_it_is_taken_back(gateway: Gateway) -> None:
    ann, bo = gateway.token("ann", ("shop",)), gateway.token("bo", ("others",))
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
    lent = gateway.sluice("delegate", "--to", "bo", "--until", tomorrow, "--reason", "leave", SLUICE_TOKEN=ann)
    assert lent.returncode == 0, lent.stderr
    listed = gateway.sluice("delegations", "list", SLUICE_TOKEN=bo)
    assert "ann (local)" in listed.stdout
    with table(gateway, "lent") as connection, ThreadPoolExecutor(1) as pool:
        done = pool.submit(connection.execute, "delete from lent where id = 1")
        one = pending(gateway, "lent")
        assert call(gateway, "POST", f"/v1/approvals/{one['id']}/approve", "bo", ("others",))[0] == 200
        assert done.result(10).rowcount == 1
        back = call(gateway, "POST", f"/v1/delegations/{lent.stdout.strip()}/revoke", "ann")
        assert back[1]["delegation"]["state"] == "revoked"
        again = pool.submit(connection.execute, "delete from lent where id = 2")
        two = pending(gateway, "lent")
        assert call(gateway, "POST", f"/v1/approvals/{two['id']}/approve", "bo", ("others",))[0] == 404
        (since,) = call(gateway, "GET", f"/v1/approvals/{two['id']}")[1]["approval"]["since_last"]
        assert since.endswith(f"by bo (local) for ann (local) (request {one['id']})")
        assert call(gateway, "POST", f"/v1/approvals/{two['id']}/deny")[0] == 200
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            again.result(10)
    told = events(gateway, one["id"])["statement approved"]
    assert (told["user"], told["for"], told["delegation"]) == ("bo", "ann (local)", lent.stdout.strip())


def test_many_that_are_alike_are_decided_with_one_word_and_counted(gateway: Gateway) -> None:
    bo = gateway.token("bo", ("shop",))
    with (
        ThreadPoolExecutor(3) as pool,
        gateway.connect("dev") as first,
        gateway.connect("dev") as second,
        gateway.connect("dev") as third,
    ):
        done = [
            pool.submit(connection.execute, f"update alike set amount = amount + {number} where id = 1")
            for number, connection in enumerate((first, second, third), 100)
        ]
        wait_for("three", lambda: pending(gateway, "alike")["alike"] == 3)
        one = pending(gateway, "alike")["id"]
        approved = gateway.sluice("approvals", "approve", one, "--all-alike", SLUICE_TOKEN=bo)
        assert approved.stdout.count(": approved\n") == 3, approved.stdout + approved.stderr
        assert [each.result(10).rowcount for each in done] == [1, 1, 1]
    stats = gateway.sluice("approvals", "stats", "--json", SLUICE_TOKEN=bo)
    figures = json.loads(stats.stdout)
    (rule,) = figures["rules"]
    people = {each["approver"]: each for each in figures["approvers"]}
    assert rule["approved"] >= 3
    assert people["bo (local)"]["approved"] >= 3
    assert people["bo (local)"]["rubber_stamp_rate"] == 1.0, "he has looked at none of them in full"
