"""A worker does what operators want: a whole worker before a real PostgreSQL, the test in the supervisor's place."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import State
from gateway.identity import barred
from gateway.identity.barred import Bar, Bars
from parser import messages
from tests.workers.relay_rig import until
from tests.workers.worker_rig import POLICY, House, housed, quiet, running_server
from workers import slot
from workers.embedded import EmbeddedServer
from workers.errands import AllBars, Answer, Ended, EndSession, Listed, ListSessions, MoveBars
from workers.errands import Errand as Wanted
from workers.sessions_shown import SessionShown, unpack
from workers.shared_policy import seal, unseal
from workers.slot import Barred, ErrandDone, ErrandMessage

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running_server() as running:
        yield running


async def ask(house: House, errand: Wanted) -> Answer:
    slot.send(house.control, ErrandMessage(5, errand))
    done = await house.hears(ErrandDone)
    assert isinstance(done, ErrandDone)
    return done.answer


async def listed(house: House) -> list[SessionShown]:
    import trio

    slot.send(house.control, ErrandMessage(5, ListSessions()))
    await trio.lowlevel.wait_readable(house.control)
    heard = slot.receive(house.control)
    assert heard is not None
    message, fd = heard
    assert isinstance(message, ErrandDone)
    assert isinstance(message.answer, Listed)
    assert fd is not None
    content = unseal(fd, message.answer.size, message.answer.digest)
    os.close(fd)
    return unpack(content)


async def test_sessions_are_told_and_one_is_ended_while_its_statement_runs(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        guest, other = await house.guest(), await house.guest(user="bob", groups=("analysts",))
        await other.ask("begin")
        await guest.wire.write_all(messages.query("select 'hunter2', pg_sleep(60)"))
        await until(lambda: any(link.session.queue for link in house.worker.relay.links), "it runs")
        found = {one.user: one for one in await listed(house)}
        assert (found["ada"].state, found["bob"].state) == ("running", "in transaction")
        assert "hunter2" not in str(found)
        assert found["ada"].grants == ("owners do all",)
        assert abs(found["bob"].since - time.time()) < 60
        assert await ask(house, EndSession("no such", "dora")) == Ended(0)
        assert await ask(house, EndSession(found["ada"].id, "dora", "INC-1")) == Ended(1)
        assert await guest.last_words() == State.SHUTDOWN
        assert house.outcomes() == ["ok", "cancelled"]
        (by,) = house.events("session ended by")
        assert (by.data["by"], by.data["why"]) == ("dora", "INC-1")
        assert await other.cell("select 1") == "1"


async def test_who_is_barred_is_put_out_and_let_in_by_nobody(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        guest, other = await house.guest(), await house.guest(user="bob")
        assert await ask(house, MoveBars((Bar("user", "ada", by="dora"),))) == Ended(1)
        assert await guest.last_words() == State.NOT_SIGNED_IN
        assert (await house.guest()).refused == State.NOT_SIGNED_IN
        assert await other.cell("select 1") == "1"
        assert await ask(house, MoveBars((), (("user", "ada", "", ""),))) == Ended(0)
        assert await (await house.guest()).cell("select 1") == "1"
        sealed = seal(barred.pack(Bars([Bar("user", "bob")])))
        slot.send(house.control, ErrandMessage(0, AllBars(sealed.size, sealed.digest)), sealed.fd)
        sealed.close()
        await until(lambda: len(house.worker.standing.bars) == 1, "they are known")
        assert (await house.guest(user="bob")).refused == State.NOT_SIGNED_IN


async def test_who_is_barred_during_the_sign_in_does_not_stay(
    tmp_path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with housed(tmp_path, server) as house:
        standing = house.worker.standing
        begin = standing.begin

        def late(signed: object) -> None:
            standing.bars.put(Bar("user", "ada"), time.time())
            begin(signed)  # type: ignore[arg-type]

        monkeypatch.setattr(standing, "begin", late)
        guest = await house.guest()
        assert await guest.last_words() == State.NOT_SIGNED_IN
        await quiet(house)


async def test_an_agent_that_a_rule_stops_is_kept_out_everywhere(tmp_path: Path, server: EmbeddedServer) -> None:
    agents = '[[grant]]\nname = "agents"\nactors = ["*"]\nallow = ["all"]\nunmask = ["*"]\n'
    async with housed(tmp_path, server, POLICY + agents) as house:
        first, second = [await house.guest(token=house.agent("bot")) for _ in range(2)]
        other = await house.guest(token=house.agent("other"))
        (live, *_) = house.worker.standing._live.values()
        house.worker.standing.stop_actor(live.admission.principal, "no loops", live.admission.card)
        told = await house.hears(Barred)
        assert isinstance(told, Barred)
        assert (told.bar.name, told.bar.user, told.bar.by) == ("bot", "ada", 'rule "no loops"')
        assert (await house.guest(token=house.agent("bot"))).refused == State.NOT_SIGNED_IN, "at once, here"
        assert await ask(house, MoveBars((told.bar,))) == Ended(2)
        assert [await each.last_words() for each in (first, second)] == [State.NOT_SIGNED_IN] * 2
        assert await other.cell("select 1") == "1"
        (stopped,) = house.events("agent stopped")
        assert stopped.data["rule"] == "no loops"
