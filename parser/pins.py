"""Which columns of the target a condition ties to one value: `id = 7`, `$1 = id`, `id = '…'::uuid`.

Where they cover a unique key, the statement meets one row at most, whatever else its condition says.
"""

from parser.keywords import word_set
from parser.reading import Reading, Unread
from parser.references import type_end

_VALUES = frozenset(("'", "0", "$"))
_LOOSE = word_set("or not case between")  # AND means something else beside them, or an arm may not hold


def pinned(r: Reading, start: int, end: int) -> frozenset[str]:
    """The columns tied in the tokens from start to end; none where AND is not all that joins them.

    `r.hits` must hold the tokens that name the target's columns.
    """
    words = r.words
    word, match = words.word, words.match
    while word[start] == "(" and match[start] == end - 1:
        start, end = start + 1, end - 1
    arms = [start]
    at = start
    while at < end:
        w = word[at]
        if w in _LOOSE:
            return frozenset()
        if w == "and":
            arms.append(at + 1)
        at = match[at] + 1 if w == "(" or w == "[" else at + 1
    found: set[str] = set()
    for begin, stop in zip(arms, [*(arm - 1 for arm in arms[1:]), end], strict=True):
        name = _tied(r, begin, stop)
        if name is not None:
            found.add(name)
    return frozenset(found)


def _tied(r: Reading, begin: int, end: int) -> str | None:
    """The column that `column = value` or `value = column` ties."""
    words = r.words
    word, match = words.word, words.match
    while word[begin] == "(" and match[begin] == end - 1:
        begin, end = begin + 1, end - 1
    if begin >= end:
        return None
    equals = r.find(frozenset(("=",)), begin, end)
    if equals == end:
        return None
    if _is_value(r, equals + 1, end):
        return _column(r, begin, equals)
    return _column(r, equals + 1, end) if _is_value(r, begin, equals) else None


def _column(r: Reading, begin: int, end: int) -> str | None:
    if begin not in r.hits:
        return None
    parts, behind = r.name(begin)
    return parts[-1] if behind == end else None


def _is_value(r: Reading, begin: int, end: int) -> bool:
    """One literal or parameter, perhaps cast."""
    word = r.words.word
    begin += word[begin] in ("-", "+")
    if begin >= end or word[begin] not in _VALUES:
        return False
    begin += 1
    while begin < end and word[begin] == "::":
        try:
            begin = type_end(r, begin + 1)
        except Unread:
            return False
    return begin == end
