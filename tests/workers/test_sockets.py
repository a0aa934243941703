"""Wires: byte-exact in any cut, in clear and under TLS; and an accept loop that nothing ends or spins."""

import errno
import logging
import os
import resource
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio
import trio.testing

from parser.errors import ProtocolError
from parser.messages import query
from tests.workers.wire_rig import attended, listen, make_certificate
from workers.sockets import Closed, Exhausted, Wire, accept, tune, untimed
from workers.tls import server_context, upstream_context

pytestmark = pytest.mark.trio


@asynccontextmanager
async def pair(folder: Path | None = None) -> AsyncIterator[tuple[Wire, Wire]]:
    """Two ends of a TCP connection on loopback, under TLS where a folder for the certificate is given."""
    with listen() as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    ends = Wire(client), Wire(accepted)
    try:
        with trio.fail_after(20):
            if folder is not None:
                context = server_context(*map(str, make_certificate(folder, "localhost")))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(partial(ends[1].start_tls, context, server_side=True))
                    await ends[0].start_tls(upstream_context("require", None), server_side=False)
            yield ends
    finally:
        for end in ends:
            end.close()


@pytest.mark.parametrize("encrypted", [False, True])
async def test_what_is_written_is_read_in_any_cut(encrypted: bool, tmp_path: Path) -> None:
    chance = Random(5)
    sent = chance.randbytes(3_000_000)
    async with pair(tmp_path if encrypted else None) as (left, right):
        assert left.tls == right.tls == encrypted
        received = bytearray()

        async def receive() -> None:
            while len(received) < len(sent):
                if chance.random() < 0.5:
                    received.extend(await right.read(chance.randint(1, 100_000)))
                else:
                    n = min(chance.randint(1, 100_000), len(sent) - len(received))
                    received.extend(await right.read_exactly(n))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            at = 0
            while at < len(sent):
                size = chance.randint(1, 200_000)
                await left.write_all(sent[at : at + size])
                at += size
        assert received == sent
        assert not right.buffer
        left.close()
        assert await right.read(10) == b""


@pytest.mark.parametrize("encrypted", [False, True])
async def test_frames_are_cut_and_the_rest_is_kept(encrypted: bool, tmp_path: Path) -> None:
    async with pair(tmp_path if encrypted else None) as (left, right):
        for byte in query("select 1") + query("") + b"more":
            await left.write_all(bytes((byte,)))
        assert await right.read_frame(100) == (b"Q", b"select 1\0")
        assert await right.read_frame(100) == (b"Q", b"\0")
        await left.write_all(b"!")
        while len(right.buffer) < 5:
            assert await right.receive()
        assert right.buffer == b"more!"
        assert not right.sock.getblocking()
        right.buffer.clear()
        await left.write_all(b"Q" + struct.pack(">I", 2**31 - 1))
        with pytest.raises(ProtocolError):
            await right.read_frame(100)
        assert right.buffer.__sizeof__() < 100_000


@pytest.mark.parametrize("encrypted", [False, True])
async def test_the_end_of_the_stream_is_told(encrypted: bool, tmp_path: Path) -> None:
    async with pair(tmp_path if encrypted else None) as (left, right):
        await left.write_all(b"abc")
        left.close()
        left.close()
        with pytest.raises(Closed):
            await right.read_exactly(4)
        assert right.buffer == b"abc"
        with pytest.raises(Closed):
            await right.read_frame(10)
        with pytest.raises(Closed):
            while True:
                await right.write_all(b"x" * 100_000)
    with pytest.raises(Closed):
        await left.receive()


async def test_a_wait_ends_when_the_wire_is_closed_here() -> None:
    async with pair() as (left, _), trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises(Closed):
                await left.receive()

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        left.close()


async def test_peek_leaves_the_byte_where_it_is() -> None:
    async with pair() as (left, right):
        await left.write_all(b"\x16rest")
        assert await right.peek() == b"\x16"
        assert await right.read_exactly(5) == b"\x16rest"
        left.close()
        assert await right.peek() == b""


