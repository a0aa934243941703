"""The notary's process: forked by the supervisor beside the workers, with the lowest priority. It alone holds the signing
key, and only after its fork.
"""

import contextlib
import ctypes
import faulthandler
import logging
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from gateway.audit.chain import Position
from gateway.settings import Audit
from workers import audit_index, notary_keeping, notary_key, notary_link
from workers.audit_trail import ChainFiles
from workers.configuration import Loaded
from workers.notary import CHECKPOINT_NS, Notary
from workers.notary_link import Finish, Happened, Operators, Report, Reread
from workers.notary_log import LogBroken
from workers.notary_system import SystemTrail
from workers.positions import Positions
from workers.run_folder import RunFolder

TURN_SECONDS: Final = 1.0
KEEPING_SECONDS: Final = 3600.0
NAME: Final = "sluice-notary"
_INDEX_PIECES: Final = 16  # of 256 KiB, in one turn
_PR_SET_NAME: Final = 15  # prctl(2)
log = logging.getLogger("sluice.notary")


@dataclass(frozen=True, slots=True)
class Born:
    """Everything a notary is born with."""

    control: socket.socket  # SOCK_SEQPACKET to the supervisor, non-blocking
    positions: Positions
    settings: Audit
    folder: Path  # of sluice.toml
    run_dir: Path
    audit_dir: Path
    host: str
    environ: Mapping[str, str]


def run(born: Born, checkpoint_ns: int = CHECKPOINT_NS) -> int:
    """Reads and signs until told to finish; the exit code."""
    faulthandler.enable()
    ctypes.CDLL(None).prctl(_PR_SET_NAME, NAME.encode(), 0, 0, 0)
    with contextlib.suppress(OSError):
        os.nice(19)
    return _Process(born, checkpoint_ns).run()


def serve(control: socket.socket, loaded: Loaded, positions: Positions, environ: Mapping[str, str]) -> int:
    """The notary's main, in the process that the supervisor forked for it; the exit code."""
    paths = loaded.folder, loaded.run_dir, loaded.audit_dir
    return run(Born(control, positions, loaded.settings.audit, *paths, socket.gethostname(), environ))


