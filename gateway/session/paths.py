"""The session's search_path, which decides what an unqualified name means.

PostgreSQL 18 reports it at each ReadyForQuery. Older servers are asked with SHOW, which takes no snapshot, before the first
text and whenever something may have moved it, but never inside an open pipeline (the Sync would commit it). Where it is not
known, a name may mean the relations of that name in every schema.

What triggers and row security policies do to it is not seen on servers before 18.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.session.inflight import Ask
from parser.errors import ProtocolError
from parser.messages import frame as build
from parser.messages import parse

if TYPE_CHECKING:
    from gateway.scope import Ruling
    from gateway.session.session import Session

_NAME: Final = b"sluice_path\0"
_ASKING: Final = (
    parse("sluice_path", "SHOW search_path"),
    build(b"B", _NAME * 2 + bytes(6)),
    build(b"E", _NAME + bytes(4)),
    build(b"C", b"P" + _NAME),
    build(b"C", b"S" + _NAME),
    build(b"S"),
)
_ASKED: Final = (Ask.PARSE, Ask.BIND, Ask.EXECUTE, Ask.CLOSE, Ask.CLOSE, Ask.SYNC)
_ABORTED: Final = ord("E")


def asks(s: Session) -> bool:
    """Whether the server is asked first: the client's next text then waits for its answer."""
    if not s.path_doubt or s.queue or s.open_epoch == s.epoch or s.status == _ABORTED or s.scope.rights.replication:
        return False
    s.path_doubt = False
    for kind in _ASKED:
        s.ask(kind).own = True
    s.to_server += _ASKING
    s.epoch += 1
    return True


def take(s: Session, row: bytes) -> None:
    """The answer's DataRow. Raises ProtocolError where it is no single value."""
    if row[5:7] != b"\0\1" or len(row) < 11:
        raise ProtocolError("one value was asked for")
    s.search_path = path(row[11:].decode("utf-8", "replace"), s.user_schema)


def moved(s: Session) -> None:
    """A statement went through that may have changed it."""
    s.search_path = None
    s.path_doubt = s.path_moved = True
    s.permits.forget()


def moves(s: Session, rulings: tuple[Ruling, ...]) -> bool:
    """Whether one of the statements may change it, or ends a transaction, or a part of one, in which it was changed."""
    for ruling in rulings:  # noqa: SIM110 - on every execution, and a loop compiles to less
        if ruling.moves_path or (s.path_moved and ruling.facts.kinds[0].startswith("ROLLBACK")):
            return True
    return False


def settled(s: Session) -> None:
    """ReadyForQuery: what the server reports holds now; without a report, the end of a transaction may take changes back."""
    if s.path_reported is not None:
        if s.search_path is None:
            s.search_path = path(s.path_reported, s.user_schema)
        s.path_doubt = s.path_moved = False
    elif s.path_moved and s.status == ord("I"):
        s.path_moved = False
        s.search_path = None
        s.path_doubt = True


def path(text: str, user_schema: str | None) -> tuple[str, ...] | None:
    """The schemas of a search_path as SHOW prints it; None where that is not certain. `user_schema` stands for "$user";
    None: the role may have been changed. (SplitIdentifierString in the server's varlena.c says how it is read.)"""
    schemas: list[str] = []
    at = 0
    text = text.strip()
    while at < len(text):
        if text[at] == '"':
            name, at = _quoted(text, at + 1)
        else:
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            name, at = text[at:end].strip(), end
            if not name.isascii() or not name or '"' in name or any(one.isspace() for one in name):
                return None
            name = name.lower()
        if name is None or len(name.encode()) > 63:
            return None
        if name == "$user":
            if user_schema is None:
                return None
            name = user_schema
        schemas.append(name)
        rest = text[at:].lstrip()
        if rest and not rest.startswith(","):
            return None
        if rest and not rest[1:].strip():
            return None
        at = len(text) - len(rest[1:].lstrip()) if rest else len(text)
    return tuple(schemas)


def _quoted(text: str, at: int) -> tuple[str | None, int]:
    """The name whose quote was opened before `at`, and the place behind it; None where it is not closed."""
    parts = []
    while True:
        end = text.find('"', at)
        if end < 0:
            return None, len(text)
        parts.append(text[at:end])
        if text[end + 1 : end + 2] != '"':
            return '"'.join(parts), end + 1
        at = end + 2
