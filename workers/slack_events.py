"""Clicks in Slack: Approve or Deny opens a dialog, the dialog brings the decision. Slack is answered at once, and the work
done after that.

Slack says who clicked, not who that is here: the confirmed e-mail address of an ordinary member of our own workspace is
looked up among the people of people.toml. Whether that person may decide is not judged here.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

import msgspec
import trio

from gateway.approvals import signatures, slack_blocks, slack_payloads
from gateway.approvals.people import People
from gateway.approvals.signatures import Seen, Unproven
from gateway.approvals.slack_payloads import Click, Submitted
from gateway.approvals.view import Approver, Evidence
from workers.callbacks import Reply
from workers.channels import NotTold, Requests
from workers.slack import Slack, receipt

AT_ONCE_MAX: Final = 32  # clicks that are worked on
JOB_SECONDS_MAX: Final = 30.0
log = logging.getLogger("sluice.channels")
Job = Callable[[], Awaitable[None]]


class _Dialog(msgspec.Struct, frozen=True, array_like=True):
    """What a dialog carries: the button that opened it, and its message."""

    value: str
    approve: bool
    channel: str
    stamp: str


class Clicks:
    """What clicks lead to. `people`: as people.toml says now; `receipts`: the messages that are about a request; `jobs`: how
    many clicks are worked on."""

    def __init__(
        self,
        slack: Slack,
        people: Callable[[], People],
        requests: Requests,
        receipts: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._slack = slack
        self._people = people
        self._requests = requests
        self._receipts = receipts
        self.jobs = 0
        self._nursery: trio.Nursery | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """For ever."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    @property
    def has_room(self) -> bool:
        """Whether another click can be worked on now."""
        return self.jobs < AT_ONCE_MAX and self._nursery is not None

    def take(self, payload: bytes) -> bool:
        """Begins the work on what Slack sent; whether there is room. Raises Unproven for what Slack would not send."""
        found = slack_payloads.read(payload)
        if found is None:
            return True
        if not self.has_room or self._nursery is None:
            return False
        self.jobs += 1
        self._nursery.start_soon(self._work, found)
        return True

    async def _work(self, found: Click | Submitted) -> None:
        try:
            with trio.move_on_after(JOB_SECONDS_MAX):
                if isinstance(found, Click):
                    await self._clicked(found)
                else:
                    await self._submitted(found)
        except NotTold as error:
            log.warning("channel %s: a click came to nothing: %s", self._slack.name, error)
        except Exception as fault:  # one click's error is not the others'; its words may quote what was sent
            log.error("channel %s: a click ended on an unexpected %s", self._slack.name, type(fault).__name__)
        finally:
            self.jobs -= 1

    async def _clicked(self, click: Click) -> None:
        request = slack_blocks.request_of(click.value, click.approve, self._slack.key)
        if request is None:
            return await self._slack.say(click.channel, click.user, "The button is not of this gateway: nothing happened.")
        here, known = receipt(click.channel, click.stamp), self._receipts(request)
        if known and here not in known:
            await self._slack.say(click.channel, click.user, "The request has another message: please decide there.")
            return await self._slack.update(here, slack_blocks.over(f"Request {request} has another message."))
        view = await self._requests.view(request)
        if view is None or view.state != "open":
            await self._slack.say(click.channel, click.user, f"Request {request} is over: nothing happened.")
            if view is None:
                return await self._slack.update(here, slack_blocks.over(f"Request {request} is over."))
            return await self._slack.update(here, slack_blocks.message(view.without_values(), False, None))
        try:
            approver = await self._approver(click.user, click.team)
        except Unproven as error:
            return await self._slack.say(click.channel, click.user, f"Nothing happened: {error}.")
        metadata = msgspec.json.encode(_Dialog(click.value, click.approve, click.channel, click.stamp)).decode()
        looked = await self._requests.look(request, approver, self._evidence(click, here))
        modal = slack_blocks.modal(looked or view.without_values(), click.approve, looked is not None, metadata)
        try:
            await self._slack.api.call("views.open", {"trigger_id": click.trigger, "view": modal})
        except NotTold:
            await self._slack.say(click.channel, click.user, "That took too long for Slack: please press the button again.")
            raise

    async def _submitted(self, sent: Submitted) -> None:
        dialog = msgspec.json.decode(sent.metadata, type=_Dialog)
        request = slack_blocks.request_of(dialog.value, dialog.approve, self._slack.key)
        if request is None:
            raise NotTold("a dialog is not of this gateway", again=False)
        words = sent.words.strip()
        try:
            if not words and not dialog.approve:
                raise Unproven("a denial needs a reason")
            approver = await self._approver(sent.user, sent.team)
        except Unproven as error:
            return await self._slack.say(dialog.channel, sent.user, f"Nothing happened: {error}.")
        evidence = self._evidence(sent, receipt(dialog.channel, dialog.stamp))
        outcome = await self._requests.decide(request, approver, dialog.approve, words, evidence)
        said = "Your decision is taken." if outcome.ok else "Nothing happened."
        await self._slack.say(dialog.channel, sent.user, f"{said} {outcome.words}".strip())

    def _evidence(self, did: Click | Submitted, message: str) -> Evidence:
        who = {"slack_team": did.team, "slack_user": did.user}
        return {"channel": self._slack.name, "slack_message": message, **who}

    async def _approver(self, user: str, team: str) -> Approver:
        """Raises Unproven with words for whoever clicked, and NotTold."""
        own = await self._slack.team()
        if team != own:
            raise Unproven("you are of another workspace")
        try:
            found = await self._slack.api.call("users.info", {"user": user}, form=True)
        except NotTold as error:
            log.warning("channel %s: %s", self._slack.name, error)
            raise Unproven("Slack does not say who you are: please try again") from None
        person = self._people().of(slack_payloads.email_of(found.get("user"), user, own))
        if person is None:
            raise Unproven("your address belongs to nobody who is known here")
        return Approver(person.user, person.issuer, person.groups, "slack")


class SlackDoor:
    """Slack's requests at /slack/NAME."""

    body_bytes_max = 262_144

    def __init__(self, clicks: Clicks, name: str, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self.path = f"/slack/{name}"
        self._clicks = clicks
        self._name = name
        self._secret = secret
        self._clock = clock
        self._seen = Seen()

    async def handle(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """See Callback."""
        try:
            signatures.check_slack(headers, body, self._secret, self._clock(), self._seen)
        except Unproven as error:
            log.warning("channel %s: a request was turned away: %s", self._name, error)
            return Reply(HTTPStatus.UNAUTHORIZED)
        try:
            payloads = parse_qs(body.decode(), strict_parsing=True, max_num_fields=16).get("payload", [])
            if len(payloads) != 1:
                raise Unproven("there is not one payload")
            room = self._clicks.take(payloads[0].encode())
        except (ValueError, Unproven):
            return Reply(HTTPStatus.BAD_REQUEST)
        return Reply(HTTPStatus.OK if room else HTTPStatus.SERVICE_UNAVAILABLE)
