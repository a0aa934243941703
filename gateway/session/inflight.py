"""What the client has asked and the server has not yet answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.errors import Refused
from gateway.identity.end_user import Named
from gateway.masking.added_keys import Addition
from gateway.masking.groups import Group
from gateway.masking.looks import Found
from gateway.policy.decision import Budget, Limit
from gateway.results import ResultPlan
from gateway.scope import Ruling, Scope, Script
from gateway.session.budgets import Crowd, Purse
from gateway.session.lent import Key, Prepared
from gateway.session.uses import Use
from parser.compared import Comparisons
from parser.facts import Facts


class Ask:
    """Kinds of messages that the server answers (manual, section 55.2). Plain numbers, no enumeration: every answer is
    compared with some of them."""

    QUERY: Final = 1
    PARSE: Final = 2
    BIND: Final = 3
    DESCRIBE_STATEMENT: Final = 4
    DESCRIBE_PORTAL: Final = 5
    EXECUTE: Final = 6
    CLOSE: Final = 7
    SYNC: Final = 8
    FUNCTION: Final = 9


RESYNC = frozenset({Ask.QUERY, Ask.SYNC, Ask.FUNCTION})  # answered by ReadyForQuery, even after an error

NOTHING: Final[frozenset[Found]] = frozenset()
_NO_KEYS: Final[frozenset[tuple[int, str, str]]] = frozenset()
_NONE_RETURNED: Final[frozenset[tuple[int, str]]] = frozenset()
ROWS_UNKNOWN = 1 << 62  # the estimate of a statement whose estimate cannot be had: more than any limit


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """The planner's estimate that the client's next frame waits for: what the session asks the relay, and what the relay
    gives back with the answer. Each asking is an object of its own.

    `sql` is one statement. `types`: what follows the text in the client's Parse; None for a simple query. `values`: what
    follows both names in its Bind; None where no values are known, and then a plan for any values is estimated. `settings`:
    name and value of the settings that the session has changed and that change what the text means: search_path,
    client_encoding, standard_conforming_strings, DateStyle, IntervalStyle, TimeZone. Others are not taken over.
    """

    sql: bytes
    types: bytes | None = None
    values: bytes | None = None
    settings: tuple[tuple[str, str], ...] = ()
    pause_seconds: float = 0.0  # that is all it waits for, where it is not 0


class Statement:
    """A prepared statement and its rulings in the scope that read it: of a text, or of what PREPARE or DECLARE held.

    The server read its text once, when it was defined: a later reading of string literals changes nothing in it.
    """

    __slots__ = (
        "_scope", "added", "adds", "compared", "described", "groups", "key", "literals", "named", "reading", "script",
        "sent", "sql", "told", "turn", "types", "unkept",
    )  # fmt: skip

    def __init__(self, sql: bytes, script: Script, scope: Scope, *, as_text: bool = True) -> None:
        self.sql = sql
        self.types: bytes | None = None  # of its parameters, as in Parse
        self.described = b""  # … and as the server has described them
        self.literals: tuple[bytes, ...] = ()  # digests of its text's
        self.groups: tuple[Group, ...] = ()  # that the text which the server has was guarded for
        self.adds: Addition | None = None  # what was put behind that text,
        self.added = 0  # with how many columns
        self.unkept = ""  # why keys of rows that it changes are not known, where that is not in its ruling
        # Where connections are lent for a transaction: what the server was sent behind the name, what it was prepared as at
        # which lending, and the description of its columns that the client was given.
        self.sent = b""
        self.key: Key = (b"", None)
        self.turn: object = None
        self.told: bytes | None = None
        self.script = script
        self.named: Named | None = None  # whom its text names as the person behind a shared account
        self.compared: tuple[Scope, Comparisons | None] | None = None  # of its parameters, once that was asked
        self._scope = scope
        self.reading = scope.strings_conform if as_text else None  # None: its facts alone tell what it is

    @classmethod
    def of_facts(cls, facts: Facts, scope: Scope) -> "Statement":
        """One that SQL made: its names are looked up anew where its facts have their text."""
        return cls(b"", scope.script_of((scope.again(facts),)), scope, as_text=False)

    def in_scope(self, scope: Scope) -> Script:
        """Its rulings in the scope of now."""
        if self._scope is not scope:
            if scope.strings_conform is self.reading:
                self.script = scope.script(self.sql)
            else:
                self.script = scope.script_of(tuple(scope.again(ruling.facts) for ruling in self.script.rulings))
            self._scope = scope
        return self.script


class Portal:
    """A bound statement. `description` is the body of its RowDescription once the server has sent one, b"" for NoData."""

    __slots__ = ("approval", "asked", "description", "given", "literals", "name", "ran", "statement", "values")

    def __init__(self, name: bytes, statement: Statement) -> None:
        self.name = name
        self.statement = statement
        self.description: bytes | None = None
        self.asked = False  # a Describe for it is under way
        self.ran = False  # it was executed, as far as that counts
        self.literals: tuple[bytes, ...] = statement.literals  # with the digests of its parameters
        self.approval = ""  # under which its first rows were fetched: the others are of the same execution
        self.values: bytes | None = None  # of its parameters, as in Bind, where a rule looks at the rows they select
        self.given: bytes | None = None  # … and as the client gave them


class Item:
    """One outstanding message. `intents` runs beside `rulings`; 0 stands for an intent that is not on record.

    What most messages leave as it is stands in the class: making one is on the hot path.
    """

    rulings: tuple[Ruling, ...] = ()
    intents: Sequence[int] = ()
    index = 0  # which ruling the next answer belongs to
    refused: Refused | None = None
    hidden = False  # asked by the gateway: the client must not see the answer, but for an error
    own = False  # asked by the gateway for itself: the client sees nothing of it
    name = b""
    statement_kind = False  # Close: a statement rather than a portal
    statement: Statement | None = None
    portal: Portal | None = None
    plan: ResultPlan | None = None
    found: frozenset[Found]  # in cells of its current result that nobody labelled
    groups: tuple[Group, ...] = ()  # that the text which the server has was guarded for
    unaccounted: frozenset[tuple[int, str, str]]  # (intent, table, why) whose keys were said to be not known
    returned: frozenset[tuple[int, str]]  # (intent, table) whose changed rows' keys are on record
    unkept = ""  # why such keys are not known, where that is not in its ruling
    nbytes = 0
    rows_seen = 0  # of a result whose rows are budgeted
    rows_max = 0  # Execute: how many rows it asked for, 0 for all
    limit: Limit | None = None  # the rows it may change
    leads: "Item | None" = None  # asked by the gateway to prepare the execution of this item
    converted = False  # a Query that is asked as Parse, Bind, Describe and Execute
    held = b""  # its CommandComplete, kept until the commit has gone well
    purses: tuple[tuple[Purse, Budget], ...] = ()  # what its rows and bytes are charged to
    crowds: tuple[tuple[Crowd, Budget], ...] = ()  # … and the people whom its rows show
    broken: Refused | None = None  # a budget ran out in its result: whatever the server answers, this is said
    prepared: Prepared | None = None  # what it makes, names, describes or closes on a connection that is lent
    known_as = b""  # the client's name for that
    use: Use | None = None  # of an allowance
    overdue: Refused | None = None  # it runs for too long and is being cancelled: this is said of that

    def __init__(self, ask: int, epoch: int, started: int) -> None:
        self.ask = ask
        self.epoch = epoch
        self.started = started
        self.found = NOTHING
        self.unaccounted, self.returned = _NO_KEYS, _NONE_RETURNED

    @property
    def ruling(self) -> Ruling | None:
        """The ruling that the server's next answer belongs to."""
        return self.rulings[self.index] if self.index < len(self.rulings) else None
