"""What takes the place of a cell: the masks, one cell at a time. `kernels` repeats the same arithmetic on arrays."""

from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct

from gateway.masking.tokens import Mint, mint

REDACTED = b"[redacted]"
STARS = b"****"
NULL_CELL = b"\xff\xff\xff\xff"  # a DataRow's length field of -1

# Types whose text and binary wire forms are the same bytes, any string being valid (pg_type oids).
TEXT_TYPES = frozenset({25, 1043, 1042, 19, 705})  # text varchar bpchar name unknown

# The part of a cell that partial leaves standing: ASCII letters and digits. All else becomes a star, so that no quote,
# separator or half character gets out.
TAIL = bytes(byte if chr(byte).isalnum() and byte < 128 else 42 for byte in range(256))

BPCHAR = 1042  # char(n): blanks at its end mean nothing
_VARCHAR = 1043
_TYPMOD_HEAD = 4  # a length's type modifier counts the header of the value too

_LENGTH = Struct(">i").pack
_ARRAY = Struct(">iiIiii").pack  # dimensions, whether there are NULLs, type of elements, length, first index, bytes

# Types with a constant of their own, by pg_type oid: as text, and in binary (array.c, jsonb.c, xml.c).
_CONSTANTS: dict[int, tuple[bytes, bytes]] = {
    114: (b'"[redacted]"', b'"[redacted]"'),  # json
    3802: (b'"[redacted]"', b'\x01"[redacted]"'),  # jsonb
    142: (b"<redacted/>", b"<redacted/>"),  # xml
    **{
        array: (b"{[redacted]}", _ARRAY(1, 0, element, 1, 1, len(REDACTED)) + REDACTED)
        for array, element in ((1009, 25), (1015, 1043), (1014, 1042), (1003, 19))
    },
}


def constant(type_oid: int, typmod: int = -1, *, binary: bool = False) -> bytes | None:
    """What stands for a hidden value of this type, so that a client's decoder can read it; None, NULL, where no value of the
    type says that it is none: numbers, dates, uuid, inet, bytea and whatever is not known."""
    if type_oid in TEXT_TYPES:
        if type_oid in (BPCHAR, _VARCHAR) and 0 <= typmod - _TYPMOD_HEAD < len(REDACTED):
            return b"*" * (typmod - _TYPMOD_HEAD)
        return REDACTED
    both = _CONSTANTS.get(type_oid)
    return None if both is None else both[binary]


class How(IntEnum):
    FIXED = 1  # one constant, or NULL
    PARTIAL = 2  # stars and the last characters
    HASH = 3  # a keyed token: equal values, equal tokens


@dataclass(frozen=True, slots=True)
class CellMask:
    """One column's mask.

    `value` is FIXED's constant (None: NULL). `nulls`: a NULL stays NULL; False for expressions, where a NULL already tells
    something of the operands. `keep` is PARTIAL's number of characters. `label` and `key` make HASH's tokens. `blanks`:
    those at the end of a value mean nothing, so that the same value of another type has the same token.
    """

    how: How
    value: bytes | None = None
    nulls: bool = True
    keep: int = 0
    label: str = ""
    key: bytes = field(default=b"", repr=False)
    blanks: bool = False
    packed: bytes = field(init=False, repr=False, compare=False)  # FIXED's cell with its length field
    _mint: Mint = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        assert self.nulls or self.how is How.FIXED, "only a constant can stand for NULL too"
        assert self.keep >= 0, "a count"
        packed = NULL_CELL if self.value is None else _LENGTH(len(self.value)) + self.value
        object.__setattr__(self, "packed", packed)
        if self.how is How.HASH:
            object.__setattr__(self, "_mint", mint(self.key, self.label))

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
            return self._mint.token(cell.rstrip(b" ") if self.blanks else cell)
        kept = min(self.keep, len(cell) // 2)
        return STARS + cell[len(cell) - kept :].translate(TAIL)

    def tokens(self, cells: list[bytes]) -> list[bytes]:
        """As `cell`, for HASH and many cells."""
        return self._mint.tokens([cell.rstrip(b" ") for cell in cells] if self.blanks else cells)
