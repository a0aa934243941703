"""What waits for people - statements, access that is asked for - told in the channels of its rules; and what channels bring,
decided as every decision is: by the desk that keeps it, on record, once."""

import contextlib
import logging
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from gateway.approvals import sealed, viewing
from gateway.approvals.one_time import Links
from gateway.approvals.requests import Request
from gateway.approvals.sealed import Shown
from gateway.approvals.statements import Held
from gateway.approvals.view import Approver, Change, Evidence, Outcome, View, plain
from gateway.errors import ConfigError, Refusal
from gateway.identity import barred, claims
from gateway.policy.access import Access
from gateway.policy.approving import Approval
from workers.admin_access import AccessDesk
from workers.admin_approvals import Approvals
from workers.admin_calls import REASON_CHARACTERS_MAX, Call, Tables, Turned
from workers.admin_link import ChannelsFare
from workers.admin_process import Desk
from workers.approvals_fleet import Fleet
from workers.channel_receipts import Receipts
from workers.fleet_receipts import FleetReceipts
from workers.held_desk import HeldDesk
from workers.stepping_up import TooWeak

if TYPE_CHECKING:
    from workers.callbacks import Callback
    from workers.channels import Channels

REPORT_SECONDS: Final = 1.0
ADDRESS_CHARACTERS_MAX: Final = 500  # of how a decision came in, for the record
OVER_MAX: Final = 1000  # requests that are over, of which a late click is told so
log = logging.getLogger("sluice.channels")


