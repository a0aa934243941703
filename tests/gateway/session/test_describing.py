"""Descriptions: those that are asked for by the client, and the hidden ones by which rows are masked."""

import pytest

from parser.messages import bind, describe, execute, frame, parse
from tests.gateway.session.rig import (
    BOUND,
    DONE,
    EMAIL,
    PARSED,
    READY,
    SECRET,
    SECRET_ROW,
    SYNC,
    Rig,
    cut,
    failure,
    field,
    kinds,
)


@pytest.mark.parametrize("body", [b"", b"S", b"X\0", b"Sname", b"Sa\0b\0"])
def test_describe_that_names_nothing_ends_the_session(body: bytes) -> None:
    rig = Rig()
    assert rig.ask(frame(b"D", body)) == []
    assert field("C", cut(rig.to_client)[-1]) == "08P01"


def test_description_that_nobody_asked_for_is_not_told_and_is_asked_for_once() -> None:
    rig = Rig()
    sent = rig.ask(parse("s", "select email from customers"), bind("p", "s"), execute("p", 1), execute("p", 1), SYNC)
    assert kinds(sent) == b"PBDEES"
    said = rig.say(PARSED, BOUND, EMAIL, SECRET_ROW, frame(b"s", b""), SECRET_ROW, DONE, READY)
    assert kinds(said) == b"12DsDCZ"
    assert SECRET not in b"".join(said)


def test_described_portal_needs_no_description_of_ours() -> None:
    sent = Rig().ask(parse("s", "select email from customers"), bind("", "s"), describe("P", ""), execute(""))
    assert kinds(sent) == b"PBDE"


def test_describe_behind_a_failure_is_dropped_as_the_server_drops_it() -> None:
    rig = Rig()
    assert kinds(rig.ask(parse("", "select email from customers"))) == b"P"
    rig.say(failure("42P01"))
    assert kinds(rig.ask(describe("S", ""), SYNC, describe("S", ""))) == b"SD"
