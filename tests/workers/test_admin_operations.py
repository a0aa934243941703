"""Operations where something goes wrong: workers that do not answer, a record or a disk that cannot be written."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from gateway.identity import barred
from gateway.identity.barred import Bar
from tests.workers.admin_rig import Supervisor, calling, desk, load, session, tending
from workers import admin_post
from workers.admin_bars import Keeper
from workers.admin_calls import Call, Turned
from workers.admin_operations import Operations
from workers.admin_process import Desk
from workers.errands import Ended

pytestmark = pytest.mark.trio
BOT = {"kind": "actor", "name": "bot"}


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[Operations, Desk, Supervisor]]:
    with desk(load(folder)) as (one, supervisor):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tending, one, supervisor)
            yield Operations(Keeper(one)), one, supervisor
            nursery.cancel_scope.cancel()


async def status(handler: Callable[[Call], Awaitable[Any]], call: Call) -> int:
    with pytest.raises(Turned) as turned:
        await handler(call)
    return turned.value.status


async def test_the_sessions_of_workers_that_answer_are_shown_and_the_others_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_post, "ANSWER_SECONDS", 0.3)
    async with house(tmp_path) as (operations, one, supervisor):
        supervisor.sessions = [session(1, worker=0), session(2, worker=1, since=0.5), session(3, user="ria", worker=0)]
        shown = await operations.sessions(calling(one, user="rob", groups=()))
        assert [each.id for each in shown["sessions"]] == ["s2", "s1"]
        supervisor.deaf = {1}
        shown = await operations.sessions(calling(one))
        assert ([each.id for each in shown["sessions"]], shown["missing_workers"]) == (["s1", "s3"], [1])
        assert await status(operations.end, calling(one, {}, {"id": "s2"})) == 404


async def test_what_takes_something_away_happens_also_where_it_cannot_be_recorded_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_post, "RECORD_SECONDS", 0.2)
    async with house(tmp_path) as (operations, one, supervisor):
        supervisor.records = False
        done = await operations.bar(calling(one, BOT))
        assert (done["recorded"], done["workers"], [bar.name for bar in one.bars]) == (False, 2, ["bot"])
        assert await status(operations.lift, calling(one, BOT)) == 503
        assert [bar.name for bar in one.bars] == ["bot"], "what gives something waits for its record"
        supervisor.records = True
        assert (await operations.lift(calling(one, BOT)))["recorded"]


async def test_the_record_comes_before_the_effect(tmp_path: Path) -> None:
    async with house(tmp_path) as (operations, one, supervisor):
        order: list[str] = []

        def ended(errand: object) -> Ended:
            order.extend(told.data["operation"] for told in supervisor.told)
            return Ended(1, 1)

        supervisor.ended = ended
        done = await operations.bar(calling(one, {**BOT, "reason": "INC-1"}))
        assert order == ["stop", "stop"]
        assert (done["sessions"], done["sessions_left"]) == (2, 2)
        told = supervisor.told[0].data
        assert {key: told[key] for key in ("what", "operation", "kind", "name", "reason", "user", "issuer", "address")} == {
            "what": "operation", "operation": "stop", "kind": "actor", "name": "bot", "reason": "INC-1", "user": "dora",
            "issuer": "local", "address": "127.0.0.1:9",
        }  # fmt: skip
        assert told["token_id"]


async def test_there_are_no_more_bars_than_there_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barred, "BARS_MAX", 1)
    async with house(tmp_path) as (operations, one, _):
        one.bars.put(Bar("user", "ann"), 0.0)
        assert await status(operations.bar, calling(one, BOT)) == 507


async def test_names_are_compared_in_one_form_and_a_token_is_kept_out_for_as_long_as_one_may_live(tmp_path: Path) -> None:
    async with house(tmp_path) as (operations, one, _):
        await operations.bar(calling(one, {"kind": "user", "name": "zoe\u0308"}))
        call = calling(one, {"kind": "token", "name": "t-1"})
        await operations.bar(call)
        assert sorted(bar.name for bar in one.bars) == ["t-1", "zoë"]
        (token,) = [bar for bar in one.bars if bar.kind == "token"]
        assert token.until == call.now + 366 * 86400
        for body in ({**BOT, "issuer": "okta"}, {"kind": "user", "name": "a", "user": "b"}):
            assert await status(operations.bar, calling(one, body)) == 400


ROLES: dict[str, dict[str, Any]] = {
    "operator": {},
    "of that database": {"user": "sam", "groups": ("prod-admins",)},
    "owner": {"user": "rob", "groups": ("readers",)},
    "somebody": {"user": "zed", "groups": ()},
    "operator's agent": {"actors": ("bot",)},
    "owner's agent": {"user": "rob", "groups": ("readers",), "actors": ("bot",)},
}
# For each command: what comes of it, in the order of the roles. The session is rob's, in prod.
MATRIX: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("sessions", {}, (200, 200, 200, 200, 403, 403)),
    ("end", {}, (200, 200, 200, 403, 403, 403)),
    ("barred", {}, (200, 200, 200, 200, 403, 403)),
    ("bar", {"kind": "actor", "name": "bot"}, (200, 200, 200, 200, 403, 403)),  # but whose agents, see below
    ("bar", {"kind": "actor", "name": "bot", "user": "rob"}, (200, 403, 200, 403, 403, 403)),
    ("bar", {"kind": "user", "name": "rob"}, (200, 403, 403, 403, 403, 403)),
    ("bar", {"kind": "token", "name": "t-1"}, (200, 403, 403, 403, 403, 403)),
    ("lift", {"kind": "user", "name": "barred"}, (200, 403, 403, 403, 403, 403)),
    ("lift", {"kind": "actor", "name": "barred", "user": "rob"}, (200, 403, 403, 403, 403, 403)),
]


async def test_every_role_may_do_what_it_may_and_nothing_else(tmp_path: Path) -> None:
    async with house(tmp_path) as (operations, one, supervisor):
        supervisor.sessions = [session(1, worker=0)]
        others = [Bar("user", "barred", by="x"), Bar("actor", "barred", user="rob", issuer="local", by="x")]
        for command, body, wanted in MATRIX:
            got = []
            for who in ROLES.values():
                one.bars.move([*others, Bar("actor", "barred", user="rob", by="x")], [bar.key for bar in one.bars], 0.0)
                call = calling(one, body if command not in ("sessions", "barred") else None, {"id": "s1"}, **who)
                try:
                    await getattr(operations, command)(call)
                    got.append(200)
                except Turned as turned:
                    got.append(turned.status)
            assert tuple(got) == wanted, (command, body)
        told = [each.data["what"] for each in supervisor.told]
        assert told.count("operation refused") == sum(wanted.count(403) for _, _, wanted in MATRIX)


async def test_who_does_not_operate_the_gateway_stops_agents_of_his_own_alone(tmp_path: Path) -> None:
    async with house(tmp_path) as (operations, one, _):
        whose_agents = (("owner", ("rob", "local")), ("of that database", ("sam", "local")), ("operator", ("", "")))
        for role, whose in whose_agents:
            done = await operations.bar(calling(one, BOT, **ROLES[role]))
            assert (done["barred"].user, done["barred"].issuer) == whose
        call = calling(one, None, **ROLES["somebody"])
        call.body = msgspec.json.encode({"kind": "token", "name": call.who.token_id})
        assert (await operations.bar(call))["barred"].name == call.who.token_id, "everybody revokes his own token"
