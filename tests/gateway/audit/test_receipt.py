"""Proofs that travel: what they show, and that no part of one can be another."""

import json
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import heads, merkle, receipt
from gateway.audit.chain import Chain
from gateway.audit.heads import Checkpoint, Head, Key, LogWriter, Seal, TreeHead
from gateway.audit.receipt import Broken, ExtensionProof, KeptHead, RecordProof
from gateway.audit.records import ColumnsCard, ColumnsInfo, RulingCard, RulingInfo, SessionCard, SessionInfo
from gateway.audit.segment import Frame, cut
from gateway.audit.walk import Walk

LOG, NOW = b"l" * 16, 1_700_000_000_000_000_000
KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
PUBLIC = KEY.public_key().public_bytes_raw()


def verify(raw: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class Trail:
    """One segment of twenty statements, and a log that states its root; all in memory."""

    def __init__(self) -> None:
        chain = Chain("db1", 0, b"c" * 16, now_ns=NOW)
        who = [SessionCard(SessionInfo(f"s{n}", user)) for n, user in enumerate(("alice", "bob"))]
        what = [RulingCard(RulingInfo(1, "h", f"SELECT {n}", "f", ("SELECT",))) for n in range(3)]
        columns = ColumnsCard(ColumnsInfo((("public.customers.email", "email", "redact"),), ("public.customers.id",)))
        for n in range(20):
            asked = chain.intent(NOW + n, who[n % 2], what[n % 3])
            chain.outcome(NOW + n, asked, "ok", n, 10, columns if n % 2 else None, "SELECT", "", 5)
        chain.event(NOW + 30, "session", {"what": "signed in"}, who[0])
        self.header = chain.header
        self.content = chain.header + chain.take(NOW + 40)
        chain.committed()
        self.frames, _, _ = cut(self.content, len(self.header), 0)
        walk = Walk(self.header)
        walk.feed(self.content[len(self.header) :])
        self.head = Head(b"c" * 16, 0, walk.length, walk.digest(), walk.seq, walk.frames, walk.root())
        self.tree = [merkle.leaf(each) for each in (self.header, *map(self.whole, self.frames))]
        self.entries = [Key(PUBLIC), Checkpoint(b"", ()), Seal(self.head, 1, NOW, NOW + 40), Checkpoint(b"", ())]
        others = (Head(b"a" * 16, 1, 1, b"d" * 32, 1, 1, b"r" * 32), self.head)
        self.entries[1] = Checkpoint(heads.heads_root(others), others)
        self.others = others

    def whole(self, frame: Frame) -> bytes:
        return self.content[frame.offset : frame.end]

    def log(self, count: int = 4) -> tuple[list[bytes], list[bytes], TreeHead]:
        """Entries' bytes and leaf hashes, and the tree head over the first `count` of them."""
        writer = LogWriter(LOG, merkle.Tree(), PUBLIC, KEY.sign)
        for n, entry in enumerate(self.entries[:count]):
            writer.append(NOW + 100 + n, entry)
        frames, _, _ = cut(writer.take(NOW + 200), 0, 0)
        datas = [heads.entry_bytes(each) for each in frames[:-1]]
        return datas, [merkle.leaf(each) for each in datas], heads.decode(frames[-1])

    def proof(self, seq: int, entry: int = 2) -> RecordProof:
        datas, leaves, signed = self.log()
        chosen = receipt.wanted(self.frames, seq)
        wholes = [self.whole(self.frames[at]) for at in chosen]
        at_checkpoint = None
        if entry == 1:
            known = [merkle.leaf(heads.head_bytes(each)) for each in self.others]
            at_checkpoint = receipt.leaf_of(heads.head_bytes(self.head), 1, known)
        return RecordProof(
            receipt.read_record(self.header, wholes),
            receipt.leaf_of(self.header, 0, self.tree),
            tuple(receipt.leaf_of(whole, at + 1, self.tree) for at, whole in zip(chosen, wholes, strict=True)),
            at_checkpoint,
            2 if entry == 1 else 0,
            receipt.leaf_of(datas[entry], entry, leaves),
            (receipt.leaf_of(datas[0], 0, leaves),),
            receipt.kept(LOG, signed),
        )


TRAIL = Trail()
SEQS = [each.seq for each in TRAIL.frames if each.kind in (4, 5, 6)]


@pytest.mark.parametrize("entry", [1, 2], ids=["checkpoint", "seal"])
def test_every_record_is_proven_by_itself(entry: int) -> None:
    for seq in SEQS:
        made = receipt.read(receipt.encode(TRAIL.proof(seq, entry)))
        proven = receipt.check(made, verify, PUBLIC)
        assert proven.record["id"] == f"db1-0.63636363-{seq}"
        assert proven.by == ("checkpoint" if entry == 1 else "seal")
        assert proven.stated_ns == NOW + 100 + entry


def test_outcome_says_who_asked_and_what_was_shown() -> None:
    frame = next(each for each in TRAIL.frames if each.kind == 5 and each.seq > 10)
    record = receipt.check(TRAIL.proof(frame.seq), verify, PUBLIC).record
    assert record["user"] in ("alice", "bob")
    assert record["statement"].startswith("SELECT")
    assert record["kind"] == "outcome"


def test_proof_holds_no_other_record() -> None:
    proof = TRAIL.proof(SEQS[0])
    assert len(proof.frames) == 3
    assert "bob" not in receipt.encode(proof).decode().replace("\\", "")


def walk(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [found for name, each in value.items() for found in walk(each, (*path, name))]
    if isinstance(value, list):
        return [found for n, each in enumerate(value) for found in walk(each, (*path, n))]
    return [path]


def changed(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str) and value:
        return value[:-1] + ("0" if value[-1] != "0" else "1")
    return "00"


@pytest.mark.parametrize("entry", [1, 2], ids=["checkpoint", "seal"])
def test_every_part_matters(entry: int) -> None:
    original = json.loads(receipt.encode(TRAIL.proof(SEQS[-2], entry)))
    for path in walk(original):
        document = json.loads(json.dumps(original))
        place = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = changed(place[path[-1]])
        with pytest.raises(Broken):
            receipt.check(receipt.read(json.dumps(document).encode()), verify, PUBLIC)


def test_frames_cannot_be_left_out_doubled_or_put_in_another_order() -> None:
    proof = TRAIL.proof(SEQS[1])
    frames = proof.frames
    for other in (frames[:-1], frames[1:], (*frames, frames[-1]), frames[::-1], ()):
        with pytest.raises(Broken):
            receipt.check(msgspec.structs.replace(proof, frames=other), verify, PUBLIC)


def test_key_of_somebody_else_is_not_believed() -> None:
    with pytest.raises(Broken, match="not yours"):
        receipt.check(TRAIL.proof(SEQS[0]), verify, OTHER.public_key().public_bytes_raw())
    with pytest.raises(Broken, match="keys do not lead"):
        receipt.check(msgspec.structs.replace(TRAIL.proof(SEQS[0]), keys=()), verify, PUBLIC)
    assert receipt.check(TRAIL.proof(SEQS[0]), verify).record


def extension(older: int, newer: int) -> ExtensionProof:
    datas, leaves, signed = TRAIL.log(newer)
    proof = merkle.consistency(leaves, older) if 0 < older < newer else []
    older_head = receipt.kept(LOG, TRAIL.log(older)[2])
    key = receipt.leaf_of(datas[0], 0, leaves)
    return ExtensionProof(older_head, receipt.kept(LOG, signed), tuple(each.hex() for each in proof), (key,))


def test_later_head_is_proven_to_go_on_from_an_earlier_one() -> None:
    for older in range(1, 5):
        for newer in range(older, 5):
            proven = receipt.check(receipt.read(receipt.encode(extension(older, newer))), verify, PUBLIC)
            assert proven.older is not None
            assert (proven.older.size, proven.tree_head.size) == (older, newer)
    backwards = extension(2, 4)
    with pytest.raises(Broken):
        receipt.check(msgspec.structs.replace(backwards, older=backwards.newer, newer=backwards.older), verify, PUBLIC)


def test_tree_head_alone_is_proven_signed() -> None:
    head = receipt.kept(LOG, TRAIL.log()[2])
    assert receipt.check(head, verify, PUBLIC).tree_head == head
    with pytest.raises(Broken, match="signature"):
        receipt.check(msgspec.structs.replace(head, size=3), verify, PUBLIC)


def test_record_that_is_not_there_wants_nothing() -> None:
    assert receipt.wanted(TRAIL.frames, 10_000) == []


JSON = st.recursive(st.none() | st.text(), st.lists, max_leaves=5)


@given(st.binary(max_size=60) | JSON.map(msgspec.json.encode))
def test_whatever_is_read_is_broken_or_a_document(data: bytes) -> None:
    with pytest.raises(Broken):
        receipt.read(data)
    assert isinstance(receipt.read(receipt.encode(receipt.kept(LOG, TRAIL.log()[2]))), KeptHead)
