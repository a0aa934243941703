"""Messages in Slack: posted, brought up to date, and what Slack says against it."""

import json
from collections.abc import Iterator

import pytest

from gateway.approvals.slack_blocks import button_key
from tests.gateway.approvals.views import SECRET, a_view, decided
from tests.workers.issuer_rig import as_json
from tests.workers.slack_rig import BOT, SlackServer
from tests.workers.vendor_rig import status, vendor
from workers.channel_http import Out
from workers.channels import NotTold
from workers.slack import Slack, SlackApi

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackServer]:
    with vendor(tmp_path_factory.mktemp("slack")) as made:
        yield SlackServer(made)


def slack(server: SlackServer, token: str = BOT, *, literals: bool = False, default_place: str = "") -> Slack:
    api = SlackApi(Out(str(server.vendor.ca_file)), token, server.url)
    return Slack("slack", api, button_key(BOT.encode()), interactive=True, literals=literals, default_place=default_place)


async def test_a_message_is_posted_and_brought_up_to_date_without_literals(server: SlackServer) -> None:
    channel = slack(server, literals=True)
    receipt = await channel.ask(a_view(), "#dba")
    assert SECRET in server.history[-1]
    await channel.settled(decided().without_values(), "#dba", receipt)
    (message,) = [one for key, one in server.messages.items() if "/".join(key) == receipt]
    text = json.dumps(message)
    assert "approved by carol" in text
    assert SECRET not in text
    assert "button" not in text
    sent = server.asked("chat.postMessage")[-1].json()
    assert (sent["unfurl_links"], sent["unfurl_media"]) == (False, False)


async def test_a_message_of_an_open_request_says_how_many_have_approved_and_keeps_its_buttons(server: SlackServer) -> None:
    channel = slack(server)
    receipt = await channel.ask(a_view(needed=2), "#dba")
    await channel.changed(a_view(needed=2, given=1, alike=3), "#dba", receipt, "approval.given")
    (message,) = [one for key, one in server.messages.items() if "/".join(key) == receipt]
    text = json.dumps(message)
    assert "Approvals: 1 of 2 given" in text
    assert "Alike: 3 alike wait" in text
    assert "sluice_approve" in text
    assert SECRET not in text


async def test_a_place_of_sluice_toml_counts_where_the_policy_names_none(server: SlackServer) -> None:
    receipt = await slack(server, default_place="#prod").ask(a_view(), "")
    assert receipt.startswith("C2/")
    with pytest.raises(NotTold, match="names a channel") as caught:
        await slack(server).ask(a_view(), "")
    assert not caught.value.again


@pytest.mark.parametrize(
    ("token", "place", "why"), [(BOT, "#nowhere", "channel_not_found"), ("xoxb-wrong", "#dba", "invalid_auth")]
)
async def test_what_slack_refuses_is_told_in_its_word_and_not_tried_again(
    server: SlackServer, token: str, place: str, why: str
) -> None:
    with pytest.raises(NotTold, match=f"^Slack refuses chat.postMessage: {why}$") as caught:
        await slack(server, token).ask(a_view(), place)
    assert not caught.value.again


async def test_a_limit_and_a_fault_of_slacks_are_tried_again(server: SlackServer) -> None:
    server.next("chat.postMessage").append(status(429, retry_after="30"))
    with pytest.raises(NotTold) as caught:
        await slack(server).ask(a_view(), "#dba")
    assert (caught.value.again, caught.value.after) == (True, 30.0)
    server.next("chat.postMessage").append(lambda asked: as_json({"ok": False, "error": "internal_error"}))
    with pytest.raises(NotTold) as caught:
        await slack(server).ask(a_view(), "#dba")
    assert caught.value.again


async def test_an_error_that_is_no_word_is_not_repeated(server: SlackServer) -> None:
    server.next("chat.postMessage").append(lambda asked: as_json({"ok": False, "error": f"no: {SECRET}"}))
    with pytest.raises(NotTold, match="no reason"):
        await slack(server).ask(a_view(), "#dba")
    server.next("chat.postMessage").append(lambda asked: as_json({"ok": True}))
    with pytest.raises(NotTold, match="does not say where"):
        await slack(server).ask(a_view(), "#dba")
