"""Sessions that are in, and when they end: a whole worker before a real PostgreSQL."""

import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.errors import State
from gateway.identity import claims
from gateway.identity.barred import Bar
from gateway.session.inflight import ROWS_UNKNOWN, Wanted
from parser import messages
from tests.workers.relay_rig import until
from tests.workers.worker_rig import POLICY, Guest, House, error_state, housed, quiet, running_server
from workers import admission, configuration, process
from workers import standing as standing_module
from workers.embedded import EmbeddedServer
from workers.errands import NOBODY_ASKS, MoveBars
from workers.links import Link
from workers.process import HOUSEKEEPING_SECONDS
from workers.shared_policy import seal
from workers.slot import ErrandMessage, KeysMessage, send

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running_server() as running:
        yield running


# --- the end of rights ------------------------------------------------------------------------------


def error_state_of(seen: list[tuple[bytes, bytes]]) -> str:
    return messages.read_error_fields(next(body for kind, body in seen if kind == b"E"))["C"]


async def ended_within(guest: Guest, seconds: float) -> str:
    started = time.monotonic()
    state = await guest.last_words()
    assert time.monotonic() - started < seconds
    return state


def expire(house: House) -> None:
    """The only session's token ends now: a token that is about to end when it is shown may be too late on a busy machine."""
    (link,) = house.worker.relay.links
    live = house.worker.standing._live[link]
    live.admission.principal = replace(live.admission.principal, expires=time.time() - claims.LEEWAY_SECONDS)
    house.worker.standing._until(live, link.session, live.admission.rights)


