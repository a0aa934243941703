"""A catalogue while it is made: the rows that the catalogue queries gave, and what is known of them so far."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gateway.classify.behind import Drafts
from gateway.classify.verdicts import Place, Verdicts
from parser.facts import Column, Facts, Relation
from parser.known import Known


class Read(Protocol):
    """parser.statements.read"""

    def __call__(self, sql: bytes, *, known: Known | None) -> tuple[Facts, ...]: ...


class RelationRow(NamedTuple):
    """`kind` is pg_class.relkind."""

    oid: int
    schema: str
    name: str
    kind: str


class ColumnRow(NamedTuple):
    """`type_oid`, `type_name` and `category` are the base type's for domains, and `domain` is the domain's name; `declared`:
    see CatalogColumn; `category` is pg_type.typcategory."""

    table_oid: int
    number: int
    name: str
    type_oid: int
    generated: bool
    declared: str = ""
    type_name: str = ""
    category: str = ""
    domain: str = ""
    comment: str = ""


class GeneratedRow(NamedTuple):
    """A generated column, with its expression as the server prints it with an empty search_path."""

    table_oid: int
    name: str
    expression: bytes


class ViewRow(NamedTuple):
    """A view or materialised view: its query as the server prints it with an empty search_path (b"": not known), the oids of
    the relations and the names of the functions (PostgreSQL's own and those in C left out) that its rule depends on."""

    oid: int
    definition: bytes
    relations: frozenset[int]
    functions: frozenset[str]


@dataclass(slots=True)
class Draft:
    """Labels while they are found. `labels` by table oid and column name; `fixed` are those that a correction set; `pending`
    are views whose turn has not come, `computed` columns of views that are no column handed through. `behind` and `bases`:
    see CatalogTable and CatalogColumn, by relation."""

    tables: dict[int, RelationRow]
    columns: dict[int, list[ColumnRow]]
    by_name: dict[tuple[str, str], int]
    names: Drafts
    verdicts: Verdicts
    behind: dict[Relation, frozenset[Relation] | None] = field(default_factory=dict)
    bases: dict[Relation, dict[str, frozenset[Column] | None]] = field(default_factory=dict)
    calls: dict[Relation, frozenset[tuple[str | None, str]]] = field(default_factory=dict)
    labels: dict[int, dict[str, str | None]] = field(default_factory=dict)
    fixed: set[tuple[int, str]] = field(default_factory=set)
    pending: set[int] = field(default_factory=set)
    computed: set[Place] = field(default_factory=set)
