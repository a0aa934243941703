"""A connection for one transaction at a time: many sessions over few connections, each with its own answers alone."""

import asyncio
import random
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator

import asyncpg
import psycopg
import pytest
from psycopg import sql

from tests.live.rig import POLICY, Gateway, Postgres, database_entries, serving, wait_for
from workers.embedded import clean_environment

SIZE = 4
POOLED = {"pool": "transaction", "pool_size": SIZE}


def entries_of(postgres: Postgres) -> list[dict[str, object]]:
    common = POOLED | {"sslmode": "require" if postgres.name == "15" else "disable"}
    return database_entries(
        postgres, {"dev": common, "shop": common | {"environment": "production"}, "bench": common | {"dbname": "postgres"}}
    )


@pytest.fixture(scope="module", params=["18", "15"])
def served(request: pytest.FixtureRequest, postgres_of: Callable[[str], Postgres]) -> Iterator[tuple[Gateway, Postgres]]:
    """A gateway of one worker, so that its share is known; a server that reports the search_path and one that does not."""
    postgres = postgres_of(request.param)
    for gateway in serving(Gateway(entries_of(postgres), workers=1)):
        yield gateway, postgres


def connections(postgres: Postgres, database: str = "shop") -> int:
    return len(backends(postgres, database))


def backends(postgres: Postgres, database: str = "shop") -> set[int]:
    """The server's processes that serve gateways."""
    with postgres.connect() as admin:
        asked = "select pid from pg_stat_activity where usename = 'sluice' and datname = %s"
        return {pid for (pid,) in admin.execute(asked, (database,)).fetchall()}


def visit(session: psycopg.Connection, name: str, clear: bool, dice: random.Random) -> list[str]:
    """One transaction of a session; what was wrong with it."""
    faults = []
    number = dice.randint(1, 3)
    asked = "select id, email, phone, %s::text from customers where id = %s"
    expected_email = f"canary.{('ada', 'bo', 'cy')[number - 1]}@example.com"
    with session.transaction(force_rollback=dice.random() < 0.4):
        if dice.random() < 0.3:
            session.execute("set local search_path = pg_catalog, public")
        for _ in range(dice.randint(1, 3)):
            row = session.execute(asked, (name, number), prepare=dice.random() < 0.7).fetchone()
            if row is None or (row[0], row[3]) != (number, name):
                faults.append(f"{name} asked for {number} and got {row}")
            elif clear and row[1] != expected_email:
                faults.append(f"{name} may see what it does not: {row}")
            elif not clear and ("canary" in (row[1] or "") or "+1-555" in (row[2] or "")):
                faults.append(f"{name} sees {row}")
        if dice.random() < 0.2:
            try:
                with session.transaction():
                    session.execute("select 1 / %s", (0,))
            except psycopg.errors.DivisionByZero:
                pass
    return faults


def test_200_sessions_over_4_connections_see_their_own_rows_and_no_clear_value(served: tuple[Gateway, Postgres]) -> None:
    gateway, postgres = served
    faults: list[str] = []
    kinds = (("sue", ("support",), True), ("will", ("writers",), False))
    dsns = [gateway.dsn("shop", user, groups) for user, groups, _ in kinds]

    def crowd(thread: int) -> None:
        dice = random.Random(thread)
        sessions = []
        for number in range(20):
            session = psycopg.connect(dsns[number % 2], autocommit=True)
            sessions.append((session, f"t{thread}s{number}", kinds[number % 2][2]))
        for _ in range(60):
            session, name, clear = dice.choice(sessions)
            faults.extend(visit(session, name, clear, dice))
        for session, _, _ in sessions:
            session.close()

    others = backends(postgres)  # of gateways that other tests have left running
    threads = [threading.Thread(target=crowd, args=(number,)) for number in range(10)]
    for one in threads:
        one.start()
    wait_for("the crowd to be in", lambda: connections(postgres) >= 1)
    assert len(backends(postgres) - others) <= SIZE + 1, "one more reads the catalogue"
    for one in threads:
        one.join()
    assert faults == []


