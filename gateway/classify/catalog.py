"""A snapshot of one database's catalogue: what the gateway knows of tables, columns and functions."""

from dataclasses import dataclass, field

from parser.facts import Column, Relation
from parser.known import Body, Calls
from parser.plpgsql import Plain


@dataclass(frozen=True, slots=True)
class CatalogColumn:
    """`label` is None where nothing sensitive was found. `generated`: computed by the server, left out of COPY table.

    `declared`: its type as it stands in the table, domain and modifier included: equal texts are equal types.
    `bases`: for a column of a view, the base columns that may flow into it, views followed all the way down (schemas always
    given); None where that is not known. Empty for a column of a table, which is its own base.
    `confidence` (0 to 1) and `evidence` (a few words, never a value): of the label. `scan`: it has none, and is not known to
    be clean either: its rows are looked into as they pass. `computed`: a view makes it of other columns, so that neither a
    NULL nor a piece of it is what those columns hold.
    """

    number: int  # attnum, 1-based
    name: str
    type_oid: int  # of the base type for domains
    label: str | None = None
    generated: bool = False
    bases: frozenset[Column] | None = frozenset()
    declared: str = ""
    scan: bool = False
    confidence: float = 0.0
    evidence: tuple[str, ...] = ()
    computed: bool = False


@dataclass(frozen=True, slots=True)
class CatalogTable:
    """A table, view, materialised view, foreign or partitioned table; `kind` is pg_class.relkind.

    `behind`: for a view, the tables that reading it reads, views followed all the way down (schemas given); None where
    that is not known. Empty for a table. `calls`: the functions that run when the view is read, followed in the same way,
    but for those of PostgreSQL's own that only compute.
    """

    oid: int
    schema: str
    name: str
    kind: str
    columns: tuple[CatalogColumn, ...]
    by_number: dict[int, CatalogColumn] = field(repr=False, hash=False, compare=False, default_factory=dict)
    by_name: dict[str, CatalogColumn] = field(repr=False, hash=False, compare=False, default_factory=dict)
    behind: frozenset[Relation] | None = frozenset()
    calls: frozenset[tuple[str | None, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class CatalogFunction:
    """`volatility` is i, s or v as in pg_proc; `builtin`: in pg_catalog.

    An aggregate has the worst volatility of the functions behind it, and the language "aggregate" unless all of them are
    compiled and immutable. `columns` and `body`: see parser.known.Routine. `plain`: of LANGUAGE plpgsql, what the body does
    at worst, None where it is opaque.
    """

    schema: str
    name: str
    volatility: str
    language: str
    security_definer: bool
    builtin: bool
    returns_set: bool = False
    columns: tuple[str, ...] | None = None
    body: Body | None = None
    plain: Plain | None = None


@dataclass(frozen=True, slots=True)
class PrimaryKey:
    """A table's primary key: `numbers` are its columns' attnums in the key's order. `table` is schema.table, of a partition
    that of the partitioned table, since the rows are its."""

    table: str
    numbers: tuple[int, ...]


@dataclass(slots=True)
class Catalog:
    """One version of a database's catalogue. Never changed after it was built; a refresh makes a new one."""

    version: int
    tables: dict[int, CatalogTable]  # by oid, pg_catalog and information_schema included
    names: dict[str, tuple[CatalogTable, ...]]  # by bare name, every schema
    functions: dict[str, tuple[CatalogFunction, ...]]  # by bare name
    operators: Calls = field(default_factory=dict)  # these four: see parser.known.Known
    casts: Calls = field(default_factory=dict)
    implicit: tuple[tuple[str, str], ...] = ()
    assigning: tuple[tuple[str, str], ...] = ()
    keys: dict[int, tuple[frozenset[str], ...]] = field(default_factory=dict)  # by oid: columns that no two rows share
    references: dict[Column, frozenset[Column]] = field(default_factory=dict)  # foreign keys: those that a column refers to
    families: dict[int, frozenset[int]] = field(default_factory=dict)  # by oid: parents and children, itself included
    corrected: frozenset[tuple[int, str]] = frozenset()  # (oid, column) whose label a correction set
    carried: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)  # learned: by names of table and column
    primary: dict[int, PrimaryKey] = field(default_factory=dict)  # by oid
    newer: "Catalog | None" = None  # the same with labels that were learned since; the one thing that is set later

    def find(self, schema: str | None, name: str) -> tuple[CatalogTable, ...]:
        """Every table the name may mean: without a schema, whatever search_path may select. Empty: unknown."""
        tables = self.names.get(name, ())
        if schema is None:
            return tables
        return tuple(table for table in tables if table.schema == schema)
