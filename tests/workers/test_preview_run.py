"""One trial on a connection: the test is the server, where it does what servers seldom do."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from gateway.session.holding import Held
from parser import messages
from tests.gateway.masking.shop import data_row
from tests.gateway.session.test_previewing import UPDATE, held
from workers import preview_run
from workers.preview_run import Doubt, Trial, Tried
from workers.sockets import Wire

pytestmark = pytest.mark.trio
READY, OPEN = messages.ready_for_query(b"I"), messages.ready_for_query(b"T")
NO_COUNTS = data_row(b"0", b"", b"", b"0", b"0", b"0", b"on")
TABLE = data_row(b"r", b"r", b"orders")
XID = data_row(None)
DONE = messages.command_complete("UPDATE 1")


class Server:
    """Answers each message of the trial in turn; the last answer stands for all that follow."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.heard: list[bytes] = []


@asynccontextmanager
async def trial(*answers: bytes) -> AsyncIterator[tuple[Trial, Server]]:
    ours, theirs = socket.socketpair()
    server = Server(*answers)
    rig, waiting = held(UPDATE)
    assert isinstance(waiting, Held)

    async def serve() -> None:
        wire = Wire(theirs)
        while True:
            kind, body = await wire.read_frame(1 << 20)
            server.heard.append(kind + body)
            if kind in (b"Q", b"S"):
                await wire.write_all(server.answers.pop(0) if len(server.answers) > 1 else server.answers[0])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield Trial(Wire(ours), rig.session, waiting), server
        nursery.cancel_scope.cancel()
    for end in (ours, theirs):
        end.close()


async def test_what_the_server_says_to_the_session_meanwhile_is_kept_for_it_and_long_rows_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preview_run, "FRAME_BYTES_MAX", 1000)
    heard = messages.frame(b"A", bytes(4) + b"channel\0word\0")
    notice = messages.notice_response("NOTICE", "00000", "of a trigger")
    long = messages.frame(b"D", b"\0\1" + (4000).to_bytes(4, "big") + bytes(4000))
    answers = NO_COUNTS + OPEN, TABLE + OPEN, notice + heard + long + DONE + OPEN, OPEN, NO_COUNTS + OPEN, XID + OPEN, READY
    async with trial(*answers) as (one, server):
        tried = await one.run()
        assert (tried.preview.command, tried.preview.rows, tried.preview.tables) == ("UPDATE", 1, ())
        assert one.passed_on == [heard]
        asked = [each for each in server.heard if each[:1] in b"QPE"]
        assert asked[0].startswith(b"QBEGIN; SET LOCAL statement_timeout = 5000; SET LOCAL lock_timeout = 1000")
        assert UPDATE.encode() in asked[2]
        assert asked[-1] == b"QROLLBACK\0"


@pytest.mark.parametrize(
    "answers",
    [
        (READY,),  # no transaction has begun
        (NO_COUNTS + OPEN, TABLE + OPEN, DONE + OPEN, OPEN, NO_COUNTS + OPEN, XID + OPEN, OPEN),  # … or none has ended
        (NO_COUNTS + OPEN, messages.frame(b"H", b"")),  # nothing that was asked for
    ],
)
async def test_a_connection_that_is_not_what_it_was_is_in_doubt(answers: tuple[bytes, ...]) -> None:
    async with trial(*answers) as (one, _):
        with pytest.raises(Doubt):
            await one.run()


async def test_it_is_rolled_back_whatever_the_server_says_to_it() -> None:
    failed = messages.error_response("ERROR", "23505", "duplicate")
    for fails_at in range(1, 6):
        answers = [NO_COUNTS + OPEN, TABLE + OPEN, DONE + OPEN, OPEN, NO_COUNTS + OPEN, XID + OPEN]
        answers[fails_at] = failed + messages.ready_for_query(b"E")
        async with trial(*answers[: fails_at + 1], READY) as (one, server):
            tried = await one.run()
            assert isinstance(tried, Tried)
            assert tried.refused is not None
            assert b"QROLLBACK\0" in server.heard
            assert b"duplicate" in tried.refused.message.encode()


async def test_of_one_that_nobody_waits_for_no_error_is_told() -> None:
    failed = messages.error_response("ERROR", "57014", "canceling") + messages.ready_for_query(b"E")
    async with trial(NO_COUNTS + OPEN, TABLE + OPEN, failed, READY) as (one, _):
        one.wanted = False
        assert (await one.run()).preview.why == "nobody waits for it any more"
