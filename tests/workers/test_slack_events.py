"""From a button in Slack to a decision, over real HTTP both ways; and all those whose click comes to nothing."""

import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import trio

from gateway.approvals import people
from gateway.approvals.slack_blocks import button_key, button_value
from gateway.approvals.view import View
from tests.gateway.approvals.views import SECRET, a_view
from tests.workers.decider import Decider
from tests.workers.inbound_rig import Inbound, served
from tests.workers.issuer_rig import as_json
from tests.workers.slack_rig import BOT, SIGNING, SlackServer
from tests.workers.vendor_rig import vendor
from workers import slack_events
from workers.channel_http import Out
from workers.channels import Channels
from workers.slack import Slack, SlackApi
from workers.slack_events import Clicks, SlackDoor

pytestmark = pytest.mark.trio
PEOPLE = "".join(
    f'[[person]]\nemail = "{name}@example.com"\nuser = "{name}"\nissuer = "company"\ngroups = [{groups}]\n'
    for name, groups in (("carol", ""), ("ada", '"dba"'), ("erin", '"analysts"'))
)
KEY = button_key(BOT.encode())


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackServer]:
    with vendor(tmp_path_factory.mktemp("slack")) as made:
        yield SlackServer(made)


class Bench:
    """A request that waits, its message in Slack, and the door for clicks."""

    def __init__(self, server: SlackServer, inbound: Inbound, decider: Decider, channels: Channels) -> None:
        self.server = server
        self.inbound = inbound
        self.decider = decider
        self.channels = channels

    async def send(self, payload: dict[str, Any] | bytes, **how: Any) -> httpx2.Response:
        headers, body = self.server.signed(payload, **how)
        return await self.inbound.post("/slack/slack", body, headers)

    async def until(self, ready: Callable[[], bool]) -> None:
        """The Slack of the tests runs in threads, so it is looked at until it is so."""
        with trio.fail_after(10):
            while not ready():
                await trio.sleep(0.005)

    async def press(self, action: str, user: str = "UCAROL", **more: Any) -> str:
        """The trigger of the dialog that opened."""
        payload = self.server.click(self.server.button(action), user, **more)
        assert (await self.send(payload)).status_code == 200
        await self.until(lambda: payload["trigger_id"] in self.server.modals)
        return str(payload["trigger_id"])

    async def fails(self, payload: dict[str, Any], words: str) -> None:
        """Slack is answered well; whoever clicked is told; nothing is decided."""
        before, taken = len(self.server.said), len(self.decider.taken)
        assert (await self.send(payload)).status_code == 200
        await self.until(lambda: len(self.server.said) > before)
        assert words in self.server.said[-1][1]
        assert len(self.decider.taken) == taken


@asynccontextmanager
async def bench(server: SlackServer, *views: View) -> AsyncIterator[Bench]:
    views = views or (a_view(until=time.time() + 300),)
    decider = Decider(*views)
    api = SlackApi(Out(str(server.vendor.ca_file)), BOT, server.url)
    channel = Slack("slack", api, KEY, interactive=True, literals=False)
    channels = Channels({"slack": channel}, lambda word: ("slack", word[6:]) if word[:5] == "slack" else None, time.time)
    decider.settled = channels.settled
    known = people.load(PEOPLE, "people.toml")
    clicks = Clicks(channel, lambda: known, decider, lambda request: channels.receipts("slack", request))
    async with trio.open_nursery() as nursery:
        await nursery.start(channels.run)
        await nursery.start(clicks.run)
        async with served([SlackDoor(clicks, "slack", SIGNING.encode())]) as inbound:
            made = Bench(server, inbound, decider, channels)
            for view in views:
                channels.asked(view)
            await made.until(lambda: all(channels.receipts("slack", view.id) for view in views))
            yield made
        server.vendor.over.set()
        await made.until(lambda: clicks.jobs == 0 and channels.health()[0].waiting == 0)
        nursery.cancel_scope.cancel()


