"""A connection is handed on only after a session that left nothing open, nothing unanswered and nothing behind."""

import pytest

from gateway.session.leaving import clean
from parser.messages import TERMINATE, bind, command_complete, execute, frame, parse, query
from tests.gateway.session.rig import (
    ALL,
    BOUND,
    CLEAR,
    DONE,
    FLUSH,
    IN_TRANSACTION,
    PARSED,
    READY,
    SYNC,
    VALUE,
    Rig,
    failure,
)

SELECT = query("select 1")
NOW = 1_800_000_000 * 10**9


def answered(rig: Rig) -> Rig:
    rig.ask(SELECT)
    rig.say(VALUE, DONE, READY)
    return rig


def test_session_that_was_answered_leaves_clean_with_and_without_a_goodbye() -> None:
    rig = Rig()
    assert clean(rig.session)
    assert clean(answered(rig).session)
    rig.session.client(TERMINATE, NOW)
    assert rig.session.ending
    assert clean(rig.session)


def test_failed_and_refused_statements_leave_it_clean() -> None:
    rig = Rig()
    rig.ask(query("select 1 / 0"))
    rig.say(failure("22012"), READY)
    assert clean(rig.session)
    rig.ask(query("drop table customers"))
    rig.say(failure("42601"), READY)
    assert clean(rig.session)


def test_refused_code_does_not_count_as_run() -> None:
    rig = Rig()
    rig.ask(query("do $$ begin execute 'select 1'; end $$"))
    rig.say(failure("42601"), READY)
    assert clean(rig.session)


def test_outstanding_answer_is_not_clean() -> None:
    rig = Rig()
    rig.ask(SELECT)
    assert not clean(rig.session)
    rig.say(VALUE, DONE)
    assert not clean(rig.session)


@pytest.mark.parametrize("status", [IN_TRANSACTION, frame(b"Z", b"E")])
def test_transaction_is_not_clean(status: bytes) -> None:
    rig = Rig()
    rig.ask(query("begin"))
    rig.say(command_complete("BEGIN"), status)
    assert not clean(rig.session)


def test_pipeline_without_its_sync_is_not_clean() -> None:
    rig = Rig()
    rig.ask(parse("", "select 1"), bind("", ""), execute(""), FLUSH)
    rig.say(PARSED, BOUND, DONE)
    assert not rig.session.queue
    assert not clean(rig.session)
    rig.ask(SYNC)
    rig.say(READY)
    assert clean(rig.session)


def test_copy_in_progress_is_not_clean() -> None:
    rig = Rig(CLEAR)
    rig.ask(query("copy customers from stdin"))
    rig.say(frame(b"G", b"\0\0\0"))
    assert not clean(rig.session)
    rig.ask(frame(b"c"))
    rig.say(command_complete("COPY 0"), READY)
    assert clean(rig.session)


def test_part_of_an_answer_is_not_clean() -> None:
    rig = answered(Rig())
    rig.session.server(b"N\0\0", NOW)
    assert not clean(rig.session)


def test_cancel_under_way_is_not_clean() -> None:
    rig = answered(Rig())
    rig.session.cancelling = True
    assert not clean(rig.session)
    rig.session.cancel_sent()
    assert clean(rig.session)


@pytest.mark.parametrize("sql", ["do $$ begin execute 'select 1'; end $$", "set app.tenant = '7'"])
def test_what_lasts_is_never_clean_again(sql: str) -> None:
    rig = Rig(ALL)
    rig.ask(query(sql))
    rig.say(command_complete("DONE"), READY)
    rig.ask(query("discard all"))
    rig.say(command_complete("DISCARD ALL"), READY)
    assert not clean(rig.session)


def test_broken_protocol_is_not_clean() -> None:
    rig = answered(Rig())
    rig.session.client(b"?\0\0\0\4", NOW)
    assert rig.session.ending
    assert not clean(rig.session)


def test_answer_to_nothing_is_not_clean() -> None:
    rig = answered(Rig())
    rig.session.server(DONE, NOW)
    assert not clean(rig.session)
