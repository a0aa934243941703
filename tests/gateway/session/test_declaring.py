"""What the session declares: followed as the server answers it, put on record, and compared with what comes then."""

import struct

import pytest

from gateway.audit.query import Entry
from gateway.audit.records import Declared
from gateway.identity.declaration import Declaration
from gateway.session.declaring import Said, began
from parser.messages import bind, command_complete, execute, parse, query
from tests.gateway.session.rig import (
    BOUND,
    DONE,
    IN_TRANSACTION,
    LITERALS,
    NO_DATA,
    PARSED,
    READY,
    SYNC,
    WRITE,
    Rig,
    failure,
    field,
    frame,
    kinds,
)  # fmt: skip

RULE = WRITE + """
[[guardrail]]
name = "as declared"
effect = "deny"
intent_mismatch = true
"""
SET = command_complete("SET")
TOKEN = Declaration("from the token", effect="read", source="token")
UPDATE = "update orders set total = 7 where id = 1"
UPDATED = command_complete("UPDATE 1")


def run(rig: Rig, sql: str, tag: str = "SET", ready: bytes = READY) -> None:
    """One query that the server does."""
    assert kinds(rig.ask(query(sql))) == b"Q"
    rig.say(command_complete(tag), ready)


def refused(rig: Rig, sql: str, ready: bytes = READY) -> str:
    """The words with which a query is refused."""
    assert rig.ask(query(sql)) != [query(sql)]
    (report, _) = rig.say(failure("42601"), ready)
    assert field("C", report) == "42501"
    return field("M", report)


def intents(rig: Rig) -> list[Entry]:
    return [entry for entry in rig.entries() if entry.kind == "intent"]


def declared(rig: Rig) -> Declared | None:
    """Of the last statement."""
    return intents(rig)[-1].declared


def test_nothing_declared_is_nothing_on_record_and_no_mismatch() -> None:
    rig = Rig(RULE)
    run(rig, UPDATE, "UPDATE 1")
    assert declared(rig) is None


def test_session_declares_and_is_held_to_it() -> None:
    rig = Rig(RULE)
    run(rig, "set sluice.reason = 'tables=customers effect=read look at late orders'")
    words = refused(rig, UPDATE)
    assert "as declared" in words
    assert "writes public.orders" in words
    said = declared(rig)
    assert said is not None
    assert (said.reason, said.tables, said.effect, said.source) == ("look at late orders", ("customers",), "read", "session")
    assert said.mismatch == ("writes", "writes public.orders")
    run(rig, "reset sluice.reason")
    run(rig, UPDATE, "UPDATE 1")
    assert declared(rig) is None


@pytest.mark.parametrize(
    "sql",
    [
        "set session sluice.reason = 'effect=read'",
        "select set_config('sluice.reason', 'effect=read', false)",
        "SET Sluice.Reason TO 'effect=read'",
    ],
)
def test_all_ways_to_set_it_count(sql: str) -> None:
    rig = Rig(RULE)
    run(rig, sql)
    refused(rig, UPDATE)


@pytest.mark.parametrize("sql", ["reset all", "discard all", "set sluice.reason = default", "set sluice.reason = ''"])
def test_all_ways_to_forget_it_count(sql: str) -> None:
    rig = Rig(RULE)
    run(rig, "set sluice.reason = 'effect=read'")
    run(rig, sql)
    run(rig, UPDATE, "UPDATE 1")


def test_setting_counts_once_the_server_has_taken_it() -> None:
    rig = Rig(RULE)
    rig.ask(query("set sluice.reason = 'effect=read'"))
    assert rig.ask(query(UPDATE)) == []  # it waits for the answer
    rig.say(failure("42704"), READY)
    assert rig.again() == [query(UPDATE)]


def test_pipelined_statement_is_judged_under_the_setting_before_it() -> None:
    rig = Rig(RULE)
    running = (bind("", ""), execute(""))
    sent = rig.ask(parse("", "set sluice.reason = 'effect=read'"), *running, parse("", UPDATE), *running, SYNC)
    assert b"update" not in b"".join(sent)
    rig.say(PARSED, BOUND, SET)
    assert b"update orders" not in b"".join(rig.again())


def test_setting_in_a_text_holds_for_the_statements_behind_it() -> None:
    rig = Rig(RULE)
    assert "as declared" in refused(rig, f"set sluice.reason = 'effect=read'; {UPDATE}")
    first, second = intents(rig)
    assert first.declared is None
    assert second.declared is not None
    assert second.declared.mismatch == ("writes",)
    run(rig, UPDATE, "UPDATE 1")  # it was refused as a whole, so nothing was set


