"""Reading everything that is no query, no change of rows and no definition: COPY, EXPLAIN, SET, cursors, maintenance …"""


from parser.bodies import absorb, do_block, regard
from parser.changes import CHANGES
from parser.copies import copy_command
from parser.expressions import scan
from parser.facts import Facts, Named, Output
from parser.keywords import NOT_A_NAME, QUERY_STARTS
from parser.kinds import ON_TABLES, SIMPLE
from parser.reading import Reading, Unread
from parser.routines import ABOUT_DEFINITIONS, COUNTING, PURE
from parser.session_commands import discard_command, reset_command, set_command, show_command
from parser.tokens import Kind

_FALSE = frozenset(("false", "off", "0", "no", "f", "n", "of", "fa", "fal", "fals"))
_PREPARABLE = QUERY_STARTS | CHANGES | {"("}


def command(r: Reading, start: int, end: int) -> None:
    """Read the statement in the tokens from start to end. Raises Unread, also for a first word that is not known."""
    first = r.words.word[start]
    reader = _READERS.get(first)
    if reader is not None:
        reader(r, start + 1, end)
    elif first in SIMPLE:
        _simple(r, first, start + 1, end)
    elif first in ON_TABLES:
        _on_tables(r, first, start + 1, end)
    else:
        raise Unread("a statement of an unknown kind")


def _simple(r: Reading, first: str, at: int, end: int) -> None:
    word = r.words.word
    kind, effects = SIMPLE[first]
    if first in ("commit", "rollback") and word[at] == "prepared":
        kind, effects = f"{kind} PREPARED", frozenset(("session", "write"))
    elif first == "rollback" and r.find(frozenset(("to",)), at, end) < end:
        kind = "ROLLBACK TO"
    elif first in ("grant", "revoke"):
        on = r.find(frozenset(("on",)), at, end)
        if on == end:
            kind += " ROLE"
        elif r.words.named[on + 1]:
            _granted(r, on + 1, end)
    r.kinds.setdefault(kind)
    r.effects |= effects


def _granted(r: Reading, at: int, end: int) -> None:
    """The tables of GRANT … ON [TABLE] a, b TO …"""
    words = r.words
    if words.word[at] == "table":
        at += 1
    elif words.word[at + 1] not in (".", ",", "to", "from"):
        return
    stop = r.find(frozenset(("to", "from")), at, end)
    for begin, close in r.split(at, stop):
        if begin < close and words.named[begin]:
            r.writes.setdefault(r.relation(begin)[0])


def _on_tables(r: Reading, first: str, at: int, end: int) -> None:
    words = r.words
    word, match = words.word, words.match
    kind, effects = ON_TABLES[first]
    r.kinds.setdefault(kind)
    r.effects |= effects
    if word[at] == "(" and first != "truncate":
        at = match[at] + 1
    skipped = {
        "vacuum": ("full", "freeze", "verbose", "analyze", "analyse"),
        "analyze": ("verbose",),
        "analyse": ("verbose",),
        "cluster": ("verbose",),
        "truncate": ("table",),
        "refresh": ("materialized", "view", "concurrently"),
        "reindex": ("verbose", "table", "index", "concurrently"),
    }[first]
    if first == "reindex" and word[at] in ("schema", "database", "system"):
        return
    while word[at] in skipped:
        at += 1
    stop = r.find(frozenset(("cascade", "restrict", "restart", "continue", "with", "using", "on")), at, end)
    for begin, close in r.split(at, stop):
        begin += word[begin] == "only"
        if begin < close and words.named[begin]:
            r.writes.setdefault(r.relation(begin)[0])
    if first == "cluster" and word[stop] == "on" and words.named[stop + 1]:  # CLUSTER index ON table, as before 8.3
        r.writes.setdefault(r.relation(stop + 1)[0])


# --- statements with a statement inside ---


def _adopt(r: Reading, inner: Facts) -> None:
    """Take over everything the statement inside does."""
    r.inner = inner
    r.creates += inner.creates
    absorb(r, inner)


def _note(r: Reading, inner: Facts) -> None:
    """Take over what the statement inside looks at."""
    r.inner = inner
    regard(r, inner)


def _explain(r: Reading, at: int, end: int) -> None:
    words = r.words
    word, match, text = words.word, words.match, words.text
    runs = False
    if word[at] == "(" and not words.is_query(at):
        for begin, stop in r.split(at + 1, match[at]):
            if word[begin] in ("analyze", "analyse"):
                runs = runs or stop == begin + 1 or text[begin + 1].lower() not in _FALSE
            elif words.kind[begin] is Kind.QUOTED and text[begin] in ("analyze", "analyse"):
                runs = True
        at = match[at] + 1
    else:
        while word[at] in ("analyze", "analyse", "verbose"):
            runs = runs or word[at] != "verbose"
            at += 1
    r.kinds.setdefault("EXPLAIN")
    r.effects.add("read")
    if word[at] not in _PREPARABLE | {"declare", "create", "refresh", "execute"}:
        raise Unread("EXPLAIN of a statement that has no plan")
    inner = r.inside(words, at, end)
    if runs:
        _adopt(r, inner)
        r.named = inner.named
    else:
        _note(r, inner)
        if "EXECUTE" in inner.kinds:
            r.named = inner.named
    # A plan shows no stored rows; a function that is run while planning could.
    known = PURE | ABOUT_DEFINITIONS | COUNTING
    opaque = any(schema not in (None, "pg_catalog") or name not in known for schema, name in inner.functions)
    r.outputs = (Output(opaque=opaque),)