class _Process:
    """The loop around the notary."""

    def __init__(self, born: Born, checkpoint_ns: int) -> None:
        self._born, self._checkpoint_ns = born, checkpoint_ns
        self._system = SystemTrail(born.audit_dir, born.host, born.settings, time.time_ns)
        self._notary: Notary | None = None
        self._why = ""  # nothing is signed
        self._broken = ""  # why the log cannot be continued
        self._reported: Report | None = None
        self._finishing = False
        self._heard = self._recorded = 0  # events, since the start
        self._reread = True
        self._keep_at = 0.0
        self._news: deque[tuple[ChainFiles, int]] = deque()  # sealed segments, to be indexed and compressed
        self._indexing: Generator[None, None, object] | None = None
        self._operators = Operators(RunFolder(born.run_dir))
        self._selector = selectors.DefaultSelector()
        self._selector.register(born.control, selectors.EVENT_READ, self._hear)
        self._selector.register(self._operators, selectors.EVENT_READ, self._hear_operators)

    def run(self) -> int:
        more = False
        due = 0.0
        while not self._finishing:
            for key, _ in self._selector.select(0.0 if more else max(0.0, due - time.monotonic())):
                key.data()
            if self._commit():  # at once: what was told is lost with a process that only remembers it
                self._report()
            now = time.monotonic()
            if more or now >= due:
                more, due = self._turn(now), now + TURN_SECONDS
        self._finish()
        return 0

    def _turn(self, now: float) -> bool:
        if self._reread:
            self._take_key()
        more = False
        if self._notary is not None:
            more = self._sign(self._notary, now)
        self._commit()  # what the turn found
        self._report()
        return more

    def _sign(self, notary: Notary, now: float) -> bool:
        try:
            more = notary.turn(time.time_ns())
            self._keep(notary, now)
        except LogBroken as error:
            notary.close()
            self._notary = None
            self._break(error)
        except OSError as error:
            self._not_signed(f"the audit's directory cannot be read: {error}", logging.ERROR)
        else:
            self._why = ""
            return more
        return False

    def _commit(self) -> bool:
        """Writes what has gathered of events; whether those told by the supervisor are on record now and were not."""
        before = self._recorded
        if self._system.commit():
            self._recorded = self._heard
        return self._recorded != before

    def _take_key(self) -> None:
        """Begins to sign, or goes on with the key that is there now."""
        born = self._born
        self._reread = False
        try:
            signer = notary_key.load(born.folder, born.environ)
            rotations = notary_key.rotations(born.folder, born.environ)
            if self._notary is not None:
                self._notary.sign_with(signer, rotations)
            else:
                self._notary = Notary(
                    born.audit_dir,
                    born.host,
                    signer,
                    rotations,
                    self._promises,
                    self._tell,
                    time.time_ns(),
                    self._checkpoint_ns,
                )
            self._why = self._broken = ""
        except notary_key.NoKey as error:
            if self._notary is None:
                self._not_signed(str(error), logging.WARNING)
            else:
                log.error("audit: %s; the key that was read before goes on signing", error)
        except LogBroken as error:
            self._break(error)
        except OSError as error:
            self._reread = True  # perhaps in a second: a predecessor that was killed may still hold the lock
            self._not_signed(f"the log of heads cannot be opened: {error}", logging.ERROR)

    def _break(self, error: LogBroken) -> None:
        self._broken = f"the log of heads cannot be continued: {error}"
        self._not_signed(self._broken, logging.CRITICAL)
        self._tell("alarm", {"why": self._broken})

    def _not_signed(self, why: str, level: int) -> None:
        if why != self._why:
            self._why = why
            log.log(level, "audit: the trail is not signed: %s", why)

    def _promises(self) -> list[Position]:
        found = [self._born.positions.read(slot) for slot in range(self._born.positions.slots)]
        return [each for each in [*found, self._system.position()] if each is not None]

    def _tell(self, what: str, data: Mapping[str, Any]) -> None:
        self._system.record("system", {"what": what, **data})

    def _keep(self, notary: Notary, now: float) -> None:
        """What is old goes, and what is new is indexed."""
        if now >= self._keep_at:
            self._keep_at = now + KEEPING_SECONDS
            with contextlib.suppress(OSError):  # tried again in an hour
                notary.prune(time.time_ns(), self._born.settings.retention_days)
        self._news += notary.sealed()
        self._index()

    def _index(self) -> None:
        """A few steps of the oldest news' sidecar; then it is compressed, where that is wished."""
        if self._indexing is None and self._news:
            self._indexing = audit_index.building(*self._news[0])
        if self._indexing is None or sum(1 for _ in islice(self._indexing, _INDEX_PIECES)) == _INDEX_PIECES:
            return
        self._indexing = None
        done = self._news.popleft()
        if self._born.settings.compress:
            with contextlib.suppress(OSError):  # it stays as it was
                notary_keeping.compress(*done)

    def _hear(self) -> None:
        while True:
            try:
                message = notary_link.receive(self._born.control)
            except BlockingIOError:
                return
            match message:
                case Happened(kind, data, time_ns):
                    self._heard += 1
                    self._system.record(kind, data, time_ns)
                case Reread():
                    self._reread = True
                case Finish():
                    self._finishing = True
                case _:
                    os._exit(1)  # the supervisor is gone

    def _hear_operators(self) -> None:
        while (said := self._operators.hear()) is not None:
            self._system.record("system", said)
            self._reread = self._reread or said.get("command") == "audit rotate-key"

    def _report(self) -> None:
        notary = self._notary
        report = Report(
            self._why and f"not signed: {self._why}",
            notary.log.signed_ns if notary else 0,
            notary.log.size if notary else 0,
            notary.log.public.hex() if notary else "",
            notary.alarms if notary else int(bool(self._broken)),
            notary.alarm if notary else self._broken,
            self._recorded,
        )
        if report != self._reported:
            with contextlib.suppress(OSError):  # it hears the next one
                self._born.control.send(notary_link.encode(report))
                self._reported = report

    def _finish(self) -> None:
        """The workers have ended: their last words and ours are signed."""
        self._system.record("system", {"what": "gateway stopped"})
        self._system.close()
        if self._notary is not None:
            with contextlib.suppress(OSError, LogBroken):  # then the next start signs what is there
                self._notary.finish(time.time_ns())
            self._report()
            self._notary.close()
        self._operators.close()
