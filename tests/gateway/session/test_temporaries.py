"""A temporary relation may be dropped by its bare name as long as it is certain that the name means it."""

from dataclasses import replace

import pytest

from gateway.session import temporaries
from parser.messages import bind, command_complete, execute, parameter_status, parse, query
from tests.gateway.masking.shop import VARCHAR, description
from tests.gateway.session.rig import (
    BOUND,
    DONE,
    IN_TRANSACTION,
    PARSED,
    READY,
    SECRET,
    SECRET_ROW,
    SYNC,
    VALUE,
    WRITE,
    Rig,
    failure,
    frame,
    kinds,
)  # fmt: skip

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


def test_rollback_to_a_savepoint_keeps_what_was_there_before_it() -> None:
    rig = Rig(WRITE)
    run(rig, "begin", "BEGIN", IN_TRANSACTION)
    run(rig, MAKE, "CREATE TABLE", IN_TRANSACTION)
    run(rig, "savepoint s", "SAVEPOINT", IN_TRANSACTION)
    run(rig, "rollback to savepoint s", "ROLLBACK", IN_TRANSACTION)
    assert passes(rig)


def test_new_name_of_a_renamed_one_is_the_sessions_own() -> None:
    rig = Rig(WRITE)
    run(rig, MAKE, "CREATE TABLE")
    run(rig, "alter table scratch rename to customers", "ALTER TABLE")
    assert "customers" in rig.session.made
    assert not passes(rig)
    assert passes(rig, "drop table customers")


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


# --- what comes out of them ---

CLEAR_OF_IT = "select a from scratch"


def shows(rig: Rig, text: str = CLEAR_OF_IT) -> bool:
    """Whether a value that the statement returns is delivered as it is."""
    rig.ask(query(text))
    said = rig.say(VALUE, SECRET_ROW, DONE, READY)
    return SECRET in b"".join(said)


@pytest.mark.parametrize(
    "made",
    [
        ["create temp table scratch (a text)"],
        ["create temp table scratch as select id::text as a from customers"],
        ["select id::text as a into temp scratch from orders"],
        ["create temp table scratch (a text)", "insert into scratch values ('x')"],
        ["create temp table scratch (a text)", "insert into scratch select id::text from customers where id > 3"],
        ["create temp table scratch (a text)", "copy scratch from stdin"],
        ["create temp table scratch (a text)", "update scratch set a = lower(a)"],
        ["create temp view scratch as select 'x' as a"],
        ["create temp view scratch as select city as a from customers"],
        ["create temp table scratch (a text)", "update customers set city = 'x' where email = 'y'"],
    ],
)
def test_table_that_nothing_masked_was_put_into_is_read_in_clear(made: list[str]) -> None:
    rig = Rig(WRITE)
    for text in made:
        rig.ask(query(text))
        rig.say(command_complete("DONE"), READY)
    assert shows(rig)
    assert shows(rig, "select upper(a) || '!' from scratch")
    rig.ask(query("select * from scratch"))
    described = frame(b"T", description(("a", 4711, 1, VARCHAR)))  # a table that the catalogue has not
    assert SECRET in b"".join(rig.say(described, SECRET_ROW, DONE, READY))


@pytest.mark.parametrize(
    "made",
    [
        ["create temp table scratch as select email as a from customers"],
        ["create temp table scratch as select * from customers"],
        ["create temp table scratch as select c::text as a from customers c"],
        ["create temp table scratch as with x as (select email as a from customers) select a from x"],
        ["create temp table scratch (a text)", "insert into scratch select email from customers"],
        ["create temp table scratch (a text)", "insert into scratch values ((select min(email) from customers))"],
        ["create temp table scratch (a text)", "update scratch set a = email from customers"],
        ["create temp table scratch (a text)", "merge into scratch using customers c on true when not matched then"
         " insert values (c.email)"],
        ["create temp table scratch (a text)", "create temp view looking as select a from scratch",
         "insert into looking select email from customers"],
        ["create temp table scratch (a text)", "create temp table part () inherits (scratch)",
         "insert into part select email from customers"],
        ["create temp table scratch (a text)", "prepare p as insert into scratch select email from customers", "execute p"],
        ["create temp view scratch as select email as a from customers"],
        ["create temp table t (a text)", "create temp view scratch as select a from t"],
        ["create temp view scratch as select peek() as a"],
    ],
)
def test_table_that_something_masked_may_be_in_is_masked(made: list[str]) -> None:
    rig = Rig(WRITE)
    for text in made:
        rig.ask(query(text))
        rig.say(command_complete("DONE"), READY)
    assert not shows(rig)
    rig.ask(query("select * from scratch"))
    described = frame(b"T", description(("a", 4711, 1, VARCHAR)))
    assert SECRET not in b"".join(rig.say(described, SECRET_ROW, DONE, READY))


def test_table_whose_creation_was_taken_back_tells_nothing_of_another() -> None:
    rig = Rig(WRITE)
    run(rig, "begin", "BEGIN", IN_TRANSACTION)
    run(rig, "create temp table customers (email text)", "CREATE TABLE", IN_TRANSACTION)
    run(rig, "rollback", "ROLLBACK")
    assert not shows(rig, "select email from customers")


def test_clean_table_beside_another_does_not_clear_it() -> None:
    rig = Rig(WRITE)
    run(rig, "create temp table scratch (a text)", "CREATE TABLE")
    assert not shows(rig, "select a || email from scratch, customers")


