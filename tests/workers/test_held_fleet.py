"""A statement that waits with one gateway and is decided at another: let go once, by who has it, whatever dies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from tests.workers.admin_rig import calling
from tests.workers.desk_rig import VALUE, until, waits
from tests.workers.fleet_rig import Member, configured, fleet
from tests.workers.store_rig import StoreServer
from workers import held_desk, held_fleet, holds_link, shared_approvals, store_connection
from workers.admin_calls import Turned
from workers.configuration import Loaded
from workers.holds_link import Counted, Decided, Leave, Noted, Ran, Ticketed, Used, Waits, Withdrawn
from workers.shared_approvals import SharedHeld

pytestmark = [pytest.mark.trio, pytest.mark.xdist_group("store")]


@pytest.fixture
def two(tmp_path: Path, store: StoreServer) -> tuple[Loaded, Loaded]:
    return configured(tmp_path / "a", store), configured(tmp_path / "b", store)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is gone is missed at once."""
    monkeypatch.setattr(shared_approvals, "GONE_SECONDS", 0.4)
    monkeypatch.setattr(held_fleet, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(held_fleet, "AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(held_desk, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr("workers.approvals_fleet.SIGN_SECONDS", 0.05)
    monkeypatch.setattr(store_connection, "PAUSE_SECONDS_MAX", 0.1)


async def both_up(members: list[Member]) -> tuple[Member, Member]:
    for one in members:
        await one.up()
    a, b = members
    return a, b


async def test_what_waits_at_one_is_seen_and_decided_at_another_and_runs_where_it_waits(
    two: tuple[Loaded, Loaded], store: StoreServer
) -> None:
    async with fleet(*two) as members:
        a, b = await both_up(members)
        worker = await a.worker(waits(), waits("h2"))
        shown = await b.held.show(b.call())
        assert (shown["approval"]["state"], shown["approval"]["text"]) == ("pending", f"update t set a = '{VALUE}'")
        assert await b.approve() == 200
        assert await worker.hears() == Decided("h1", True, "bo (local)")
        held = await a.kept("h1", claimed=True)
        assert (held.state, held.ran, held.host) == ("approved", False, a.fleet.host)
        await worker.say(Ran("h1"))
        await b.kept("h1", ran=True, secret=b"")
        assert await b.status(b.held.deny, b.call("h2")) == 200
        assert await worker.hears() == Decided("h2", False, "bo (local)", "seen")
        assert await a.approve() == await a.approve("h2") == await b.approve() == 409
        assert a.told() == ["statement released"]
        assert b.told() == ["statement approved", "statement denied"]
        with store.superuser() as admin:
            rows = admin.execute("select string_agg(body::text, '') from sluice.held").fetchone()
            assert VALUE.encode().hex() not in str(rows)


async def test_of_fifty_who_decide_at_once_at_two_gateways_one_has_decided(two: tuple[Loaded, Loaded]) -> None:
    async with fleet(*two) as members:
        a, b = await both_up(members)
        worker = await a.worker(waits())
        got: list[int] = []

        async def decide(number: int) -> None:
            at = (a, b)[number % 2]
            handler = at.held.approve if number % 4 < 2 else at.held.deny
            got.append(await at.status(handler, at.call("h1", f"p{number}")))

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(decide, number)
        assert sorted(got) == [200] + 49 * [409]
        first = await worker.hears()
        assert isinstance(first, Decided)
        assert first.approve == ((await a.kept("h1")).state == "approved")
        await worker.say(Ran("h1"))
        assert await worker.hears_nothing() or not first.approve
        told = [*a.told(), *b.told()]
        counted = told.count("statement approved") + told.count("statement denied") - told.count("decision void")
        assert counted == 1


async def test_two_people_at_two_gateways_are_two_people_and_a_shape_is_remembered_at_both(
    two: tuple[Loaded, Loaded],
) -> None:
    async with fleet(*two) as members:
        a, b = await both_up(members)
        worker = await a.worker(waits("h1", "two"), waits("h2", "again"))
        assert await b.approve("h1") == 200
        assert await worker.hears() == Noted("h1", "approved by bo (local); others have to approve it, too")
        assert [await a.approve("h1"), await a.approve("h1", "zed")] == [403, 200]
        assert await worker.hears() == Decided("h1", True, "bo (local), zed (local)")
        assert await b.approve("h2") == 200
        assert (await worker.hears()).id == "h2"
        await worker.say(Ran("h2"))
        await a.kept("h2", ran=True)
        other = await b.worker()
        await other.say(waits("h3", "again"))
        assert await other.hears() == Decided("h3", True, "bo (local)")
        assert (await b.kept("h3")).claimed


async def test_a_killed_admin_process_gives_the_same_answer_and_nothing_twice(two: tuple[Loaded, Loaded]) -> None:
    async with fleet(*two) as members:
        a, b = await both_up(members)
        told = [waits(one) for one in ("h1", "h2", "h3")]
        await a.worker(*told)
        a.scope.cancel()
        assert await b.approve("h1") == await b.status(b.held.deny, b.call("h2")) == 200
        a.start()
        worker = await a.worker(*told)
        heard = [await worker.hears(), await worker.hears()]
        assert heard == [Decided("h1", True, "bo (local)"), Decided("h2", False, "bo (local)", "seen")]
        assert (await a.kept("h1")).claimed
        await worker.say(Ran("h1"), Ran("h2"))
        await b.kept("h1", ran=True)
        b.scope.cancel()
        b.start()
        assert await b.approve("h3") == 200
        assert (await worker.hears()).id == "h3"


async def test_what_waits_with_a_gateway_that_is_gone_is_withdrawn_by_another(
    two: tuple[Loaded, Loaded], quick: None
) -> None:
    async with fleet(*two) as members:
        a, b = await both_up(members)
        await a.worker(waits("h1"), waits("h2"), waits("h3"))
        a.scope.cancel()
        assert await b.approve("h1") == 200, "it may come back"
        await b.kept("h1", state="withdrawn", decision="its gateway is gone", secret=b"")
        await b.kept("h2", state="withdrawn")
        assert await b.approve("h2") == 409
        assert b.told().count("request withdrawn") == 3
        a.start()
        worker = await a.worker(waits("h1"), kept=False)
        assert await worker.hears() == Decided("h1", False, "the gateway", "its gateway is gone")


async def test_a_gateway_that_was_away_itself_takes_nothing_from_who_may_come_back(
    two: tuple[Loaded, Loaded], store: StoreServer, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(*two) as members:
        a, b = await both_up(members)
        worker = await a.worker(waits())
        await trio.to_thread.run_sync(store.stop)
        await until(lambda: a.fleet._said and not a.fleet._said.reached)
        late = waits("h2")
        await worker.say(late)
        said = await worker.hears()
        assert isinstance(said, Noted)
        assert "nobody can be asked" in said.words
        assert await a.approve() == 503
        await trio.sleep(0.5)  # longer than anybody is missed
        await trio.to_thread.run_sync(store.start)
        said = await worker.hears()
        assert said == Noted("h2", "those who decide are asked now")
        await b.up()
        assert await b.approve("h1") == await b.approve("h2") == 200
        assert {(await worker.hears()).id for _ in range(2)} == {"h1", "h2"}
        assert a.told("system").count("approvals store away") == a.told("system").count("approvals store back") == 1


async def test_what_is_taken_back_before_it_could_be_kept_is_asked_of_nobody(
    two: tuple[Loaded, Loaded], store: StoreServer, quick: None
) -> None:
    async with fleet(two[0]) as (a,):
        await trio.to_thread.run_sync(store.stop)
        worker = await a.worker(waits("h1"), waits("h2"), kept=False)
        assert [await worker.hears(), await worker.hears()]
        await worker.say(Withdrawn("h1", "cancelled"))
        await until(lambda: list(a.held._unkept) == ["h2"])
        await trio.to_thread.run_sync(store.start)
        await a.kept("h2", state="pending")
        assert [held.id for held in await a.held._do(lambda each: each.pending())] == ["h2"]


async def test_an_approval_that_nobody_claimed_lets_nothing_go_after_it_was_withdrawn(two: tuple[Loaded, Loaded]) -> None:
    """The claim and the withdrawal are two conditional updates of one row: whichever comes second does nothing."""
    async with fleet(*two) as members:
        a, b = await both_up(members)
        worker = await a.worker(waits())
        before = await a.kept("h1")
        given = msgspec.structs.replace(before, state="approved", secret=b"")
        gone = msgspec.structs.replace(given, state="withdrawn", host=b.fleet.host, decision="its gateway is gone")

        def both(connection: Any) -> None:
            with connection.transaction():
                store = SharedHeld(connection, b.fleet.key)
                assert store.move(before, given)
                assert store.move(given, gone)

        await b.fleet.do(both)
        await a.held.changed(given)
        assert await worker.hears() == Decided("h1", False, "the gateway", "its gateway is gone")
        assert not (await a.kept("h1")).claimed


async def test_an_approval_whose_answer_got_lost_lets_it_go_all_the_same(
    two: tuple[Loaded, Loaded], quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(*two) as members:
        a, b = await both_up(members)
        worker = await a.worker(waits("h1"), waits("h2"))

        async def lose(work: Callable[[Any], Any]) -> Any:
            done = await whole(work)
            if done is True:  # a change that was made
                raise Turned(503, "the connection broke")
            return done

        whole = a.fleet.do
        monkeypatch.setattr(a.fleet, "do", lose)
        assert await a.approve("h1") == 503, "the decision and the claim are one change"
        assert await b.approve("h2") == 200
        await b.kept("h1", claimed=True)
        await b.kept("h2", claimed=True)
        monkeypatch.setattr(a.fleet, "do", whole)
        assert {(await worker.hears()).id for _ in range(2)} == {"h1", "h2"}
        await a.fleet._begin()
        assert await worker.hears_nothing(), "each once"


async def test_a_host_with_another_key_is_told_so_and_keeps_nothing_there(tmp_path: Path, store: StoreServer) -> None:
    one, other = configured(tmp_path / "a", store), configured(tmp_path / "b", store, b"x" * 40)
    async with fleet(one) as (a,):
        await a.up()
        async with fleet(other) as (b,):
            worker = await b.worker(waits("h9"), kept=False)
            assert isinstance(await worker.hears(), Noted)
            await until(lambda: b.fleet._said is not None)
            assert b.fleet._said is not None
            assert "mask.key" in b.fleet._said.why
        assert await a.held._do(lambda each: each.get("h9")) is None




async def test_a_ticket_of_one_gateway_is_decided_at_another_and_used_once_at_any(two: tuple[Loaded, Loaded]) -> None:
    async with fleet(*two) as members:
        a, b = await both_up(members)
        one, other = await a.worker(), await b.worker()
        asked = {"binding": b"same", "on_hold": "ticket"}
        assert (await ticket(one, waits("h1", **asked))).state == "pending"
        assert (await ticket(other, waits("h2", **asked))).ticket == "h1"
        assert await b.approve() == 200
        told = [await ticket(worker, waits(f"h{n}", **asked)) for n, worker in ((3, other), (4, one), (5, other))]
        assert [(each.ticket, each.state) for each in told] == [("h1", "approved"), ("h4", "pending"), ("h4", "pending")]
        assert (await a.kept("h1")).used_by == "h3"


async def test_an_allowance_is_used_at_all_gateways_and_what_one_has_in_its_hands_is_no_others(
    two: tuple[Loaded, Loaded], quick: None
) -> None:
    async with fleet(*two) as members:
        a, b = await both_up(members)
        one, other = await a.worker(), await b.worker()
        await one.say(waits("h1", "more", repeatable=True))
        await b.kept("h1")
        allowance = {"times": 9, "rows": 10, "seconds": 60}
        body = {"reason": "seen", "allowance": allowance}
        call = calling(b.desk, body, {"id": "h1"}, user="bo", groups=("shop",))
        await b.held.approve(call)
        assert await one.hears() == Decided("h1", True, "bo (local)", "", Leave("h1", 10))
        await one.say(Used("h1", 4))
        assert await holds_link.receive(one.stream) == Counted("h1")
        asked = {"on_hold": "ticket", "repeatable": True}
        assert (await ticket(other, waits("h2", "more", **asked))).use == Leave("h1", 6)
        await one.say(waits("h3", "more", **asked))  # waits for what the other gateway has in its hands
        await trio.sleep(0.2)
        await other.say(Used("h2", 1))
        assert await holds_link.receive(other.stream) == Counted("h2")
        with trio.fail_after(5):
            told = await holds_link.receive(one.stream)
        assert isinstance(told, Ticketed)
        assert told.use == Leave("h1", 5)


async def ticket(worker: Any, asks: Waits) -> Ticketed:
    """How it stands."""
    await worker.say(asks)
    with trio.fail_after(5):
        told = await holds_link.receive(worker.stream)
    assert isinstance(told, Ticketed)
    return told
