"""From the client: lengths and types, what passes byte for byte, and what never passes."""

import random
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.session.inflight import RESYNC, Ask
from gateway.session.lengths import COPY_DATA_BYTES_MAX, limits
from gateway.session.understand import REFUSED_EXTENDED, REFUSED_QUERY, REFUSED_UNNAMED
from parser.messages import (
    bind,
    close,
    command_complete,
    copy_in_response,
    describe,
    execute,
    frame,
    parameter_status,
    parse,
    password_message,
    query,
    startup_message,
)
from tests.gateway.session.rig import (
    ALL,
    BOUND,
    CLEAR,
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
    SYNC,
    VALUE,
    WRITE,
    Rig,
    cut,
    failure,
    field,
    kinds,
)  # fmt: skip

CAP = 1 << 16
TYPES = b"QPBDECFSHdcfX"
STATES = ("idle", "in copy", "late copy", "waiting", "skipping")
COPY = query("copy orders from stdin")


def rig_in(state: str) -> Rig:
    rig = Rig(READ if state in ("late copy", "skipping") else WRITE)
    match state:
        case "in copy":
            rig.ask(COPY)
            rig.say(copy_in_response(1))
        case "late copy":
            rig.ask(COPY)
            assert kinds(cut(rig.to_client)) == b"G"
        case "waiting":
            rig.ask(query("prepare a as select 1"), query("select 1"))
            assert rig.session.waiting
        case "skipping":
            rig.ask(parse("", "drop table orders"))
            rig.say(failure("42601"))
            assert rig.session.skipping
    return rig


def settled(rig: Rig) -> None:
    """The answer that a waiting client waits for."""
    if rig.session.waiting:
        rig.say(command_complete("PREPARE"), READY)
        rig.again()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", TYPES)
def test_length_out_of_range_ends_the_session_and_nothing_of_it_is_forwarded(kind: int, state: str) -> None:
    cap = limits(CAP)[kind]
    for length in {0, 1, 2, 3, cap + 1, 2**31 - 1, 2**31, 2**32 - 1}:
        if length == cap:
            continue
        rig = rig_in(state)
        before = len(rig.to_server)
        rig.ask(bytes([kind]) + pack("!I", length) + b"select 1\0")
        forwarded = rig.to_server[before:]
        settled(rig)
        assert rig.session.ending, (state, chr(kind), length)
        last = cut(rig.to_client)[-1]
        assert (field("S", last), field("C", last)) == ("FATAL", "08P01")
        assert b"select 1" not in forwarded
        assert not rig.session.client_rest


@pytest.mark.parametrize("kind", b"QPBDECFf")
def test_memory_grows_with_bytes_received_never_with_bytes_announced(kind: int) -> None:
    cap = limits(CAP)[kind]
    for length in (cap - 1, cap):
        rig = rig_in("idle")
        rig.ask(bytes([kind]) + pack("!I", length))
        assert not rig.session.ending
        assert len(rig.session.client_rest) == 5
        rig.ask(b"x" * 100)
        assert len(rig.session.client_rest) == 105
        assert rig.to_server == b""


def test_longest_query_passes_whole() -> None:
    rig = Rig(frame_bytes_max=CAP)
    text = "select '" + "x" * (CAP - 4 - 10) + "'"
    sent = query(text)
    assert len(sent) == CAP + 1
    assert rig.ask(sent) == [sent]
    assert not rig.session.ending


@pytest.mark.parametrize("state", STATES)
def test_types_that_have_no_place_after_sign_in_end_the_session(state: str) -> None:
    known = set(TYPES)
    for kind in range(256):
        if kind in known:
            continue
        rig = rig_in(state)
        before = rig.to_server
        rig.ask(bytes([kind]) + pack("!I", 8) + b"abc\0")
        if not rig.session.waiting:
            assert rig.to_server == before
        settled(rig)
        assert rig.session.ending, (state, kind)
        assert field("C", cut(rig.to_client)[-1]) == "08P01"


@pytest.mark.parametrize("message", [password_message("secret"), startup_message([("user", "bob")])])
def test_nobody_signs_in_twice(message: bytes) -> None:
    rig = Rig()
    assert rig.ask(message) == []
    assert rig.session.ending
    assert "secret" not in repr(rig.to_client)


