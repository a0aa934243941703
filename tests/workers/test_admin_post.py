"""Errands of the admin process: answers, those who do not answer, and what is on record."""

from pathlib import Path

import pytest
import trio

from gateway.identity.barred import Bar
from tests.workers.admin_rig import desk, load, session, tending
from workers import admin_link, admin_post
from workers.admin_link import Done, Recorded, Sent, WorkerGone
from workers.errands import Ended, Listed, ListSessions, MoveBars
from workers.sessions_shown import unpack
from workers.shared_policy import seal

pytestmark = pytest.mark.trio


async def test_every_workers_answer_comes_with_what_it_had_to_show(tmp_path: Path) -> None:
    with desk(load(tmp_path)) as (one, supervisor):
        supervisor.sessions = [session(1, worker=0), session(2, worker=1), session(3, worker=1)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tending, one, supervisor)
            replies = await one.post.ask(ListSessions())
            nursery.cancel_scope.cancel()
        assert sorted(each.id for answered in replies.answers for each in unpack(answered.content)) == ["s1", "s2", "s3"]
        assert (replies.workers, replies.missing) == (2, set())


async def test_who_does_not_answer_in_time_is_named(tmp_path: Path, autojump_clock: object) -> None:
    with desk(load(tmp_path)) as (one, _):
        one.post.hear(Sent(7, (0,)), None)  # to nobody's question
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                found = []

                async def ask() -> None:
                    found.append(await one.post.ask(MoveBars((Bar("user", "a"),))))
                    nursery.cancel_scope.cancel()

                nursery.start_soon(ask)
                await trio.testing.wait_all_tasks_blocked()
                one.post.hear(Sent(1, (0, 1, 2)), None)
                one.post.hear(Done(1, 0, Ended(3)), None)
                one.post.hear(Done(1, 0, Ended(3)), None)  # twice is once
                one.post.hear(Done(1, 9, Ended(3)), None)  # nobody's
                one.post.hear(WorkerGone(2), None)
        assert not scope.cancelled_caught
        (replies,) = found
        assert ([each.worker for each in replies.answers], replies.missing) == ([0], {1})


async def test_an_answer_that_is_not_sealed_is_none(tmp_path: Path, autojump_clock: object) -> None:
    with desk(load(tmp_path)) as (one, _):
        found = []

        async def ask() -> None:
            found.append(await one.post.ask(ListSessions()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            one.post.hear(Sent(1, (0,)), None)
            sealed = seal(b"other")
            one.post.hear(Done(1, 0, Listed(sealed.size, b"x" * 32)), sealed.fd)
        assert (found[0].answers, found[0].missing) == ([], {0})


async def test_something_is_on_record_when_the_supervisor_says_so(tmp_path: Path, autojump_clock: object) -> None:
    with desk(load(tmp_path)) as (one, supervisor):
        assert not await one.post.record("system", "operation", kind="actor")
        told = admin_link.receive(supervisor.control)
        assert told is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tending, one, supervisor)
            assert await one.post.record("system", "operation")
            nursery.cancel_scope.cancel()
        one.post.hear(Recorded(99), None)
    assert admin_post.RECORD_SECONDS <= 2
