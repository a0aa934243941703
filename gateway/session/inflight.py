"""What the client has asked and the server has not yet answered."""

from enum import IntEnum

from gateway.errors import Refused
from gateway.scope import ResultPlan, Ruling, Scope, Script


class Ask(IntEnum):
    """Kinds of messages that the server answers (manual, section 55.2)."""

    QUERY = 1
    PARSE = 2
    BIND = 3
    DESCRIBE_STATEMENT = 4
    DESCRIBE_PORTAL = 5
    EXECUTE = 6
    CLOSE = 7
    SYNC = 8
    FUNCTION = 9


RESYNC = frozenset({Ask.QUERY, Ask.SYNC, Ask.FUNCTION})  # answered by ReadyForQuery, even after an error


class Statement:
    """A prepared statement's text and its rulings in the scope that read it."""

    __slots__ = ("name", "scope", "script", "sql")

    def __init__(self, name: bytes, sql: bytes, script: Script, scope: Scope) -> None:
        self.name = name
        self.sql = sql
        self.script = script
        self.scope = scope


class Portal:
    """A bound statement. `description` is the body of its RowDescription once the server has sent one, b"" for NoData."""

    __slots__ = ("asked", "description", "name", "statement")

    def __init__(self, name: bytes, statement: Statement) -> None:
        self.name = name
        self.statement = statement
        self.description: bytes | None = None
        self.asked = False  # a Describe for it is under way


class Item:
    """One outstanding message. `intents` runs beside `rulings`; 0 stands for an intent that is not on record."""

    __slots__ = (
        "ask", "epoch", "failed", "hidden", "index", "intents", "name", "nbytes", "plan", "portal", "refused", "rulings",
        "started", "statement", "statement_kind",
    )  # fmt: skip

    def __init__(self, ask: Ask, epoch: int, started: int) -> None:
        self.ask = ask
        self.epoch = epoch
        self.started = started
        self.rulings: tuple[Ruling, ...] = ()
        self.intents: list[int] | tuple[int, ...] = ()
        self.index = 0  # which ruling the next answer belongs to
        self.refused: Refused | None = None
        self.hidden = False  # asked by the gateway: the client must not see the answer
        self.failed = False
        self.name = b""
        self.statement_kind = False  # Close: a statement rather than a portal
        self.statement: Statement | None = None
        self.portal: Portal | None = None
        self.plan: ResultPlan | None = None
        self.nbytes = 0

    @property
    def ruling(self) -> Ruling | None:
        """The ruling that the server's next answer belongs to."""
        return self.rulings[self.index] if self.index < len(self.rulings) else None
