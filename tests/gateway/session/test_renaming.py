"""Prepared statements over connections that come and go: each is there under our name before it is used."""

from gateway.session.lent import NOBODYS, Lent
from parser.messages import bind, describe, error_response, execute, frame, parse
from tests.gateway.session.rig import (
    BOUND,
    CLEAR,
    CLOSED,
    DONE,
    EMAIL,
    FLUSH,
    PARSED,
    READY,
    SECRET,
    SECRET_ROW,
    SYNC,
    VALUE,
    Rig,
    cut,
    field,
    kinds,
)

TEXT = "select email from customers where id = $1"
PARAMETERS = frame(b"t", b"\0\1\0\0\0\x17")
RUN = (bind("", "mine", [b"1"]), execute(""), SYNC)


def lend(rig: Rig, lent: Lent) -> None:
    """The next transaction's connection."""
    lent.begin()
    rig.session.lent = lent


def borrower(lent: Lent) -> Rig:
    rig = Rig()
    lend(rig, lent)
    return rig


def prepare(rig: Rig) -> None:
    rig.ask(parse("mine", TEXT), SYNC)
    assert kinds(rig.say(PARSED, READY)) == b"1Z"


def name_in(message: bytes) -> bytes:
    """The statement that a Parse, a Bind of the unnamed portal, a Describe or a Close names."""
    return message[6 if message[:1] in b"BDC" else 5 :].partition(b"\0")[0]


def test_client_name_never_reaches_the_server_and_its_answers_are_those_of_one_connection() -> None:
    lent = Lent()
    rig = borrower(lent)
    sent = rig.ask(parse("mine", TEXT), *RUN)
    assert kinds(sent) == b"PBDES"
    assert b"mine" not in b"".join(sent)
    assert name_in(sent[0]) == name_in(sent[1]) == b"sluice_s1"
    said = rig.say(PARSED, BOUND, EMAIL, SECRET_ROW, DONE, READY)
    assert kinds(said) == b"12DCZ"
    assert SECRET not in b"".join(said)


def test_other_connection_is_prepared_first_and_the_client_sees_nothing_of_it() -> None:
    rig = borrower(Lent())
    prepare(rig)
    other = Lent()
    lend(rig, other)
    assert kinds(rig.ask(*RUN)) == b"PH"
    assert rig.say(PARSED) == []
    sent = rig.again()
    assert kinds(sent) == b"BDES"
    assert name_in(sent[0]) == b"sluice_s1"
    assert kinds(rig.say(BOUND, EMAIL, SECRET_ROW, DONE, READY)) == b"2DCZ"
    lend(rig, other)
    assert kinds(rig.ask(*RUN)) == b"BDES", "it is there now"


def test_two_sessions_share_what_is_prepared_and_each_sees_what_it_may() -> None:
    lent = Lent()
    first, second = borrower(lent), Rig()
    prepare(first)
    lend(second, Lent())
    prepare(second)
    lend(second, lent)
    sent = second.ask(*RUN)
    assert kinds(sent) == b"BDES"
    assert name_in(sent[0]) == b"sluice_s1"
    assert SECRET not in b"".join(second.say(BOUND, EMAIL, SECRET_ROW, DONE, READY))


def test_failure_to_prepare_elsewhere_is_the_failure_of_what_was_asked() -> None:
    rig = borrower(Lent())
    prepare(rig)
    other = Lent()
    lend(rig, other)
    rig.ask(*RUN)
    assert kinds(rig.say(error_response("ERROR", "42P01", "the table is gone"))) == b"E"
    assert kinds(rig.again()) == b"S", "the rest is dropped, as the server drops it"
    assert kinds(rig.say(READY)) == b"Z"
    assert len(other) == 0
    assert kinds(rig.ask(*RUN)) == b"PH", "the next one tries anew"


