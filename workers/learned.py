"""The labels that columns learned, on disk: a file for each database server and database, which all workers append to.

Every line begins with a line break: what a crash cut short spoils itself alone, and it belongs to a statement that
never left. Nothing in it is ever a value.
"""

import fcntl
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import msgspec

from gateway.classify.learned import Labels, Learned
from gateway.errors import Refused, State, Unavailable
from workers.slab import Counter, Row

log = logging.getLogger("sluice.learned")

LABELS_MAX = 100_000  # in force for one database
_FILE_NAME_BYTES_MAX = 200
_encode = msgspec.json.encode
_decoder = msgspec.json.Decoder(Learned)


class LabelBook:
    """One database's labels. Used from the worker's one thread."""

    def __init__(self, path: Path, row: Row) -> None:
        """Opens or makes the file. Raises Unavailable."""
        self.labels = Labels()
        self.taken = 0  # lines taken in; it grows with every label that is new here
        self.heard = 0  # … those alone that are no binding of one that was known
        self._row = row
        self._offset = 0
        with _available():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.catch_up()

    def catch_up(self) -> None:
        """Takes in what any worker has appended since. Raises Unavailable."""
        with _available():
            size = os.fstat(self._fd).st_size
            if size == self._offset:
                return
            data = os.pread(self._fd, size - self._offset, self._offset)
        self._take(data)

    def _take(self, data: bytes) -> None:
        """All lines but the last, unless it is whole: it may be being written."""
        at = 0
        while at < len(data):
            end = data.find(b"\n", at + 1)
            line = data[at : end if end >= 0 else len(data)]
            try:
                learned = _decoder.decode(line) if line.strip() else None
            except msgspec.DecodeError:
                if end < 0:
                    break
                log.warning("a label that was cut short is passed over")
                learned = None
            if learned is not None:
                self.labels.add(learned)
                self.taken += 1
                self.heard += not learned.binds
            at = end if end >= 0 else len(data)
        self._offset += at

    def append(self, learned: Iterable[Learned]) -> None:
        """Writes down those that are not known yet, and has all workers look: they are in force everywhere with the
        next turn. Raises Unavailable, and then nothing that brings them about may run."""
        wanted = [one for one in dict.fromkeys(learned) if one not in self.labels]
        if not wanted:
            return
        with _available(), self._alone():
            self.catch_up()
            wanted = [one for one in wanted if one not in self.labels]
            if not wanted:
                return
            if len(self.labels) + len(wanted) > LABELS_MAX:
                raise Unavailable(Refused(State.AUDIT, "too many labels have been learned", _HINT))
            data = b"".join(b"\n" + _encode(one) for one in wanted)
            written = os.write(self._fd, data)
            if written < len(data):
                raise OSError("the label was cut short")
            os.fdatasync(self._fd)
            self.catch_up()
        self._row.add(Counter.LABELS, len(wanted))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Gives the descriptor back."""
        os.close(self._fd)


def labels_dir(audit_dir: Path) -> Path:
    """Where learned labels lie: beside the audit."""
    return audit_dir.parent / "labels"


def labels_at_rest(folder: Path, database: str) -> tuple[Learned, ...]:
    """What is written in a database's book, for programs beside the gateway; nothing where there is none. Raises
    Unavailable."""
    path = _path(folder, database)
    labels = Labels()
    if path.exists():
        with _available():
            data = path.read_bytes()
        for line in data.split(b"\n"):
            with suppress(msgspec.DecodeError):
                if line.strip():
                    labels.add(_decoder.decode(line))
    return tuple(labels)


def _path(folder: Path, database: str) -> Path:
    return folder / f"{quote(database, safe='')[:_FILE_NAME_BYTES_MAX]}.jsonl"


class LabelBooks:
    """The books of a worker, opened when they are first asked for."""

    def __init__(self, folder: Path, row: Row) -> None:
        self._folder = folder
        self._row = row
        self._books: dict[str, LabelBook] = {}

    def of(self, database: str) -> LabelBook:
        """The book of a database, by a name that no other database of any server has. Raises Unavailable."""
        book = self._books.get(database)
        if book is None:
            book = self._books[database] = LabelBook(_path(self._folder, database), self._row)
        return book

    def close(self) -> None:
        """Closes them all."""
        for book in self._books.values():
            book.close()
        self._books.clear()


_HINT = "The statement was not run and nothing is wrong with it: send it again when labels can be written."


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        reason = os.strerror(fault.errno) if fault.errno else "cut short"
        raise Unavailable(Refused(State.AUDIT, f"the labels of columns cannot be written: {reason}", _HINT)) from fault
