"""What a refused statement gets, and that the session, its transaction and its pipeline are right afterwards."""

import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.live.rig import Gateway, Postgres
from tests.live.test_clients import run
from tests.live.wire import Wire, error_fields, message, query

ANALYST = ("shop", "ann", ("analysts",))
WRITER = ("shop", "will", ("writers",))

# What an analyst (read only) must not do; every text holds a tag to look for in the server's log.
EVASIONS = (
    "insert into orders (total) values (1) /* evasion */",
    "update orders set total = 1 where id = 1 -- evasion",
    "delete from orders where id = 1 /* evasion */",
    "/*a*/DELETE/**/from orders where id = 1 /* evasion */",
    "with x as (delete from orders where id = 1 returning *) select * from x /* evasion */",
    "explain analyze delete from orders where id = 1 /* evasion */",
    "explain (analyze, costs off) delete from orders where id = 1 /* evasion */",
    "select 1; delete from orders where id = 1 /* evasion */",
    "select 1 as evasion into made_by_select",
    "create table evasion_t (n int)",
    "create table evasion_t as select 1",
    "merge into orders using (values (1)) v(n) on id = v.n when matched then delete /* evasion */",
    "truncate orders /* evasion */",
    "drop table orders /* evasion */",
    'DrOp TaBlE "orders" /* evasion */',
    "do $x$ begin delete from orders where id = 1; end $x$ /* evasion */",
    "do E'begin /* evasion */ delete from orders where id = 1; end'",
    "call evasion()",
    "prepare evasion as delete from orders where id = 1",
    "copy orders from program 'echo evasion'",
    "copy (select 1) to program 'cat > evasion'",
    "copy orders to '/evasion'",
    "select pg_read_file('/etc/evasion')",
    "select ('/etc/evasion'::text).pg_read_file",
    "select lo_import('/evasion')",
    "select set_config('role', 'postgres', false) /* evasion */",
    "set role postgres /* evasion */",
    "set session authorization postgres /* evasion */",
    "alter system set log_statement = 'none' /* evasion */",
    "grant all on orders to public /* evasion */",
    "create role evasion",
    "select pg_terminate_backend(1) /* evasion */",
    "lock table orders /* evasion */",
    "vacuum orders /* evasion */",
    "select dblink_exec('x', 'drop table orders') /* evasion */",
    "selct evasion",
    "select 'evasion",
    "select U&'\\0065vasion' uescape 'x' from from",
)


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_no_evasion_reaches_the_server(postgres: Postgres, gateway: Gateway, prepare: bool) -> None:
    with gateway.connect(*ANALYST) as connection:
        for statement in EVASIONS:
            with pytest.raises(psycopg.Error) as failed:
                if prepare:
                    connection.execute(statement, prepare=True)
                else:
                    connection.execute(psycopg.sql.SQL(statement))
            assert failed.value.sqlstate in ("42501", "42601"), f"{statement}: {failed.value}"
            assert connection.execute("select 1").fetchone() == (1,), f"after {statement}"
    assert postgres.statements("vasion") == []


