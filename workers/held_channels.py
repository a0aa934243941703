"""Statements that wait, told in the channels of their approval rules; and what channels bring, decided as every decision is:
by the desk that keeps them, on record, once."""

import logging
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from gateway.approvals import sealed, viewing
from gateway.approvals.one_time import Links
from gateway.approvals.sealed import Shown
from gateway.approvals.statements import Held
from gateway.approvals.view import Approver, Evidence, Outcome, View, plain
from gateway.errors import ConfigError, Refusal
from gateway.identity import barred, claims
from gateway.policy.rules import Approval
from workers.admin_calls import REASON_CHARACTERS_MAX, Call, Tables, Turned
from workers.admin_link import ChannelsFare
from workers.admin_process import Desk
from workers.held_desk import HeldDesk

if TYPE_CHECKING:
    from workers.callbacks import Callback
    from workers.channels import Channels

REPORT_SECONDS: Final = 1.0
OVER_MAX: Final = 1000  # requests that are over, of which a late click is told so
log = logging.getLogger("sluice.channels")


class HeldChannels:
    """See the module. Without a [[channel]] in sluice.toml it does nothing."""

    def __init__(self, desk: Desk, held: HeldDesk) -> None:
        self.callbacks: Iterable[Callback] = ()
        self._desk = desk
        self._held = held
        self._tables = Tables()
        self._channels: Channels | None = None
        self._views: OrderedDict[str, View] = OrderedDict()  # without literals
        self._literals = any(one.literals for one in desk.loaded.settings.channels)

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """For ever. Channels that cannot be made are said so, and the console goes on without them."""
        loaded = self._desk.loaded
        if not loaded.settings.channels:
            return task_status.started()
        from workers import channel_making  # with what it needs to speak HTTP

        links = Links(loaded.secrets.approvals_key)
        try:
            made = channel_making.make(loaded.file, loaded.settings, self, self.prove, links)
        except ConfigError as error:
            log.error("channels cannot be used: %s", error)
            return task_status.started()
        self.callbacks, self._channels = made.callbacks, made.channels
        self._held.opened, self._held.ended = self.opened, self.ended
        async with trio.open_nursery() as nursery:
            await nursery.start(made.run)
            task_status.started()
            await self._report(made.channels)

    async def _report(self, channels: "Channels") -> None:
        """Says how they fare when that is another, for ever."""
        said = None
        while True:
            now = msgspec.msgpack.encode(channels.health())
            if now != said:
                await self._desk.tell(ChannelsFare(channels.health()))
                said = now
            await trio.sleep(REPORT_SECONDS)

    def opened(self, held: Held) -> None:
        """A statement waits."""
        assert self._channels is not None
        view = viewing.of_held(held, self._rules(), "", self._shown(held) if self._literals else None)
        self._views[held.id] = view.without_values()
        self._channels.asked(view)

    def ended(self, held: Held) -> None:
        """It waits no more."""
        assert self._channels is not None
        view = viewing.of_held(held, self._rules(), "")
        self._views[held.id] = view
        over = [one.id for one in self._views.values() if one.state != "open"]
        for held_id in over[: max(0, len(over) - OVER_MAX)]:
            del self._views[held_id]
        self._channels.settled(view)

    # -- what channels ask for (workers.channels.Requests)

    async def view(self, request_id: str) -> View | None:
        """As it stands, without literals."""
        return self._views.get(request_id)

    async def look(self, request_id: str, approver: Approver, evidence: Evidence) -> View | None:
        """With them, for one who may decide about it; on record."""
        view = self._views.get(request_id)
        call = self._call(request_id, approver, "", evidence)
        if view is None or call is None:
            return None
        try:
            told = (await self._held.show(call))["approval"]
        except Turned:
            return None
        if "text" not in told:
            return None
        shown = msgspec.convert({"text": told["text"], "parameters": told["parameters"]}, Shown)
        values = tuple("NULL" if one is None else one for one in shown.parameters)
        return msgspec.structs.replace(view, statement=shown.text, parameters=values)

    async def decide(
        self, request_id: str, approver: Approver, approve: bool, words: str, evidence: Evidence
    ) -> Outcome:
        """As `sluice approvals` does it."""
        call = self._call(request_id, approver, words, evidence)
        if call is None:
            return Outcome(False, "You may not sign in.")
        try:
            after = await (self._held.approve(call) if approve else self._held.deny(call))
        except Turned as turned:
            return Outcome(False, f"{turned.error[:1].upper()}{turned.error[1:]}.")
        return Outcome(True, _became(after["approval"]))

    def prove(self, token: str) -> Approver:
        """Who a token is of. Raises Refusal."""
        now = time.time()
        who = claims.verify(token, None, self._desk.loaded.keys, now)
        if (bar := self._desk.bars.of(who, now)) is not None:
            raise Refusal(barred.refusal(bar))
        return Approver(who.user, who.issuer, who.groups, "token", who.actors)

    # -- within

    def _shown(self, held: Held) -> Shown | None:
        try:
            return sealed.shown(sealed.unseal(held.secret, held.id, self._desk.loaded.secrets.approvals_key))
        except ValueError:  # sealed under a key that is no more
            return None

    def _rules(self) -> dict[str, Approval]:
        return self._tables.of(self._desk.loaded.policy).approval_rules

    def _call(self, request_id: str, approver: Approver, words: str, evidence: Evidence) -> Call | None:
        """What the desk would be asked if it were asked by HTTP; None for somebody who is barred."""
        now = time.time()
        who = viewing.principal(approver, now)
        if self._desk.bars.of(who, now) is not None:
            return None
        address = " ".join(f"{name}={value}" for name, value in evidence.items())
        body = msgspec.json.encode({"reason": plain(words, REASON_CHARACTERS_MAX)})
        return Call(self._desk, self._tables.of(self._desk.loaded.policy), who, address, body, {"id": request_id}, now)


def _became(approval: dict[str, Any]) -> str:
    missing = {name: count for name, count in approval["missing"].items() if count}
    if approval["state"] != "pending" or not missing:
        return f"The statement is {approval['state']}."
    return "It still needs " + ", ".join(f'{count} more by "{name}"' for name, count in missing.items()) + "."
