"""What a statement does, stated without knowing the database: the parser's answer to the gateway."""

from dataclasses import dataclass, field
from typing import Literal

LITERALS_MAX = 64  # of one statement

Effect = Literal[
    "read",  # returns or reads data
    "write",  # changes rows
    "ddl",  # changes definitions
    "privilege",  # roles, grants, ownership, row security
    "session",  # SET, RESET, DISCARD, LISTEN, PREPARE, cursors, transactions: nothing outside the session
    "unsafe-io",  # the server's files, programs, other servers, processes, configuration
    "procedural",  # code whose effects cannot be read here (DO, CALL, EXECUTE of unknown text)
]


@dataclass(frozen=True, slots=True)
class Relation:
    """A table-like name as the server will fold it. `schema` is None where the statement did not qualify it."""

    schema: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Column:
    """A base column as far as names tell. `name` is "*" for the whole row."""

    relation: Relation
    name: str


@dataclass(frozen=True, slots=True)
class Output:
    """One output column of the statement's result (or of COPY … TO).

    `columns`: every base column whose value may flow into it (a column that could belong to several relations in scope is
    listed once for each). `opaque`: something else may flow in too (a function whose body is unknown, a construct not
    read), so the set is no proof. `plain`: it is just one column, handed through unchanged.
    An output with no columns that is not opaque is proven free of stored data (count(*), a literal, now()). `name`: the
    column's name as far as the text tells it, for people to read.
    """

    columns: frozenset[Column] = frozenset()
    opaque: bool = False
    plain: bool = False
    name: str | None = field(default=None, compare=False)


Place = tuple[int, str]  # a column: which of `Grouped.tables`, and its name


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`avg(x)` or `sum(x)` in a result column, in a query that `Grouped` tells of.

    `start` and `end`: its tokens, counted in the whole text without comments; `item_end`: behind the column's expression.
    `call`: the texts of its tokens. `name`: what the column is called where the statement gives it no name.
    """

    output: int
    start: int
    end: int
    item_end: int
    name: str | None
    call: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Joined:
    """A table in FROM. `left`: of a LEFT JOIN, so that it leaves out no row of those before it."""

    alias: str
    relation: Relation
    left: bool


@dataclass(frozen=True, slots=True)
class Grouped:
    """A query that sums columns of plain tables over groups of rows (parser.aggregates).

    `pinned`: columns held to a constant; `divided`: those that it groups by; `ties`: columns of two tables held equal.
    Nothing else decides which rows are in a group.
    """

    aggregates: tuple[Aggregate, ...]
    tables: tuple[Joined, ...]
    pinned: frozenset[Place]
    divided: frozenset[Place]
    ties: frozenset[tuple[Place, Place]]


@dataclass(frozen=True, slots=True)
class Use:
    """Columns that decide which rows come, how many, in which order, or whether the statement fails, and in which `clause`.

    `how`: "equality" with literals or parameters, `count` of them, or with the entries of the array that is parameter
    number `parameter`; "join": equality of one column with another (`against`); "group": rows are compared with each
    other for equality; "conflict": values that are stored meet those that are there; "cast": a plain column becomes another
    type, which may fail; "shape": whether it is NULL, or how many entries it has; "other": everything else. Never milder
    than the truth.
    """

    how: Literal["equality", "join", "group", "conflict", "cast", "shape", "other"]
    clause: str
    columns: frozenset[Column]
    opaque: bool = False
    against: frozenset[Column] = frozenset()
    count: int = 0
    parameter: int = 0


@dataclass(frozen=True, slots=True)
class Changing:
    """The outermost INSERT, UPDATE, DELETE or MERGE. `alias`: the name by which its RETURNING calls the table that it
    changes; None where another table may be called so too. `returns`: it has a RETURNING."""

    alias: str | None
    returns: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """SET, RESET or set_config: `name` folded ("*" for RESET ALL and DISCARD ALL), `value` None where it is no literal."""

    name: str
    value: str | None
    local: bool = False


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY. `target` is stdin, stdout, file or program. `columns` in the order of the stream; None: the table's own."""

    target: Literal["stdin", "stdout", "file", "program"]
    relation: Relation | None  # None for COPY (query)
    columns: tuple[str, ...] | None
    format: Literal["text", "csv", "binary", "unknown"]
    options: tuple[tuple[str, str | None], ...] = ()  # folded name, literal value ("delimiter", "|")


