"""From the database: answers matched with what was asked, masked, scrubbed, recorded; anything else ends the session."""

import random
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.classify.learned import Learned, merged
from gateway.session.understand import REFUSED_QUERY
from parser.messages import (
    bind,
    command_complete,
    copy_in_response,
    describe,
    error_response,
    execute,
    frame,
    notice_response,
    parse,
    query,
)
from tests.gateway.masking.shop import CUSTOMERS, VARCHAR, data_row, description
from tests.gateway.session.rig import (
    ALL,
    BOUND,
    CLEAR,
    CLOSED,
    COPY_DONE,
    DONE,
    EMAIL,
    FLUSH,
    IN_TRANSACTION,
    NO_DATA,
    PARSED,
    READ,
    READY,
    SECRET,
    SECRET_ROW,
    SUSPENDED,
    SYNC,
    VALUE,
    WRITE,
    Rig,
    cut,
    failure,
    field,
    kinds,
)  # fmt: skip

EMAILS = query("select email from customers")
FAILED = frame(b"Z", b"E")


def test_masked_rows_and_counts_of_a_simple_query() -> None:
    rig = Rig()
    rig.ask(EMAILS)
    said = rig.say(EMAIL, SECRET_ROW, SECRET_ROW, command_complete("SELECT 2"), READY)
    assert kinds(said) == b"TDDCZ"
    assert SECRET not in b"".join(said)
    (outcome,) = (entry for entry in rig.entries() if entry.outcome is not None)
    assert outcome.outcome is not None
    assert outcome.outcome.rows == 2
    assert outcome.outcome.nbytes == 2 * len(SECRET_ROW)
    assert outcome.columns is not None
    assert outcome.columns.masked == (("public.customers.email", "email", "redact"),)


def test_rows_in_clear_go_out_byte_for_byte() -> None:
    answer = EMAIL + SECRET_ROW * 5 + command_complete("SELECT 5") + READY
    rig = Rig(CLEAR)
    rig.ask(EMAILS)
    rig.say(answer)
    assert rig.to_client == answer


def test_answers_cut_anywhere_are_masked_the_same() -> None:
    rng = random.Random(3)
    rows = [data_row(b"user%d@shop.example" % number) for number in range(50)]
    answer = EMAIL + b"".join(rows) + command_complete("SELECT 50") + READY
    whole = Rig()
    whole.ask(EMAILS)
    whole.say(answer)
    for step in (1, 0, 0, 0, 0):
        rig, left = Rig(), answer
        rig.ask(EMAILS)
        while left:
            size = step or rng.randrange(1, 300)
            rig.say(left[:size])
            left = left[size:]
        assert rig.to_client == whole.to_client
        assert rig.outcomes() == [("SELECT", "ok", 50)]


def test_large_row_passes_as_it_comes_when_clear_and_is_held_when_masked() -> None:
    value = b"s" * 300_000
    row = data_row(value)
    for policy, held in ((CLEAR, False), (READ, True)):
        rig = Rig(policy)
        rig.ask(EMAILS)
        rig.say(EMAIL)
        before = len(rig.to_client)
        rig.say(row[:100_000])
        assert (len(rig.session.server_rest) > 0) is held
        assert (len(rig.to_client) > before) is not held
        rig.say(row[100_000:], DONE, READY)
        assert (value in rig.to_client) is not held
        assert rig.outcomes() == [("SELECT", "ok", 1)]
        assert rig.session.idle


def test_row_too_long_to_be_masked_ends_the_session() -> None:
    rig = Rig()
    rig.ask(EMAILS)
    rig.say(EMAIL, b"D" + pack("!i", 70 * 1024 * 1024))
    assert rig.session.ending
    assert len(rig.session.server_rest) == 0


def test_every_statement_of_a_text_has_an_intent_and_an_outcome() -> None:
    rig = Rig(WRITE)
    rig.ask(query("select 1; select email from customers; update orders set item = 'x' where id = 1; select 2"))
    assert rig.intents() == 4
    said = rig.say(VALUE, DONE, EMAIL, SECRET_ROW, DONE, failure("23505"), READY)
    assert kinds(said) == b"TCTDCEZ"
    assert SECRET not in b"".join(said)
    assert [status for _, status, _ in rig.outcomes()] == ["ok", "ok", "error", "not-run"]


def test_cancelled_statement_leaves_those_behind_it_not_run() -> None:
    rig = Rig()
    rig.ask(query("select 1; select 2"))
    rig.say(failure("57014"), READY)
    assert [status for _, status, _ in rig.outcomes()] == ["cancelled", "not-run"]