def test_simple_query_with_a_refused_second_statement_runs_none(postgres: Postgres, gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.sign_in(gateway.token("ann", ("analysts",)), {"user": "ann", "database": "shop"})
        wire.send(query("select 1 as first_of_two; drop table orders /* second_of_two */"))
        kinds = [kind for kind, _ in wire.replies()]
        assert kinds == [b"E", b"Z"]
    assert postgres.statements("of_two") == []


def test_refusal_names_the_rule_the_record_and_the_way_out(gateway: Gateway) -> None:
    with gateway.connect(*WRITER) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as failed:
            connection.execute("delete from orders where id = 40")
        diag = failed.value.diag
        assert "orders stay" in str(diag.message_primary)
        assert "Orders are never deleted; set a status." in str(failed.value)
        assert diag.message_hint
        assert diag.severity == "ERROR"
        record = re.search(r"[\w.-]*\d[\w.:/-]*$", str(diag.message_detail))
        assert record, diag.message_detail
    shown = gateway.audit("--user", "will", "--decision", "deny")
    assert any(entry["id"] in str(diag.message_detail) for entry in shown)


@pytest.mark.parametrize(
    "statement",
    [
        "drop table orders",
        "truncate orders",
        "delete from orders",
        "update orders set total = 0",
        "update orders set total = 0 where true",
        "update orders set total = 0 where 1 = 1 or id = 3",
        "alter system set work_mem = '1MB'",
        "create role mallory",
        "grant all on customers to public",
        "copy orders to program 'true'",
        "select pg_read_file('/etc/hostname')",
    ],
)
def test_production_is_guarded_without_any_configuration(gateway: Gateway, statement: str) -> None:
    """The writer's grant allows ddl and admin; the built-in guardrails of production stop these all the same."""
    with gateway.connect(*WRITER) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as failed:
            connection.execute(psycopg.sql.SQL(statement))
        assert failed.value.diag.message_primary


def test_granted_write_passes(gateway: Gateway) -> None:
    with gateway.connect(*WRITER) as connection:
        done = connection.execute("update orders set total = total where id = 40")
        assert done.rowcount == 1


def test_refused_statement_aborts_its_transaction(gateway: Gateway) -> None:
    with gateway.connect(*ANALYST) as connection:
        connection.execute("begin")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from orders where id = 1")
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("select 1")
        assert connection.execute("commit").statusmessage == "ROLLBACK"
        assert connection.execute("select 1").fetchone() == (1,)


def test_savepoint_survives_a_refusal(gateway: Gateway) -> None:
    with gateway.connect(*ANALYST) as connection:
        connection.execute("begin")
        connection.execute("savepoint s")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from orders where id = 1")
        connection.execute("rollback to s")
        assert connection.execute("select count(*) from orders").fetchone() == (40,)
        assert connection.execute("commit").statusmessage == "COMMIT"


def test_pipeline_skips_to_sync_and_goes_on(gateway: Gateway) -> None:
    with gateway.connect(*ANALYST) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.pipeline() as pipeline:
            connection.execute("select 1")
            connection.execute("delete from orders where id = 1")
            connection.execute("select 2")
            pipeline.sync()
        with connection.pipeline():
            cursors = [connection.execute("select %s::int", (n,)) for n in range(20)]
            assert [cursor.fetchone() for cursor in cursors] == [(n,) for n in range(20)]


def extended(statement: str) -> bytes:
    """Parse, Bind, Describe and Execute of the unnamed statement, without Sync."""
    return (
        message(b"P", b"\0" + statement.encode() + b"\0\0\0")
        + message(b"B", b"\0\0\0\0\0\0\0\0")
        + message(b"D", b"P\0")
        + message(b"E", b"\0\0\0\0\0")
    )


SYNC = message(b"S")


def test_refusals_inside_batches_keep_every_answer_in_its_place(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.sign_in(gateway.token("ann", ("analysts",)), {"user": "ann", "database": "shop"})
        denied = extended("delete from orders where id = 1")
        batch = extended("select 11") + denied + extended("select 12") + SYNC + extended("select 13") + SYNC
        wire.send(batch + query("select 14"))
        kinds = [kind for kind, _ in wire.replies()]
        assert kinds.count(b"E") == 1
        assert kinds[-2:] == [b"E", b"Z"]
        assert kinds.count(b"D") <= 1, "nothing after the refused statement is answered"
        after = wire.replies()
        assert [body[-2:] for kind, body in after if kind == b"D"] == [b"13"]
        last = wire.replies()
        assert [body[-2:] for kind, body in last if kind == b"D"] == [b"14"]


def test_refused_named_statement_does_not_exist_afterwards(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.sign_in(gateway.token("ann", ("analysts",)), {"user": "ann", "database": "shop"})
        wire.send(message(b"P", b"bad\0delete from orders where id = 1\0\0\0") + SYNC)
        parsed = wire.replies()
        wire.send(message(b"B", b"\0bad\0\0\0\0\0\0\0") + message(b"E", b"\0\0\0\0\0") + SYNC)
        executed = wire.replies()
        errors = [error_fields(body)["C"] for kind, body in parsed + executed if kind == b"E"]
        assert errors
        assert not [kind for kind, _ in executed if kind in (b"D", b"C")]
        assert errors[0] == "42501"


@pytest.mark.parametrize("client", ["15", "18"])
def test_refused_copy_in_swallows_its_data(
    postgres_of: Callable[[str], Postgres], postgres: Postgres, gateway: Gateway, tmp_path: Path, client: str
) -> None:
    """psql reads inline data until the server ends the copy: a refusal at once would make it run the rest as commands."""
    stray = tmp_path / "stray"
    script = (
        "copy orders (customer_id, total) from stdin;\n"
        "1\t2\n"
        f"\\! touch {stray}\n"
        "drop table leaked_from_data;\n"
        "\\.\n"
        "select 'after_the_copy';\n"
    )
    program = postgres_of(client).program("psql")
    done = run([program, "-X", "-f", "-"], gateway.dsn(*ANALYST), input=script.encode())
    assert not stray.exists()
    assert b"after_the_copy" in done.stdout
    assert done.stderr.count(b"ERROR") == 1, done.stderr
    assert postgres.statements("leaked_from_data") == []
    assert not [entry for entry in gateway.audit("--text", "leaked_from_data") if entry["kind"] == "intent"]


def test_refused_copy_in_through_a_driver_ends_with_the_refusal(gateway: Gateway) -> None:
    with gateway.connect(*ANALYST) as connection:
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            connection.cursor().copy("copy orders (total) from stdin") as copy,
        ):
            for _ in range(100):
                copy.write(b"1\n" * 1000)
        assert connection.execute("select 1").fetchone() == (1,)


def test_function_call_message_is_refused_unless_everything_is_allowed(gateway: Gateway) -> None:
    # int4pl (oid 177) of 40 and 2, text formats
    call = message(b"F", b"\0\0\0\xb1" + b"\0\0" + b"\0\2" + b"\0\0\0\x0240" + b"\0\0\0\x012" + b"\0\0")
    for user, groups, database, answer in (
        ("ann", ("analysts",), "shop", b"E"),
        ("olga", ("owners",), "dev", b"V"),
    ):
        with Wire(gateway.port) as wire:
            wire.sign_in(gateway.token(user, groups), {"user": user, "database": database})
            wire.send(call)
            seen = wire.replies()
            assert [kind for kind, _ in seen] == [answer, b"Z"], user
            wire.send(query("select 1"))
            assert b"D" in [kind for kind, _ in wire.replies()]


@pytest.mark.parametrize(
    "junk",
    [
        b"\x01\0\0\0\x04",
        b"Q\0\0\0\x03",
        b"Q\xff\xff\xff\xff",
        b"Q\0\0\0\x05x",
        b"R\0\0\0\x08\0\0\0\0",
        b"B\0\0\0\x05\0",
    ],
    ids=[
        "unknown type",
        "short length",
        "negative length",
        "text without end",
        "a server's message",
        "cut Bind",
    ],
)
def test_broken_protocol_ends_the_connection(gateway: Gateway, junk: bytes) -> None:
    with Wire(gateway.port) as wire:
        wire.sign_in(gateway.token("ann", ("analysts",)), {"user": "ann", "database": "shop"})
        wire.send(junk)
        seen = wire.replies(b"E")
        assert error_fields(seen[-1][1])["C"] == "08P01"
        assert wire.reply() == (b"", b"")


def test_huge_announced_length_is_refused_before_memory_is_taken(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.sign_in(gateway.token("ann", ("analysts",)), {"user": "ann", "database": "shop"})
        wire.send(b"Q\x7f\xff\xff\xff")
        seen = wire.replies(b"E")
        assert error_fields(seen[-1][1])["C"] in ("08P01", "54000")
        assert wire.reply() == (b"", b"")