@pytest.mark.parametrize(
    "body",
    [
        frame(b"Q"), frame(b"Q", b"select 1"), frame(b"Q", b"select 1\0select 2\0"), frame(b"P", b"s\0select 1"),
        frame(b"P", b"s"), frame(b"B", b"\0"), frame(b"B", b"x"), frame(b"E", b"\0"), frame(b"E", b"\0\0\0\0\0\0"),
        frame(b"D", b"X\0"), frame(b"D", b"S"), frame(b"D", b"Sa\0b\0"), frame(b"C", b"P"), frame(b"C", b"Qa\0"),
    ],
)  # fmt: skip
def test_frame_that_is_not_what_its_type_says_ends_the_session(body: bytes) -> None:
    rig = Rig()
    assert rig.ask(body) == []
    assert field("C", cut(rig.to_client)[0]) == "08P01"


def test_what_the_decision_saw_is_what_is_forwarded_however_it_is_cut() -> None:
    rng = random.Random(7)
    texts = ["select 1", "select email from customers where id = 7", "begin", "select count(*) from orders", ""]
    for _ in range(60):
        sent = []
        for _ in range(rng.randrange(1, 8)):
            if rng.random() < 0.5:
                sent.append(query(rng.choice(texts)))
            else:
                sent += [parse("", rng.choice(texts)), bind("", "", [b"\0Q\0\0\0\x0cselect\0", None]), execute(""), SYNC]
        rig, left = Rig(CLEAR), b"".join(sent)
        while left:
            size = rng.randrange(1, 90)
            rig.ask(left[:size])
            left = left[size:]
        assert rig.to_server == b"".join(sent)
        executions = sum(one[:1] in b"QE" and one != query("") for one in cut(rig.to_server))
        empty = sum(before[:1] == b"P" and before == parse("", "") for before in sent)
        assert rig.intents() == executions - empty


def test_refused_query_becomes_one_that_fails_and_the_client_reads_why() -> None:
    rig = Rig()
    assert rig.ask(query("delete from orders where id = 1")) == [REFUSED_QUERY]
    said = rig.say(failure("42601", 'syntax error at or near "sluice_refused"'), READY)
    assert kinds(said) == b"EZ"
    assert field("C", said[0]) == "42501"
    assert "sluice_refused" not in repr(said)
    assert field("D", said[0]).startswith("Audit record host-0.")
    assert rig.outcomes() == [("DELETE", "refused", 0)]


def test_refused_parse_fails_where_it_stands_and_the_rest_is_skipped() -> None:
    rig = Rig()
    assert rig.ask(parse("s", "drop table orders"), bind("", "s"), execute(""), SYNC) == [
        REFUSED_EXTENDED, REFUSED_EXTENDED, REFUSED_EXTENDED, SYNC,
    ]  # fmt: skip
    said = rig.say(failure("42601"), READY)
    assert [field("C", said[0]), kinds(said)] == ["42501", b"EZ"]
    assert rig.outcomes() == [("DROP TABLE", "refused", 0)]


def test_placeholder_of_a_refused_execute_cannot_be_made_to_run() -> None:
    """Whatever names the client takes, the placeholder is read before any name is looked up."""
    assert REFUSED_EXTENDED[:1] == b"P"
    assert parse("sluice_refused", "sluice_refused") == REFUSED_EXTENDED


def test_every_type_reaches_the_server_only_with_an_intent_or_none_needed() -> None:
    free = {
        b"P": parse("s", "select 1"), b"B": bind("", "s"), b"D": describe("S", "s"), b"C": close("S", "s"), b"S": SYNC,
        b"H": FLUSH, b"X": frame(b"X"),
    }  # fmt: skip
    for kind, message in free.items():
        rig = Rig()
        rig.ask(parse("s", "select 1"), FLUSH)
        rig.say(PARSED)
        assert rig.ask(message) == [message], kind
        assert rig.intents() == 0
    for message in (frame(b"d", b"1\n"), COPY_DONE, frame(b"f", b"no\0")):
        rig = Rig()
        assert rig.ask(message) == []  # the server would ignore them
        assert not rig.session.ending
    rig = Rig()
    rig.ask(parse("s", "select 1"), bind("", "s"), execute(""), query("select 2"))
    assert rig.intents() == 2


