"""Texts with sums over groups are guarded on their way to the server, and only what was guarded is shown."""

from collections.abc import Callable

import pytest

from gateway.policy import expectations
from gateway.session.guarding import without_position
from parser.messages import (
    bind,
    command_complete,
    data_row,
    describe,
    error_response,
    execute,
    frame,
    parse,
    query,
    ready_for_query,
)
from tests.gateway.masking.shop import data_row as row
from tests.gateway.masking.shop import description
from tests.gateway.session.rig import BOUND, CLEAR, DONE, PARSED, READ, READY, SYNC, Rig, field

EMP, NUMERIC = 16384, 1700
TABLES = """
[[table]]
name = "public.emp"
key = ["id"]
columns = { id = "int", city = "text", salary = "numeric" }
[[test]]
name = "t"
user = "a"
database = "d"
sql = "select 1"
expect = "allow"
"""
SQL = b"select city, avg(salary) from emp where city = 'Oslo' group by city"
GUARDED = (
    b"select city, CASE WHEN pg_catalog.count(DISTINCT \"emp\".\"salary\") OPERATOR(pg_catalog.>=) 10 THEN avg(salary) END"
    b" AS \"avg\" from emp where city = 'Oslo' group by city"
)
ROWS = frame(b"T", description(("city", EMP, 2, 25), ("avg", 0, 0, NUMERIC)))
SHOWN = row(b"Oslo", b"51234.5")
LARGER = READ + '[[mask]]\nlabels = ["salary"]\nmin_group = 20\n'


@pytest.fixture
def start() -> Callable[..., Rig]:
    def make(policy: str = READ) -> Rig:
        rig = Rig(policy)
        rig.catalog = expectations.catalog(expectations.load(TABLES, "t"), [])
        rig.session.scope.stale = True
        return rig

    return make


def cells(frames: list[bytes]) -> list[list[bytes | None]]:
    return [data_row(one[5:]) for one in frames if one[:1] == b"D"]


def text(sql: bytes) -> str:
    return sql.decode()


def test_query_is_guarded_and_its_rows_are_shown(start: Callable[..., Rig]) -> None:
    rig = start()
    assert rig.ask(query(text(SQL))) == [frame(b"Q", GUARDED + b"\0")]
    assert cells(rig.say(ROWS, SHOWN, DONE, READY)) == [[b"Oslo", b"51234.5"]]
    (outcome,) = [one.outcome for one in rig.entries() if one.outcome is not None]
    assert outcome.status == "ok"


def test_prepared_statement_is_guarded_once_and_shown_each_time(start: Callable[..., Rig]) -> None:
    rig = start()
    types = b"\0\1\0\0\0\x19"
    sql = SQL.replace(b"'Oslo'", b"$1")
    sent = rig.ask(frame(b"P", b"s1\0" + sql + b"\0" + types))
    assert sent == [frame(b"P", b"s1\0" + GUARDED.replace(b"'Oslo'", b"$1") + b"\0" + types)]
    rig.say(PARSED)
    for _ in range(2):
        rig.ask(bind("", "s1", [b"Oslo"]), describe("P", ""), execute(""), SYNC)
        assert cells(rig.say(BOUND, ROWS, SHOWN, DONE, READY)) == [[b"Oslo", b"51234.5"]]


def test_execute_without_describe_is_shown_too(start: Callable[..., Rig]) -> None:
    rig = start()
    rig.ask(parse("", text(SQL)), bind("", ""), execute(""), SYNC)
    assert cells(rig.say(PARSED, BOUND, ROWS, SHOWN, DONE, READY)) == [[b"Oslo", b"51234.5"]]


def test_statement_prepared_under_another_policy_is_masked(start: Callable[..., Rig]) -> None:
    rig = start()
    rig.ask(parse("s1", text(SQL)), SYNC)
    rig.say(PARSED, READY)
    rig.policy = LARGER
    rig.session.scope.stale = True
    rig.ask(bind("", "s1"), describe("P", ""), execute(""), SYNC)
    assert cells(rig.say(BOUND, ROWS, SHOWN, DONE, READY)) == [[b"Oslo", None]]
    rig.ask(parse("s2", text(SQL)), bind("", "s2"), describe("P", ""), execute(""), SYNC)
    assert cells(rig.say(PARSED, BOUND, ROWS, SHOWN, DONE, READY)) == [[b"Oslo", b"51234.5"]]


def test_what_sql_prepares_or_declares_is_masked(start: Callable[..., Rig]) -> None:
    rig = start()
    rig.ask(query("prepare p as " + text(SQL)))
    rig.say(command_complete("PREPARE"), READY)
    rig.ask(query("execute p"))
    assert cells(rig.say(ROWS, SHOWN, DONE, READY)) == [[b"Oslo", None]]
    rig.ask(bind("", "p"), describe("P", ""), execute(""), SYNC)
    assert cells(rig.say(BOUND, ROWS, SHOWN, DONE, READY)) == [[b"Oslo", None]]
    rig.ask(query("begin; declare c cursor for " + text(SQL)))
    rig.say(command_complete("BEGIN"), command_complete("DECLARE CURSOR"), ready_for_query(b"T"))
    rig.ask(query("fetch c"))
    assert cells(rig.say(ROWS, SHOWN, command_complete("FETCH 1"), ready_for_query(b"T"))) == [[b"Oslo", None]]


def test_text_of_several_statements_goes_as_it_is_and_is_masked(start: Callable[..., Rig]) -> None:
    rig = start()
    both = SQL + b"; select 1"
    assert rig.ask(query(text(both))) == [frame(b"Q", both + b"\0")]
    one = frame(b"T", description(("?column?", 0, 0, 23)))
    assert cells(rig.say(ROWS, SHOWN, DONE, one, row(b"1"), DONE, READY))[0] == [b"Oslo", None]


def test_who_sees_everything_sends_the_text_as_it_is(start: Callable[..., Rig]) -> None:
    rig = start(CLEAR)
    assert rig.ask(query(text(SQL))) == [frame(b"Q", SQL + b"\0")]
    assert cells(rig.say(ROWS, SHOWN, DONE, READY)) == [[b"Oslo", b"51234.5"]]


def test_result_of_another_form_is_masked(start: Callable[..., Rig]) -> None:
    rig = start()
    rig.ask(query(text(SQL)))
    odd = frame(b"T", description(("avg", 0, 0, NUMERIC)))
    assert cells(rig.say(odd, row(b"51234.5"), DONE, READY)) == [[None]]


def test_error_points_at_no_place_of_a_text_that_the_client_has_not(start: Callable[..., Rig]) -> None:
    rig = start()
    told = error_response("ERROR", "42703", "column \"citty\" does not exist")[5:-1] + b"P8\0\0"
    for sql, place in ((SQL, ""), (b"select city, max(salary) from emp group by city", "8")):
        rig.ask(query(text(sql)))
        (error, _) = rig.say(frame(b"E", told), READY)
        assert field("P", error) == place
        assert field("C", error) == "42703"
    assert without_position(b"SERROR\0P12\0p3\0Mx\0\0") == b"SERROR\0p3\0Mx\0\0"
