"""A decision that wants a fresh and strong sign-in, by every way that decisions come in."""

import time
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from gateway.approvals.view import Approver
from gateway.identity.authentication import Authentication
from gateway.policy.step_up import Demand
from tests.workers.admin_rig import token
from tests.workers.console_rig import Read, site
from tests.workers.desk_rig import SHOP, waits
from tests.workers.test_held_desk import House, house
from workers.admin_access import AccessDesk
from workers.admin_app import application
from workers.admin_approvals import Approvals
from workers.admin_calls import Call
from workers.admin_strangers import Strangers
from workers.approval_channels import ApprovalChannels
from workers.stepping_up import TooWeak, challenge, command

pytestmark = pytest.mark.trio
PAGE = "http://127.0.0.1:6480/approvals/h1"


def signed_in(at: House, facts: Authentication | None) -> Call:
    call = at.call()
    call.who = replace(call.who, authentication=facts)
    return call


async def test_a_decision_counts_by_a_sign_in_that_is_fresh_and_strong(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        worker = await at.worker(waits("h1", "fresh"), waits("h2", "fresh", "shop"))
        now = int(time.time())
        mfa = ("mfa",)
        weak = (None, Authentication(now, "phr"), Authentication(now - 301, "phr", mfa), Authentication(now, "", mfa))
        for facts in weak:
            for decide in (at.held.approve, at.held.deny):
                with pytest.raises(TooWeak) as caught:
                    await decide(signed_in(at, facts))
                assert caught.value.status == 401
                assert PAGE in caught.value.hint
        assert at.told() == []
        refused = [one.data for one in at.supervisor.told if one.data["what"] == "operation refused"]
        assert (len(refused), refused[0]["approval"], refused[0]["user"]) == (8, "h1", "bo")
        shown = (await at.held.show(signed_in(at, None)))["approval"]
        assert "geheim-4711" in shown["text"], "who decides reads what he will decide about"
        assert len(shown["step_up"]["lacks"]) == 3
        good = signed_in(at, Authentication(now - 100, "phrh", ("pwd", "mfa")))
        assert (await at.held.show(good))["approval"]["step_up"] is None
        assert (await at.held.approve(good))["approval"]["state"] == "approved"
        assert (await worker.hears()).approve
        assert await at.approve("h2") == 401, "one of several rules is enough to want it"


async def test_the_interface_answers_as_rfc_9470_says(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.worker(waits("h1", "fresh"))
        strangers = Strangers(at.desk)
        app = application(at.desk, Approvals(AccessDesk(at.desk), at.held).all(), strangers)
        headers = {"Authorization": f"Bearer {token(at.desk.loaded, 'bo', SHOP)}"}
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://x") as client:
            answer = await client.post("/v1/approvals/h1/approve", headers=headers)
            other = await client.post("/v1/approvals/h9/approve", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == (
            'Bearer error="insufficient_user_authentication", error_description="this decision wants a sign-in at most 5 '
            'min old, a sign-in of class phr or phrh, a sign-in with mfa", max_age="300", acr_values="phr phrh"'
        )
        assert "sluice login --browser --max-age 300 --acr-values 'phr phrh'" in answer.json()["hint"]
        assert "www-authenticate" not in other.headers


async def test_a_channel_is_told_to_open_the_console(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.worker(waits("h1", "fresh"))
        channels = ApprovalChannels(at.desk, AccessDesk(at.desk), at.held)
        outcome = await channels.decide("h1", Approver("bo", "local", SHOP, "slack"), True, "yes", {"slack_user": "U1"})
        assert (outcome.ok, outcome.words.endswith(f"Decide on the console: {PAGE}")) == (False, True)
        assert (await at.kept("h1")).state == "pending"


async def test_the_page_asks_for_it_and_decides_by_nothing_less(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        worker = await at.at.worker(waits("h1", "fresh"))
        browser = await at.signed_in()
        shown = await browser.get("/approvals/h1")
        assert "It wants a sign-in at most 5 min old, a sign-in of class phr or phrh, a sign-in with mfa." in shown.text
        assert Read(shown.text).fields.keys() == {"csrf"}, "nothing to press"
        refused = await browser.post("/approvals/h1/approve")
        assert (refused.status_code, "Nothing was done: this decision wants" in refused.text) == (401, True)
        (session,) = at.console._sessions._sessions.values()
        session.who = replace(session.who, authentication=Authentication(int(time.time()), "phr", ("mfa",)))
        assert (await browser.post("/approvals/h1/approve")).status_code == 303
        assert (await worker.hears()).approve


def _plain(demand: Demand) -> str:
    return f"{challenge(demand)} {command(demand)}"


async def test_what_is_quoted_stays_within_its_quotes() -> None:
    told = _plain(Demand(('a sign-in of class x"y\\z',), None, ('x"y\\z',)))
    assert 'acr_values="x\\"y\\\\z"' in told
    assert "max_age" not in told.partition(" sluice")[0]