def test_function_call_is_refused_unless_everything_is_allowed() -> None:
    call = frame(b"F", pack("!ihhh", 1234, 0, 0, 0))
    rig = Rig(WRITE)
    assert rig.ask(call) == [REFUSED_QUERY]
    assert kinds(rig.say(failure("42601"), READY)) == b"EZ"
    assert rig.outcomes() == [("UNKNOWN", "refused", 0)]
    rig = Rig(CLEAR)
    assert rig.ask(call) == [call]
    assert not rig.session.ending


def test_refused_copy_from_stdin_is_refused_late_and_its_data_goes_nowhere() -> None:
    rig = Rig()
    assert rig.ask(COPY) == []
    assert kinds(cut(rig.to_client)) == b"G"
    data = frame(b"d", b"1\tselect secret\n")
    sent = [data, frame(b"d", b"\\! touch x\n" * 30_000), FLUSH, SYNC, data]
    for message in sent:
        for at in range(0, len(message), 70_001):
            assert rig.ask(message[at : at + 70_001]) in ([], [FLUSH])
    assert len(rig.session.client_rest) < 100
    assert rig.ask(COPY_DONE) == [REFUSED_QUERY]
    said = rig.say(failure("42601"), READY)
    assert [kinds(said), field("C", said[0])] == [b"EZ", "42501"]
    assert rig.outcomes() == [("COPY FROM", "refused", 0)]
    assert rig.ask(query("select 1")) == [query("select 1")]


def test_copy_data_longer_than_a_chunk_is_handed_on_as_it_comes() -> None:
    rig = rig_in("in copy")
    before = len(rig.to_server)
    data = frame(b"d", b"x" * 1_000_000) + frame(b"d", b"y") + COPY_DONE
    for at in range(0, len(data), 60_000):
        rig.ask(data[at : at + 60_000])
        assert not rig.session.client_rest
    assert rig.to_server[before:] == data
    assert kinds(rig.say(command_complete("COPY 2"), READY)) == b"CZ"
    assert rig.outcomes() == [("COPY FROM", "ok", 2)]
    assert limits(CAP)[ord("d")] == COPY_DATA_BYTES_MAX


def test_copy_in_the_extended_protocol_ends_with_the_sync_behind_its_data() -> None:
    rig = Rig(WRITE)
    rig.ask(parse("", "copy orders from stdin"), bind("", ""), execute(""), SYNC)
    assert kinds(rig.say(PARSED, BOUND, NO_DATA, copy_in_response(1))) == b"12G"
    assert rig.ask(frame(b"d", b"1\n"), COPY_DONE, SYNC) == [frame(b"d", b"1\n"), COPY_DONE, SYNC]
    assert kinds(rig.say(command_complete("COPY 1"), READY)) == b"CZ"
    assert rig.session.idle
    assert rig.outcomes() == [("COPY FROM", "ok", 1)]


def test_error_in_the_middle_of_a_copy_brings_one_ready_for_query() -> None:
    """As libpq does it: Sync behind Execute, which the server ignores, and another behind the end of the data."""
    for _ in range(2):
        rig = Rig(WRITE)
        rig.ask(parse("", "copy orders from stdin"), bind("", ""), execute(""), SYNC)
        rig.say(PARSED, BOUND, NO_DATA, copy_in_response(1))
        rig.ask(frame(b"d", b"1\n"))
        before = len(rig.to_server)
        assert kinds(rig.say(failure("22P02"))) == b"E"
        rig.ask(frame(b"d", b"2\n"), COPY_DONE, SYNC)
        assert cut(rig.to_server[before:]) == [SYNC]
        assert kinds(rig.say(READY)) == b"Z"
        assert rig.session.idle
        assert rig.outcomes() == [("COPY FROM", "error", 0)]


def test_copy_that_fails_before_it_begins_is_answered_for_the_sync_that_was_kept_back() -> None:
    rig = Rig(WRITE)
    rig.ask(parse("", "copy orders from stdin"), bind("", ""), execute(""), SYNC)
    rig.say(PARSED, BOUND, NO_DATA, failure("42501"))
    assert rig.to_server.endswith(SYNC)
    assert kinds(rig.say(READY)) == b"Z"
    assert rig.session.idle


