"""The turn over real sockets: its order, what a failing audit means, backpressure, and every way a session ends."""

import select
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio
import trio.testing

from gateway.classify.learned import Learned
from gateway.errors import Refused, State
from gateway.scope import Scope
from gateway.session.inflight import ROWS_UNKNOWN, Ask, Wanted
from gateway.session.session import Session
from gateway.session.understand import failing_frame
from parser import messages
from tests.gateway.session.rig import CLEAR, scope_of
from tests.workers.relay_rig import (
    IN_TRANSACTION,
    READY,
    Pair,
    Rig,
    answer,
    data_row,
    encrypted,
    fatal,
    loopback,
    make_rig,
    make_scope,
    no_file_grows,
    row_description,
    turning,
    until,
)
from tests.workers.wire_rig import make_certificate
from workers import relay as relay_module
from workers.audit_log import AuditLog
from workers.host import IDLE_SECONDS
from workers.links import RECEIVE_BYTES_MAX, Link, Side
from workers.slab import Counter
from workers.sockets import Closed
from workers.tls import server_context

SHUTDOWN = Refused(State.SHUTDOWN, "the gateway is shutting down", "Connect again.")


def pending(sock: socket.socket) -> bytes:
    """What has arrived at this end, left where it is."""
    try:
        return sock.recv(1 << 16, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""


class Watched(AuditLog):
    """Notes what had arrived at client and server at the moment of each append."""

    seen: list[tuple[bytes, bytes]]
    pair: Pair

    def commit(self) -> None:
        self.seen.append((pending(self.pair.client.sock), pending(self.pair.server.sock)))
        super().commit()


def readable(*sides: Side) -> list[tuple[int, int]]:
    return [(side.fd, select.EPOLLIN) for side in sides]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = make_rig(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's context."""
    certificate, key = make_certificate(tmp_path_factory.mktemp("tls"), "localhost")
    return server_context(str(certificate), str(key)), ssl.create_default_context(cafile=str(certificate))


# --- the order of the turn --------------------------------------------------------------------------


def test_nothing_leaves_before_its_record(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, Watched)
    log = rig.audit
    assert isinstance(log, Watched)
    log.seen = []
    log.pair = pair = rig.open()
    pair.client.sock.sendall(messages.query("select 1"))
    rig.relay.turn(readable(pair.link.client))
    assert log.seen == [(b"", b"")], "one append, before anything was forwarded"
    assert pending(pair.server.sock) == messages.query("select 1")
    pair.server.sock.sendall(answer())
    rig.relay.turn(readable(pair.link.server))
    assert len(log.seen) == 2
    assert log.seen[1][0] == b"", "the outcome is on record before the client reads its answer"
    assert pending(pair.client.sock) == answer()
    assert rig.outcomes() == ["ok"]
    rig.close()


def test_one_append_holds_the_intents_of_the_whole_turn(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, Watched)
    log = rig.audit
    assert isinstance(log, Watched)
    pairs = [rig.open() for _ in range(5)]
    log.seen, log.pair = [], pairs[0]
    for number, pair in enumerate(pairs):
        pair.client.sock.sendall(messages.query(f"select {number}"))
    rig.relay.turn(readable(*(pair.link.client for pair in pairs)))
    assert len(log.seen) == 1
    assert [pending(pair.server.sock) for pair in pairs] == [
        messages.query(f"select {number}") for number in range(5)
    ]
    rig.close()


def test_failing_audit_refuses_the_whole_turn_and_sessions_live_on(tmp_path: Path) -> None:
    ahead = [0]
    rig = make_rig(
        tmp_path,
        lambda folder, host, slot: AuditLog(folder, host, slot, clock=lambda: time.time_ns() + ahead[0]),
    )
    pairs = [rig.open() for _ in range(3)]
    for pair in pairs:
        pair.client.sock.sendall(messages.query("select 'never seen'"))
    with no_file_grows():
        rig.relay.turn(readable(*(pair.link.client for pair in pairs)))
    for pair in pairs:
        arrived = pair.server.sock.recv(1 << 16)
        assert b"never seen" not in arrived
        pair.server.sock.sendall(messages.error_response("ERROR", "42601", "syntax error") + READY)
    rig.relay.turn(readable(*(pair.link.server for pair in pairs)))
    for pair in pairs:
        told = pair.client.sock.recv(1 << 16)
        assert b"C58030\0" in told
        assert told.endswith(READY)
        pair.client.sock.sendall(messages.query("select 2"))
    ahead[0] = 10**9
    rig.audit.commit()  # as the worker's housekeeping does
    rig.relay.turn(readable(*(pair.link.client for pair in pairs)))
    assert [pending(pair.server.sock) for pair in pairs] == [messages.query("select 2")] * 3
    rig.close()


def test_failing_audit_refuses_each_execute_of_a_pipeline(rig: Rig) -> None:
    pair = rig.open()
    one = messages.parse("", "select 7") + messages.bind("", "", []) + messages.execute("")
    pair.client.sock.sendall(one + one + messages.frame(b"S"))
    with no_file_grows():
        rig.relay.turn(readable(pair.link.client))
    arrived = pair.server.sock.recv(1 << 16)
    assert messages.execute("") not in arrived, "no Execute of the client's own portal"
    assert arrived.count(failing_frame(Ask.EXECUTE)) == 2
    assert arrived.endswith(messages.frame(b"S"))


def test_texts_without_a_statement_do_not_disturb_a_later_failure(rig: Rig) -> None:
    """An empty text has no intent, so its turn appends nothing; it must not be looked at again."""
    pair = rig.open()
    empty = messages.parse("", "") + messages.bind("", "", []) + messages.execute("") + messages.frame(b"S")
    pair.client.sock.sendall(empty)
    rig.relay.turn(readable(pair.link.client))
    assert pair.server.sock.recv(1 << 16) == empty
    pair.server.sock.sendall(b"".join(map(messages.frame, (b"1", b"2", b"I"))) + READY)
    rig.relay.turn(readable(pair.link.server))
    pair.client.sock.sendall(messages.query("select 3"))
    with no_file_grows():
        rig.relay.turn(readable(pair.link.client))
    assert pending(pair.server.sock) == failing_frame(Ask.QUERY)


def test_descriptors_are_closed_only_after_the_last_event_of_a_turn(rig: Rig) -> None:
    """A number given up in the middle of a turn could name another's socket before the turn is over."""
    gone, living = rig.open(), rig.open()
    gone.client.sock.sendall(messages.frame(b"X"))
    living.client.sock.sendall(messages.query("select 1"))
    forwarded_before: list[bytes] = []
    closed = gone.link.closed

    def watched(link: Link) -> None:
        forwarded_before.append(pending(living.server.sock))
        closed(link)

    gone.link.closed = watched
    rig.relay.turn(readable(gone.link.client, gone.link.server, living.link.client))
    assert forwarded_before == [messages.query("select 1")]
    assert (gone.link.client.sock.fileno(), gone.link.server.sock.fileno()) == (-1, -1)
    assert rig.closed == [gone.link]


def test_the_turn_gives_the_sign_of_life(rig: Rig) -> None:
    rig.relay.turn([])
    first = rig.slab.row(0).get(Counter.BEAT)
    deadline = time.monotonic_ns() + 100 * relay_module.BEAT_NS
    while rig.slab.row(0).get(Counter.BEAT) == first:
        assert time.monotonic_ns() < deadline
        rig.relay.turn([])
    assert 0 < first < rig.slab.row(0).get(Counter.BEAT)


# --- early bytes and waiting ------------------------------------------------------------------------


@pytest.mark.trio
async def test_bytes_received_before_the_hand_over_are_served_at_once(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        await trio.testing.wait_all_tasks_blocked(0.01)  # the relay sleeps
        notice = messages.notice_response("NOTICE", "00000", "early")
        started = trio.current_time()
        pair = rig.open(client_early=messages.query("select 1"), server_early=notice)
        assert await pair.served() == messages.query("select 1")
        assert trio.current_time() - started < IDLE_SECONDS / 2, "nobody waits for the sleeper"
        await pair.says(answer())
        assert [kind for kind, _ in await pair.heard()] == [b"N", b"T", b"D", b"C", b"Z"]


@pytest.mark.trio
async def test_a_session_waits_until_its_change_of_the_catalogue_is_read(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        asked: list[str] = []

        def moved(database: str) -> int:
            asked.append(database)
            return 7

        rig.relay.catalog_moved = moved
        pair, other = rig.open(), rig.open()
        await pair.ask("create table t (n int)")
        await pair.served()
        await pair.says(messages.command_complete("CREATE TABLE") + READY)
        await pair.heard()
        assert asked == ["shop"]
        await pair.ask("select n from t")
        await other.ask("select 1")  # what it prepared may mean something else now
        rig.relay.release("elsewhere", 9)
        rig.relay.release("shop", 6)  # read before this change
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert pending(pair.server.sock) == pending(other.server.sock) == b""
        await trio.testing.wait_all_tasks_blocked(0.01)
        started = trio.current_time()
        rig.relay.release("shop", 7)
        assert await pair.served() == messages.query("select n from t")
        assert await other.served() == messages.query("select 1")
        assert trio.current_time() - started < IDLE_SECONDS / 2


@pytest.mark.trio
async def test_who_sees_every_column_does_not_wait_for_the_catalogue(tmp_path: Path) -> None:
    scope = make_scope('[[grant]]\nname = "all"\nallow = ["all"]\nunmask = ["*"]\n')
    async with turning(tmp_path) as rig:
        pair = rig.open(scope)
        for text in ("create table t (n int)", "select n from t"):
            await pair.ask(text)
            assert await pair.served() == messages.query(text)
            await pair.says(messages.command_complete("CREATE TABLE") + READY)
            await pair.heard()


# --- what is asked beside the session's own connection ---------------------------------------------


RAILED = """
[[grant]]
name = "all"
databases = ["shop"]
allow = ["read", "write"]
max_statement_seconds = 5
max_rows_per_hour = 100
[[guardrail]]
name = "no broad reads"
databases = ["shop"]
statements = ["SELECT"]
tables = ["public.big"]
min_estimated_rows = 1000
effect = "deny"
message = "Read less."
"""
BROAD = "select n from public.big"


class Purse:
    """Counts alone."""

    def __init__(self) -> None:
        self.spent = 0

    def left(self, now: int) -> int:
        return 100 - self.spent

    def spend(self, count: int, now: int) -> None:
        self.spent += count


def railed(rig: Rig) -> tuple[Pair, list[Wanted], list[Link]]:
    """A session under the policy above, with what it asks the relay for."""
    wanted: list[Wanted] = []
    cancels: list[Link] = []
    rig.relay.want = lambda link, one: wanted.append(one)
    rig.relay.cancel = cancels.append
    pair = rig.open(make_scope(RAILED))
    purse = Purse()
    pair.link.session.purse_of = lambda budget: purse
    return pair, wanted, cancels


@pytest.mark.trio
async def test_a_statement_waits_for_its_estimate_and_others_go_on(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        pair, wanted, _ = railed(rig)
        other = rig.open()
        await pair.ask(BROAD)
        await until(lambda: wanted, "it is asked for")
        await pair.ask("select 2")
        await other.ask("select 1")
        await other.served()
        rig.relay.look_again(pair.link)
        await other.says(answer())
        await other.heard()
        assert pending(pair.server.sock) == b""
        assert [one.sql for one in wanted] == [BROAD.encode()], "it is asked for once"
        await trio.testing.wait_all_tasks_blocked(0.01)
        started = trio.current_time()
        rig.relay.estimated(pair.link, wanted[0], 10)
        assert await pair.served() == messages.query(BROAD)
        assert trio.current_time() - started < IDLE_SECONDS / 2, "nobody waits for the sleeper"
        await pair.says(answer())
        await pair.heard()
        assert await pair.served() == messages.query("select 2")


@pytest.mark.trio
async def test_an_estimate_that_is_too_high_refuses_its_statement_and_the_session_goes_on(
    tmp_path: Path,
) -> None:
    async with turning(tmp_path) as rig:
        pair, wanted, _ = railed(rig)
        for turn in range(2):
            await pair.ask(BROAD)
            await until(lambda turn=turn: len(wanted) > turn, "it is asked for")
            rig.relay.estimated(pair.link, wanted[turn], ROWS_UNKNOWN)
            assert await pair.served() == failing_frame(Ask.QUERY)
            await pair.says(messages.error_response("ERROR", "42601", "syntax error") + READY)
            body = next(body for kind, body in await pair.heard() if kind == b"E")
            assert messages.read_error_fields(body)["C"] == State.DENIED
        assert wanted[0] is not wanted[1]


@pytest.mark.trio
async def test_an_estimate_goes_on_while_the_server_has_still_to_answer(tmp_path: Path) -> None:
    """The Flush that makes the server answer needs no answer of its own."""
    async with turning(tmp_path) as rig:
        pair, wanted, _ = railed(rig)
        parse, bind = messages.parse("", BROAD), messages.bind("", "")
        await pair.client.write_all(parse + bind + messages.execute("") + messages.frame(b"S"))
        await until(lambda: wanted, "it is asked for")
        rig.relay.estimated(pair.link, wanted[0], 10)
        seen = b""
        while b"E" + messages.execute("")[1:5] not in seen:
            seen += await pair.served()
        assert pair.link.session.queue, "nothing was answered yet"


@pytest.mark.trio
async def test_an_estimate_for_a_session_that_has_ended_is_dropped(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        pair, wanted, _ = railed(rig)
        await pair.ask(BROAD)
        await until(lambda: wanted, "it is asked for")
        rig.relay.cut(pair.link, "drained")
        await until(lambda: rig.closed, "it is closed")
        rig.relay.estimated(pair.link, wanted[0], 10)
        rig.relay.cancelled(pair.link)
        other = rig.open()
        await other.ask("select 1")
        await other.served()
        assert rig.outcomes() == []


@pytest.mark.trio
async def test_what_runs_too_long_is_cancelled_and_nothing_is_sent_until_that_has_arrived(
    tmp_path: Path,
) -> None:
    async with turning(tmp_path) as rig:
        pair, _, cancels = railed(rig)
        await pair.ask("select 1")
        await pair.served()
        started = pair.link.session.queue[0].started
        rig.relay.cancel_overdue(started + 4 * 10**9)
        assert cancels == []
        rig.relay.cancel_overdue(started + 6 * 10**9)
        rig.relay.cancel_overdue(started + 7 * 10**9)
        assert cancels == [pair.link], "one is under way"
        await pair.says(answer())
        await pair.heard()
        await pair.ask("select 2")
        other = rig.open()
        await other.ask("select 1")
        await other.served()
        await other.says(answer())
        await other.heard()
        assert pending(pair.server.sock) == b"", "the cancel could hit it"
        rig.relay.cancelled(pair.link)
        assert await pair.served() == messages.query("select 2")


@pytest.mark.trio
async def test_data_of_a_copy_goes_on_after_its_cancel(tmp_path: Path) -> None:
    """The server looks for a cancel only between its messages."""
    async with turning(tmp_path) as rig:
        pair, _, cancels = railed(rig)
        await pair.ask("copy public.small from stdin")
        await pair.served()
        await pair.says(messages.copy_in_response(1))
        await pair.heard(b"G")
        rig.relay.cancel_overdue(pair.link.session.queue[0].started + 6 * 10**9)
        assert cancels == [pair.link]
        data = messages.frame(b"d", b"1\n")
        await pair.client.write_all(data)
        await until(lambda: pair.link.session.waiting, "it waits")
        rig.relay.cancelled(pair.link)
        assert await pair.served() == data


@pytest.mark.trio
async def test_a_result_that_uses_its_budget_up_is_cancelled_in_that_turn(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        pair, _, cancels = railed(rig)
        await pair.ask("select n from public.small")
        await pair.served()
        await pair.says(row_description() + data_row(b"x") * 101)
        await until(lambda: cancels, "it is cancelled")
        assert cancels == [pair.link]
        assert not pair.link.session.wants_cancel
        rig.relay.cancelled(pair.link)
        await pair.says(messages.error_response("ERROR", "57014", "canceling statement") + READY)
        seen = await pair.heard()
        assert messages.read_error_fields(seen[-2][1])["C"] == State.BUDGET
        await pair.ask("select n from public.small")
        assert await pair.served() == failing_frame(Ask.QUERY)


# --- backpressure -----------------------------------------------------------------------------------


def held(pair: Pair) -> int:
    """Bytes that the gateway keeps for a session."""
    link, session = pair.link, pair.link.session
    kept = (link.client.backlog, link.server.backlog, session.client_rest, session.server_rest)
    return sum(map(len, (*kept, *session.to_client, *session.to_server)))


async def pour(pair: Pair, wire: str, chunk: bytes, most: int) -> int:
    """Sends until nothing more is taken for a while, and the gateway keeps some of it; how much was taken."""
    sock = getattr(pair, wire).sock
    poured = 0
    while poured < most:
        with trio.move_on_after(0.3) as blocked:
            await trio.lowlevel.wait_writable(sock)
        if blocked.cancelled_caught:
            if held(pair):
                return poured
            continue  # the machine is busy, and the gateway had no turn
        with suppress(BlockingIOError):
            poured += sock.send(chunk[poured % len(chunk) :])
        await trio.lowlevel.checkpoint()
    return poured


@pytest.mark.trio
async def test_a_client_that_does_not_read_stops_the_server_and_nobody_else(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        sleeper, other = rig.open(), rig.open()
        await sleeper.ask("select 1")
        await sleeper.served()
        await sleeper.says(row_description())
        rows = data_row(b"x" * 1000) * 1000
        taken = await pour(sleeper, "server", rows, 200 << 20)
        assert taken < 20 << 20, "the kernel's buffers and ours, not the result"
        assert 0 < held(sleeper) <= 2 * RECEIVE_BYTES_MAX
        await other.ask("select 2")
        assert await other.served() == messages.query("select 2")
        await other.says(answer())
        await other.heard()
        # the reader wakes up: everything comes, in order
        rest = rows[taken % len(rows) :] if taken % len(rows) else b""
        total = taken + len(rest)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sleeper.says, rest + messages.command_complete("SELECT 9") + READY)
            got = await sleeper.heard()
        assert sum(len(body) + 5 for kind, body in got if kind == b"D") == total
        await until(lambda: held(sleeper) == 0, "nothing is kept")


@pytest.mark.trio
async def test_a_server_that_does_not_read_stops_the_client(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        pair = rig.open(make_scope('[[grant]]\nname = "all"\nallow = ["all"]\nunmask = ["*"]\n'))
        await pair.ask("copy t from stdin")
        await pair.served()
        await pair.says(messages.copy_in_response(1))
        await pair.heard(b"G")
        line = messages.frame(b"d", b"y" * 9995)
        taken = await pour(pair, "client", line * 100, 100 << 20)
        assert taken < 20 << 20
        assert 0 < held(pair) <= 2 * RECEIVE_BYTES_MAX
        arrived = 0
        with trio.fail_after(10):
            while arrived < taken:
                arrived += len(await pair.server.read(1 << 20))
        assert arrived == taken
        await until(lambda: held(pair) == 0, "nothing is kept")


# --- ends -------------------------------------------------------------------------------------------


@pytest.mark.trio
async def test_terminate_while_a_statement_runs_lets_it_end_and_records_how(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        pair = rig.open()
        await pair.ask("select 1")
        await pair.served()
        await pair.client.write_all(messages.TERMINATE)
        assert await pair.served() == messages.TERMINATE
        await pair.says(answer())
        await pair.heard()
        pair.server.close()
        await until(lambda: rig.closed == [pair.link], "the link is closed")
        assert rig.outcomes() == ["ok"]


@pytest.mark.trio
async def test_terminate_of_an_idle_session_reaches_the_server(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        pair = rig.open()
        await pair.client.write_all(messages.TERMINATE)
        pair.client.close()
        assert await pair.served() == messages.TERMINATE
        with trio.fail_after(5):
            assert not await pair.server.receive()
        assert rig.closed == [pair.link]
        assert pair.link not in rig.relay.links


@pytest.mark.parametrize("how", ["closed", "half-closed", "reset"])
@pytest.mark.trio
async def test_a_client_that_goes_without_a_word_ends_its_server_session(tmp_path: Path, how: str) -> None:
    async with turning(tmp_path) as rig:
        pair = rig.open()
        await pair.ask("select 1")
        await pair.served()
        if how == "half-closed":
            pair.client.sock.shutdown(socket.SHUT_WR)
        else:
            if how == "reset":
                pair.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            pair.client.close()
        with trio.fail_after(5), suppress(Closed):
            assert not await pair.server.receive()
        assert rig.closed == [pair.link]
        assert rig.outcomes() == ["client-gone"]


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.trio
async def test_a_server_that_goes_without_a_word_is_reported_and_the_statement_unresolved(
    tmp_path: Path, how: str
) -> None:
    async with turning(tmp_path) as rig:
        pair = rig.open()
        await pair.ask("select 1")
        await pair.served()
        if how == "reset":
            pair.server.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        pair.server.close()
        assert await pair.last_words() == State.UNREACHABLE
        assert rig.outcomes() == ["unresolved"]


@pytest.mark.trio
async def test_the_servers_last_words_are_the_clients(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        pair = rig.open()
        await pair.says(fatal("57P01", "terminating connection due to administrator command"))
        pair.server.close()
        assert await pair.last_words() == "57P01"


@pytest.mark.trio
async def test_the_servers_last_words_reach_a_client_that_was_still_sending(tmp_path: Path) -> None:
    """The server neither reads nor lives on: what it said before it went is still read from its socket."""
    async with turning(tmp_path) as rig:
        pair = rig.open(make_scope('[[grant]]\nname = "all"\nallow = ["all"]\nunmask = ["*"]\n'))
        await pair.ask("copy t from stdin")
        await pair.served()
        await pair.says(messages.copy_in_response(1))
        await pair.heard(b"G")
        await pour(pair, "client", messages.frame(b"d", b"y" * 9995) * 100, 100 << 20)
        assert pair.link.server.backlog
        await pair.says(fatal("57P01", "terminating connection due to administrator command"))
        pair.server.close()
        with suppress(Closed):  # the reset may overtake the end of the stream, never the words
            assert await pair.last_words() == "57P01"
        await until(lambda: rig.closed == [pair.link], "the link is closed")
        assert rig.outcomes() == ["error"]


@pytest.mark.trio
async def test_a_dead_server_costs_no_turns_while_its_client_reads_slowly(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        pair = rig.open()
        await pair.ask("select 1")
        await pair.served()
        await pair.says(row_description())
        await pour(pair, "server", data_row(b"x" * 1000) * 1000, 200 << 20)
        pair.server.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        pair.server.close()
        await until(lambda: pair.link.server.ended, "the relay saw it")
        turns = 0

        def counted() -> None:
            nonlocal turns
            turns += 1

        rig.relay.follow_policy = counted
        await trio.sleep(0.3)
        assert turns < 20, "its hang-up does not wake the relay again and again"


@pytest.mark.trio
async def test_a_client_that_does_not_read_its_last_words_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "GOODBYE_NS", 50_000_000)
    async with turning(tmp_path) as rig:
        pair = rig.open()
        await pair.ask("select 1")
        await pair.served()
        await pair.says(row_description())
        await pour(pair, "server", data_row(b"x" * 1000) * 1000, 200 << 20)
        pair.link.session.end(SHUTDOWN)

        def looked_at() -> bool:
            rig.relay.look_again(pair.link)  # as the worker's housekeeping does
            return bool(rig.closed)

        await until(looked_at, "it is cut")
        assert rig.outcomes() == ["client-gone"]


@pytest.mark.trio
async def test_violations_of_the_protocol_end_one_session(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        bad_client, bad_server, other = rig.open(), rig.open(), rig.open()
        await bad_client.client.write_all(b"Q\x7f\xff\xff\xff")
        assert await bad_client.last_words() == State.PROTOCOL
        await bad_server.says(messages.frame(b"T", bytes(2)))
        assert await bad_server.last_words() == State.PROTOCOL
        await other.ask("select 1")
        assert await other.served() == messages.query("select 1")


# --- drain ------------------------------------------------------------------------------------------


@pytest.mark.trio
async def test_draining_ends_idle_sessions_at_once_and_others_after_their_transaction(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        idle, busy = rig.open(), rig.open()
        await busy.ask("begin")
        await busy.served()
        await busy.says(messages.command_complete("BEGIN") + IN_TRANSACTION)
        await busy.heard()
        rig.relay.draining = True
        for pair in (idle, busy):
            rig.relay.look_again(pair.link)
        assert await idle.last_words() == State.SHUTDOWN
        await busy.ask("select 1")
        assert await busy.served() == messages.query("select 1")
        await busy.says(
            row_description() + data_row(b"1") + messages.command_complete("SELECT 1") + IN_TRANSACTION
        )
        await busy.heard()
        await busy.ask("commit")
        assert await busy.served() == messages.query("commit")
        await busy.says(messages.command_complete("COMMIT") + READY)
        assert (await busy.heard())[-1] == (b"Z", b"I"), "the answer comes before the goodbye"
        assert await busy.last_words() == State.SHUTDOWN
        assert rig.outcomes() == ["ok"] * 3


@pytest.mark.trio
async def test_a_cut_session_has_the_outcome_it_was_cut_with(tmp_path: Path) -> None:
    async with turning(tmp_path) as rig:
        pair = rig.open()
        await pair.ask("select 1")
        await pair.served()
        pair.link.session.end(SHUTDOWN)
        rig.relay.cut(pair.link, "drained")
        assert await pair.last_words() == State.SHUTDOWN
        assert rig.outcomes() == ["drained"]


def test_closing_the_relay_closes_every_link(tmp_path: Path) -> None:
    rig = make_rig(tmp_path)
    pairs = [rig.open() for _ in range(3)]
    rig.relay.close()
    assert rig.closed == [pair.link for pair in pairs]
    assert all(pair.link.client.sock.fileno() == pair.link.server.sock.fileno() == -1 for pair in pairs)
    for pair in pairs:
        pair.client.sock.close()
        pair.server.sock.close()
    rig.audit.close()


# --- TLS --------------------------------------------------------------------------------------------


@pytest.mark.trio
async def test_tls_on_both_sides_carries_more_than_one_receive_at_a_time(
    tmp_path: Path, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """A TLS record is decrypted whole: what a small receive leaves behind is not in the kernel, where epoll looks."""
    async with turning(tmp_path) as rig:
        database, gateway = await encrypted(*tls)  # there the gateway is the client of the handshake
        pair = rig.open(client_ends=await encrypted(*tls), server_ends=(gateway, database))
        for size in (1, 8191, 8192, 16000, 70000, 700_000):
            text = f"select '{'x' * size}'"
            await pair.ask(text)
            assert await pair.served() == messages.query(text)
            await pair.says(answer(b"y" * size))
            got = await pair.heard()
            assert [len(body) for kind, body in got if kind == b"D"] == [size + 6]


@pytest.mark.trio
async def test_tls_clients_are_held_back_and_lose_nothing(
    tmp_path: Path, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async with turning(tmp_path) as rig:
        pair = rig.open(client_ends=await encrypted(*tls))
        await pair.ask("select 1")
        await pair.served()
        await pair.says(row_description())
        rows = data_row(b"x" * 1000) * 1000
        taken = await pour(pair, "server", rows, 200 << 20)
        assert taken < 20 << 20
        assert 0 < held(pair) <= 2 * RECEIVE_BYTES_MAX
        rest = rows[taken % len(rows) :] if taken % len(rows) else b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pair.says, rest + messages.command_complete("SELECT 9") + READY)
            got = await pair.heard()
        assert sum(len(body) + 5 for kind, body in got if kind == b"D") == taken + len(rest)


@pytest.mark.trio
async def test_a_broken_tls_record_ends_the_session(
    tmp_path: Path, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async with turning(tmp_path) as rig:
        near, far = await encrypted(*tls)
        pair = rig.open(client_ends=(near, far))
        await pair.ask("select 1")
        await pair.served()
        with socket.socket(fileno=socket.dup(far.fileno())) as raw:
            raw.sendall(b"\x17\x03\x03\x00\x05junk!")
        await until(lambda: rig.closed == [pair.link], "the link is closed")
        assert rig.outcomes() == ["client-gone"]


def test_unix_sockets_serve_as_well(rig: Rig) -> None:
    pair = rig.open(client_ends=socket.socketpair(), server_ends=loopback())
    pair.client.sock.sendall(messages.query("select 1"))
    rig.relay.turn(readable(pair.link.client))
    assert pending(pair.server.sock) == messages.query("select 1")


@pytest.mark.trio
async def test_an_unforeseen_exception_ends_its_session_alone_and_quotes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def unforeseen(session: Session) -> Scope:
        raise ValueError("a value of canary")

    async with turning(tmp_path) as rig:
        odd, other = rig.open(), rig.open()
        odd.link.session.rescope = unforeseen
        odd.link.session.until = 0  # its rights are asked again with the next statement
        await odd.ask("select 'canary'")
        assert await odd.last_words() == "XX000"
        await other.ask("select 1")
        assert await other.served() == messages.query("select 1")
        await other.says(answer())
        await other.heard()
        assert rig.closed == [odd.link]
    assert "ValueError" in caplog.text
    assert "canary" not in caplog.text


COPY = messages.query("create table copied as select email as x from customers")


def test_labels_are_written_down_before_a_copy_leaves(rig: Rig) -> None:
    pair = rig.open(scope_of(CLEAR))
    learned: list[tuple[str, str, bool]] = []

    def learn(database: str, labels: list[Learned], *, certain: bool) -> None:
        assert pending(pair.server.sock) == b"", "the statement is still here"
        learned.extend((database, one.table, certain) for one in labels)

    rig.relay.learn = learn
    pair.client.sock.sendall(COPY)
    rig.relay.turn(readable(pair.link.client))
    assert learned == [("shop", "copied", True)]
    assert pending(pair.server.sock) == COPY
    pair.server.sock.sendall(messages.command_complete("SELECT 1") + READY)
    rig.relay.turn(readable(pair.link.server))
    pair.client.sock.sendall(messages.query("select 1"))
    rig.relay.turn(readable(pair.link.client))
    assert len(learned) == 1


def test_copy_whose_labels_cannot_be_written_down_does_not_leave(rig: Rig) -> None:
    pair, other = rig.open(scope_of(CLEAR)), rig.open()
    for each, text in ((pair, COPY), (other, messages.query("select 1"))):
        each.client.sock.sendall(text)
    rig.relay.turn(readable(pair.link.client, other.link.client))
    assert pending(pair.server.sock) == failing_frame(Ask.QUERY)
    assert pending(other.server.sock) == messages.query("select 1"), "others go on"
    pair.server.sock.sendall(messages.error_response("ERROR", "42601", "syntax error") + READY)
    rig.relay.turn(readable(pair.link.server))
    assert b"C58030\0" in pair.client.sock.recv(1 << 16)
    assert rig.outcomes() == ["refused"]
