"""Who calls the operators' interface, and what the bodies of requests may be."""

import time
from pathlib import Path

import msgspec
import pytest
import trio

from gateway.identity.barred import Bar
from tests.workers.admin_rig import calling, desk, load, tending, token
from workers.admin_calls import Tables, Turned, caller, plain

pytestmark = pytest.mark.trio


async def test_exactly_one_bearer_token_says_who_calls(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    given = token(loaded).encode()
    with desk(loaded) as (one, _):
        for header in (b"Bearer " + given, b"bearer " + given):
            assert caller(one, [header], time.time()).user == "dora"
        for headers in ([], [b"Bearer " + given] * 2, [given], [b"Basic " + given], [b"Bearer"], [b"Bearer \xff\xfe"]):
            with pytest.raises(Turned) as turned:
                caller(one, headers, time.time())
            assert turned.value.status == 401
            assert given.decode() not in str(turned.value)


async def test_who_is_kept_out_calls_nothing(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    with desk(loaded) as (one, _):
        header = [b"Bearer " + token(loaded).encode()]
        token_id = caller(one, header, time.time()).token_id
        for bar in (Bar("user", "dora"), Bar("token", token_id)):
            one.bars.move((bar,), (), time.time())
            with pytest.raises(Turned) as turned:
                caller(one, header, time.time())
            assert turned.value.status == 401
            one.bars.lift(bar.key)
        assert caller(one, header, time.time())
        with pytest.raises(Turned):
            caller(one, [b"Bearer " + token(loaded, life=-90).encode()], time.time())


async def test_an_agent_is_refused_and_that_is_on_record(tmp_path: Path) -> None:
    with desk(load(tmp_path)) as (one, supervisor):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tending, one, supervisor)
            with pytest.raises(Turned) as turned:
                await calling(one, actors=("bot",)).operator("stop", name="x")
            nursery.cancel_scope.cancel()
        assert turned.value.status == 403
        (told,) = supervisor.told
        assert told.data["what"] == "operation refused"
        assert (told.data["operation"], told.data["user"], told.data["actors"]) == ("stop", "dora", ["bot"])


async def test_bodies_are_json_objects_of_their_shape_and_texts_one_line(tmp_path: Path) -> None:
    class Shape(msgspec.Struct, forbid_unknown_fields=True):
        a: int = 0

    with desk(load(tmp_path)) as (one, _):
        call = calling(one)
        bad = (b"{", b'{"b":1}', b"1", b'"\xff"')
        for body, good in ((b"", True), (b'{"a":1}', True), *((each, False) for each in bad)):
            call.body = body
            if good:
                assert call.read(Shape)
            else:
                with pytest.raises(Turned):
                    call.read(Shape)
    assert plain("why", "it") == "why"
    for text in ("a\nb", "\x1b[31m", "x" * 501):
        with pytest.raises(Turned):
            plain(text, "it")


async def test_the_policy_is_read_once(tmp_path: Path) -> None:
    loaded, tables = load(tmp_path), Tables()
    assert tables.of(loaded.policy) is tables.of(loaded.policy)