def test_sync_while_the_server_takes_data_is_ignored_as_the_server_does() -> None:
    rig = rig_in("in copy")
    assert rig.ask(SYNC, frame(b"d", b"1\n"), SYNC) == [frame(b"d", b"1\n")]
    assert kinds(rig.say(failure("22P02"), READY)) == b"EZ"
    assert rig.session.idle
    assert rig.outcomes() == [("COPY FROM", "error", 0)]


def test_sync_behind_a_simple_copy_that_never_begins_is_answered() -> None:
    rig = Rig(WRITE)
    rig.ask(COPY, SYNC)
    assert kinds(rig.say(failure("42P01"), READY)) == b"EZ"
    assert rig.to_server.endswith(SYNC)
    assert kinds(rig.say(READY)) == b"Z"
    assert rig.session.idle


def test_copy_fail_is_handed_on() -> None:
    rig = rig_in("in copy")
    fail = frame(b"f", b"changed my mind\0")
    assert rig.ask(frame(b"d", b"1\n"), fail) == [frame(b"d", b"1\n"), fail]
    assert kinds(rig.say(failure("57014"), READY)) == b"EZ"
    assert rig.outcomes() == [("COPY FROM", "cancelled", 0)]


def test_copies_of_one_text_follow_each_other() -> None:
    rig = Rig(WRITE)
    rig.ask(query("copy orders from stdin; copy invoices from stdin"))
    for tag in ("COPY 1", "COPY 2"):
        rig.say(copy_in_response(1))
        assert rig.ask(frame(b"d", b"1\n"), COPY_DONE) == [frame(b"d", b"1\n"), COPY_DONE]
        rig.say(command_complete(tag))
    rig.say(READY)
    assert rig.session.idle
    assert rig.outcomes() == [("COPY FROM", "ok", 1), ("COPY FROM", "ok", 2)]


def test_copy_fully_pipelined_in_the_extended_protocol() -> None:
    rig = Rig(WRITE)
    sent = [parse("", "copy orders from stdin"), bind("", ""), execute(""), frame(b"d", b"1\n"), COPY_DONE, SYNC]
    rig.ask(*sent)
    said = rig.say(PARSED, BOUND, NO_DATA, copy_in_response(1), command_complete("COPY 1"), READY)
    assert kinds(said) == b"12GCZ"
    assert [one for one in cut(rig.to_server) if one[:1] != b"D"] == sent
    assert not rig.session.ending
    assert rig.session.idle


def test_sync_before_the_data_of_an_earlier_copy_is_not_sent_again_for_a_later_one() -> None:
    rig = Rig(WRITE)
    rig.ask(parse("", "copy orders from stdin"), bind("", ""), execute(""), SYNC)
    rig.say(PARSED, BOUND, NO_DATA, copy_in_response(1))
    rig.ask(COPY_DONE, SYNC)
    rig.say(command_complete("COPY 0"), READY)
    rig.ask(parse("", "copy orders from stdin"), bind("", ""), execute(""), FLUSH)
    rig.say(PARSED, BOUND, NO_DATA, copy_in_response(1))
    before = len(rig.to_server)
    rig.say(failure("22P02"))
    assert rig.to_server[before:] == b""


def test_message_that_is_no_copy_data_ends_a_session_in_copy() -> None:
    for state in ("in copy", "late copy"):
        rig = rig_in(state)
        assert rig.ask(query("select 1")) == []
        assert field("C", cut(rig.to_client)[-1]) == "08P01"


def test_hidden_describe_goes_before_an_execute_whose_rows_may_be_masked() -> None:
    rig = Rig()
    sent = rig.ask(parse("s", "select email from customers"), bind("", "s"), execute(""), SYNC)
    assert kinds(sent) == b"PBDES"
    said = rig.say(PARSED, BOUND, EMAIL, SECRET_ROW, DONE, READY)
    assert kinds(said) == b"12DCZ"  # the description was not asked for by the client
    assert SECRET not in b"".join(said)
    assert kinds(Rig(CLEAR).ask(parse("s", "select email from customers"), bind("", "s"), execute(""))) == b"PBE"
    assert kinds(Rig().ask(parse("s", "select item from orders"), bind("", "s"), execute(""))) == b"PBE"
    described = Rig().ask(parse("s", "select email from customers"), bind("", "s"), describe("P", ""), execute(""))
    assert kinds(described) == b"PBDE"


