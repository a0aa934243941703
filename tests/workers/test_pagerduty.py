"""PagerDuty, against a server that checks events as the Events API v2 says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.approvals.views import a_view, decided
from tests.workers.issuer_rig import Reply, as_json
from tests.workers.vendor_rig import Asked, Vendor, status, vendor
from workers.channel_http import Out
from workers.channels import NotTold
from workers.pagerduty import PagerDuty

pytestmark = pytest.mark.trio
KEY = "R" * 32


def enqueue(asked: Asked) -> Reply:
    given = asked.json()
    known = given["routing_key"] == KEY and given["event_action"] in ("trigger", "resolve")
    if given["event_action"] == "trigger":
        payload = given["payload"]
        known = known and {"summary", "source", "severity"} <= payload.keys() and len(payload["summary"]) <= 1024
        known = known and payload["severity"] in ("critical", "error", "warning", "info")
    if asked.method != "POST" or not known or len(given["dedup_key"]) > 255:
        return as_json({"status": "invalid event", "message": "Event object is invalid", "errors": []}, 400)
    return as_json({"status": "success", "message": "Event processed", "dedup_key": given["dedup_key"]}, 202)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Vendor]:
    with vendor(tmp_path / "house") as made:
        made.routes["/v2/enqueue"] = enqueue
        yield made


async def test_an_incident_is_triggered_and_resolved(house: Vendor) -> None:
    channel = PagerDuty("night", Out(str(house.ca_file)), KEY, "critical", f"{house.url}/v2/enqueue")
    await channel.settled(decided(), "", await channel.ask(a_view(), ""))
    opened, closed = (one.json() for one in house.asked)
    assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == closed["dedup_key"] == "sluice/h0123456789"


async def test_a_wrong_key_is_not_tried_again_and_a_limit_is(house: Vendor) -> None:
    with pytest.raises(NotTold, match="status 400") as caught:
        await PagerDuty("night", Out(str(house.ca_file)), "wrong", "info", f"{house.url}/v2/enqueue").ask(a_view(), "")
    assert not caught.value.again
    assert "wrong" not in str(caught.value)
    house.next["/v2/enqueue"].append(status(429))
    with pytest.raises(NotTold) as caught:
        await PagerDuty("night", Out(str(house.ca_file)), KEY, "info", f"{house.url}/v2/enqueue").ask(a_view(), "")
    assert caught.value.again
