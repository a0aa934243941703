"""A supervisor with a worker that is small enough to be told what to do wrong.

Run as a program: CONFIG WORKERS [MODE...]. A client connects, sends one word and reads one line. Modes:
`no-boot` (the start fails), `no-start` (it dies of an exception), `deaf` (a drain is not heard), `refuse-2`
(policy version 2 is refused), `quick` (limits shortened).
"""

import hashlib
import os
import select
import signal
import stat
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from workers import publication, seat, slot
from workers.configuration import unpack_keys
from workers.shared_policy import PolicyShelf, unseal
from workers.slot import BootFailed, Drain, Failed, KeysMessage, PolicyAck, PolicyMessage, Ready, Slot
from workers.spawn import threads
from workers.supervisor import serve

MODES = set(sys.argv[3:])


class Worker:
    def __init__(self, born: Slot) -> None:
        self.slot = born
        self.shelf = PolicyShelf(bytes)
        self.ready = False
        self.keys = born.keys

    def run(self) -> int:
        if "no-boot" in MODES:
            raise BootFailed("audit.dir: the folder is not writable")
        if "no-start" in MODES:
            raise RuntimeError("a bug")
        born = self.slot
        while True:
            born.row.beat()
            readable, _, _ = select.select([born.control, born.listener, born.parent_fd], [], [], 0.05)
            if born.parent_fd in readable or (born.control in readable and not self.hear()):
                return 0
            if born.listener in readable and self.ready:
                self.answer()

    def hear(self) -> bool:
        heard = slot.receive(self.slot.control)
        if heard is None:
            return False
        match heard:
            case (PolicyMessage(version, size, digest), int(fd)):
                self.shelf.put(version, self.shelf.read(fd, size, digest))
                if "refuse-2" in MODES and version == 2:
                    slot.send(self.slot.control, Failed("this version is not for me", version))
                    return True
                slot.send(self.slot.control, PolicyAck(version))
                if not self.ready:
                    self.ready = True
                    slot.send(self.slot.control, Ready())
            case (KeysMessage(size, digest), int(fd)):
                self.keys = unpack_keys(unseal(fd, size, digest), self.slot.settings)
                os.close(fd)
            case (Drain(), None):
                return "deaf" in MODES
        return True

    def answer(self) -> None:
        try:
            client, _ = self.slot.listener.accept()
        except BlockingIOError:
            return
        with client:
            client.settimeout(5)
            line = self.do(client.recv(64).decode())
            client.sendall(line.encode() + b"\n")

    def do(self, word: str) -> str:
        born = self.slot
        match word:
            case "who":
                return f"{os.getpid()} {born.index} {born.incarnation} {born.slab.generation}"
            case "policy":
                return hashlib.sha256(self.shelf.current(born.slab.generation)).hexdigest()
            case "keys":
                return ",".join(sorted(kid for each in self.keys.by_issuer.values() for kid in each.by_kid))
            case "environment":
                return " ".join(os.environ)
            case "sockets":
                return str(sum(stat.S_ISSOCK(mode_of(fd)) for fd in range(64)))
            case "threads":
                return str(threads())
            case "signals":
                return " ".join(str(int(signal.getsignal(number))) for number in (1, 2, 10, 12, 15))
            case "hang":
                while True:
                    time.sleep(60)
            case "orphan":
                if os.fork() == 0:
                    if os.fork() == 0:
                        time.sleep(0.2)
                    os._exit(0)
                os.wait()
                return "gone"
            case "bug":
                raise AssertionError("told to")
        return "what?"


def mode_of(fd: int) -> int:
    try:
        return os.fstat(fd).st_mode
    except OSError:
        return 0


if __name__ == "__main__":
    if "quick" in MODES:
        seat.STALE_SECONDS, seat.ABORT_SECONDS, publication.ACK_SECONDS = 1.0, 0.5, 0.5
    count = int(sys.argv[2])
    sys.exit(serve(Path(sys.argv[1]), count or None, lambda born: Worker(born).run()))
