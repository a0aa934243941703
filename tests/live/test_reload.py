"""SIGHUP publishes a new policy to running sessions and drops none; a bad one is refused and the old one stays."""

import signal
import threading
from collections.abc import Callable

import psycopg
import pytest

from tests.live.rig import POLICY, Gateway, wait_for

ANALYST = ("shop", "ann", ("analysts",))


def email(connection: psycopg.Connection) -> str:
    row = connection.execute("select email from customers where id = 1").fetchone()
    assert row is not None
    return str(row[0])


def test_new_policy_reaches_running_sessions_on_every_worker(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    sessions = [gateway.connect(*ANALYST) for _ in range(8)]
    workers = gateway.workers()
    assert not any("canary" in email(session) for session in sessions)
    seen_by_email = POLICY.replace('role = "app_ro"\n', 'role = "app_ro"\nunmask = ["email"]\n', 1)
    gateway.reload(seen_by_email)
    wait_for("the new policy everywhere", lambda: all("canary" in email(session) for session in sessions))
    gateway.reload(POLICY)
    wait_for("the old policy everywhere", lambda: not any("canary" in email(session) for session in sessions))
    assert gateway.workers() == workers, "no worker was replaced"
    for session in sessions:
        session.close()


def test_bad_policy_is_refused_and_the_old_one_stays(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    with gateway.connect(*ANALYST) as session:
        for bad, line in (
            (POLICY + '\n[[grant]]\nnaem = "typo"\n', "naem"),
            (POLICY + "\n[[grant\n", "policy.toml"),
        ):
            before = len(gateway.errors())
            gateway.reload(bad)
            told = wait_for("the mistake to be told", lambda b=before: gateway.errors()[b:])
            wait_for("the key or the file to be named", lambda word=line: word in gateway.errors())
            assert told
            assert "canary" not in email(session)
            with gateway.connect(*ANALYST) as newcomer:
                assert "canary" not in email(newcomer)
        checked = gateway.sluice("check")
        assert checked.returncode == 2
        assert "policy.toml" in checked.stderr
        gateway.reload(POLICY.replace('role = "app_ro"\n', 'role = "app_ro"\nunmask = ["email"]\n', 1))
        wait_for("the mended policy", lambda: "canary" in email(session))


def test_statements_after_the_grant_is_gone_are_refused_and_the_session_ends(
    make_gateway: Callable[..., Gateway],
) -> None:
    gateway = make_gateway()
    session = gateway.connect(*ANALYST)
    bystander = gateway.connect("dev")
    assert email(session)
    without = POLICY.replace('groups = ["analysts"]', 'groups = ["nobody-now"]')
    gateway.reload(without)

    def ended() -> psycopg.Error | None:
        try:
            session.execute("select 1")
        except psycopg.Error as error:
            return error
        return None

    error = wait_for("the session to lose its right", ended)
    assert error.sqlstate in ("28000", "42501", "57P01")
    with pytest.raises(psycopg.OperationalError):
        gateway.connect(*ANALYST)
    assert bystander.execute("select 1").fetchone() == (1,)
    bystander.close()
    session.close()


def test_reloads_under_load_drop_nothing_and_mix_nothing(make_gateway: Callable[..., Gateway]) -> None:
    """Two policies in turn, twenty times, under load: every answer is whole, by one of them."""
    gateway = make_gateway()
    stop = threading.Event()
    failures: list[object] = []
    counts: list[int] = []

    def work() -> None:
        done = 0
        try:
            with gateway.connect(*ANALYST) as session:
                while not stop.is_set():
                    rows = session.execute(
                        "select email, phone from customers where id in (1, 2) order by id"
                    ).fetchall()
                    clear = ["canary" in str(row[0]) for row in rows], ["555" in str(row[1]) for row in rows]
                    if clear not in (([True, True], [True, True]), ([False, False], [False, False])):
                        failures.append(clear)
                    done += 1
        except psycopg.Error as error:
            failures.append(error)
        counts.append(done)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    clear = POLICY.replace('role = "app_ro"\n', 'role = "app_ro"\nunmask = ["email", "phone"]\n', 1)
    with gateway.connect(*ANALYST) as watcher:
        for turn in range(20):
            wanted = turn % 2 == 0
            gateway.reload(clear if wanted else POLICY)
            wait_for("the policy in force", lambda w=wanted: ("canary" in email(watcher)) is w)
    stop.set()
    for thread in threads:
        thread.join(timeout=30)
    assert failures == []
    assert min(counts) > 20


def test_records_carry_the_generation_they_were_decided_under(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    with gateway.connect(*ANALYST) as session:
        session.execute("select city as before_reload from customers where id = 1")
        gateway.reload(POLICY.replace('role = "app_ro"\n', 'role = "app_ro"\nunmask = ["email"]\n', 1))
        wait_for("the new policy", lambda: "canary" in email(session))
        session.execute("select city as after_reload from customers where id = 1")
    intents = {
        tag: [
            entry
            for entry in gateway.audit("--user", "ann")
            if entry["kind"] == "intent" and tag in entry["statement"]
        ]
        for tag in ("before_reload", "after_reload")
    }
    assert [len(entries) for entries in intents.values()] == [1, 1]
    assert intents["before_reload"][0]["policy"] != intents["after_reload"][0]["policy"]


def test_signals_that_mean_nothing_end_nothing(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    with gateway.connect("dev") as session:
        for number in (signal.SIGUSR2, signal.SIGHUP, signal.SIGHUP, signal.SIGPIPE):
            gateway.process.send_signal(number)
        assert session.execute("select 1").fetchone() == (1,)
    with gateway.connect("dev") as session:
        assert session.execute("select 1").fetchone() == (1,)
