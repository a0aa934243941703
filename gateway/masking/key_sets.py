"""Keyed digests of primary keys, and sets of them: which rows were shown, without a value of them.

A digest is a pseudorandom function of the canonical key (key_cells) under the installation's digest key; without that key
no list of guesses finds a value. Keys of up to 15 bytes, behind their length, and of 16 bytes are one block of AES-256
each (under two keys, so that none of the two can be taken for the other); longer ones are hashed by keyed BLAKE2b (RFC
7693). AES, since a whole result's blocks are one call into OpenSSL: 0.02 microseconds a key.

A set is a form, the key's families (key_cells) behind their number, and then

    1   few keys: the first 6 bytes of each digest, sorted. A key that is not in it seems to be in it once in 2^48 for each
        key that is.
    2   many: the first `bits` bits of each, sorted, and each coded by what it adds to the one before (Golomb-Rice with a
        remainder of 24 bits: S. Golomb, 1966; R. Rice, 1979): u8 `bits`, all remainders, then all quotients in unary. `bits`
        is 24 more than the number of keys has, so a key that is not in it seems to be once in 2^24 or less.
    0   no set: why the keys are not known, in words.
"""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from gateway.masking.key_cells import BLOCK, Keys
from gateway.masking.key_forms import given

UNKNOWN: Final = 0
FEW: Final = 1
MANY: Final = 2
FEW_MAX: Final = 256  # keys of which the first bytes are kept
KEYS_MAX: Final = 32_768  # of one set: its bytes stay below 128 KiB
FEW_BYTES: Final = 6
REMAINDER_BITS: Final = 24  # three whole bytes


class Digester:
    """Makes the digests. `key` is 32 secret bytes, made for this alone."""

    __slots__ = ("_exact", "_long", "_short")

    def __init__(self, key: bytes) -> None:
        def cipher(use: bytes) -> Cipher[modes.ECB]:
            return Cipher(algorithms.AES(blake2b(key=key, person=use, digest_size=32).digest()), modes.ECB())  # noqa: S305 -- single blocks: a PRF, nothing is encrypted

        self._short = cipher(b"row key short").encryptor()
        self._exact = cipher(b"row key exact").encryptor()
        self._long = blake2b(key=key, person=b"row key long", digest_size=32).digest()

    def digests(self, keys: Keys) -> bytes:
        """16 bytes for each key, in no order."""
        found = self._short.update(keys.short.getvalue())
        exact = keys.exact.getvalue()
        if exact:
            found += self._exact.update(exact)
        if keys.long:
            secret = self._long
            found += b"".join([blake2b(key, key=secret, digest_size=BLOCK).digest() for key in keys.long])
        return found


def sets(digests: bytes, families: str) -> list[tuple[int, bytes]]:
    """Digests of 16 bytes each as sets: (different keys in it, the set), each below 128 KiB."""
    head = bytes((len(families),)) + families.encode()
    count = len(digests) // BLOCK
    if count == 1:
        return [(1, b"\x01" + head + digests[:FEW_BYTES])]
    if count <= FEW_MAX:
        few = sorted({digests[at : at + FEW_BYTES] for at in range(0, len(digests), BLOCK)})
        return [(len(few), b"\x01" + head + b"".join(few))]
    whole = np.frombuffer(digests, ">u8")[::2].astype(np.uint64)
    return [_many(whole[at : at + KEYS_MAX], b"\x02" + head) for at in range(0, count, KEYS_MAX)]


def not_known(why: str) -> bytes:
    """What stands in place of a set: why the keys are not known, without any value."""
    return b"\x00" + why.encode()


def _many(digests: np.ndarray[tuple[int], np.dtype[np.uint64]], head: bytes) -> tuple[int, bytes]:
    bits = len(digests).bit_length() + REMAINDER_BITS
    values = np.unique(digests >> np.uint64(64 - bits))
    steps = np.diff(values, prepend=np.uint64(0))
    remainders = (steps & np.uint64((1 << REMAINDER_BITS) - 1)).astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:]
    ends = np.cumsum((steps >> np.uint64(REMAINDER_BITS)).astype(np.int64) + 1) - 1
    unary = np.zeros(int(ends[-1]) + 1, np.uint8)
    unary[ends] = 1
    packed = np.packbits(unary).tobytes()
    return len(values), b"".join((head, bytes((bits,)), remainders.tobytes(), packed))


@dataclass(frozen=True, slots=True)
class Set:
    """A set that was read back. `why` says why the keys are not known, where they are not."""

    form: int
    families: str
    count: int
    body: bytes
    why: str = ""

    @property
    def error(self) -> float:
        """How often a key that is not in it seems to be."""
        if self.form == UNKNOWN:
            return 0.0
        return float(self.count * 2.0 ** (-8 * FEW_BYTES if self.form == FEW else -self.body[0]))

    def holds(self, digest: bytes) -> bool:
        """Whether the key of this digest (16 bytes) is in it."""
        if self.form == FEW:
            wanted = digest[:FEW_BYTES]
            return any(self.body[at : at + FEW_BYTES] == wanted for at in range(0, len(self.body), FEW_BYTES))
        if self.form == UNKNOWN:
            return False
        wanted_value = int.from_bytes(digest[:8], "big") >> (64 - self.body[0])
        values = self._values()
        at = int(np.searchsorted(values, np.uint64(wanted_value)))
        return at < len(values) and int(values[at]) == wanted_value

    def _values(self) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        width = REMAINDER_BITS // 8
        middle = 1 + width * self.count
        padded = np.zeros((self.count, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(self.body, np.uint8, width * self.count, 1).reshape(-1, width)
        ends = np.flatnonzero(np.unpackbits(np.frombuffer(self.body, np.uint8, offset=middle)))
        if len(ends) != self.count:
            raise ValueError("a set of digests does not hold what it says")
        quotients = np.diff(ends, prepend=-1) - 1
        remainders = padded.reshape(-1).view(">u4").astype(np.uint64)
        return np.cumsum((quotients.astype(np.uint64) << np.uint64(REMAINDER_BITS)) + remainders, dtype=np.uint64)


def read(packed: bytes, count: int) -> Set:
    """The set that `sets` packed. Raises ValueError where it is none."""
    form = packed[0] if packed else -1
    if form == UNKNOWN:
        return Set(form, "", 0, b"", packed[1:].decode("utf-8", "replace"))
    size = packed[1] if len(packed) > 1 else 0
    families, body = packed[2 : 2 + size].decode("ascii", "replace"), packed[2 + size :]
    if form == FEW:
        right = count > 0 and len(body) == count * FEW_BYTES
    else:
        right = form == MANY and count > 0 and len(body) > 1 + count * (REMAINDER_BITS // 8) and body[0] < 64
    if not right or not families:
        raise ValueError("a set of digests is damaged")
    return Set(form, families, count, body)


@dataclass(slots=True)
class Probe:
    """A key that is looked for: its parts as somebody typed them. What the columns are is known by each set alone."""

    digester: Digester
    parts: tuple[str, ...]
    _known: dict[str, bytes | None] = field(default_factory=dict)

    def digest(self, families: str) -> bytes | None:
        """Its digest where the columns are of these families; None where it cannot be a key of those."""
        if families not in self._known:
            self._known[families] = self._made(families)
        return self._known[families]

    def _made(self, families: str) -> bytes | None:
        if len(families) != len(self.parts):
            return None
        try:
            forms = [given(part, family) for part, family in zip(self.parts, families, strict=True)]
        except ValueError:
            return None
        keys = Keys(range(len(forms)), [0] * len(forms), families)
        keys.cells = forms
        keys.put()
        return self.digester.digests(keys)
