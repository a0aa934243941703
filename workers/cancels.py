"""CancelRequests: a worker that does not know the (pid, secret) asks its siblings over Unix sockets in the
run folder.

A cancel arrives on a connection of its own, which the kernel may hand to any worker; the session lives in
one. The process id is the server's real one, so two databases may give the same: entries are found by pid and
told apart by their secret, compared in constant time.
"""

import contextlib
import hmac
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import trio

from workers.run_folder import RunFolder

_WRONG_PER_SECOND = 5.0  # guesses an address has, over all workers
_ADDRESSES_MAX = 4096
_ASK_SECONDS = 2.0
_PATIENCE_SECONDS = 5.0  # for its turn among the guesses of an address
_TURN_SECONDS = 0.01
_PAUSE_SECONDS = 0.1
_REQUEST_BYTES_MAX = 1024
_NOBODY = b"\0" * 32


class _Ask(msgspec.Struct, frozen=True, array_like=True):
    pid: int
    secret: bytes
    address: str = ""  # of the client that wants it


_ask_decoder = msgspec.msgpack.Decoder(_Ask)


class Guesses:
    """How many wrong keys an address may still try: a bucket of `rate` a second that holds at most five."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # address -> (left, at)

    def take(self, address: str, now: float) -> bool:
        """Spend one guess; False when none is left. `now` in seconds of any steady clock."""
        left, at = self._buckets.pop(address, (_WRONG_PER_SECOND, now))
        left = min(_WRONG_PER_SECOND, left + (now - at) * self._rate)
        allowed = left >= 1
        self._keep(address, left - 1 if allowed else left, now)
        return allowed

    def give_back(self, address: str) -> None:
        """The guess was right: it does not count."""
        if address in self._buckets:
            left, at = self._buckets[address]
            self._buckets[address] = (min(_WRONG_PER_SECOND, left + 1), at)

    def _keep(self, address: str, left: float, now: float) -> None:
        self._buckets[address] = (left, now)
        if len(self._buckets) > _ADDRESSES_MAX:
            self._buckets.popitem(last=False)


class CancelDesk:
    """The sessions of one worker that can be cancelled, and the way to those of its siblings."""

    def __init__(self, run_dir: Path, index: int, slots: int) -> None:
        self._index = index
        self._slots = slots
        self._folder = RunFolder(run_dir)
        self._entries: dict[int, dict[bytes, Callable[[str], Awaitable[None]]]] = {}
        self._guesses = Guesses(_WRONG_PER_SECOND / slots)  # each worker holds its share of the limit

    def register(self, pid: int, secret: bytes, callback: Callable[[str], Awaitable[None]]) -> None:
        """From now on (pid, secret) runs `callback` with the address of the client that wants it: it sends the cancel
        upstream, if a statement runs."""
        self._entries.setdefault(pid, {})[secret] = callback

    def forget(self, pid: int, secret: bytes) -> None:
        """The session is over. Harmless when it is not registered."""
        entries = self._entries.get(pid, {})
        entries.pop(secret, None)
        if not entries:
            self._entries.pop(pid, None)

    async def request(self, pid: int, secret: bytes, address: str) -> bool:
        """Cancel wherever the session lives; True when some worker knew it and its callback ended.

        `address` is the client's IP address: it has five wrong keys a second, after which requests from it
        wait for their turn, and in the end are not looked at. A host that cancels all its statements at once
        has only right keys, and waits for moments. The answer is for the audit; the client is told nothing
        (manual, 53.2.7).
        """
        if not await self._turn(address):
            return False
        callbacks = self._find(pid, secret)
        known = bool(callbacks) or await self._ask_siblings(_Ask(pid, secret, address))
        if known:
            self._guesses.give_back(address)
        await _run(callbacks, address)
        return known

    async def _turn(self, address: str) -> bool:
        with trio.move_on_after(_PATIENCE_SECONDS):
            while not self._guesses.take(address, trio.current_time()):
                await trio.sleep(_TURN_SECONDS)
            return True
        return False

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer siblings for ever; started once the socket listens. Replaces a dead predecessor's socket."""
        path = self._path(self._index)
        with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            Path(path).unlink(missing_ok=True)
            await listening.bind(path)
            listening.listen(128)
            async with trio.open_nursery() as nursery:
                task_status.started()
                while True:
                    try:
                        asker, _ = await listening.accept()
                    except OSError:  # out of descriptors: let some session end
                        await trio.sleep(_PAUSE_SECONDS)
                        continue
                    nursery.start_soon(self._answer, asker)

    def close(self) -> None:
        """Give the run folder's descriptor back."""
        self._folder.close()

    def _path(self, index: int) -> str:
        return self._folder.socket_path(f"cancel-{index}.sock")

    def _find(self, pid: int, secret: bytes) -> list[Callable[[str], Awaitable[None]]]:
        entries = self._entries.get(pid)
        if entries is None:
            hmac.compare_digest(_NOBODY, secret)  # an unknown pid takes as long as a wrong secret
            return []
        return [callback for own, callback in entries.items() if hmac.compare_digest(own, secret)]

    async def _ask_siblings(self, wanted: _Ask) -> bool:
        answers: list[bool] = []

        async def ask(index: int) -> None:
            answers.append(await self._ask(index, wanted))

        async with trio.open_nursery() as nursery:
            for index in range(self._slots):
                if index != self._index:
                    nursery.start_soon(ask, index)
        return any(answers)

    async def _ask(self, index: int, wanted: _Ask) -> bool:
        # A sibling that is just being replaced has no sessions: its refused connection is a no.
        with (
            contextlib.suppress(OSError),
            trio.move_on_after(_ASK_SECONDS),
            trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sibling,
        ):
            await sibling.connect(self._path(index))
            await sibling.send(msgspec.msgpack.encode(wanted))
            sibling.shutdown(socket.SHUT_WR)
            return await sibling.recv(1) == b"\1"
        return False

    async def _answer(self, asker: trio.socket.SocketType) -> None:
        with trio.move_on_after(_ASK_SECONDS), asker:
            try:
                data = b""
                while len(data) <= _REQUEST_BYTES_MAX and (chunk := await asker.recv(_REQUEST_BYTES_MAX)):
                    data += chunk
                ask = _ask_decoder.decode(data)
                callbacks = self._find(ask.pid, ask.secret)
                await _run(callbacks, ask.address)
                await asker.send(b"\1" if callbacks else b"\0")
            except (OSError, msgspec.DecodeError):
                return


async def _run(callbacks: list[Callable[[str], Awaitable[None]]], address: str) -> None:
    for callback in callbacks:
        with contextlib.suppress(OSError):  # the server cannot be reached: the session will learn it too
            await callback(address)