def test_portal_whose_describe_was_skipped_is_described_again() -> None:
    rig = Rig()
    rig.ask(query("begin"))
    rig.say(command_complete("BEGIN"), IN_TRANSACTION)
    rig.ask(parse("s", "select email from customers"), bind("p", "s"), SYNC)
    rig.say(PARSED, BOUND, IN_TRANSACTION)
    rig.ask(query("savepoint a"), parse("", "nonsense from nowhere"), describe("P", "p"), SYNC)
    rig.say(command_complete("SAVEPOINT"), IN_TRANSACTION, failure("42601"), IN_TRANSACTION)
    rig.ask(query("rollback to a"))
    rig.say(command_complete("ROLLBACK"), IN_TRANSACTION)
    assert kinds(rig.ask(execute("p"), SYNC)) == b"DES"
    said = rig.say(EMAIL, SECRET_ROW, DONE, IN_TRANSACTION)
    assert kinds(said) == b"DCZ"
    assert SECRET not in b"".join(said)


def test_text_is_read_again_only_when_the_server_has_said_how() -> None:
    """Behind SET standard_conforming_strings in one pipeline nothing is read before the answer."""
    rig = Rig(ALL)
    rig.ask(query("set standard_conforming_strings = off"), query("select 'a\\' || email from customers --'"))
    assert kinds(cut(rig.to_server)) == b"Q"
    rig.say(command_complete("SET"), parameter_status("standard_conforming_strings", "off"), READY)
    assert kinds(rig.again()) == b"Q"
    assert not rig.session.scope.strings_conform


def test_reading_that_may_come_back_with_a_rollback_is_waited_for() -> None:
    rig = Rig(ALL)
    for text, tag in (("begin", "BEGIN"), ("set standard_conforming_strings = off", "SET")):
        rig.ask(query(text))
        rig.say(command_complete(tag), parameter_status("standard_conforming_strings", "off"), IN_TRANSACTION)
    trick = "select 'a\\' || email from customers --'"
    sent = rig.ask(query("rollback"), query(trick))
    assert sent == [query("rollback")]
    rig.say(command_complete("ROLLBACK"), parameter_status("standard_conforming_strings", "on"), READY)
    assert rig.again() == [query(trick)]
    said = rig.say(VALUE, SECRET_ROW, DONE, READY)
    assert SECRET not in b"".join(said)


def test_prepared_text_keeps_the_reading_it_was_prepared_with() -> None:
    rig = Rig(ALL)
    rig.ask(parse("s", "select 'a\\' || email from customers --'"), SYNC)
    rig.say(PARSED, READY)
    rig.ask(query("set standard_conforming_strings = off"))
    rig.say(command_complete("SET"), parameter_status("standard_conforming_strings", "off"), READY)
    sent = rig.ask(bind("", "s"), execute(""), SYNC)
    assert kinds(sent) == b"BDES"
    said = rig.say(BOUND, VALUE, SECRET_ROW, DONE, READY)
    assert SECRET not in b"".join(said)


@pytest.mark.parametrize("encoding", ["SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004"])
def test_text_in_an_encoding_that_hides_ascii_needs_every_right(encoding: str) -> None:
    rig = Rig(WRITE, parameters=[("client_encoding", encoding)])
    assert rig.ask(query("select 1")) == [REFUSED_QUERY]
    rig = Rig(CLEAR, parameters=[("client_encoding", encoding)])
    assert rig.ask(query("select 1")) == [query("select 1")]


def test_encoding_that_changes_in_a_pipeline_leaves_what_follows_unread() -> None:
    rig = Rig(ALL)
    rig.ask(parse("", "set client_encoding = 'SJIS'"), bind("", ""), execute(""), parse("", "select item from orders"))
    rig.say(PARSED, BOUND, command_complete("SET"))
    assert rig.again() == [REFUSED_UNNAMED]  # what it shows may be anything
    assert rig.session.lexing_doubt
    rig.say(failure("42601"))
    assert kinds(rig.ask(bind("", ""), execute(""), SYNC)) == b"S"
    rig.say(parameter_status("client_encoding", "SJIS"), READY)
    assert not rig.session.encoding_safe
    assert not rig.session.lexing_doubt


