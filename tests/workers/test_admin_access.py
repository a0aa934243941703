"""Access on request in the admin process: what time, a lost record, a lost disk and a replay do to it."""

import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from gateway.approvals import viewing
from gateway.policy.access import Access
from gateway.policy.table import PolicyTable
from tests.gateway.approvals.test_delegation import lend
from tests.workers.admin_rig import POLICY, Supervisor, calling, desk, load, tending
from workers import admin_post, approvals_store
from workers.admin_access import AccessDesk
from workers.admin_calls import Call, Turned
from workers.admin_process import Desk
from workers.approvals_store import Store

pytestmark = pytest.mark.trio
ASK = {"database": "prod", "reason": "TICKET-1", "seconds": 600}
DEV: dict[str, Any] = {"user": "dave", "groups": ("devs",)}
LEAD: dict[str, Any] = {"user": "lena", "groups": ("leads",)}


class House:
    def __init__(self, one: Desk, supervisor: Supervisor) -> None:
        self.desk, self.supervisor, self.access = one, supervisor, AccessDesk(one)

    async def ask(self, later: float = 0.0, **body: Any) -> dict[str, Any]:
        call = calling(self.desk, {**ASK, **body}, **DEV)
        call.now += later
        asked: dict[str, Any] = (await self.access.ask(call))["approval"]
        return asked

    def call(self, one: dict[str, Any], later: float = 0.0, **who: Any) -> Call:
        call = calling(self.desk, {}, {"id": one["id"]}, **who)
        call.now += later
        return call

    def desk_rule(self) -> Access:
        (rule,) = PolicyTable(self.desk.loaded.policy).access
        return rule

    def told(self) -> list[str]:
        return [each.data["what"] for each in self.supervisor.told if each.kind == "approval"]


@asynccontextmanager
async def house(folder: Path, policy: str = POLICY) -> AsyncIterator[House]:
    with desk(load(folder, policy)) as (one, supervisor):
        made = House(one, supervisor)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tending, one, supervisor)
            yield made
            nursery.cancel_scope.cancel()
        if made.access._store is not None:
            made.access._store.close()


async def status(handler: Callable[[Call], Awaitable[Any]], call: Call) -> int:
    with pytest.raises(Turned) as turned:
        await handler(call)
    return turned.value.status