@pytest.mark.parametrize("encrypted", [False, True])
async def test_last_words_arrive_although_input_was_left_unread(encrypted: bool, tmp_path: Path) -> None:
    async with pair(tmp_path if encrypted else None) as (left, right):
        await left.write_all(b"x" * 200_000)
        await right.write_all(b"last words")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(right.finish)
            assert await left.read_exactly(10) == b"last words"
            assert await left.read(1) == b""
            left.close()
        assert right.fileno() == -1


async def test_finish_does_not_wait_for_a_peer_that_never_closes() -> None:
    async with pair() as (_, right):
        began = time.monotonic()
        await right.finish()
        assert time.monotonic() - began < 2
        assert right.fileno() == -1


async def test_a_handshake_with_something_else_is_closed(tmp_path: Path) -> None:
    context = server_context(*map(str, make_certificate(tmp_path, "localhost")))
    for junk in (b"\0" * 20, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x02xx", b""):
        async with pair() as (left, right):
            await left.write_all(junk)
            left.sock.shutdown(socket.SHUT_WR)
            with pytest.raises(Closed):
                await right.start_tls(context, server_side=True)


async def test_bytes_received_in_clear_stop_a_handshake() -> None:
    async with pair() as (left, right):
        await left.write_all(b"x")
        await right.receive()
        with pytest.raises(AssertionError):
            await right.start_tls(ssl.create_default_context(), server_side=False)


async def test_tcp_is_tuned_and_other_sockets_are_left_alone() -> None:
    async with pair() as (left, _):
        tune(left.sock, 2.5)

        def option(name: int) -> int:
            return left.sock.getsockopt(socket.IPPROTO_TCP, name)

        assert option(socket.TCP_NODELAY)
        assert left.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert option(socket.TCP_USER_TIMEOUT) == 2500
        untimed(left.sock)
        assert option(socket.TCP_USER_TIMEOUT) == 0
        host, port = left.sock.getpeername()
        assert left.address == f"{host}:{port}"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        tune(ours, 2.5)
        untimed(ours)
        assert Wire(ours).address == "unix"


async def test_an_error_in_one_connection_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(wire: Wire) -> None:
        what = await wire.read_exactly(1)
        if what == b"b":
            raise ZeroDivisionError
        await wire.write_all(b"ok")
        await wire.finish()

    with listen() as listener, caplog.at_level(logging.ERROR):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(attended, listener, handler, signing_in_max=10))
            for what, answer in ((b"b", b""), (b"g", b"ok"), (b"b", b""), (b"g", b"ok")):
                stream = await trio.open_tcp_stream(*listener.getsockname())
                async with stream:
                    await stream.send_all(what)
                    with trio.fail_after(5):
                        assert await stream.receive_some() == answer
            nursery.cancel_scope.cancel()
    assert caplog.text.count("unexpected error") == 2


async def test_too_many_that_sign_in_cost_the_oldest_its_place() -> None:
    async def handler(wire: Wire) -> None:
        await wire.read_exactly(1)
        await wire.write_all(b"ok")
        await wire.finish()

    with listen() as listener, trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(attended, listener, handler, signing_in_max=3))
            silent = []
            for _ in range(5):
                silent.append(await trio.open_tcp_stream(*listener.getsockname()))
                await trio.testing.wait_all_tasks_blocked()
            for stream in silent[:2]:
                assert await stream.receive_some() == b""
            for stream in silent[2:]:
                await stream.send_all(b"x")
                assert await stream.receive_some() == b"ok"
            for stream in silent:
                await stream.aclose()
            nursery.cancel_scope.cancel()


async def test_no_descriptor_left_is_told_and_the_connection_waits(caplog: pytest.LogCaptureFixture) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with listen() as listener, socket.create_connection(listener.getsockname()), caplog.at_level(logging.WARNING):
        highest = max(map(int, os.listdir("/proc/self/fd"))) + 1
        holes: list[int] = []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
            with pytest.raises(OSError, match="Too many open files") as full:
                while True:
                    holes.append(os.dup(0))
            assert full.value.errno == errno.EMFILE
            with pytest.raises(Exhausted):
                accept(listener)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for hole in holes:
                os.close(hole)
        accepted = accept(listener)
        assert accepted is not None
        accepted.close()
        assert accept(listener) is None
    assert caplog.text.count("no new connections") == 1
