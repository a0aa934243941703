"""Other spellings of a statement that mean the same: case, comments and white space, quoting, and cuts into pieces.

PostgreSQL's own scanner (libpg_query) finds the tokens, so that no mistake of ours can hide itself, and its parser confirms
that the new text means what the old one meant.
"""

import random
import re
from functools import lru_cache
from itertools import pairwise

import postgast

CASE, SPACING, NAMES, STRINGS = "case", "spacing", "names", "strings"
KINDS = (CASE, SPACING, NAMES, STRINGS)

_SPACES = (  # each begins with white space: an operator would swallow a comment's first character
    " ", "\t", "\n", "\r\n", "  \f", " /**/ ", "/* ; ' \" $$ */", " /* a /* nested */ one */ ", " -- ; DROP '\n", "\n--\"\r",
)  # fmt: skip
_NUMBERS = {
    value.name: value.number
    for value in postgast.scan("x").tokens[0].DESCRIPTOR.fields_by_name["token"].enum_type.values
}
_COMMENTS = (_NUMBERS["SQL_COMMENT"], _NUMBERS["C_COMMENT"])
_IDENT, _STRING, _NO_KEYWORD = _NUMBERS["IDENT"], _NUMBERS["SCONST"], 0
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_PLAIN_STRING = re.compile(r"'(?:[^'\\]|'')*'")
_WORD = re.compile(r"[A-Za-z0-9_$\x80-\U0010ffff]")


def mutate(text: str, kinds: frozenset[str], seed: int) -> str:
    """The text in another spelling; the text itself where libpg_query does not confirm that they mean the same."""
    tokens = _tokens(text)
    if tokens is None or "standard_conforming_strings" in text:
        return text
    dice = random.Random(seed)
    pieces: list[str] = []
    end = 0
    for start, stop, token, keyword in tokens:
        old = text[start:stop]
        new = _respelled(old, token, keyword, kinds, dice)
        gap = text[end:start]
        if SPACING in kinds and dice.random() < 0.4:
            gap = dice.choice(_SPACES)
        if not gap and new != old and pieces and _WORD.match(pieces[-1][-1]):
            gap = " "
        pieces += [gap, new]
        end = stop
    tail = text[end:]
    pieces.append(tail if SPACING not in kinds else tail + dice.choice(("", " ", "\n", "/* ; */")))
    mutated = "".join(pieces)
    return mutated if meaning(mutated) == meaning(text) is not None else text


def statements(text: str) -> tuple[str, ...]:
    """The statements of a text one by one, as PostgreSQL's own grammar cuts it; the text alone where it does not parse."""
    try:
        return tuple(postgast.split(text)) or (text,)
    except postgast.PgQueryError:
        return (text,)


def chunks(data: bytes, seed: int) -> list[bytes]:
    """The bytes in pieces as a network may cut them: a few large ones, or single bytes around a cut."""
    dice = random.Random(seed)
    cuts = sorted({dice.randrange(len(data) + 1) for _ in range(dice.randint(1, 6))} | {0, len(data)})
    return [data[one:two] for one, two in pairwise(cuts)]


@lru_cache(maxsize=2048)
def meaning(text: str) -> str | None:
    """libpg_query's fingerprint of the parse tree: literals and places apart it is the tree. None: it does not parse."""
    try:
        return postgast.fingerprint(text).hex
    except postgast.PgQueryError:
        return None


@lru_cache(maxsize=2048)
def _tokens(text: str) -> list[tuple[int, int, int, int]] | None:
    """(start, end, token, keyword kind) in characters, comments left out. None: not ASCII, or it does not scan."""
    if not text.isascii():
        return None
    try:
        found = postgast.scan(text).tokens
    except postgast.PgQueryError:
        return None
    return [(one.start, one.end, one.token, one.keyword_kind) for one in found if one.token not in _COMMENTS]


def _respelled(old: str, token: int, keyword: int, kinds: frozenset[str], dice: random.Random) -> str:
    if token == _IDENT and keyword == _NO_KEYWORD and _PLAIN_NAME.fullmatch(old.lower()):
        if NAMES in kinds and dice.random() < 0.3:
            return _name(old.lower(), dice)
        return _cased(old, dice) if CASE in kinds else old
    if keyword != _NO_KEYWORD:
        return _cased(old, dice) if CASE in kinds else old
    if token == _STRING and STRINGS in kinds and _PLAIN_STRING.fullmatch(old):
        return _string(old[1:-1].replace("''", "'"), dice)
    return old


def _cased(word: str, dice: random.Random) -> str:
    return "".join(dice.choice((char.upper(), char.lower())) for char in word)


def _name(name: str, dice: random.Random) -> str:
    if dice.random() < 0.5:
        return f'"{name}"'
    place = dice.randrange(len(name))
    escape = f"\\{ord(name[place]):04x}" if dice.random() < 0.5 else f"\\+{ord(name[place]):06x}"
    return f'U&"{name[:place]}{escape}{name[place + 1 :]}"'


def _string(content: str, dice: random.Random) -> str:
    """A string constant with this content in one of its four spellings (manual, section 4.1.2)."""
    form = dice.randrange(4)
    if form == 0:
        escaped = content.replace("\\", "\\\\").replace("'", dice.choice(("''", "\\'")))
        return f"E'{escaped}'"
    if form == 1 and "$" not in content:
        tag = dice.choice(("", "a", "_x1"))
        return f"${tag}${content}${tag}$"
    if form == 2 and content:
        place = dice.randrange(len(content))
        quoted = [
            part.replace("\\", "\\\\").replace("'", "''") for part in (content[:place], content[place + 1 :])
        ]
        return f"U&'{quoted[0]}\\{ord(content[place]):04x}{quoted[1]}'"
    if form == 3 and len(content) > 1:
        place = dice.randrange(1, len(content))
        return "'" + content[:place].replace("'", "''") + "' \n '" + content[place:].replace("'", "''") + "'"
    return "'" + content.replace("'", "''") + "'"
