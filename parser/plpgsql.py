"""What a function body LANGUAGE plpgsql can do at worst, told from its words alone.

The language is not parsed. A body is *plain* when none of its words can begin anything but control flow and reading or
changing rows, and no text of its own making is run: then it reads, perhaps changes rows, and calls what it calls. Every
other body stays opaque. Column names that are spelled like a command make a body opaque too: that errs on the safe side.
(Manual, chapter 43: PL/pgSQL takes SQL apart with the server's own scanner.)
"""

from dataclasses import dataclass

from parser.facts import Effect
from parser.keywords import NOT_A_NAME, SYNTAX_CALLS, word_set
from parser.tokenizer import LexError, tokenize
from parser.tokens import Kind, Tokens

# Words that can begin a command, or run a text. `do` and `set` have their harmless places, see below.
_COMMANDS = word_set(
    """
    abort alter analyse analyze call checkpoint close cluster comment commit copy create deallocate discard drop execute
    explain grant import label listen load lock move notify prepare reassign refresh reindex release reset revoke rollback
    savepoint security show truncate unlisten vacuum
    """
)
_CHANGES = frozenset(("insert", "update", "delete", "merge"))
_STARTS = frozenset((";", "begin", "then", "else", "loop", ">>", ""))  # what a statement stands behind
# Words that stand in front of a bracket and call nothing.
_NO_CALLS = SYNTAX_CALLS | word_set(
    """
    and or not in any all some if elsif elseif while when return values over partition by as on using select where having
    distinct then else exists perform case loop filter group limit offset from with union intersect except into conflict
    is like ilike between set default array row cast coalesce greatest least nullif raise assert decode sets rollup cube
    materialized lateral key next query record numeric varchar char character bit decimal float time timestamp interval
    """
)


@dataclass(frozen=True, slots=True)
class Plain:
    """A body that was understood so far. `calls`: (schema or None, folded name) of everything that may be a call, fields
    behind a point included. `operators`: symbols; `names`: every name, types among them. Functions may stand behind both."""

    effects: frozenset[Effect]
    calls: frozenset[tuple[str | None, str]]
    operators: frozenset[str]
    names: frozenset[str]


def plain(source: bytes) -> Plain | None:
    """What the body does at worst; None where it is opaque. Never raises."""
    try:
        tokens = tokenize(source)
    except LexError:
        return None
    effects: set[Effect] = {"read"}
    calls: set[tuple[str | None, str]] = set()
    operators: set[str] = set()
    names: set[str] = set()
    for at, token in enumerate(tokens):
        if token.kind is Kind.IDENT or token.kind is Kind.QUOTED:
            if token.kind is Kind.IDENT and not _harmless(tokens, at):
                return None
            if token.kind is Kind.IDENT and token.text in _CHANGES:
                effects.add("write")
            names.add(token.text)
            before = _mark(tokens, at - 1)
            if before == "." or _calls(tokens, at):
                schema = tokens[at - 2].text if before == "." and _is_name(tokens, at - 2) else None
                calls.add((schema, token.text))
                if schema is not None:
                    calls.add((None, token.text))  # a field of a record, which may be the call of a function with it
        elif token.kind is Kind.OPERATOR or token.kind is Kind.SELF:
            operators.add(token.text)
    return Plain(frozenset(effects), frozenset(calls), frozenset(operators), frozenset(names))


def _mark(tokens: Tokens, at: int) -> str:
    """The token's text where it is no string and no quoted name; "" outside."""
    if not 0 <= at < len(tokens) or tokens[at].kind in (Kind.QUOTED, Kind.STRING):
        return ""
    return tokens[at].text


def _is_name(tokens: Tokens, at: int) -> bool:
    return at >= 0 and tokens[at].kind in (Kind.IDENT, Kind.QUOTED)


def _harmless(tokens: Tokens, at: int) -> bool:
    """Whether an unquoted word begins nothing but control flow, reading or changing rows."""
    word, before, behind = tokens[at].text, _mark(tokens, at - 1), _mark(tokens, at + 1)
    if word in _COMMANDS:
        return False
    if word == "do":  # ON CONFLICT DO …, and nothing else
        return behind in ("nothing", "update")
    if word == "set":  # UPDATE t SET, and no SET of a setting
        return before not in _STARTS
    return True


def _calls(tokens: Tokens, at: int) -> bool:
    """Whether the name may be called: it stands in front of a bracket, and not behind INTO, where its columns follow."""
    if _mark(tokens, at + 1) != "(":
        return False
    unquoted = tokens[at].kind is Kind.IDENT
    if unquoted and (tokens[at].text in _NO_CALLS or tokens[at].text in NOT_A_NAME):
        return False
    start = at
    while _mark(tokens, start - 1) == "." and _is_name(tokens, start - 2):
        start -= 2
    return _mark(tokens, start - 1) != "into"
