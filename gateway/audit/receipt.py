"""Proofs that travel: that a record is in the trail, and that a later signed tree head goes on from an earlier one.

Each is a JSON object that is checked with the public key alone. Both are RFC 9162's proofs (sections 2.1.3 and 2.1.4), used
twice: the record's frames are leaves of their segment's tree; the root of that tree stands in a seal or checkpoint, which is
an entry of the log; the log's root is signed. All bytes are lower-case hexadecimal: a proof can be written in one way only.
docs/audit-proofs.md has the format for those who write a checker of their own.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from gateway.audit import heads, merkle, records
from gateway.audit.heads import Checkpoint, Head, Key, Seal, TreeHead, Verify
from gateway.audit.query import Joiner, to_json
from gateway.audit.segment import Damage, Frame, cut, read_header

_ENTRY: Final = struct.Struct("<BQQ")
_Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]  # what MessagePack and calendars can hold


class Broken(Exception):
    """The proof does not hold; the text says which part."""


class KeptHead(msgspec.Struct, frozen=True, tag="tree-head", tag_field="kind", forbid_unknown_fields=True):
    """A signed tree head, to be kept where the gateway's host cannot reach it."""

    log: str
    size: _Count
    root: str
    time_ns: _Count
    key: str
    signature: str


class Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of a tree, where it stands, and the way to the root."""

    data: str
    index: _Count
    proof: tuple[str, ...]


class RecordProof(msgspec.Struct, frozen=True, tag="record", tag_field="kind", forbid_unknown_fields=True):
    """A record is in the trail. `header` and `frames` are leaves of the segment's tree; `head` is a leaf of the checkpoint's
    tree of `heads` leaves, null where `entry` is the segment's seal; `entry` and `keys` are leaves of the log.
    """

    record: dict[str, Any]  # for people; whoever checks reads the frames instead
    header: Leaf
    frames: tuple[Leaf, ...]
    head: Leaf | None
    heads: _Count
    entry: Leaf
    keys: tuple[Leaf, ...]
    tree_head: KeptHead


class ExtensionProof(
    msgspec.Struct, frozen=True, tag="extension", tag_field="kind", forbid_unknown_fields=True
):
    """The newer tree head's log begins with the older one's."""

    older: KeptHead
    newer: KeptHead
    proof: tuple[str, ...]
    keys: tuple[Leaf, ...]


Document = KeptHead | RecordProof | ExtensionProof
_decoder: Final[msgspec.json.Decoder[Document]] = msgspec.json.Decoder(Document)


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof shows: the record as its frames say (nothing for tree heads), and whose word it is."""

    record: dict[str, Any]
    tree_head: KeptHead
    older: KeptHead | None = None
    by: str = ""  # "seal" or "checkpoint"
    stated_ns: int = 0  # when that was written


