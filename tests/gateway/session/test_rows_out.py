"""Rows on their way out: long ones are held where something in them is read, and pass as they come where nothing is."""

import pytest

from gateway.session import rows_out
from parser.errors import ProtocolError
from parser.messages import command_complete, frame, query
from tests.gateway.masking.shop import CUSTOMERS, INT4, VARCHAR, data_row, description
from tests.gateway.session.rig import CLEAR, EMAIL, READ, READY, SECRET, Rig
from tests.gateway.session.test_returning import DONE, MAIL, MARK, UPDATE, asking

LONG = b"x" * 100_000


def test_long_row_that_nothing_reads_passes_in_pieces() -> None:
    rig = Rig(CLEAR)
    rig.ask(query("select email from customers"))
    row = data_row(LONG)
    assert b"".join(rig.say(EMAIL, row[:70_000])) == EMAIL + row[:70_000]
    assert b"".join(rig.say(row[70_000:])) == row[70_000:]


def test_long_row_with_a_masked_column_is_held_whole() -> None:
    rig = Rig(READ)
    rig.ask(query("select email from customers"))
    row = data_row(SECRET + LONG)
    assert b"".join(rig.say(EMAIL, row[:70_000])) == EMAIL
    assert SECRET not in b"".join(rig.say(row[70_000:]))


def test_long_row_with_a_column_that_was_added_is_held_for_it() -> None:
    rig = asking()
    rig.ask(query(f"{UPDATE} returning email"))
    described = frame(b"T", description(MAIL, (MARK, CUSTOMERS, 1, INT4)))
    row = data_row(LONG, b"3")
    assert b"".join(rig.say(described, row[:70_000])) == frame(b"T", description(MAIL))
    assert b"".join(rig.say(row[70_000:], DONE, READY)) == data_row(LONG) + DONE + READY


def test_answer_to_nothing_and_rows_nobody_described_are_refused() -> None:
    rig = Rig(CLEAR)
    with pytest.raises(ProtocolError):
        rows_out.rows(rig.session, data_row(b"1"), 0, 12)
    rig = Rig(READ)
    rig.ask(query("select email from customers"))
    with pytest.raises(ProtocolError):
        rows_out.rows(rig.session, data_row(b"1"), 0, 12)


def test_rows_behind_the_last_statement_are_refused() -> None:
    rig = Rig(CLEAR)
    rig.ask(query("select email from customers"))
    rig.say(EMAIL, frame(b"T", description(("email", CUSTOMERS, 3, VARCHAR))), command_complete("SELECT 0"))
    with pytest.raises(ProtocolError):
        rows_out.rows(rig.session, data_row(b"1"), 0, 12)
