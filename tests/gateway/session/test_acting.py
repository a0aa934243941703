"""A session that works for one person after another, frame by frame: whose decisions, masks, records and budgets count."""

from collections.abc import Sequence

import pytest

from gateway.audit.defined import SessionCard
from gateway.audit.records import SessionInfo
from gateway.errors import Refusal, Refused
from gateway.identity.end_user import Named
from gateway.session.acting import Acting, Person
from parser.messages import bind, execute, parse, query
from tests.gateway.session.rig import (
    BOUND,
    CLEAR,
    DONE,
    EMAIL,
    PARSED,
    READ,
    READY,
    SECRET,
    SECRET_ROW,
    SYNC,
    Rig,
    field,
    frame,
    kinds,
    scope_of,
)
from tests.gateway.session.rig import command_complete as complete

UNKNOWN = Refused("28P01", "sign-in refused: nobody's", "Get a new token.")
EMAILS = "select email from customers"
SET = complete("SET")


class People:
    """Two whom the account may work for: "ann.t" sees all, "ben.t" sees no e-mail address."""

    def __init__(self, rig: Rig) -> None:
        self.own = Person(rig.session.card, rig.session.scope, 1 << 63)
        self.others = {"ann.t": self.other("ann", CLEAR), "ben.t": self.other("ben", READ)}
        self.asked: list[str] = []
        self.spent = False
        self.became: list[Person] = []

    @staticmethod
    def other(name: str, policy: str) -> Person:
        card = SessionCard(SessionInfo("s1", name, account="desk"))
        return Person(card, scope_of(policy, path=("public",)), 1 << 63)

    def person(self, named: Named) -> Person:
        self.asked.append(named.token)
        if named.token not in self.others:
            raise Refusal(UNKNOWN)
        return self.others[named.token]

    def becomes(self, person: Person) -> None:
        self.became.append(person)


@pytest.fixture
def rig() -> Rig:
    rig = Rig(CLEAR)
    rig.session.acting = Acting(People(rig))
    return rig


def become(rig: Rig, token: str) -> None:
    rig.ask(query(f"SET sluice.user_token = '{token}'"))
    rig.say(SET, READY)


def sees(rig: Rig, *asked: bytes, answers: Sequence[bytes] = ()) -> bool:
    """Whether the value comes through."""
    rig.ask(*(asked or (query(EMAILS),)))
    return SECRET in b"".join(rig.say(*(answers or (EMAIL, SECRET_ROW, DONE, READY))))


def users(rig: Rig) -> list[str]:
    return [entry.session.user for entry in rig.entries() if entry.kind == "intent" and entry.session is not None]


def test_the_token_stays_here_and_what_follows_is_the_persons(rig: Rig) -> None:
    assert sees(rig)
    (sent,) = rig.ask(query("SET sluice.user_token = 'ben.t'"))
    assert sent == query("SET sluice.user_token = '*****'")
    rig.say(SET, READY)
    assert not sees(rig)
    become(rig, "ann.t")
    assert sees(rig)
    assert users(rig) == ["alice", "alice", "ben", "ben", "ann"]


@pytest.mark.parametrize("back", ["RESET sluice.user_token", "SET sluice.user_token = ''", "DISCARD ALL", "RESET ALL"])
def test_the_session_becomes_the_account_s_again(rig: Rig, back: str) -> None:
    become(rig, "ben.t")
    rig.ask(query(back))
    rig.say(complete(back.split()[0]), READY)
    assert sees(rig)
    assert users(rig)[-1] == "alice"


def test_what_is_pipelined_behind_it_is_the_persons_and_what_was_before_is_not(rig: Rig) -> None:
    ask = (parse("", EMAILS), bind("", ""), execute(""))
    rig.ask(*ask, parse("", "SET sluice.user_token = 'ben.t'"), bind("", ""), execute(""), *ask, SYNC)
    first = b"".join(rig.say(PARSED, BOUND, SECRET_ROW, DONE))  # to whom all is clear no description is asked for
    assert SECRET in first
    second = b"".join(rig.say(PARSED, BOUND, SET, PARSED, BOUND, EMAIL, SECRET_ROW, DONE, READY))
    assert SECRET not in second
    assert users(rig) == ["alice", "alice", "ben"]
    assert b"ben.t" not in rig.to_server


