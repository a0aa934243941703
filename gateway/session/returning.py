"""What the server is sent in place of a text that changes rows whose keys are wanted and does not return them: the same with
the keys in its RETURNING. The client sees nothing of it.

Whether the server would take that, and do the same as without it, is asked in the session itself, once for each table as
long as nothing is heard that may change the answer. In an open pipeline it is asked within, or its Sync would commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.errors import Refused
from gateway.masking import added_keys
from gateway.masking.added_keys import Addition
from gateway.session.inflight import Ask, Item, Portal, Statement
from parser.errors import ProtocolError
from parser.messages import bind as build_bind
from parser.messages import frame as build
from parser.messages import parse as build_parse
from parser.messages import read_bind

if TYPE_CHECKING:
    from gateway.scope import Ruling, Scope
    from gateway.session.session import Session

_NAME: Final = b"sluice_keys\0"
_ASKING: Final = (
    build(b"B", _NAME * 2 + bytes(6)),
    build(b"E", _NAME + bytes(4)),
    build(b"C", b"P" + _NAME),
    build(b"C", b"S" + _NAME),
)
_SYNC: Final = build(b"S")
NO_DATA: Final = build(b"n")
_ABORTED: Final = ord("E")
_RAN_BEFORE: Final = "55000"  # object_not_in_prerequisite_state

TOGETHER: Final = "the statement was sent together with others"
NOT_ASKED: Final = "the server could not be asked whether the statement may return them"
NO_END: Final = "the end of the statement's text was not found"
FOREIGN_NAME: Final = "its table, alias or key has a name that the session's client_encoding may write in another way"


class Permits:
    """What the server said of additions, by their questions: its version, and why it would not take them, "" where it
    would. Under one scope."""

    __slots__ = ("_scope", "_told")

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, str]] = {}
        self._scope: Scope | None = None

    def of(self, question: str, scope: Scope) -> tuple[int, str] | None:
        """None: it is still to be asked."""
        if self._scope is not scope:
            self._told.clear()
            self._scope = scope
        return self._told.get(question)

    def tell(self, question: str, version: int, why: str) -> None:
        """What is known of it now."""
        self._told[question] = version, why

    def forget(self, question: str = "") -> None:
        """It may have changed; without a question all may."""
        if question:
            self._told.pop(question, None)
        else:
            self._told.clear()


def ready(s: Session, rulings: tuple[Ruling, ...]) -> bool:
    """Whether it is known what becomes of this text. If not the server is asked, and the client's frame waits."""
    adds = _alone(rulings)
    if adds is None or s.status == _ABORTED or s.replicates:
        return True
    if s.permits.of(adds.question, s.scope) is not None:
        return True
    if s.queue:
        return False
    within = s.open_epoch == s.epoch
    s.permits.tell(adds.question, 0, NOT_ASKED)
    for kind in (Ask.PARSE, Ask.BIND, Ask.EXECUTE, Ask.CLOSE, Ask.CLOSE):
        item = s.ask(kind)
        item.own = True
        item.name = adds.question.encode()
    s.to_server += (build_parse("sluice_keys", adds.question), *_ASKING)
    if not within:
        s.ask(Ask.SYNC).own = True
        s.to_server.append(_SYNC)
        s.epoch += 1
    return False


def take(s: Session, item: Item, row: bytes) -> None:
    """The answer's DataRow. Raises ProtocolError where it is no single value."""
    if row[5:7] != b"\0\1" or len(row) < 11:
        raise ProtocolError("one value was asked for")
    s.permits.tell(item.name.decode(), *added_keys.answer(row[11:].decode("utf-8", "replace")))


class Sent(NamedTuple):
    """A text for the server, what was added to it, with how many columns, and what is not known of its keys."""

    sql: bytes
    adds: Addition | None = None
    added: int = 0
    unkept: str = ""


def text(s: Session, sql: bytes, rulings: tuple[Ruling, ...]) -> Sent:
    """What to send in place of a text."""
    adds = _alone(rulings)
    if adds is None:
        owes = len(rulings) > 1 and any(ruling.adds is not None for ruling in rulings)
        return Sent(sql, unkept=TOGETHER if owes else "")
    version, why = s.permits.of(adds.question, s.scope) or (0, NOT_ASKED)
    if s.user_schema is None or why == NOT_ASKED:  # the role moves: what it may is asked for each statement
        s.permits.forget(adds.question)
    if not why and s.foreign_text and not adds.clause(version).isascii():
        why = FOREIGN_NAME
    sent = None if why else added_keys.rewritten(sql, adds, version, strings_conform=s.scope.strings_conform)
    if sent is None:
        return Sent(sql, unkept=why or NO_END)
    former = added_keys.FORMER if adds.changes_key and not adds.tells_former(version) else ""
    return Sent(sent, adds, adds.added(version), former)


def _alone(rulings: tuple[Ruling, ...]) -> Addition | None:
    return rulings[0].adds if len(rulings) == 1 else None


def query(s: Session, frame: bytes, item: Item) -> bytes:
    """The Query to send."""
    sent = text(s, frame[5:-1], item.rulings)
    item.unkept = sent.unkept
    return build(b"Q", sent.sql + b"\0") if sent.added else frame


def parse(s: Session, frame: bytes, item: Item) -> bytes:
    """The Parse to send. Marks the item's statement."""
    statement = item.statement
    if statement is None or statement.types is None:
        return frame
    sql = frame[len(item.name) + 6 : len(frame) - len(statement.types) - 1]  # values may stand in place of tokens in it
    sent = text(s, sql, item.rulings)
    statement.adds, statement.added, statement.unkept = sent.adds, sent.added, sent.unkept
    return build(b"P", item.name + b"\0" + sent.sql + b"\0" + statement.types) if sent.added else frame


def bind(frame: bytes, statement: Statement) -> bytes:
    """The Bind to send: a format for each column is one for those that were added too. Raises ProtocolError."""
    said = read_bind(frame[5:])
    formats = said.result_formats
    if len(formats) < 2:  # it holds for all columns
        return frame
    adds = statement.adds
    formats = () if adds is not None and adds.whole else (*formats, *(0,) * statement.added)
    return build_bind(said.portal, said.statement, list(said.values), said.formats, formats)


def execute(frame: bytes, portal: Portal) -> tuple[bytes, Refused | None]:
    """The Execute to send. Without RETURNING a statement runs to its end whatever number of rows was asked for, and once."""
    adds = portal.statement.adds
    if adds is None or not adds.whole:
        return frame, None
    if portal.ran:
        name = portal.name.decode()
        return frame, Refused(_RAN_BEFORE, f'portal "{name}" cannot be run', "Bind the statement again.")
    portal.ran = True
    return frame[:-4] + bytes(4), None


def described(description: bytes, nothing: bytes = NO_DATA) -> bytes:
    """The description without what was added, as the client gets it; `nothing` where no column is left."""
    own, _ = added_keys.split(description)
    return build(b"T", own) if own[:2] != b"\0\0" else nothing