def test_suspended_portal_counts_its_rows_and_goes_on() -> None:
    rig = Rig()
    rig.ask(parse("", "select email from customers"), bind("p", ""), execute("p", 2), execute("p", 2), SYNC)
    said = rig.say(PARSED, BOUND, EMAIL, SECRET_ROW, SECRET_ROW, SUSPENDED, SECRET_ROW, DONE, READY)
    assert kinds(said) == b"12DDsDCZ"
    assert SECRET not in b"".join(said)
    assert rig.outcomes() == [("SELECT", "ok", 2), ("SELECT", "ok", 1)]


def test_empty_statements_are_answered() -> None:
    rig = Rig()
    rig.ask(query(""), parse("", " ; "), bind("", ""), execute(""), SYNC)
    assert kinds(rig.say(frame(b"I"), READY, PARSED, BOUND, frame(b"I"), READY)) == b"IZ12IZ"
    assert rig.session.idle
    assert rig.intents() == 0


COPY_OUT = frame(b"H", b"\0\0\1\0\0")


def test_copy_out_is_masked_line_by_line_and_streams_when_clear() -> None:
    text = "copy customers (id, email) to stdout"
    rig = Rig()
    rig.ask(query(text))
    said = rig.say(COPY_OUT, frame(b"d", b"1\tann@shop.example\n"), COPY_DONE, command_complete("COPY 1"), READY)
    assert kinds(said) == b"HdcCZ"
    assert SECRET not in b"".join(said)
    assert rig.outcomes() == [("COPY TO", "ok", 1)]
    rig = Rig(CLEAR)
    rig.ask(parse("", text), bind("", ""), execute(""), SYNC)
    rig.say(PARSED, BOUND, NO_DATA, COPY_OUT)
    line = frame(b"d", b"1\t" + b"x" * 200_000 + b"\n")
    rig.say(line[:90_000])
    assert not rig.session.server_rest
    rig.say(line[90_000:], COPY_DONE, command_complete("COPY 1"), READY)
    assert line in rig.to_client
    assert rig.session.idle


def test_replication_streams_both_ways_for_those_who_may_see_everything() -> None:
    rig = Rig(CLEAR)
    rig.ask(query("START_REPLICATION SLOT a LOGICAL 0/0"))
    assert kinds(rig.say(frame(b"W", b"\0\0\0"), frame(b"d", b"w" + bytes(30)))) == b"Wd"
    status = frame(b"d", b"r" + bytes(33))
    assert rig.ask(status) == [status]
    assert kinds(rig.ask(COPY_DONE)) == b"c"
    said = rig.say(frame(b"d", b"w" + bytes(20)), COPY_DONE, DONE, command_complete("START_REPLICATION"), READY)
    assert kinds(said) == b"dcCCZ"
    assert [status for _, status, _ in rig.outcomes()] == ["ok"]
    assert rig.session.idle


def test_data_without_a_plan_is_never_handed_on() -> None:
    rig = Rig()
    rig.ask(EMAILS)
    rig.say(SECRET_ROW)
    assert rig.session.ending
    assert SECRET not in rig.to_client
    rig = Rig()
    rig.ask(EMAILS)
    rig.say(COPY_OUT, frame(b"d", SECRET))
    assert rig.session.ending
    assert SECRET not in rig.to_client
    rig = Rig(ALL)
    rig.ask(frame(b"F", pack("!ihhh", 1234, 0, 0, 0)))
    assert rig.to_server[-len(REFUSED_QUERY) :] == REFUSED_QUERY, "its code cannot be read here"


def test_function_call_of_those_who_see_everything_has_an_outcome() -> None:
    rig = Rig(CLEAR)
    rig.ask(frame(b"F", pack("!ihhh", 1234, 0, 0, 0)))
    said = rig.say(frame(b"V", pack("!i", 1) + b"x"), READY)
    assert kinds(said) == b"VZ"
    assert rig.outcomes() == [("UNKNOWN", "ok", 0)]


QUOTING = failure("23505", 'duplicate key value violates unique constraint "customers_email_key"', SECRET.decode())


def test_values_in_errors_and_notices_of_masked_tables_are_withheld() -> None:
    rig = Rig(WRITE)
    rig.ask(query("update customers set city = 'x' where id = 1"))
    said = rig.say(notice_response("NOTICE", "00000", f"saw {SECRET.decode()}"), QUOTING, READY)
    assert kinds(said) == b"NEZ"
    assert SECRET not in b"".join(said)
    assert "customers_email_key" in field("M", said[1])
    rig = Rig(CLEAR)
    rig.ask(query("update customers set city = 'x' where id = 1"))
    rig.say(QUOTING, READY)
    assert SECRET in rig.to_client