def _prepare(r: Reading, at: int, end: int) -> None:
    words = r.words
    if words.word[at] == "transaction":
        r.kinds.setdefault("PREPARE TRANSACTION")
        r.effects |= {"session", "write"}
        return
    name = _plain_name(r, at)
    at += 1
    if words.word[at] == "(":
        at = words.match[at] + 1
    if words.word[at] != "as":
        raise Unread("PREPARE was not understood")
    if words.word[at + 1] not in _PREPARABLE:
        raise Unread("PREPARE of a statement that has no plan")
    r.kinds.setdefault("PREPARE")
    r.effects.add("session")
    r.named = Named("prepare", name)
    _adopt(r, r.inside(words, at + 1, end))


def _execute(r: Reading, at: int, end: int) -> None:
    words = r.words
    r.kinds.setdefault("EXECUTE")
    r.effects.add("procedural")
    r.named = Named("execute", _plain_name(r, at))
    r.outputs = None
    if words.word[at + 1] == "(":
        scan(r, at + 2, words.match[at + 1], None, {})


def _declare(r: Reading, at: int, end: int) -> None:
    words = r.words
    r.kinds.setdefault("DECLARE")
    r.effects.add("session")
    r.named = Named("declare", _plain_name(r, at))
    query_at = r.find(frozenset(("for",)), at + 1, end) + 1
    if query_at > end or words.word[query_at] not in QUERY_STARTS | {"("}:
        raise Unread("DECLARE was not understood")
    _adopt(r, r.inside(words, query_at, end))


def _plain_name(r: Reading, at: int) -> str:
    parts, _ = r.name(at)
    return parts[0]


def _fetch(r: Reading, at: int, end: int) -> None:
    r.kinds.setdefault("FETCH" if r.words.word[at - 1] == "fetch" else "MOVE")
    r.effects.add("read" if r.words.word[at - 1] == "fetch" else "session")
    r.outputs = None
    if end <= at or not r.words.named[end - 1]:
        raise Unread("FETCH was not understood")
    r.named = Named("fetch", r.words.text[end - 1])


def _ending(r: Reading, at: int, end: int) -> None:
    """DEALLOCATE [PREPARE] name | ALL and CLOSE name | ALL."""
    word = r.words.word
    close = word[at - 1] == "close"
    r.kinds.setdefault("CLOSE" if close else "DEALLOCATE")
    r.effects.add("session")
    if word[at] == "prepare" and at + 1 < end:
        at += 1
    name = "*" if word[at] == "all" else _plain_name(r, at)
    r.named = Named("close" if close else "deallocate", name)


def _do(r: Reading, at: int, end: int) -> None:
    r.kinds.setdefault("DO")
    r.effects.add("session")
    do_block(r, at, end)


def _call(r: Reading, at: int, end: int) -> None:
    r.kinds.setdefault("CALL")
    r.effects.add("procedural")
    scan(r, at, end, None, {})
    r.outputs = None


def _lock(r: Reading, at: int, end: int) -> None:
    """LOCK [TABLE] a, b [IN mode MODE]: the weak modes hinder no reader and no writer."""
    words = r.words
    word = words.word
    at += word[at] == "table"
    stop = r.find(frozenset(("in", "nowait")), at, end)
    mode = " ".join(word[stop + 1 : end]) if word[stop] == "in" else ""
    weak = mode.startswith(("access share mode", "row share mode"))
    r.kinds.setdefault("LOCK")
    r.effects.add("read" if weak else "write")
    for begin, close in r.split(at, stop):
        begin += word[begin] == "only"
        begin += word[begin] == "("
        if begin < close and words.named[begin] and words.word[begin] not in NOT_A_NAME:
            (r.reads if weak else r.writes).setdefault(r.relation(begin)[0])


_READERS = {
    "call": _call,
    "close": _ending,
    "copy": copy_command,
    "deallocate": _ending,
    "declare": _declare,
    "discard": discard_command,
    "do": _do,
    "execute": _execute,
    "explain": _explain,
    "fetch": _fetch,
    "lock": _lock,
    "move": _fetch,
    "prepare": _prepare,
    "reset": reset_command,
    "set": set_command,
    "show": show_command,
}
