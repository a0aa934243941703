"""A temporary relation may be dropped by its bare name as long as it is certain that the name means it."""

import pytest

from parser.messages import command_complete, query
from tests.gateway.session.rig import IN_TRANSACTION, READY, WRITE, Rig, failure, frame

MAKE = "create temp table scratch (a int)"
DROP = "drop table scratch"
FAILED = frame(b"Z", b"E")


def run(rig: Rig, text: str, tag: str = "", ready: bytes = READY) -> None:
    """The text passes and the server completes it; an empty tag: it fails."""
    assert rig.ask(query(text)) == [query(text)], text
    rig.say(command_complete(tag) if tag else failure("22012"), ready)


def passes(rig: Rig, text: str = DROP) -> bool:
    return rig.ask(query(text)) == [query(text)]


def test_temporary_table_is_dropped_by_its_bare_name() -> None:
    rig = Rig(WRITE)
    assert not passes(rig)
    rig = Rig(WRITE)
    run(rig, MAKE, "CREATE TABLE")
    assert passes(rig)


def test_dropped_name_means_another_relation_again() -> None:
    rig = Rig(WRITE)
    run(rig, MAKE, "CREATE TABLE")
    run(rig, DROP, "DROP TABLE")
    assert not passes(rig)


@pytest.mark.parametrize("text", ["drop table scratch, orders", "drop table public.scratch", "drop schema scratch"])
def test_other_relations_beside_it_are_not_covered(text: str) -> None:
    rig = Rig(WRITE)
    run(rig, MAKE, "CREATE TABLE")
    assert not passes(rig, text)


def test_rollback_takes_the_table_away() -> None:
    rig = Rig(WRITE)
    run(rig, "begin", "BEGIN", IN_TRANSACTION)
    run(rig, MAKE, "CREATE TABLE", IN_TRANSACTION)
    run(rig, "rollback", "ROLLBACK")
    assert not passes(rig)


def test_commit_keeps_it() -> None:
    rig = Rig(WRITE)
    run(rig, "begin", "BEGIN", IN_TRANSACTION)
    run(rig, MAKE, "CREATE TABLE", IN_TRANSACTION)
    run(rig, "commit", "COMMIT")
    assert passes(rig)


def test_table_made_in_this_transaction_can_be_dropped_in_it() -> None:
    rig = Rig(WRITE)
    run(rig, "begin", "BEGIN", IN_TRANSACTION)
    run(rig, MAKE, "CREATE TABLE", IN_TRANSACTION)
    assert passes(rig)


@pytest.mark.parametrize("back", ["rollback to savepoint s", "rollback to s"])
def test_rollback_to_a_savepoint_leaves_doubt(back: str) -> None:
    rig = Rig(WRITE)
    run(rig, "begin", "BEGIN", IN_TRANSACTION)
    run(rig, "savepoint s", "SAVEPOINT", IN_TRANSACTION)
    run(rig, MAKE, "CREATE TABLE", IN_TRANSACTION)
    run(rig, back, "ROLLBACK", IN_TRANSACTION)
    assert not passes(rig)


def test_failure_in_the_transaction_leaves_doubt_after_its_commit() -> None:
    rig = Rig(WRITE)
    run(rig, "begin", "BEGIN", IN_TRANSACTION)
    run(rig, MAKE, "CREATE TABLE", IN_TRANSACTION)
    run(rig, "select 1/0", "", FAILED)
    run(rig, "commit", "ROLLBACK")
    assert not passes(rig)


def test_table_that_goes_with_the_commit_is_gone() -> None:
    rig = Rig(WRITE)
    run(rig, "begin", "BEGIN", IN_TRANSACTION)
    run(rig, MAKE + " on commit drop", "CREATE TABLE", IN_TRANSACTION)
    run(rig, "commit", "COMMIT")
    assert not passes(rig)


def test_discard_forgets_them() -> None:
    rig = Rig(WRITE)
    run(rig, MAKE, "CREATE TABLE")
    run(rig, "discard temp", "DISCARD TEMP")
    assert not passes(rig)


def test_failed_creation_makes_nothing() -> None:
    rig = Rig(WRITE)
    run(rig, MAKE, "")
    assert not passes(rig)


def test_older_one_survives_a_later_rollback() -> None:
    rig = Rig(WRITE)
    run(rig, MAKE, "CREATE TABLE")
    run(rig, "begin", "BEGIN", IN_TRANSACTION)
    run(rig, "rollback", "ROLLBACK")
    assert passes(rig)
