"""Who has lent whom his right to decide: asked for, kept, listed, taken back; at this gateway, or at all of a fleet.

Of a fleet each gateway knows all of them in its memory, and reads again what it hears has changed. By what it knows people
see what waits; what somebody decides by is read again first, from the store that his decision is kept in.
"""

import logging
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

import msgspec
import trio
from msgspec import Meta

from gateway.approvals import delegation
from gateway.approvals.delegation import Delegation
from gateway.approvals.requests import Unfit
from gateway.identity.principal import Principal
from gateway.policy.operating import Operator
from workers.admin_calls import Call, Operation, Turned, plain
from workers.admin_process import Desk
from workers.approvals_fleet import Changed, Fleet
from workers.delegations_store import DelegationsStore, Full
from workers.shared_approvals import DELEGATION, SharedDelegations

LATER_SECONDS: Final = 1.0  # until what could not be read is asked again
AGAIN_SECONDS: Final = 10.0  # between looks at what a fleet has lent, though nothing seems to have changed
_NOT_RECORDED: Final = "it could not be put on record, and is not done"
T = TypeVar("T")
log = logging.getLogger("sluice.admin")
Name = Annotated[str, Meta(min_length=1, max_length=512)]
Moment = Annotated[float, Meta(ge=0, le=253_402_300_799)]


class Lent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that lends. `since` 0: from now on; `issuer` "": the giver's own; `rule` "": all that name him."""

    to: Name
    until: Moment
    reason: Annotated[str, Meta(min_length=1)]
    since: Moment = 0.0
    issuer: str = ""
    rule: str = ""


