"""Rows changed, rows and bytes returned, time: what goes beyond its bounds is taken back or cut off, and says so."""

import pytest

from gateway.session.bounds import FLUSH, REFUSED_EXTENDED, REFUSED_UNNAMED
from parser.messages import bind, command_complete, execute, frame, parse, query
from tests.gateway.masking.shop import data_row
from tests.gateway.session.rig import (
    BOUND,
    CLOSED,
    COPY_DONE,
    DONE,
    IN_TRANSACTION,
    NO_DATA,
    PARSED,
    READY,
    SUSPENDED,
    SYNC,
    VALUE,
    Rig,
    failure,
    field,
    kinds,
)  # fmt: skip

LIMITED = """
[[grant]]
name = "writers"
allow = ["read", "write"]
max_affected_rows = 10
"""
UPDATE = "update orders set total = 0 where id > 5"
FEW, MANY = command_complete("UPDATE 10"), command_complete("UPDATE 11")
CUT = failure("42601")
BUDGETED = """
[[grant]]
name = "readers"
allow = ["read"]
{budget}
"""
SECOND = 10**9


def asked() -> Rig:
    """A limited write was sent as Query and the server has taken it up to its command tag."""
    rig = Rig(LIMITED)
    assert kinds(rig.ask(query(UPDATE))) == b"PBDEH"
    assert rig.say(PARSED, BOUND, NO_DATA) == []
    return rig


def test_limited_query_is_committed_only_after_its_tag_was_read() -> None:
    rig = asked()
    assert rig.say(FEW) == []
    assert kinds(rig.ask(query("select 1"))) == b""
    assert rig.to_server.endswith(SYNC)
    assert rig.say(CLOSED, READY) == [FEW, READY]
    assert rig.outcomes() == [("UPDATE", "ok", 10)]


def test_limited_query_that_changed_too_much_is_taken_back_and_says_how_much() -> None:
    rig = asked()
    assert rig.say(MANY) == []
    assert rig.to_server.endswith(REFUSED_UNNAMED)
    said = rig.say(CUT)
    assert [field(letter, said[0]) for letter in "CMH"] == [
        "42501",
        'denied by "writers": the statement changed 11 rows and may change 10; everything it did was taken back',
        "Narrow the WHERE, or change the rows in smaller steps.",
    ]
    assert rig.to_server.endswith(SYNC)
    assert rig.say(READY) == [READY]
    assert rig.outcomes() == [("UPDATE", "refused", 0)]
    assert rig.session.idle
    assert rig.ask(query("select 1")) == [query("select 1")]


def test_limited_query_with_returning_delivers_its_rows_and_its_description_once() -> None:
    rig = Rig(LIMITED)
    rig.ask(query(f"{UPDATE} returning id"))
    assert rig.say(PARSED, BOUND, VALUE, data_row(b"1"), FEW) == [VALUE, data_row(b"1")]
    assert rig.say(CLOSED, READY) == [FEW, READY]


def test_limited_query_that_fails_ends_like_any_other() -> None:
    rig = Rig(LIMITED)
    rig.ask(query(UPDATE))
    said = rig.say(failure("42P01"))
    assert (kinds(said), field("C", said[0])) == (b"E", "42P01")
    assert rig.to_server.endswith(SYNC)
    assert rig.say(READY) == [READY]
    assert rig.outcomes() == [("UPDATE", "error", 0)]
    assert rig.session.idle


def test_limited_query_whose_commit_fails_never_reads_as_done() -> None:
    rig = asked()
    rig.say(FEW)
    said = rig.say(CLOSED, failure("23503"), READY)
    assert (kinds(said), field("C", said[0])) == (b"EZ", "23503")
    assert rig.outcomes() == [("UPDATE", "error", 0)]


def test_limited_query_that_the_audit_cannot_record_never_runs() -> None:
    rig = Rig(LIMITED)
    sent = rig.ask(query(UPDATE), audit_fails=True)
    assert REFUSED_EXTENDED in sent
    assert kinds(sent) == b"PBDPH"
    said = rig.say(PARSED, BOUND, NO_DATA, CUT)
    assert field("C", said[0]) == "58030"
    assert rig.say(READY) == [READY]
    assert rig.session.idle


def test_unnamed_statement_does_not_outlive_a_limited_query() -> None:
    rig = Rig(LIMITED)
    rig.ask(parse("", "select 1"), SYNC)
    rig.say(PARSED, READY)
    rig.ask(query(UPDATE))
    rig.say(PARSED, BOUND, NO_DATA, failure("23505"), READY)
    assert rig.ask(bind("", ""), execute(""), SYNC)[0] == REFUSED_EXTENDED