@pytest.mark.parametrize(
    ("statement", "mend"),
    [
        ("set work_mem = '9MB'", "SET LOCAL"),
        ("reset work_mem", "SET LOCAL"),
        ("set session characteristics as transaction read only", "BEGIN"),
        ("select set_config('work_mem', '9MB', false)", "true"),
        ("select set_config('work_mem', '9MB', 'f')", "true"),
        ("set local standard_conforming_strings = on", "parameters"),
        ("set local search_path = pg_temp, public", "schemas"),
        ("listen news", "session of its own"),
        ("prepare p as select 1", "Parse"),
        ("execute p", "Parse"),
        ("deallocate p", "DEALLOCATE ALL"),
        ("declare c cursor with hold for select 1", "WITH HOLD"),
        ("create temporary table mine (a int)", "ON COMMIT DROP"),
        ('create temporary table mine (" on commit drop" int)', "ON COMMIT DROP"),
        ("select 1 as a into temporary mine", "ON COMMIT DROP"),
        ("select pg_try_advisory_lock_shared(1)", "pg_advisory_xact_lock"),
        ("discard all", "Leave it out"),
        ("select lastval()", "RETURNING"),
        ("select setseed(0.5)", "session"),
        ("table pg_prepared_statements", "pg_prepared_statements"),
        ("do $$ begin execute 'select ' || 1; end $$", "session"),
    ],
)
def test_what_a_transaction_cannot_carry_is_refused_and_the_session_lives_on(
    served: tuple[Gateway, Postgres], statement: str, mend: str
) -> None:
    gateway, _ = served
    with gateway.connect("dev") as session:
        with pytest.raises(psycopg.Error) as refused:
            session.execute(sql.SQL(statement))
        assert refused.value.sqlstate == "0A000"
        hint = refused.value.diag.message_hint
        assert hint is not None
        assert mend in hint, hint
        assert session.execute("select 7").fetchone() == (7,)


def test_what_ends_with_its_transaction_passes(served: tuple[Gateway, Postgres]) -> None:
    gateway, _ = served
    with gateway.connect("dev") as session:
        with session.transaction():
            session.execute("set local work_mem = '9MB'")
            session.execute("select set_config('search_path', 'pg_catalog', true), pg_advisory_xact_lock(1)")
            session.execute("create temporary table mine on commit drop as select 1 as a")
            session.execute("declare c cursor for select a from mine")
            assert session.execute("fetch all from c").fetchall() == [(1,)]
            assert session.execute("show work_mem").fetchone() == ("9MB",)
        found = session.execute("select to_regclass('pg_temp.mine'), current_setting('work_mem'), current_schema()")
        assert found.fetchone() == (None, "4MB", "public")


def test_one_session_shares_its_statement_with_another_and_texts_are_read_as_they_were(
    served: tuple[Gateway, Postgres]
) -> None:
    gateway, _ = served
    with gateway.connect("dev") as first, gateway.connect("dev") as second:
        asked = "select %s::int, date '2026-01-31'::text"
        with first.transaction():
            first.execute("set local datestyle = 'German, DMY'")
            assert first.execute(asked, (1,), prepare=True).fetchone() == (1, "31.01.2026")
        for number in range(3):
            assert second.execute(asked, (number,), prepare=True).fetchone() == (number, "2026-01-31")
            assert first.execute(asked, (number,), prepare=True).fetchone() == (number, "2026-01-31")
        held = [gateway.connect("dev") for _ in range(3)]
        for one in held:
            one.execute("begin")
            one.execute("select 1")
        assert first.execute(asked, (8,), prepare=True).fetchone() == (8, "2026-01-31"), "on another connection"
        with first.pipeline():
            cursors = [first.execute("select %s::int + 1", (number,), prepare=True) for number in range(5)]
        assert [cursor.fetchone() for cursor in cursors] == [(number + 1,) for number in range(5)]
        for one in held:
            one.close()


def test_statement_that_other_tables_have_changed_fails_as_on_one_connection(served: tuple[Gateway, Postgres]) -> None:
    """asyncpg remembers the columns that it was told: on a connection that reads the text anew they must be the same."""
    gateway, postgres = served

    async def play() -> None:
        session = await asyncpg.connect(**parts(gateway))
        statement = await session.prepare("select * from changing")
        assert [tuple(row) for row in await statement.fetch()] == [(1,)]
        with postgres.connect("shop", user="sluice", autocommit=True) as owner:
            owner.execute("alter table changing alter column a type text using 'text ' || a")
        held = []
        for _ in range(3):  # the connection that knows the statement is the one used last
            other = await asyncpg.connect(**parts(gateway))
            await other.execute("begin; select 1")
            held.append(other)
        with pytest.raises(asyncpg.exceptions.FeatureNotSupportedError):
            await statement.fetch()
        assert [tuple(row) for row in await session.fetch("select a || '' from changing")] == [("text 1",)]
        for other in held:
            await other.close()
        await session.close()

    with postgres.connect("shop", user="sluice", autocommit=True) as owner:
        owner.execute("drop table if exists changing; create table changing (a int); insert into changing values (1)")
    try:
        asyncio.run(play())
    finally:
        with postgres.connect("shop", user="sluice", autocommit=True) as owner:
            owner.execute("drop table changing")


