"""The compiled policy in a worker: who gets which rights where. Deny by default; the order of rules means nothing."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Literal, NamedTuple

import msgspec

from gateway.errors import Refusal, Refused, State
from gateway.identity.principal import Principal
from gateway.policy.access import Access
from gateway.policy.approving import Approval
from gateway.policy.choosing import Choice, listed
from gateway.policy.compile import FORMAT, Table
from gateway.policy.rails import RailIndex, Rails
from gateway.policy.rights import Rights
from gateway.policy.rules import Classify, Grant, Guardrail
from gateway.policy.sides import Side, role, under, unmasked, words
from gateway.settings import Database

__all__ = ["PolicyTable", "Rights"]

PLACES_MAX = 256  # databases whose rules are kept together; a client may name any where one entry stands for all
RAILS_MAX = 1024  # different sets of guardrails in one of them
MET_MAX = 4096  # different grants that meet


class PolicyTable:
    """One version of the policy. `digest` is the SHA-256 (hex) of its bytes, `notes` what `sluice check` prints.

    Raises ValueError for bytes that `compile` of this version did not make.
    """

    def __init__(self, data: bytes) -> None:
        try:
            self._table = msgspec.msgpack.decode(data, type=Table)
        except msgspec.MsgspecError as error:
            raise ValueError("not a compiled policy") from error
        if self._table.format != FORMAT:
            raise ValueError(f"a compiled policy of format {self._table.format}, not {FORMAT}")
        self.digest = hashlib.sha256(data).hexdigest()
        self._masks = {label: mask for mask in self._table.masks for label in mask.labels}
        rules: list[Grant | Guardrail | Approval] = [
            *self._table.grants,
            *self._table.guardrails,
            *self._table.approvals,
        ]
        self._databases = frozenset(name for rule in rules for name in rule.databases) - {"*"}
        self._environments = frozenset(name for rule in rules for name in rule.environments) - {"*"}
        self._places: dict[tuple[str, str], _Place] = {}

    @property
    def classify(self) -> tuple[Classify, ...]:
        """The corrections of the automatic classification."""
        return self._table.classify

    @property
    def approval_rules(self) -> dict[str, Approval]:
        """Who releases what is held, by the rules' names."""
        return {one.name: one for one in self._table.approvals}

    @property
    def access(self) -> tuple[Access, ...]:
        """What may be asked for, by name."""
        return self._table.access

    @property
    def notes(self) -> tuple[str, ...]:
        """What the files ask for that is not enforced, one line each."""
        return self._table.notes

    def prepare(self, databases: Iterable[Database]) -> None:
        """Works out what these databases need at the first sign-in."""
        for one in databases:
            self._place(one.name, one.environment)

    def rights(
        self,
        principal: Principal,
        database: str,
        environment: str,
        now: float,
        generation: int,
        wanted_role: str | None = None,
    ) -> Rights:
        """What the principal may do in the database at `now` (POSIX seconds).

        An agent's rights are what the person's own grants and those of each agent of the chain have in common; so are those
        of a person behind a shared account, with the account's grants that speak of such persons.

        `wanted_role` is the role that the client's start-up packet asks for. Of several roles that grants name it
        selects one; without it the role whose grants allow most is taken, ties by name. Grants with another role do
        not count in the session; grants without a role count in every session. Raises Refusal: 28000 when no grant
        lets the principal in, 42501 when none names the wanted role.
        """
        place = self._place(database, environment)
        matching = [*place.sides(principal), *place.lent(principal.account)]
        active = [tuple([one for one in side if _begun(one, now) and not _ended(one, now)]) for side in matching]
        if not all(active):
            raise Refusal(_no_grant(principal, active, database))
        met = place.met(principal, active, wanted_role, database)
        rails, approvals = place.rails(principal), place.approvals(principal)
        others = rails.own, tuple([one.name for one in approvals])
        return Rights(
            key=(self.digest, database, environment, met.role, met.names, principal.account is None, *others),
            role=met.role,
            allow=met.allow,
            unmask=met.unmask,
            unmask_as=met.unmask_as,
            sides=met.sides,
            lasting=met.lasting,
            nobody=met.nobody,
            guardrails=rails,
            masks=self._masks,
            classify=self._table.classify,
            until=_until(chain.from_iterable(matching), now),
            database=database,
            environment=environment,
            generation=generation,
            record_keys=self._table.record_keys,
            approvals=approvals,
        )

    def _place(self, database: str, environment: str) -> "_Place":
        """Databases that no rule mentions are alike."""
        key = (database if database in self._databases else "", environment if environment in self._environments else "")
        place = self._places.get(key)
        if place is None:
            place = _Place(self._table, *key)
            if len(self._places) >= PLACES_MAX:
                self._places.clear()
            self._places[key] = place
        return place


class _Met(NamedTuple):
    """What sides have together; the names are those of the grants that count, side by side."""

    role: str | None
    names: tuple[tuple[str, ...], ...]
    sides: tuple[Side, ...]
    allow: frozenset[str]
    unmask: frozenset[str]
    unmask_as: frozenset[tuple[str, str]]
    lasting: frozenset[str]
    nobody: bool