def read(data: bytes) -> Document:
    """The document of a file. Raises Broken."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as fault:
        raise Broken(f"this is no receipt of the audit: {fault}") from None


def encode(document: Document, indent: int = 1) -> bytes:
    """The document as a file, laid out for people; on one line where `indent` is -1."""
    return msgspec.json.format(msgspec.json.encode(document), indent=indent) + b"\n"


def kept(log: bytes, head: TreeHead) -> KeptHead:
    """A tree head as a document."""
    return KeptHead(log.hex(), head.size, head.root.hex(), head.time_ns, head.key.hex(), head.signature.hex())


def tree_head(document: KeptHead) -> TreeHead:
    """A document as the tree head that the log holds. Raises Broken."""
    parts = (_bytes(document.root), _bytes(document.key), _bytes(document.signature))
    return TreeHead(document.size, parts[0], document.time_ns, *parts[1:])


def leaf_of(data: bytes, index: int, leaves: Sequence[bytes]) -> Leaf:
    """An entry with its proof in the tree of these leaf hashes."""
    return Leaf(data.hex(), index, tuple(each.hex() for each in merkle.inclusion(leaves, index)))


def wanted(frames: Iterable[Frame], seq: int) -> list[int]:
    """Which of a segment's frames, in order, it takes to read record `seq`: definitions, the intent of an outcome and the
    keys of its rows, and the record itself. Empty where the segment does not hold it.

    Raises ValueError where a frame does not decode.
    """
    definitions: dict[tuple[int, int], int] = {}
    intents: dict[int, tuple[int, int, int]] = {}  # by number: the frame, its session and ruling
    rows: dict[int, list[int]] = {}  # by intent
    for at, frame in enumerate(frames):
        kind = frame.kind
        if kind <= records.COLUMNS:
            definitions[kind, records.decode(kind, frame.payload).number] = at
        elif kind == records.INTENT:
            said = records.decode(kind, frame.payload)
            intents[frame.seq] = (at, said.session, said.ruling)
        elif kind == records.CARRIED:
            said = records.decode(kind, frame.payload)
            intents[said.intent] = (at, said.session, said.ruling)
        elif kind == records.ROWS:
            rows.setdefault(records.decode(kind, frame.payload).intent, []).append(at)
        if frame.seq == seq:
            return _needs(at, frame, definitions, intents, rows)
        if kind == records.OUTCOME:  # its intent is nobody else's
            said = records.decode(kind, frame.payload)
            intents.pop(said.intent, None)
            rows.pop(said.intent, None)
    return []


def _needs(
    at: int,
    frame: Frame,
    definitions: dict[tuple[int, int], int],
    intents: dict[int, tuple[int, int, int]],
    rows: dict[int, list[int]],
) -> list[int]:
    said = records.decode(frame.kind, frame.payload)
    needs = {at}
    if isinstance(said, records.Outcome) and said.intent in intents:
        needs |= {intents[said.intent][0], *rows.get(said.intent, ())}
        if said.columns:
            needs.add(definitions[records.COLUMNS, said.columns])
    intent = intents.get(said.intent if isinstance(said, records.Outcome) else frame.seq)
    if intent is not None:
        needs |= {definitions[records.SESSION, intent[1]], definitions[records.RULING, intent[2]]}
    if isinstance(said, records.Event) and said.session:
        needs.add(definitions[records.SESSION, said.session])
    return sorted(needs)


def read_record(header: bytes, frames: Iterable[bytes]) -> dict[str, Any]:
    """The record that the last of a segment's frames is, as `sluice audit show --json` prints it. Raises Broken."""
    found = read_header(header)
    if found is None or isinstance(found, Damage) or found[1] != len(header):
        raise Broken("the segment's header cannot be read")
    joiner = Joiner()
    joiner.begin(found[0])
    entry = None
    for each in frames:
        cuts, used, _ = cut(each, 0, 0)
        if len(cuts) != 1 or used != len(each):
            raise Broken("a frame of the record cannot be read")
        try:
            entry = joiner.read(cuts[0])
        except ValueError:
            raise Broken("a frame of the record cannot be understood") from None
    if entry is None:
        raise Broken("the last frame is no record")
    try:
        shown: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(to_json(entry)))
    except (
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
    ):  # an event may hold anything; ours hold JSON
        raise Broken("the record holds what no record of the gateway does") from None
    return shown


def check(document: Document, verify: Verify, trusted: bytes | None = None) -> Proven:
    """What the document proves, `trusted` being the raw public key that the reader holds. Raises Broken."""
    if isinstance(document, KeptHead):
        _check_signature(document, verify)
        _check_trust([_bytes(document.key)], trusted)
        return Proven({}, document)
    if isinstance(document, ExtensionProof):
        return _check_extension(document, verify, trusted)
    return _check_record(document, verify, trusted)


def split_view(proven: Iterable[Proven]) -> tuple[KeptHead, KeptHead] | None:
    """Two signed tree heads of one log and one size whose roots differ: whoever holds the key has shown different logs to
    different people, and these two are the evidence. Heads of different sizes are compared by an extension.
    """
    known: dict[tuple[str, int], KeptHead] = {}
    for each in proven:
        for head in (each.tree_head, each.older):
            if head is not None and known.setdefault((head.log, head.size), head).root != head.root:
                return known[head.log, head.size], head
    return None


def _check_extension(document: ExtensionProof, verify: Verify, trusted: bytes | None) -> Proven:
    older, newer = document.older, document.newer
    _check_signature(older, verify)
    keys = _check_keys(document.keys, newer, verify, trusted)
    if older.log != newer.log:
        raise Broken("the two tree heads are of different logs")
    if _bytes(older.key) not in keys:
        raise Broken("the older tree head was signed by a key that the log does not know")
    proof = [_bytes(each) for each in document.proof]
    if not merkle.extends(older.size, newer.size, _bytes(older.root), _bytes(newer.root), proof):
        raise Broken(
            "the newer tree head does not go on from the older one: the log was cut or rewritten between them"
        )
    return Proven({}, newer, older)


