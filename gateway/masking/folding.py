"""One plain reading of text in which characters are written by escape or by a lookalike.

`\\u0040` of JSON, `&#64;` of XML, `%40` of addresses, full-width letters and digits, other scripts' digits, spaces
and dashes of typography: each becomes the ASCII that it means, and every offset of the plain text leads back to where
it came from.
"""

import re
import unicodedata
from bisect import bisect_right

_WRITTEN = re.compile(
    rb"\\u([0-9A-Fa-f]{4})|&#([0-9]{2,7});|&#[xX]([0-9A-Fa-f]{2,6});|%([2-7][0-9A-Fa-f])|(\\[/nrt])|(&(?:nbsp|commat|period);)|"
    rb"(\xc2[\xa0\xad]|\xd9[\xa0-\xa9]|\xdb[\xb0-\xb9]|\xe0\xa5[\xa6-\xaf]|\xe2\x80[\x80-\x95\xaf]|\xe2\x81[\xa0\xa4]|\xe2\x88\x92|"
    rb"\xe3\x80\x80|\xef[\xbc\xbd][\x80-\xbf]|\xef\xb9[\x90-\xab]|\xef\xbb\xbf)"
)
_ENTITIES = {b"&nbsp;": b" ", b"&commat;": b"@", b"&period;": b"."}
_UNSEEN = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u2064")
_DASHES = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d")


class Folded:
    """The plain reading of a text: `plain`, and `back` from its offsets to the text's."""

    __slots__ = ("_raw_after", "_raw_at", "_starts", "plain")

    def __init__(self, text: bytes) -> None:
        parts: list[bytes] = []
        self._starts = [0]  # where a stretch begins in the plain text …
        self._raw_at = [0]  # … where in the text …
        self._raw_after = [-1]  # … and where what it stands for ends there; -1: it stands for itself
        size = at = 0
        for found in _WRITTEN.finditer(text):
            new = _meant(found)
            if new is None:
                continue
            begin, end = found.span()
            parts += (text[at:begin], new)
            size += begin - at
            self._note(size, begin, end)
            size += len(new)
            self._note(size, end, -1)
            at = end
        parts.append(text[at:])
        self.plain = b"".join(parts)

    def _note(self, start: int, raw_at: int, raw_after: int) -> None:
        self._starts.append(start)
        self._raw_at.append(raw_at)
        self._raw_after.append(raw_after)

    def back(self, begin: int, end: int) -> tuple[int, int]:
        """The bounds in the text of what lies between two offsets of the plain reading (begin < end)."""
        first = bisect_right(self._starts, begin) - 1
        raw_begin = self._raw_at[first]
        if self._raw_after[first] < 0:
            raw_begin += begin - self._starts[first]
        last = bisect_right(self._starts, end - 1) - 1
        raw_end = self._raw_after[last]
        if raw_end < 0:
            raw_end = self._raw_at[last] + end - self._starts[last]
        return raw_begin, raw_end


def _meant(found: re.Match[bytes]) -> bytes | None:
    """What one escape or lookalike stands for; None: it stays."""
    four, decimal, hexadecimal, percent, slash, entity, seen = found.groups()
    if slash is not None:
        return b"/" if slash == b"\\/" else b"\n"
    if entity is not None:
        return _ENTITIES[entity]
    if seen is not None:
        letter = seen.decode()
    elif decimal is not None:
        letter = chr(min(int(decimal), 0x10FFFF))
    else:
        letter = chr(min(int(four or hexadecimal or percent, 16), 0x10FFFF))
    if letter in _UNSEEN:
        return b""
    if letter in _DASHES:
        return b"-"
    digit = unicodedata.digit(letter, None)
    if digit is not None:
        return b"%d" % digit
    plain = unicodedata.normalize("NFKC", letter)
    if len(plain) == 1 and " " <= plain <= "~" and plain not in '"\\<>':
        return plain.encode()
    if seen is not None or percent is not None or len(letter.encode("utf-8", "replace")) == 1:
        return None
    return None if unicodedata.category(letter) == "Cs" else letter.encode()
