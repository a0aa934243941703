"""Clauses that definitions have in common: the expressions in them, the tables they refer to, the functions they name."""

from parser.expressions import condition, scan
from parser.keywords import NOT_A_NAME
from parser.lineage import Scope, Source
from parser.queries import query
from parser.reading import Reading
from parser.references import resolve
from parser.routines import EFFECTS
from parser.tokens import Kind

# In front of brackets that hold expressions in a definition.
_BEFORE_EXPRESSIONS = frozenset(
    ("check", "using", "where", "default", "as", "when", "from", "in", "to", "execute", "exclude", "range", "list", "hash")
)
_DEFAULT_ENDS = frozenset(
    (",", ")", "not", "null", "constraint", "check", "unique", "primary", "references", "generated", "collate")
)
_CALLED_KEYWORDS = frozenset(("left", "right"))  # keywords that are functions, too
# What a definition calls by a bare name: CREATE TYPE (input = f), HANDLER f, WITH FUNCTION f (…).
_CALLING_OPTIONS = frozenset(
    (
        *("function", "procedure", "restrict", "join", "sfunc", "finalfunc", "combinefunc", "serialfunc"),
        *("deserialfunc", "msfunc", "minvfunc", "mfinalfunc", "sfunc1", "sfunc2", "input", "output", "receive", "send"),
        *("typmod_in", "typmod_out", "analyze", "analyse", "subscript", "canonical", "subtype_diff", "start", "gettoken"),
        *("end", "lextypes", "headline", "init", "lexize"),
    )
)
_CALLING_WORDS = frozenset(("handler", "validator", "inline", "support"))


def past_if(r: Reading, at: int) -> int:
    """Behind IF [NOT] EXISTS and CONCURRENTLY."""
    word = r.words.word
    if word[at] == "concurrently":
        at += 1
    if word[at] == "if":
        at += 3 if word[at + 1] == "not" else 2
    return at


def says(r: Reading, at: int, end: int, *phrase: str) -> bool:
    """Whether the words stand there one behind the other."""
    word = r.words.word
    length = len(phrase)
    return any(tuple(word[k : k + length]) == phrase for k in range(at, end - length + 1))


def expressions(r: Reading, start: int, end: int) -> None:
    """Functions in the expressions of a definition: they run when it is made or used. Tables that it refers to."""
    words = r.words
    word, match = words.word, words.match
    scope = Scope(None, [Source(None, relation) for relation in r.writes])
    at = start
    while at < end:
        w = word[at]
        before = word[at - 1]
        if w == "(" and (before in _BEFORE_EXPRESSIONS or _excludes(r, at)):
            for begin, stop in r.split(at + 1, match[at]):
                expression(r, begin, stop, scope)
            at = match[at]
        elif w == "using" and before != "exclude" and word[at + 1] != "index":
            stop = r.find(frozenset((",",)), at, end)
            expression(r, at + 1, stop, scope)
            at = stop - 1
        elif w == "default":
            stop = _default_end(r, at + 1, end)
            expression(r, at + 1, stop, scope)
            at = stop - 1
        elif w == "references" and words.named[at + 1]:
            r.reads.setdefault(r.relation(at + 1)[0])
        elif w == "inherits" and word[at + 1] == "(":
            _tables(r, at + 2, match[at + 1])
        elif w == "like" and before in ("(", ",") and words.named[at + 1]:
            r.reads.setdefault(r.relation(at + 1)[0])
        at += 1


def _default_end(r: Reading, at: int, end: int) -> int:
    """Where the expression behind DEFAULT ends: at the next constraint of the column or its comma."""
    word = r.words.word
    at = r.find(_DEFAULT_ENDS, at if word[at] == "(" else at + 1, end)
    while word[at] == "not" and word[at + 1] not in ("null", "deferrable", "enforced"):
        at = r.find(_DEFAULT_ENDS, at + 1, end)
    return at


