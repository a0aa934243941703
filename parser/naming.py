"""The name that the server gives to a result column without an alias (FigureColname in its parse_target.c)."""

from parser.keywords import word_set
from parser.reading import Reading, Unread
from parser.references import TYPE_NAMES, type_end
from parser.tokens import Kind

_UNNAMED = "?column?"
_BEHIND_CALL = frozenset(("filter", "over", "within"))
_VALUES = word_set(
    """
    current_date current_time current_timestamp localtime localtimestamp current_user session_user user
    current_role current_catalog current_schema
    """
)
# Calls that the grammar turns into others, in some versions or always.
_TURNED = word_set(
    """
    trim extract treat cast position substring overlay normalize collation json_object json_array json_scalar json
    json_serialize json_query json_value json_objectagg json_arrayagg json_exists xmlserialize xmlexists operator
    """
)


def column_name(r: Reading, begin: int, stop: int) -> str | None:
    """The name of the expression in the tokens from `begin` to `stop`; None where it is not told here."""
    words = r.words
    word, match = words.word, words.match
    if words.named[begin]:
        first = word[begin]
        if first in _VALUES and word[begin + 1] != "(" and stop == begin + 1:
            return first
        if first in ("case", "array", "cast", "not") or first in _TURNED:
            return "array" if first == "array" and match.get(begin + 1) == stop - 1 else None
        parts, at = r.name(begin)
        if word[at] == "(":
            at = _behind_call(r, match[at] + 1)
        elif word[at] == "'":
            return None  # a typed literal has the name of its type, in some spellings
        return _behind(r, at, stop, parts[-1])
    if word[begin] == "(" and not words.is_query(begin):
        if match[begin] == stop - 1:
            return column_name(r, begin + 1, stop - 1)
        if word[match[begin] + 1] == "." and words.named[match[begin] + 2]:
            return _behind(r, match[begin] + 3, stop, words.text[match[begin] + 2])
        return None
    if words.kind[begin] in (Kind.STRING, Kind.INTEGER, Kind.NUMERIC, Kind.PARAM):
        return _behind(r, begin + 1, stop, None)
    return None


def _behind_call(r: Reading, at: int) -> int:
    """The token behind FILTER (…), WITHIN GROUP (…), OVER (…) and OVER name."""
    word, match = r.words.word, r.words.match
    while word[at] in _BEHIND_CALL:
        at += 2 if word[at] == "within" else 1
        at = match[at] + 1 if word[at] == "(" else at + 1
    return at


def _behind(r: Reading, at: int, stop: int, strong: str | None) -> str | None:
    """The name when only casts and subscripts follow: that of the operand, or else of the last type."""
    words = r.words
    weak: str | None = None
    while at < stop:
        if words.word[at] == "[":
            at = words.match[at] + 1
        elif words.word[at] == "::" and words.named[at + 1]:
            parts, _ = r.name(at + 1)
            weak = TYPE_NAMES.get(parts[-1], parts[-1])
            if weak in ("timestamp", "time", "interval", "bit", "character", "varying"):
                weak = None
                if strong is None:
                    return None
            try:
                at = type_end(r, at + 1)
            except Unread:
                return None
        else:
            return None
    return strong or weak or _UNNAMED
