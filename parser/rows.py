"""The bulk path: the rows of a long VALUES list that hold plain values alone, passed over at the speed of memory.

A bulk INSERT is nothing but literals, and no fact of it depends on them: a reader that sees the first row and one of those
that follow has seen all. Each block of such rows is taken apart at its quotes; what stands outside of the strings must then
be plain values (numbers, signs, null, true, false), commas and flat brackets, as many values in each row. Nothing is
guessed: every byte outside of a string is looked at, and whatever could begin something else (a comment, a prefix of a
string, a dollar, a name) is a byte that no plain row has: the block is refused, and the exact reader does it. For the same
reason the quotes pair up from left to right: before the first one that did not open a plain string there would have to
be such a byte.
"""

import re

from parser.tokens import Kind, Token

_LARGE, _SMALL = 64 * 1024, 512  # bytes of one block

# Digits are one, letters small, white space is one; no byte becomes one of the three that stand for words, points and
# exponents below.
_SAME = bytes.maketrans(
    b"123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ\t\n\r\f\v\1\2\3", b"0" * 9 + b"abcdefghijklmnopqrstuvwxyz" + b" " * 5 + b"???"
)
_WORDS = (b"null", b"true", b"false")
_TWO_EXPONENTS = re.compile(rb"\x030*+\x03")


class Rows:
    """Follows the brackets of a VALUES list from mark to mark, and knows how far to look ahead.

    `depth`: brackets open within the list, -1 outside of one. `before`: the last token of the piece of text before.
    """

    __slots__ = ("_size", "_standard", "before", "depth")

    def __init__(self, standard: bool) -> None:
        self._standard = standard
        self._size = _LARGE
        self.depth = -1
        self.before: Token | None = None

    def ended(self, mark: str, before: Token | None) -> bool:
        """Whether a row of the list ends with this bracket, comma or semicolon; `before` is the token before it."""
        if mark == "(":
            begins = self.depth or is_mark(before, ",") or _is_values(before)
            self.depth = self.depth + 1 if begins else -1
        elif mark == ")":
            self.depth -= 1
            return not self.depth
        elif not self.depth and not (mark == "," and is_mark(before, ")")):
            self.depth = -1
        return False

    def after(self, text: str, at: int) -> int:
        """Where the last but one of the rows `, (…), (…)` of plain values ends that begin at `at`; `at` where there are not
        two.

        `text` is bytes as Latin-1. A block that is refused is tried again smaller, and the next ones begin small, so that
        rows of another sort cost one short look each.
        """
        size, refused, last = self._size, False, at
        while at < len(text):
            block = text[at : at + size].encode("latin-1")
            end = _end_of_rows(block, len(block))
            block = block[:end]
            if end and (self._standard or b"\\" not in block) and _are_plain(block):
                last = at + _end_of_rows(block, end - 1)
                at += end
                size, refused = min(size * 8, _LARGE), False
            elif end and size > _SMALL:
                size, refused = max(size // 8, _SMALL), True
            elif not end and not refused and at + size < len(text) and size < _LARGE:
                size *= 8
            else:
                size = size if end else min(size * 8, _LARGE)
                break
        self._size = size
        return last


def is_mark(token: Token | None, mark: str) -> bool:
    return token is not None and token.text == mark and token.kind is Kind.SELF


def _is_values(token: Token | None) -> bool:
    return token is not None and token.text == "values" and token.kind is Kind.IDENT


def _end_of_rows(block: bytes, end: int) -> int:
    """The end of the last closing bracket before `end` that stands outside of quotes; 0 where there is none."""
    at = block.rfind(b")", 0, end)
    inside = block.count(b"'", 0, at + 1) & 1
    while inside and at > 0:
        nearer = block.rfind(b")", 0, max(0, block.rfind(b"'", 0, at)))
        inside ^= block.count(b"'", nearer + 1, at) & 1
        at = nearer
    return 0 if inside else at + 1


def _are_plain(block: bytes) -> bool:
    """Whether the block, quotes paired, is `,(…)` of plain values over and over, as many in each."""
    outside = b"'".join(block.split(b"'")[::2]) if b"'" in block else block
    outside = outside.translate(_SAME)
    if b"--" in outside:
        return False
    if b"0e" in outside:
        for sign in (b"", b"-", b"+"):
            outside = outside.replace(b"0e" + sign + b"0", b"0\x030")
        if _TWO_EXPONENTS.search(outside):
            return False
    if b"." in outside:
        outside = outside.replace(b"0.0", b"0\x020")
    words = False
    for word in _WORDS:
        if word in outside:
            outside = outside.replace(word, b"\x01")
            words = True
    if words and (b"0\x01" in outside or b"\x010" in outside or b"\x01\x01" in outside):
        return False  # null1 is a name
    marks = outside.translate(None, b"0 '+-\x01\x02\x03")
    row = marks[: marks.find(b")") + 1]
    count = len(marks) // max(1, len(row))
    if row != b",(" + b"," * (len(row) - 3) + b")" or marks != row * count:
        return False
    close = outside.translate(None, b" ")  # between two rows there is a comma and nothing else
    return close.startswith(b",(") and close.count(b"),(") == count - 1
