"""Estimates come from the planner of a real server, for values as they are bound, and fail closed."""

import json
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from struct import pack

import psycopg
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from gateway.session.inflight import ROWS_UNKNOWN, Wanted
from parser import messages
from tests.workers.relay_rig import until
from workers import estimates as estimates_module
from workers.embedded import EmbeddedServer, free_port, wheel_programs
from workers.estimates import Estimates, Place, _rows
from workers.upstream import Target

TABLES = """
create role sluice login superuser;
create role app_ro nologin;
create table big as select n as id, n % 10 as tenth, 'row ' || n as note from generate_series(1, 20000) n;
create table small as select n as id from generate_series(1, 3) n;
create table parted (id int) partition by range (id);
create table parted_low partition of parted for values from (0) to (5000);
create table parted_high partition of parted for values from (5000) to (10000);
insert into parted select generate_series(0, 9999);
create table kept_from (id int);
create schema other;
create table other.small as select n as id from generate_series(1, 700) n;
create table dated (on_day date);
insert into dated select date '2026-01-01' + n % 365 from generate_series(1, 36500) n;
create function slow(i int) returns int language plpgsql immutable as $$ begin perform pg_sleep(30); return i; end $$;
grant select on big to app_ro;
analyze;
"""
INT4, TEXT = 23, 25


@pytest.fixture(scope="module", params=[16, 18])
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    home = Path(tempfile.mkdtemp(prefix="sluice-estimates-"))
    home.chmod(0o755)
    server = EmbeddedServer(wheel_programs(request.param), home, hba=("host all all 127.0.0.1/32 trust",))
    server.create()
    server.start()
    try:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute(TABLES)
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)


@pytest.fixture
def admin(server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        yield connection


@asynccontextmanager
async def asking() -> AsyncIterator[Estimates]:
    estimates = Estimates()
    try:
        yield estimates
    finally:
        with trio.CancelScope(shield=True):
            await estimates.close()


def place(server: EmbeddedServer, role: str | None = None, catalogue: int = 1, **settings: str) -> Place:
    target = Target((("127.0.0.1", server.port),), "postgres", "sluice", sslmode="disable", connect_timeout=2.0)
    return Place("shop", target, role, catalogue, tuple(settings.items()))


def types(*oids: int) -> bytes:
    """What follows the text in a Parse."""
    return messages.parse("", "", oids)[7:]


def values(*cells: bytes | None, formats: tuple[int, ...] = (), result_formats: tuple[int, ...] = ()) -> bytes:
    """What follows the names in a Bind."""
    return messages.bind("", "", cells, formats, result_formats)[7:]


def about(rows: int, expected: int) -> bool:
    return expected * 0.8 <= rows <= expected * 1.2


def backends(admin: psycopg.Connection) -> int:
    found = admin.execute(
        "select count(*) from pg_stat_activity where usename = 'sluice' and application_name = 'sluice'"
    ).fetchone()
    assert found is not None
    return int(found[0])


# --- what is estimated ----------------------------------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select * from big", 20000),
        ("/* as */ -- it\n select * from big; -- came", 20000),
        ("(select * from big)", 20000),
        ("select * from big limit 7", 7),
        ("select count(*) from big", 1),
        ("select * from big where tenth = 3", 2000),
        ("delete from big", 20000),
        ("delete from big where tenth = 3", 2000),
        ("update big set note = '' where true", 20000),
        ("insert into small select id from big", 20000),
        ("insert into small values (1), (2), (3)", 3),
        ("delete from parted", 10000),
        ("update parted set id = id + 1 where id < 4000", 4000),
        ("with gone as (delete from big returning id) select count(*) from gone", 20000),
        ("with a as (delete from big), b as (delete from parted) select 1", 30000),
        ("select 1 from big, small", 60000),
        ("declare c cursor for select * from big", 20000),
        ("create table copied as select * from big", 20000),
    ],
)
async def test_rows_are_those_that_a_statement_returns_or_changes(
    server: EmbeddedServer, sql: str, expected: int
) -> None:
    async with asking() as estimates:
        rows = await estimates.rows(place(server), Wanted(sql.encode()))
        assert about(rows, expected), rows


