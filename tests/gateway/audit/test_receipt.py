"""Proofs that travel: what they show, and that no part of one can be another."""

import ast
import contextlib
import json
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import heads, merkle, receipt, records
from gateway.audit.chain import Chain
from gateway.audit.defined import ColumnsCard, RulingCard, SessionCard
from gateway.audit.heads import Checkpoint, Head, Key, LogWriter, Seal, TreeHead
from gateway.audit.receipt import Broken, ExtensionProof, KeptHead, RecordProof
from gateway.audit.records import ColumnsInfo, RulingInfo, SessionInfo
from gateway.audit.segment import Frame, cut, frame
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
        columns = ColumnsCard(
            ColumnsInfo((("public.customers.email", "email", "redact"),), ("public.customers.id",))
        )
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
        self.entries = [
            Key(PUBLIC),
            Checkpoint(b"", ()),
            Seal(self.head, 1, NOW, NOW + 40),
            Checkpoint(b"", ()),
        ]
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
            tuple(
                receipt.leaf_of(whole, at + 1, self.tree) for at, whole in zip(chosen, wholes, strict=True)
            ),
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


def with_change(original: Any, path: tuple[Any, ...]) -> Any:
    document = json.loads(json.dumps(original))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = changed(place[path[-1]])
    return document


@pytest.mark.parametrize("entry", [1, 2], ids=["checkpoint", "seal"])
def test_every_part_matters(entry: int) -> None:
    original = json.loads(receipt.encode(TRAIL.proof(SEQS[-2], entry)))
    for path in walk(original):
        with pytest.raises(Broken):
            receipt.check(receipt.read(json.dumps(with_change(original, path)).encode()), verify, PUBLIC)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("tree_head", "root"), str.upper),
        (("tree_head", "root"), lambda text: text[:2] + " " + text[2:]),
        (("tree_head", "size"), lambda size: size + 2**70),
        (("tree_head", "time_ns"), lambda _: 2**70),
        (("tree_head", "time_ns"), lambda _: -1),
        (("tree_head", "key"), lambda _: "00"),
        (("frames", 0, "index"), lambda _: 2**70),
        (("heads",), lambda _: 2**70),
        (("record", "rows"), float),
        (("record", "duration_us"), lambda _: 5.0),
        (("record", "more"), lambda _: 1),
    ],
)
def test_another_writing_of_a_proof_is_none(path: tuple[Any, ...], change: Any) -> None:
    document = json.loads(receipt.encode(TRAIL.proof(SEQS[-2], 1)))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = change(place.get(path[-1]) if isinstance(place, dict) else place[path[-1]])
    with pytest.raises(Broken):
        receipt.check(receipt.read(json.dumps(document).encode()), verify, PUBLIC)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
    | st.datetimes(timezones=st.just(UTC)) | st.builds(msgspec.msgpack.Ext, st.integers(0, 9), st.binary(max_size=3)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


@given(st.data())
def test_frames_that_no_gateway_wrote_are_broken_at_most(data: st.DataObject) -> None:
    """Whoever signs a log of his own can put into it what he likes: the checker must stand it."""
    frames = []
    for at in receipt.wanted(TRAIL.frames, data.draw(st.sampled_from(SEQS))):
        each = TRAIL.frames[at]
        fields = msgspec.msgpack.decode(each.payload)
        if data.draw(st.booleans()):
            fields[data.draw(st.integers(0, len(fields) - 1))] = data.draw(VALUES)
        frames.append(frame(each.kind, each.seq, each.time_ns, msgspec.msgpack.encode(fields)))
    with contextlib.suppress(Broken):
        assert receipt.read_record(TRAIL.header, frames)["id"]


def test_keys_of_rows_travel_with_the_outcome() -> None:
    intent = next(each for each in TRAIL.frames if each.kind == records.INTENT)
    outcome = next(each for each in TRAIL.frames if each.kind == records.OUTCOME)
    frames = [each for each in TRAIL.frames if each.seq <= intent.seq]
    for of in (intent.seq, 1):
        said = records.Rows(of, "public.customers", False, 1, b"12345678")
        frames.append(Frame(records.ROWS, frames[-1].seq + 1, NOW, msgspec.msgpack.encode(said), 0, 0))
    frames.append(outcome._replace(seq=frames[-1].seq + 1))
    first = len(frames) - 4
    assert receipt.wanted(frames, frames[-1].seq)[-3:] == [first, first + 1, first + 3]


def test_two_roots_of_one_size_are_a_split_view() -> None:
    proven = [receipt.check(receipt.kept(LOG, TRAIL.log(count)[2]), verify, PUBLIC) for count in (2, 4, 4)]
    assert receipt.split_view([*proven, receipt.check(extension(2, 4), verify, PUBLIC)]) is None
    forked = Trail()
    forked.entries[1] = Checkpoint(merkle.EMPTY, ())
    other = receipt.check(receipt.kept(LOG, forked.log()[2]), verify, PUBLIC)
    assert receipt.split_view([*proven, other]) == (proven[1].tree_head, other.tree_head)


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
        receipt.check(
            msgspec.structs.replace(backwards, older=backwards.newer, newer=backwards.older), verify, PUBLIC
        )


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


PAGE = (Path(__file__).parents[3] / "docs" / "audit-proofs.md").read_text(encoding="utf-8")
PRINTED = PAGE.partition("```python\n")[2].partition("```")[0]
CHECKER = compile(PRINTED, "audit-proofs.md", "exec")
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def printed_checker_holds(folder: Path, document: object, pem: bytes = PEM) -> bool:
    (folder / "proof.json").write_text(json.dumps(document))
    (folder / "audit.pub").write_bytes(pem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["check.py", str(folder / "proof.json"), str(folder / "audit.pub")])
        try:
            exec(CHECKER, {})
        except (SystemExit, InvalidSignature, ValueError, LookupError, TypeError, OverflowError):
            return False
    return True


def test_printed_checker_needs_little() -> None:
    imported = {
        name
        for each in ast.walk(ast.parse(PRINTED))
        for name in ([each.module] if isinstance(each, ast.ImportFrom) else [n.name for n in getattr(each, "names", ())])
    }
    assert {str(name).partition(".")[0] for name in imported} == {"cryptography", "hashlib", "json", "msgspec", "sys"}


@pytest.mark.parametrize("entry", [1, 2], ids=["checkpoint", "seal"])
def test_printed_checker_finds_every_part_that_was_changed(
    entry: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = json.loads(receipt.encode(TRAIL.proof(SEQS[-2], entry)))
    assert printed_checker_holds(tmp_path, original)
    said = capsys.readouterr().out
    assert f"record {original['record']['id']}" in said
    assert "bob" in said
    for path in walk(original):
        if path[0] != "record" and not (entry == 2 and path[0] in ("head", "heads")):  # which it does not read
            assert not printed_checker_holds(tmp_path, with_change(original, path)), path


def test_printed_checker_agrees_about_heads_and_extensions(tmp_path: Path) -> None:
    other = OTHER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    documents = [extension(older, newer) for older in range(1, 5) for newer in range(older, 5)]
    for made in (receipt.kept(LOG, TRAIL.log()[2]), *documents):
        document = json.loads(receipt.encode(made))
        assert printed_checker_holds(tmp_path, document)
        assert not printed_checker_holds(tmp_path, document, other)
        for path in walk(document):
            assert not printed_checker_holds(tmp_path, with_change(document, path)), path