async def test_a_dba_approves_in_slack_and_the_message_says_so(server: SlackServer) -> None:
    async with bench(server) as made:
        assert SECRET not in server.history[0]
        trigger = await made.press("sluice_approve")
        assert SECRET in json.dumps(server.modals[trigger]), "the approver sees the values, in his dialog alone"
        assert made.decider.looked == [("h0123456789", "carol", "slack")], "and that is on record"
        assert (await made.send(server.submit(trigger, "looks right"))).content == b""
        await made.decider.until(lambda: bool(made.decider.taken))
        (taken,) = made.decider.taken
        assert (taken.approver.user, taken.approver.issuer, taken.approver.how) == ("carol", "company", "slack")
        assert (taken.approve, taken.words) == (True, "looks right")
        assert taken.evidence["slack_user"] == "UCAROL"
        await made.until(lambda: "approved by carol" in json.dumps(list(server.messages.values())))
        await made.until(lambda: ("UCAROL", "Your decision is taken. 1 of 1 given.") in server.said)
        assert SECRET not in json.dumps(list(server.messages.values()))


async def test_a_denial_needs_its_reason(server: SlackServer) -> None:
    async with bench(server) as made:
        trigger = await made.press("sluice_deny")
        await made.fails(server.submit(trigger, "  "), "needs a reason")
        await made.send(server.submit(trigger, "not on a Friday"))
        await made.decider.until(lambda: bool(made.decider.taken))
        assert (made.decider.taken[0].approve, made.decider.taken[0].words) == (False, "not on a Friday")


@pytest.mark.parametrize(
    ("user", "team", "words"),
    [
        ("UNOBODY", "T1", "belongs to nobody"),
        ("UGUEST", "T1", "guests"),
        ("USTRANGER", "T1", "another workspace"),
        ("UCAROL", "T2", "another workspace"),
        ("UUNCONFIRMED", "T1", "no confirmed"),
        ("UUNKNOWN", "T1", "does not say who you are"),
    ],
)
async def test_whoever_is_not_known_for_certain_opens_no_dialog(
    server: SlackServer, user: str, team: str, words: str
) -> None:
    async with bench(server) as made:
        await made.fails(server.click(server.button("sluice_approve"), user, team), words)
        assert server.modals == {}


async def test_neither_the_requester_nor_a_stranger_to_the_rule_sees_literals_or_decides(server: SlackServer) -> None:
    async with bench(server) as made:
        for user, words in (("UADA", "his own request"), ("UERIN", "no approver")):
            trigger = await made.press("sluice_approve", user)
            assert SECRET not in json.dumps(server.modals[trigger])
            await made.fails(server.submit(trigger, "please", user), words)
        assert made.decider.looked == []


async def test_a_dialog_that_another_user_sends_is_judged_as_his(server: SlackServer) -> None:
    async with bench(server) as made:
        trigger = await made.press("sluice_approve")
        await made.fails(server.submit(trigger, "mine", "UADA"), "his own request")
        await made.fails(server.submit(trigger, "mine", "UGUEST"), "guests")


async def test_a_second_click_and_a_late_one_decide_nothing(server: SlackServer) -> None:
    async with bench(server) as made:
        late = server.click(server.button("sluice_deny"))
        first, second = await made.press("sluice_approve"), await made.press("sluice_approve")
        await made.send(server.submit(first, "yes"))
        await made.decider.until(lambda: bool(made.decider.taken))
        await made.until(lambda: "approved by" in json.dumps(list(server.messages.values())))
        await made.fails(server.submit(second, "yes"), "is over")
        await made.fails(late, "is over")
        assert "sluice_approve" not in json.dumps(list(server.messages.values()))


async def test_a_click_on_a_request_nobody_knows_any_more_takes_its_buttons_away(server: SlackServer) -> None:
    async with bench(server) as made:
        made.decider.views.clear()
        await made.fails(server.click(server.button("sluice_approve")), "is over")
        await made.until(lambda: "sluice_approve" not in json.dumps(list(server.messages.values())))