@pytest.mark.trio
async def test_values_of_a_bind_are_looked_at(server: EmbeddedServer) -> None:
    async with asking() as estimates:
        sql = b"delete from big where id <= $1"
        for wanted in (
            Wanted(sql, types(), values(b"500")),
            Wanted(sql, types(INT4), values(b"500")),
            Wanted(sql, types(INT4), values(pack("!i", 500), formats=(1,), result_formats=(1, 1, 1))),
        ):
            assert about(await estimates.rows(place(server), wanted), 500)
        assert about(await estimates.rows(place(server), Wanted(sql, types(), values(b"20000"))), 20000)
        assert await estimates.rows(place(server), Wanted(sql, types(), values(None))) <= 1
        sql = b"select * from big where id = $1 or $2 = 'all'"
        assert await estimates.rows(place(server), Wanted(sql, types(), values(b"5", b"one"))) == 1
        assert about(await estimates.rows(place(server), Wanted(sql, types(), values(b"5", b"all"))), 20000)


@pytest.mark.trio
async def test_where_no_values_are_known_a_plan_for_any_is_estimated(server: EmbeddedServer) -> None:
    async with asking() as estimates:
        for sql, parameters, expected in [
            (b"delete from big where id = $1", types(), 1),
            (b"delete from big where id < $1", types(INT4), 6667),
            (b"delete from big where tenth = $1 and $2::text is not null", types(0, TEXT), 1990),
            (b"select * from big", types(), 20000),
        ]:
            rows = await estimates.rows(place(server), Wanted(sql, parameters))
            assert about(rows, expected), (sql, rows)
        # The next question finds the name free.
        assert about(await estimates.rows(place(server), Wanted(b"select * from parted", types())), 10000)


@pytest.mark.trio
async def test_settings_of_the_session_and_of_its_start_count(server: EmbeddedServer) -> None:
    async with asking() as estimates:
        small = b"select * from small"
        assert about(await estimates.rows(place(server), Wanted(small)), 3)
        elsewhere = Wanted(small, settings=(("search_path", '"$user", other, public'),))
        assert about(await estimates.rows(place(server), elsewhere), 700)
        begun = place(server, Search_Path="other")
        assert about(await estimates.rows(begun, Wanted(small)), 700)
        back = Wanted(small, settings=(("search_path", "public"),))
        assert about(await estimates.rows(begun, back), 3), "what was set later wins"
        assert about(await estimates.rows(place(server), Wanted(small)), 3), "nothing of it stays"
        days = b"select * from dated where on_day < '02/03/2026'"
        european = await estimates.rows(place(server), Wanted(days, settings=(("DateStyle", "ISO, DMY"),)))
        american = await estimates.rows(place(server), Wanted(days, settings=(("DateStyle", "ISO, MDY"),)))
        assert about(american, 3300)
        assert about(european, 6100)


@pytest.mark.trio
async def test_a_text_is_read_as_the_session_reads_it(server: EmbeddedServer) -> None:
    async with asking() as estimates:
        sql = rb"select * from big where note = '\' or true --'"
        assert about(await estimates.rows(place(server), Wanted(sql)), 20000)
        old = Wanted(sql, settings=(("standard_conforming_strings", "off"),))
        assert await estimates.rows(place(server), old) == 1
        latin = "select * from big where note <> 'é'".encode("latin-1")
        assert about(await estimates.rows(place(server), Wanted(latin, settings=(("client_encoding", "LATIN1"),))), 20000)
        assert await estimates.rows(place(server), Wanted(latin)) == ROWS_UNKNOWN


@pytest.mark.trio
async def test_no_other_setting_is_taken_over_and_none_breaks_out_of_its_quotes(
    server: EmbeddedServer, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates_module, "_BEGIN", estimates_module._BEGIN.replace("2000", "200"))
    async with asking() as estimates:
        wanted = Wanted(
            b"select slow(1) from big", settings=(("statement_timeout", "0"), ("plan_cache_mode", "auto"))
        )
        with trio.fail_after(4.0):
            assert await estimates.rows(place(server, statement_timeout="0"), wanted) == ROWS_UNKNOWN
        for value in ("o'; drop table small; --", "o\\'; drop table small; --", "o'', \\"):
            wanted = Wanted(b"select * from public.small", settings=(("search_path", value),))
            assert await estimates.rows(place(server), wanted) in (3, ROWS_UNKNOWN)
        assert await estimates.rows(place(server), Wanted(b"select 1", settings=(("timezone", "a\0b"),))) == ROWS_UNKNOWN
        assert await estimates.rows(place(server), Wanted(b"select 1", settings=(("timezone", "\udc80"),))) == ROWS_UNKNOWN
        assert admin.execute("select count(*) from small").fetchone() == (3,)


@pytest.mark.trio
async def test_a_role_asks_with_its_own_rights(server: EmbeddedServer) -> None:
    async with asking() as estimates:
        reader = place(server, "app_ro")
        assert about(await estimates.rows(reader, Wanted(b"select * from big")), 20000)
        assert await estimates.rows(reader, Wanted(b"select * from kept_from")) == ROWS_UNKNOWN
        assert await estimates.rows(place(server), Wanted(b"select * from kept_from")) < 10000


