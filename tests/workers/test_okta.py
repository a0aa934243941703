"""Okta: a flow that is invoked, and groups, against a server that answers as Okta documents."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.approvals.view import Approver
from tests.gateway.approvals.views import SECRET, a_view, decided
from tests.workers.issuer_rig import Reply, as_json
from tests.workers.vendor_rig import Asked, Vendor, status, vendor
from workers import okta
from workers.channel_http import Out
from workers.channels import NotTold
from workers.okta import Okta, OktaGroups

pytestmark = pytest.mark.trio
FLOW = "/api/flo/0a1b/invoke"
DORA = Approver("dora@example.com", "okta", (), "token")
GROUPS = "/api/v1/users/dora%40example.com/groups"


def invoke(asked: Asked) -> Reply:
    if asked.method != "POST" or asked.headers.get("x-api-client-token") != "client-token":
        return as_json({"error": {"message": "unauthorized"}}, 401)
    assert {"type", "data"} == asked.json().keys()
    return as_json({"taken": True})


def groups(asked: Asked) -> Reply:
    if asked.headers.get("authorization") != "SSWS api-token":
        return as_json({"errorCode": "E0000011", "errorSummary": "Invalid token provided"}, 401)
    assert asked.method == "GET"
    if asked.query:
        return as_json([{"id": "g3", "profile": {"name": "dba"}}])
    here = f"https://{asked.headers['host']}{GROUPS}"
    return as_json(
        [{"id": "g1", "profile": {"name": "Everyone"}}, {"id": "g2", "profile": {"name": "staff"}}],
        link=f'<{here}>; rel="self", <{here}?after=g2&limit=2>; rel="next"',
    )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Vendor]:
    with vendor(tmp_path / "house") as made:
        made.routes |= {FLOW: invoke, GROUPS: groups}
        yield made


async def test_a_flow_is_invoked_for_both_ends_of_a_request(house: Vendor) -> None:
    channel = Okta("flow", Out(str(house.ca_file)), house.url + FLOW, "client-token")
    await channel.settled(decided(), "", await channel.ask(a_view(), ""))
    assert [one.json()["type"] for one in house.asked] == ["request.opened", "request.closed"]
    assert SECRET not in house.asked[0].body.decode()
    with pytest.raises(NotTold, match="status 401") as caught:
        await Okta("flow", Out(str(house.ca_file)), house.url + FLOW, "wrong").ask(a_view(), "")
    assert not caught.value.again


async def test_all_pages_of_somebodys_groups_are_read(house: Vendor) -> None:
    found = await OktaGroups(Out(str(house.ca_file)), house.url + "/", "api-token").of(DORA)
    assert found == ("Everyone", "staff", "dba")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (status(404), "status 404"),
        (status(429, retry_after="2"), "status 429"),
        (lambda asked: as_json({"errorCode": "E1"}), "with groups"),
        (lambda asked: as_json([{"profile": {}}]), "with groups"),
        (lambda asked: (200, {}, b"<html>"), "with groups"),
        (lambda asked: as_json([], link='<https://evil.example/x>; rel="next"'), "leads elsewhere"),
    ],
)
async def test_half_an_answer_is_none(house: Vendor, answer: object, why: str) -> None:
    house.next[GROUPS].append(answer)  # type: ignore[arg-type]
    with pytest.raises(NotTold, match=why):
        await OktaGroups(Out(str(house.ca_file)), house.url, "api-token").of(DORA)


async def test_pages_without_end_are_given_up(house: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(okta, "PAGES_MAX", 3)
    house.routes[GROUPS] = lambda asked: as_json([], link=f'<{house.url}{GROUPS}?after=x>; rel="next"')
    with pytest.raises(NotTold, match="more groups"):
        await OktaGroups(Out(str(house.ca_file)), house.url, "api-token").of(DORA)
    assert len(house.asked) == 3