def test_several_statements_with_a_limited_one_are_refused() -> None:
    rig = Rig(LIMITED)
    rig.ask(query(f"{UPDATE}; commit"))
    said = rig.say(CUT, READY)
    assert field("C", said[0]) == "42501"
    assert field("H", said[0]) == "Send this statement in a message of its own."


def test_limited_execute_holds_what_follows_until_its_tag_is_there() -> None:
    rig = Rig(LIMITED)
    sent = rig.ask(parse("", UPDATE), bind("", ""), execute(""), parse("", "commit"), bind("", ""), execute(""), SYNC)
    assert kinds(sent) == b"PBDEH"
    assert rig.say(PARSED, BOUND, NO_DATA, FEW) == [PARSED, BOUND, FEW]
    assert kinds(rig.again()) == b"PBDES"


def test_limited_execute_that_changed_too_much_takes_its_whole_pipeline_back() -> None:
    rig = Rig(LIMITED)
    rig.ask(parse("", UPDATE), bind("", ""), execute(""), parse("", "commit"), bind("", ""), execute(""), SYNC)
    assert rig.say(PARSED, BOUND, NO_DATA, MANY) == [PARSED, BOUND]
    assert rig.to_server.endswith(FLUSH + REFUSED_EXTENDED)
    said = rig.say(CUT)
    assert (kinds(said), field("C", said[0])) == (b"E", "42501")
    assert rig.again() == [SYNC]
    assert rig.say(READY) == [READY]
    assert rig.outcomes() == [("UPDATE", "refused", 0)]


def test_limited_execute_in_parts_cannot_be_counted() -> None:
    rig = Rig(LIMITED)
    rig.ask(parse("", f"{UPDATE} returning id"), bind("", ""), execute("", 2), SYNC)
    rig.say(PARSED, BOUND, VALUE)
    assert rig.say(data_row(b"1"), data_row(b"2"), SUSPENDED) == [data_row(b"1"), data_row(b"2")]
    said = rig.say(CUT)
    assert field("C", said[0]) == "42501"
    assert "in parts" in field("M", said[0])


def test_limited_prepared_statement_run_by_name_is_counted() -> None:
    rig = Rig(LIMITED)
    rig.ask(query(f"prepare p as {UPDATE}"))
    rig.say(command_complete("PREPARE"), READY)
    assert kinds(rig.ask(query("execute p"))) == b"PBDEH"
    rig.say(PARSED, BOUND, NO_DATA, MANY)
    assert field("C", rig.say(CUT)[0]) == "42501"


def test_session_that_ends_while_a_limited_write_waits_for_its_commit_leaves_no_open_intent() -> None:
    rig = asked()
    rig.say(FEW)
    rig.close()
    assert rig.outcomes() == [("UPDATE", "client-gone", 0)]


# --- budgets ---


def budgeted(budget: str) -> Rig:
    return Rig(BUDGETED.format(budget=budget))


def test_statements_are_taken_from_their_budget_until_it_is_used_up() -> None:
    rig = budgeted("max_statements_per_minute = 2")
    for _ in range(2):
        assert rig.ask(query("select 1")) == [query("select 1")]
        rig.say(VALUE, DONE, READY)
    rig.ask(query("select 1"))
    said = rig.say(CUT, READY)
    assert [field("C", said[0]), field("M", said[0])] == [
        "53400",
        'max_statements_per_minute of grant "readers" is used up',
    ]


def test_executes_of_one_prepared_statement_each_count() -> None:
    rig = budgeted("max_statements_per_minute = 1")
    rig.ask(parse("s", "select 1"), bind("", "s"), execute(""), bind("", "s"), execute(""), SYNC)
    said = rig.say(PARSED, BOUND, DONE, BOUND, CUT, READY)
    assert (kinds(said), field("C", said[4])) == (b"12C2EZ", "53400")


def test_rows_beyond_the_budget_are_not_delivered_and_the_server_is_asked_to_stop() -> None:
    rig = budgeted("max_rows_per_hour = 3")
    rig.ask(query("select 1"))
    assert rig.say(VALUE, *(data_row(b"%d" % n) for n in range(3)))[1:] == [data_row(b"%d" % n) for n in range(3)]
    assert not rig.session.wants_cancel
    assert rig.say(data_row(b"3")) == []
    assert rig.session.wants_cancel
    assert rig.say(data_row(b"4")) == []
    said = rig.say(failure("57014"), READY)
    assert (kinds(said), field("C", said[0])) == (b"EZ", "53400")
    assert [(status, rows) for _, status, rows in rig.outcomes()] == [("refused", 4)]