@pytest.mark.parametrize(
    "text",
    [
        "drop table scratch; drop table scratch",
        "discard temp; drop table scratch",
        "rollback; drop table scratch",
        "set search_path = public, pg_temp; drop table scratch",
        "alter table scratch rename to other; drop table scratch",
        "savepoint s; rollback to s; drop table scratch",
    ],
)
def test_what_stands_before_it_in_the_text_may_take_it_away(text: str) -> None:
    rig = Rig(WRITE)
    run(rig, MAKE, "CREATE TABLE")
    assert not passes(rig, text)


def test_path_that_names_pg_temp_itself_puts_others_first() -> None:
    rig = Rig(WRITE)
    run(rig, MAKE, "CREATE TABLE")
    rig.ask(query("set search_path to public, pg_temp"))
    rig.say(command_complete("SET"), parameter_status("search_path", "public, pg_temp"), READY)
    assert not passes(rig)
    assert not shows(Rig(WRITE, tells_path=False))


def test_write_of_masked_values_is_seen_before_its_answer() -> None:
    rig = Rig(WRITE)
    run(rig, "create temp table scratch (a text)", "CREATE TABLE")
    rig.ask(query("insert into scratch select email from customers"), query(CLEAR_OF_IT))
    said = rig.say(command_complete("INSERT 0 1"), READY, VALUE, SECRET_ROW, DONE, READY)
    assert SECRET not in b"".join(said)
    text = "insert into scratch select email from customers; select a from scratch"
    rig = Rig(WRITE)
    run(rig, "create temp table scratch (a text)", "CREATE TABLE")
    rig.ask(query(text))
    said = rig.say(command_complete("INSERT 0 1"), VALUE, SECRET_ROW, DONE, READY)
    assert SECRET not in b"".join(said)


def test_outstanding_failure_may_take_back_what_its_transaction_made() -> None:
    rig = Rig(WRITE)
    run(rig, "begin", "BEGIN", IN_TRANSACTION)
    run(rig, MAKE, "CREATE TABLE", IN_TRANSACTION)
    sent = rig.ask(query("rollback"), query(DROP))
    assert sent[0] == query("rollback")
    assert query(DROP) not in sent


def test_table_of_this_transaction_is_read_in_the_extended_protocol_too() -> None:
    rig = Rig(WRITE)
    run(rig, "begin", "BEGIN", IN_TRANSACTION)
    run(rig, "create temp table scratch on commit drop as select 'x' as a", "SELECT 1", IN_TRANSACTION)
    rig.ask(parse("", "select a from scratch"), bind("", ""), execute(""), SYNC)
    assert SECRET in b"".join(rig.say(PARSED, BOUND, SECRET_ROW, DONE, IN_TRANSACTION))
    sent = rig.ask(parse("", DROP), bind("", ""), execute(""), SYNC)
    assert kinds(sent) == b"PBDES"


def test_rollback_in_the_same_pipeline_leaves_doubt() -> None:
    rig = Rig(WRITE)
    run(rig, "begin", "BEGIN", IN_TRANSACTION)
    run(rig, MAKE, "CREATE TABLE", IN_TRANSACTION)
    sent = rig.ask(parse("", "rollback"), bind("", ""), execute(""), parse("", DROP), bind("", ""), execute(""), SYNC)
    assert parse("", DROP) not in sent


def test_index_on_ones_own_table_is_ones_own() -> None:
    rig = Rig(WRITE)
    run(rig, MAKE, "CREATE TABLE")
    run(rig, "create unique index By_A on scratch (a)", "CREATE INDEX")
    assert passes(rig, "drop index by_a")
    assert not passes(rig, "drop index by_b")
    rig = Rig(WRITE)
    run(rig, MAKE, "CREATE TABLE")
    run(rig, "create index if not exists by_a on scratch (a)", "CREATE INDEX")
    assert not passes(rig, "drop index by_a")


def test_view_is_masked_once_the_catalogue_has_moved() -> None:
    rig = Rig(WRITE)
    run(rig, "create temp view scratch as select city as a from customers", "CREATE VIEW")
    assert shows(rig)
    rig.session.scope.stale = True
    rig.session.scope.catalog = replace(rig.session.scope.catalog, version=2)
    rig.catalog = rig.session.scope.catalog
    assert not shows(rig)


def test_masked_values_are_not_put_into_lasting_tables_through_ones_own_view() -> None:
    rig = Rig(WRITE)
    run(rig, "create temp view mine as select id, city from customers", "CREATE VIEW")
    assert not passes(rig, "update mine set city = (select min(email) from customers)")
    rig = Rig(WRITE)
    run(rig, MAKE.replace("int", "text"), "CREATE TABLE")
    assert passes(rig, "insert into scratch select email from customers")


def test_savepoints_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporaries, "SAVEPOINTS_MAX", 1)
    rig = Rig(WRITE)
    run(rig, "begin", "BEGIN", IN_TRANSACTION)
    run(rig, MAKE, "CREATE TABLE", IN_TRANSACTION)
    for name in ("first", "second"):
        run(rig, f"savepoint {name}", "SAVEPOINT", IN_TRANSACTION)
    run(rig, "rollback to first", "ROLLBACK", IN_TRANSACTION)
    assert rig.session.temporaries.own.names == {"scratch"}
    run(rig, "rollback to second", "ROLLBACK", IN_TRANSACTION)
    assert not rig.session.temporaries.own.names