def _check_record(document: RecordProof, verify: Verify, trusted: bytes | None) -> Proven:
    signed = document.tree_head
    _check_keys(document.keys, signed, verify, trusted)
    _included(document.entry, signed.size, _bytes(signed.root), "the seal or checkpoint")
    kind, stated_ns, entry = _entry(document.entry)
    if isinstance(entry, Seal):
        if document.head is not None or document.heads:
            raise Broken("a seal has no tree of heads")
        head = entry.head
    elif isinstance(entry, Checkpoint) and document.head is not None:
        _included(document.head, document.heads, entry.root, "the chain's head")
        head = _decode_head(_bytes(document.head.data))
    else:
        raise Broken("the entry is no seal and no checkpoint of this segment")
    if document.header.index != 0 or not document.frames:
        raise Broken("the segment's header or the record's frames are missing")
    for at, leaf in enumerate((document.header, *document.frames)):
        _included(leaf, head.frames + 1, head.root, "a frame of the record" if at else "the segment's header")
    order = [leaf.index for leaf in document.frames]
    if order != sorted(set(order)) or order[0] < 1:
        raise Broken("the frames are not in the segment's order")
    header = _bytes(document.header.data)
    found = read_header(header)
    if (
        found is None
        or isinstance(found, Damage)
        or (found[0].chain, found[0].segment) != (head.chain, head.segment)
    ):
        raise Broken("the header is not that of the segment that was signed")
    record = read_record(header, [_bytes(leaf.data) for leaf in document.frames])
    if not _same(record, document.record):
        raise Broken("the record that is shown is not the one that its frames hold")
    return Proven(record, signed, by="seal" if kind == heads.SEAL else "checkpoint", stated_ns=stated_ns)


def _same(ours: dict[str, Any], shown: dict[str, Any]) -> bool:
    """Whether both are the same JSON: to Python 1, 1.0 and true are equal."""
    if ours != shown:
        return False
    texts = [msgspec.json.encode(each, order="sorted") for each in (ours, shown)]
    return texts[0] == texts[1]


def _check_keys(
    leaves: tuple[Leaf, ...], signed: KeptHead, verify: Verify, trusted: bytes | None
) -> list[bytes]:
    """The keys of the log up to the one that signed, each with the word of the one before."""
    _check_signature(signed, verify)
    keys: list[bytes] = []
    for leaf in leaves:
        _included(leaf, signed.size, _bytes(signed.root), "a key")
        _, _, key = _entry(leaf)
        if not isinstance(key, Key):
            raise Broken("an entry that should be a key is something else")
        if keys and not verify(keys[-1], key.endorsed, heads.endorsement(_bytes(signed.log), key.public)):
            raise Broken("the key was replaced without the old one's word")
        keys.append(key.public)
    order = [leaf.index for leaf in leaves]
    if not keys or order[0] != 0 or order != sorted(set(order)) or keys[-1] != _bytes(signed.key):
        raise Broken("the keys do not lead from the log's first to the one that signed")
    _check_trust(keys, trusted)
    return keys


def _check_trust(keys: list[bytes], trusted: bytes | None) -> None:
    if trusted is not None and trusted not in keys:
        raise Broken("it is signed by a key that is not yours")


def _check_signature(document: KeptHead, verify: Verify) -> None:
    if not heads.is_signed(_bytes(document.log), tree_head(document), verify):
        raise Broken("the signature of the tree head does not hold")


def _included(leaf: Leaf, size: int, root: bytes, what: str) -> None:
    proof = [_bytes(each) for each in leaf.proof]
    if not merkle.included(merkle.leaf(_bytes(leaf.data)), leaf.index, size, proof, root):
        raise Broken(f"{what} is not in the tree that its proof leads to")


def _entry(leaf: Leaf) -> tuple[int, int, heads.Entry | TreeHead]:
    data = _bytes(leaf.data)
    if len(data) < _ENTRY.size:
        raise Broken("an entry of the log is too short")
    kind, index, time_ns = _ENTRY.unpack_from(data)
    if index != leaf.index:
        raise Broken("an entry of the log is not the one at this place")
    try:
        return kind, time_ns, heads.decode(Frame(kind, index, time_ns, data[_ENTRY.size :], 0, 0))
    except ValueError:
        raise Broken("an entry of the log cannot be read") from None


def _decode_head(data: bytes) -> Head:
    try:
        return msgspec.msgpack.decode(data, type=Head)
    except ValueError:
        raise Broken("the chain's head cannot be read") from None


def _bytes(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise Broken("a part of it is no hexadecimal text") from None
    if data.hex() != text:  # fromhex lets spaces and capitals pass
        raise Broken("a part of it is no plain hexadecimal text")
    return data