def test_nothing_follows_until_the_cancel_has_gone() -> None:
    rig = budgeted("max_rows_per_hour = 1")
    rig.ask(query("select 1"))
    rig.say(VALUE, data_row(b"0"), data_row(b"1"), failure("57014"), READY)
    assert rig.ask(query("rollback")) == []
    rig.session.cancel_sent()
    assert rig.again() == [query("rollback")]  # and it passes, though the budget is used up


def test_result_that_was_complete_before_the_cancel_ends_in_an_error_too() -> None:
    rig = budgeted("max_bytes_per_hour = 20")
    rig.ask(query("select 1"))
    said = rig.say(VALUE, data_row(bytes(30)), DONE, READY)
    assert (kinds(said), field("C", said[1])) == (b"TEZ", "53400")
    assert rig.session.idle


def test_result_that_was_complete_in_a_transaction_aborts_it() -> None:
    rig = budgeted("max_bytes_per_hour = 20")
    rig.ask(query("begin"))
    rig.say(command_complete("BEGIN"), IN_TRANSACTION)
    rig.ask(query("select 1"))
    assert kinds(rig.say(VALUE, data_row(bytes(30)), DONE, IN_TRANSACTION)) == b"T"
    assert rig.to_server.endswith(query("sluice_refused"))
    said = rig.say(CUT, frame(b"Z", b"E"))
    assert (kinds(said), field("C", said[0])) == (b"EZ", "53400")


def executed(*more: bytes) -> Rig:
    """Two rows of a portal, of which the budget allows one."""
    rig = budgeted("max_rows_per_hour = 1")
    rig.ask(parse("", "select 1"), bind("", ""), execute("", 2), *more)
    assert kinds(rig.say(PARSED, BOUND, data_row(b"0"), data_row(b"1"))) == b"12"
    return rig


@pytest.mark.parametrize("last", [DONE, SUSPENDED])
def test_executed_result_that_was_complete_before_the_cancel_ends_in_an_error_too(last: bytes) -> None:
    rig = executed(SYNC)
    said = rig.say(last, READY)
    assert (kinds(said), field("C", said[0])) == (b"EZ", "53400")
    assert rig.session.idle
    assert [(status, rows) for _, status, rows in rig.outcomes()] == [("refused", 2)]
    rig.session.cancel_sent()
    assert rig.ask(query("rollback")) == [query("rollback")]


def test_executed_result_that_was_complete_in_a_transaction_aborts_it() -> None:
    rig = executed(SYNC)
    assert rig.say(DONE, IN_TRANSACTION) == []
    assert rig.to_server.endswith(query("sluice_refused"))
    said = rig.say(CUT, frame(b"Z", b"E"))
    assert (kinds(said), field("C", said[0])) == (b"EZ", "53400")
    assert len(rig.outcomes()) == 1


def test_executed_result_that_was_complete_before_its_sync_came_fails_at_once() -> None:
    rig = executed(frame(b"H"))
    assert rig.say(DONE) == []
    assert rig.to_server.endswith(REFUSED_EXTENDED)
    said = rig.say(CUT)
    assert (kinds(said), field("C", said[0])) == (b"E", "53400")


def test_executed_result_that_was_complete_in_the_middle_of_a_pipeline_ends_the_session() -> None:
    rig = executed(bind("", ""), execute("", 2), SYNC)
    said = rig.say(DONE)
    assert [field("V", said[-1]), field("C", said[-1])] == ["FATAL", "53400"]


def test_rows_of_copy_are_counted_as_well() -> None:
    rig = budgeted("max_rows_per_hour = 1")
    rig.ask(query("copy (select 1) to stdout"))
    rig.say(frame(b"H", b"\0\0\1\0\0"), frame(b"d", b"1\n"))
    assert rig.say(frame(b"d", b"2\n"), COPY_DONE, command_complete("COPY 2"), READY)[-1] == READY
    assert rig.session.wants_cancel
    assert [(status, rows) for _, status, rows in rig.outcomes()] == [("refused", 2)]


# --- time ---