class ApprovalChannels:
    """See the module. Without a [[channel]] in sluice.toml it does nothing."""

    def __init__(self, desk: Desk, access: AccessDesk, held: HeldDesk, fleet: Fleet | None = None) -> None:
        self.callbacks: Iterable[Callback] = ()
        self._desk = desk
        self._access = access
        self._held = held
        self._fleet = fleet
        self._approvals = Approvals(access, held)
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
            shared = FleetReceipts(self._fleet, self._access, self._catch_up) if self._fleet is not None else None
            receipts = Receipts(loaded.state_dir) if shared is None else shared
            made = channel_making.make(loaded.file, loaded.settings, self, self.prove, links, receipts)
        except (ConfigError, OSError, sqlite3.Error) as error:
            log.error("channels cannot be used: %s", error)
            return task_status.started()
        self.callbacks, self._channels = made.callbacks, made.channels
        async with trio.open_nursery() as nursery:
            await nursery.start(made.run)
            self._held.opened, self._held.ended, self._held.moved = self.opened, self.ended, self.moved
            self._access.opened, self._access.ended = self.access_opened, self.access_ended
            self._access.moved = self.access_moved
            if shared is not None and self._fleet is not None:
                self._fleet.begins(shared.load)  # then it catches up
                nursery.start_soon(shared.keep)
            else:
                with contextlib.suppress(Turned):  # it is in the log already
                    await self._catch_up({request for request, _ in receipts})
            task_status.started()
            await self._report(made.channels)

    async def _catch_up(self, told: set[str]) -> None:
        """With what the process before this one has told, and what became of it meanwhile. Raises Turned."""
        for each in sorted(told):
            held, request = await self._held.kept(each), await self._access.kept(each)
            if held is not None:
                self._asked(self._view(held))
                if held.state != "pending":
                    self.ended(held)
            if request is not None:
                self.access_opened(request)
                if request.state != "pending":
                    self.access_ended(request)
        for request in await self._access.waiting():
            self.access_opened(request)

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
        """A statement waits. Of those that are alike one is told; one that is tried first is told with what came of it."""
        if held.awaits_preview:
            return
        lead = self._held.around.groups.lead(held)
        if lead is None or lead.id == held.id:
            self._asked(self._view(held))
            return
        self._views[held.id] = self._view(held).without_values()
        self._changed(lead, "request.grouped")

    def moved(self, held: Held, change: Change) -> None:
        """It waits still, and something has become of it."""
        lead = self._held.around.groups.lead(held)
        if lead is not None and lead.id != held.id:
            self._views[held.id] = self._view(held).without_values()
            return
        if change == "request.escalated":
            self._asked(self._view(held))
        self._changed(held, change)

    def ended(self, held: Held) -> None:
        """It waits no more; the next of those that were alike is told in its place."""
        self._settled(viewing.of_held(held, self._rules(), self._page(held.id)))
        lead = self._held.around.groups.lead(held)
        if lead is not None:
            self._asked(self._view(lead))
            self._changed(lead, "request.grouped")

    def access_opened(self, request: Request) -> None:
        """Somebody asks for access."""
        self._asked(viewing.of_access(request, self._access_rule(request), self._page(request.id)))

    def access_moved(self, request: Request) -> None:
        """It reaches further people."""
        assert self._channels is not None
        view = viewing.of_access(request, self._access_rule(request), self._page(request.id))
        self._asked(view)
        self._channels.changed(msgspec.structs.replace(view, changed=time.time()), "request.escalated")

    def access_ended(self, request: Request) -> None:
        """It was answered, or is asked for no more."""
        self._settled(viewing.of_access(request, self._access_rule(request), self._page(request.id)))

    # -- what channels ask for (workers.channels.Requests)

    async def view(self, request_id: str) -> View | None:
        """As it stands, without literals. Of what another gateway tells, none is here."""
        if (known := self._views.get(request_id)) is not None or self._fleet is None:
            return known
        with contextlib.suppress(Turned):
            if (held := await self._held.kept(request_id)) is not None:
                return viewing.of_held(held, self._rules(), self._page(held.id)).without_values()
            if (request := await self._access.kept(request_id)) is not None:
                return viewing.of_access(request, self._access_rule(request), self._page(request.id)).without_values()
        return None

    async def look(self, request_id: str, approver: Approver, evidence: Evidence) -> View | None:
        """With them, for one who may decide about it; on record."""
        view = await self.view(request_id)
        call = self._call(request_id, approver, "", evidence)
        if view is None or call is None:
            return None
        try:
            told = (await self._approvals.show(call))["approval"]
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
            after = await (self._approvals.approve(call) if approve else self._approvals.deny(call))
        except TooWeak as weak:
            return Outcome(False, f"{_sentence(weak.error)} Decide on the console: {self._page(request_id)}")
        except Turned as turned:
            return Outcome(False, _sentence(turned.error))
        return Outcome(True, _became(after["approval"]))

    def prove(self, token: str) -> Approver:
        """Who a token is of. Raises Refusal."""
        now = time.time()
        who = claims.verify(token, None, self._desk.loaded.keys, now)
        if (bar := self._desk.bars.of(who, now)) is not None:
            raise Refusal(barred.refusal(bar))
        return Approver(who.user, who.issuer, who.groups, "token", who.actors)

    # -- within

    def _page(self, request_id: str) -> str:
        return f"{self._desk.loaded.settings.gateway.console}/approvals/{request_id}"

    def _shown(self, held: Held) -> Shown | None:
        try:
            return sealed.shown(sealed.unseal(held.secret, held.id, self._desk.loaded.secrets.approvals_key))
        except ValueError:  # sealed under a key that is no more
            return None

    def _view(self, held: Held) -> View:
        around = self._held.around
        shown = self._shown(held) if self._literals and held.state == "pending" else None
        alike, page = max(1, around.groups.count(held)), self._page(held.id)
        return viewing.of_held(held, self._rules(), page, shown, alike, around.new(held))

    def _changed(self, held: Held, change: Change) -> None:
        assert self._channels is not None
        view = msgspec.structs.replace(self._view(held), changed=time.time())
        self._views[held.id] = view.without_values()
        self._channels.changed(view, change)

    def _asked(self, view: View) -> None:
        assert self._channels is not None
        self._views[view.id] = view.without_values()
        self._channels.asked(view)

    def _settled(self, view: View) -> None:
        assert self._channels is not None
        self._views[view.id] = view
        over = [one.id for one in self._views.values() if one.state != "open"]
        for request_id in over[: max(0, len(over) - OVER_MAX)]:
            del self._views[request_id]
        self._channels.settled(view)

    def _access_rule(self, request: Request) -> Access | None:
        rules = self._tables.of(self._desk.loaded.policy).access
        return next((one for one in rules if one.name == request.rule), None)

    def _rules(self) -> dict[str, Approval]:
        return self._tables.of(self._desk.loaded.policy).approval_rules

    def _call(self, request_id: str, approver: Approver, words: str, evidence: Evidence) -> Call | None:
        """What the desk would be asked if it were asked by HTTP; None for somebody who is barred."""
        now = time.time()
        who = viewing.principal(approver, now)
        if self._desk.bars.of(who, now) is not None:
            return None
        address = plain(" ".join(f"{name}={value}" for name, value in evidence.items()), ADDRESS_CHARACTERS_MAX)
        body = msgspec.json.encode({"reason": plain(words, REASON_CHARACTERS_MAX)})
        table = self._tables.of(self._desk.loaded.policy)
        return Call(self._desk, table, who, address, body, {"id": request_id}, now, approver.how)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _became(approval: dict[str, Any]) -> str:
    missing = {name: count for name, count in approval.get("missing", {}).items() if count}
    if approval["state"] != "pending" or not missing:
        return f"It is {approval['state']}."
    return "It still needs " + ", ".join(f'{count} more by "{name}"' for name, count in missing.items()) + "."