def test_deferred_constraint_that_fails_at_commit_quotes_nothing() -> None:
    rig = Rig(WRITE)
    rig.ask(query("begin"))
    rig.say(command_complete("BEGIN"), IN_TRANSACTION)
    rig.ask(query("update customers set city = 'x' where id = 1"))
    rig.say(command_complete("UPDATE 1"), IN_TRANSACTION)
    assert rig.session.tainted is not None
    rig.ask(query("select 1; commit"))
    said = rig.say(VALUE, DONE, QUOTING, READY)
    assert SECRET not in b"".join(said)
    assert rig.session.tainted is None


def test_deferred_constraint_that_fails_at_sync_quotes_nothing() -> None:
    rig = Rig(WRITE)
    rig.ask(parse("", "update customers set city = 'x' where id = 1"), bind("", ""), execute(""), SYNC)
    said = rig.say(PARSED, BOUND, NO_DATA, command_complete("UPDATE 1"), QUOTING, READY)
    assert kinds(said) == b"12CEZ"
    assert SECRET not in b"".join(said)
    assert rig.outcomes() == [("UPDATE", "ok", 1)]
    assert rig.session.tainted is None


def test_error_out_of_turn_in_a_transaction_quotes_nothing() -> None:
    rig = Rig(WRITE)
    rig.ask(query("begin; update customers set city = 'x' where id = 1"))
    rig.say(command_complete("BEGIN"), command_complete("UPDATE 1"), IN_TRANSACTION)
    rig.say(error_response("FATAL", "57P01", "gone", SECRET.decode()))
    assert SECRET not in rig.to_client
    rig.session.server_gone(rig.now)
    assert rig.session.ending
    assert kinds(cut(rig.to_client)).count(b"E") == 1  # the server's own last word is enough


def test_error_skips_to_sync_and_what_was_skipped_did_not_run() -> None:
    rig = Rig()
    rig.ask(parse("", "select 1"), bind("", ""), execute(""), execute(""), query("select 2"), SYNC, query("select 3"))
    said = rig.say(PARSED, BOUND, failure("22012"), READY)
    assert kinds(said) == b"12EZ"
    assert [status for _, status, _ in rig.outcomes()] == ["error", "not-run", "not-run"]
    rig.say(VALUE, DONE, READY)
    assert rig.outcomes()[-1] == ("SELECT", "ok", 1)
    assert rig.session.idle


def test_fatal_error_over_a_refused_statement_stays_fatal() -> None:
    rig = Rig()
    rig.ask(query("drop table orders"))
    (said,) = rig.say(error_response("FATAL", "57P01", "terminating connection due to administrator command"))
    assert field("S", said) == "FATAL"


def test_refusal_is_in_our_words_also_for_a_client_that_said_goodbye() -> None:
    rig = Rig()
    rig.ask(query("drop table orders"), frame(b"X"))
    said = rig.say(failure("42601", 'syntax error at or near "sluice_refused"'))
    assert field("C", said[0]) == "42501"


def test_notifications_pass() -> None:
    rig = Rig()
    told = frame(b"A", pack("!i", 7) + b"channel\0\0")
    assert rig.say(told) == [told]


UNASKED = [
    PARSED, BOUND, CLOSED, NO_DATA, SUSPENDED, DONE, READY, EMAIL, SECRET_ROW, COPY_OUT, COPY_DONE,
    copy_in_response(1), frame(b"W", b"\0\0\0"), frame(b"I"), frame(b"V", pack("!i", -1)), frame(b"t", b"\0\0"),
    frame(b"d", b"x"), frame(b"R", bytes(4)), frame(b"K", bytes(8)), frame(b"?"), b"T\0\0\0\3", b"T\xff\xff\xff\xff",
    b"D\0\0\0\4",
]  # fmt: skip


@pytest.mark.parametrize("answer", UNASKED)
def test_answer_to_nothing_that_was_asked_ends_the_session(answer: bytes) -> None:
    rig = Rig(CLEAR)
    said = rig.say(answer)
    assert rig.session.ending
    assert [field("S", said[0]), field("C", said[0])] == ["FATAL", "08P01"]
    assert kinds(said) == b"E"


@pytest.mark.parametrize(
    "answers",
    [
        [DONE, DONE], [READY], [frame(b"I")], [SUSPENDED], [PARSED], [EMAIL, data_row(SECRET, SECRET)], [frame(b"Z")],
        [DONE, frame(b"Z")], [DONE, frame(b"Z", b"II")], [frame(b"T", b"\0")], [DONE, EMAIL], [DONE, SECRET_ROW],
        [frame(b"C", b"SELECT 1")],
    ],
)  # fmt: skip
def test_answers_that_do_not_follow_from_one_query_end_the_session(answers: list[bytes]) -> None:
    rig = Rig()
    rig.ask(EMAILS)
    rig.say(*answers)
    assert rig.session.ending
    assert SECRET not in rig.to_client