# --- nothing runs -----------------------------------------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize("parameters", [None, types()], ids=["query", "parse"])
@pytest.mark.parametrize(
    "sql",
    [
        "delete from small; select 1",
        "select 1; delete from small",
        "analyze delete from small",
        "(analyze) delete from small",
        "explain analyze delete from small",
        "truncate small",
        "drop table small",
        "do $$ begin delete from small; end $$",
        "copy small to stdout",
        "copy small from stdin",
        "commit",
        "execute itself",
        "prepare itself as delete from small",
        "vacuum",
        "listen news",
        "select * from nowhere",
        "select",
        "",
        "not a statement",
    ],
)
async def test_what_has_no_plan_has_no_estimate_and_never_runs(
    server: EmbeddedServer, admin: psycopg.Connection, sql: str, parameters: bytes | None
) -> None:
    async with asking() as estimates:
        expected = (1, ROWS_UNKNOWN) if sql == "select" else (ROWS_UNKNOWN,)
        assert await estimates.rows(place(server), Wanted(sql.encode(), parameters)) in expected
        assert about(await estimates.rows(place(server), Wanted(b"select * from big")), 20000)
    assert admin.execute("select count(*) from small").fetchone() == (3,)


@pytest.mark.trio
async def test_a_statement_cannot_execute_itself(
    server: EmbeddedServer, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's EXPLAIN would follow it until its stack ends, and take all sessions with it."""
    names: list[str] = []

    def made(size: int) -> str:
        names.append(f"{len(names):0{2 * size}x}")
        return names[-1]

    monkeypatch.setattr(estimates_module.secrets, "token_hex", made)
    async with asking() as estimates:
        await estimates.rows(place(server), Wanted(b"select 1", types()))
        last = Wanted(f"execute sluice_{names[-1]}".encode(), types())
        assert await estimates.rows(place(server), last) == ROWS_UNKNOWN
        assert len(set(names)) == 2, "each question has a name of its own"
    assert admin.execute("select 1").fetchone() == (1,)


@pytest.mark.trio
async def test_a_statement_that_is_estimated_changes_nothing(server: EmbeddedServer, admin: psycopg.Connection) -> None:
    async with asking() as estimates:
        admin.execute("create sequence if not exists numbers")
        for sql in (
            b"delete from small",
            b"select nextval('numbers') from small",
            b"create table made as select 1",
            b"select pg_terminate_backend(pid) from pg_stat_activity",
        ):
            for parameters in (None, types()):
                await estimates.rows(place(server), Wanted(sql, parameters))
        assert admin.execute("select count(*) from small").fetchone() == (3,)
        assert admin.execute("select is_called from numbers").fetchone() == (False,)
        assert admin.execute("select to_regclass('made')").fetchone() == (None,)


# --- what cannot be had ----------------------------------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(b"select $1::int", b"\0\1", values(b"1")),
        Wanted(b"select $1::int", b"", values(b"1")),
        Wanted(b"select $1::int", types(), b"\0\0\0\1\0\0\0\xff1\0\0"),
        Wanted(b"select $1::int", types(), values()),
        Wanted(b"select $1::int", types(), values(b"x")),
        Wanted(b"select 1", types(), values(b"1")),
        Wanted(b"select 1" + b" " * (16 << 20), types(), values()),
    ],
    ids=["types cut", "no types", "values cut", "value missing", "value wrong", "value too many", "too long"],
)
async def test_messages_that_do_not_fit_have_no_estimate(server: EmbeddedServer, wanted: Wanted) -> None:
    async with asking() as estimates:
        assert await estimates.rows(place(server), wanted) == ROWS_UNKNOWN
        assert await estimates.rows(place(server), Wanted(b"select 1")) == 1


@pytest.mark.trio
async def test_a_table_that_only_the_session_has_is_unknown(server: EmbeddedServer, admin: psycopg.Connection) -> None:
    async with asking() as estimates:
        admin.execute("create temp table mine (id int)")
        assert await estimates.rows(place(server), Wanted(b"delete from mine")) == ROWS_UNKNOWN


@pytest.mark.trio
async def test_a_locked_table_is_unknown_in_time_and_keeps_no_connection_busy(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates_module, "_BEGIN", estimates_module._BEGIN.replace("2000", "200"))
    async with asking() as estimates:
        with psycopg.connect(server.dsn()) as locker:
            locker.execute("lock table small in access exclusive mode")
            with trio.fail_after(2.0):
                assert await estimates.rows(place(server), Wanted(b"delete from small")) == ROWS_UNKNOWN
                assert about(await estimates.rows(place(server), Wanted(b"select * from big")), 20000)
        assert about(await estimates.rows(place(server), Wanted(b"delete from small")), 3)