async def test_an_approval_is_a_grant_that_the_supervisor_has_when_the_answer_comes(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await at.ask(unmask=["email"])
        assert at.supervisor.grants == []
        answer = await at.access.approve(at.call(one, **LEAD))
        (grant,) = at.supervisor.grants
        assert answer["in_force"]
        assert (grant.name, grant.users, grant.issuers, grant.databases, grant.unmask, grant.granted_by) == (
            f"access {one['id']}", ("dave",), ("local",), ("prod",), ("email",), "lena (local)",
        )  # fmt: skip
        assert grant.expires is not None
        assert 590 < grant.expires.timestamp() - time.time() <= 600
        await at.access.revoke(at.call(one, **LEAD))
        assert at.supervisor.grants == []
        assert at.told() == ["access requested", "access approved", "access revoked"]
        assert await status(at.access.revoke, at.call(one, **DEV)) == 409


async def test_the_same_request_again_is_the_one_that_waits_and_not_after_it_was_answered(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        first = await at.ask()
        assert (await at.ask())["id"] == first["id"]
        assert (await at.ask(reason="TICKET-2"))["id"] != first["id"]
        await at.access.deny(at.call(first, **LEAD))
        assert (await at.ask())["id"] != first["id"]


async def test_an_answer_that_comes_too_late_changes_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await at.ask()
        assert await status(at.access.approve, at.call(one, later=86_400, **LEAD)) == 409
        assert (await at.access.show(at.call(one, later=86_400, **DEV)))["approval"]["state"] == "expired"
        await at.access._settle(time.time() + 86_401)
        await trio.testing.wait_all_tasks_blocked()
        assert (await at.access.show(at.call(one, **DEV)))["approval"]["state"] == "expired"
        assert at.told() == ["access requested", "access expired"]
        assert at.supervisor.grants == []


async def test_nothing_is_given_without_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_post, "RECORD_SECONDS", 0.2)
    async with house(tmp_path) as at:
        one = await at.ask()
        at.supervisor.records = False
        assert await status(at.access.approve, at.call(one, **LEAD)) == 503
        glass = calling(at.desk, {**ASK, "break_glass": True}, **DEV)
        assert await status(at.access.ask, glass) == 503
        assert at.supervisor.grants == []
        at.supervisor.records = True
        assert (await at.access.approve(at.call(one, **LEAD)))["in_force"]


async def test_hundreds_of_answers_at_once_are_one(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await at.ask()
        got: list[int] = []

        async def answer(call: Call, handler: Callable[[Call], Awaitable[Any]]) -> None:
            try:
                await handler(call)
                got.append(200)
            except Turned as turned:
                got.append(turned.status)

        calls = [at.call(one, user=f"lead{number}", groups=("leads",)) for number in range(100)]
        async with trio.open_nursery() as nursery:
            for number, call in enumerate(calls):
                nursery.start_soon(answer, call, at.access.approve if number % 2 else at.access.deny)
        assert sorted(got) == [200] + [409] * 99
        assert len([what for what in at.told() if what in ("access approved", "access denied")]) == 1


async def test_broken_glass_waits_for_its_review_and_the_reviewer_is_somebody_else(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await at.ask(break_glass=True)
        assert (at.supervisor.reviews, len(at.supervisor.grants)) == (1, 1)
        assert (await at.ask(break_glass=True))["id"] == one["id"]
        for who in ({**DEV, "groups": ("devs", "security")}, LEAD, {"user": "Dave", "groups": ("security",)}):
            assert await status(at.access.review, at.call(one, **who)) == 403
        await at.access.review(at.call(one, user="sue", groups=("security",)))
        assert (at.supervisor.reviews, len(at.supervisor.grants)) == (0, 1)
        assert at.told() == ["access broken open", "access reviewed"]


async def test_a_successor_brings_what_was_approved_and_a_rule_that_is_gone_takes_it_back(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await at.ask()
        await at.access.approve(at.call(one, **LEAD))
        successor = AccessDesk(at.desk)
        at.supervisor.grants = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(successor.keep)
            with trio.fail_after(5):
                while not at.supervisor.grants:
                    await trio.sleep(0.01)
            (tmp_path / "policy.toml").write_text('[[grant]]\nname = "x"\nallow = ["read"]\n')
            at.desk.reread()
            with trio.fail_after(5):
                while at.supervisor.grants:
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert successor._store is not None
        successor._store.close()


async def test_a_store_that_cannot_be_used_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async with house(tmp_path) as at:
        one = await at.ask()
        monkeypatch.setattr(Store, "move", broken)
        assert await status(at.access.approve, at.call(one, **LEAD)) == 503
        monkeypatch.setattr(approvals_store, "PENDING_MAX", 1)
        assert await status(at.access.ask, calling(at.desk, {**ASK, "reason": "more"}, **DEV)) == 507
        assert at.supervisor.grants == []


async def test_what_others_have_asked_for_is_none_of_ones_business(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await at.ask()
        for who, seen in ((DEV, True), (LEAD, True), ({"user": "nina", "groups": ("devs",)}, False), ({}, True)):
            assert bool((await at.access.list(at.call(one, **who)))["approvals"]) is seen
            if not seen:
                for handler in (at.access.show, at.access.approve, at.access.revoke, at.access.review):
                    assert await status(handler, at.call(one, **who)) == 404
        assert "token_id" not in str(await at.access.show(at.call(one, **LEAD)))
        assert msgspec.json.encode(await at.access.show(at.call(one, **LEAD)))


async def test_who_is_lent_the_right_answers_in_its_givers_stead_and_never_for_the_requester(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one, two = await at.ask(), await at.ask(reason="TICKET-2")
        lena = lend("lena", "leads", issuer="local", rules=("on request",))
        dave = lend("dave", "leads", issuer="local", rules=("on request",))
        deputy: dict[str, Any] = {"user": "bo", "groups": ("none",)}
        at.access.lent = lambda who, now: (dave,) if who.user == "bo" else ()
        assert await status(at.access.approve, at.call(one, **deputy)) == 404
        at.access.lent = lambda who, now: (dave, lena) if who.user in ("bo", "dave") else ()
        assert await status(at.access.approve, at.call(one, **DEV)) == 403
        assert await status(at.access.review, at.call(one, **deputy)) == 403, "to review is not lent"
        answer = await at.access.approve(at.call(one, **deputy))
        assert answer["approval"]["decided_by"] == "bo (local) for lena (local)"
        assert at.supervisor.grants[0].granted_by == "bo (local) for lena (local)"
        assert at.supervisor.told[-1].data["delegation"] == lena.id
        assert (await at.access.deny(at.call(two, **LEAD)))["approval"]["decided_by"] == "lena (local)"


async def test_further_people_decide_from_their_time_on_and_are_told_once(tmp_path: Path) -> None:
    steps = 'escalate = [{ after_seconds = 600, approvers = { groups = ["cto"] }, channels = ["night"] }]'
    async with house(tmp_path, POLICY.replace("break_glass = true", f"{steps}\nbreak_glass = true")) as at:
        moved: list[Any] = []
        at.access.moved = moved.append
        one = await at.ask()
        chief: dict[str, Any] = {"user": "cleo", "groups": ("cto",)}
        assert await status(at.access.approve, at.call(one, 599, **chief)) == 404
        for later in (599, 601, 602):
            await at.access._settle(time.time() + later)
        (after,) = moved
        assert after.escalated == (600,)
        assert viewing.of_access(after, at.desk_rule(), "").channels == ("console", "night")
        assert viewing.of_access(after, at.desk_rule(), "").approver_groups == ("leads", "cto")
        assert at.told() == ["access requested", "request escalated"]
        answer = await at.access.approve(at.call(one, 601, **chief))
        assert answer["approval"]["decided_by"] == "cleo (local)"
