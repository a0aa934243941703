"""What takes the place of a cell: the masks, one cell at a time. `kernels` repeats the same arithmetic on arrays."""

import hmac
import re
from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct

REDACTED = b"[redacted]"
STARS = b"****"
HASH_HEX_DIGITS = 20
NULL_CELL = b"\xff\xff\xff\xff"  # a DataRow's length field of -1

# Types whose text and binary wire forms are the same bytes, any string being valid (pg_type oids).
TEXT_TYPES = frozenset({25, 1043, 1042, 19, 705})  # text varchar bpchar name unknown

# The part of a cell that partial leaves standing: ASCII letters and digits. All else becomes a star, so that no quote,
# separator or half character gets out.
TAIL = bytes(byte if chr(byte).isalnum() and byte < 128 else 42 for byte in range(256))

_LENGTH = Struct(">i").pack
_LABEL_JUNK = re.compile(r"[^0-9A-Za-z]+")


class How(IntEnum):
    FIXED = 1  # one constant, or NULL
    PARTIAL = 2  # stars and the last characters
    HASH = 3  # a keyed token: equal values, equal tokens


@dataclass(frozen=True, slots=True)
class CellMask:
    """One column's mask.

    `value` is FIXED's constant (None: NULL). `nulls`: a NULL stays NULL; False for expressions, where a NULL already tells
    something of the operands. `keep` is PARTIAL's number of characters. `label` and `key` make HASH's tokens.
    """

    how: How
    value: bytes | None = None
    nulls: bool = True
    keep: int = 0
    label: str = ""
    key: bytes = b""
    packed: bytes = field(init=False, repr=False, compare=False)  # FIXED's cell with its length field
    token_head: bytes = field(init=False, repr=False, compare=False)
    _salt: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        assert self.nulls or self.how is How.FIXED, "only a constant can stand for NULL too"
        assert self.keep >= 0, "a count"
        packed = NULL_CELL if self.value is None else _LENGTH(len(self.value)) + self.value
        object.__setattr__(self, "packed", packed)
        object.__setattr__(self, "token_head", b"tok_" + _LABEL_JUNK.sub("_", self.label).encode() + b"_")
        object.__setattr__(self, "_salt", self.label.encode() + b"\0")

    @property
    def name(self) -> str:
        """As the audit names it."""
        if self.how is How.FIXED:
            return "null" if self.value is None else "redact"
        return "partial" if self.how is How.PARTIAL else "hash"

    def cell(self, cell: bytes | None) -> bytes | None:
        """The cell that goes out instead. None is NULL."""
        if cell is None and self.nulls:
            return None
        if self.how is How.FIXED:
            return self.value
        assert cell is not None, "the constructor holds it"
        if self.how is How.HASH:
            return self.token(cell)
        kept = min(self.keep, len(cell) // 2)
        return STARS + cell[len(cell) - kept :].translate(TAIL)

    def token(self, cell: bytes) -> bytes:
        """`tok_<label>_<20 hex>`: HMAC-SHA-256 (RFC 2104) over label and value, so that a token can neither be guessed from
        a list of values without the key nor be joined across labels. Its length is `token_bytes`."""
        digest = hmac.digest(self.key, self._salt + cell, "sha256").hex()
        return self.token_head + digest[:HASH_HEX_DIGITS].encode()

    @property
    def token_bytes(self) -> int:
        return len(self.token_head) + HASH_HEX_DIGITS
