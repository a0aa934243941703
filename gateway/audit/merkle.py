"""Merkle trees as RFC 9162 ("Certificate Transparency Version 2.0") defines them in section 2.1, over SHA-256: the
root of a list of entries, the short proof that an entry is in it, and the short proof that a longer list begins with it.

Hashes are 32 bytes. `Tree` grows entry by entry in memory that grows with the logarithm of its size.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

EMPTY: Final = hashlib.sha256(b"").digest()  # section 2.1.1: the root of no entries
_sha256 = hashlib.sha256


def leaf(entry: bytes) -> bytes:
    """An entry's leaf hash: 0x00 goes before it, so that no entry can pass for a node."""
    return _sha256(b"\0" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return _sha256(b"\1" + left + right).digest()


class Tree:
    """A list that only grows, kept as the roots of its perfect subtrees, largest first."""

    __slots__ = ("_roots", "size")

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def add(self, hashed: bytes) -> None:
        """Appends an entry by its leaf hash."""
        roots = self._roots
        self.size = size = self.size + 1
        while not size & 1:
            hashed = _sha256(b"\1" + roots.pop() + hashed).digest()
            size >>= 1
        roots.append(hashed)

    def root(self) -> bytes:
        """The Merkle tree hash of all entries so far."""
        if not self._roots:
            return EMPTY
        hashed = self._roots[-1]
        for left in self._roots[-2::-1]:
            hashed = node(left, hashed)
        return hashed


def root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of entries given by their leaf hashes."""
    tree = Tree()
    for each in leaves:
        tree.add(each)
    return tree.root()


def inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The proof that entry `index` is in the tree of these leaf hashes (section 2.1.3.1)."""
    assert 0 <= index < len(leaves)
    proof: list[bytes] = []
    start, end = 0, len(leaves)
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(root(leaves[middle:end]))
            end = middle
        else:
            proof.append(root(leaves[start:middle]))
            start = middle
    return proof[::-1]


def included(hashed: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Whether the proof leads from the leaf hash of entry `index` to the root of a tree of `size` (section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    first, last = index, size - 1
    for each in proof:
        if not last:
            return False
        if first & 1 or first == last:
            hashed = node(each, hashed)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            hashed = node(hashed, each)
        first, last = first >> 1, last >> 1
    return not last and hashed == expected


def consistency(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """The proof that the tree of these leaf hashes begins with the one of its `first` entries (section 2.1.4.1)."""
    assert 0 < first <= len(leaves)
    proof: list[bytes] = []
    start, end, whole = 0, len(leaves), True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            proof.append(root(leaves[middle:end]))
            end = middle
        else:
            proof.append(root(leaves[start:middle]))
            start, whole = middle, False
    if not whole:
        proof.append(root(leaves[start:end]))
    return proof[::-1]


def extends(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the proof shows that the tree of size `second` begins with the one of size `first` (section 2.1.4.2). A
    tree of no entries is the beginning of every tree.
    """
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof and first_root == EMPTY
    if not 0 < first < second or not proof:
        return False
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for each in path[1:]:
        if not last:
            return False
        if at & 1 or at == last:
            old, new = node(each, old), node(each, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node(new, each)
        at, last = at >> 1, last >> 1
    return not last and old == first_root and new == second_root


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1
