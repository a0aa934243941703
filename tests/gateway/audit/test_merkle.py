"""Merkle trees against the definitions of RFC 9162, written out recursively; proofs must fail when anything moves."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import merkle

SIZES = st.integers(min_value=1, max_value=70)


def entries(count: int) -> list[bytes]:
    return [bytes([each]) * (each % 5) for each in range(count)]


def defined(of: list[bytes]) -> bytes:
    """MTH of section 2.1.1, word for word."""
    if not of:
        return hashlib.sha256(b"").digest()
    if len(of) == 1:
        return hashlib.sha256(b"\0" + of[0]).digest()
    k = 1
    while k * 2 < len(of):
        k *= 2
    return hashlib.sha256(b"\1" + defined(of[:k]) + defined(of[k:])).digest()


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf(each) for each in entries(count)]


def test_root_is_the_one_the_rfc_defines() -> None:
    for count in range(70):
        assert merkle.root(leaves(count)) == defined(entries(count))


def test_root_of_no_entries_is_the_hash_of_nothing() -> None:
    assert merkle.Tree().root() == merkle.EMPTY == merkle.root([])


def test_tree_has_every_root_on_its_way() -> None:
    tree = merkle.Tree()
    for count, each in enumerate(leaves(40), 1):
        tree.add(each)
        assert (tree.size, tree.root()) == (count, defined(entries(count)))


@given(SIZES, st.data())
def test_entry_is_proven_where_it_is_and_nowhere_else(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    known = leaves(size)
    proof, root = merkle.inclusion(known, index), merkle.root(known)
    assert len(proof) <= (size - 1).bit_length()
    assert merkle.included(known[index], index, size, proof, root)
    assert not merkle.included(merkle.leaf(b"another"), index, size, proof, root)
    assert not merkle.included(known[index], size, size, proof, root)
    assert not merkle.included(known[index], index, size, [*proof, bytes(32)], root)
    assert not any(merkle.included(known[index], other, size, proof, root) for other in range(size) if other != index)
    for cut in range(len(proof)):
        assert not merkle.included(known[index], index, size, proof[:cut] + proof[cut + 1 :], root)


@given(SIZES, st.data())
def test_longer_tree_is_proven_to_begin_with_the_shorter(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, size))
    known = leaves(size)
    proof, old, new = merkle.consistency(known, first), merkle.root(known[:first]), merkle.root(known)
    assert merkle.extends(first, size, old, new, proof)
    assert merkle.extends(0, size, merkle.EMPTY, new, [])
    assert not merkle.extends(size, first, new, old, proof) or first == size
    assert not merkle.extends(first, size, bytes(32), new, proof)
    assert not merkle.extends(first, size, old, bytes(32), proof)
    assert not merkle.extends(first, size, old, new, [*proof, bytes(32)])
    changed = [merkle.leaf(b"changed"), *known[1:]]
    if first < size:
        assert not merkle.extends(first, size, old, merkle.root(changed), merkle.consistency(changed, first))
