"""Proves a log of heads: that its files belong together, that every entry is under a signed root, and that the keys which
signed took over from each other.

Files are fed in order, in pieces of any size; what is handed out is under a signed tree head. Memory: 32 bytes an entry, and
what stands before the next tree head. Whoever cut the log's end off left a shorter log that is in itself good: only a tree
head kept elsewhere tells (`extends`).
"""

from typing import Final, Literal, NamedTuple

from gateway.audit import heads, merkle
from gateway.audit.heads import Entry, Key, LogHeader, TreeHead, Verify
from gateway.audit.segment import Damage, Frame, beyond, cut

Grade = Literal["tampered", "gap", "unreadable", "note"]
_SEARCHED: Final = 1 << 20  # bytes behind damage that are searched for whole frames


class Problem(NamedTuple):
    """Something in the log that is not as it was written: the file's number, the byte, and why."""

    grade: Grade
    file: int
    offset: int
    why: str


class Signed(NamedTuple):
    """An entry of the log, its index in it, when it was written, and the frame it stands in."""

    place: int
    time_ns: int
    entry: Entry
    frame: Frame


class LogCheck:
    """One log: for each file in order `begin`, `feed` and `end`; then `finish` once. `trusted` is the raw public key that
    the reader holds, None where he holds none.
    """

    def __init__(self, verify: Verify, trusted: bytes | None = None) -> None:
        self.log = b""
        self.host = ""
        self.problems: list[Problem] = []
        self.leaves: list[bytes] = []  # leaf hashes of the signed entries
        self.keys: list[tuple[int, Key]] = []  # with their entries' indexes
        self.tree_head: TreeHead | None = None  # the newest
        self._verify, self._trusted = verify, trusted
        self._tree = merkle.Tree()
        self._pending: list[Signed] = []
        self._pending_keys: list[tuple[int, Key]] = []
        self._number = -1
        self._header: LogHeader | None = None
        self._rest = b""
        self._at = 0  # the file's byte where `_rest` begins
        self._why = ""
        self._files = 0

    @property
    def key(self) -> bytes:
        """The raw public key that signed last."""
        return self.tree_head.key if self.tree_head is not None else b""

    def begin(self, number: int) -> None:
        """The file of this number comes next."""
        if number != self._number + 1:
            self._found("tampered", number, 0, f"the log's files {self._number + 1} to {number - 1} are missing")
        self._number, self._header, self._rest, self._at, self._why = number, None, b"", 0, ""
        self._files += 1

    def feed(self, data: bytes) -> list[Signed]:
        """The entries that a tree head in the bytes so far has signed, and that were not handed out before."""
        if self._why:
            self._keep(data)
            return []
        data = self._rest + data if self._rest else data
        start = 0
        if self._header is None:
            found = heads.read_header(data)
            if found is None or isinstance(found, Damage):
                self._rest, self._why = data, found.why if found is not None else ""
                return []
            self._header, start = found
            self._check_header(self._header)
        frames, used, self._why = cut(data, start, self._at)
        self._at += used
        self._rest = data[used:]
        handed: list[Signed] = []
        for frame in frames:
            handed += self._frame(frame)
        return handed

    def end(self) -> None:
        """The file has no more bytes. What no tree head signed is no part of the log."""
        if self._header is None:
            why = self._why or "the notary was killed before it had written anything here"
            self._found("tampered" if self._why else "note", self._number, 0, why)
        elif self._rest and self._later():
            why = self._why or "a frame's length was changed"
            self._found("tampered", self._number, self._at, f"{why}, and whole records stand behind it")
        elif self._rest or self._pending:
            self._found("note", self._number, self._at, "the notary was killed while writing: that was never signed")
        self._pending.clear()
        self._pending_keys.clear()

    def finish(self) -> None:
        """All files were fed."""
        if self.tree_head is None:
            self._found("tampered" if self._files else "unreadable", max(self._number, 0), 0, "nothing is signed")
        elif self._trusted is not None and self._trusted not in [key.public for _, key in self.keys]:
            self._found("tampered", 0, 0, "the log is signed by a key that is not yours: it was replaced")

    def extends(self, kept: TreeHead) -> str:
        """Why this log does not go on from a tree head that was kept elsewhere; empty where it does."""
        if not heads.is_signed(self.log, kept, self._verify):
            return "the tree head that was kept is not of this log, or its signature does not hold"
        if kept.key not in [key.public for _, key in self.keys]:
            return "the tree head that was kept was signed by a key that this log does not know"
        if kept.size > len(self.leaves):
            return f"the log was cut: {kept.size} entries were signed, {len(self.leaves)} are there"
        if merkle.root(self.leaves[: kept.size]) != kept.root:
            return f"the log was rewritten: its first {kept.size} entries are not those that were signed"
        return ""

    def _found(self, grade: Grade, file: int, offset: int, why: str) -> None:
        self.problems.append(Problem(grade, file, offset, why))

    def _keep(self, data: bytes) -> None:
        """A little of what is behind damage, to be searched when the file ends."""
        if len(self._rest) < _SEARCHED:
            self._rest += data[: _SEARCHED - len(self._rest)]

    def _check_header(self, header: LogHeader) -> None:
        if header.version != 1:
            self._found("unreadable", self._number, 0, f"format version {header.version} is not known")
        if not self.log:
            self.log, self.host = header.log, header.host
        if header.log != self.log or header.number != self._number:
            self._found("tampered", self._number, 0, "the file belongs to another log, or to another place in it")
        elif header.first != len(self.leaves):
            why = f"the file goes on from entry {header.first}, but {len(self.leaves)} entries were signed before it"
            self._found("tampered", self._number, 0, why)

    def _frame(self, frame: Frame) -> list[Signed]:
        try:
            said = heads.decode(frame)
        except ValueError:
            self._found("tampered", self._number, frame.offset, "a record does not decode")
            return []
        if isinstance(said, TreeHead):
            return self._sign(frame, said)
        index = len(self.leaves) + len(self._pending)
        if frame.seq != index:
            self._found("tampered", self._number, frame.offset, f"entry {frame.seq} stands where entry {index} should")
        if isinstance(said, Key):
            self._take_key(frame, index, said)
        elif not index:
            self._found("tampered", self._number, frame.offset, "the log does not begin with its key")
        if isinstance(said, heads.Checkpoint) and heads.heads_root(said.heads) != said.root:
            self._found("tampered", self._number, frame.offset, "a checkpoint's root is not that of its heads")
        self._pending.append(Signed(index, frame.time_ns, said, frame))
        return []

    def _take_key(self, frame: Frame, index: int, key: Key) -> None:
        known = self._pending_keys or self.keys
        if known:
            before = known[-1][1].public
            if not self._verify(before, key.endorsed, heads.endorsement(self.log, key.public)):
                self._found("tampered", self._number, frame.offset, "the key was replaced without the old one's word")
        self._pending_keys.append((index, key))

    def _sign(self, frame: Frame, said: TreeHead) -> list[Signed]:
        for each in self._pending:
            self.leaves.append(merkle.leaf(heads.entry_bytes(each.frame)))
            self._tree.add(self.leaves[-1])
        self.keys += self._pending_keys
        signed, self._pending, self._pending_keys = self._pending, [], []
        current = self.keys[-1][1].public if self.keys else b""
        if (said.size, said.root) != (self._tree.size, self._tree.root()) or frame.seq != said.size:
            self._found("tampered", self._number, frame.offset, "the signed root is not that of the entries before it")
        elif said.key != current:
            self._found("tampered", self._number, frame.offset, "a tree head is signed by another key than the log's")
        elif not heads.is_signed(self.log, said, self._verify):
            self._found("tampered", self._number, frame.offset, "the signature of a tree head does not hold")
        else:
            self.tree_head = said
        return signed

    def _later(self) -> bool:
        """Whether whole frames stand behind what could not be read: then it is no torn end."""
        return beyond(self._rest[:_SEARCHED], 1, max(0, len(self.leaves) - 1)) is not None