def test_execute_in_the_text_of_unreadable_code_is_unknown() -> None:
    rig = Rig(ALL)
    rig.ask(query("prepare a as select 1"))
    rig.say(command_complete("PREPARE"), READY)
    rig.ask(query("do $$ begin execute 'deallocate a' ; end $$; execute a"))
    said = rig.say(command_complete("DO"), VALUE, SECRET_ROW, DONE, READY)
    assert SECRET not in b"".join(said)


def test_prepared_statement_is_judged_again_when_the_policy_moved() -> None:
    rig = Rig(WRITE)
    rig.ask(parse("s", "insert into orders values (1)"), bind("", "s"), execute(""), SYNC)
    rig.say(PARSED, BOUND, frame(b"n"), command_complete("INSERT 0 1"), READY)
    rig.policy = READ
    rig.session.scope.stale = True
    assert rig.ask(bind("", "s"), execute(""), SYNC) == [bind("", "s"), REFUSED_EXTENDED, SYNC]
    said = rig.say(BOUND, failure("42601"), READY)
    assert field("C", said[1]) == "42501"
    assert [status for _, status, _ in rig.outcomes()] == ["ok", "refused"]
    assert rig.rescoped == 1


def test_warning_of_a_guardrail_reaches_the_client_as_a_notice() -> None:
    rails = WRITE + '\n[[guardrail]]\nname = "careful"\neffect = "warn"\ntables = ["orders"]\nmessage = "shared table"\n'
    rig = Rig(rails)
    assert kinds(rig.ask(query("select 1 from orders"))) == b"Q"
    (notice,) = cut(rig.to_client)
    assert notice[:1] == b"N"
    assert "careful" in field("M", notice)
    rig.say(VALUE, DONE, READY)
    rig.ask(parse("", "select 1 from orders"), bind("", ""), execute(""), SYNC)
    assert kinds(cut(rig.to_client)).count(b"N") == 2


def test_nothing_is_read_behind_terminate_once_all_is_answered() -> None:
    rig = Rig()
    assert rig.ask(frame(b"X"), query("select 1")) == [frame(b"X")]
    assert rig.session.ending
    assert rig.to_client == b""
    assert rig.intents() == 0


SENT = (
    query("select 1"), query("execute a"), query("prepare a as select 1"), COPY, parse("s", "select email from customers"),
    parse("s", "fetch c"), bind("p", "s", [b"x", None]), execute("p", 5), describe("S", "s"), describe("P", "p"),
    close("S", "s"), SYNC, FLUSH, frame(b"F", bytes(10)), frame(b"d", b"1\n"), COPY_DONE, frame(b"f", b"no\0"), frame(b"X"),
)  # fmt: skip


def mutate(message: bytes, at: int, value: int) -> bytes:
    changed = bytearray(message)
    changed[at % len(changed)] = value
    return bytes(changed)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([READ, WRITE, ALL]),
    st.lists(
        st.one_of(
            st.sampled_from(SENT),
            st.builds(mutate, st.sampled_from(SENT), st.integers(0, 60), st.integers(0, 255)),
            st.binary(max_size=30),
            st.sampled_from([None, None]),
        ),
        max_size=20,
    ),
)
def test_whatever_the_client_sends_only_the_session_ends(policy: str, steps: list[bytes | None]) -> None:
    """None: the server, which fails whatever it is asked next."""
    rig = Rig(policy)
    for step in steps:
        if step is not None:
            rig.ask(step)
        elif rig.session.queue and not rig.session.ending:
            resynchronises = rig.session.queue[0].ask in RESYNC
            rig.say(*([READY] if rig.session.queue[0].ask == Ask.SYNC else [failure("22012")]))
            if resynchronises and rig.session.queue and rig.session.queue[0].ask != Ask.SYNC:
                rig.say(READY)
            rig.again()
    rig.close()
    assert rig.chain.open_intents == 0
