"""Every client runs the same script directly and through Sluice with everything allowed: the same bytes come back.

The direct run signs in as the upstream role, so that only the path differs.
"""

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pg8000.native
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.live.rig import Gateway, Postgres, database_entries
from workers.embedded import clean_environment

HERE = Path(__file__).parent
OWNERS = ("owners",)


def run(command: Sequence[str], dsn: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Runs a libpq program that finds its server by environment, as `dsn` says."""
    named = {"dbname": "DATABASE", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    settings = {f"PG{named[key]}": str(value) for key, value in conninfo_to_dict(dsn).items() if key in named}
    return subprocess.run(
        command,
        env=clean_environment() | settings | options.pop("env", {}),
        capture_output=True,
        check=False,
        **options,
    )


def both(
    postgres: Postgres, gateway: Gateway, work: Callable[[str], Any], database: str = "dev"
) -> tuple[Any, Any]:
    return work(postgres.dsn("shop")), work(gateway.dsn(database))


@pytest.mark.parametrize("expanded", ["off", "on"])
def test_psql_prints_the_same(postgres: Postgres, gateway: Gateway, expanded: str) -> None:
    def work(dsn: str) -> tuple[bytes, bytes, int]:
        options = ("-X", "-a", "-P", f"expanded={expanded}", "-P", "pager=off")
        done = run([postgres.program("psql"), *options, "-f", str(HERE / "scripts/session.sql")], dsn)
        return done.stdout, done.stderr, done.returncode

    direct, through = both(postgres, gateway, work)
    assert direct == through
    assert direct[0].endswith(b"last\n(1 row)\n\n") if expanded == "off" else b"last" in direct[0]


def test_older_psql_prints_the_same(
    postgres_of: Callable[[str], Postgres], postgres: Postgres, gateway: Gateway
) -> None:
    psql = postgres_of("15").program("psql")

    def work(dsn: str) -> tuple[bytes, bytes]:
        done = run([psql, "-X", "-a", "-f", str(HERE / "scripts/session.sql")], dsn)
        return done.stdout, done.stderr

    direct, through = both(postgres, gateway, work)
    assert direct == through


def outcome(connection: psycopg.Connection, statement: Any, parameters: Any = None, **options: Any) -> Any:
    """Everything psycopg shows of one statement: description and rows, or the error with its parts."""
    try:
        cursor = connection.execute(statement, parameters, **options)
    except psycopg.Error as error:
        return error.sqlstate, str(error), error.diag.message_detail, error.diag.statement_position
    if cursor.description is None:
        return cursor.statusmessage, cursor.rowcount
    result = cursor.pgresult
    assert result is not None
    columns = [
        (
            result.fname(n),
            result.ftable(n),
            result.ftablecol(n),
            result.ftype(n),
            result.fmod(n),
            result.fformat(n),
        )
        for n in range(result.nfields)
    ]
    values = [[result.get_value(row, n) for n in range(result.nfields)] for row in range(result.ntuples)]
    return cursor.statusmessage, columns, values


STATEMENTS = (
    ("select * from customers order by id", None),
    ("select id, total, placed_at from orders where total > %s order by id", (20,)),
    (
        "select %s::text, %s::int8, %s::numeric, %s::bool, %s::bytea, %s::text[]",
        ("é€", 2**40, 1.25, True, b"\0\xff", ["a"]),
    ),
    (
        "select null, '', 0::numeric, 'NaN'::float8, 'infinity'::date, interval '1 mon -3 days', '1.2.3.4'::inet",
        None,
    ),
    (
        "select row(1, 'x'), array[[1,2],[3,4]], int4range(1, 5), '{\"a\": 1}'::jsonb, gen_random_uuid() is null",
        None,
    ),
    (
        "select c.city, count(*), sum(o.total) from customers c join orders o on o.customer_id = c.id group by 1 order by 1",
        None,
    ),
    ("select 1/%s::int", (0,)),
    ("selec 1", None),
    ("select", None),
    ("", None),
    ("insert into orders (customer_id, total) values (9999, 1)", None),
)


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("prepare", [False, True], ids=["unnamed", "prepared"])
def test_psycopg_reads_the_same_bytes(
    postgres: Postgres, gateway: Gateway, binary: bool, prepare: bool
) -> None:
    def work(dsn: str) -> list[Any]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            seen: list[Any] = []
            for statement, parameters in STATEMENTS * 2:
                seen.append(outcome(connection, statement, parameters, binary=binary, prepare=prepare))
            seen.append(sorted(connection.info.get_parameters()))
            seen.append(connection.info.server_version)
            seen.append(
                [
                    connection.info.parameter_status(name)
                    for name in ("server_encoding", "is_superuser", "TimeZone")
                ]
            )
            return seen

    direct, through = both(postgres, gateway, work)
    # the one thing that must differ: whom and what the client says it connects to
    assert direct == through


def test_psycopg_pipeline_gives_the_same(postgres: Postgres, gateway: Gateway) -> None:
    def work(dsn: str) -> list[Any]:
        seen: list[Any] = []
        with psycopg.connect(dsn, autocommit=True) as connection:
            with connection.pipeline():
                cursors = [connection.execute("select %s::int * 2", (n,)) for n in range(300)]
                seen.append([cursor.fetchone() for cursor in cursors])
            with pytest.raises(psycopg.errors.DivisionByZero), connection.pipeline() as pipeline:
                connection.execute("create temp table piped (n int)")
                connection.execute("insert into piped values (1)")
                pipeline.sync()
                connection.execute("insert into piped values (2)")
                connection.execute("select 1/0")
                connection.execute("insert into piped values (3)")
                pipeline.sync()
            seen.append(connection.execute("select n from piped order by n").fetchall())
            seen.append(connection.info.transaction_status)
        return seen

    direct, through = both(postgres, gateway, work)
    assert direct == through
    assert len(direct[0]) == 300


@pytest.mark.parametrize("form", ["text", "csv", "binary"])
def test_psycopg_copies_the_same_both_ways(postgres: Postgres, gateway: Gateway, form: str) -> None:
    def work(dsn: str) -> list[bytes]:
        with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
            rows = "select g, md5(g::text), null::int from generate_series(1, 20000) g"
            with cursor.copy(f"copy ({rows}) to stdout (format {form})") as copy:
                data = b"".join(bytes(block) for block in copy)
            cursor.execute("create temp table copied (n int, h text, z int) on commit drop")
            with cursor.copy(f"copy copied from stdin (format {form})") as copy:
                for start in range(0, len(data), 9000):
                    copy.write(data[start : start + 9000])
            with cursor.copy(f"copy copied to stdout (format {form})") as copy:
                back = b"".join(bytes(block) for block in copy)
        return [data, back]

    direct, through = both(postgres, gateway, work)
    assert direct == through
    assert direct[0] == direct[1]


def test_psycopg_copy_that_the_client_breaks_off_leaves_a_working_session(
    postgres: Postgres, gateway: Gateway
) -> None:
    def work(dsn: str) -> list[Any]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("create temp table broken (n int)")
            with pytest.raises(ZeroDivisionError), connection.cursor().copy("copy broken from stdin") as copy:
                copy.write_row((1,))
                _ = 1 // 0
            with (
                pytest.raises(psycopg.errors.InvalidTextRepresentation),
                connection.cursor().copy("copy broken from stdin") as copy,
            ):
                copy.write(b"not a number\n")
            return connection.execute("select count(*) from broken").fetchall()

    direct, through = both(postgres, gateway, work)
    assert direct == through == [(0,)]


def test_psycopg_server_side_cursors_give_the_same(postgres: Postgres, gateway: Gateway) -> None:
    def work(dsn: str) -> list[Any]:
        with psycopg.connect(dsn) as connection:
            with connection.cursor("named", scrollable=True) as cursor:
                cursor.itersize = 7
                cursor.execute("select id, placed_at from orders order by id")
                seen: list[Any] = list(cursor)
                cursor.scroll(5, mode="absolute")
                seen += cursor.fetchmany(3)
            with connection.cursor("held", withhold=True, binary=True) as held:
                held.execute("select id, total from orders order by id desc")
                connection.commit()
                seen += held.fetchmany(4)
            return seen

    direct, through = both(postgres, gateway, work)
    assert direct == through


async def asyncpg_session(dsn: str) -> list[Any]:
    settings = conninfo_to_dict(dsn)
    connection = await asyncpg.connect(
        host=settings["host"],
        port=int(str(settings["port"])),
        database=settings["dbname"],
        user=settings["user"],
        password=settings["password"],
        ssl=False,
        command_timeout=20,
    )
    seen: list[Any] = []
    notices: list[str] = []
    connection.add_log_listener(lambda _, message: notices.append(message.message))
    try:
        seen.append([tuple(row) for row in await connection.fetch("select * from customers order by id")])
        statement = await connection.prepare("select id, total from orders where total > $1 order by id")
        seen.append([repr(column.type) for column in statement.get_attributes()])
        seen.append([tuple(row) for row in await statement.fetch(50)])
        seen.append(await connection.fetchval("select array[row(1, 'x'::text), row(2, null)]::record[]"))
        async with connection.transaction():
            await connection.execute(
                "create type mood as enum ('sad', 'ok'); create type pair as (a int, m mood)"
            )
            seen.append(str(await connection.fetchval("select row(1, 'ok')::pair")))
            await connection.execute("create temp table bulk (n int, w text)")
            await connection.copy_records_to_table("bulk", records=[(n, f"w{n}") for n in range(2000)])
            await connection.executemany("insert into bulk values ($1, $2)", [(n, None) for n in range(50)])
            cursor = connection.cursor("select n, w from bulk order by n, w nulls last", prefetch=100)
            seen.append([tuple(row) async for row in cursor])
            await connection.execute("drop type pair; drop type mood")
        try:
            await connection.fetch("select 1/$1::int", 0)
        except asyncpg.PostgresError as error:
            seen.append((error.sqlstate, str(error)))
        await connection.execute("do $$ begin raise warning 'seen by asyncpg'; end $$")
        seen.append(notices)
    finally:
        await connection.close(timeout=5)
    return seen


def test_asyncpg_gives_the_same(postgres: Postgres, gateway: Gateway) -> None:
    direct, through = both(postgres, gateway, lambda dsn: asyncio.run(asyncpg_session(dsn)))
    assert direct == through
    assert len(direct[0]) == 4


def test_pg8000_gives_the_same(postgres: Postgres, gateway: Gateway) -> None:
    def work(dsn: str) -> list[Any]:
        settings = conninfo_to_dict(dsn)
        connection = pg8000.native.Connection(
            str(settings["user"]),
            host=str(settings["host"]),
            port=int(str(settings["port"])),
            database=str(settings["dbname"]),
            password=str(settings["password"]),
        )
        seen: list[Any] = []
        try:
            seen.append(connection.run("select * from customers order by id"))
            seen.append(
                [(column["name"], column["type_oid"], column["table_oid"]) for column in connection.columns]
            )
            seen.append(connection.run("select :a + 1, :b || '!'", a=41, b="it's"))
            prepared = connection.prepare(
                "select id from orders where total > cast(:t as numeric) order by id"
            )
            seen += [prepared.run(t=10), prepared.run(t=55)]
            prepared.close()
            seen.append(
                connection.run(
                    "start transaction; create temp table t (n int); insert into t values (1), (2)"
                )
            )
            seen.append(connection.row_count)
            with pytest.raises(pg8000.native.DatabaseError) as refused:
                connection.run("select 1/0")
            seen.append(refused.value.args)
            seen.append(connection.run("rollback"))
        finally:
            connection.close()
        return seen

    direct, through = both(postgres, gateway, work)
    assert direct == through


def test_node_pg_gives_the_same(postgres: Postgres, gateway: Gateway) -> None:
    node = shutil.which("node")
    if node is None or not (HERE / "node/node_modules/pg").is_dir():
        pytest.skip("node, or its package pg, is not installed")
    direct, through = both(postgres, gateway, lambda dsn: run([node, "client.js"], dsn, cwd=HERE / "node"))
    assert direct.returncode == 0, direct.stderr
    assert (direct.stdout, direct.stderr) == (through.stdout, through.stderr)
    assert b"many" in direct.stdout.splitlines()[-1]


def bench_state(postgres: Postgres) -> list[Any]:
    with postgres.connect("bench", user="sluice") as connection:
        return [
            connection.execute(f"select count(*), sum({column}) from pgbench_{table}").fetchall()
            for table, column in (
                ("accounts", "abalance"),
                ("tellers", "tbalance"),
                ("branches", "bbalance"),
                ("history", "delta"),
            )
        ]


@pytest.fixture(scope="module")
def bench_database(postgres: Postgres, gateway: Gateway) -> Postgres:
    """The database of pgbench, made through the gateway (COPY, vacuum, keys)."""
    with postgres.connect(autocommit=True) as admin:
        admin.execute("create database bench owner sluice")
    made = run([postgres.program("pgbench"), "-i", "-q", "-s", "1"], gateway.dsn("bench"))
    assert made.returncode == 0, made.stderr
    return postgres


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench_leaves_the_same_database(bench_database: Postgres, gateway: Gateway, mode: str) -> None:
    def work(dsn: str) -> list[Any]:
        with bench_database.connect("bench", user="sluice") as connection:
            connection.execute("update pgbench_accounts set abalance = 0 where abalance <> 0")
            connection.execute("update pgbench_tellers set tbalance = 0")
            connection.execute("update pgbench_branches set bbalance = 0")
            connection.execute("truncate pgbench_history")
        options = ("-n", "-M", mode, "-c", "1", "-t", "100", "--random-seed=7")
        done = run([bench_database.program("pgbench"), *options], dsn)
        assert done.returncode == 0, done.stderr
        assert b"number of transactions actually processed: 100/100" in done.stdout
        return bench_state(bench_database)

    direct = work(bench_database.dsn("bench"))
    through = work(gateway.dsn("bench"))
    assert direct == through
    assert direct[3][0][0] == 100


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench_with_many_clients_fails_no_transaction(
    bench_database: Postgres, gateway: Gateway, mode: str
) -> None:
    options = ("-n", "-M", mode, "-c", "8", "-j", "2", "-t", "50")
    done = run([bench_database.program("pgbench"), *options], gateway.dsn("bench"))
    assert done.returncode == 0, done.stderr
    assert b"number of transactions actually processed: 400/400" in done.stdout
    assert b"number of failed transactions: 0" in done.stdout


def test_pg_dump_is_equal_and_pg_restore_works(
    postgres: Postgres, make_gateway: Callable[..., Gateway], tmp_path: Path
) -> None:
    with postgres.connect(autocommit=True) as admin:
        for database in ("wide", "wide_copy"):
            admin.execute(f"create database {database} owner sluice")
    with postgres.connect("wide", user="sluice") as owner:
        for n in range(50):
            owner.execute(
                f"create table t{n} (id int primary key, name text, amount numeric, made timestamptz, raw bytea)"
            )
            owner.execute(
                f"insert into t{n} select g, 'name ' || g, g / 3.0,"
                f" timestamptz '2026-01-01 00:00+00' + g * interval '1 min', decode(md5(g::text), 'hex')"
                f" from generate_series(1, 20) g"
            )
        owner.execute("create view v as select t1.name, t2.amount from t1 join t2 using (id)")
        owner.execute("create function f(a int) returns int language sql immutable as 'select a + 1'")
        owner.execute("create sequence s; create index on t3 (name); comment on table t4 is 'it''s'")
    entries = database_entries(postgres, {"dev": {"dbname": "wide"}, "bench": {"dbname": "wide_copy"}})
    gateway = make_gateway(entries)

    def dump(dsn: str, *options: str) -> bytes:
        done = run([postgres.program("pg_dump"), "--no-sync", *options], dsn)
        assert done.returncode == 0, done.stderr
        return done.stdout

    plain = "--restrict-key=fixed"
    direct = dump(postgres.dsn("wide"), plain)
    assert direct.count(b"CREATE TABLE") == 50
    assert dump(gateway.dsn("dev"), plain) == direct
    archive = tmp_path / "wide.dump"
    archive.write_bytes(dump(gateway.dsn("dev"), "-Fc"))
    target = gateway.dsn("bench")
    name = str(conninfo_to_dict(target)["dbname"])
    restored = run([postgres.program("pg_restore"), "--exit-on-error", "-d", name, str(archive)], target)
    assert restored.returncode == 0, restored.stderr
    assert dump(postgres.dsn("wide_copy"), plain) == direct


@pytest.mark.parametrize("version", ["15", "16", "18"])
def test_every_server_version_gives_the_same(
    postgres_of: Callable[[str], Postgres], make_gateway: Callable[..., Gateway], version: str
) -> None:
    server = postgres_of(version)
    secure = {"sslmode": "verify-full", "sslrootcert": str(server.certificate)} if server.certificate else {}
    gateway = make_gateway(database_entries(server, {"dev": secure}))

    def work(dsn: str) -> str:
        with psycopg.connect(dsn, autocommit=True) as connection:
            seen = [outcome(connection, statement, parameters) for statement, parameters in STATEMENTS]
            encrypted = connection.execute(
                "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
            ).fetchone()
        assert encrypted == (server.certificate is not None,)
        return hashlib.sha256(repr(seen).encode()).hexdigest()

    direct = work(server.dsn() + (" sslmode=require" if server.certificate else ""))
    assert work(gateway.dsn("dev")) == direct
    script = ["-X", "-a", "-f", os.fspath(HERE / "scripts/session.sql")]
    outputs = [run([server.program("psql"), *script], dsn) for dsn in (server.dsn(), gateway.dsn("dev"))]
    assert (outputs[0].stdout, outputs[0].stderr) == (outputs[1].stdout, outputs[1].stderr)
