"""Whether the condition of an UPDATE, DELETE or MERGE can leave out a row of its target.

A condition that cannot is no filter however selective it looks: `1=1`, `id = id`, `true`, `NOT false`, `x OR true`,
`random() >= 0`, `EXISTS (SELECT 1)`. It is read as a tree of OR, AND and NOT over predicates. A predicate that names no
column of the target is the same for every row. What remains (`id > 0`) is left to the limit on affected rows.
"""

from enum import Enum

from parser.keywords import SET_OPERATIONS
from parser.reading import Reading
from parser.tokens import Kind

_DEPTH_MAX = 40


class _Truth(Enum):
    ALL = 1  # true for every row (NULL aside)
    NONE = 2  # true for no row
    SAME = 3  # the same for all rows, not known which
    SOME = 4  # may differ from row to row


_NEGATED = {_Truth.ALL: _Truth.NONE, _Truth.NONE: _Truth.ALL, _Truth.SAME: _Truth.SAME, _Truth.SOME: _Truth.SOME}
_EQUAL = frozenset(("=", "<=", ">=", "like", "ilike", "~", "~*", "~~", "~~*"))
_UNEQUAL = frozenset(("<>", "!=", "<", ">"))
_ANYTHING = frozenset(("%", "%%", ".*", "", "^", "$", "^.*$", ".*?"))


def excludes_nothing(r: Reading, start: int, end: int, *, alone: bool) -> bool:
    """Whether the condition in the tokens from start to end meets all rows or none, whatever is in them.

    `r.hits` must hold the tokens that name the target's columns. `alone`: no other table is in scope, so that `t.id` and
    `id` are the same column.
    """
    return _truth(r, start, end, alone, 0) in (_Truth.ALL, _Truth.SAME)


def _truth(r: Reading, start: int, end: int, alone: bool, depth: int) -> _Truth:
    if depth > _DEPTH_MAX:
        return _Truth.SAME
    word, match = r.words.word, r.words.match
    while start < end and word[start] == "(" and match[start] == end - 1 and not r.words.is_query(start):
        start, end = start + 1, end - 1
    terms = _cut(r, start, end, "or")
    if len(terms) > 1:
        return _any(r, terms, alone, depth)
    terms = _cut(r, start, end, "and")
    if len(terms) > 1:
        return _all([_truth(r, left, right, alone, depth + 1) for left, right in terms])
    if start < end and word[start] == "not":
        return _NEGATED[_truth(r, start + 1, end, alone, depth + 1)]
    return _predicate(r, start, end, alone, depth)


def _cut(r: Reading, start: int, end: int, by: str) -> list[tuple[int, int]]:
    """The operands of OR or AND outside of brackets, CASE and BETWEEN."""
    word, match = r.words.word, r.words.match
    terms = []
    cases = betweens = 0
    begin = at = start
    while at < end:
        w = word[at]
        if w == "(" or w == "[":
            at = match[at]
        elif w == "case":
            cases += 1
        elif w == "end" and cases:
            cases -= 1
        elif w == "between" and not cases:
            betweens += 1
        elif w == "and" and betweens and not cases:
            betweens -= 1
        elif w == by and not cases:
            terms.append((begin, at))
            begin = at + 1
        at += 1
    terms.append((begin, end))
    return terms


def _any(r: Reading, terms: list[tuple[int, int]], alone: bool, depth: int) -> _Truth:
    truths = [_truth(r, left, right, alone, depth + 1) for left, right in terms]
    if _Truth.ALL in truths:
        return _Truth.ALL
    if _Truth.SAME in truths:
        return _Truth.SAME
    if all(truth is _Truth.NONE for truth in truths):
        return _Truth.NONE
    known = set()
    for left, right in terms:
        plain = _plain(r, left, right, alone)
        if _opposite(plain) in known:
            return _Truth.ALL
        known.add(plain)
    return _Truth.SOME


