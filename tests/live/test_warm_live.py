"""Kept connections before every server that is supported: the next session is as new, and nobody meets another's."""

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.live.rig import Gateway, Postgres, database_entries, serving, wait_for


@pytest.fixture(scope="module", params=["18", "16", "15"])
def served(request: pytest.FixtureRequest, postgres_of: Callable[[str], Postgres]) -> Iterator[tuple[Gateway, Postgres]]:
    """A gateway of one worker, so that the next session comes to the same; the server of this version."""
    postgres = postgres_of(request.param)
    sslmode = "require" if request.param == "15" else "disable"
    entries = database_entries(
        postgres, {"dev": {"sslmode": sslmode, "pool_size": 8}, "shop": {"environment": "production", "sslmode": sslmode}}
    )
    for gateway in serving(Gateway(entries, workers=1)):
        yield gateway, postgres


def served_by(connection: psycopg.Connection) -> int:
    """The server's process, and that of the greeting."""
    row = connection.execute("select pg_backend_pid()").fetchone()
    assert row == (connection.info.backend_pid,)
    return connection.info.backend_pid


def idle(postgres: Postgres, pid: int) -> bool:
    """Whether the server's process is there and has done what it was asked."""
    with postgres.connect() as admin:
        asked = "select state = 'idle' and query ~* 'discard all|show role' from pg_stat_activity where pid = %s"
        return admin.execute(asked, (pid,)).fetchone() == (True,)


LEFT = """
create temporary table mine (a int); prepare mine as select 1; listen mine; set timezone = 'Asia/Tokyo';
select pg_advisory_lock(7), set_config('work_mem', '7MB', false)
"""
FOUND = """
select to_regclass('pg_temp.mine') is null, (select count(*) from pg_prepared_statements),
    (select count(*) from pg_listening_channels()), current_setting('timezone'), current_setting('work_mem'),
    (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())
"""


def test_next_session_is_as_new(served: tuple[Gateway, Postgres]) -> None:
    gateway, postgres = served
    with gateway.connect("dev") as first:
        zone, pid, new = first.info.timezone, served_by(first), first.execute(FOUND, prepare=False).fetchone()
        for sql in LEFT.split(";"):
            first.execute(sql)
    wait_for("the reset", lambda: idle(postgres, pid))
    with gateway.connect("dev") as second:
        assert served_by(second) == pid
        assert second.info.timezone == zone
        assert second.execute(FOUND, prepare=False).fetchone() == new


def test_role_of_the_grant_is_there_again(served: tuple[Gateway, Postgres]) -> None:
    gateway, postgres = served
    pids = []
    for _ in range(3):
        with gateway.connect("shop", "ann", ("analysts",)) as session:
            pids.append(served_by(session))
            assert session.execute("select current_user::text, session_user::text").fetchone() == ("app_ro", "sluice")
        wait_for("the reset", lambda: idle(postgres, pids[-1]))
    assert len(set(pids)) == 1


def test_nobody_meets_what_another_left(served: tuple[Gateway, Postgres]) -> None:
    """Sessions of two kinds in a crowd: each finds only its own name, and what is in doubt never comes back."""
    gateway, _ = served
    faults: list[str] = []
    dsn = gateway.dsn("dev")

    def visit(name: str) -> None:
        for number in range(12):
            session = psycopg.connect(dsn, application_name=name, autocommit=number % 3 != 0)
            found = session.execute(
                "select current_setting('application_name'), to_regclass('pg_temp.mine')::text, current_setting('work_mem')"
            ).fetchone()
            if found != (name, None, "4MB"):
                faults.append(f"{name} found {found}")
            session.execute("set application_name = 'somebody'; set work_mem = '9MB'; create temporary table mine (a int)")
            if number % 4:
                session.close()
            else:
                session.pgconn.finish()

    crowd = [threading.Thread(target=visit, args=(name,)) for name in ("left", "right", "left", "right")]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert faults == []