class _Place:
    """The rules that may speak in one database."""

    __slots__ = ("_agents", "_approvals", "_delegated", "_met", "_own", "_people", "_rails", "_shared")

    def __init__(self, table: Table, database: str, environment: str) -> None:
        def here(rule: Grant | Guardrail | Approval) -> bool:
            return listed((database,), rule.databases) and listed((environment,), rule.environments)

        grants = [one for one in table.grants if here(one)]
        self._people = Choice((one for one in grants if not one.actors), _selects)
        self._delegated = Choice((one for one in grants if one.actors), _selects)
        rails = [one for one in table.guardrails if here(one)]
        self._shared = RailIndex(one for one in rails if _whose(one) == "anybody")
        self._agents = RailIndex(one for one in rails if _whose(one) == "agents")
        self._own = Choice((one for one in rails if _whose(one) == "some"), _speaks_of)
        self._rails: dict[tuple[str, ...], Rails] = {}
        self._approvals = Choice((one for one in table.approvals if here(one)), _speaks_of)
        self._met: dict[tuple[object, ...], _Met] = {}

    def sides(self, who: Principal) -> list[Side]:
        """The grants of each agent of the chain, outermost first, that are about this person, and his own, last."""
        found = [self._delegated.of(replace(who, actors=(actor,))) for actor in who.actors]
        return [*found, self._people.of(who)]

    def lent(self, account: Principal | None) -> list[Side]:
        """The grants by which a shared account works for others."""
        sides = self.sides(account) if account is not None else []
        return [tuple([one for one in side if one.end_user is not None]) for side in sides]

    def approvals(self, who: Principal) -> tuple[Approval, ...]:
        """The approval rules that speak of what the principal has held, or of what the account behind which he is has."""
        own = self._approvals.of(who)
        return own if who.account is None else tuple(dict.fromkeys((*own, *self._approvals.of(who.account))))

    def met(self, who: Principal, sides: list[Side], wanted: str | None, database: str) -> _Met:
        """What the sides have together, worked out once. `sides`: as `sides` and `lent` tell. Raises Refusal where no role
        fits."""
        alone, person = who.account is None, len(who.actors)
        key = (alone, person, wanted, *[tuple([one.name for one in side]) for side in sides])
        known = self._met.get(key)
        if known is None:
            account = sides[person + 1 :]
            ordered = [*sides[:person], *account, sides[person]]
            chosen = role(ordered, wanted, who, database)
            counting = _distinct([under(side, chosen) for side in ordered])
            known = _Met(
                chosen,
                tuple([tuple([one.name for one in side]) for side in counting]),
                counting,
                words([_for_itself(side) for side in counting] if alone else counting),
                *unmasked(counting),
                words([under(side, chosen) for side in account] or counting),
                alone and any(one.end_user == "required" for side in counting for one in side),
            )
            if len(self._met) >= MET_MAX:
                self._met.clear()
            self._met[key] = known
        return known

    def rails(self, who: Principal) -> Rails:
        """The guardrails in force for the principal."""
        own, agents = self._own.of(who), bool(who.actors)
        if who.account is not None:
            own = tuple(dict.fromkeys((*own, *self._own.of(who.account))))
            agents = agents or bool(who.account.actors)
        names = (*(("",) if agents and self._agents.rails else ()), *(one.name for one in own))
        known = self._rails.get(names)
        if known is None:
            parts = [self._shared, *([self._agents] if agents else []), RailIndex(own)]
            known = Rails(parts, names)
            if len(self._rails) >= RAILS_MAX:
                self._rails.clear()
            self._rails[names] = known
        return known


def _whose(rail: Guardrail) -> Literal["anybody", "agents", "some"]:
    """Of whom the rule speaks, where it need not be asked about each."""
    if not all(not names or "*" in names for names in (rail.users, rail.groups)):
        return "some"
    if not rail.actors:
        return "anybody"
    return "agents" if "*" in rail.actors else "some"


def _selects(grant: Grant, who: Principal) -> bool:
    """Whether it is a grant of the person's, or, of an agents' grant, of this agent's for him."""
    return (
        (not grant.actors or listed(who.actors, grant.actors))
        and listed((who.user,), grant.users)
        and listed(who.groups, grant.groups)
        and listed((who.issuer,), grant.issuers)
    )


def _speaks_of(rule: Guardrail | Approval, who: Principal) -> bool:
    if rule.actors and not (who.actors and listed(who.actors, rule.actors)):
        return False
    return listed((who.user,), rule.users) and listed(who.groups, rule.groups)


def _begun(grant: Grant, now: float) -> bool:
    return grant.not_before is None or now >= grant.not_before.timestamp()


def _ended(grant: Grant, now: float) -> bool:
    return grant.expires is not None and now >= grant.expires.timestamp()


def _until(grants: Iterable[Grant], now: float) -> float:
    moments = (
        moment.timestamp() for one in grants for moment in (one.not_before, one.expires) if moment is not None
    )
    return min((moment for moment in moments if moment > now), default=math.inf)


def _distinct(sides: list[Side]) -> tuple[Side, ...]:
    """Agents of one chain may have the same grants."""
    return tuple(sides) if len(sides) < 3 else tuple(dict.fromkeys(sides))


def _for_itself(side: Side) -> Side:
    """Without the grants that are for named persons alone."""
    return tuple([one for one in side if one.end_user != "required"])


def _no_grant(who: Principal, sides: list[Side], database: str) -> Refused:
    """`sides`: those of the agents, outermost first, the person's, and those of the account behind which he is."""
    hint = "Connect to a database you have a grant for."
    missing = [not side for side in sides].index(True)
    if not sides[len(who.actors)]:
        message = f'no grant lets user "{who.user}" into database "{database}"'
    elif missing < len(who.actors):
        message = f'agent "{who.actors[missing]}" has no grant for database "{database}" that is about user "{who.user}"'
        hint = "Connect to a database that the agent has a grant for, or without the agent."
    else:
        assert who.account is not None, "there are no other sides"
        message = f'account "{who.account.user}" has no grant to work for others in database "{database}"'
        hint = "Sign in as yourself."
    return Refused(State.NOT_SIGNED_IN, message, hint)