def _opposite(plain: tuple[str, ...]) -> tuple[str, ...]:
    """The predicate that holds where this one does not (NULL aside)."""
    if plain[-2:] == ("is", "null"):
        return (*plain[:-2], "is", "not", "null")
    if plain[-3:] == ("is", "not", "null"):
        return (*plain[:-3], "is", "null")
    if plain[:1] == ("not",):
        return plain[1:]
    turned = {"=": "<>", "<>": "=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
    marks = [at for at, w in enumerate(plain) if w in turned]
    if len(marks) == 1:
        at = marks[0]
        return (*plain[:at], turned[plain[at]], *plain[at + 1 :])
    return ("not", *plain)


def _all(truths: list[_Truth]) -> _Truth:
    for truth in (_Truth.NONE, _Truth.SOME, _Truth.SAME):
        if truth in truths:
            return truth
    return _Truth.ALL


def _plain(r: Reading, start: int, end: int, alone: bool) -> tuple[str, ...]:
    """A stretch of tokens as comparable text; without qualifiers where only one table is in scope."""
    words = r.words
    out = []
    at = start
    while at < end:
        if alone and words.named[at] and words.word[at + 1] == "." and at + 2 < end:
            at += 2
            continue
        literal = words.kind[at] in (Kind.STRING, Kind.INTEGER, Kind.NUMERIC)
        text = words.text[at]
        out.append("'" + text if literal else "<>" if text == "!=" else text)
        at += 1
    while len(out) > 2 and out[0] == "(" and out[-1] == ")" and "(" not in out[1:-1]:
        out = out[1:-1]
    return tuple(out)


def _predicate(r: Reading, start: int, end: int, alone: bool, depth: int) -> _Truth:
    word = r.words.word
    if not any(at in r.hits for at in range(start, end)):
        return _constant(r, start, end)
    if word[end - 1] in ("true", "false") and word[end - 2] == "is":
        inner = _truth(r, start, end - 2, alone, depth + 1)
        return inner if word[end - 1] == "true" else _NEGATED[inner]
    if word[end - 1] in ("true", "false") and word[end - 2] == "=":
        inner = _truth(r, start, end - 2, alone, depth + 1) if end - start > 3 else _Truth.SOME
        return inner if word[end - 1] == "true" else _NEGATED[inner]
    for at in range(start + 1, end - 1):
        w = word[at]
        if w in _EQUAL or w in _UNEQUAL:
            negated = word[at - 1] == "not"
            left = _plain(r, start, at - negated, alone)
            right = _plain(r, at + 1, end, alone)
            if left == right:
                return _Truth.ALL if (w in _EQUAL) != negated else _Truth.NONE
            if w in _EQUAL - {"=", "<=", ">="} and end - at == 2 and r.words.kind[at + 1] is Kind.STRING:
                r.by_value = True
                if r.words.text[at + 1] in _ANYTHING:
                    return _Truth.NONE if negated else _Truth.ALL
            return _whole_table(r, at) if w == "=" else _Truth.SOME
        if w == "is" and word[at + 1] == "not" and word[at + 2] == "distinct":
            same = _plain(r, start, at, alone) == _plain(r, at + 4, end, alone)
            return _Truth.ALL if same else _Truth.SOME
        if w == "between":
            middle = r.find(frozenset(("and",)), at, end)
            own = _plain(r, start, at, alone)
            same = own == _plain(r, at + 1, middle, alone) == _plain(r, middle + 1, end, alone)
            return _Truth.ALL if same else _Truth.SOME
        if w == "in" and word[at + 1] == "(" and word[at - 1] != "not":
            own = _plain(r, start, at, alone)
            if any(own == _plain(r, left, right, alone) for left, right in r.split(at + 2, r.words.match[at + 1])):
                return _Truth.ALL
            return _whole_table(r, at)
    return _Truth.SOME


def _whole_table(r: Reading, at: int) -> _Truth:
    """`x IN (SELECT x FROM the target)` with nothing behind the table meets every row; `at` is IN or `=`."""
    words = r.words
    word = words.word
    opening = at + 1
    if word[at] == "=":
        if word[opening] not in ("any", "some"):
            return _Truth.SOME
        opening += 1
    if word[opening] != "(" or word[opening + 1] != "select":
        return _Truth.SOME
    close = words.match[opening]
    source = r.find(frozenset(("from",)), opening + 1, close)
    same = words.named[at - 1] and words.text[source - 1] == words.text[at - 1]
    if source == close or not words.named[source + 1] or not same or source - opening > 5:
        return _Truth.SOME
    relation, behind = r.relation(source + 1)
    stops = frozenset(("where", "limit", "offset", "fetch", "having", "join", ",")) | SET_OPERATIONS
    if relation in r.writes and r.find(stops, behind, close) == close:
        return _Truth.ALL
    return _Truth.SOME


def _constant(r: Reading, start: int, end: int) -> _Truth:
    """A predicate that is the same for every row."""
    words = r.words
    word, text, kind = words.word, words.text, words.kind
    if end - start == 1:
        if word[start] == "true":
            return _Truth.ALL
        if word[start] in ("false", "null"):
            return _Truth.NONE
    if end - start == 3 and kind[start] is kind[start + 2] and kind[start] in (Kind.INTEGER, Kind.STRING):
        r.by_value = True
        equal = text[start] == text[start + 2]
        if word[start + 1] == "=":
            return _Truth.ALL if equal else _Truth.NONE if _simple(text[start], text[start + 2]) else _Truth.SAME
        if word[start + 1] in ("<>", "!="):
            return _Truth.NONE if equal else _Truth.ALL
    return _Truth.SAME


def _simple(left: str, right: str) -> bool:
    """Decimal numbers without leading zeros or radix: different text is a different value."""
    return all(text == "0" or (text.isdecimal() and text[0] != "0") for text in (left, right))
