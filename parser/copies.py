"""Reading COPY: what it moves, where to and how."""

from typing import Literal

from parser.changes import CHANGES
from parser.expressions import scan
from parser.facts import Column, Copy, Output, Relation
from parser.lineage import Item, Scope, Source, outputs
from parser.queries import query
from parser.reading import Reading, Unread
from parser.tables import base_source
from parser.tokens import Kind

_LEGACY = frozenset(("delimiter", "delimiters", "null", "header", "quote", "escape", "encoding"))


def copy_command(r: Reading, at: int, end: int) -> None:
    words = r.words
    word, match = words.word, words.match
    binary = word[at] == "binary"
    at += binary
    inside = None
    relation: Relation | None = None
    columns: tuple[str, ...] | None = None
    if word[at] == "(":
        inside = (at + 1, match[at])
        at = match[at] + 1
    else:
        relation, at = r.relation(at)
        relation = base_source(r, relation).relation or relation
        if word[at] == "(":
            columns = tuple(r.names(at))
            at = match[at] + 1
    direction = word[at]
    if direction not in ("from", "to") or (direction == "from" and relation is None):
        raise Unread("COPY was not understood")
    target, at = _copy_target(r, direction, at + 1)
    r.kinds.setdefault(f"COPY {direction.upper()}" + (" PROGRAM" if target == "program" else ""))
    if inside is not None:
        r.outputs = outputs(_inner_query(r, *inside))
    elif relation is not None:
        _copy_table(r, relation, columns, direction)
    options, at = _copy_options(r, at, end, binary)
    if word[at] == "where" and relation is not None and direction == "from":
        scan(r, at + 1, end, Scope(None, [Source(relation.name, relation)]), {})
    elif at != end:
        raise Unread("COPY was not understood")
    form = dict(options).get("format", "text")
    known: tuple[Literal["text", "csv", "binary"], ...] = ("text", "csv", "binary")
    r.by_value = r.by_value or bool(options)
    r.copy = Copy(target, relation, columns, next((name for name in known if name == form), "unknown"), options)


def _copy_target(
    r: Reading, direction: str, at: int
) -> tuple[Literal["stdin", "stdout", "file", "program"], int]:
    """What stands behind FROM or TO, and the token behind it. Either of STDIN and STDOUT is taken in either direction."""
    words = r.words
    if words.word[at] in ("stdin", "stdout"):
        return ("stdout" if direction == "to" else "stdin"), at + 1
    program = words.word[at] == "program"
    at += program
    if words.kind[at] is not Kind.STRING:
        raise Unread("COPY was not understood")
    r.effects.add("unsafe-io")
    return ("program" if program else "file"), at + 1


def _inner_query(r: Reading, start: int, end: int) -> list[Item]:
    word = r.words.word
    if word[r.behind_with(start, end) if word[start] == "with" else start] in CHANGES:
        return r.change(r, start, end, {})
    return query(r, start, end, None, {})


def _copy_table(r: Reading, relation: Relation, columns: tuple[str, ...] | None, direction: str) -> None:
    listed = [Column(relation, name) for name in columns] if columns is not None else [Column(relation, "*")]
    if direction == "to":
        r.effects.add("read")
        r.reads.setdefault(relation)
        r.columns_read.update(listed)
        if columns is None:
            r.outputs = None
        else:
            r.outputs = tuple(Output(frozenset((column,)), plain=True) for column in listed)
    else:
        r.effects.add("write")
        r.writes.setdefault(relation)
        r.target = relation
        r.columns_written.update(listed)


def _copy_options(r: Reading, at: int, end: int, binary: bool) -> tuple[tuple[tuple[str, str | None], ...], int]:
    """The options, new style or old; the token behind them."""
    words = r.words
    word, match, text = words.word, words.match, words.text
    options: list[tuple[str, str | None]] = [("format", "binary")] if binary else []
    if word[at] in ("using", "with") and word[at + 1] != "(":
        at += 1
    at += word[at] == "with"
    if word[at] == "(":
        for begin, stop in r.split(at + 1, match[at]):
            value = text[begin + 1] if stop - begin == 2 else None
            name = text[begin].lower()
            options.append((name, value.lower() if value is not None and name == "format" else value))
        return tuple(options), match[at] + 1
    while at < end and word[at] != "where":
        w = word[at]
        if w in ("csv", "binary", "freeze", "oids", "header"):
            options.append(("format", w) if w in ("csv", "binary") else (w, None))
            at += 1
        elif w == "force":
            at = r.find(frozenset(("csv", "header", "where", "delimiter", "null", "quote", "escape")), at + 3, end)
            options.append(("force", None))
        elif w in _LEGACY:
            at += 1
            at += word[at] == "as"
            options.append((w.rstrip("s") if w == "delimiters" else w, text[at]))
            at += 1
        else:
            raise Unread("COPY was not understood")
    return tuple(options), at