async def test_a_button_that_names_another_request_or_another_answer_is_none(server: SlackServer) -> None:
    now = time.time()
    async with bench(server, a_view(until=now + 300), a_view(id="h2", until=now + 300, channels=("slack:#prod",))) as made:
        mine, other = server.button("sluice_approve", "C1"), server.button("sluice_approve", "C2")
        for value in ("h2", "h2.", "h2" + mine["value"][11:], button_value("h0123456789", False, KEY), "", "x" * 5000):
            await made.fails(server.click(mine | {"value": value}), "not of this gateway")
        await made.fails(server.click(mine | {"value": other["value"]}), "has another message")
        assert server.modals == {}


async def test_a_dialog_whose_request_was_changed_decides_nothing(server: SlackServer) -> None:
    async with bench(server) as made:
        trigger = await made.press("sluice_deny")
        for metadata in ("", "{}", "[]", "[" * 9999, '["h2.0", true, "C1", "1.2"]',
                         server.modals[trigger]["private_metadata"].replace("false", "true")):  # fmt: skip
            payload = server.submit(trigger, "x")
            payload["view"]["private_metadata"] = metadata
            assert (await made.send(payload)).status_code == 200
        await made.send(server.submit(trigger, "still works"))
        await made.decider.until(lambda: bool(made.decider.taken))
        assert [one.words for one in made.decider.taken] == ["still works"]


async def test_what_slack_did_not_sign_now_and_once_does_nothing(
    server: SlackServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(server) as made:
        payload = server.click(server.button("sluice_approve"))
        assert (await made.send(payload, key="wrong")).status_code == 401
        assert (await made.send(payload, at=time.time() - 301)).status_code == 401
        assert (await made.send(payload, at=time.time() + 330)).status_code == 401
        headers, body = server.signed(payload)
        assert (await made.inbound.post("/slack/slack", body + b"x", headers)).status_code == 401
        assert (await made.inbound.post("/slack/slack", body, {})).status_code == 401
        doubled = headers | {"X-Slack-Signature": headers["x-slack-signature"] + ", v0=00"}
        doubled.pop("x-slack-signature")
        assert (await made.inbound.post("/slack/slack", body, doubled)).status_code == 401
        assert server.modals == {}
        assert (await made.inbound.post("/slack/slack", body, headers)).status_code == 200
        assert (await made.inbound.post("/slack/slack", body, headers)).status_code == 401, "a replay"
        await made.until(lambda: len(server.modals) == 1)
    assert "signature" in caplog.text
    assert SIGNING not in caplog.text


@pytest.mark.parametrize("body", [b"", b"x", b"payload={", b"payload=[]", b"payload=%ff", b"payload=1&payload=2"])
async def test_what_cannot_be_read_is_refused_though_it_is_signed(server: SlackServer, body: bytes) -> None:
    async with bench(server) as made:
        assert (await made.send(body)).status_code == 400


async def test_what_is_too_long_is_not_read(server: SlackServer) -> None:
    async with bench(server) as made:
        assert (await made.send(b"payload=" + b"x" * 300_000)).status_code == 413


async def test_slack_is_answered_before_the_work_is_done(server: SlackServer) -> None:
    async with bench(server) as made:
        server.next("users.info").append(server.vendor.hanging)
        began = time.monotonic()
        assert (await made.send(server.click(server.button("sluice_approve")))).status_code == 200
        assert time.monotonic() - began < 3


async def test_more_clicks_than_can_be_worked_on_are_put_off(
    server: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_events, "AT_ONCE_MAX", 1)
    async with bench(server) as made:
        server.next("users.info").append(server.vendor.hanging)
        payload = server.click(server.button("sluice_approve"))
        assert (await made.send(payload)).status_code == 200
        assert (await made.send(payload | {"trigger_id": "other"})).status_code == 503


async def test_a_dialog_that_slack_finds_too_late_is_said_so(server: SlackServer, caplog: pytest.LogCaptureFixture) -> None:
    async with bench(server) as made:
        server.next("views.open").append(lambda asked: as_json({"ok": False, "error": "expired_trigger_id"}))
        with caplog.at_level(logging.INFO):
            await made.fails(server.click(server.button("sluice_approve")), "too long for Slack")
    assert SECRET not in caplog.text
