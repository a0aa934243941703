"""Who gets in, with what, and when their session ends: a whole worker before a real PostgreSQL."""

import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from gateway.errors import State
from gateway.identity import claims
from gateway.session.inflight import ROWS_UNKNOWN, Wanted
from parser import messages
from tests.workers.relay_rig import no_file_grows, until
from tests.workers.worker_rig import POLICY, Guest, House, error_state, housed, quiet, running_server
from workers import admission
from workers.embedded import EmbeddedServer
from workers.links import Link
from workers.process import HOUSEKEEPING_SECONDS
from workers.slab import Counter

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running_server() as running:
        yield running


def sessions(house: House) -> int:
    return house.slot.slab.total(Counter.SESSIONS)


# --- the way in -------------------------------------------------------------------------------------


async def test_a_session_is_on_record_from_its_beginning_to_its_end(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest(application_name="desk")
        assert await guest.cell("select 7") == "7"
        (opened,) = house.events("session opened")
        assert opened.session is not None
        assert (opened.session.user, opened.session.database, opened.session.application) == (
            "ada",
            "shop",
            "desk",
        )
        assert opened.session.groups == ("owners",)
        await guest.wire.write_all(messages.TERMINATE)
        await quiet(house)
        (closed,) = house.events("session closed")
        assert (closed.data["statements"], closed.data["refused"]) == (1, 0)
        assert closed.session == opened.session
        assert sessions(house) == 0


@pytest.mark.parametrize(
    ("sign_in", "state"),
    [
        ({"database": "nowhere"}, State.NO_DATABASE),
        ({"groups": ("strangers",)}, State.NOT_SIGNED_IN),
        ({"token": "junk"}, State.BAD_TOKEN),
        ({"replication": "database", "groups": ("analysts",)}, State.DENIED),
        ({"role": "app_ro", "groups": ("analysts",)}, State.DENIED),
        ({"database": "down"}, State.UNREACHABLE),
    ],
)
async def test_a_refused_sign_in_says_why_and_holds_nothing(
    tmp_path: Path, server: EmbeddedServer, sign_in: dict[str, str], state: State
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest(**sign_in)  # type: ignore[arg-type]
        assert guest.refused == state
        assert sessions(house) == 0
        assert not house.events("session opened")
        (refused,) = house.events("sign-in refused")
        assert refused.session is not None
        assert (refused.session.user, refused.session.database) == ("ada", sign_in.get("database", "shop"))
        assert refused.session.address.startswith("127.0.0.1")
        assert (refused.data["sqlstate"], refused.data["tls"]) == (state, False)
        assert refused.data["verified"] is (state is State.UNREACHABLE)
        assert refused.data["why"]
        assert "junk" not in repr(refused)
        assert house.slot.row.get(Counter.SIGN_INS_REFUSED) == 1


async def test_a_grants_role_and_the_clients_parameters_travel_in_the_start_up(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest(groups=("readers",), options="-c statement_timeout=1234", role="app_ro")
        assert await guest.cell("select current_user") == "app_ro"
        assert await guest.cell("show statement_timeout") == "1234ms"
        assert await guest.cell("reset all; select current_user") == "app_ro"


async def test_the_last_place_is_given_once_and_given_back(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server, gateway="max_sessions = 2") as house:
        first, _ = await house.guest(), await house.guest()
        third = await house.guest()
        assert third.refused == State.TOO_MANY
        first.wire.close()
        await until(lambda: sessions(house) == 1, "the place is free")
        fourth = await house.guest()
        assert await fourth.cell("select 4") == "4"


async def test_clients_that_leave_during_their_sign_in_keep_no_place(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server, gateway="max_sessions = 3") as house:
        for _ in range(12):
            guest = await house.knock()
            packet = messages.startup_message([("user", "ada"), ("database", "shop")])
            await guest.wire.write_all(packet + messages.password_message(house.token()))
            guest.wire.close()
        welcome = house.slot.row
        await until(
            lambda: welcome.get(Counter.SIGN_INS) + len(house.events("sign-in refused")) > 0, "they came"
        )
        await until(lambda: sessions(house) == 0, "they left")
        opened = house.events("session opened")
        assert opened, "the server had greeted some"
        assert len(house.events("session closed")) == len(opened)
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            count = "select count(*) from pg_stat_activity where usename = 'sluice' and application_name <> 'sluice'"
            await until(lambda: admin.execute(count).fetchone() == (0,), "the server's sessions are over")


async def test_an_audit_that_cannot_be_written_lets_nobody_in(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        with no_file_grows():
            guest = await house.guest()
            assert guest.refused == State.AUDIT
        assert sessions(house) == 0
        await until(lambda: house.worker.audit.health == "ok", "the audit can be written again")
        again = await house.guest()
        assert await again.cell("select 1") == "1"
        (refused,) = house.events("sign-in refused")
        assert (refused.data["sqlstate"], refused.data["verified"]) == (State.AUDIT, True)


# --- cancels ----------------------------------------------------------------------------------------


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


async def test_guesses_are_counted_by_host_not_by_connection(tmp_path: Path, server: EmbeddedServer) -> None:
    """Each cancel request comes on a connection of its own, with a port of its own."""
    async with housed(tmp_path, server) as house:
        asked: list[str] = []
        request = house.worker.desk.request

        async def watched(pid: int, secret: bytes, address: str) -> bool:
            asked.append(address)
            return await request(pid, secret, address)

        house.worker.desk.request = watched  # type: ignore[method-assign]
        for _ in range(3):
            guest = await house.knock()
            await guest.wire.write_all(messages.cancel_request(1, b"evil"))
            assert await guest.replies() == [(b"", b"")]
            guest.wire.close()
        assert asked == ["127.0.0.1"] * 3
        refused = house.events("cancel refused")
        assert len(refused) == 3
        assert refused[0].session is not None
        assert refused[0].session.address.startswith("127.0.0.1:")


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
    live = house.worker.admissions._live[link]
    live.admission.principal = replace(live.admission.principal, expires=time.time() - claims.LEEWAY_SECONDS)
    house.worker.admissions._until(live, link.session, live.admission.rights)


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
        admissions = house.worker.admissions
        monkeypatch.setattr(admissions, "_ask_again", lambda link, now: seen.append(link))
        await admissions.check(time.time())
        assert not seen
        await admissions.check(time.time() + 100)
        assert len(seen) == 1
        seen.clear()
        await house.publish(POLICY)
        admissions.follow_policy()
        await admissions.check(time.time())
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
        house.worker.admissions.catalog_renewed("elsewhere")
        assert not before.stale
        house.worker.admissions.catalog_renewed("shop")
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
        assert await house.worker.admissions.estimate(link, wanted) == 1
        await guest.wire.write_all(messages.TERMINATE)
        await quiet(house)
        assert await house.worker.admissions.estimate(link, wanted) == ROWS_UNKNOWN
