"""What statements have in common once their literals are gone, and the tags that applications put into comments."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from parser.tokens import Kind, Token

# --- the shape ---

SHAPE_LIMIT = 64 * 1024  # characters

_TYPES = {
    Kind.STRING: "text",
    Kind.INTEGER: "integer",
    Kind.NUMERIC: "numeric",
    Kind.BITS: "bit",
    Kind.HEX: "bit",
}
# Taken out of the class once: each look there is slow.
_SELF, _IDENT, _QUOTED, _PARAM, _COMMENT = Kind.SELF, Kind.IDENT, Kind.QUOTED, Kind.PARAM, Kind.COMMENT
_WORDS_IN_ROWS = frozenset(("null", "true", "false", "default"))
_NO_SPACE_AFTER = frozenset("([.")
_NO_SPACE_BEFORE = frozenset(",)].;")
# Words that keep their distance from a parenthesis; any other is taken for a function or a type: count(*), numeric(10, 2).
_APART = frozenset(
    (
        "all", "and", "any", "array", "as", "between", "by", "case", "check", "cross", "distinct", "else",
        "end", "except", "exists", "filter", "from", "full", "group", "having", "if", "in", "inner", "insert",
        "intersect", "into", "is", "join", "key", "lateral", "left", "like", "limit", "materialized", "not",
        "offset", "on", "only", "or", "order", "over", "partition", "primary", "references", "returning",
        "right", "select", "set", "some", "table", "then", "union", "unique", "update", "using", "values",
        "when", "where", "with", "within",
    )
)


def shape(tokens: Sequence[Token]) -> str:
    """The canonical text of one statement's tokens (comments are passed over), at most SHAPE_LIMIT characters.

    Each literal is `$n::type`, n counted on after the highest real parameter; real parameters stay. Names in quotes keep
    them, for FETCH "next" and FETCH next are two statements. Lists of literals after IN and in ARRAY[…], and rows of plain
    values that follow a row of VALUES, are one entry and `...`. A longer text is cut, with a mark that holds a digest of
    the whole, so that different statements stay different. A cast that the statement makes of a parameter
    has a space before its `::`, a literal's placeholder has none. No literal's value gets into it.
    """
    highest = max((int(token.text[1:]) for token in tokens if token.kind is _PARAM), default=0)
    pieces: list[str] = []
    before = ""
    for piece in _pieces(tokens, highest):
        if not _joined(before, piece):
            pieces.append(" ")
        pieces.append(piece)
        before = piece
    text = "".join(pieces).removeprefix(" ")
    if len(text) <= SHAPE_LIMIT:
        return text
    mark = f" … [cut at {SHAPE_LIMIT} characters, whole: {digest(text)}]"
    return text[: SHAPE_LIMIT - len(mark)] + mark


def digest(shape: str) -> str:
    """The fingerprint of a shape: 16 hex digits of its SHA-256."""
    return hashlib.sha256(shape.encode(errors="surrogatepass")).hexdigest()[:16]


def _joined(before: str, piece: str) -> bool:
    """Whether no space stands between the two."""
    if piece in _NO_SPACE_BEFORE or before in _NO_SPACE_AFTER:
        return True
    if piece == "::":
        return not (before[:1] == "$" and before[-1].isdigit())
    if before == "::":
        return True
    if piece == "(":
        return before[-1:] == '"' or (before[:1].isidentifier() and before not in _APART)
    return piece == "[" and (before[-1:] in ('"', "]", ")") or before[:1].isidentifier())


def _pieces(tokens: Sequence[Token], number: int) -> Iterator[str]:
    """The words of the shape in order; literals are numbered from `number` + 1 on."""
    tokens = [token for token in tokens if token.kind is not _COMMENT]
    rows: list[bool] = []  # for each open parenthesis: does it hold a row of VALUES?
    word = ""  # the word before, or where in the rows of VALUES we are
    at = 0
    while at < len(tokens):
        kind, text = tokens[at][:2]
        at += 1
        if kind in _TYPES:
            number += 1
            yield f"${number}::{_TYPES[kind]}"
            word = ""
        elif kind is _QUOTED:
            yield '"' + text.replace('"', '""') + '"'
            word = ""
        elif kind is not _SELF:
            yield text
            word = text if kind is _IDENT else ""
        else:
            yield text
            if text == "(":
                rows.append(word in ("values", ", after a row"))
            if (word, text) in (("in", "("), ("array", "[")):
                rest = _after_literals(tokens, at)
                if rest > at + 1:
                    number += 1
                    yield from (f"${number}::{_TYPES[tokens[at].kind]}", ",", "...")
                    at = rest
            if text == ")" and rows and rows.pop():
                rest = _after_rows(tokens, at)
                if rest > at:
                    yield from (",", "...")
                    at = rest
                word = ") of a row"
            else:
                word = ", after a row" if text == "," and word == ") of a row" else ""


def _after_literals(tokens: Sequence[Token], at: int) -> int:
    """Where the bracket closes behind literals and commas alone that begin at `at`, else `at`."""
    end = at
    while end + 1 < len(tokens) and tokens[end].kind in _TYPES:
        if _is_mark(tokens[end + 1], ")]"):
            return end + 1
        if not _is_mark(tokens[end + 1], ","):
            break
        end += 2
    return at


def _after_rows(tokens: Sequence[Token], at: int) -> int:
    """The end of the `, (…)` of plain values that begin at `at`."""
    end = at
    while end + 1 < len(tokens) and _is_mark(tokens[end], ",") and _is_mark(tokens[end + 1], "("):
        inside = end + 2
        while inside < len(tokens) and _is_plain_value(tokens[inside]):
            inside += 1
        if inside == len(tokens) or not _is_mark(tokens[inside], ")"):
            break
        end = inside + 1
    return end


def _is_mark(token: Token, marks: str) -> bool:
    return token.kind is _SELF and token.text in marks


def _is_plain_value(token: Token) -> bool:
    if token.kind is _IDENT:
        return token.text in _WORDS_IN_ROWS
    return token.kind in _TYPES or _is_mark(token, ",+-")


# --- sqlcommenter ---

_MOST_TAGS = 32
_LONGEST_TAG = 256  # characters
_LONGEST_COMMENT = 64 * 1024
_PAIR = re.compile(r"\s*([^\s=',\\]+)\s*=\s*'((?:[^'\\]|\\.)*)'\s*(,|\Z)", re.DOTALL)


def tags(comments: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The pairs of the sqlcommenter comments (`/*key='url%20encoded',k2='v'*/`) among a statement's comments, in order.

    Format: the OpenTelemetry SQL commenter specification; quotes come as \\', keys and values URL-encoded. A comment that
    has anything else in it is passed over whole (SQL that somebody commented out holds values), as is a pair that holds
    control characters. At most 32 pairs, each side cut at 256 characters.
    """
    pairs: list[tuple[str, str]] = []
    for comment in comments:
        if not comment.startswith("/*") or len(comment) > _LONGEST_COMMENT:
            continue
        inside = comment[2:-2]
        found: list[tuple[str, str]] = []
        at = 0
        more = ","
        while more and (pair := _PAIR.match(inside, at)):
            key, value, more = pair.groups()
            found.append((_plain(key), _plain(value)))
            at = pair.end()
        if at == len(inside) and not more:
            pairs += [pair for pair in found if pair[0].isprintable() and pair[1].isprintable()]
    return tuple(pairs[:_MOST_TAGS])


def _plain(encoded: str) -> str:
    return unquote(encoded.replace("\\'", "'"))[:_LONGEST_TAG]
