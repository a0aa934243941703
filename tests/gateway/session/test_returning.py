"""A change whose keys are wanted goes out with them in its RETURNING, and the client reads what it would have read."""

import pytest

from gateway.audit import records
from gateway.errors import State
from gateway.masking import added_keys
from gateway.masking.added_keys import MARK
from gateway.masking.key_sets import read
from gateway.session.disclosing import BEFORE
from gateway.session.returning import FOREIGN_NAME, NOT_ASKED, TOGETHER
from parser.messages import bind, command_complete, describe, error_response, execute, frame, parse, query
from tests.gateway.masking.shop import CUSTOMERS, INT4, VARCHAR, data_row, description
from tests.gateway.session.rig import (
    BOUND,
    CLOSED,
    FLUSH,
    IN_TRANSACTION,
    NO_DATA,
    PARSED,
    READY,
    SUSPENDED,
    SYNC,
    Rig,
    failure,
    field,
    kinds,
)
from tests.gateway.session.test_disclosing import CHANGES, recorded, rig_of

UPDATE = "update customers set city = 'Oslo' where id < 9"
ADDED = b' RETURNING "customers"."id" AS "sluice.key"'
KEY = frame(b"T", description((MARK, CUSTOMERS, 1, INT4)))
MAIL = ("email", CUSTOMERS, 3, VARCHAR)
TWO = (data_row(b"3"), data_row(b"4"))
DONE = command_complete("UPDATE 2")


def answered(said: bytes = b"180000 ") -> tuple[bytes, ...]:
    """The server's answer to what the gateway asks."""
    return PARSED, BOUND, data_row(said), command_complete("SELECT 1"), CLOSED, CLOSED


def asking(policy: str = CHANGES, said: bytes = b"180000 ") -> Rig:
    """A session that knows what the server takes."""
    rig = rig_of(policy)
    assert kinds(rig.ask(query(UPDATE))) == b"PBECCS"
    assert rig.say(*answered(said), READY) == []
    assert rig.again()[0][:1] == b"Q"
    rig.say(command_complete("UPDATE 0"), READY)
    return rig


def changed(rig: Rig) -> list[records.Rows]:
    return [one for one in recorded(rig) if one.changed]


def reasons(rig: Rig) -> list[str]:
    return [read(one.digests, one.count).why for one in changed(rig)]


def test_server_is_asked_once_and_the_client_reads_its_own_answer() -> None:
    rig = asking()
    assert rig.ask(query(UPDATE)) == [query(UPDATE.encode() + ADDED)]
    assert rig.say(KEY, *TWO, DONE, READY) == [DONE, READY]
    assert [(one.table, one.count) for one in changed(rig)] == [("public.customers", 2)]


def test_nothing_of_what_was_added_is_counted_as_sent() -> None:
    rig = asking()
    rig.ask(query(UPDATE))
    rig.say(KEY, *TWO, DONE, READY)
    (*_, last) = [entry.outcome for entry in rig.entries() if entry.outcome is not None]
    assert (last.rows, last.nbytes) == (2, 0)


def test_columns_of_the_clients_own_stay() -> None:
    rig = asking()
    rig.ask(query(f"{UPDATE} returning email -- who"))
    assert f'returning email, "customers"."id" AS "{MARK}" -- who'.encode() in rig.to_server
    described = frame(b"T", description(MAIL, (MARK, CUSTOMERS, 1, INT4)))
    said = rig.say(described, data_row(b"a@b.example", b"3"), DONE, READY)
    assert b"".join(said) == frame(b"T", description(MAIL)) + data_row(b"a@b.example") + DONE + READY
    assert [(one.changed, one.count) for one in recorded(rig)] == [(False, 1), (True, 1)]


def test_masked_columns_stay_masked() -> None:
    policy = CHANGES.replace('unmask = ["*"]', "")
    rig = asking(policy)
    rig.ask(query(f"{UPDATE} returning email"))
    described = frame(b"T", description(MAIL, (MARK, CUSTOMERS, 1, INT4)))
    said = b"".join(rig.say(described, data_row(b"ann@shop.example", b"3"), DONE, READY))
    assert frame(b"T", description(MAIL)) in said
    assert b"ann@" not in said
    assert len(changed(rig)) == 1


