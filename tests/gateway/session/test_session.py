"""The doors of a session: how it ends, what a failing audit does, and that every intent has exactly one outcome."""

import random
from struct import pack

import pytest

from gateway.errors import Refusal, Refused
from gateway.scope import Scope
from gateway.session.inflight import Ask
from gateway.session.session import Session
from gateway.session.understand import REFUSED_EXTENDED, REFUSED_QUERY, failing_frame
from parser.messages import bind, command_complete, copy_in_response, execute, frame, parse, query
from parser.messages import parameter_status as server_sets
from tests.gateway.session.rig import (
    AUDIT_FAILS,
    BOUND,
    CLEAR,
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
    WRITE,
    Rig,
    cut,
    failure,
    field,
    kinds,
)  # fmt: skip


def test_audit_that_fails_refuses_queries_and_the_client_reads_why() -> None:
    rig = Rig()
    assert rig.ask(query("select 1"), audit_fails=True) == [REFUSED_QUERY]
    said = rig.say(failure("42601"), READY)
    assert [field("C", said[0]), field("D", said[0])] == ["58030", ""]
    assert rig.chain.open_intents == 0
    assert rig.session.idle


def test_audit_that_fails_refuses_executes_and_keeps_the_pipeline_whole() -> None:
    rig = Rig(WRITE)
    sent = rig.ask(parse("", "delete from orders where id = 1"), bind("", ""), execute(""), SYNC, audit_fails=True)
    assert REFUSED_EXTENDED in sent
    assert kinds(sent) == b"PBDPS"
    said = rig.say(PARSED, BOUND, NO_DATA, failure("42601"), READY)
    assert kinds(said) == b"12EZ"
    assert field("C", said[2]) == "58030"
    assert rig.session.idle
    assert rig.outcomes() == []


def test_audit_that_fails_refuses_function_calls_so_that_they_are_answered() -> None:
    rig = Rig(CLEAR)
    assert rig.ask(frame(b"F", pack("!ihhh", 1, 0, 0, 0)), audit_fails=True) == [REFUSED_QUERY]
    assert kinds(rig.say(failure("42601"), READY)) == b"EZ"
    assert rig.session.idle


def test_audit_that_fails_leaves_what_was_on_record_before_alone() -> None:
    rig = Rig()
    rig.ask(query("select 1"))
    rig.chain.take(rig.now)
    rig.chain.committed()
    assert rig.ask(query("select 2"), audit_fails=True) == [REFUSED_QUERY]
    said = rig.say(VALUE, DONE, READY, failure("42601"), READY)
    assert kinds(said) == b"TCZEZ"
    assert rig.chain.open_intents == 0


def test_refusal_whose_intent_is_not_on_record_names_no_record() -> None:
    rig = Rig()
    assert rig.ask(query("drop table orders"), audit_fails=True) == [REFUSED_QUERY]
    said = rig.say(failure("42601"), READY)
    assert [field("C", said[0]), field("D", said[0])] == ["42501", ""]


@pytest.mark.parametrize("fate", ["client-gone", "unresolved", "drained"])
def test_close_gives_what_is_outstanding_its_fate_and_refusals_their_own(fate: str) -> None:
    rig = Rig()
    rig.ask(query("select 1; select 2"), query("drop table orders"))
    rig.close(fate)  # type: ignore[arg-type]
    assert [status for _, status, _ in rig.outcomes()] == [fate, fate, "refused"]
    assert rig.chain.open_intents == 0


def test_client_that_goes_while_its_copy_is_swallowed_was_refused() -> None:
    rig = Rig()
    rig.ask(query("copy orders from stdin"), frame(b"d", b"1\n"))
    assert not rig.session.idle
    rig.close()
    assert rig.outcomes() == [("COPY FROM", "refused", 0)]


def test_database_that_goes_is_named_once() -> None:
    rig = Rig()
    rig.ask(query("select 1"))
    rig.session.server_gone(rig.now)
    rig.session.server_gone(rig.now)
    assert rig.session.ending
    rig.say()
    (said,) = cut(rig.to_client)
    assert [field("S", said), field("C", said)] == ["FATAL", "08006"]


def test_database_that_goes_after_terminate_is_no_fault() -> None:
    rig = Rig()
    rig.ask(query("select 1"), frame(b"X"))
    assert not rig.session.ending
    rig.say(VALUE, DONE, READY)
    rig.session.server_gone(rig.now)
    assert rig.session.ending
    assert b"E" not in kinds(cut(rig.to_client))


def test_nothing_is_taken_after_the_end() -> None:
    rig = Rig()
    rig.session.end(Refused("57P01", "the gateway is shutting down"))
    assert rig.ask(query("select 1")) == []
    assert kinds(cut(rig.to_client)) == b"E"
    assert rig.intents() == 0