async def test_a_cancel_request_ends_the_statement_and_not_the_session(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest()
        await guest.wire.write_all(messages.query("select pg_sleep(60)"))
        await until(lambda: next(iter(house.worker.relay.links)).session.queue, "it runs")
        canceller = await house.knock()
        await canceller.wire.write_all(messages.cancel_request(*guest.key))
        assert error_state_of(await guest.replies()) == "57014"
        assert await guest.cell("select 1") == "1"
        assert house.outcomes() == ["cancelled", "ok"]
        (asked,) = house.events("cancel requested")
        (first, *_) = [entry for entry in house.records() if entry.kind == "intent"]
        assert asked.session == first.session
        assert asked.data == {"what": "cancel requested", "address": "127.0.0.1", "intent": first.id}


async def test_an_idle_session_ends_when_its_token_does(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest(token=house.token(ends_in=60))
        assert await guest.cell("select 1") == "1"
        (link,) = house.worker.relay.links
        assert 0 < link.session.until - time.time_ns() < 60e9
        expire(house)
        assert await ended_within(guest, 3.0) == State.NOT_SIGNED_IN
        await quiet(house)
        (ended,) = house.events("session ended")
        assert (ended.data["sqlstate"], "expired" in ended.data["why"]) == (State.NOT_SIGNED_IN, True)
        assert abs(ended.time_ns - time.time_ns()) < 60e9


async def test_a_running_statement_ends_in_peace_before_the_session_does(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest(token=house.token(ends_in=60))
        await guest.wire.write_all(messages.query(f"select pg_sleep({2 * HOUSEKEEPING_SECONDS + 0.2})"))
        await until(lambda: [entry for entry in house.records() if entry.kind == "intent"], "it runs")
        expire(house)
        seen = await guest.replies()
        assert [kind for kind, _ in seen] == [b"T", b"D", b"C", b"Z"]
        assert await ended_within(guest, 2.0) == State.NOT_SIGNED_IN
        await quiet(house)
        assert house.outcomes() == ["ok"]


async def test_a_statement_after_the_tokens_end_is_not_run(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest(token=house.token(ends_in=60))
        await guest.ask("begin")
        expire(house)  # and the housekeeping has not seen it
        assert await guest.error("select 'too late'") == State.NOT_SIGNED_IN
        await quiet(house)
        assert len([entry for entry in house.records() if entry.kind == "intent"]) == 1


async def test_a_session_ends_when_its_grant_does(tmp_path: Path, server: EmbeddedServer) -> None:
    def until_then(seconds: int) -> str:
        ends = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f'[[grant]]\nname = "for a moment"\ngroups = ["guests"]\nallow = ["read"]\nexpires = {ends}\n'

    async with housed(tmp_path, server, POLICY + until_then(60)) as house:
        guest = await house.guest(groups=("guests",))
        assert await guest.cell("select 1") == "1"
        await house.publish(POLICY + until_then(2))
        assert await ended_within(guest, 4.0) == State.NOT_SIGNED_IN
        assert (await house.guest(groups=("guests",))).refused == State.NOT_SIGNED_IN


ENDINGS = ("token expires", "grant expires", "grant removed", "key removed", "user locked")


async def end_right(house: House, how: str) -> None:
    """The right of every session in the house ends."""
    standing = house.worker.standing
    if how == "token expires":
        for link, live in standing._live.items():
            principal = replace(live.admission.principal, expires=time.time() - claims.LEEWAY_SECONDS)
            live.admission.principal = principal
            standing._until(live, link.session, live.admission.rights)
    elif how == "grant expires":
        ends = (datetime.now(UTC) + timedelta(seconds=0.4)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        await house.publish(POLICY.replace('allow = ["all"]', f'allow = ["all"]\nexpires = {ends}'))
    elif how == "grant removed":
        await house.publish(POLICY.replace('groups = ["owners"]', 'groups = ["nobody"]'))
    elif how == "key removed":
        other = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        sealed = seal(configuration.pack_keys({"local": ("local-issuer.pub", other)}, {}))
        send(house.control, KeysMessage(sealed.size, sealed.digest), sealed.fd)
        sealed.close()
    else:
        send(house.control, ErrandMessage(NOBODY_ASKS, MoveBars((Bar("user", "ada"),))))


@pytest.mark.parametrize("how", ENDINGS)
async def test_whatever_ends_a_right_ends_its_sessions_in_time_in_every_state(
    tmp_path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """An idle session within 5 s, also in a transaction; the next statement is refused at once; what runs or streams is
    cancelled after its grace (30 s; shortened here), by a bar at once."""
    assert standing_module.GRACE_SECONDS == 30
    grace = 0.3
    monkeypatch.setattr(process, "HOUSEKEEPING_SECONDS", 0.1)
    monkeypatch.setattr(standing_module, "GRACE_SECONDS", grace)
    async with housed(tmp_path, server) as house:
        idle, open_one, running, streaming = [await house.guest() for _ in range(4)]
        await open_one.ask("begin")
        await running.wire.write_all(messages.query("select pg_sleep(60)"))
        await streaming.wire.write_all(messages.query("select generate_series(1, 100000000), repeat('x', 500)"))
        await streaming.wire.read_frame(1 << 20)
        await until(lambda: sum(bool(link.session.queue) for link in house.worker.relay.links) == 2, "two run")
        began = time.monotonic()
        await end_right(house, how)
        for guest in (idle, open_one):
            assert await ended_within(guest, 5.0) == State.NOT_SIGNED_IN
        quick = time.monotonic() - began
        assert await ended_within(running, 5.0) == State.NOT_SIGNED_IN
        took = time.monotonic() - began
        await quiet(house)
        print(f"{how}: idle after {quick:.2f} s, running after {took:.2f} s (grace {grace} s)")
        assert quick < 5
        if how == "user locked":
            assert took < 1
        else:
            assert grace <= took < grace + 5
        assert sorted(house.outcomes()) == ["cancelled", "cancelled", "ok"]
        seen = await streaming.replies(b"")
        assert b"C" not in {kind for kind, _ in seen}
        assert len(house.events("session ended")) == 4
        if how != "token expires":  # the rig's tokens are new ones
            assert (await house.guest()).refused in (State.NOT_SIGNED_IN, State.BAD_TOKEN)


async def test_a_right_that_comes_back_in_time_ends_nothing(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest()
        await guest.wire.write_all(messages.query("select pg_sleep(1.2)"))
        await until(lambda: next(iter(house.worker.relay.links)).session.queue, "it runs")
        await end_right(house, "grant removed")
        await until(lambda: next(iter(house.worker.standing._live.values())).gone, "that is seen")
        await house.publish(POLICY)
        assert [kind for kind, _ in await guest.replies()] == [b"T", b"D", b"C", b"Z"]
        assert await guest.cell("select 1") == "1"


async def test_an_idle_session_takes_little_memory(tmp_path: Path, server: EmbeddedServer) -> None:
    """The rest of the promised 12 kB is for what the allocator loses, and for tokens that are not all the same."""
    async with housed(tmp_path, server) as house:
        token = house.token("ada", ("analysts",))

        async def opened(count: int) -> None:
            for _ in range(count):
                guest = await house.guest(groups=("analysts",), token=token, application_name="desk")
                assert await guest.cell("select 1") == "1"

        tracemalloc.start()
        try:
            await opened(10)
            before, _ = tracemalloc.get_traced_memory()
            await opened(30)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (after - before) / 30 < 9000, "the client's own end counts in it too"


async def test_housekeeping_looks_at_no_session_whose_right_goes_on(
    tmp_path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Link] = []
    async with housed(tmp_path, server) as house:
        await house.guest(), await house.guest(token=house.token(ends_in=70))
        standing = house.worker.standing
        monkeypatch.setattr(standing, "_ask_again", lambda link, now: seen.append(link))
        await standing.check(time.time())
        assert not seen
        await standing.check(time.time() + 100)
        assert len(seen) == 1
        seen.clear()
        await house.publish(POLICY)
        house.worker.admissions.follow_policy()
        await standing.check(time.time())
        assert len(seen) == 2, "a new policy is asked for all"


async def test_a_new_policy_decides_the_next_statement_of_running_sessions(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    rail = (
        '[[guardrail]]\nname = "no people"\nstatements = ["SELECT"]\neffect = "deny"\nmessage = "Not now."\n'
    )
    async with housed(tmp_path, server) as house:
        guest = await house.guest(groups=("analysts",))
        assert await guest.cell("select 1") == "1"
        await house.publish(POLICY + rail)
        assert await guest.error("select 1") == State.DENIED
        await house.publish(POLICY)
        assert await guest.cell("select 1") == "1", "the session itself was kept"
        assert [
            entry.ruling.generation for entry in house.records() if entry.kind == "intent" and entry.ruling
        ] == [1, 2, 3]


@pytest.mark.parametrize("change", ["grant removed", "role changed"])
async def test_a_policy_that_takes_the_right_away_ends_the_session(
    tmp_path: Path, server: EmbeddedServer, change: str
) -> None:
    without = POLICY.replace('groups = ["readers"]', 'groups = ["nobody"]')
    other = POLICY.replace('role = "app_ro"', 'role = "sluice"')
    async with housed(tmp_path, server) as house:
        reader, owner = await house.guest(groups=("readers",)), await house.guest()
        await house.publish(without if change == "grant removed" else other)
        assert await ended_within(reader, 3.0) == State.NOT_SIGNED_IN
        assert await owner.cell("select 1") == "1"


async def test_a_policy_that_comes_during_a_sign_in_decides_its_first_statement(
    tmp_path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rights were found under the old policy; the server answers late, and by then the new one is in force."""
    rail = (
        '[[guardrail]]\nname = "no people"\nstatements = ["SELECT"]\neffect = "deny"\nmessage = "Not now."\n'
    )
    reach = admission.connect
    async with housed(tmp_path, server) as house:

        async def late(*arguments: object, **options: object) -> object:
            upstream = await reach(*arguments, **options)  # type: ignore[arg-type]
            await house.publish(POLICY + rail)
            house.worker._follow_generation()
            return upstream

        monkeypatch.setattr(admission, "connect", late)
        guest = await house.guest(groups=("analysts",))
        assert await guest.error("select 1") == State.DENIED
        (intent,) = [entry for entry in house.records() if entry.kind == "intent"]
        assert intent.ruling is not None
        assert intent.ruling.generation == 2


# --- scopes -----------------------------------------------------------------------------------------


async def test_a_new_catalogue_makes_sessions_ask_for_new_scopes(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest(groups=("analysts",))
        assert await guest.cell("select id from people") == "1"
        (link,) = house.worker.relay.links
        before = link.session.scope
        house.worker.standing.catalog_renewed("elsewhere")
        assert not before.stale
        house.worker.standing.catalog_renewed("shop")
        assert before.stale
        assert await guest.cell("select id from people") == "1"
        assert link.session.scope is not before


# --- limits, budgets and estimates ----------------------------------------------------------------------

BOUNDED = """
[[grant]]
name = "owners read a little"
groups = ["owners"]
allow = ["read", "write"]
unmask = ["*"]
max_rows_per_hour = 1000
[[grant]]
name = "analysts read for a moment"
groups = ["analysts"]
allow = ["read", "write"]
unmask = ["*"]
max_statement_seconds = 1
[[grant]]
name = "readers have a role"
groups = ["readers"]
allow = ["read"]
unmask = ["*"]
role = "app_ro"
[[guardrail]]
name = "no broad reads"
groups = ["readers"]
databases = ["shop"]
statements = ["SELECT"]
min_estimated_rows = 100
effect = "deny"
message = "Read less."
"""


async def test_a_budget_is_one_for_all_sessions_of_a_principal(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server, BOUNDED) as house:
        first, second, other = await house.guest(), await house.guest(), await house.guest(user="bob")
        assert len(await first.ask("select generate_series(1, 600)")) > 600
        assert await second.error("select generate_series(1, 600)") == State.BUDGET
        assert await first.error("select 1") == State.BUDGET
        assert await other.cell("select 1") == "1"
        reader = await house.guest(groups=("readers",))
        assert await reader.cell("select 2") == "2", "another grant's budget is another one"


async def test_what_runs_too_long_is_cancelled_and_the_session_goes_on(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server, BOUNDED) as house:
        guest = await house.guest(groups=("analysts",))
        started = time.monotonic()
        assert await guest.error("select pg_sleep(30)") == State.CANCELLED
        assert 1.0 <= time.monotonic() - started < 10
        assert await guest.cell("select 7") == "7"
        assert house.outcomes() == ["cancelled", "ok"]
        (cancelled,) = house.events("statement cancelled")
        (first, *_) = [entry for entry in house.records() if entry.kind == "intent"]
        assert (cancelled.data["sqlstate"], cancelled.data["intent"]) == (State.CANCELLED, first.id)
        assert cancelled.data["rule"] in cancelled.data["why"]


async def test_a_read_that_the_planner_takes_for_broad_is_refused(tmp_path: Path, server: EmbeddedServer) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("create table many as select n as id from generate_series(1, 5000) n; analyze many, people")
        admin.execute("grant select on many to app_ro")
    async with housed(tmp_path, server, BOUNDED) as house:
        guest = await house.guest(groups=("readers",))
        assert await guest.error("select * from many") == State.DENIED
        assert await guest.cell("select max(id) from many") == "5000"
        assert await guest.cell("select id from people") == "1"
        bound = [messages.parse("", "select id from many where id <= $1", (23,))]
        bound.append(messages.bind("", "", (b"5",)))
        bound += [messages.execute(""), messages.frame(b"S")]
        await guest.wire.write_all(b"".join(bound))
        assert sum(kind == b"D" for kind, _ in await guest.replies()) == 5
        bound[1] = messages.bind("", "", (b"500",))
        await guest.wire.write_all(b"".join(bound))
        assert error_state(await guest.replies()) == State.DENIED
        assert await guest.cell("select 7") == "7"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("drop table many")


async def test_a_session_that_has_ended_gets_no_estimate(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest()
        (link,) = house.worker.relay.links
        wanted = Wanted(b"select 1")
        assert await house.worker.standing.estimate(link, wanted) == 1
        await guest.wire.write_all(messages.TERMINATE)
        await quiet(house)
        assert await house.worker.standing.estimate(link, wanted) == ROWS_UNKNOWN
