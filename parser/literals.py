"""What stands inside PostgreSQL's string literals and names: escapes undone (manual, sections 4.1.1 and 4.1.2).

Raw text comes as the bytes read as Latin-1 (one character a byte), values go out as real text.
"""

import re

_NAME_BYTES = 63  # NAMEDATALEN - 1

_ESCAPE = re.compile(
    r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([uU])|([\s\S]))|''"
)
_CONTROL = {"b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_NO_ESCAPE_CHARACTER = frozenset("0123456789abcdefABCDEF+'\" \t\n\r\f\v")


class LexError(ValueError):
    """The text is not made of PostgreSQL tokens. `offset` is the byte at which the bad token begins, `why` says what is
    wrong with it and quotes nothing of it."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(f"{why} at byte {offset}")
        self.offset = offset
        self.why = why


def text_of(raw: bytes | bytearray, offset: int) -> str:
    """The bytes as text; LexError where escapes made something else than UTF-8 or a zero byte of them."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise LexError(offset, "escapes in a string make invalid UTF-8") from None
    if "\0" in text:
        raise LexError(offset, "a string with a zero byte")
    return text


def clip(name: str) -> str:
    """A name cut to 63 bytes of UTF-8, never inside a character (truncate_identifier)."""
    if len(name) <= _NAME_BYTES // 4:
        return name
    raw = name.encode()
    return name if len(raw) <= _NAME_BYTES else raw[:_NAME_BYTES].decode(errors="ignore")


def is_escape_character(value: str) -> bool:
    """Whether UESCAPE may name it: one ASCII character that is no hex digit, plus sign, quote or white space."""
    return len(value) == 1 and value.isascii() and value not in _NO_ESCAPE_CHARACTER


class _Units:
    """Unicode escapes in a row: a first surrogate must be followed at once by its second half."""

    __slots__ = ("first", "offset", "out")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.out = bytearray()
        self.first = 0

    def plain(self, raw: bytes) -> None:
        if raw:
            self.whole()
            self.out += raw

    def code(self, point: int) -> None:
        if self.first:
            if not 0xDC00 <= point <= 0xDFFF:
                raise LexError(self.offset, "invalid Unicode surrogate pair")
            point = 0x10000 + ((self.first & 0x3FF) << 10) + (point & 0x3FF)
            self.first = 0
        elif 0xD800 <= point <= 0xDBFF:
            self.first = point
            return
        if 0xDC00 <= point <= 0xDFFF:
            raise LexError(self.offset, "invalid Unicode surrogate pair")
        if not 0 < point <= 0x10FFFF:
            raise LexError(self.offset, "invalid Unicode escape value")
        self.out += chr(point).encode()

    def whole(self) -> None:
        if self.first:
            raise LexError(self.offset, "invalid Unicode surrogate pair")


def escaped(raw: str, offset: int) -> bytes:
    """One piece of E'…' between its quotes, as bytes: backslash escapes and doubled quotes undone."""
    if "\\" not in raw:
        return raw.replace("''", "'").encode("latin-1")
    units = _Units(offset)
    at = 0
    for found in _ESCAPE.finditer(raw):
        units.plain(raw[at : found.start()].encode("latin-1"))
        at = found.end()
        octal, two, four, eight, bad, other = found.groups()
        if four or eight:
            units.code(int(four or eight, 16))
            continue
        units.whole()
        if octal:
            units.out.append(int(octal, 8) & 0xFF)
        elif two:
            units.out.append(int(two, 16))
        elif bad:
            raise LexError(offset, "invalid Unicode escape")
        elif other:
            units.out.append(_CONTROL.get(other, ord(other)))
        else:
            units.out.append(0x27)
    units.plain(raw[at:].encode("latin-1"))
    units.whole()
    return bytes(units.out)


def unicode_escaped(raw: str, mark: str, offset: int) -> str:
    """The body of U&'…' or U&"…", doubled quotes already undone: \\XXXX and \\+XXXXXX with `mark` as the backslash."""
    if mark not in raw:
        return text_of(raw.encode("latin-1"), offset)
    units = _Units(offset)
    sign = re.escape(mark)
    escape = re.compile(rf"{sign}(?:([0-9A-Fa-f]{{4}})|\+([0-9A-Fa-f]{{6}})|({sign})|())")
    at = 0
    for found in escape.finditer(raw):
        units.plain(raw[at : found.start()].encode("latin-1"))
        at = found.end()
        four, six, double, _ = found.groups()
        if four or six:
            units.code(int(four or six, 16))
        elif double:
            units.plain(mark.encode("latin-1"))
        else:
            raise LexError(offset, "invalid Unicode escape")
    units.plain(raw[at:].encode("latin-1"))
    units.whole()
    return text_of(units.out, offset)
