"""What operators see of the live sessions: who, through what, where, and what each is doing. Never a value."""

from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.session.session import Session

STATEMENT_CHARACTERS_MAX: Final = 2000
_IDLE: Final = ord("I")


class SessionShown(msgspec.Struct, frozen=True, kw_only=True):
    """A session as operators see it. Times are POSIX seconds."""

    id: str
    user: str
    issuer: str
    actors: tuple[str, ...]
    model: str
    run: str
    token_id: str
    address: str
    application: str
    database: str
    environment: str
    role: str
    grants: tuple[str, ...]
    since: float
    statements: int
    rows: int
    state: str  # idle | in transaction | running | ending
    running_since: float | None
    statement: str  # its literals out; "" where none runs
    tables: tuple[str, ...]
    worker: int


_pack = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(list[SessionShown])


def shown(session: Session, since: float, worker: int) -> SessionShown:
    """One session, as it is now."""
    info = session.card.info
    item = session.queue[0] if session.queue else None
    ruling = item.ruling if item is not None else None
    runs = ruling is not None and item is not None
    return SessionShown(
        id=info.session,
        user=info.user,
        issuer=info.issuer,
        actors=info.actors,
        model=info.model,
        run=info.run,
        token_id=info.token_id,
        address=info.address,
        application=info.application,
        database=info.database,
        environment=info.environment,
        role=info.role,
        grants=tuple(grant.name for grant in session.scope.rights.grants),
        since=since,
        statements=session.statements,
        rows=session.rows + sum(each.rows_seen for each in session.queue),
        state=_state(session),
        running_since=max(item.started, session.answered) / 1e9 if runs and item is not None else None,
        statement=ruling.card.info.statement[:STATEMENT_CHARACTERS_MAX] if ruling is not None else "",
        tables=ruling.card.info.tables if ruling is not None else (),
        worker=worker,
    )


def _state(session: Session) -> str:
    if session.ending:
        return "ending"
    if session.queue:
        return "running"
    return "idle" if session.status == _IDLE else "in transaction"


def pack(sessions: Iterable[SessionShown]) -> bytes:
    """As they travel from a worker to the admin process."""
    return _pack(list(sessions))


def unpack(content: bytes) -> list[SessionShown]:
    """What `pack` made. Raises ValueError."""
    return _decoder.decode(content)
