"""Budgets are one over all workers and outlive them; a time limit hits the statement that ran too long and no other."""

import os
import random
import signal
import threading
from collections.abc import Callable

import psycopg
import pytest

from tests.live.rig import Gateway, wait_for

POLICY = """
[[grant]]
name = "readers read a little"
groups = ["readers"]
databases = ["dev"]
allow = ["read"]
unmask = ["*"]
max_rows_per_hour = 1000

[[grant]]
name = "waiters read for a moment"
groups = ["waiters"]
databases = ["dev"]
allow = ["read"]
unmask = ["*"]
max_statement_seconds = 0.4
"""
READER = ("dev", "rita", ("readers",))
HUNDRED = "select generate_series(1, 100)"
SEED = 20260102


def test_a_budget_is_one_over_all_workers_and_outlives_them(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(policy=POLICY)
    sessions = [gateway.connect(*READER) for _ in range(10)]
    for session in sessions:
        assert len(session.execute(HUNDRED).fetchall()) == 100
    for session in sessions:
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            session.execute(HUNDRED)
        session.close()
    with gateway.connect("dev", "ron", ("readers",)) as other:
        assert len(other.execute(HUNDRED).fetchall()) == 100
    for victim in gateway.workers():
        os.kill(victim, signal.SIGKILL)
        wait_for("a successor", lambda gone=victim: gone not in gateway.workers() and len(gateway.workers()) == 2)
    for _ in range(8):
        with (
            gateway.connect(*READER) as session,
            pytest.raises(psycopg.errors.ConfigurationLimitExceeded),
        ):
            session.execute(HUNDRED)


def test_a_time_limit_cancels_what_runs_too_long_and_nothing_behind_it(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(policy=POLICY)
    wrong: list[str] = []
    cancelled: list[float] = []

    def client(number: int) -> None:
        chance = random.Random(SEED + number)
        with gateway.connect("dev", "will", ("waiters",)) as session:
            for _ in range(5):
                seconds = chance.choice((0.01, 0.3, 0.5, 0.7, 3.0))
                try:
                    session.execute(f"select pg_sleep({seconds})")
                    if seconds > 2:
                        wrong.append("it was let run")
                except psycopg.errors.QueryCanceled:
                    cancelled.append(seconds)
                for text in ("select 1", "select 2", "select pg_sleep(0.02)"):
                    try:
                        session.execute(text)
                    except psycopg.Error as error:
                        wrong.append(f"{text}: {error.sqlstate}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cancelled
    assert min(cancelled) >= 0.4
