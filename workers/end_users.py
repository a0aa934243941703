"""The persons behind one session of a shared account: tokens verified, and the session theirs while it works for them."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from gateway.audit.defined import SessionCard
from gateway.errors import Refusal, Refused, State
from gateway.identity.end_user import Named
from gateway.identity.principal import Principal
from gateway.policy.rights import Rights
from gateway.scope import Scope
from gateway.session.acting import Person
from workers.admitted import Admission

PERSONS_MAX = 64  # remembered in one session; the longest unused goes first
REFUSED_MAX = 20  # tokens of one session; then it ends, for each costs a signature


@dataclass(frozen=True, slots=True)
class House:
    """What the session's worker does for it."""

    identify: Callable[[str], Principal]  # whose token it is; raises Refusal
    rights: Callable[[Principal], Rights]  # in the session's database; raises Refusal
    scope: Callable[[Rights], Scope]
    works_for: Callable[[Admission], None]  # who is asked again whether the right still stands
    event: Callable[[str, SessionCard, Mapping[str, Any]], None]  # on record with the turn


class EndUser(Person):
    """One of them, and what the worker keeps of whoever signed in."""

    __slots__ = ("admission",)

    def __init__(self, admission: Admission, scope: Scope) -> None:
        super().__init__(admission.card, scope, 0)
        self.admission = admission


class EndUsers:
    """Who may stand behind the session (`gateway.session.acting.People`)."""

    def __init__(self, house: House, account: Admission, scope: Scope) -> None:
        self._house = house
        self.own: Person = EndUser(account, scope)
        self._account = account
        self._known: OrderedDict[Principal, EndUser] = OrderedDict()
        self._refused = 0

    @property
    def spent(self) -> bool:
        """Whether more tokens were refused than anybody brings by mistake."""
        return self._refused >= REFUSED_MAX

    def person(self, named: Named) -> Person:
        """Whose token it is. Raises Refusal; who was refused, and why, is on record."""
        try:
            return self._person(named.token)
        except Refusal as refusal:
            refused = refusal.refused
            self._refused += 1
            why = {"why": refused.message, "sqlstate": str(refused.sqlstate), "once": named.once}
            self._house.event("end user refused", self._account.card, why)
            raise

    def becomes(self, person: Person) -> None:
        """The session works for this one from now on."""
        assert isinstance(person, EndUser), "there are no others"
        self._house.works_for(person.admission)

    def _person(self, token: str) -> Person:
        account = self._account
        found = self._house.identify(token)
        principal = replace(found, account=account.principal, expires=min(found.expires, account.principal.expires))
        known = self._known.pop(principal, None)
        if known is None:
            known = self._new(principal)
        self._known[principal] = known
        if len(self._known) > PERSONS_MAX:
            self._known.popitem(last=False)
        return known

    def _new(self, principal: Principal) -> EndUser:
        account = self._account
        rights = self._house.rights(principal)
        if rights.role != account.rights.role:
            raise Refusal(_other_role(principal, account.rights.role))
        info = msgspec.structs.replace(
            account.card.info,
            user=principal.user,
            issuer=principal.issuer,
            groups=principal.groups,
            actors=principal.actors,
            token_id=principal.token_id,
            model=principal.model,
            run=principal.run,
            account=account.principal.user,
        )
        admission = replace(account, principal=principal, rights=rights, card=SessionCard(info))
        self._house.event("end user named", admission.card, {})
        return EndUser(admission, self._house.scope(rights))


def _other_role(who: Principal, role: str | None) -> Refused:
    session = f'the role "{role}"' if role else "the database's own role"
    message = f'the session has {session}, and no grant gives user "{who.user}" that'
    return Refused(State.NOT_SIGNED_IN, message, "Sign in as yourself.")
