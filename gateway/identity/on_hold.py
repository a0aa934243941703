"""What a client wants of a statement that a rule holds: to wait for people, or to be refused at once with a ticket.

`SET sluice.on_hold = 'ticket'` (also in the start-up packet) says it of the session, a comment in sqlcommenter form,
/*sluice_on_hold='ticket'*/, of its own statement, whose word is the stronger one. The setting goes on to the server, which
knows nothing of it but the name, and lives by the server's rules.
"""

from collections.abc import Iterable
from typing import Final

from gateway.errors import Refused, State
from parser.facts import Facts

SETTING: Final = "sluice.on_hold"
TAG: Final = "sluice_on_hold"
TICKET: Final = "ticket"
RULE: Final = "on hold"
_WORDS: Final = ("wait", TICKET)
UNKNOWN: Final = Refused(
    State.VALUE, f"invalid value for {SETTING}", f"Available values: {', '.join(_WORDS)}.", RULE
)


def known(value: str) -> bool:
    """Whether it is a word for it; the empty one is where nothing is said."""
    return not value or value in _WORDS


def unknown(facts: Facts) -> Refused | None:
    """The refusal of a statement that says it in another word."""
    values = [value for key, value in facts.tags if key == TAG]
    values += [one.value or "" for one in facts.settings if one.name == SETTING]
    return None if all(map(known, values)) else UNKNOWN


def wants_ticket(session: str, statements: Iterable[Facts]) -> bool:
    """Whether the statements of a text, sent in a session with this word, are to be refused with a ticket."""
    word = session
    for facts in statements:
        for setting in facts.settings:
            if setting.name == SETTING:
                word = setting.value or ""
        word = next((value for key, value in facts.tags if key == TAG), word)
    return word == TICKET