@pytest.mark.parametrize("answer", [PARSED, BOUND, DONE, SECRET_ROW, NO_DATA, copy_in_response(1), READY])
@pytest.mark.parametrize("asked", [[query("drop table orders")], [parse("s", "drop table orders")], [bind("", "no")]])
def test_what_was_refused_can_only_fail(asked: list[bytes], answer: bytes) -> None:
    rig = Rig()
    rig.ask(*asked)
    rig.say(answer)
    assert rig.session.ending
    assert SECRET not in rig.to_client


def test_suspended_portal_of_nothing_ends_the_session() -> None:
    rig = Rig()
    rig.ask(execute("nowhere"), SYNC)
    rig.say(SUSPENDED)
    assert rig.session.ending


GOOD = [
    *UNASKED, VALUE, FAILED, IN_TRANSACTION, failure("23505", SECRET.decode()), frame(b"E"), frame(b"E", b"\0"),
    frame(b"N", b"SNOTICE\0"), frame(b"S", b"client_encoding"), frame(b"S", b"standard_conforming_strings\0off\0"),
    frame(b"A"), command_complete("INSERT 0 1"), frame(b"C", b"\xff\0"),
    frame(b"T", description(("a", CUSTOMERS, 3, VARCHAR))[:-3]),
]  # fmt: skip
TEXTS = (
    EMAILS, query("copy customers to stdout"), query("copy customers from stdin"), query("select 1; select 2"),
    query("drop table orders"), query(""), parse("s", "select email from customers"), bind("p", "s"), execute("p"),
    describe("P", "p"), describe("S", "s"), execute("p", 1), SYNC, FLUSH, frame(b"F", bytes(10)),
)  # fmt: skip


def mutate(message: bytes, at: int, value: int) -> bytes:
    changed = bytearray(message)
    changed[at % len(changed)] = value
    return bytes(changed)


ANSWERS = st.one_of(
    st.sampled_from(GOOD),
    st.builds(mutate, st.sampled_from(GOOD), st.integers(0, 60), st.integers(0, 255)),
    st.binary(max_size=30),
)


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from([READ, WRITE, ALL]),
    st.lists(st.one_of(st.sampled_from(TEXTS), ANSWERS.map(lambda one: (one,))), max_size=24),
)
def test_whatever_the_server_says_only_the_session_ends(policy: str, steps: list[bytes | tuple[bytes]]) -> None:
    rig = Rig(policy)
    for step in steps:
        if rig.session.ending:
            break
        if isinstance(step, tuple):
            rig.say(step[0])
        else:
            rig.ask(step)
            rig.again()
    rig.close()
    assert rig.chain.open_intents == 0
    assert rig.intents() == len([entry for entry in rig.entries() if entry.kind == "outcome"])


def test_sessions_do_not_share_what_goes_wrong() -> None:
    one, other = Rig(), Rig()
    one.say(READY)
    assert one.session.ending
    other.ask(EMAILS)
    assert kinds(other.say(EMAIL, SECRET_ROW, DONE, READY)) == b"TDCZ"
    assert not other.session.ending


def test_rows_that_are_under_way_get_the_masks_of_labels_learned_meanwhile() -> None:
    rig = Rig(READ)
    city = frame(b"T", description(("city", CUSTOMERS, 4, VARCHAR)))
    rig.ask(query("select city from customers"))
    assert rig.say(city, SECRET_ROW) == [city, SECRET_ROW]
    catalog = rig.session.scope.catalog
    catalog.newer = merged(catalog, [Learned("public", "customers", "city", "email", "copied")], 2)
    assert SECRET not in b"".join(rig.say(SECRET_ROW, SECRET_ROW, DONE, READY))


def test_copy_that_is_under_way_is_masked_by_labels_learned_meanwhile_or_ends() -> None:
    for options, goes_on in ((b"", True), (b" (format binary)", False)):
        rig = Rig(READ)
        rig.ask(frame(b"Q", b"copy (select city from customers) to stdout" + options + b"\0"))
        rig.say(frame(b"H", bytes(3)))
        catalog = rig.session.scope.catalog
        catalog.newer = merged(catalog, [Learned("public", "customers", "city", "email", "copied")], 2)
        told = b"".join(rig.say(frame(b"d", SECRET + b"\n")))
        assert SECRET not in told
        assert rig.session.ending is not goes_on