def test_right_that_is_gone_ends_the_session() -> None:
    rig = Rig()
    gone = Refused("28000", "your right to this database has ended")

    def refuse(_: Session) -> Scope:
        raise Refusal(gone)

    rig.session.rescope = refuse
    assert rig.ask(query("select 1")) != []
    rig.say(VALUE, DONE, READY)
    rig.session.scope.stale = True
    assert rig.ask(query("select 2")) == []
    said = cut(rig.to_client)[-1]
    assert [field("S", said), field("C", said)] == ["FATAL", "28000"]
    assert rig.intents() == 1


def test_right_is_asked_again_at_its_hour() -> None:
    rig = Rig()
    rig.session.until = rig.now + 5000
    rig.ask(query("select 1"))
    assert rig.rescoped == 0
    rig.now += 5000
    rig.session.until, later = rig.now, rig.now + 10**9
    rig.ask(query("select 2"))
    assert rig.rescoped == 1
    rig.session.until = later
    rig.ask(query("select 3"))
    assert rig.rescoped == 1


def test_session_that_is_held_reads_nothing_until_it_is_released() -> None:
    rig = Rig()
    rig.session.held = True
    assert rig.ask(query("select 1")) == []
    assert rig.ask(query("select 2")) == []
    assert rig.session.waiting
    rig.session.held = False
    assert rig.again() == [query("select 1"), query("select 2")]


def test_idle_is_between_transactions_with_nothing_outstanding() -> None:
    rig = Rig()
    assert rig.session.idle
    rig.ask(query("begin"))
    assert not rig.session.idle
    rig.say(command_complete("BEGIN"), IN_TRANSACTION)
    assert not rig.session.idle
    rig.ask(query("commit"))
    rig.say(command_complete("COMMIT"), READY)
    assert rig.session.idle
    rig.ask(query("select 1")[:4])
    assert not rig.session.idle


def test_relations_that_a_session_made_are_read_anew() -> None:
    rig = Rig(WRITE)
    rig.ask(query("create temp table orders as select email as item from customers"))
    rig.say(command_complete("SELECT 1"), READY)
    assert not rig.session.catalog_moved  # it is nobody else's
    rig.ask(query("select item from orders"))
    assert "orders" in rig.session.scope.made
    said = rig.say(VALUE, SECRET_ROW, DONE, READY)
    assert SECRET not in b"".join(said)  # whatever was put into it


@pytest.mark.parametrize(
    ("texts", "moved"),
    [
        (["create temp table t (a int)"], False),
        (["create temp table t (a int)", "create index on t (a)", "alter table t add b text", "drop table t"], False),
        (["create table t (a int)"], True),
        (["create temp table t (a int)", "drop table t, orders"], True),
        (["drop table pg_temp.t, orders"], True),
        (["create temp view v as select 1", "create view public.w as select 1"], True),
        (["do 'anything'"], True),
    ],
)
def test_catalogue_is_read_again_only_for_what_others_see(texts: list[str], moved: bool) -> None:
    rig = Rig(CLEAR)
    for text in texts:
        rig.ask(query(text))
        rig.say(command_complete("DONE"), READY)
    assert rig.session.catalog_moved is moved


def test_parameters_of_sign_in_are_where_the_reading_begins() -> None:
    rig = Rig(CLEAR, parameters=[("client_encoding", "SJIS"), ("standard_conforming_strings", "off"), ("TimeZone", "UTC")])
    assert (rig.session.conforming, rig.session.encoding_safe, rig.session.lexing_moved) == (False, False, False)
    rig.ask(query("select 1"))
    assert not rig.session.scope.strings_conform
    rig.say(VALUE, DONE, server_sets("client_encoding", "UTF8"), READY)
    assert rig.session.encoding_safe
    assert rig.session.lexing_moved


# --- random programs --------------------------------------------------------------------------------------------

TEXTS = (
    "select 1", "select email from customers", "select 1; select 2; select 3", "", "begin", "rollback", "drop table x",
    "prepare a as select 1", "execute a", "deallocate a", "declare c cursor for select 1", "fetch c",
    "copy orders from stdin", "copy customers to stdout", "set work_mem = '1MB'", "insert into orders values (1)",
)  # fmt: skip


def some_request(rng: random.Random) -> bytes:
    name = rng.choice(("", "s", "t"))
    return rng.choice(
        (
            query(rng.choice(TEXTS)),
            parse(name, rng.choice(TEXTS)),
            bind(rng.choice(("", "p")), name),
            execute(rng.choice(("", "p")), rng.choice((0, 1))),
            SYNC,
            frame(b"H"),
            frame(b"d", b"1\n"),
            frame(b"c"),
            frame(b"D", b"P\0"),
            frame(b"C", b"S" + name.encode() + b"\0"),
            frame(b"F", bytes(10)),
        )
    )