class Ended(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that takes back."""

    reason: str = ""


class Delegations:
    """Owns the store, or shares it with the other gateways of a fleet. What could not be read counts for nothing."""

    def __init__(self, desk: Desk, fleet: Fleet | None = None) -> None:
        self._desk = desk
        self._fleet = fleet
        self._store: DelegationsStore | None = None
        self._known: dict[str, Delegation] = {}
        self._read = False
        self._one = trio.Lock()  # who is at the store, until what he found is known
        if fleet is not None:
            fleet.hears(DELEGATION, self._heard)
            fleet.begins(self._load)

    def all(self) -> list[Operation]:
        """As the application takes them."""
        return [
            Operation("POST", "/v1/delegations", self.lend),
            Operation("GET", "/v1/delegations", self.list),
            Operation("POST", "/v1/delegations/{id}/revoke", self.revoke),
        ]

    async def keep(self) -> None:
        """Reads what is kept; with a fleet for ever."""
        while True:
            pause = LATER_SECONDS
            with suppress(Turned):  # it is in the log already
                await self._load()
                if self._fleet is None:
                    return
                pause = AGAIN_SECONDS
            await trio.sleep(pause)

    def to(self, who: Principal, now: float) -> tuple[Delegation, ...]:
        """Those that let this person decide now: in their time, and of givers who are not kept out."""
        return tuple(
            one
            for one in self._known.values()
            if one.is_for(who) and one.holds(now) and self._desk.bars.of(one.giver, now) is None
        )

    async def confirm(self, who: Principal, now: float) -> None:
        """Before this person decides: reads again by what he may, where another gateway may have ended it unheard. Raises
        Turned."""
        if self._fleet is not None:
            for one in self.to(who, now):
                await self._reread(one.id)

    # -- the people

    async def lend(self, call: Call) -> dict[str, Any]:
        """One's right to decide, to somebody else, for a time."""
        body = call.read(Lent)
        reason = plain(body.reason, "the reason")
        to = plain(body.to, "the name", 512), plain(body.issuer or call.who.issuer, "the issuer", 512)
        period = body.since or call.now, body.until
        rules = call.table.approval_rules
        await self._load()
        try:
            if to[1] not in {each.name for each in call.desk.loaded.settings.issuers}:
                raise Unfit(f'no issuer is named "{to[1]}" here')
            name = f"g-{secrets.token_hex(5)}"
            only = plain(body.rule, "the rule")
            one = delegation.made(name, call.who, rules, to, period, call.now, reason, only, call.table.access)
        except Unfit as unfit:
            await call.refuse("delegate", str(unfit), "Lend what is yours, to another person, for a time.", to=to[0])
        if not await self._record(call, "right delegated", one):
            raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_RECORDED, "Look at `sluice status`.")
        await self._add(one, call.now)
        return {"delegation": _told(one, call.now)}

    async def list(self, call: Call) -> dict[str, Any]:
        """What one has lent, and was lent; all, to who operates the gateway."""
        await self._load()
        every = _operates(call)
        seen = [one for one in self._known.values() if every or _part(call, one)]
        seen.sort(key=lambda one: (one.over(call.now), -one.made, one.id))
        return {"delegations": [_told(one, call.now) for one in seen]}

    async def revoke(self, call: Call) -> dict[str, Any]:
        """Takes it back; whoever was lent it may give it back, too."""
        reason = plain(call.read(Ended).reason, "the reason")
        await self._load()
        one = self._known.get(call.path["id"])
        if one is None or not (_part(call, one) or _operates(call)):
            raise Turned(HTTPStatus.NOT_FOUND, "there is no such delegation", "See `sluice delegations list`.")
        if one.over(call.now):
            raise Turned(HTTPStatus.CONFLICT, "it is over already", "There is nothing to end.")
        after = msgspec.structs.replace(one, revoked=call.now, revoked_by=call.by)
        recorded = await self._record(call, "delegation revoked", after, words=reason)  # it only takes away
        if not await self._end(one, after):
            why = "somebody else was quicker"
            await self._desk.happened("approval", "revocation void", delegation=one.id, by=call.by, why=why)
            raise Turned(HTTPStatus.CONFLICT, "it is over already", "There is nothing to end.")
        return {"delegation": _told(after, call.now), "recorded": recorded}

    # -- within

    async def _record(self, call: Call, what: str, one: Delegation, **facts: Any) -> bool:
        told = {
            "delegation": one.id, "from": one.by, "to": f"{one.to} ({one.to_issuer})", "approval_rules": list(one.rules),
            "since": one.since, "until": one.until, "ticket": one.reason,
        }  # fmt: skip
        return await call.desk.post.record("approval", what, **told, **facts, **call.signature())

    async def _add(self, one: Delegation, now: float) -> None:
        async with self._one:
            try:
                await self._do(lambda store: store.add(one, now))
            except Full as full:
                raise Turned(HTTPStatus.INSUFFICIENT_STORAGE, str(full)) from None
            self._known[one.id] = one

    async def _end(self, before: Delegation, after: Delegation) -> bool:
        """False: somebody else has ended it meanwhile."""
        async with self._one:
            moved = await self._do(lambda store: store.move(before, after))
            if moved:
                self._known[after.id] = after
            return moved

    async def _load(self) -> None:
        async with self._one:
            if self._fleet is not None or not self._read:
                found = {one.id: self._newer(one) for one in await self._do(lambda store: store.all())}
                self._known, self._read = found | self._ended(), True

    async def _heard(self, changed: Changed) -> None:
        await self._reread(changed.id)

    async def _reread(self, delegation_id: str) -> None:
        async with self._one:
            one = await self._do(lambda store: store.get(delegation_id))
            if one is not None:
                self._known[one.id] = self._newer(one)
            elif delegation_id not in self._ended():
                self._known.pop(delegation_id, None)

    def _newer(self, read: Delegation) -> Delegation:
        """What was ended once stays so, whatever somebody may have put back into the database."""
        known = self._known.get(read.id, read)
        return known if known.revoked else read

    def _ended(self) -> dict[str, Delegation]:
        """What was ended before its time, as far as that has not come."""
        now = time.time()
        return {one.id: one for one in self._known.values() if one.revoked and now < one.until}

    async def _do(self, work: Callable[[DelegationsStore], T]) -> T:
        """In the store's thread. Raises Turned where it cannot be used."""
        if self._fleet is not None:
            key, host = self._fleet.key, self._fleet.host
            return await self._fleet.do(lambda connection: work(SharedDelegations(connection, key, host)))

        def run() -> T:
            self._store = self._store or DelegationsStore(self._desk.loaded.state_dir)
            return work(self._store)

        try:
            return await trio.to_thread.run_sync(run)
        except (OSError, sqlite3.Error) as error:
            log.critical("delegations cannot be kept: %s", type(error).__name__)
            raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, "delegations cannot be kept", "Look at var/state.") from None


def _part(call: Call, one: Delegation) -> bool:
    """Whether the caller has lent it, or was."""
    who = call.who
    mine = (who.user, who.issuer) == (one.user, one.issuer)
    return not who.actors and (mine or one.is_for(who))


def _operates(call: Call) -> bool:
    return not call.who.actors and Operator(call.who, call.table, call.desk.loaded.settings, call.now).everywhere


def _told(one: Delegation, now: float) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(one)
    del told["token_id"]
    state = "revoked" if one.revoked else "over" if now >= one.until else "holds" if one.holds(now) else "later"
    return {**told, "state": state, "by": one.by}