@pytest.mark.trio
async def test_a_server_that_is_not_there_or_hangs_is_unknown_in_time(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates_module, "ANSWER_SECONDS", 0.3)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")  # accepts in the kernel and says nothing
    async with asking() as estimates:
        for port in (free_port(), listener.socket.getsockname()[1]):
            away = Place("away", Target((("127.0.0.1", port),), "postgres", "sluice", sslmode="disable"), None, 1)
            with trio.fail_after(2.0):
                assert await estimates.rows(away, Wanted(b"select 1")) == ROWS_UNKNOWN
        assert about(await estimates.rows(place(server), Wanted(b"select * from big")), 20000)
    await listener.aclose()


LOGGED_IN = messages.authentication_ok() + messages.ready_for_query()
PLAN = b'[{"Plan": {"Node Type": "Result", "Plan Rows": 7}}]'
GOOD = (
    messages.command_complete("BEGIN")
    + messages.ready_for_query(b"T")
    + messages.frame(b"D", b"\0\1" + pack("!i", len(PLAN)) + PLAN)
    + messages.ready_for_query(b"T")
    + messages.ready_for_query()
)


@pytest.mark.trio
async def test_whatever_a_server_answers_is_an_estimate_or_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer with bytes changed, cut and put in, in pieces of any size."""
    monkeypatch.setattr(estimates_module, "ANSWER_SECONDS", 5.0)
    chance = random.Random(20260103)
    answers = [GOOD, GOOD[:-1], b""]
    for _ in range(300):
        changed = bytearray(GOOD)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(changed))
            changed[at : at + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 2))
        answers.append(bytes(changed))
    given: list[bytes] = []

    async def speak(stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(trio.BrokenResourceError):
                await stream.receive_some()
                await stream.send_all(LOGGED_IN)
                await stream.receive_some()
                rest = given[-1]
                while rest:
                    size = chance.choice((1, 7, 64, 1 << 16))
                    await stream.send_all(rest[:size])
                    rest = rest[size:]

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, speak, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        target = Target((("127.0.0.1", port),), "postgres", "sluice", sslmode="disable", connect_timeout=2.0)
        for number, answer in enumerate(answers):
            given.append(answer)
            estimates = Estimates()
            rows = await estimates.rows(Place("odd", target, None, number), Wanted(b"select 1"))
            assert 0 <= rows <= ROWS_UNKNOWN
            if number < 3:
                assert rows == (7, ROWS_UNKNOWN, ROWS_UNKNOWN)[number]
            await estimates.close()
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_an_estimate_that_is_given_up_leaves_nothing_to_the_next(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking() as estimates:
        assert await estimates.rows(place(server), Wanted(b"select 1")) == 1
        monkeypatch.setattr(estimates_module, "ANSWER_SECONDS", 0.1)
        assert await estimates.rows(place(server), Wanted(b"select slow(1) from big")) == ROWS_UNKNOWN
        monkeypatch.setattr(estimates_module, "ANSWER_SECONDS", 5.0)
        assert about(await estimates.rows(place(server), Wanted(b"select * from parted")), 10000)


# --- connections and answers that are kept ------------------------------------------------------------------


@pytest.mark.trio
async def test_connections_are_few_and_shared(server: EmbeddedServer, admin: psycopg.Connection) -> None:
    await until(lambda: backends(admin) == 0, "none is left of others")
    async with asking() as estimates:
        answers: list[int] = []

        async def ask(number: int) -> None:
            answers.append(await estimates.rows(place(server), Wanted(b"select * from big limit %d" % number)))

        async with trio.open_nursery() as nursery:
            for number in range(1, 31):
                nursery.start_soon(ask, number)
        assert sorted(answers) == list(range(1, 31))
        assert 1 <= backends(admin) <= estimates_module.CONNECTIONS_MAX
    await until(lambda: backends(admin) == 0, "they are closed with the worker")


@pytest.mark.trio
async def test_connections_that_nobody_uses_are_closed(
    server: EmbeddedServer, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates_module, "IDLE_SECONDS", 0.2)
    async with asking() as estimates, trio.open_nursery() as nursery:
        nursery.start_soon(estimates.keep)
        await until(lambda: backends(admin) == 0, "none is left of others")
        assert await estimates.rows(place(server), Wanted(b"select 1")) == 1
        assert backends(admin) == 1
        await until(lambda: backends(admin) == 0, "it is closed")
        await until(lambda: not estimates._pools, "and forgotten")
        assert await estimates.rows(place(server), Wanted(b"select 2")) == 1
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_connection_that_broke_meanwhile_is_replaced(server: EmbeddedServer, admin: psycopg.Connection) -> None:
    async with asking() as estimates:
        assert await estimates.rows(place(server), Wanted(b"select 1")) == 1
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'sluice'")
        await until(lambda: backends(admin) == 0, "it is gone")
        assert about(await estimates.rows(place(server), Wanted(b"select * from big")), 20000)


@pytest.mark.trio
async def test_answers_are_known_for_a_while_and_for_one_catalogue_role_and_reading(
    server: EmbeddedServer, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.execute("create table moving (id int); analyze moving")
    sql = b"select * from moving where id <> $1"
    known = Wanted(sql, types(INT4), values(b"0"))
    async with asking() as estimates:
        empty = await estimates.rows(place(server), known)
        admin.execute("insert into moving select generate_series(1, 50000); analyze moving")
        assert await estimates.rows(place(server), known) == empty
        for where, wanted in [
            (place(server, catalogue=2), known),
            (place(server, search_path="public"), known),
            (place(server), Wanted(sql, types(INT4), values(b"-1"))),
            (place(server), Wanted(sql, types(), values(b"0"))),
            (place(server), Wanted(sql, types(INT4), values(b"0"), (("search_path", "public"),))),
        ]:
            assert about(await estimates.rows(where, wanted), 50000)
        assert await estimates.rows(place(server, "app_ro"), known) == ROWS_UNKNOWN
        monkeypatch.setattr(estimates_module, "KNOWN_SECONDS", 0.0)
        estimates._known.clear()
        assert about(await estimates.rows(place(server), known), 50000)
        admin.execute("truncate moving; analyze moving")
        assert await estimates.rows(place(server), known) < 10000
    admin.execute("drop table moving")


@pytest.mark.trio
async def test_what_could_not_be_had_is_asked_again(server: EmbeddedServer, admin: psycopg.Connection) -> None:
    async with asking() as estimates:
        wanted = Wanted(b"select * from later")
        assert await estimates.rows(place(server), wanted) == ROWS_UNKNOWN
        admin.execute("create table later as select generate_series(1, 100) as id; analyze later")
        assert about(await estimates.rows(place(server), wanted), 100)
        admin.execute("drop table later")


@pytest.mark.trio
async def test_known_answers_are_bounded(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates_module, "KNOWN_MAX", 5)
    async with asking() as estimates:
        for number in range(1, 10):
            await estimates.rows(place(server), Wanted(b"select * from big limit %d" % number))
        assert len(estimates._known) == 5


# --- plans -------------------------------------------------------------------------------------------------


def node(kind: str, rows: float, *inputs: dict[str, object], relationship: str = "Outer") -> dict[str, object]:
    made: dict[str, object] = {"Node Type": kind, "Plan Rows": rows, "Parent Relationship": relationship, "Alias": "x"}
    return made | ({"Plans": list(inputs)} if inputs else {})


def test_partitions_before_version_14_are_inputs_of_their_own() -> None:
    members = [node("Seq Scan", 30, relationship="Member"), node("Seq Scan", 12, relationship="Member")]
    aside = node("Result", 1000, relationship="InitPlan")
    assert _rows(json.dumps([{"Plan": node("ModifyTable", 0, *members, aside)}]).encode()) == 42


def test_statements_that_a_rule_adds_count_too() -> None:
    plans = [{"Plan": node("ModifyTable", 0, node("Seq Scan", 30))} for _ in range(2)]
    assert _rows(json.dumps(plans).encode()) == 60


@pytest.mark.parametrize(
    "plan",
    [
        None,
        b"",
        b"[",
        b"{}",
        b"[]",
        b'["Utility Statement"]',
        b'[{"Plan": {}}]',
        b'[{"Plan": {"Node Type": "Result", "Plan Rows": "7"}}]',
        b'[{"Plan": {"Node Type": "Result", "Plan Rows": 1e99}}]',
        b'[{"Plan": {"Node Type": "Result", "Plan Rows": 1, "Plans": ' + b"[" * 100000,
    ],
)
def test_a_plan_that_cannot_be_read_is_unknown(plan: bytes | None) -> None:
    assert _rows(plan) == ROWS_UNKNOWN


@given(st.binary(max_size=200))
def test_any_bytes_for_a_plan_are_an_estimate_or_unknown(plan: bytes) -> None:
    assert 0 <= _rows(plan) <= ROWS_UNKNOWN
