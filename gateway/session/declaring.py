"""What the session has said in settings of the gateway: what it is about to do (`SET sluice.reason`), and what it wants of
a statement that is held (`SET sluice.on_hold`). Both are followed as the server answers them.

They are settings of which PostgreSQL knows nothing but the name (manual, section 19.16), so they go on to the server and
live by the server's rules: a rollback takes them back, SET LOCAL ends with the transaction, RESET and DISCARD ALL bring
back the start-up packet's.
"""

from collections.abc import Iterable

from gateway.identity import on_hold
from gateway.identity.declaration import SETTING, Declaration, combined, read_text
from parser.facts import Facts, Setting

SAVEPOINTS_MAX = 1000  # of one transaction; going back to a later one leaves what is declared as it is
_OF_OTHERS = ("CREATE", "ALTER")  # settings of functions, roles and databases
_REASON, _ON_HOLD = range(2)
_FOLLOWED = {SETTING: _REASON, on_hold.SETTING: _ON_HOLD}

One = tuple[str, str | None]  # the session's text, and that of SET LOCAL over it
Held = tuple[One, One]  # of each setting
Began = tuple[str, str]


def began(parameters: Iterable[tuple[str, str]]) -> Began:
    """What the start-up packet's settings say, "" where they do not."""
    found = {name.lower(): value for name, value in parameters}
    return found.get(SETTING, ""), found.get(on_hold.SETTING, "")


class Said:
    """See the module. `now`: what is declared for the next statement, None where nothing is; `on_hold`: the word for one
    that is held."""

    __slots__ = ("_began", "_failed", "_held", "_marks", "_settled", "_token", "moved", "now", "on_hold")

    def __init__(self, token: Declaration | None = None, began: Began = ("", "")) -> None:
        """`token`: the claim's; `began`: the settings in the start-up packet."""
        self._token = token
        self._began = began
        self._held: Held = _alone(began)
        self._settled = began  # before the transaction
        self._marks: dict[str, Held] = {}
        self._failed = False
        self.moved = False  # something changed in this transaction
        self.now: Declaration | None = None
        self.on_hold = ""
        self._hold(self._held)

    def _hold(self, held: Held) -> None:
        self._held = held
        text, self.on_hold = (one if over is None else over for one, over in held)
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
        reason, word = self._held
        if setting.name == "*" and first.startswith(("RESET", "DISCARD")):
            reason, word = _alone(self._began)
        elif (which := _FOLLOWED.get(setting.name)) is None:
            return
        else:
            value = self._began[which] if setting.value is None else setting.value
            one = (self._held[which][0], value) if setting.local else (value, None)
            reason, word = (one, word) if which == _REASON else (reason, one)
        self.moved = True
        self._hold((reason, word))

    def _rolled_back(self, facts: Facts) -> None:
        self._failed = False
        if not self.moved:
            return
        if facts.kinds[0] == "ROLLBACK TO":
            self._hold(self._marks.get(facts.shape.split()[-1], self._held))
        else:
            self._hold(_alone(self._settled))

    def failed(self) -> None:
        """A statement failed: its transaction will come to nothing, unless it goes back to a savepoint."""
        self._failed = True

    def settled(self) -> None:
        """The transaction has ended."""
        if self.moved:
            (reason, _), (word, _) = self._held
            self._settled = self._settled if self._failed else (reason, word)
            self._hold(_alone(self._settled))
            self.moved = False
        if self._marks:
            self._marks.clear()
        self._failed = False

    def taken_back(self, facts: Facts) -> bool:
        """Whether the statement may take back what was declared: later ones are read when it is answered."""
        return self.moved and facts.kinds[0].startswith("ROLLBACK")


def _alone(texts: Began) -> Held:
    """With no SET LOCAL over them."""
    reason, word = texts
    return (reason, None), (word, None)
