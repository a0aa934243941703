"""Answers belong to the oldest message, of the kind that has such an answer, and to nothing that was refused."""

from collections.abc import Callable

import pytest

from gateway.errors import Refused, State
from gateway.session.asked import asked, describing, oldest, running
from gateway.session.inflight import Ask, Item
from gateway.session.session import Session
from parser.errors import ProtocolError
from tests.gateway.session.rig import Rig

KINDS = range(Ask.QUERY, Ask.FUNCTION + 1)
DOORS: list[tuple[Callable[[Session], Item], set[int]]] = [
    (oldest, set(KINDS)),
    (running, {Ask.QUERY, Ask.EXECUTE}),
    (describing, {Ask.DESCRIBE_STATEMENT, Ask.DESCRIBE_PORTAL}),
    *((lambda s, kind=kind: asked(s, kind), {kind}) for kind in KINDS),
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_belongs_to_the_oldest_message_of_its_kind(kind: int) -> None:
    session = Rig().session
    for door, _ in DOORS:
        with pytest.raises(ProtocolError, match="nothing that was asked"):
            door(session)
    first = session.ask(kind)
    session.ask(Ask.SYNC)
    for door, kinds in DOORS:
        if kind in kinds:
            assert door(session) is first
        else:
            with pytest.raises(ProtocolError, match="nothing that was asked"):
                door(session)
    first.refused = Refused(State.DENIED, "no", "")
    for door, _ in DOORS:
        with pytest.raises(ProtocolError, match="nothing that was asked"):
            door(session)
