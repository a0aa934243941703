"""The quick look at a text: what it has in common with others once its plain literals are gone, and these literals.

Written for the compiler (setup.py): one pass over the bytes, integers of fixed width.
"""

from typing import Final

from mypy_extensions import i64

_OTHER: Final = 0
_WORD: Final = 1
_DIGIT: Final = 2
_QUOTE: Final = 3
_DOT: Final = 4
_MINUS: Final = 5
_SLASH: Final = 6
_AND: Final = 7
_NEVER: Final = 8  # what may hide a quote, or join a number or string with its neighbour; and the key's own marks

_STRING: Final = b"'\x01"
_NUMBER: Final = b"\x02"


def _class(byte: int) -> int:
    if byte >= 128 or byte in b'\0\x01\x02"$\\':
        return _NEVER
    if chr(byte).isdigit():
        return _DIGIT
    if chr(byte).isalpha() or byte == 95:
        return _WORD
    return {39: _QUOTE, 46: _DOT, 45: _MINUS, 47: _SLASH, 38: _AND}.get(byte, _OTHER)


_CLASSES: Final = bytes([_class(byte) for byte in range(256)])


def look(sql: bytes) -> tuple[bytes, list[bytes]] | None:
    """The text's key, with its plain strings and whole numbers replaced, and its literals as they are written, in order;
    None where so quick a look cannot be sure.

    Equal keys mean equal tokens (kinds and texts) but for the values of strings and numbers, whatever
    standard_conforming_strings is. Why: strings are taken from left to right, and what is left over holds nothing else
    that could have opened a longer token, so each quote taken was an opening one. The placeholders are quote and \\x01
    for a run of strings and \\x02 for digits that stand alone as a word; neither can be in what passes. Where literals
    are cut otherwise than the tokenizer would (pieces of a string on several lines), there are more than in the facts.
    """
    classes = _CLASSES
    size: i64 = len(sql)
    at: i64 = 0
    copied: i64 = 0  # what stands before is in `parts`
    told: i64 = 0  # … and in `literals`
    before: i64 = _OTHER
    quoted = False
    parts: list[bytes] = []
    literals: list[bytes] = []
    while at < size:
        kind = i64(classes[i64(sql[at])])
        if kind in (_WORD, _DIGIT):
            begin = at
            at, whole = _word(sql, at)
            if kind == _DIGIT and before != _DOT and begin >= told:
                told = _number_end(sql, at)
                literals.append(sql[begin:told])
            if whole:
                parts.append(sql[copied:begin])
                parts.append(_NUMBER)
                copied = at
            kind = _WORD
        elif kind == _QUOTE:
            if before in (_WORD, _AND):
                return None
            end = _string_end(sql, at)
            if end < 0 or not (quoted or _plain(sql)):
                return None
            quoted = True
            literals.append(sql[at:end])
            parts.append(sql[copied:at])
            parts.append(_STRING)
            at = copied = end
            kind = _OTHER
        else:
            if kind == _DOT:
                starts = before != _WORD and before != _DOT and at >= told
                if starts and at + 1 < size and i64(classes[i64(sql[at + 1])]) == _DIGIT:
                    told = _number_end(sql, _word(sql, at + 1)[0])
                    literals.append(sql[at:told])
            elif kind >= _MINUS:
                follows = i64(sql[at + 1]) if at + 1 < size else 0
                if kind == _NEVER or (kind == _MINUS and follows == 45) or (kind == _SLASH and follows == 42):
                    return None
            at += 1
        before = kind
    if not parts:
        return sql, literals
    parts.append(sql[copied:])
    return b"".join(parts), literals


def _word(sql: bytes, start: i64) -> tuple[i64, bool]:
    """Where the letters and digits end that begin there, and whether they are digits alone."""
    classes = _CLASSES
    size: i64 = len(sql)
    at = start
    digits = True
    while at < size:
        kind = i64(classes[i64(sql[at])])
        if kind == _WORD:
            digits = False
        elif kind != _DIGIT:
            break
        at += 1
    return at, digits


def _number_end(sql: bytes, start: i64) -> i64:
    """Where a number ends whose first digits, and the letters behind them, end there."""
    size: i64 = len(sql)
    at = start
    if at < size and i64(sql[at]) == 46:
        at = _word(sql, at + 1)[0]
    if at + 1 < size and i64(sql[at - 1]) | 32 == 101 and (i64(sql[at]) == 43 or i64(sql[at]) == 45):
        end = at + 1
        while end < size and i64(_CLASSES[i64(sql[end])]) == _DIGIT:
            end += 1
        if end > at + 1:
            at = end
    return at


def _string_end(sql: bytes, start: i64) -> i64:
    """Where a string, with those that follow it without a gap, ends that begins there; -1 where it does not."""
    size: i64 = len(sql)
    at: i64 = sql.find(b"'", start + 1)
    while at >= 0 and at + 1 < size and i64(sql[at + 1]) == 39:
        at = sql.find(b"'", at + 2)
    return at + 1 if at >= 0 else -1


def _plain(sql: bytes) -> bool:
    """Whether its strings hold nothing but text: no escape, no NUL, none of the key's marks."""
    if b"\\" in sql or b"\0" in sql or b"\x01" in sql:
        return False
    if not sql.isascii():
        try:
            sql.decode()
        except UnicodeDecodeError:
            return False
    return True