def parts(gateway: Gateway) -> dict[str, object]:
    token = gateway.token("olga", ("owners",))
    return {
        "host": "127.0.0.1", "port": gateway.port, "database": "dev", "user": "olga", "password": token, "ssl": False,
    }  # fmt: skip


def test_errors_call_a_statement_by_the_clients_name(served: tuple[Gateway, Postgres]) -> None:
    gateway, _ = served
    with gateway.connect("dev") as session:
        session.pgconn.prepare(b"mine", b"select $1::int")
        result = session.pgconn.exec_prepared(b"mine", [b"1", b"2"])
        assert b'"mine"' in result.error_message
        assert b"sluice_" not in result.error_message
        result = session.pgconn.describe_prepared(b"sluice_s1")
        assert b'prepared statement "sluice_s1" does not exist' in result.error_message
        assert session.pgconn.exec_prepared(b"mine", [b"5"]).get_value(0, 0) == b"5"


def test_cancel_reaches_the_connection_of_the_moment_and_no_other(served: tuple[Gateway, Postgres]) -> None:
    gateway, _ = served
    with gateway.connect("dev") as first, gateway.connect("dev") as second:
        first.execute("select 1")
        done: list[object] = []
        sleeping = threading.Thread(
            target=lambda: done.append(second.execute("select pg_sleep(0.5), 5 as slept").fetchone())
        )
        sleeping.start()
        for _ in range(5):
            first.cancel_safe(timeout=5)  # it runs nothing: nobody is hit
        sleeping.join()
        assert [row[1] for row in done if isinstance(row, tuple)] == [5]
        canceller = threading.Timer(0.3, lambda: first.cancel_safe(timeout=5))
        canceller.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            first.execute("select pg_sleep(30)")
        canceller.join()
        assert first.execute("select 2").fetchone() == second.execute("select 2").fetchone() == (2,)


def test_killed_connection_is_replaced_where_it_was_lent_to_nobody(served: tuple[Gateway, Postgres]) -> None:
    gateway, postgres = served
    with gateway.connect("dev") as session:
        before = session.execute("select pg_backend_pid()").fetchone()
        with postgres.connect(autocommit=True) as admin:
            admin.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'sluice'")
        after = session.execute("select pg_backend_pid()").fetchone()
        assert before != after
        session.execute("begin")
        session.execute("select 1")
        with postgres.connect(autocommit=True) as admin:
            admin.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'sluice'")
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 2")
    with gateway.connect("dev") as session:
        assert session.execute("select 3").fetchone() == (3,)


def test_pgbench_of_50_clients_over_4_connections_fails_no_transaction(served: tuple[Gateway, Postgres]) -> None:
    gateway, postgres = served
    with postgres.connect(user="postgres", autocommit=True) as admin:
        admin.execute("grant all on schema public to sluice")
    made = subprocess.run(
        [postgres.program("pgbench"), "-i", "-q", "-s", "1", postgres.dsn("postgres", "sluice")],
        env=clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    options = ("-n", "-M", "prepared", "-c", "50", "-j", "50", "-t", "10")
    done = subprocess.run(
        [postgres.program("pgbench"), *options, gateway.dsn("bench")],
        env=clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "number of transactions actually processed: 500/500" in done.stdout
    assert "number of failed transactions: 0" in done.stdout
    assert connections(postgres, "postgres") <= SIZE + 1


def test_policy_that_comes_into_force_reaches_sessions_without_a_connection(
    postgres: Postgres, make_gateway: Callable[..., Gateway]
) -> None:
    gateway = make_gateway(entries_of(postgres), workers=1)
    sessions = [gateway.connect("shop", "ann", ("analysts",)) for _ in range(8)]
    asked = "select email from customers where id = 1"

    def emails() -> list[str]:
        return [str(session.execute(asked, prepare=True).fetchone()) for session in sessions]

    assert not any("canary" in email for email in emails())
    gateway.reload(POLICY.replace('role = "app_ro"\n', 'role = "app_ro"\nunmask = ["email"]\n', 1))
    wait_for("the new policy", lambda: all("canary" in email for email in emails()))
    gateway.reload(POLICY)
    wait_for("the old policy", lambda: not any("canary" in email for email in emails()))
    inside = sessions[0]
    inside.execute("begin")
    inside.execute(asked)
    gateway.process.send_signal(signal.SIGTERM)
    assert inside.execute("select 1").fetchone() == (1,)
    assert inside.execute("commit").statusmessage == "COMMIT"
    for session in sessions:
        session.close()
    assert gateway.stop() == 0
