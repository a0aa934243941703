"""Two gateways that share budgets: an agent that works through both at once uses one budget."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from tests.live.rig import SLUICE_PASSWORD, Gateway, Postgres, database_entries, wait_for
from workers import status
from workers.fleet import EXCHANGE_SECONDS

STORE = "fleet_store"
ROWS, SUBJECTS, STATEMENTS = 90_000, 4_500, 450
PACE_SECONDS = 0.01  # between statements of a session: the budgets last for many exchanges, however quick the machine is
WINDOW_SECONDS = 4 * EXCHANGE_SECONDS  # told, heard, and as much again for a machine with other things to do
POLICY = f"""
[[grant]]
name = "readers"
groups = ["readers"]
allow = ["read"]
[[grant]]
name = "agents that read"
groups = ["readers"]
actors = ["rows"]
allow = ["read"]
max_rows_per_hour = {ROWS}
[[grant]]
name = "agents that meet people"
groups = ["readers"]
actors = ["people"]
allow = ["read"]
max_subjects_per_hour = {SUBJECTS}
[[grant]]
name = "agents with a task"
groups = ["readers"]
actors = ["task"]
allow = ["read"]
max_statements_per_task = {STATEMENTS}
"""
SCHEMA = """
create table members (id integer primary key, email text);
insert into members select n, 'member' || n || '@mail.example' from generate_series(1, 40000) n;
grant all on members to public;
"""


@pytest.fixture(scope="module")
def fleet(postgres: Postgres) -> Iterator[list[Gateway]]:
    """Two hosts in all but the machine."""
    with postgres.connect(autocommit=True) as admin:
        admin.execute(f"create database {STORE} owner sluice")
    with postgres.connect("shop") as connection:
        connection.execute(SCHEMA)
    hosts = [Gateway(database_entries(postgres, {"shop": {}}), POLICY, workers=2) for _ in range(2)]
    try:
        for host in hosts:
            for shared in ("mask.key", "local-issuer.pub", "local-issuer.key"):
                if host is not hosts[0]:
                    shutil.copy(hosts[0].folder / shared, host.folder / shared)
            with host.config.open("a") as settings:
                store = f"postgres://sluice@127.0.0.1:{postgres.port}/{STORE}"
                settings.write(f'\n[fleet]\nstore = "{store}"\npassword_file = "upstream.password"\n')
        with ThreadPoolExecutor() as threads:
            [*threads.map(Gateway.start, hosts)]
        wait_for("the hosts to be together", lambda: all(together(host) for host in hosts))
        yield hosts
    finally:
        for host in hosts:
            host.stop()
            host.remove()
        with postgres.connect("shop") as connection:
            connection.execute("drop table members")
        with postgres.connect(autocommit=True) as admin:
            admin.execute(f"drop database {STORE} with (force)")


def together(host: Gateway) -> bool:
    """Whether `sluice status` says that the fleet's store is reached."""
    return [(one["name"], one["reached"]) for one in status.ask(host.folder / "var" / "run")["stores"]] == [("fleet", True)]


def session(fleet: list[Gateway], host: Gateway, user: str, actor: str) -> psycopg.Connection[Any]:
    """With a token that is the same on all hosts, and so is its task."""
    token = fleet[0].token(user, ("readers",), actor)
    dsn = f"host=127.0.0.1 port={host.port} dbname=shop user={user} password={token}"
    return psycopg.connect(dsn, autocommit=True)


@dataclass
class Reading:
    """What an agent got that works through all hosts at once until each of its sessions was refused."""

    rows: list[int] = field(default_factory=list)
    statements: int = 0
    refused: set[str] = field(default_factory=set)
    seconds: float = 0.0

    def in_window(self, count: int) -> float:
        """How much of so many may pass before the others know of it."""
        return count / self.seconds * WINDOW_SECONDS


def reading(fleet: list[Gateway], user: str, actor: str, ask: Callable[[int, int], str]) -> Reading:
    found, pace = Reading(), threading.Event()
    fleet[0].token(user, ("readers",), actor)  # once: each token is a task of its own

    def read(number: int) -> None:
        with session(fleet, fleet[number % len(fleet)], user, actor) as one:
            start.wait()
            for turn in range(100_000):
                pace.wait(PACE_SECONDS)
                try:
                    rows = one.execute(ask(number, turn)).fetchall()
                except psycopg.errors.ConfigurationLimitExceeded as error:
                    found.refused.add(str(error.diag.message_primary))
                    return
                found.rows.extend(row[0] for row in rows)
                found.statements += 1

    threads = [threading.Thread(target=read, args=(number,)) for number in range(2 * len(fleet))]
    start = threading.Barrier(len(threads) + 1)
    for thread in threads:
        thread.start()
    start.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    found.seconds = time.monotonic() - began
    return found


def refuse(fleet: list[Gateway], user: str, actor: str, sql: str) -> bool:
    """Whether every host refuses one more."""
    for host in fleet:
        with session(fleet, host, user, actor) as one, pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            one.execute(sql)
    return True


def new_people(number: int, turn: int) -> str:
    begin = number * 10_000 + turn * 10
    return f"select id, email from members where id > {begin} and id <= {begin + 10}"


def test_rows_people_and_tasks_are_counted_over_both_hosts(fleet: list[Gateway]) -> None:
    with ThreadPoolExecutor() as threads:
        began = [
            threads.submit(reading, fleet, "ann", "rows", lambda number, turn: "select n from generate_series(1, 200) n"),
            threads.submit(reading, fleet, "bea", "people", new_people),
            threads.submit(reading, fleet, "cy", "task", lambda number, turn: "select 1"),
        ]
        rows, people, task = (one.result() for one in began)
    assert rows.refused == {'max_rows_per_hour of grant "agents that read" is used up'}
    assert ROWS - 200 <= len(rows.rows) <= ROWS + rows.in_window(len(rows.rows))
    assert people.refused == {'max_subjects_per_hour of grant "agents that meet people" is used up'}
    assert len({*people.rows}) == len(people.rows)
    assert 0.98 * SUBJECTS <= len(people.rows) <= 1.02 * SUBJECTS + people.in_window(len(people.rows))
    assert task.refused == {'max_statements_per_task of grant "agents with a task" is used up'}
    assert STATEMENTS <= task.statements <= STATEMENTS + task.in_window(task.statements)
    assert refuse(fleet, "ann", "rows", "select 1")
    assert refuse(fleet, "bea", "people", "select id, email from members where id > 39000")
    assert refuse(fleet, "cy", "task", "select 1")


def test_an_admin_process_that_was_killed_goes_on_and_the_store_names_nobody(
    fleet: list[Gateway], postgres: Postgres
) -> None:
    one, other = fleet
    os.kill(one.admin(), signal.SIGKILL)
    with session(fleet, one, "dan", "task") as working:
        for _ in range(STATEMENTS):
            working.execute("select 1")
    with session(fleet, other, "dan", "task") as working:

        def used_up() -> bool:
            try:
                working.execute("select 1")
            except psycopg.errors.ConfigurationLimitExceeded:
                return True
            return False

        wait_for("the other host to know of it", used_up)
    with psycopg.connect(postgres.dsn(STORE), autocommit=True) as admin:
        told = admin.execute("select host, sort, key, part, content from sluice.fleet_use").fetchall()
        assert {sort for _, sort, *_ in told} == {0, 1, 2}
        text = b"".join(bytes(content) for *_, content in told)
        assert not any(word in text for word in (b"dan", b"ann", b"task", b"readers", b"member", SLUICE_PASSWORD.encode()))
