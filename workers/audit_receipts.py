"""Making proofs out of an audit directory: its log of heads read and checked, and the segment that holds a record."""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.audit import heads, merkle, receipt
from gateway.audit.heads import Checkpoint, Head, Seal, TreeHead, Verify
from gateway.audit.heads_check import LogCheck, Signed
from gateway.audit.receipt import Document, ExtensionProof, KeptHead, Leaf, RecordProof
from gateway.audit.segment import Damage, Frame, cut, read_header
from workers.audit_trail import ChainFiles, chains, segment_content
from workers.notary_log import log_files, verify

_WINDOW: Final = 1 << 20


class NoProof(Exception):
    """The proof cannot be made; the text says why, and what would help."""


def public_key(path: Path) -> bytes:
    """The raw 32 bytes of an Ed25519 public key in PEM. Raises NoProof."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as fault:
        raise NoProof(f"{path}: {fault}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise NoProof(f"{path}: not an Ed25519 public key")
    return key.public_bytes_raw()


def read_log(
    directory: Path, trusted: bytes | None, seen: Callable[[Signed], None], verified: Verify = verify
) -> LogCheck:
    """The audit directory's log of heads, proven, its signatures by `verified`; `seen` gets each entry. Raises OSError."""
    check = LogCheck(verified, trusted)
    for file in log_files(directory):
        check.begin(int(file.name[:8]))
        with file.open("rb") as opened:
            while data := opened.read(_WINDOW):
                for each in check.feed(data):
                    seen(each)
        check.end()
    check.finish()
    return check


class Prover:
    """One audit directory whose log is good. Raises NoProof, OSError; `extension` also receipt.Broken, of the older head.

    Reading the log proves its hashes, which takes a fifth of the time that its signatures would. Each proof is then checked
    as its receiver will, with the signatures that it rests on; those before them say nothing that the newest does not.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._keys: list[Signed] = []

    def newest(self) -> KeptHead:
        """The newest signed tree head."""
        check, head = self._read(lambda each: None)
        kept = receipt.kept(check.log, head)
        _check(kept)
        return kept

    def extension(self, older: KeptHead) -> ExtensionProof:
        """The proof that today's tree head goes on from an older one."""
        receipt.check(older, verify)
        check, head = self._read(lambda each: None)
        if older.log != check.log.hex():
            raise NoProof(f"that tree head is of log {older.log}; here is log {check.log.hex()}")
        if why := check.extends(receipt.tree_head(older)):
            raise NoProof(why)
        proof = merkle.consistency(check.leaves, older.size) if 0 < older.size < head.size else []
        made = ExtensionProof(
            older, receipt.kept(check.log, head), tuple(each.hex() for each in proof), self._key_leaves(check)
        )
        _check(made)
        return made

    def record(self, record: str) -> RecordProof:
        """The proof that a record is in the trail."""
        chain, segment, seq = self._place(record)
        of = chain.id
        stated: list[tuple[Signed, Head]] = []

        def look(each: Signed) -> None:
            head = _states(each.entry, of, segment, seq)
            if head is not None and not (stated and isinstance(stated[0][0].entry, Seal)):
                stated[:] = [(each, head)]  # the newest checkpoint says most, a seal says it for good

        check, signed = self._read(look)
        if not stated:
            raise NoProof(
                f"record {record} is not under a signed head yet: the notary signs each minute; try again in a minute"
            )
        return self._proof(
            check, signed, stated[0][0], stated[0][1], segment_content(chain.path, segment), record, seq
        )

    def _proof(
        self,
        check: LogCheck,
        signed: TreeHead,
        entry: Signed,
        head: Head,
        content: bytes,
        record: str,
        seq: int,
    ) -> RecordProof:
        header = content[: _header_length(content, record)]
        tree, ends = [merkle.leaf(header)], array("Q", [len(header)])

        def passing() -> Iterator[Frame]:
            for frame in _frames(content, len(header), head.length):
                tree.append(merkle.leaf(content[frame.offset : frame.end]))
                ends.append(frame.end)
                yield frame

        frames = passing()
        try:
            chosen = receipt.wanted(frames, seq)
            for _ in frames:  # the others are leaves too
                pass
        except (ValueError, KeyError):
            raise NoProof(f"the segment of {record} is damaged: run `sluice audit verify`") from None
        if not chosen:
            raise NoProof(f"no record is {record}: the number belongs to no record, or to one that was never promised")
        wholes = {at + 1: content[ends[at] : ends[at + 1]] for at in chosen}
        if merkle.root(tree) != head.root:
            raise NoProof(f"the segment of {record} is not what was signed: run `sluice audit verify`")
        at_head, heads_count = _head_leaf(entry, head)
        index = entry.place
        try:
            shown = receipt.read_record(header, wholes.values())
        except receipt.Broken:
            raise NoProof(f"{record} is no record, but a frame that others are read with") from None
        made = RecordProof(
            shown,
            receipt.leaf_of(header, 0, tree),
            tuple(receipt.leaf_of(whole, at, tree) for at, whole in wholes.items()),
            at_head,
            heads_count,
            receipt.leaf_of(heads.entry_bytes(entry.frame), index, check.leaves),
            self._key_leaves(check),
            receipt.kept(check.log, signed),
        )
        _check(made)
        return made

    def _read(self, seen: Callable[[Signed], None]) -> tuple[LogCheck, TreeHead]:
        self._keys.clear()

        def look(each: Signed) -> None:
            if isinstance(each.entry, heads.Key):
                self._keys.append(each)
            seen(each)

        check = read_log(self._directory, None, look, _later)
        if check.tree_head is None:
            raise NoProof("nothing is signed here: the gateway had no audit.key (`sluice init` makes one)")
        if any(each.grade != "note" for each in check.problems):
            raise NoProof("the log of heads is not as it was written: run `sluice audit verify`")
        return check, check.tree_head

    def _key_leaves(self, check: LogCheck) -> tuple[Leaf, ...]:
        return tuple(
            receipt.leaf_of(heads.entry_bytes(each.frame), each.place, check.leaves) for each in self._keys
        )

    def _place(self, record: str) -> tuple[ChainFiles, int, int]:
        """The chain and segment that hold a record, and its number. Raises NoProof."""
        label, _, digits = record.rpartition("-")
        if digits.isascii() and digits.isdigit():
            for chain in chains(self._directory):
                first = chain.first()
                if first is None or first.label != label or chain.is_void():
                    continue
                numbers = chain.segments()
                at = bisect_right(numbers, int(digits), key=chain.first_seq) - 1
                if at >= 0:
                    return chain, numbers[at], int(digits)
        raise NoProof(f"no record is {record} here; if it was there once, run `sluice audit verify`")


