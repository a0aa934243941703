"""What a client wants of a statement that is held."""

import pytest

from gateway.identity.on_hold import UNKNOWN, known, unknown, wants_ticket
from parser.statements import read

UPDATE = "update t set a = 1"


@pytest.mark.parametrize(
    ("session", "text", "ticket"),
    [
        ("", UPDATE, False),
        ("ticket", UPDATE, True),
        ("wait", UPDATE, False),
        ("", f"{UPDATE} /*sluice_on_hold='ticket'*/", True),
        ("ticket", f"{UPDATE} /*sluice_on_hold='wait'*/", False),
        ("", f"set sluice.on_hold = 'ticket'; {UPDATE}", True),
        ("ticket", f"reset sluice.on_hold; {UPDATE}", False),
        ("", "select 'sluice_on_hold=ticket'", False),
    ],
)
def test_the_statements_word_is_stronger_than_the_sessions(session: str, text: str, ticket: bool) -> None:
    assert wants_ticket(session, read(text.encode())) is ticket


def test_another_word_is_refused_with_those_that_there_are() -> None:
    for text, refused in (
        ("set sluice.on_hold = 'ticket'", None),
        ("set sluice.on_hold = ''", None),
        ("reset sluice.on_hold", None),
        ("set sluice.on_hold = 'tikket'", UNKNOWN),
        (f"{UPDATE} /*sluice_on_hold='now'*/", UNKNOWN),
    ):
        (facts,) = read(text.encode())
        assert unknown(facts) is refused
    assert (UNKNOWN.sqlstate, "wait, ticket" in UNKNOWN.hint) == ("22023", True)
    assert (known("ticket"), known("TICKET")) == (True, False)