def test_statements_own_comment_beats_the_session_and_the_session_the_token() -> None:
    rig = Rig(RULE, said=Said(TOKEN))
    assert "writes" in refused(rig, UPDATE)
    run(rig, "set sluice.reason = 'effect=write ticket=T-1'")
    run(rig, UPDATE, "UPDATE 1")
    assert declared(rig) == Declared("from the token", (), "write", "T-1", "session")
    comment = "/*sluice_effect='read',route='/orders'*/"
    refused(rig, f"{UPDATE} {comment}")
    assert declared(rig) == Declared("from the token", (), "read", "T-1", "statement", ("writes",))
    assert intents(rig)[-1].tags == (("route", "/orders"),)
    run(rig, "reset sluice.reason")
    refused(rig, UPDATE)


def test_start_up_packet_declares_what_reset_comes_back_to() -> None:
    rig = Rig(RULE, said=Said(None, began([("application_name", "x"), ("Sluice.Reason", "effect=read")])))
    refused(rig, UPDATE)
    run(rig, "set sluice.reason = 'effect=write'")
    run(rig, UPDATE, "UPDATE 1")
    run(rig, "discard all")
    refused(rig, UPDATE)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (("begin", "set sluice.reason = 'new'", "commit"), "new"),
        (("begin", "set sluice.reason = 'new'", "rollback"), "old"),
        (("begin", "set local sluice.reason = 'new'"), "new"),
        (("begin", "set local sluice.reason = 'new'", "commit"), "old"),
        (("begin", "set local sluice.reason = 'new'", "set sluice.reason = 'newer'"), "newer"),
        (("begin", "savepoint a", "set sluice.reason = 'new'", "rollback to a"), "old"),
        (("begin", "savepoint a", "set sluice.reason = 'new'", "rollback to savepoint a", "commit"), "old"),
        (("begin", "set sluice.reason = 'new'", "savepoint a", "set sluice.reason = 'x'", "rollback to a", "commit"), "new"),
        (("begin", "set sluice.reason = 'new'", "fails", "rollback"), "old"),
        (("begin", "set sluice.reason = 'new'", "fails", "commit"), "old"),
        (("begin", "set sluice.reason = 'new'", "savepoint a", "fails", "rollback to a", "commit"), "new"),
        (("begin", "set sluice.reason = 'new'", "commit and chain", "set sluice.reason = 'x'", "rollback"), "new"),
        (("set local sluice.reason = 'new'",), "old"),
    ],
)
def test_transactions_take_it_back_as_the_server_does(steps: tuple[str, ...], reason: str) -> None:
    rig = Rig(RULE)
    run(rig, "set sluice.reason = 'old'")
    ready = READY
    for step in steps:
        if step == "fails":
            rig.ask(query("select 1/0"))
            rig.say(failure("22012"), frame(b"Z", b"E"))
            ready = frame(b"Z", b"E")
            continue
        if step == "begin" or "rollback to" in step or "chain" in step:
            ready = IN_TRANSACTION
        elif step in ("commit", "rollback"):
            ready = READY
        run(rig, step, step.split()[0].upper(), ready)
    run(rig, "select 1", "SELECT 1", ready)
    said = declared(rig)
    assert said is not None
    assert said.reason == reason


def test_prepared_statement_is_judged_by_what_is_declared_when_it_runs() -> None:
    rig = Rig(RULE)
    rig.ask(parse("up", UPDATE), SYNC)
    rig.say(PARSED, READY)
    run(rig, "set sluice.reason = 'effect=read'")
    rig.ask(bind("", "up"), execute(""), SYNC)
    rig.say(BOUND)
    (report, *_) = rig.say(failure("42601"), READY)
    assert "as declared" in field("M", report)
    run(rig, "reset sluice.reason")
    assert execute("") in rig.ask(bind("", "up"), execute(""), SYNC)
    rig.say(BOUND, UPDATED, READY)
    assert declared(rig) is None


def test_parse_refused_under_one_declaration_passes_under_another() -> None:
    rig = Rig(RULE)
    run(rig, "set sluice.reason = 'effect=read'")
    rig.ask(parse("up", UPDATE), bind("", "up"), execute(""), SYNC)
    assert b"update" not in rig.to_server
    rig.say(failure("42601"), READY)
    run(rig, "set sluice.reason = 'effect=write'")
    rig.ask(parse("up", UPDATE), bind("", "up"), execute(""), SYNC)
    rig.say(PARSED, BOUND, UPDATED, READY)
    said = declared(rig)
    assert said is not None
    assert (said.effect, said.mismatch) == ("write", ())


def test_sql_prepare_is_judged_when_it_is_executed() -> None:
    rig = Rig(RULE)
    run(rig, f"prepare up as {UPDATE}", "PREPARE")
    run(rig, "execute up", "UPDATE 1")
    run(rig, "set sluice.reason = 'effect=read'")
    assert "as declared" in refused(rig, "execute up")
    assert intents(rig)[-1].declared is not None


def test_comment_of_an_execute_is_its_own() -> None:
    rig = Rig(RULE)
    run(rig, f"prepare up as {UPDATE}", "PREPARE")
    run(rig, "execute up /*route='a'*/", "UPDATE 1")
    run(rig, "execute up /*route='b'*/", "UPDATE 1")
    assert [entry.tags for entry in intents(rig)][-2:] == [(("route", "a"),), (("route", "b"),)]


