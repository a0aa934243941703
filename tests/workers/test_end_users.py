"""Whose tokens a shared account's session may bring, and what is on record of them."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.audit.defined import SessionCard
from gateway.audit.records import SessionInfo
from gateway.errors import Refusal, Refused, State
from gateway.identity.end_user import Named
from gateway.identity.principal import Principal
from gateway.policy.rights import Rights
from gateway.scope import Scope
from gateway.settings import Database
from tests.gateway.session.rig import CLEAR, scope_of
from workers import end_users
from workers.admitted import Admission
from workers.end_users import EndUsers, House
from workers.upstream import Target

ACCOUNT = Principal("desk", "local", ("tools",), (), 2e9, "account-token")
BAD = Refused(State.BAD_TOKEN, "sign-in refused: the token has expired")


class Rig:
    """A worker that knows the tokens of `known`, and gives everybody the rights of CLEAR."""

    def __init__(self) -> None:
        self.scope = scope_of(CLEAR)
        self.rights = self.scope.rights
        self.known = {"ann.t": Principal("ann", "idp", ("people",), ("bot",), 1.9e9, "ann-1", model="m", run="r")}
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.works_for: list[Admission] = []
        house = House(self.identify, self.rights_of, self.scope_for, self.works_for.append, self.event)
        database = Database(name="shop", user="sluice")
        card = SessionCard(SessionInfo("s1", "desk", "local", ("tools",), token_id="account-token", role="app"))
        target = Target((("127.0.0.1", 1),), "shop", "sluice", None, "disable")
        account = Admission(ACCOUNT, database, target, self.rights, (), card, "s1")
        self.people = EndUsers(house, account, self.scope)

    def identify(self, token: str) -> Principal:
        if token not in self.known:
            raise Refusal(BAD)
        return self.known[token]

    def rights_of(self, principal: Principal) -> Rights:
        assert principal.account is ACCOUNT
        return self.rights

    def scope_for(self, rights: Rights) -> Scope:
        return self.scope

    def event(self, what: str, card: SessionCard, more: Any) -> None:
        self.events.append((what, card.info.user, dict(more)))


def test_the_person_and_the_account_are_both_on_record() -> None:
    rig = Rig()
    person = rig.people.person(Named("ann.t", False))
    info = person.card.info
    assert (info.session, info.user, info.issuer, info.groups, info.actors) == ("s1", "ann", "idp", ("people",), ("bot",))
    assert (info.account, info.token_id, info.model, info.run, info.role) == ("desk", "ann-1", "m", "r", "app")
    assert rig.events == [("end user named", "ann", {})]
    rig.people.becomes(person)
    (admission,) = rig.works_for
    assert (admission.principal.account, admission.principal.expires) == (ACCOUNT, 1.9e9)


def test_a_person_who_was_named_before_is_the_same_one() -> None:
    rig = Rig()
    assert rig.people.person(Named("ann.t", True)) is rig.people.person(Named("ann.t", True))
    assert len(rig.events) == 1


def test_no_person_stays_longer_than_the_account() -> None:
    rig = Rig()
    rig.known["ann.t"] = replace(rig.known["ann.t"], expires=3e9)
    rig.people.becomes(rig.people.person(Named("ann.t", False)))
    assert rig.works_for[0].principal.expires == ACCOUNT.expires


def test_who_is_refused_is_on_record_with_the_reason_and_without_the_token() -> None:
    rig = Rig()
    with pytest.raises(Refusal):
        rig.people.person(Named("eve.t", True))
    ((what, user, more),) = rig.events
    assert (what, user) == ("end user refused", "desk")
    assert more == {"why": BAD.message, "sqlstate": "28P01", "once": True}


def test_many_refused_tokens_are_enough() -> None:
    rig = Rig()
    for _ in range(end_users.REFUSED_MAX):
        assert not rig.people.spent
        with pytest.raises(Refusal):
            rig.people.person(Named("eve.t", True))
    assert rig.people.spent


def test_a_person_of_another_role_does_not_get_the_session() -> None:
    rig = Rig()
    rig.rights = replace(rig.rights, role="app_ro")
    with pytest.raises(Refusal, match='no grant gives user "ann" that'):
        rig.people.person(Named("ann.t", False))


def test_few_persons_are_remembered_the_longest_unused_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end_users, "PERSONS_MAX", 2)
    rig = Rig()
    rig.known |= {f"{n}.t": replace(rig.known["ann.t"], user=f"u{n}") for n in range(3)}
    first = rig.people.person(Named("0.t", True))
    rig.people.person(Named("1.t", True))
    rig.people.person(Named("2.t", True))
    assert rig.people.person(Named("0.t", True)) is not first
