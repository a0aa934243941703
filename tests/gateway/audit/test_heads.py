"""The log of heads: what is written can be read back, hashes to the signed root, and every field of it is signed."""

import hashlib

from gateway.audit import heads, merkle
from gateway.audit.heads import Checkpoint, Head, Key, LogWriter, Seal, TreeHead
from gateway.audit.segment import cut

LOG, PUBLIC, NOW = b"l" * 16, b"p" * 32, 1_700_000_000_000_000_000
HEAD = Head(b"c" * 16, 3, 4096, b"d" * 32, 77, 70, b"r" * 32)


def sign(message: bytes) -> bytes:
    return hashlib.sha512(b"secret" + message).digest()


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    return public == PUBLIC and signature == sign(message)


def written() -> list[heads.Frame]:
    writer = LogWriter(LOG, merkle.Tree(), PUBLIC, sign)
    assert writer.append(NOW, Key(PUBLIC)) == 0
    first = writer.take(NOW)
    assert writer.append(NOW + 1, Checkpoint(heads.heads_root((HEAD,)), (HEAD,))) == 1
    assert writer.append(NOW + 2, Seal(HEAD, 1, NOW, NOW + 2)) == 2
    data = first + writer.take(NOW + 3)
    frames, used, why = cut(data, 0, 0)
    assert (used, why) == (len(data), "")
    return frames


def test_entries_hash_to_the_root_that_is_signed() -> None:
    leaves: list[bytes] = []
    sizes = []
    for frame in written():
        said = heads.decode(frame)
        if isinstance(said, TreeHead):
            sizes.append(said.size)
            assert frame.seq == said.size == len(leaves)
            assert said.root == merkle.root(leaves)
            assert heads.is_signed(LOG, said, verify)
            assert not heads.is_signed(b"x" * 16, said, verify)
            assert not heads.is_signed(LOG, TreeHead(said.size, b"x" * 32, said.time_ns, said.key, said.signature), verify)
        else:
            assert frame.seq == len(leaves)
            leaves.append(merkle.leaf(heads.entry_bytes(frame)))
    assert sizes == [1, 3]


def test_head_is_a_leaf_of_its_checkpoint() -> None:
    others = tuple(Head(bytes([n]) * 16, n, n, b"d" * 32, n, n, b"r" * 32) for n in range(3))
    known = [merkle.leaf(heads.head_bytes(each)) for each in others]
    proof = merkle.inclusion(known, 1)
    assert merkle.included(known[1], 1, 3, proof, heads.heads_root(others))
