"""A disk that is as bad as POSIX allows, over a real directory: what the kernel shows is in the files, what is on the
platters is kept here, and a loss of power makes the files what the platters hold.

Writes that were not synced reach the platters in any order, in part (in blocks of 512 bytes), or not at all; names likewise
until their directory was synced. A sync that fails drops what it was to write for good: each open file is told once, and
the next sync succeeds (as Linux does it). Writes may be short; a disk may be full, broken or read-only; and between any two
system calls the process may end.
"""

import errno
import random
import shutil
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from workers.audit_disk import Disk

BLOCK = 512


class Crash(BaseException):
    """The process is gone; nothing more of it runs that could touch the disk."""


@dataclass(eq=False)
class Node:
    """A file: what is on the platters, and the writes that are not."""

    size: int = 0  # as the kernel sees it
    durable: bytes = b""
    pending: list[tuple[int, bytes]] = field(default_factory=list)
    failures: int = 0  # of syncs

    def settle(self) -> None:
        """Everything that waits is on the platters."""
        self._land({})

    def fail(self, chance: random.Random) -> bool:
        """A sync failed: some blocks got there, the others never will. Whether there are such."""
        touched = self._blocks()
        lost = {block: 0 for block in touched if chance.random() < 0.5}
        self._land(lost)
        self.failures += 1
        return bool(lost)

    def lose(self, chance: random.Random) -> None:
        """The power goes: a block of what was not synced is there as it was at some moment since; others are holes, or
        beyond the end.
        """
        odds = chance.choice((0.0, 0.2, 0.8, 1.0))
        count = len(self.pending)
        late = {block: chance.randint(0, count) for block in self._blocks() if chance.random() >= odds}
        unsynced = bool(self.pending)
        self._land(late)
        if unsynced and chance.random() < 0.2:  # the length was there before the bytes
            self.durable += bytes(max(0, chance.randint(0, self.size) - len(self.durable)))
        self.size = len(self.durable)

    def _blocks(self) -> set[int]:
        return {
            block
            for at, piece in self.pending
            for block in range(at // BLOCK, (at + len(piece) - 1) // BLOCK + 1)
        }

    def _land(self, until: dict[int, int]) -> None:
        """The writes that wait get to the platters, in each block as many of them as `until` says, or all."""
        data = bytearray(self.durable)
        for number, (at, piece) in enumerate(self.pending):
            cuts = [at, *range((at // BLOCK + 1) * BLOCK, at + len(piece), BLOCK), at + len(piece)]
            for low, high in pairwise(cuts):
                if number < until.get(low // BLOCK, number + 1):
                    data.extend(bytes(max(0, high - len(data))))
                    data[low:high] = piece[low - at : high - at]
        self.durable, self.pending = bytes(data), []


@dataclass
class Handle:
    """An open file or directory."""

    node: Node | None
    path: Path
    seen: int = 0  # failures that it was told of


class ModelDisk(Disk):
    """`crash_in` system calls the process ends; `mood` is how the disk fares: ok, eio, rofs or flaky (any call may fail)."""

    def __init__(self, root: Path, chance: random.Random, room: int) -> None:
        self.root, self.chance, self.room = root, chance, room
        self.mood = "ok"
        self.crash_in = -1
        self.boots = 0
        self.calls = 0
        self.dropped: set[Path] = set()  # directories of files of which bytes are gone after a failed sync
        self._nodes: dict[Path, Node] = {}  # as the kernel sees them
        self._directories: dict[Path, None] = {root: None}
        self._names: dict[Path, Node | None] = {}  # on the platters; None is a directory
        # Names made and removed, by the directory that was not synced since.
        self._undone: dict[Path, list[tuple[Path, Node | None, bool]]] = {}
        self._open: dict[int, Handle] = {}

    # -- what the writer calls

    def make_directory(self, path: Path) -> None:
        self._call("make")
        super().make_directory(path)
        self._directories[path] = None
        self._undone.setdefault(path.parent, []).append((path, None, True))

    def open_directory(self, path: Path) -> int:
        self._call("look")
        return self._opened(super().open_directory(path), Handle(None, path))

    def lock(self, directory: int) -> None:
        self._call("look")
        super().lock(directory)

    def create(self, path: Path) -> int:
        self._call("make")
        file = super().create(path)
        self._nodes[path] = node = Node()
        self._undone.setdefault(path.parent, []).append((path, node, True))
        return self._opened(file, Handle(node, path))

    def reopen(self, path: Path) -> int:
        self._call("look")
        node = self._nodes[path]
        return self._opened(super().reopen(path), Handle(node, path, node.failures))

    def write(self, file: int, data: bytes) -> int:
        self._call("write")
        node = self._node(file)
        count = min(len(data), self.room)
        if not count:
            raise OSError(errno.ENOSPC, "model")
        if self.chance.random() < 0.05:
            count = self.chance.randint(1, count)
        torn = self.crash_in == 0 and self.chance.random() < 0.5  # the process ends within this very call
        written = super().write(file, data[: self.chance.randint(0, count) if torn else count])
        node.pending.append((node.size, data[:written]))
        node.size += written
        self.room -= written
        if torn:
            raise Crash
        return written

    def sync(self, file: int) -> None:
        handle = self._open[file]
        node = self._node(file)
        if node.failures > handle.seen:
            handle.seen = node.failures
            self._call("look")
            raise OSError(errno.EIO, "model")
        try:
            self._call("sync")
        except OSError:
            if node.fail(self.chance):
                self.dropped.add(handle.path.parent)
            handle.seen = node.failures
            raise
        node.settle()

    def sync_directory(self, directory: int) -> None:
        path = self._open[directory].path
        try:
            self._call("sync")
        except OSError:
            for name, node, made in self._undone.pop(path, []):
                if self.chance.random() < 0.5:
                    self._settle_name(name, node, made=made)
            raise
        for name, node, made in self._undone.pop(path, []):
            self._settle_name(name, node, made=made)

    def reserve(self, path: Path, nbytes: int) -> None:
        self._call("make")
        node = self._nodes.get(path)
        if nbytes > self.room + (node.size if node else 0):
            raise OSError(errno.ENOSPC, "model")
        if node is None:
            path.touch()
            self._nodes[path] = node = Node()
            self._undone.setdefault(path.parent, []).append((path, node, True))
        self.room -= nbytes - node.size
        node.size = nbytes

    def remove(self, path: Path) -> None:
        self._call("make")
        super().remove(path)
        node = self._nodes.pop(path)
        self.room += node.size
        self._undone.setdefault(path.parent, []).append((path, node, False))

    def remove_directory(self, path: Path) -> None:
        self._call("make")
        super().remove_directory(path)
        self._directories.pop(path, None)
        self._undone.setdefault(path.parent, []).append((path, None, False))

    def duplicate(self, file: int) -> int:
        self._call("look")
        return self._opened(super().duplicate(file), self._open[file])

    def close(self, descriptor: int) -> None:
        if descriptor in self._open:  # not after a crash, which has closed everything
            del self._open[descriptor]
            super().close(descriptor)

    def size(self, file: int) -> int:
        self._call("look")
        return super().size(file)

    def check(self, descriptor: int, path: Path) -> None:
        self._call("look")
        super().check(descriptor, path)

    def boot(self) -> str:
        return f"boot {self.boots}"

    # -- what happens to it

    def kill(self) -> None:
        """The process is gone, the kernel is not."""
        for descriptor in list(self._open):
            self.close(descriptor)
        self.crash_in, self.mood = -1, "ok"

    def lose_power(self) -> None:
        """The files become what the platters hold."""
        self.kill()
        self.boots += 1
        for operations in self._undone.values():
            odds = self.chance.choice((0.0, 0.5, 1.0))
            for name, node, made in operations:
                if self.chance.random() < odds:
                    self._settle_name(name, node, made=made)
        self._undone.clear()
        shutil.rmtree(self.root)
        self.root.mkdir()
        self._nodes, self._directories = {}, {self.root: None}
        there: dict[Path, Node | None] = {}
        for path in sorted(self._names):  # parents come before what is in them
            node = self._names[path]
            if path.parent not in self._directories:
                continue
            there[path] = node
            if node is None:
                path.mkdir()
                self._directories[path] = None
            else:
                node.lose(self.chance)
                path.write_bytes(node.durable)
                self._nodes[path] = node
        self._names = there

    # -- within

    def _call(self, kind: str) -> None:
        """Every system call passes here first."""
        self.calls += 1
        if self.crash_in == 0:
            raise Crash
        if self.crash_in > 0:
            self.crash_in -= 1
            if self.crash_in == 0 and (kind != "write" or self.chance.random() < 0.5):
                raise Crash
        if kind == "look" or self.mood == "ok":
            return
        if self.mood == "rofs" and kind in ("make", "write"):
            raise OSError(errno.EROFS, "model")
        if (self.mood == "eio" and kind in ("write", "sync")) or (
            self.mood == "flaky" and self.chance.random() < 0.2
        ):
            raise OSError(errno.EIO, "model")

    def _opened(self, descriptor: int, handle: Handle) -> int:
        self._open[descriptor] = handle
        return descriptor

    def _node(self, file: int) -> Node:
        node = self._open[file].node
        assert node is not None
        return node

    def _settle_name(self, name: Path, node: Node | None, *, made: bool) -> None:
        if made:
            self._names[name] = node
        elif self._names.get(name, self) is node:
            del self._names[name]


class Retries(ModelDisk):
    """Planted: takes a second sync's word for the first one's failure."""

    def sync(self, file: int) -> None:
        try:
            super().sync(file)
        except OSError:
            super().sync(file)


class Forgets(ModelDisk):
    """Planted: leaves the names of new files to chance."""

    def sync_directory(self, directory: int) -> None:
        pass
