"""Channels that are down, slow, limited and wrong: each by itself, on a clock that jumps."""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.approvals.view import Change, View
from tests.gateway.approvals.views import SECRET, a_view, decided
from workers import channels
from workers.channels import Channels, NotTold

pytestmark = pytest.mark.trio
Step = Callable[[], Awaitable[None]]
START = a_view().since


def clock() -> float:
    return START + trio.current_time()


def failing(why: str = "down", again: bool = True, after: float | None = None) -> Step:
    async def fail() -> None:
        raise NotTold(why, again=again, after=after)

    return fail


async def at_once() -> None:
    """Nothing happens first."""


class Told:
    """A channel that keeps what it is told and when. `script`: what happens first, one for each message."""

    def __init__(self, name: str, *script: Step, always: Step | None = None) -> None:
        self.name = name
        self.script = list(script)
        self.always = always
        self.tries: list[float] = []
        self.told: list[tuple[str, str, str]] = []
        self.views: list[View] = []

    async def ask(self, view: View, place: str) -> str:
        await self._happen()
        self.told.append(("ask", view.id, place))
        self.views.append(view)
        return f"receipt of {view.id}"

    async def settled(self, view: View, place: str, receipt: str) -> None:
        await self._happen()
        self.told.append(("settled", view.id, receipt))
        self.views.append(view)

    async def _happen(self) -> None:
        self.tries.append(trio.current_time())
        step = self.script.pop(0) if self.script else self.always
        if step is not None:
            await step()


@asynccontextmanager
async def running(*told: Told, receipts: MutableMapping[tuple[str, str], str] | None = None) -> Any:
    def route(word: str) -> tuple[str, str] | None:
        name, _, place = word.partition(":")
        return (name, place) if name in {one.name for one in told} else None

    made = Channels({one.name: one for one in told}, route, clock, receipts)
    async with trio.open_nursery() as nursery:
        await nursery.start(made.run)
        yield made
        nursery.cancel_scope.cancel()


def of(*words: str, **changes: Any) -> View:
    return a_view(channels=words, **changes)


async def test_every_channel_of_a_request_is_told_once_and_told_again_when_it_is_over(autojump_clock: MockClock) -> None:
    slack, mail, other = Told("slack"), Told("mail"), Told("other")
    async with running(slack, mail, other) as made:
        view = of("console", "slack:#a", "slack:#b", "mail", "slack:#a", "unknown")
        made.asked(view)
        made.asked(view)
        await wait_all_tasks_blocked()
        assert sorted(one[2] for one in slack.told) == ["#a", "#b"]
        assert set(made.receipts("slack", view.id)) == {"receipt of h0123456789"}
        made.settled(decided())
        await wait_all_tasks_blocked()
        assert [one[0] for one in slack.told] == ["ask", "ask", "settled", "settled"]
        assert mail.told == [("ask", view.id, ""), ("settled", view.id, "receipt of h0123456789")]
        assert other.told == []
        assert SECRET in mail.views[0].statement
        assert mail.views[1].statement == ""
        assert made.receipts("slack", view.id) == ()


async def test_a_channel_that_is_down_blocks_no_other_and_is_told_when_it_is_back(autojump_clock: MockClock) -> None:
    down, hung, well = Told("down", *[failing()] * 3), Told("hung", always=trio.sleep_forever), Told("well")
    async with running(down, hung, well) as made:
        for at in range(20):
            made.asked(of("down", "hung", "well", id=f"h{at}", until=START + 1e6))
        await wait_all_tasks_blocked()
        assert len(well.told) == 20
        await trio.sleep(10)
        assert len(down.told) == 20
        health = {one.name: one for one in made.health()}
        assert (health["down"].why, health["down"].failed, health["down"].waiting) == ("", 3, 0)
        assert health["hung"].waiting == 20
        await trio.sleep(60)
        assert "does not come to an end" in health["hung"].why


async def test_pauses_grow_and_end_with_the_request(autojump_clock: MockClock) -> None:
    down = Told("down", always=failing())
    async with running(down) as made:
        made.asked(of("down"))
        await trio.sleep(400)
    gaps = [later - earlier for earlier, later in zip(down.tries, down.tries[1:], strict=False)]
    assert all(0.8 * 2**at <= gap <= 1.2 * 2**at for at, gap in enumerate(gaps[:6]))
    assert max(gaps) <= 72
    assert down.tries[-1] <= 300
    assert made.health()[0].waiting == 0


async def test_what_was_not_told_before_the_decision_is_never_told(autojump_clock: MockClock) -> None:
    down = Told("down", always=failing())
    async with running(down) as made:
        made.asked(of("down"))
        await trio.sleep(2)
        made.settled(decided())
        await wait_all_tasks_blocked()
        down.always = None
        await trio.sleep(200)
        assert down.told == []
        assert made.health()[0].waiting == 0


async def test_a_message_on_its_way_when_the_decision_falls_is_brought_up_to_date(autojump_clock: MockClock) -> None:
    gate = trio.Event()
    slow = Told("slow", gate.wait)
    async with running(slow) as made:
        made.asked(of("slow"))
        await wait_all_tasks_blocked()
        made.settled(decided())
        gate.set()
        await wait_all_tasks_blocked()
        assert [one[0] for one in slow.told] == ["ask", "settled"]


async def test_retry_after_is_kept_to_by_all_messages_of_the_channel(autojump_clock: MockClock) -> None:
    limited = Told("limited", failing("limited", after=45.0))
    async with running(limited) as made:
        made.asked(of("limited", id="h1"))
        await wait_all_tasks_blocked()
        made.asked(of("limited", id="h2"))
        await trio.sleep(44)
        assert limited.told == []
        await trio.sleep(2)
        assert {one[1] for one in limited.told} == {"h1", "h2"}


