"""The state of reading one statement: its tokens, and what was found so far."""

from collections.abc import Callable, Sequence

from parser.facts import Changing, Column, Copy, Effect, Facts, Named, Output, Relation, Setting, Use
from parser.keywords import QUERY_STARTS, SET_OPERATIONS
from parser.known import Calls, Known
from parser.lineage import FREE, Item, Scope, Source
from parser.tokens import Kind, Tokens

NESTING_MAX = 50  # queries within queries
BRACKETS_MAX = 200  # brackets within brackets
LOOK_UPS_MAX = 50_000  # names compared while columns are resolved: some 50 to 100 ms
COLUMNS_MAX = 1664  # of a result: the server's own limit
QUERY_GOES_ON = SET_OPERATIONS | {"order", "limit", "offset", "fetch", "for"}


class Unread(Exception):
    """The statement, or a part of it, was not understood. The reason quotes nothing of it but keywords."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Words:
    """The tokens of a whole message, in columns.

    `word[i]`: the keyword or name of an unquoted identifier, the mark of an operator or bracket, else one character for the
    class: `"` quoted name, `'` string, `0` number, `$` parameter. "" behind the end. A quoted name is never a keyword.
    `text[i]`: the token's text. `named[i]`: it is an identifier, quoted or not. `match[i]`: where the bracket that opens
    at i closes. `tokens` is without comments. Several entries behind the end are padding. `known`, `sql`,
    `strings_conform` and `parameters` are what the message was read with.
    """

    __slots__ = (
        "kind", "known", "match", "named", "parameters", "queries", "sql", "strings_conform", "text", "tokens", "word"
    )  # fmt: skip

    def __init__(
        self, word: list[str], text: list[str], kind: list[Kind], match: dict[int, int], tokens: Tokens
    ) -> None:
        self.word = word
        self.text = text
        self.kind = kind
        self.named = [k is Kind.IDENT or k is Kind.QUOTED for k in kind]
        self.match = match
        self.tokens = tokens
        self.known: Known | None = None
        self.sql = b""
        self.strings_conform = True
        self.parameters: tuple[str, ...] = ()
        self.queries: dict[int, bool] = {}  # brackets known to hold a query or not

    def is_query(self, at: int) -> bool:
        """Whether the bracket that opens at a token holds a query: `(SELECT …)`, `((SELECT …) UNION …)`."""
        word = self.word
        first = word[at + 1]
        if first == "(":
            return self._bracketed_query(at)
        return first in QUERY_STARTS and (first != "values" or word[at + 2] == "(")

    def _bracketed_query(self, at: int) -> bool:
        known = self.queries.get(at)
        if known is not None:
            return known
        word, match = self.word, self.match
        inner = at + 1
        while word[inner] == "(":
            inner += 1
        first = word[inner]
        found = first in QUERY_STARTS and (first != "values" or word[inner + 1] == "(")
        inner -= 1
        self.queries[inner] = found
        while inner > at:
            behind = match[inner] + 1
            inner -= 1
            found = found and (behind == match[inner] or word[behind] in QUERY_GOES_ON)
            self.queries[inner] = found
        return found


def _root(parameters: tuple[str, ...]) -> Scope | None:
    """The parameters of a function as the scope around its body: a bare name means one when no column has it."""
    if not parameters:
        return None
    called, *names = parameters
    return Scope(None, [Source(called, None, [Item(name, FREE) for name in names])])


class Reading:
    """What one statement was found to do. The parts of `Facts`, while they grow."""

    __slots__ = (
        "assigning",
        "by_value",
        "casts",
        "change",
        "changes",
        "changing",
        "clause",
        "columns_read",
        "columns_written",
        "compared",
        "copy",
        "creates",
        "depth",
        "effects",
        "functions",
        "hits",
        "implicit",
        "inner",
        "inside",
        "joins",
        "kinds",
        "known",
        "label",
        "level",
        "named",
        "openings",
        "operators",
        "outputs",
        "pinned",
        "query",
        "reads",
        "recursions",
        "root",
        "settings",
        "stored",
        "target",
        "tested",
        "tests",
        "unfiltered",
        "uses",
        "words",
        "writes",
    )

    def __init__(self, words: Words, query: "QueryReader", change: "ChangeReader", inside: "InsideReader") -> None:
        self.words = words
        self.root = _root(words.parameters)  # what the statement's own queries can see around them
        self.known = words.known
        known = words.known
        self.operators: Calls = known.operators if known is not None else {}
        self.casts: Calls = known.casts if known is not None else {}
        self.implicit = known.implicit if known is not None else ()
        self.assigning = known.assigning if known is not None else ()
        self.query = query  # these three are here because queries, changes and statements contain each other
        self.change = change
        self.inside = inside
        self.kinds: dict[str, None] = {}
        self.effects: set[Effect] = set()
        self.reads: dict[Relation, None] = {}
        self.writes: dict[Relation, None] = {}
        self.columns_read: set[Column] = set()
        self.columns_written: set[Column] = set()
        self.functions: set[tuple[str | None, str]] = set()
        self.outputs: tuple[Output, ...] | None = ()
        self.unfiltered = False
        self.changes = 0
        self.pinned: frozenset[str] = frozenset()
        self.stored: list[tuple[Column, Output]] = []
        self.tests: ConditionReader | None = None  # is shown every expression with the scope it stands in
        self.settings: list[Setting] = []
        self.copy: Copy | None = None
        self.named: Named | None = None
        self.creates: list[Relation] = []
        self.changing: Changing | None = None
        self.target: Relation | None = None  # of the outermost statement that changes rows
        self.inner: Facts | None = None
        self.by_value = False
        self.clause = ""  # whose condition is being read; "" where values are handed on
        self.uses: dict[Use, int] = {}  # without their counts, which stand beside them
        self.tested: set[int] = set()  # tokens whose comparison is counted already: some expressions are read twice
        self.joins: dict[int, tuple[str, Output]] = {}  # columns compared with one that is not read yet (parser.probes)
        self.openings: dict[int, int] | None = None  # the bracket that each closing one belongs to, once somebody asked
        self.depth = 0
        self.level = 0  # how many queries and changes of rows are around what is being read
        self.compared = 0
        self.recursions = 0  # queries that refer to themselves, for marks of their own
        self.label: str | None = None  # the bare alias that the last expression ended in
        self.hits: set[int] = set()  # tokens that name a column of the statement's own target

    def enter(self) -> None:
        """One query deeper; raises Unread where a peer nests too deep. The caller takes one off `depth` when done."""
        self.depth += 1
        if self.depth > NESTING_MAX:
            raise Unread("queries are nested too deep")

    def use(self, one: Use, count: int = 0) -> None:
        """Note what decides something; comparisons of one sort add up. `one` has no count of its own."""
        self.uses[one] = self.uses.get(one, 0) + count

    def look_up(self, scope: Scope | None, name: str = "") -> None:
        """Count the work of resolving a name; raises Unread where a statement asks for too much of it."""
        if scope is not None and name in scope.known:
            return
        while scope is not None:
            self.compared += scope.size + 1
            scope = scope.parent
        if self.compared > LOOK_UPS_MAX:
            raise Unread("too many names for so many tables")

    def name(self, at: int) -> tuple[list[str], int]:
        """The dotted name at a token and the token behind it. Raises Unread where there is none."""
        words = self.words
        if not words.named[at]:
            raise Unread("a name was expected")
        parts = [words.text[at]]
        at += 1
        word = words.word
        while word[at] == "." and words.named[at + 1]:
            parts.append(words.text[at + 1])
            at += 2
        return parts, at

    def behind_with(self, start: int, end: int) -> int:
        """The first token of the statement that the WITH at `start` stands in front of."""
        word, match = self.words.word, self.words.match
        at = start + 1
        at += word[at] == "recursive"
        while at < end:
            at += 1
            if word[at] == "(":
                at = match[at] + 1
            at += 1
            while word[at] in ("not", "materialized"):
                at += 1
            if word[at] != "(":
                raise Unread("a WITH query was not understood")
            at = match[at] + 1
            while word[at] in ("search", "cycle"):
                at = self.find(frozenset(("set",)), at, end) + 2
                if word[at] == "to":
                    at = self.find(frozenset(("using",)), at, end)
                at += 2 if word[at] == "using" else 0
            if word[at] != ",":
                break
            at += 1
        return at

    def relation(self, at: int) -> tuple[Relation, int]:
        """The table-like name at a token and the token behind it; a database in front of the schema is dropped."""
        parts, at = self.name(at)
        return Relation(parts[-2] if len(parts) > 1 else None, parts[-1]), at

    def names(self, at: int) -> list[str]:
        """The names in the brackets that open at a token, one per comma (`a`, `a.b` gives its first)."""
        words = self.words
        return [words.text[start] for start, end in self.split(at + 1, words.match[at]) if words.named[start]]

    def split(self, start: int, end: int) -> list[tuple[int, int]]:
        """The ranges between the commas outside of brackets; an empty range gives none."""
        word, match = self.words.word, self.words.match
        parts = []
        begin = at = start
        while at < end:
            w = word[at]
            if w == ",":
                parts.append((begin, at))
                begin = at + 1
            elif w == "(" or w == "[":
                at = match[at]
            at += 1
        if begin < end:
            parts.append((begin, end))
        return parts

    def find(self, wanted: frozenset[str], start: int, end: int) -> int:
        """The first of the keywords outside of brackets, not used as a label; `end` where there is none."""
        word, match = self.words.word, self.words.match
        at = start
        while at < end:
            w = word[at]
            if w in wanted:
                before = word[at - 1] if at > start else ""
                if before != "." and before != "as":
                    return at
            elif w == "(" or w == "[":
                at = match[at]
            at += 1
        return end


ConditionReader = Callable[["Reading", int, int, Scope], None]
QueryReader = Callable[[Reading, int, int, Scope | None, "Env"], list[Item]]
ChangeReader = Callable[[Reading, int, int, "Env"], list[Item]]
InsideReader = Callable[[Words, int, int], Facts]


class Cte:
    """A WITH query in scope; `items` is None while it is not read yet. `own`: it is being read now, so that a reference
    is to itself and adds nothing that its own columns do not hold. `used`: there was a reference. `names`: its column list;
    `marks`: what stands for its own columns in a query that refers to itself, until it is read. `level`: of the query
    whose WITH it stands in."""

    __slots__ = ("items", "level", "marks", "names", "own", "used")

    def __init__(self, items: list[Item] | None, level: int = 0) -> None:
        self.items = items
        self.level = level
        self.names: Sequence[str] = ()
        self.marks: list[Column] = []
        self.own = False
        self.used = False


Env = dict[str, Cte]