def _excludes(r: Reading, at: int) -> bool:
    """Whether a bracket opens the list of EXCLUDE USING method (…), or of PARTITION BY LIST (…) written otherwise."""
    word = r.words.word
    return word[at - 2] == "using" and word[at - 3] == "exclude"


def _tables(r: Reading, at: int, end: int) -> None:
    for begin, _ in r.split(at, end):
        r.writes.setdefault(r.relation(begin)[0])


def expression(r: Reading, start: int, end: int, scope: Scope) -> None:
    """Every call in a stretch whose grammar is not known exactly."""
    words = r.words
    word, match = words.word, words.match
    at = start
    while at < end:
        if word[at] == "(" and words.is_query(at):
            query(r, at + 1, match[at], scope, {})
            at = match[at]
        elif word[at] == "." and word[at - 1] in (")", "]") and words.named[at + 1]:
            r.functions.add((None, words.text[at + 1]))  # (value).name is a field, or the function called with it
            r.effects |= EFFECTS.get(words.text[at + 1], frozenset())
            at += 1
        elif words.named[at]:
            begin = at
            parts, at = r.name(at)
            if word[at] == "(":
                if words.kind[begin] is not Kind.IDENT or word[begin] not in NOT_A_NAME or word[begin] in _CALLED_KEYWORDS:
                    scan(r, begin, at + 1, None, {})
            elif len(parts) > 1:
                resolve(r, scope, parts, begin)  # t.f may be a call, f(t)
            continue
        at += 1


def decided(r: Reading, start: int, end: int, scope: Scope) -> None:
    """What CHECK and EXCLUDE ask of rows that are there, in the actions of ALTER TABLE: whether they hold shows at once."""
    words = r.words
    word, match = words.word, words.match
    at = start
    while at < end:
        if word[at] == "check" and word[at + 1] == "(":
            condition(r, "CHECK", at + 2, match[at + 1], scope, {})
            at = match[at + 1]
        elif word[at] == "as" and word[at + 1] == "(" and word[at - 1] == "always":
            scan(r, at + 2, match[at + 1], scope, {})
            at = match[at + 1]
        elif word[at] == "(" and _excludes(r, at):
            for begin, stop in r.split(at + 1, match[at]):
                compared = r.find(frozenset(("with",)), begin, stop)
                indexed(r, begin, compared, scope, unique=True)
            at = match[at]
        at += 1


def indexed(r: Reading, start: int, end: int, scope: Scope, *, unique: bool) -> None:
    """One entry of an index. Of an expression that no two rows may share equality shows at once, of any other whether it
    fails. That no two rows share a column, in whatever case, is counted as other failures are."""
    if r.words.named[start]:
        parts, behind = r.name(start)
        word = r.words.word
        if word[behind] != "(" or (parts in (["lower"], ["upper"]) and r.words.match[behind] == behind + 2):
            return
    if unique:
        condition(r, "a unique index", start, end, scope, {})
    else:
        scan(r, start, end, scope, {})


def called(r: Reading, at: int) -> None:
    """The name at a token is that of a function which the definition makes the server call."""
    if r.words.named[at]:
        parts, _ = r.name(at)
        r.functions.add((parts[-2] if len(parts) > 1 else None, parts[-1]))


def called_by_name(r: Reading, start: int, end: int) -> None:
    """The functions that a type, operator, aggregate, cast, handler and the like are made of."""
    words = r.words
    word, match = words.word, words.match
    for at in range(start, end):
        w = word[at]
        if word[at + 1] == "=" and words.text[at].lower() in _CALLING_OPTIONS:
            called(r, at + 2)
        elif w in _CALLING_WORDS:
            called(r, at + 1)
        elif w in ("function", "procedure") and word[at + 1] != "=":
            name = at + 1
            name += word[name] == "0"  # FUNCTION 1 [(types)] f(…) of an operator class
            called(r, match[name] + 1 if word[name] == "(" else name)
