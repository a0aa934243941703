"""Hash tokens: what stands for a value so that equal values stay equal, and what only this gateway can turn back.

A token is `tok_<label>_<body>`. Its body is AES-SIV (RFC 5297) of the value, padded to blocks of 16 bytes: the same value of
the same label is the same token in every worker and after every restart, no list of guesses finds a value without the key,
a token tells no more of the length than how many blocks there are, and no store is needed to go back. The key of each label
is derived from the installation's mask key (HKDF, RFC 5869), so that tokens of two labels never compare equal. Values of
more than VALUE_BYTES_MAX bytes get a keyed digest: such a token joins and counts, and does not lead back.

The alphabet is base32 in small letters: no character means anything to SQL, csv or an array's text, and a client that
changes the case loses nothing.
"""

import hmac
import re
from functools import lru_cache

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VALUE_BYTES_MAX = 96
TOKEN_BYTES_MAX = 320  # of any token whose label has at most 64 bytes, with room to spare
_BLOCK = 16
_TAG = 16  # bytes of AES-SIV's synthetic initialisation vector, which authenticates too
_DIGEST = 21  # 34 characters, a length that other people's tokens seldom have
_MINTS_MAX = 256  # labels in use at one time, of all keys

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [(first + second).encode() for first in _ALPHABET for second in _ALPHABET]
_LETTERS = np.frombuffer(_ALPHABET.encode(), np.uint8)
_WEIGHTS = np.array([16, 8, 4, 2, 1], np.uint8)
_DIGITS = {letter: number for number, letter in enumerate(_ALPHABET)}
_LABEL_JUNK = re.compile(r"[^0-9A-Za-z]+")
_SEALED = tuple(_TAG + size for size in range(_BLOCK, VALUE_BYTES_MAX + _BLOCK + 1, _BLOCK))
_BODIES = {(size * 8 + 4) // 5: size for size in (_DIGEST, *_SEALED)}  # characters: bytes

# What looks like a token of some label: the alphabet and the lengths are ours, in small letters or capitals throughout.
_SMALL = rb"tok_(?:[0-9a-z]+_)+(?:%b)(?![0-9A-Za-z_])" % b"|".join(
    b"[a-z2-7]{%d}" % length for length in sorted(_BODIES, reverse=True)
)
_CAPITALS = _SMALL.replace(b"tok", b"TOK").replace(b"a-z2", b"A-Z2").replace(b"0-9a-z]+", b"0-9A-Z]+")
SHAPE = re.compile(_SMALL + b"|" + _CAPITALS)


class Mint:
    """Makes and reads the tokens of one label. `head` is what they all begin with."""

    __slots__ = ("_aad", "_cipher", "_digest_key", "head")

    def __init__(self, key: bytes, label: str) -> None:
        """`key` is the installation's secret, of any length."""
        info = b"sluice mask token\0" + label.encode()
        derived = HKDF(SHA256(), 96, None, info).derive(key)
        self._cipher = AESSIV(derived[:64])
        self._digest_key = derived[64:]
        self._aad = [label.encode()]
        slug = _LABEL_JUNK.sub("_", label).strip("_").lower()[:64] or "value"
        self.head = f"tok_{slug}_".encode()

    def token(self, value: bytes) -> bytes:
        """The token of a value."""
        return self.head + _spelled(self._sealed(value))

    def tokens(self, values: list[bytes]) -> list[bytes]:
        """The tokens of many values; one that comes again costs nothing."""
        sealed = {value: self._sealed(value) for value in set(values)}
        spelled = _spelled_many(set(sealed.values()))
        return [self.head + spelled[sealed[value]] for value in values]

    def _sealed(self, value: bytes) -> bytes:
        size = len(value)
        if size > VALUE_BYTES_MAX:
            return hmac.digest(self._digest_key, value, "sha256")[:_DIGEST]
        fill = _BLOCK - size % _BLOCK
        return self._cipher.encrypt(value + bytes((fill,)) * fill, self._aad)

    def value(self, token: bytes) -> bytes | None:
        """The value that a token stands for; None where it is none of this label and key, or does not lead back."""
        token = token.lower()
        if not token.startswith(self.head):
            return None
        sealed = _read(token[len(self.head) :])
        if sealed is None or len(sealed) == _DIGEST:
            return None
        try:
            padded = self._cipher.decrypt(sealed, self._aad)
        except InvalidTag:
            return None
        return padded[: -padded[-1]]


@lru_cache(maxsize=_MINTS_MAX)
def mint(key: bytes, label: str) -> Mint:
    """The mint of a label under the installation's key."""
    return Mint(key, label)


def is_token(text: bytes) -> bool:
    """Whether the whole text looks like a token, of whatever label and key."""
    return SHAPE.fullmatch(text) is not None


def _spelled(raw: bytes) -> bytes:
    """Base32 without padding, two characters at a time: four times as fast as base64.b32encode."""
    bits = len(raw) * 8
    spare = -bits % 10
    number = int.from_bytes(raw, "big") << spare
    text = b"".join([_PAIRS[number >> shift & 1023] for shift in range(bits + spare - 10, -1, -10)])
    return text[: (bits + 4) // 5]


def _spelled_many(raws: set[bytes]) -> dict[bytes, bytes]:
    """As `_spelled`, of all at once."""
    by_size: dict[int, list[bytes]] = {}
    for raw in raws:
        by_size.setdefault(len(raw), []).append(raw)
    spelled: dict[bytes, bytes] = {}
    for size, same in by_size.items():
        letters = (size * 8 + 4) // 5
        bits = np.zeros((len(same), letters * 5), np.uint8)
        bits[:, : size * 8] = np.unpackbits(np.frombuffer(b"".join(same), np.uint8)).reshape(len(same), -1)
        digits = bits.reshape(-1, 5) @ _WEIGHTS
        text = _LETTERS[digits].tobytes()
        spelled.update(zip(same, (text[at : at + letters] for at in range(0, len(text), letters)), strict=True))
    return spelled


def _read(body: bytes) -> bytes | None:
    """The bytes that were spelled so; None where nothing is spelled so."""
    size = _BODIES.get(len(body))
    if size is None:
        return None
    number = 0
    for letter in body.decode("ascii", "replace"):
        digit = _DIGITS.get(letter)
        if digit is None:
            return None
        number = number << 5 | digit
    spare = len(body) * 5 - size * 8
    return None if number & ((1 << spare) - 1) else (number >> spare).to_bytes(size, "big")