def some_answer(rng: random.Random) -> bytes:
    return rng.choice(
        (
            PARSED, BOUND, NO_DATA, frame(b"3"), frame(b"s"), frame(b"I"), READY, READY, READY, IN_TRANSACTION, EMAIL, VALUE,
            SECRET_ROW, DONE, DONE, command_complete("BEGIN"), failure("22012"), failure("57014"), copy_in_response(1),
            frame(b"H", bytes(3)), frame(b"c"),
        )
    )  # fmt: skip


@pytest.mark.parametrize("policy", [READ, WRITE, CLEAR])
def test_every_intent_has_exactly_one_outcome_whatever_happens(policy: str) -> None:
    ended = 0
    for seed in range(400):
        rng = random.Random(seed)
        rig = Rig(policy)
        for _ in range(rng.randrange(1, 40)):
            if rig.session.ending:
                break
            if rng.random() < 0.5:
                rig.ask(some_request(rng))
            else:
                rig.say(some_answer(rng))
                rig.again()
        ended += rig.session.ending
        rig.close(rng.choice(("client-gone", "unresolved", "drained")))
        entries = rig.entries()
        intents = [entry.id for entry in entries if entry.kind == "intent"]
        answered = [entry.intent for entry in entries if entry.outcome is not None]
        assert sorted(intents) == sorted(answered), f"seed {seed}"
        assert rig.chain.open_intents == 0
    assert 0 < ended < 400


# --- labels that travel ---

COPY = "create table copied as select email as x from customers"


def test_labels_of_what_is_copied_wait_for_the_relay_and_no_refusal_brings_any() -> None:
    rig = Rig(CLEAR)
    rig.ask(query(COPY), query("select 1"))
    assert [(one.table, one.column, one.label) for one in rig.session.learns] == [("copied", "x", "email")]
    rig = Rig(READ)
    rig.ask(query(COPY))
    assert rig.session.learns == []


def test_prepared_copy_brings_its_labels_when_it_runs() -> None:
    rig = Rig(CLEAR)
    rig.ask(parse("s", COPY), SYNC)
    rig.say(PARSED, READY)
    assert rig.session.learns == []
    rig.ask(bind("", "s", []), execute(""), SYNC)
    assert [one.table for one in rig.session.learns] == ["copied"]
    rig = Rig(CLEAR)
    rig.ask(query("prepare p as select email from customers"))
    rig.say(command_complete("PREPARE"), READY)
    assert rig.session.learns == []
    rig.ask(query("create table copied as execute p"))
    assert [(one.table, one.column, one.label) for one in rig.session.learns] == [("copied", "*", "email")]


def test_statement_whose_labels_cannot_be_written_down_is_refused_and_so_recorded() -> None:
    rig = Rig(CLEAR)
    rig.session.client(query(COPY), rig.now)
    rig.session.refuse_unlearned(AUDIT_FAILS)
    assert rig.session.to_server == [failing_frame(Ask.QUERY)]
    assert rig.session.learns == []
    rig.session.to_server.clear()
    (told, _) = rig.say(failure("42601"), READY)
    assert field("C", told) == "58030"
    assert rig.outcomes() == [("CREATE TABLE AS", "refused", 0)]


def test_temporary_table_carries_labels_whatever_becomes_of_its_certainty() -> None:
    rig = Rig(CLEAR)
    rig.ask(query("create temp table mine as select email as x from customers"))
    rig.say(command_complete("SELECT 1"), READY)
    assert rig.session.learns == [], "nobody else can see it"
    for text in ("set search_path = public", "do $$ begin end $$", "insert into orders (item) select x from mine"):
        assert rig.ask(query(text)) == [query(text)]
        rig.say(command_complete("SET"), READY)
    assert [(one.table, one.label) for one in rig.session.learns] == [("orders", "email")]
    assert rig.session.temporaries.own.carries
    rig.ask(query("discard all"))
    rig.say(command_complete("DISCARD ALL"), READY)
    assert not rig.session.temporaries.own.carries


def test_copy_into_a_table_that_no_catalogue_shows_waits_for_it() -> None:
    rig = Rig(CLEAR)
    text = "insert into fresh select email from customers"
    rig.session.behind = True
    assert rig.ask(query("select 1")) == [query("select 1")]
    rig.say(DONE, READY)
    assert rig.ask(query(text)) == []
    assert rig.session.held
    rig.session.catalog_read()
    assert rig.again() == [query(text)], "it is asked for once, not for ever"