def test_extended_statement_looks_as_if_it_returned_nothing() -> None:
    rig = asking()
    asked = rig.ask(
        parse("s", UPDATE), describe("S", "s"), bind("", "s", [], [], [1]), describe("P", ""), execute("", 1), SYNC
    )
    assert kinds(asked) == b"PDBDES"
    assert ADDED in asked[0]
    assert asked[4] == execute("")
    parameters = frame(b"t", b"\0\0")
    said = rig.say(PARSED, parameters, KEY, BOUND, KEY, *TWO, DONE, READY)
    assert b"".join(said) == PARSED + parameters + NO_DATA + BOUND + NO_DATA + DONE + READY
    assert [one.count for one in changed(rig)] == [2]


def test_prepared_statement_keeps_its_keys_at_each_execution_and_is_described_unseen() -> None:
    rig = asking()
    rig.ask(parse("s", UPDATE), SYNC)
    rig.say(PARSED, READY)
    for _ in range(2):
        assert kinds(rig.ask(bind("", "s"), execute(""), SYNC)) == b"BDES"
        assert b"".join(rig.say(BOUND, KEY, *TWO, DONE, READY)) == BOUND + DONE + READY
    assert [one.count for one in changed(rig)] == [2, 2]


def test_formats_of_columns_are_filled_up() -> None:
    rig = asking()
    rig.ask(parse("", f"{UPDATE} returning email, city"))
    rig.say(PARSED)
    (sent, _) = rig.ask(bind("", "", [], [], [1, 0]), SYNC)
    assert sent == bind("", "", [], [], [1, 0, 0])
    rig.say(BOUND, READY)
    rig.ask(parse("", UPDATE), SYNC)
    rig.say(PARSED, READY)
    assert rig.ask(bind("", "", [], [], [1, 0]), SYNC)[0] == bind("", "")


def test_portal_of_a_statement_that_returns_nothing_runs_once() -> None:
    rig = asking()
    asked = rig.ask(parse("", UPDATE), bind("p", ""), execute("p"), execute("p"), SYNC)
    assert kinds(asked) == b"PBDEPS"
    said = rig.say(PARSED, BOUND, KEY, *TWO, DONE, failure("42601"), READY)
    assert field("C", said[-2]) == "55000"
    assert field("M", said[-2]) == 'portal "p" cannot be run'


def test_rows_that_come_in_parts_are_still_the_clients() -> None:
    rig = asking()
    rig.ask(parse("", f"{UPDATE} returning email"), bind("", ""), execute("", 1), execute("", 1), SYNC)
    described = frame(b"T", description(MAIL, (MARK, CUSTOMERS, 1, INT4)))
    rows = [data_row(b"x", b"3"), data_row(b"y", b"4")]
    said = rig.say(PARSED, BOUND, described, rows[0], SUSPENDED, rows[1], SUSPENDED, READY)
    assert b"".join(said) == PARSED + BOUND + data_row(b"x") + SUSPENDED + data_row(b"y") + SUSPENDED + READY
    assert [one.count for one in changed(rig)] == [1, 1]


def test_pipeline_is_asked_within_and_not_committed() -> None:
    rig = rig_of(CHANGES)
    assert kinds(rig.ask(parse("", "select 1"), bind("", ""), execute(""), parse("", UPDATE), SYNC)) == b"PBEH"
    rig.say(PARSED, BOUND, data_row(b"1"), command_complete("SELECT 1"))
    assert kinds(rig.again()) == b"PBECCH"
    assert rig.say(*answered()) == []
    (sent, sync) = rig.again()
    assert ADDED in sent
    assert sync == SYNC


def test_pipeline_hears_when_the_question_itself_fails() -> None:
    rig = rig_of(CHANGES)
    rig.ask(parse("", "select 1"), bind("", ""), execute(""), parse("", UPDATE), bind("", ""), execute(""), SYNC)
    rig.say(PARSED, BOUND, data_row(b"1"), command_complete("SELECT 1"))
    rig.again()
    cancelled = error_response("ERROR", State.CANCELLED, "canceling statement due to user request")
    assert rig.say(cancelled) == [cancelled]
    assert rig.again() == [SYNC]
    assert rig.say(READY) == [READY]


def test_question_that_fails_outside_of_a_pipeline_is_not_heard_of() -> None:
    rig = rig_of(CHANGES)
    rig.ask(query(UPDATE))
    assert rig.say(failure("57014"), READY) == []
    assert rig.again() == [query(UPDATE)]
    assert rig.say(DONE, READY) == [DONE, READY]
    assert reasons(rig) == [NOT_ASKED]
    assert kinds(rig.ask(query(UPDATE))) == b"PBECCS"


