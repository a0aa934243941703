"""What a text means in this session now: named things, and the planner's estimates that a rule waits for."""

from gateway.session.inflight import ROWS_UNKNOWN
from parser.messages import bind, command_complete, execute, parse, query
from tests.gateway.session.rig import (
    BOUND,
    NO_DATA,
    PARSED,
    READY,
    SYNC,
    Rig,
    failure,
    field,
    kinds,
)  # fmt: skip

BROAD = """
[[grant]]
name = "writers"
allow = ["read", "write"]
[[guardrail]]
name = "no broad updates"
statements = ["UPDATE"]
min_estimated_rows = 100
effect = "deny"
"""
UPDATE = b"update orders set total = 0 where id > 5"
DONE = command_complete("UPDATE 1")
CUT = failure("42601")


def answered(rig: Rig, rows: int) -> list[bytes]:
    """The relay brings the estimate and looks at the session again; what goes to the server."""
    assert rig.session.wanted is not None
    rig.session.estimated(rig.session.wanted, rows)
    return rig.ask(b"")


def test_statement_waits_for_the_estimate_that_a_rule_looks_at() -> None:
    rig = Rig(BROAD)
    assert rig.ask(query(UPDATE)) == []
    wanted = rig.session.wanted
    assert wanted is not None
    assert (wanted.sql, wanted.types, wanted.values) == (UPDATE, None, None)
    assert wanted.settings == (("search_path", '"public"'),)
    assert rig.ask(query("select 1")) == []
    assert answered(rig, 99) == [query(UPDATE), query("select 1")]


def test_estimate_beyond_the_rules_number_refuses() -> None:
    rig = Rig(BROAD)
    rig.ask(query(UPDATE))
    assert query(UPDATE) not in answered(rig, 100)
    said = rig.say(CUT, READY)
    assert field("C", said[0]) == "42501"
    assert "no broad updates" in field("M", said[0])


def test_estimate_serves_one_execution_only() -> None:
    rig = Rig(BROAD)
    rig.ask(query(UPDATE))
    answered(rig, 5)
    rig.say(DONE, READY)
    assert rig.ask(query(UPDATE)) == []
    assert rig.session.wanted is not None


def test_answer_to_an_older_question_counts_for_nothing() -> None:
    rig = Rig(BROAD)
    rig.ask(query(UPDATE))
    older = rig.session.wanted
    assert older is not None
    answered(rig, 5)
    rig.say(DONE, READY)
    rig.ask(query(UPDATE))
    rig.session.estimated(older, 5)
    assert rig.ask(b"") == []


def test_prepared_statement_is_estimated_with_its_values_at_execute() -> None:
    rig = Rig(BROAD)
    text = "update orders set total = 0 where id > $1"
    sent = rig.ask(parse("s", text, [23]), bind("", "s", [b"7"]), execute(""), SYNC)
    assert kinds(sent) == b"PBH"
    wanted = rig.session.wanted
    assert wanted is not None
    assert wanted.sql == text.encode()
    assert wanted.types == b"\0\1\0\0\0\x17"
    assert wanted.values is not None
    assert b"\0\0\0\x017" in wanted.values
    rig.say(PARSED, BOUND)
    assert kinds(answered(rig, 3)) == b"DES"
    assert kinds(rig.say(NO_DATA, DONE, READY)) == b"CZ"


def test_what_runs_by_name_is_counted_in_place_of_an_estimate() -> None:
    rig = Rig(BROAD)
    rig.ask(query(b"prepare p as " + UPDATE))
    rig.say(command_complete("PREPARE"), READY)
    assert kinds(rig.ask(query("execute p"))) == b"PBDEH"
    assert rig.session.wanted is None
    rig.say(PARSED, BOUND, NO_DATA, command_complete("UPDATE 100"))
    assert field("C", rig.say(CUT)[0]) == "42501"


def test_one_of_several_statements_has_no_known_number_of_rows() -> None:
    rig = Rig(BROAD)
    rig.ask(query(UPDATE + b"; select 1"))
    assert rig.session.wanted is None
    assert field("C", rig.say(CUT, READY)[0]) == "42501"


def test_session_that_ends_while_it_waits_leaves_nothing_open() -> None:
    rig = Rig(BROAD)
    rig.ask(query(UPDATE))
    rig.close()
    assert rig.intents() == 0


def test_tables_of_the_sessions_own_are_unknown_to_the_planner_elsewhere() -> None:
    rig = Rig(BROAD)
    rig.session.made = frozenset({"orders"})
    assert kinds(rig.ask(query("update orders set total = 0 where item = 'x'"))) == b"PBDEH"
    assert rig.session.wanted is None
    assert rig.say(PARSED, BOUND, NO_DATA, command_complete("UPDATE 99")) == []
    assert rig.to_server.endswith(SYNC)


def test_unknown_search_path_leaves_the_number_of_rows_unknown() -> None:
    rig = Rig(BROAD, tells_path=False)
    rig.ask(query(UPDATE))
    rig.say(failure("42P05"), READY)
    assert kinds(rig.ask(b"")) == b"PBDEH"
    assert rig.session.wanted is None


def test_estimate_that_the_planner_could_not_give_is_counted_too() -> None:
    rig = Rig(BROAD)
    rig.ask(query(UPDATE))
    assert kinds(answered(rig, ROWS_UNKNOWN)) == b"PBDEH"


def test_rows_that_are_only_read_cannot_be_counted_beforehand() -> None:
    rig = Rig(BROAD.replace("UPDATE", "SELECT"))
    rig.ask(query("select id from orders"))
    assert query("select id from orders") not in answered(rig, ROWS_UNKNOWN)
    assert field("C", rig.say(CUT, READY)[0]) == "42501"


def test_limit_in_place_of_an_estimate_ends_with_its_statement() -> None:
    rig = Rig(BROAD.replace('allow = ["read", "write"]', 'allow = ["read", "write"]\nmax_statements_per_minute = 1'))
    rig.ask(query("select 1"))
    rig.say(command_complete("SELECT 1"), READY)
    rig.ask(parse("", UPDATE), bind("", ""), execute(""), SYNC)
    rig.say(PARSED, BOUND)
    answered(rig, ROWS_UNKNOWN)
    assert field("C", rig.say(CUT, READY)[0]) == "53400"
    assert rig.session.counted is None