def test_a_comment_is_for_its_own_statement_prepared_once_and_run_again(rig: Rig) -> None:
    text = f"{EMAILS} /*sluice_user_token='ben.t'*/"
    answers = (BOUND, EMAIL, SECRET_ROW, DONE, READY)
    assert not sees(rig, parse("s", text), bind("", "s"), execute(""), SYNC, answers=(PARSED, *answers))
    assert not sees(rig, bind("", "s"), execute(""), SYNC, answers=answers)
    assert sees(rig)
    assert not sees(rig, query(text))
    assert sees(rig)
    assert users(rig) == ["ben", "ben", "alice", "ben", "alice"]
    assert b"ben.t" not in rig.to_server


def test_whoever_stood_behind_it_is_asked_again_each_time(rig: Rig) -> None:
    """A token that has ended since the statement was prepared counts no more."""
    acting = rig.session.acting
    assert acting is not None
    people = acting.people
    assert isinstance(people, People)
    rig.ask(parse("s", f"{EMAILS} /*sluice_user_token='ben.t'*/"), SYNC)
    rig.say(PARSED, READY)
    del people.others["ben.t"]
    assert kinds(rig.ask(bind("", "s"), execute(""), SYNC)) != b"BES"
    assert rig.outcomes() == []
    assert rig.session.refusals == 1


def test_an_unknown_token_in_a_comment_stops_its_statement_alone(rig: Rig) -> None:
    (sent,) = rig.ask(query("select 1 /*sluice_user_token='eve.t'*/"))
    assert sent == query("sluice_refused")
    (report, _) = rig.say(frame(b"E", b"SERROR\0C42601\0Mno\0\0"), READY)
    assert (field("C", report), field("M", report)) == ("28P01", "sign-in refused: nobody's")
    assert sees(rig)


def test_after_too_many_tokens_that_were_refused_the_session_ends(rig: Rig) -> None:
    acting = rig.session.acting
    assert acting is not None
    assert isinstance(acting.people, People)
    acting.people.spent = True
    assert rig.ask(query("select 1 /*sluice_user_token='eve.t'*/")) == []
    assert rig.session.ending


def test_an_unknown_token_in_a_comment_stops_what_runs_by_name(rig: Rig) -> None:
    rig.ask(query(f"prepare kept as {EMAILS}"))
    rig.say(complete("PREPARE"), READY)
    (sent,) = rig.ask(query("execute kept /*sluice_user_token='eve.t'*/"))
    assert sent == query("sluice_refused")


def test_a_session_that_cannot_become_whom_it_names_ends(rig: Rig) -> None:
    become(rig, "ben.t")
    assert rig.ask(query("SET sluice.user_token = 'eve.t'")) == []
    assert rig.session.ending
    assert "nobody's" in rig.to_client.decode("latin-1")


def test_the_refusal_of_the_set_itself_ends_the_session() -> None:
    rig = Rig(CLEAR + '[[guardrail]]\nname = "no sets"\neffect = "deny"\nstatements = ["SET"]\n')
    rig.session.acting = Acting(People(rig))
    rig.ask(query("SET sluice.user_token = 'ben.t'"))
    assert rig.session.ending


def test_while_the_server_skips_to_sync_nobody_is_named(rig: Rig) -> None:
    rig.ask(parse("", "select nonsense"), bind("", ""), execute(""))
    rig.say(frame(b"E", b"SERROR\0C42703\0Mno\0\0"))
    rig.ask(parse("", "SET sluice.user_token = 'ben.t'"), bind("", ""), execute(""), SYNC)
    rig.say(READY)
    assert sees(rig)


def test_each_person_has_purses_of_his_own(rig: Rig) -> None:
    session = rig.session
    before = session.purses
    become(rig, "ben.t")
    assert session.purses is not before
    become(rig, "ann.t")
    rig.ask(query("RESET sluice.user_token"))
    assert session.purses is before


def test_without_such_a_grant_a_token_is_refused() -> None:
    rig = Rig(CLEAR)
    for text in ("SET sluice.user_token = 'ben.t'", "select 1 /*sluice_user_token='ben.t'*/"):
        assert rig.ask(query(text)) == [query("sluice_refused")]
        (report, _) = rig.say(frame(b"E", b"SERROR\0C42601\0Mno\0\0"), READY)
        assert field("C", report) == "42501"
    assert b"ben.t" not in rig.to_server
