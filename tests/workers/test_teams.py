"""Microsoft Teams, against a server that takes cards as a workflow's webhook does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.approvals.views import SECRET, a_view, decided
from tests.workers.vendor_rig import Asked, Vendor, closing, status, vendor
from workers.channel_http import Out
from workers.channels import NotTold
from workers.teams import Teams

pytestmark = pytest.mark.trio
PATH = "/workflows/abc/triggers/manual/paths/invoke"


def invoke(asked: Asked) -> tuple[int, dict[str, str], bytes]:
    (attachment,) = asked.json()["attachments"]
    content = attachment["content"]
    good = asked.json()["type"] == "message" and attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    good = good and content["type"] == "AdaptiveCard" and len(asked.body) < 28_000 and "sig=secret" in asked.query
    return (202 if good else 400), {}, b""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Vendor]:
    with vendor(tmp_path / "house") as made:
        made.routes[PATH] = invoke
        yield made


async def test_a_card_tells_of_a_request_and_another_of_its_end(house: Vendor) -> None:
    channel = Teams("teams", Out(str(house.ca_file)), f"{house.url}{PATH}?api-version=1&sig=secret")
    await channel.settled(decided(), "", await channel.ask(a_view(), ""))
    first, last = (one.body.decode() for one in house.asked)
    assert "agent-7 for ada" in first
    assert SECRET not in first
    assert "approved by carol" in last


@pytest.mark.parametrize("answer", [status(429, retry_after="1"), status(500), closing, status(401)])
async def test_no_failure_tells_the_address_which_is_a_secret(house: Vendor, answer: object) -> None:
    house.next[PATH].append(answer)  # type: ignore[arg-type]
    with pytest.raises(NotTold) as caught:
        await Teams("teams", Out(str(house.ca_file)), f"{house.url}{PATH}?sig=secret").ask(a_view(), "")
    assert "secret" not in str(caught.value)
    assert "abc" not in str(caught.value)


async def test_another_card_tells_who_has_to_act_and_none_that_more_is_alike(house: Vendor) -> None:
    channel = Teams("teams", Out(str(house.ca_file)), f"{house.url}{PATH}?api-version=1&sig=secret")
    await channel.changed(a_view(alike=2), "", "posted", "request.grouped")
    await channel.changed(a_view(needed=2, given=1), "", "posted", "approval.given")
    (card,) = (one.body.decode() for one in house.asked)
    assert "1 of 2 given" in card