def test_overdue_statement_is_cancelled_until_it_ends_and_told_in_the_rules_words() -> None:
    rig = budgeted("max_statement_seconds = 2")
    rig.ask(query("select 1"))
    assert not rig.session.overdue(rig.now + 2 * SECOND - 2000)
    assert rig.session.overdue(rig.now + 2 * SECOND)
    assert not rig.session.overdue(rig.now + 3 * SECOND)  # the cancel is under way
    rig.session.cancel_sent()
    assert rig.session.overdue(rig.now + 3 * SECOND)
    rig.session.cancel_sent()
    said = rig.say(failure("57014"), READY)
    assert [field("C", said[0]), field("M", said[0])] == [
        "57014",
        'cancelled by "readers": the statement ran for longer than 2 seconds',
    ]
    assert [status for _, status, _ in rig.outcomes()] == ["cancelled"]


def test_statement_that_ends_before_its_cancel_is_whole() -> None:
    rig = budgeted("max_statement_seconds = 2")
    rig.ask(query("select 1"))
    rig.session.overdue(rig.now + 3 * SECOND)
    assert kinds(rig.say(VALUE, data_row(b"1"), DONE, READY)) == b"TDCZ"


def test_time_counts_from_when_the_server_could_begin() -> None:
    rig = budgeted("max_statement_seconds = 2")
    rig.ask(query("select 1"), query("select 2"))
    rig.now += 3 * SECOND
    rig.say(VALUE, DONE, READY)
    assert not rig.session.overdue(rig.now + SECOND)
    assert rig.session.overdue(rig.now + 2 * SECOND)


def test_idle_session_is_never_overdue() -> None:
    assert not budgeted("max_statement_seconds = 2").session.overdue(1 << 62)


# --- values compared with hidden columns ---

GUESSING = """
[[grant]]
name = "readers"
allow = ["read"]

[[mask]]
labels = ["email"]
max_equality_per_hour = 3
"""
BY_EMAIL = "select id from customers where email {}"
USED_UP = (
    "so many values may be compared with email columns that you may not see in an hour (3), and they are used up"
)


def test_values_compared_with_a_hidden_column_are_counted_whatever_they_are() -> None:
    rig = Rig(GUESSING)
    for values in ("= 'a'", "in ('a', 'b')"):
        assert rig.ask(query(BY_EMAIL.format(values))) == [query(BY_EMAIL.format(values))]
        rig.say(VALUE, DONE, READY)
    rig.ask(query(BY_EMAIL.format("= 'c'")))
    said = rig.say(CUT, READY)
    assert [field("C", said[0]), field("M", said[0])] == ["53400", USED_UP]
    assert rig.ask(query("select id from customers where city = 'a'"))[-1].startswith(b"Q")


def test_entries_of_an_array_are_counted_when_it_is_executed() -> None:
    rig = Rig(GUESSING)
    rig.ask(parse("s", BY_EMAIL.format("= any ($1)")), SYNC)
    rig.say(PARSED, READY)
    rig.ask(bind("", "s", [b"{a,b,c,d}"]), execute(""), SYNC)
    said = rig.say(BOUND, CUT, READY)
    assert field("M", said[-2]) == USED_UP
    assert rig.ask(bind("", "s", [b"{a,b,c}"]), execute(""), SYNC)[-2].startswith(b"E")
    assert rig.purses["guesses"].left(0) == 0


def test_cursor_counts_once_however_often_it_is_fetched_from() -> None:
    rig = Rig(GUESSING)
    rig.ask(query("begin"))
    rig.say(command_complete("BEGIN"), IN_TRANSACTION)
    rig.ask(query(f"declare c cursor for {BY_EMAIL.format('= 1')}"))
    rig.say(command_complete("DECLARE CURSOR"), IN_TRANSACTION)
    for _ in range(5):
        rig.ask(query("fetch c"))
        rig.say(VALUE, DONE, IN_TRANSACTION)
    assert rig.purses["guesses"].left(0) == 2


def test_failures_over_hidden_values_count_until_they_end_the_session() -> None:
    rig = Rig(GUESSING)
    for _ in range(3):
        rig.ask(query("select email || 'x' from customers"))
        assert field("C", rig.say(failure("22003"), READY)[0]) == "22003"
    rig.ask(query("select email from nowhere_but_customers"))
    rig.say(failure("42P01"), READY)
    assert not rig.session.ending
    rig.ask(query("select email || 'x' from customers"))
    said = rig.say(failure("22003"))
    assert [field("V", said[-1]), field("C", said[-1]), field("M", said[-1])] == ["FATAL", "53400", USED_UP]
    assert rig.session.ending


def test_failures_over_values_that_one_may_see_count_nothing() -> None:
    rig = Rig(GUESSING)
    rig.ask(query("select city || 'x' from customers"))
    rig.say(failure("22003"), READY)
    assert "guesses" not in rig.purses
