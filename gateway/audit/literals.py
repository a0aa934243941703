"""Keyed digests of literals and parameters: equal values are seen to be equal, and none can be read or guessed without
the key.

A digest is 8 bytes of BLAKE2b (RFC 7693) under the installation's audit key, over the value's text: of a literal what it
means (without quotes and escapes), of a parameter its text form. Binary parameters of integers, booleans, uuids and texts
are brought to that form, so that a value has one digest however it travels; other binary ones are digested with their
type, and are equal only among themselves. NULL is eight zero bytes. A sign before a number in a text is no part
of the literal.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from librt.strings import read_i16_be, read_i32_be
from mypy_extensions import i64

from parser.facts import LITERALS_MAX

DIGEST_BYTES: Final = 8
NULL: Final = bytes(DIGEST_BYTES)
_VALUES_MAX: Final = 4096  # values whose digests are remembered; full, the memory starts anew
_VALUE_BYTES_MAX: Final = 64  # of such a value

# pg_type.oid: bool; int8, int2, int4, oid; bytea is another thing; text, name, json, xml, unknown, bpchar, varchar; uuid.
_BOOL: Final = 16
_SIGNED: Final = frozenset((20, 21, 23))
_OID: Final = 26
_UUID: Final = 2950
_TEXTUAL: Final = frozenset((19, 25, 114, 142, 705, 1042, 1043))


def literal_digest(key: bytes, text: str) -> bytes:
    """The digest of a value by its text form. `key`: 32 bytes."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES, key=key).digest()


class Literals:
    """The digests of one installation; remembers those of values that come again."""

    def __init__(self, key: bytes) -> None:
        self._began = blake2b(digest_size=DIGEST_BYTES, key=key)
        self._values: dict[bytes, bytes] = {}

    def one(self, value: bytes) -> bytes:
        """As `literal_digest`, of the text's UTF-8."""
        known = self._values.get(value)
        if known is not None:
            return known
        state = self._began.copy()
        state.update(value)
        made = state.digest()
        if len(value) <= _VALUE_BYTES_MAX:
            if len(self._values) >= _VALUES_MAX:
                self._values.clear()
            self._values[value] = made
        return made

    def of(self, values: Sequence[str]) -> bytes:
        """The digests of literals as the parser reads them (Facts.literals), one behind the other."""
        return b"".join([self.one(value.encode("utf-8", "surrogatepass")) for value in values])

    def of_text(self, found: list[bytes], counts: list[int]) -> tuple[bytes, ...] | None:
        """Those of each statement of a text, where statements of its key have so many literals (Facts.literal_count).
        `found`: what the quick look has found. None where that is not just as many: the text must be read."""
        if len(counts) == 1 and counts[0] == len(found) == 1:
            return (self._written(found[0]),)
        if len(counts) == 1 and counts[0] > LITERALS_MAX:
            if len(found) <= LITERALS_MAX:
                return None
        elif len(found) != sum(counts) or max(counts) > LITERALS_MAX:
            return None
        digests: list[bytes] = []
        at = 0
        for count in counts:
            mine = found[at : at + min(count, LITERALS_MAX)]
            digests.append(b"".join([self._written(one) for one in mine]))
            at += count
        return tuple(digests)

    def _written(self, literal: bytes) -> bytes:
        if literal[0] == 39:
            literal = literal[1:-1]
            if b"'" in literal:
                literal = literal.replace(b"''", b"'")
        return self.one(literal)

    def of_parameters(self, values: bytes, types: bytes, described: bytes) -> bytes:
        """Those of a Bind's parameters, LITERALS_MAX at most. `values`: what follows both names in it; `types`: what follows
        the text in its Parse, and `described`: the server's ParameterDescription (its body), b"" where none came. b"" for
        what is no such message: the server will refuse it."""
        size: i64 = len(values)
        if size < 4:
            return b""
        formats = i64(read_i16_be(values, 0)) & 0xFFFF
        at = 2 + 2 * formats
        if at + 2 > size:
            return b""
        count = i64(read_i16_be(values, at)) & 0xFFFF
        at += 2
        found: list[bytes] = []
        for number in range(min(int(count), LITERALS_MAX)):
            if at + 4 > size:
                return b""
            length = i64(read_i32_be(values, at))
            at += 4
            if length < 0:
                found.append(NULL)
                continue
            if at + length > size:
                return b""
            value = values[at : at + length]
            at += length
            binary = formats > 0 and values[3 + 2 * (number if formats > 1 and number < formats else 0)] == 1
            found.append(self.one(_text_form(value, _type_of(number, types, described)) if binary else value))
        return b"".join(found)


def _type_of(number: int, types: bytes, described: bytes) -> int:
    """A parameter's type: as the server told it, else as the client did; 0 where nobody did."""
    at = 2 + 4 * number
    for told in (described, types):
        if at + 4 <= len(told):
            oid = int(read_i32_be(told, at))
            if oid:
                return oid
    return 0


def _text_form(value: bytes, oid: int) -> bytes:
    """A binary value as the server would write it in text; where that is not plain, its type and bytes."""
    size = len(value)
    if oid in _TEXTUAL:
        return value
    if oid in _SIGNED and size <= 8:
        return b"%d" % int.from_bytes(value, "big", signed=True)
    if oid == _OID and size == 4:
        return b"%d" % int.from_bytes(value, "big")
    if oid == _BOOL and size == 1:
        return b"t" if value != b"\0" else b"f"
    if oid == _UUID and size == 16:
        digits = value.hex()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}".encode()
    return b"\0%d\0" % oid + value