async def test_what_can_never_be_told_is_given_up_at_once(autojump_clock: MockClock) -> None:
    wrong = Told("wrong", always=failing("Slack refuses chat.postMessage: channel_not_found", again=False))
    async with running(wrong) as made:
        made.asked(of("wrong"))
        await trio.sleep(100)
        assert len(wrong.tries) == 1
        assert (made.health()[0].given_up, made.health()[0].why[-17:]) == (1, "channel_not_found")


async def test_the_end_of_a_request_is_not_told_for_ever(autojump_clock: MockClock) -> None:
    later = Told("later")
    async with running(later) as made:
        made.asked(of("later"))
        await wait_all_tasks_blocked()
        later.always = failing()
        made.settled(decided())
        await trio.sleep(3600)
        assert len(later.tries) == 1 + channels.TRIES_MAX
        assert made.health()[0].given_up == 1


async def test_an_error_nobody_foresaw_stays_in_its_channel_and_its_words_stay_unsaid(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def burst() -> None:
        raise RuntimeError(SECRET)

    bad, well = Told("bad", burst), Told("well")
    with caplog.at_level(logging.DEBUG):
        async with running(bad, well) as made:
            made.asked(of("bad", "well"))
            await trio.sleep(5)
    assert len(bad.told) == len(well.told) == 1
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text


async def test_more_requests_than_a_channel_may_hold_are_counted_and_dropped(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "ENTRIES_MAX", 3)
    down = Told("down", always=failing())
    async with running(down) as made:
        for at in range(5):
            made.asked(of("down", id=f"h{at}"))
        assert made.health()[0].given_up == 2


async def test_at_most_a_few_messages_are_on_their_way_to_one_channel(autojump_clock: MockClock) -> None:
    hung = Told("hung", always=trio.sleep_forever)
    async with running(hung) as made:
        for at in range(50):
            made.asked(of("hung", id=f"h{at}"))
        await wait_all_tasks_blocked()
        assert len(hung.tries) == channels.AT_ONCE_MAX


class Follows(Told):
    """One that also tells what becomes of a request."""

    async def changed(self, view: View, place: str, receipt: str, change: Change) -> None:
        await self._happen()
        self.told.append((change, view.id, receipt))
        self.views.append(view)


async def test_what_becomes_of_a_request_is_told_by_those_who_can_the_latest_alone(autojump_clock: MockClock) -> None:
    slow = Follows("slow", at_once, lambda: trio.sleep(5), at_once)
    mail = Told("mail")
    async with running(slow, mail) as made:
        made.asked(of("slow", "mail"))
        await trio.sleep(1)
        for given in (1, 2, 3):
            made.changed(of("slow", "mail", given=given), "approval.given")
            await trio.sleep(1)
        await trio.sleep(10)
        made.settled(decided())
        made.changed(of("slow", "mail", given=4), "approval.given")
        await trio.sleep(1)
    assert [view.given for view in slow.views] == [0, 1, 3, decided().given]
    assert [what for what, *_ in slow.told] == ["ask", "approval.given", "approval.given", "settled"]
    assert [what for what, *_ in mail.told] == ["ask", "settled"]


async def test_what_changed_before_it_was_told_is_told_with_it(autojump_clock: MockClock) -> None:
    down = Follows("down", failing(), failing())
    async with running(down) as made:
        made.asked(of("down"))
        await wait_all_tasks_blocked()
        made.changed(of("down", given=1), "approval.given")
        await trio.sleep(30)
        assert [(what, view.given) for (what, *_), view in zip(down.told, down.views, strict=True)] == [("ask", 1)]
        assert len(down.tries) == 3, "and news hurry nobody who is down"


async def test_a_change_that_cannot_be_told_is_given_up_and_the_end_is_told(autojump_clock: MockClock) -> None:
    one = Follows("one", at_once, *[failing()] * channels.CHANGE_TRIES_MAX)
    async with running(one) as made:
        made.asked(of("one"))
        await trio.sleep(1)
        made.changed(of("one", given=1), "approval.given")
        await trio.sleep(60)
        made.settled(decided())
        await trio.sleep(60)
    assert [what for what, *_ in one.told] == ["ask", "settled"]


async def test_receipts_that_cannot_be_kept_hurt_nobody_else(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Full(dict[tuple[str, str], str]):
        def __setitem__(self, key: tuple[str, str], value: str) -> None:
            if key[0] == "h1":
                raise OSError(SECRET)
            super().__setitem__(key, value)

    slack = Told("slack")
    async with running(slack, receipts=Full()) as made:
        made.asked(of("slack", id="h1"))
        made.asked(of("slack", id="h2"))
        await wait_all_tasks_blocked()
        assert len(made.receipts("slack", "h2")) == 1
    assert "OSError" in caplog.text
    assert SECRET not in caplog.text


async def test_after_a_restart_nobody_is_told_twice_and_the_end_finds_the_message(autojump_clock: MockClock) -> None:
    receipts: dict[tuple[str, str], str] = {}
    before, after = Told("slack"), Told("slack")
    async with running(before, receipts=receipts) as made:
        made.asked(of("slack:#a"))
        await wait_all_tasks_blocked()
    async with running(after, receipts=receipts) as made:
        made.asked(of("slack:#a"))
        await wait_all_tasks_blocked()
        assert after.told == []
        made.settled(decided())
        await wait_all_tasks_blocked()
        assert after.told == [("settled", "h0123456789", "receipt of h0123456789")]
    assert receipts == {}
