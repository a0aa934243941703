"""The generic webhook, against a server that verifies it as Standard Webhooks say."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.approvals import signatures
from gateway.approvals.signatures import Seen
from tests.gateway.approvals.views import SECRET, a_view, decided
from tests.workers.vendor_rig import Vendor, status, vendor
from workers.channel_http import Out
from workers.channels import NotTold
from workers.webhook import Webhook

pytestmark = pytest.mark.trio
KEY = signatures.secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Vendor]:
    with vendor(tmp_path / "house") as made:
        made.routes["/hook"] = status(204)
        yield made


def webhook(house: Vendor, *, literals: bool = False) -> Webhook:
    return Webhook("okta", Out(str(house.ca_file)), f"{house.url}/hook", KEY, literals=literals)


async def test_both_ends_of_a_request_are_told_signed(house: Vendor) -> None:
    channel = webhook(house)
    receipt = await channel.ask(a_view(), "")
    await channel.settled(decided(), "", receipt)
    first, last = house.asked
    for one in (first, last):
        signatures.check(one.headers, one.body, KEY, time.time(), Seen())
    assert first.json()["type"] == "request.opened"
    assert first.json()["data"]["shape"] == a_view().shape
    assert SECRET not in first.body.decode()
    assert (last.json()["type"], last.json()["data"]["state"]) == ("request.closed", "approved")
    assert first.headers["webhook-id"] != last.headers["webhook-id"]


async def test_a_message_that_is_tried_again_has_the_same_id_and_a_new_time(house: Vendor) -> None:
    channel = webhook(house, literals=True)
    house.next["/hook"].append(status(502))
    with pytest.raises(NotTold) as caught:
        await channel.ask(a_view(), "")
    assert caught.value.again
    await channel.ask(a_view(), "")
    first, second = house.asked
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert SECRET in json.dumps(second.json())


async def test_what_becomes_of_an_open_request_is_a_message_of_its_own(house: Vendor) -> None:
    channel = webhook(house)
    for given in (1, 2):
        await channel.changed(a_view(given=given, changed=1_790_000_000.0 + given), "", "r", "approval.given")
    assert [(one.json()["type"], one.json()["data"]["given"]) for one in house.asked] == [
        ("approval.given", 1), ("approval.given", 2),
    ]  # fmt: skip
    assert len({one.headers["webhook-id"] for one in house.asked}) == 2
    assert not any(SECRET in one.body.decode() for one in house.asked)
