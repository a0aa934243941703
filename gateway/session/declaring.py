"""What the session has declared that it is about to do: `SET sluice.reason`, followed as the server answers it.

The setting is one that PostgreSQL knows nothing of but the name (manual, section 19.16), so it goes on to the server and
lives by the server's rules: a rollback takes it back, SET LOCAL ends with the transaction, RESET and DISCARD ALL bring
back the start-up packet's.
"""

from collections.abc import Iterable

from gateway.identity.declaration import SETTING, Declaration, combined, read_text
from parser.facts import Facts, Setting

SAVEPOINTS_MAX = 1000  # of one transaction; going back to a later one leaves what is declared as it is
_OF_OTHERS = ("CREATE", "ALTER")  # settings of functions, roles and databases

Held = tuple[str, str | None]  # the session's text, and that of SET LOCAL over it


def began(parameters: Iterable[tuple[str, str]]) -> str:
    """What the start-up packet's settings declare, "" where they do not."""
    return next((value for name, value in parameters if name.lower() == SETTING), "")


class Said:
    """See the module. `now`: what counts for the next statement, None where nothing is declared."""

    __slots__ = ("_began", "_failed", "_held", "_marks", "_settled", "_token", "moved", "now")

    def __init__(self, token: Declaration | None = None, began: str = "") -> None:
        """`token`: the claim's; `began`: the setting in the start-up packet."""
        self._token = token
        self._began = began
        self._held: Held = (began, None)
        self._settled = began  # before the transaction
        self._marks: dict[str, Held] = {}
        self._failed = False
        self.moved = False  # something changed in this transaction
        self.now: Declaration | None = None
        self._hold(self._held)

    def _hold(self, held: Held) -> None:
        self._held = held
        text = held[0] if held[1] is None else held[1]
        self.now = combined(read_text(text), self._token) if text else self._token

    def completed(self, facts: Facts) -> None:
        """A statement went through."""
        first = facts.kinds[0]
        if first == "SAVEPOINT":
            if len(self._marks) < SAVEPOINTS_MAX:
                self._marks[facts.shape.split()[-1]] = self._held
        elif first.startswith("ROLLBACK"):
            self._rolled_back(facts)
        elif first in ("COMMIT", "END"):
            self.settled()  # AND CHAIN goes on in a transaction at once
        elif facts.settings and not first.startswith(_OF_OTHERS):
            for setting in facts.settings:
                self._set(setting, first)

    def _set(self, setting: Setting, first: str) -> None:
        if setting.name == "*" and first.startswith(("RESET", "DISCARD")):
            value = self._began
        elif setting.name == SETTING:
            value = self._began if setting.value is None else setting.value
        else:
            return
        self.moved = True
        self._hold((self._held[0], value) if setting.local else (value, None))

    def _rolled_back(self, facts: Facts) -> None:
        self._failed = False
        if not self.moved:
            return
        if facts.kinds[0] == "ROLLBACK TO":
            self._hold(self._marks.get(facts.shape.split()[-1], self._held))
        else:
            self._hold((self._settled, None))

    def failed(self) -> None:
        """A statement failed: its transaction will come to nothing, unless it goes back to a savepoint."""
        self._failed = True

    def settled(self) -> None:
        """The transaction has ended."""
        if self.moved:
            self._hold((self._settled if self._failed else self._held[0], None))
            self._settled = self._held[0]
            self.moved = False
        if self._marks:
            self._marks.clear()
        self._failed = False

    def taken_back(self, facts: Facts) -> bool:
        """Whether the statement may take back what was declared: later ones are read when it is answered."""
        return self.moved and facts.kinds[0].startswith("ROLLBACK")