@pytest.mark.parametrize("word", ["name", "rules", "security", "select", "merge"])
def test_server_that_would_not_take_it_gets_the_statement_as_it_is(word: str) -> None:
    rig = asking(said=f"150000 {word}".encode())
    assert rig.ask(query(UPDATE)) == [query(UPDATE)]
    rig.say(DONE, READY)
    assert reasons(rig) == [added_keys.answer(f"0 {word}")[1]]


def test_several_statements_at_once_are_sent_as_they_are() -> None:
    rig = asking()
    assert rig.ask(query(f"{UPDATE}; select 1")) == [query(f"{UPDATE}; select 1")]
    rig.say(DONE, command_complete("SELECT 1"), READY)
    assert reasons(rig) == [TOGETHER]


def test_failed_transaction_is_not_asked() -> None:
    rig = rig_of(CHANGES)
    rig.ask(query("begin"))
    rig.say(command_complete("BEGIN"), IN_TRANSACTION)
    rig.ask(query("selec"))
    rig.say(failure("42601"), frame(b"Z", b"E"))
    assert rig.ask(query(UPDATE)) == [query(UPDATE)]


def test_role_that_moves_is_asked_about_for_each_statement() -> None:
    rig = asking()
    rig.ask(query("set role other"))
    rig.say(command_complete("SET"), READY)
    for _ in range(2):
        assert kinds(rig.ask(query(UPDATE))) == b"PBECCS"
        rig.say(*answered(), READY)
        assert rig.again() == [query(UPDATE.encode() + ADDED)]
        rig.say(KEY, *TWO, DONE, READY)


def test_name_that_the_encoding_may_write_in_another_way_is_not_sent() -> None:
    rig = rig_of(CHANGES)
    rig.session.foreign_text = True
    sql = 'update customers "Müller" set city = null'
    rig.ask(query(sql))
    rig.say(*answered(), READY)
    assert rig.again() == [query(sql)]
    rig.say(DONE, READY)
    assert reasons(rig) == [FOREIGN_NAME]


def test_statement_outlives_the_policy_that_wanted_its_keys_and_one_from_before_says_so() -> None:
    rig = asking()
    rig.ask(parse("s", UPDATE), SYNC)
    rig.say(PARSED, READY)
    rig.policy = CHANGES.partition("[[record_keys]]")[0]
    rig.session.scope.stale = True
    rig.ask(bind("", "s"), execute(""), SYNC)
    assert b"".join(rig.say(BOUND, KEY, *TWO, DONE, READY)) == BOUND + DONE + READY
    rig.ask(parse("t", UPDATE), SYNC)
    rig.say(PARSED, READY)
    rig.policy = CHANGES
    rig.session.scope.stale = True
    rig.ask(bind("", "t"), execute(""), SYNC)
    rig.say(BOUND, NO_DATA, DONE, READY)
    assert reasons(rig) == [BEFORE]


def test_execute_in_sql_of_such_a_statement_shows_nothing_either() -> None:
    rig = asking()
    rig.ask(parse("s", UPDATE), SYNC)
    rig.say(PARSED, READY)
    rig.ask(query("execute s"))
    assert b"".join(rig.say(KEY, *TWO, DONE, READY)) == DONE + READY


def test_limited_write_is_sent_with_its_keys_too() -> None:
    rig = rig_of(CHANGES.replace('allow = ["all"]', 'allow = ["all"]\nmax_affected_rows = 5'))
    rig.ask(query(UPDATE))
    rig.say(*answered(), READY)
    asked = rig.again()
    assert kinds(asked) == b"PBDEH"
    assert ADDED in asked[0]
    rig.say(PARSED, BOUND, KEY, *TWO, DONE)
    assert b"".join(rig.say(CLOSED, READY)) == DONE + READY
    assert [one.count for one in changed(rig)] == [2]


def test_statements_that_owe_nothing_are_not_asked_about() -> None:
    rig = rig_of(CHANGES)
    for sql in ("update orders set total = 1", "select id from customers", f"{UPDATE} returning id"):
        assert rig.ask(query(sql)) == [query(sql)]
        rig.say(command_complete("UPDATE 0"), READY)
    assert FLUSH not in rig.to_server
