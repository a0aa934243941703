"""The short way in: taken when nothing is to be waited for, and never told from the long one by what a client reads."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from gateway.errors import State
from parser import messages
from tests.workers.relay_rig import no_file_grows, until
from tests.workers.worker_rig import Guest, House, error_state, housed, quiet, running_server
from workers import doorway
from workers.embedded import EmbeddedServer
from workers.sign_in import Begun
from workers.slab import Counter
from workers.sockets import Exhausted, Wire

pytestmark = pytest.mark.trio

STARTUP = messages.startup_message([("user", "ada"), ("database", "shop")])


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running_server() as running:
        yield running


TOKENS: dict[Path, str] = {}


def token_of(house: House) -> str:
    """The same each time: a token that was not seen before goes the long way."""
    return TOKENS.setdefault(house.folder, house.token())


async def enter(house: House) -> Guest:
    return await house.guest(token=token_of(house))


def long_ways(house: House) -> list[Begun]:
    """How far those had come who went the long way; filled as they do."""
    seen: list[Begun] = []
    welcome = house.worker.admissions.welcome

    async def watched(wire: Wire, begun: Begun) -> None:
        seen.append(begun)
        await welcome(wire, begun)

    house.worker.admissions.welcome = watched  # type: ignore[method-assign]
    return seen


async def leave(house: House, guest: Guest) -> None:
    await guest.wire.write_all(messages.TERMINATE)
    guest.wire.close()
    await quiet(house)


async def warmed(house: House) -> Guest:
    """Somebody who came and went, so that a connection is kept."""
    guest = await enter(house)
    await leave(house, guest)
    (kept,) = house.worker.standing.warm._kept
    await until(kept.look, "the server has answered the reset")
    return guest


def without_key(guest: Guest) -> list[tuple[bytes, bytes]]:
    return [(kind, body) for kind, body in guest.greeting if kind != b"K"]


async def test_second_of_a_kind_comes_in_at_once_and_reads_the_same(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        seen = long_ways(house)
        first = await warmed(house)
        assert len(seen) == 1
        second = await enter(house)
        assert len(seen) == 1
        assert without_key(second) == without_key(first)
        (link,) = house.worker.relay.links
        options = (socket.TCP_NODELAY, socket.TCP_KEEPIDLE, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        assert [link.client.sock.getsockopt(socket.IPPROTO_TCP, one) for one in options] == [1, 60, 6, 0]
        assert await second.cell("select 7") == "7"
        assert len(house.events("session opened")) == house.slot.row.get(Counter.SIGN_INS) == 2
        await leave(house, second)
        assert house.slot.slab.total(Counter.SESSIONS) == 0
        assert len(house.events("session closed")) == 2


async def test_psql_that_asks_for_encryption_first_comes_in_at_once_too(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        seen = long_ways(house)
        await warmed(house)
        guest = await house.knock()
        await guest.wire.write_all(messages.SSL_REQUEST)
        assert await guest.wire.read_exactly(1) == b"N"
        await guest.wire.write_all(STARTUP)
        await guest.replies(b"R")
        await guest.wire.write_all(messages.password_message(token_of(house)))
        assert (await guest.replies())[-1] == (b"Z", b"I")
        assert len(seen) == 1


async def test_packets_in_parts_come_in_the_long_way(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        seen = long_ways(house)
        await warmed(house)
        guest = await house.knock()
        token = messages.password_message(token_of(house))
        for part in (STARTUP[:3], STARTUP[3:40], STARTUP[40:]):
            await guest.wire.write_all(part)
            await trio.testing.wait_all_tasks_blocked()
        await guest.replies(b"R")
        for part in (token[:1], token[1:9], token[9:]):
            await guest.wire.write_all(part)
            await trio.testing.wait_all_tasks_blocked()
        assert (await guest.replies())[-1] == (b"Z", b"I")
        assert len(seen) == 2


async def test_token_in_parts_goes_on_where_it_stands(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        seen = long_ways(house)
        await warmed(house)
        guest = await house.knock()
        await guest.wire.write_all(STARTUP)
        await guest.replies(b"R")
        token = messages.password_message(token_of(house))
        await guest.wire.write_all(token[:20])
        await until(lambda: len(seen) == 2, "it goes the long way")
        assert seen[1].packet is not None
        await guest.wire.write_all(token[20:])
        assert (await guest.replies())[-1] == (b"Z", b"I")


async def test_of_too_many_at_the_door_the_oldest_waits_for_a_task(
    tmp_path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorway, "SIGNING_IN_MAX", 2)
    monkeypatch.setattr(doorway, "PATIENCE_SECONDS", 60.0)
    async with housed(tmp_path, server) as house:
        seen = long_ways(house)
        guests = [await house.knock() for _ in range(4)]
        for guest in guests:
            await guest.wire.write_all(STARTUP)
            await guest.replies(b"R")
        assert len(house.worker.doorway._callers) == 2
        assert len(seen) == 2
        for guest in guests:
            await guest.wire.write_all(messages.password_message(token_of(house)))
            assert (await guest.replies())[-1] == (b"Z", b"I")


async def test_all_that_a_client_sends_ahead_is_served(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        await warmed(house)
        guest = await house.knock()
        await guest.wire.write_all(STARTUP + messages.password_message(token_of(house)) + messages.query("select 7"))
        await guest.replies(b"R")
        assert (await guest.replies())[-1] == (b"Z", b"I")
        assert [kind for kind, _ in await guest.replies()] == [b"T", b"D", b"C", b"Z"]


@pytest.mark.parametrize(
    ("first", "state"),
    [
        (messages.SSL_REQUEST + messages.SSL_REQUEST, State.PROTOCOL),
        (b"\0\0\0\x08\0\2\0\0", State.FEATURE),
        (b"\0\0\0\x08\0\3\0\0", State.PROTOCOL),
        (b"GET / HTTP/1.1\r\n\r\n", State.PROTOCOL),
    ],
)
async def test_other_first_packets_get_their_answer(
    tmp_path: Path, server: EmbeddedServer, first: bytes, state: State
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.knock()
        await guest.wire.write_all(first)
        assert error_state(await guest.replies(b"E")) == state


async def test_second_request_for_encryption_has_no_place(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.knock()
        for answer in (b"N", b"E"):
            await guest.wire.write_all(messages.SSL_REQUEST)
            assert await guest.wire.read_exactly(1) == answer


async def test_refused_sign_in_is_refused_and_recorded_once(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        await warmed(house)
        token = house.token(groups=("strangers",))
        for refused, state in (("junk", State.BAD_TOKEN), (token, State.NOT_SIGNED_IN), (token, State.NOT_SIGNED_IN)):
            assert (await house.guest(token=refused)).refused == state
        assert len(house.events("sign-in refused")) == 3
        assert len(house.worker.standing.warm) == 1


async def test_nobody_comes_in_at_once_without_a_record(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        await warmed(house)
        with no_file_grows():
            guest = await enter(house)
            assert guest.refused == State.AUDIT
        assert house.slot.slab.total(Counter.SESSIONS) == 0
        assert len(house.worker.standing.warm) == 0
        await until(lambda: house.worker.audit.health == "ok", "the audit can be written again")
        assert await (await enter(house)).cell("select 1") == "1"


async def test_last_place_is_given_once(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server, gateway="max_sessions = 1") as house:
        await warmed(house)
        first = await enter(house)
        assert (await enter(house)).refused == State.TOO_MANY
        await leave(house, first)
        assert await (await enter(house)).cell("select 1") == "1"


async def test_who_says_nothing_is_given_to_a_task_and_sent_away_in_time(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server, gateway="login_seconds = 0.5") as house:
        seen = long_ways(house)
        silent, half = await house.knock(), await house.knock()
        await half.wire.write_all(STARTUP)
        began = time.monotonic()
        assert (await half.replies())[-1] == (b"", b"")
        assert (await silent.replies())[-1] == (b"", b"")
        assert time.monotonic() - began < 4
        assert len(seen) == 2


async def test_who_leaves_at_the_door_costs_nothing(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        await warmed(house)
        for said in (b"", STARTUP[:5], STARTUP):
            guest = await house.knock()
            await guest.wire.write_all(said)
            guest.wire.close()
        await until(lambda: not house.worker.doorway._callers, "the door is free")
        assert await (await enter(house)).cell("select 1") == "1"


async def test_door_opens_again_when_descriptors_are_there(
    tmp_path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with housed(tmp_path, server) as house:
        tries: list[object] = []

        def exhausted(listener: object) -> None:
            tries.append(listener)
            raise Exhausted

        with monkeypatch.context() as patched:
            patched.setattr(doorway, "accept", exhausted)
            guest = await house.knock()
            await until(lambda: len(tries) > 1, "it was tried again")
        assert len(tries) < 10
        await guest.wire.write_all(STARTUP)
        assert [kind for kind, _ in await guest.replies(b"R")] == [b"R"]


async def test_each_of_a_crowd_gets_a_connection_of_its_own(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        seen = long_ways(house)
        crowd = [await enter(house) for _ in range(8)]
        for guest in crowd:
            await guest.wire.write_all(messages.TERMINATE)
            guest.wire.close()
        await quiet(house)
        for kept in list(house.worker.standing.warm._kept):
            await until(kept.look, "the server has answered the reset")
        before = len(seen)
        guests: list[Guest] = []

        async def come() -> None:
            guests.append(await enter(house))

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(come)
        assert len(seen) == before
        assert len({await guest.cell("select pg_backend_pid()") for guest in guests}) == 8


async def test_tokens_that_fail_are_refused_at_once_in_the_words_of_the_long_way(
    tmp_path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with housed(tmp_path, server) as house:
        seen, good = long_ways(house), token_of(house)
        head, claims, signature = good.split(".")
        forged = f"{head}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
        others = house.token(user="bob")
        tokens = [".", "garbage", f"{head}.{claims}.", forged, others]
        short = [await house.guest(token=one) for one in tokens]
        assert seen == []
        monkeypatch.setattr(doorway, "COMPUTED_MAX", 0)
        long = [await house.guest(token=one) for one in tokens]
        assert len(seen) == len(tokens)
        assert [one.greeting for one in short] == [one.greeting for one in long]
        assert {one.refused for one in short} == {State.BAD_TOKEN}
        kept = [(one.data, one.session) for one in house.events("sign-in refused")]
        assert len(kept) == 2 * len(tokens) == house.slot.row.get(Counter.SIGN_INS_REFUSED)
        at = len(tokens)
        assert [data for data, _ in kept[:at]] == [data for data, _ in kept[at:]]
        assert {(who.user, who.database, who.method) for _, who in kept if who is not None} == {("ada", "shop", "token")}


async def test_of_a_crowd_no_more_tokens_are_looked_into_than_one_turn_bears(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        seen = long_ways(house)
        crowd = [await house.knock() for _ in range(12)]
        for guest in crowd:
            await guest.wire.write_all(STARTUP)
            await guest.replies(b"R")
        for guest in crowd:  # without a pause: they arrive in one turn
            guest.wire.sock.send(messages.password_message("garbage"))
        for guest in crowd:
            (kind, _), *_ = await guest.replies()
            assert kind == b"E"
        assert len(seen) == len(crowd) - doorway.COMPUTED_MAX
        assert len(house.events("sign-in refused")) == len(crowd)


async def test_those_after_too_many_failures_are_sent_away_at_once(
    tmp_path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorway, "PATIENCE_SECONDS", 60.0)
    async with housed(tmp_path, server) as house:
        await warmed(house)
        seen, door = long_ways(house), house.worker.doorway
        for _ in range(20):
            guest = await house.guest(token="garbage")
            assert guest.refused == State.BAD_TOKEN
            guest.wire.close()
        await until(lambda: not door._callers, "they went")
        guests = [await house.guest(token="garbage") for _ in range(3)]
        for guest in guests:
            kind, body = guest.greeting[1]
            assert "wait 1 s" in messages.read_error_fields(body)["M"]
            assert kind == b"E"
            assert await guest.replies() == [(b"", b"")]
        assert len(door._callers) == 3, "the door stays open until they have read it"
        await guests[0].wire.write_all(b"more")
        guests[0].wire.close()
        guests[1].wire.close()
        await until(lambda: len(door._callers) == 1, "they went")
        monkeypatch.setattr(doorway, "PATIENCE_SECONDS", 0.0)
        door.tidy()
        assert not door._callers
        assert seen == [], "and cost no task"
        assert without_key(await enter(house))[-1] == (b"Z", b"I"), "who is known comes in"
        house.worker.admissions.close()
        assert [one.data["count"] for one in house.events("sign-ins limited")] == [3]