def _later(public: bytes, signature: bytes, message: bytes) -> bool:
    """The signature is proven with the proof that rests on it."""
    return True


def _check(made: Document) -> None:
    try:
        receipt.check(made, verify)
    except receipt.Broken as fault:
        raise NoProof(f"{fault}: run `sluice audit verify`") from None


def _states(entry: heads.Entry, chain: bytes, segment: int, seq: int) -> Head | None:
    """What an entry says of the segment, where that covers the record."""
    found = (
        [entry.head]
        if isinstance(entry, Seal)
        else list(entry.heads)
        if isinstance(entry, Checkpoint)
        else []
    )
    for head in found:
        if (head.chain, head.segment) == (chain, segment) and head.seq >= seq:
            return head
    return None


def _head_leaf(entry: Signed, head: Head) -> tuple[Leaf | None, int]:
    if not isinstance(entry.entry, Checkpoint):
        return None, 0
    datas = [heads.head_bytes(each) for each in entry.entry.heads]
    index = entry.entry.heads.index(head)
    return receipt.leaf_of(datas[index], index, [merkle.leaf(each) for each in datas]), len(datas)


def _header_length(content: bytes, record: str) -> int:
    found = read_header(content)
    if found is None or isinstance(found, Damage):
        raise NoProof(f"the segment of {record} has no whole header: run `sluice audit verify`")
    return found[1]


def _frames(content: bytes, at: int, end: int) -> Iterator[Frame]:
    while at < end:
        frames, used, _ = cut(content[at : min(at + _WINDOW, end)], 0, at)
        yield from frames
        if not used:
            return
        at += used