@dataclass(frozen=True, slots=True)
class Named:
    """A statement that makes, runs or ends a named thing of the session."""

    action: Literal["prepare", "execute", "deallocate", "declare", "fetch", "close"]
    name: str  # "*" for ALL


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one statement.

    `kinds`: upper-case phrases, outermost first and everything inside it, CTEs, EXPLAIN ANALYZE's and PREPARE's inner
    statement included: ("SELECT", "DELETE"), ("ALTER TABLE", "ALTER TABLE DROP COLUMN"), ("DROP TABLE",), ("COPY FROM",),
    ("SET",), ("TRUNCATE",). A rule's kind K matches kind k when k == K or k starts with K + " ".
    `changes`: how many INSERT, UPDATE, DELETE and MERGE statements are in it, nested ones included.
    `pinned`: the columns of its target that the WHERE of an UPDATE or DELETE ties to one value each; means nothing where
    `changes` is more than 1.
    `stored`: what INSERT, UPDATE, MERGE and CREATE TABLE AS put into columns of their targets ("*": into any), where it is
    made of columns or not known; what a column holds that ALTER TABLE renamed or gave another type to.
    `uses`: see Use; of all columns, whoever may see them.
    `unfiltered`: an UPDATE or DELETE whose WHERE is missing or cannot exclude a row.
    `complete`: False where anything was not understood; `reason` says what in words that quote no literal. The gateway then
    treats the statement as the worst it could be.
    `by_value`: the verdict looked at a literal's value, so it must not be reused for other literals.
    """

    kinds: tuple[str, ...]
    effects: frozenset[Effect]
    reads: tuple[Relation, ...] = ()
    writes: tuple[Relation, ...] = ()
    columns_read: frozenset[Column] = frozenset()
    columns_written: frozenset[Column] = frozenset()
    functions: frozenset[tuple[str | None, str]] = frozenset()  # (schema or None, folded name); also x.f
    outputs: tuple[Output, ...] | None = None  # None: not known (a star, or not read)
    unfiltered: bool = False
    changes: int = 0
    pinned: frozenset[str] = frozenset()
    stored: tuple[tuple[Column, Output], ...] = ()
    uses: tuple[Use, ...] = ()
    settings: tuple[Setting, ...] = ()
    copy: Copy | None = None
    named: Named | None = None
    creates: tuple[Relation, ...] = ()  # tables, views, sequences made (schema "pg_temp" for TEMP), or the new name of one
    inner: "Facts | None" = None  # PREPARE, DECLARE, EXPLAIN: the statement inside
    complete: bool = True
    reason: str = ""
    by_value: bool = False
    grouped: Grouped | None = None  # of a text that is one plain query with sums over groups
    shape: str = ""  # the text with literals out: $n::type in place of each, comments gone, one space between tokens
    fingerprint: str = ""  # 16 hex digits over the shape, equal for statements that differ in literals alone
    resolved: bool = field(default=False, compare=False)  # names were looked up in a database (parser.known)
    text: bytes = field(default=b"", repr=False, compare=False)  # of `inner` facts: the statement, to be read again
    strings_conform: bool = field(default=True, compare=False)  # standard_conforming_strings when `text` was read
    tags: tuple[tuple[str, str], ...] = field(default=())  # sqlcommenter pairs of its comments, URL-decoded
    target: Relation | None = None  # of the INSERT, UPDATE, DELETE, MERGE or COPY FROM whose rows the command tag counts
    changing: Changing | None = field(default=None, compare=False)
    literals: tuple[str, ...] = field(default=(), repr=False, compare=False)  # their values in order, LITERALS_MAX at most
    literal_count: int = field(default=0, compare=False)  # how many there are; one more than LITERALS_MAX: or more
