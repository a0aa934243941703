"""Names mean what the server has answered: never an older thing, never another's, never too many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.session import names as names_module
from gateway.session.inflight import Ask, Item, Portal, Statement
from gateway.session.names import NAMES_MAX, TEXT_BYTES_MAX, Ambiguous, Names, name_end
from gateway.session.understand import REFUSED_EXTENDED, REFUSED_QUERY
from parser.facts import Facts
from parser.messages import bind, close, command_complete, describe, execute, frame, parse, query
from parser.statements import read
from tests.gateway.session.rig import (
    ALL,
    BOUND,
    CLEAR,
    CLOSED,
    DONE,
    EMAIL,
    IN_TRANSACTION,
    NO_DATA,
    PARSED,
    READ,
    READY,
    SECRET,
    SECRET_ROW,
    SYNC,
    VALUE,
    Rig,
    cut,
    failure,
    field,
    kinds,
    scope_of,
)  # fmt: skip

SCOPE = scope_of(READ)
LEAK = "select email || '' from customers"
QUIET = frame(b"T", VALUE[5:])


def facts(sql: str) -> Facts:
    (found,) = read(sql.encode())
    return found


def parsed(names: Names, name: bytes, sql: bytes = b"select 1", epoch: int = 0) -> Item:
    item = Item(Ask.PARSE, epoch, 0)
    item.name = name
    item.statement = Statement(sql, SCOPE.script(sql), SCOPE)
    names.ask_statement(item)
    return item


def bound(names: Names, name: bytes, statement: Statement, epoch: int = 0) -> Item:
    item = Item(Ask.BIND, epoch, 0)
    item.name = name
    item.portal = Portal(name, statement)
    names.ask_portal(item)
    return item


def test_name_under_way_is_trusted_until_the_next_sync_only() -> None:
    names = Names()
    item = parsed(names, b"s")
    assert names.statement(b"s", 0) is item.statement
    with pytest.raises(Ambiguous):
        names.statement(b"s", 1)
    with pytest.raises(Ambiguous):
        names.prepared("s", SCOPE)
    names.confirm_statement(item)
    assert names.statement(b"s", 1) is item.statement
    assert names.prepared("s", SCOPE) == facts("select 1")


def test_definition_that_failed_leaves_what_was() -> None:
    names = Names()
    first = parsed(names, b"s")
    names.confirm_statement(first)
    second = parsed(names, b"s", b"select 2", 1)
    names.abandon(second)
    assert names.statement(b"s", 2) is first.statement


def test_older_of_two_definitions_under_way_does_not_end_the_younger() -> None:
    names = Names()
    first, second = parsed(names, b"s"), parsed(names, b"s", b"select 2")
    names.confirm_statement(first)
    assert names.statement(b"s", 0) is second.statement
    names.abandon(first)
    assert names.statement(b"s", 0) is second.statement


def test_statements_of_sql_and_protocol_share_one_namespace() -> None:
    names = Names()
    names.settle(facts("prepare s as select email from customers"))
    assert names.prepared("s", SCOPE) == facts("prepare s as select email from customers").inner
    names.confirm_statement(parsed(names, b"s"))
    assert names.prepared("s", SCOPE) == facts("select 1")
    names.settle(facts("deallocate s"))
    assert names.prepared("s", SCOPE) is None
    assert names.statement(b"s", 0) is None
    for text in ("deallocate all", "deallocate s"):
        names.confirm_statement(parsed(names, b"s"))
        names.settle(facts(text))
        assert names.statement(b"s", 0) is None


def test_portals_and_cursors_share_one_namespace() -> None:
    names = Names()
    statement = Statement(b"select 1", SCOPE.script(b"select 1"), SCOPE)
    names.settle(facts("declare p cursor with hold for select email from customers"))
    names.confirm_portal(bound(names, b"p", statement))
    assert names.cursor("p") == facts("select 1")
    names.settle(facts("declare p cursor for select 2"))
    assert names.portal(b"p", 0) is None
    assert names.cursor("p") == facts("select 2")
    names.settle(facts("close p"))
    assert names.cursor("p") is None
    names.confirm_portal(bound(names, b"p", statement))
    names.settle(facts("close all"))
    assert names.portal(b"p", 0) is None


def test_only_cursors_with_hold_outlive_their_transaction() -> None:
    names = Names()
    statement = Statement(b"select 1", SCOPE.script(b"select 1"), SCOPE)
    names.settle(facts("DECLARE a CURSOR WITH HOLD FOR select 1"))
    names.settle(facts("declare b scroll cursor without hold for select 1"))
    names.settle(facts("declare c cursor for select 1"))
    names.confirm_portal(bound(names, b"d", statement))
    names.transaction_ended()
    assert [names.cursor(name) is not None for name in "abcd"] == [True, False, False, False]


@pytest.mark.parametrize("name", [b"x" * 64, "é".encode(), b"\xff", b"\x80" * 3])
def test_names_that_the_server_may_take_for_others_are_not_kept(name: bytes) -> None:
    names = Names()
    objection = names.objection(name, 0)
    assert objection is not None
    assert objection.sqlstate == "0A000"
    assert names.objection(b"x" * 63, 0) is None
    names.settle(facts('prepare "é" as select 1'))
    assert names.prepared("é", SCOPE) is None


def test_named_things_are_bounded_in_number_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert NAMES_MAX <= 10_000
    monkeypatch.setattr(names_module, "NAMES_MAX", 50)
    statement = Statement(b"select 1", SCOPE.script(b"select 1"), SCOPE)
    names = Names()
    for number in range(60):
        names.settle(facts(f"prepare s{number} as select 1"))
    assert sum(names.prepared(f"s{number}", SCOPE) is not None for number in range(60)) == 50
    assert names.objection(b"", 0) is not None
    names = Names()
    for number in range(60):
        names.settle(facts(f"declare c{number} cursor with hold for select 1"))
    assert sum(names.cursor(f"c{number}") is not None for number in range(60)) == 50
    names = Names()
    for number in range(50):
        names.confirm_portal(bound(names, b"p%d" % number, statement))
    objection = names.objection(b"p", 0)
    assert objection is not None
    assert objection.sqlstate == "53400"
    names.transaction_ended()
    assert names.objection(b"p", 0) is None


def test_bytes_of_texts_are_given_back() -> None:
    names = Names()
    assert names.objection(b"s", TEXT_BYTES_MAX) is None
    assert names.objection(b"s", TEXT_BYTES_MAX + 1) is not None
    for _ in range(2):
        names.confirm_statement(parsed(names, b"s", b"select 1"))
        names.settle(facts("prepare a as select 2"))
        assert names.objection(b"t", TEXT_BYTES_MAX) is not None
    names.drop_statement(b"s")
    names.forget_sql()
    assert names.objection(b"t", TEXT_BYTES_MAX) is None
    names.settle(facts("prepare a as select 2"))
    names.forget_statements()
    assert names.objection(b"t", TEXT_BYTES_MAX) is None


# --- in a session ---------------------------------------------------------------------------------------------


def test_execute_and_fetch_are_masked_as_what_they_run() -> None:
    for define, run in (
        (f"prepare a as {LEAK}", "execute a"),
        (f"declare a cursor with hold for {LEAK}", "fetch all from a"),
    ):
        rig = Rig()
        rig.ask(query(define))
        rig.say(command_complete("PREPARE"), READY)
        assert rig.ask(query(run)) == [query(run)]
        said = rig.say(VALUE, SECRET_ROW, DONE, READY)
        assert kinds(said) == b"TDCZ"
        assert SECRET not in b"".join(said)


def test_unknown_names_are_refused_unless_everything_is_allowed() -> None:
    for text in ("execute nobody", "fetch all from nobody"):
        assert Rig().ask(query(text)) == [REFUSED_QUERY]
        assert Rig(ALL).ask(query(text)) == [REFUSED_QUERY], "columns are masked here"
        assert Rig(CLEAR).ask(query(text)) == [query(text)]


def test_text_may_run_what_it_has_just_prepared() -> None:
    rig = Rig()
    text = query(f"prepare a as {LEAK}; execute a")
    assert rig.ask(text) == [text]
    said = rig.say(command_complete("PREPARE"), VALUE, SECRET_ROW, DONE, READY)
    assert SECRET not in b"".join(said)
    assert len(rig.outcomes()) == 2


def test_fetch_from_a_portal_is_not_taken_for_an_older_cursor_of_the_name() -> None:
    rig = Rig()
    rig.ask(query("declare p cursor with hold for select 1"))
    rig.say(command_complete("DECLARE CURSOR"), READY)
    rig.ask(query("begin"))
    rig.say(command_complete("BEGIN"), IN_TRANSACTION)
    rig.ask(parse("s", LEAK), bind("p", "s"), SYNC)
    rig.say(PARSED, BOUND, IN_TRANSACTION)
    rig.ask(query("fetch all from p"))
    assert SECRET not in b"".join(rig.say(VALUE, SECRET_ROW, DONE, IN_TRANSACTION))


def test_definition_across_a_sync_is_waited_for() -> None:
    rig = Rig()
    sent = rig.ask(parse("s", LEAK), SYNC, bind("", "s"), execute(""), SYNC)
    assert kinds(sent) == b"PS"
    assert rig.session.waiting
    rig.say(failure("42P05"), READY)
    assert rig.again() == [REFUSED_EXTENDED, REFUSED_EXTENDED, SYNC]  # there is no such statement


def test_flush_is_sent_where_the_server_would_keep_the_awaited_answer() -> None:
    rig = Rig()
    sent = rig.ask(parse("", f"prepare a as {LEAK}"), bind("", ""), execute(""), query("execute a"))
    assert kinds(sent) == b"PBDEH"
    assert rig.ask(b"") == []
    rig.say(PARSED, BOUND, NO_DATA, command_complete("PREPARE"))
    assert rig.again() == [query("execute a")]


def test_names_that_are_too_long_or_not_ascii_are_refused_where_they_are_made() -> None:
    for name in ("x" * 64, "é"):
        rig = Rig()
        assert rig.ask(parse(name, "select 1"), SYNC) == [REFUSED_EXTENDED, SYNC]
        assert field("C", rig.say(failure("42601"), READY)[0]) == "0A000"
        rig.ask(parse("s", "select 1"), SYNC)
        rig.say(PARSED, READY)
        assert rig.ask(bind(name, "s"), SYNC) == [REFUSED_EXTENDED, SYNC]
        assert field("C", rig.say(failure("42601"), READY)[0]) == "0A000"
        assert rig.session.idle


def test_close_of_a_long_name_closes_what_the_server_closes() -> None:
    rig = Rig()
    rig.ask(parse("x" * 63, "select 1"), SYNC)
    rig.say(PARSED, READY)
    rig.ask(close("S", "x" * 70), SYNC)
    rig.say(CLOSED, READY)
    assert rig.ask(bind("", "x" * 63)) == [REFUSED_EXTENDED]


def test_bytes_that_are_no_text_in_a_name_never_end_more_than_the_statement() -> None:
    rig = Rig()
    name = "\ufffd"
    raw = frame(b"B", b"\0\xff\0" + bytes(6))
    rig.ask(parse(name, "select 1"), bind(name, "s"), raw, frame(b"E", b"\xff\0" + bytes(4)), describe("P", "\udcff"), SYNC)
    assert not rig.session.ending
    assert kinds(rig.say(failure("42601"), READY)) == b"EZ"
    assert rig.session.idle


def test_everything_prepared_is_gone_after_discard_all() -> None:
    rig = Rig()
    rig.ask(parse("s", "select 1"), SYNC, query("prepare a as select 2"))
    rig.say(PARSED, READY)
    rig.again()
    rig.say(command_complete("PREPARE"), READY)
    rig.ask(query("discard all"))
    rig.say(command_complete("DISCARD ALL"), READY)
    assert rig.ask(bind("", "s"), SYNC) == [REFUSED_EXTENDED, SYNC]
    rig.say(failure("42601"), READY)
    assert rig.ask(query("execute a")) == [REFUSED_QUERY]


def test_sql_prepared_statement_is_bound_by_name() -> None:
    rig = Rig()
    rig.ask(query(f"prepare a as {LEAK}"))
    rig.say(command_complete("PREPARE"), READY)
    assert kinds(rig.ask(bind("", "a"), execute(""), SYNC)) == b"BDES"
    said = rig.say(BOUND, QUIET, SECRET_ROW, DONE, READY)
    assert kinds(said) == b"2DCZ"
    assert SECRET not in b"".join(said)


def test_cursor_of_sql_is_executed_as_a_portal() -> None:
    rig = Rig()
    rig.ask(query("begin; declare c cursor for select email from customers"))
    rig.say(command_complete("BEGIN"), command_complete("DECLARE CURSOR"), IN_TRANSACTION)
    assert kinds(rig.ask(execute("c", 1), SYNC)) == b"DES"
    said = rig.say(EMAIL, SECRET_ROW, frame(b"s"), IN_TRANSACTION)
    assert SECRET not in b"".join(said)
    assert kinds(cut(rig.to_client)) == b"CCZDsZ"


@given(st.binary(max_size=80), st.integers(0, 90))
def test_names_end_at_their_first_nul(frame: bytes, start: int) -> None:
    assert name_end(frame, start) == frame.find(0, start)
