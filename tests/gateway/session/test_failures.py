"""The server's failures: scrubbed, in our words where we caused them, and with the right outcome on record."""

import pytest

from parser.messages import error_response, notice_response, parse, query
from tests.gateway.session.rig import (
    CLEAR,
    PARSED,
    READ,
    READY,
    SECRET,
    SYNC,
    Rig,
    failure,
    field,
    kinds,
)  # fmt: skip

QUOTING = f'invalid input syntax for type integer: "{SECRET.decode()}"'


@pytest.mark.parametrize("severity", ["ERROR", "FATAL"])
def test_error_that_quotes_a_masked_value_arrives_without_it(severity: str) -> None:
    rig = Rig(READ)
    rig.ask(query("select upper(email) from customers"))
    said = rig.say(error_response(severity, "22P02", QUOTING))
    assert field("C", said[0]) == "22P02"
    assert SECRET not in said[0]


def test_notice_that_quotes_a_masked_value_arrives_without_it() -> None:
    rig = Rig(READ)
    rig.ask(query("select upper(email) from customers"))
    assert SECRET not in rig.say(notice_response("NOTICE", "00000", QUOTING))[0]


def test_error_of_who_may_see_the_value_is_untouched() -> None:
    rig = Rig(CLEAR)
    rig.ask(query("select upper(email) from customers"))
    error = failure("22P02", QUOTING)
    assert rig.say(error) == [error]


def test_what_follows_a_failure_in_its_pipeline_is_on_record_as_not_run() -> None:
    rig = Rig(READ)
    rig.ask(parse("a", "select 1"), parse("b", "select 2"), SYNC)
    assert kinds(rig.say(PARSED, failure("42601"), READY)) == b"1EZ"
    assert rig.session.idle


@pytest.mark.parametrize(("sqlstate", "status"), [("57014", "cancelled"), ("22012", "error")])
def test_outcome_tells_a_cancel_from_an_error(sqlstate: str, status: str) -> None:
    rig = Rig(READ)
    rig.ask(query("select 1/0"))
    rig.say(failure(sqlstate), READY)
    assert [found for _, found, _ in rig.outcomes()] == [status]


def test_error_without_a_code_counts_as_a_broken_protocol() -> None:
    rig = Rig(READ)
    rig.ask(query("select 1"))
    rig.say(error_response("ERROR", "x", "odd"), READY)
    entry = next(one for one in rig.entries() if one.outcome is not None)
    assert entry.outcome is not None
    assert entry.outcome.sqlstate == "08P01"
