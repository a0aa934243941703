"""Decisions that programs bring to /hooks/NAME, over real HTTP, with real tokens; and all that is no decision."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from gateway.approvals import cards, signatures
from gateway.approvals.view import Approver
from gateway.identity import claims
from tests.gateway.approvals.views import a_view
from tests.gateway.identity import token_rig
from tests.gateway.identity.token_rig import OTHER_ED, token
from tests.workers.decider import Decider
from tests.workers.inbound_rig import Inbound, served
from workers.callbacks import Hook
from workers.channels import NotTold

pytestmark = pytest.mark.trio
SECRET = signatures.secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
KEYS = token_rig.read(token_rig.pem(token_rig.ED))


def prove(given: str) -> Approver:
    who = claims.verify(given, None, KEYS, time.time())
    return Approver(who.user, who.issuer, who.groups, "token", who.actors)


def a_token(**changes: Any) -> str:
    now = int(time.time())
    return token(token_rig.claims(**({"sub": "dora", "groups": ["dba"], "iat": now, "exp": now + 600} | changes)))


class Bench:
    def __init__(self, inbound: Inbound, decider: Decider) -> None:
        self.inbound = inbound
        self.decider = decider
        self._number = 0

    async def send(self, body: bytes | dict[str, Any], at: float | None = None, **headers: str) -> httpx2.Response:
        self._number += 1
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = signatures.sign(f"m{self._number}", content, SECRET, time.time() if at is None else at)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.inbound.post("/hooks/okta", content, signed | given)


@asynccontextmanager
async def bench(groups: Any = None, **changes: Any) -> AsyncIterator[Bench]:
    decider = Decider(a_view(until=time.time() + 300, **changes))
    async with served([Hook("okta", SECRET, decider, prove, time.time, groups)]) as inbound:
        yield Bench(inbound, decider)


def decision(**changes: Any) -> dict[str, Any]:
    return {"request": "h0123456789", "approve": True, "token": a_token(), "words": "fine"} | changes


async def test_a_signed_decision_with_the_approvers_token_counts() -> None:
    async with bench() as made:
        answer = await made.send(decision())
        assert (answer.status_code, answer.json()) == (200, {"ok": True, "words": "1 of 1 given."})
        (taken,) = made.decider.taken
        assert (taken.approver.user, taken.approver.how, taken.words) == ("dora", "token", "fine")
        assert taken.evidence == {"channel": "okta", "message": "m1"}


async def test_the_same_message_counts_once_and_another_of_the_same_is_too_late() -> None:
    async with bench(needed=2) as made:
        body = json.dumps(decision()).encode()
        headers = signatures.sign("once", body, SECRET, time.time())
        assert (await made.inbound.post("/hooks/okta", body, headers)).status_code == 200
        assert (await made.inbound.post("/hooks/okta", body, headers)).status_code == 401
        again = await made.send(decision())
        assert (again.status_code, again.json()["error"]) == (409, "You have decided already.")
        assert len(made.decider.taken) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"webhook_signature": "v1,AAAA"}, "signature"),
        ({"webhook_id": "other"}, "signature"),
        ({"webhook_timestamp": "1"}, "too far"),
        ({"webhook_timestamp": ""}, "no number"),
        ({"at": -301}, "too far"),
        ({"at": 330}, "too far"),
    ],
)
async def test_what_is_not_signed_now_says_nothing_of_requests(change: dict[str, Any], why: str) -> None:
    async with bench() as made:
        if "at" in change:
            change = change | {"at": time.time() + change["at"]}
        answer = await made.send(decision(request="unknown"), **change)
        assert answer.status_code == 401
        assert why in answer.json()["error"]
        assert made.decider.taken == made.decider.refused == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (lambda: "no.to.ken", "readable"),
        (lambda: token(token_rig.claims(), key=OTHER_ED), "signature|signed"),
        (lambda: a_token(exp=int(time.time()) - 100), "expired|lifetime"),
        (lambda: a_token(aud="elsewhere"), "audience"),
        (lambda: a_token(act={"sub": "agent-9"}), "an agent decides nothing"),
    ],
)
async def test_the_approvers_own_valid_token_is_needed(given: Any, why: str) -> None:
    async with bench() as made:
        answer = await made.send(decision(token=given()))
        assert answer.status_code == 403
        assert any(one in answer.json()["error"] for one in why.split("|"))
        assert made.decider.taken == made.decider.refused == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sub": "ada"}, "his own request"),
        ({"groups": ["analysts"]}, "no approver"),
        ({"groups": None}, "no approver"),
    ],
)
async def test_who_may_not_decide_is_told_so(changes: dict[str, Any], why: str) -> None:
    async with bench() as made:
        answer = await made.send(decision(token=a_token(**changes)))
        assert answer.status_code == 409
        assert why in answer.json()["error"]


async def test_what_is_signed_and_no_decision_is_refused_also_our_own_message_sent_back() -> None:
    async with bench() as made:
        for body in (b"", b"{", b"[]", decision(approve="yes"), decision(user="root"), cards.data(a_view(), "x", False)):
            assert (await made.send(body)).status_code == 400
        assert (await made.send(b"x" * 70_000)).status_code == 413
        assert (await made.send(decision(request="unknown"))).status_code == 409


async def test_groups_are_asked_for_where_the_token_says_none() -> None:
    async def groups(approver: Approver) -> tuple[str, ...]:
        assert approver.user == "dora"
        return ("dba",)

    async with bench(groups) as made:
        assert (await made.send(decision(token=a_token(groups=None)))).status_code == 200
        assert made.decider.taken[0].approver.groups == ("dba",)


async def test_groups_that_cannot_be_asked_for_give_no_right() -> None:
    async def groups(approver: Approver) -> tuple[str, ...]:
        raise NotTold("okta.example does not answer in time", again=True)

    async with bench(groups) as made:
        assert (await made.send(decision(token=a_token(groups=None)))).status_code == 503
        assert made.decider.taken == []