def test_estimated_statement_keeps_what_was_declared() -> None:
    rule = RULE + '[[guardrail]]\nname = "broad"\neffect = "deny"\nstatements = ["UPDATE"]\nmin_estimated_rows = 10\n'
    rig = Rig(rule)
    run(rig, "set sluice.reason = 'effect=write why'")
    assert rig.ask(query(UPDATE)) == []
    assert rig.session.wanted is not None
    rig.session.estimated(rig.session.wanted, 1)
    assert kinds(rig.ask(b"")) == b"Q"
    said = declared(rig)
    assert said is not None
    assert said.reason == "why"


def test_function_call_counts_as_anything() -> None:
    rig = Rig(RULE.replace('["read", "write"]', '["all"]'))
    run(rig, "set sluice.reason = 'effect=read'")
    call = frame(b"F", struct.pack("!IHHH", 1, 0, 0, 0))
    assert rig.ask(call) != [call]


def test_sensitive_values_in_a_reason_are_not_kept() -> None:
    rig = Rig(RULE)
    run(rig, "set sluice.reason = 'refund ann@shop.example'")
    run(rig, "select 1", "SELECT 1")
    assert "ann@" not in repr(rig.entries())


# --- digests of literals and parameters ---


def digests(*values: str) -> bytes:
    return LITERALS.of(values)


def test_intent_has_the_digests_of_literals_and_parameters() -> None:
    rig = Rig(WRITE)
    for number in (1, 2):
        run(rig, f"select 'ann', {number}", "SELECT 1")
    rig.ask(parse("", "select $1, $2, 'text'"), bind("", "", [b"ann", struct.pack("!i", 2)], [0, 1]), execute(""), SYNC)
    rig.say(PARSED, BOUND, NO_DATA, DONE, READY)
    found = [entry.literals for entry in intents(rig)]
    assert found[:2] == [digests("ann", "1"), digests("ann", "2")]
    assert found[2][:16] == digests("text", "ann")


def test_each_statement_of_a_text_has_its_own_literals() -> None:
    rig = Rig(WRITE)
    rig.ask(query("select 'x'; select 5, 6; select 7"))
    rig.ask(query("select 'y' as \"q\"; select 'z'"))
    assert [entry.literals for entry in intents(rig)] == [
        digests("x"), digests("5", "6"), digests("7"), digests("y"), digests("z"),
    ]  # fmt: skip


def test_types_that_the_server_describes_count_for_binary_parameters() -> None:
    rig = Rig(WRITE)
    rig.ask(parse("s", "select $1"), frame(b"D", b"Ss\0"), SYNC)
    rig.say(PARSED, frame(b"t", struct.pack("!HI", 1, 23)), NO_DATA, READY)
    rig.ask(bind("", "s", [struct.pack("!i", 4711)], [1]), execute(""), SYNC)
    assert intents(rig)[-1].literals == digests("4711")


def test_portal_that_runs_again_names_the_same_values() -> None:
    rig = Rig(WRITE)
    rig.ask(parse("", "select $1"), bind("p", "", [b"ann"]), execute("p", 1), execute("p", 1), SYNC)
    assert [entry.literals for entry in intents(rig)] == [digests("ann")] * 2


# --- rows changed by table ---


@pytest.mark.parametrize(
    ("sql", "tag", "affected"),
    [
        (UPDATE, "UPDATE 1", (("public.orders", 1),)),
        ("insert into orders (id) values (1), (2)", "INSERT 0 2", (("public.orders", 2),)),
        ("delete from orders where id = 1", "DELETE 0", (("public.orders", 0),)),
        (
            "with gone as (delete from orders where id = 1 returning id) update customers set city = '' where id = 1",
            "UPDATE 1",
            (("public.customers", 1), ("public.orders", -1)),
        ),
        (
            "with gone as (delete from orders where id = 1 returning id) select * from gone",
            "SELECT 1",
            (("public.orders", -1),),
        ),
        ("select 1", "SELECT 1", None),
        ("prepare up as delete from orders", "PREPARE", None),
    ],
)
def test_outcome_tells_the_rows_changed_by_table(sql: str, tag: str, affected: object) -> None:
    rig = Rig(WRITE)
    run(rig, sql, tag)
    (outcome,) = [entry.outcome for entry in rig.entries() if entry.outcome is not None]
    assert outcome.affected == affected


def test_execute_of_a_prepared_change_counts_its_rows() -> None:
    rig = Rig(WRITE)
    run(rig, f"prepare up as {UPDATE}", "PREPARE")
    run(rig, "execute up", "UPDATE 3")
    assert [entry.outcome.affected for entry in rig.entries() if entry.outcome is not None][-1] == (("public.orders", 3),)


def test_failed_change_has_no_rows() -> None:
    rig = Rig(WRITE)
    rig.ask(query(UPDATE))
    rig.say(failure("23505"), READY)
    (outcome,) = [entry.outcome for entry in rig.entries() if entry.outcome is not None]
    assert outcome.affected is None