def test_columns_that_the_client_was_told_must_be_those_of_the_other_connection() -> None:
    rig = borrower(Lent())
    rig.ask(parse("mine", TEXT), describe("S", "mine"), SYNC)
    assert kinds(rig.say(PARSED, PARAMETERS, EMAIL, READY)) == b"1tTZ"
    for row, passes in ((EMAIL, True), (VALUE, False)):
        lend(rig, Lent())
        assert kinds(rig.ask(*RUN)) == b"PDH"
        assert rig.say(PARSED, PARAMETERS, row) == []
        sent = rig.again()
        assert (kinds(sent) == b"BDES") is passes
        if passes:
            rig.say(BOUND, EMAIL, SECRET_ROW, DONE, READY)
        else:
            said = rig.say(error_response("ERROR", "42601", "syntax error"), READY)
            assert (field("C", said[0]), field("M", said[0])) == ("0A000", "cached plan must not change result type")


def test_plan_that_the_server_does_not_take_any_more_is_prepared_anew() -> None:
    lent = Lent()
    rig = borrower(lent)
    prepare(rig)
    rig.ask(*RUN)
    rig.say(error_response("ERROR", "0A000", "cached plan must not change result type"), READY)
    assert len(lent) == 0
    assert kinds(rig.ask(*RUN)) == b"PCH"
    assert rig.say(PARSED, CLOSED) == []
    assert kinds(rig.again()) == b"BDES"


def test_errors_have_the_clients_name() -> None:
    rig = Rig(CLEAR)
    lend(rig, Lent())
    prepare(rig)
    rig.ask(bind("", "mine"), SYNC)
    said = rig.say(error_response("ERROR", "08P01", 'but prepared statement "sluice_s1" requires 1'), READY)
    assert field("M", said[0]) == 'but prepared statement "mine" requires 1'
    sent = rig.ask(describe("S", "sluice_s1"), SYNC)
    assert name_in(sent[0]) == NOBODYS
    said = rig.say(error_response("ERROR", "26000", 'prepared statement "sluice_none" does not exist'), READY)
    assert field("M", said[0]) == 'prepared statement "sluice_s1" does not exist'


def test_close_forgets_the_name_in_this_session_alone() -> None:
    lent = Lent()
    rig = borrower(lent)
    prepare(rig)
    assert [name_in(one) for one in rig.ask(frame(b"C", b"Smine\0"), SYNC)[:1]] == [NOBODYS]
    assert kinds(rig.say(CLOSED, READY)) == b"3Z"
    assert len(lent) == 1
    rig.ask(*RUN)
    assert field("C", rig.say(error_response("ERROR", "42601", "syntax error"), READY)[0]) == "26000"


def test_unnamed_statement_of_an_earlier_transaction_is_there_too() -> None:
    rig = borrower(Lent())
    sent = rig.ask(parse("", TEXT), SYNC)
    assert name_in(sent[0]) == b""
    rig.say(PARSED, READY)
    lend(rig, Lent())
    assert kinds(rig.ask(bind("", "", [b"1"]), execute(""), SYNC)) == b"PH"
    rig.say(PARSED)
    sent = rig.again()
    assert kinds(sent) == b"BDES"
    assert name_in(sent[0]) == b"sluice_s1"


def test_deallocate_all_is_known_to_take_those_of_others_too() -> None:
    lent = Lent()
    rig = Rig("[[grant]]\nname = 'all'\nallow = ['all']\n")
    lend(rig, lent)
    prepare(rig)
    rig.ask(frame(b"Q", b"deallocate all\0"))
    rig.say(frame(b"C", b"DEALLOCATE ALL\0"), READY)
    assert len(lent) == 0


def test_close_that_was_dropped_is_sent_again() -> None:
    lent = Lent()
    rig = borrower(lent)
    prepare(rig)
    assert kinds(rig.ask(parse("mine", TEXT), FLUSH)) == b"PCH", "the same text again: the one before is closed"
    rig.say(error_response("ERROR", "42P01", "the table is gone"))
    rig.ask(SYNC)
    rig.say(READY)
    sent = rig.ask(parse("mine", TEXT), SYNC)
    assert kinds(sent) == b"PCS"
    assert kinds(rig.say(PARSED, CLOSED, READY)) == b"1Z"
    assert cut(sent[1])[0][:1] == b"C"
