"""What the names in a statement reach: the relations and columns behind them, seen through views with the catalogue.

A rule on a table speaks of a view over it, a rule on a column of every view column that it may flow into. Bodies of SQL
functions are seen through by the parser, which states what they read and write as the statement's own.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from gateway.classify.catalog import Catalog, CatalogColumn, CatalogTable
from gateway.classify.system import SYSTEM_SCHEMAS
from parser.facts import Column, Facts, Relation

TEMPORARY = "pg_temp"
_WILD = re.compile(r"[*?]")


@dataclass(frozen=True, slots=True)
class Reach:
    """All that names may mean. `unknown`: a view stands among them of which it is not known what it reads."""

    relations: frozenset[Relation]
    columns: frozenset[Column]
    unknown: bool = False


def relations(named: Iterable[Relation], catalog: Catalog, own: frozenset[str]) -> Reach:
    """The relations themselves, every table that their names may mean, and what stands behind those.

    `own`: bare names of the session's temporary relations, which hide all others of the name (manual, section 5.10.3).
    """
    found: set[Relation] = set()
    unknown = False
    for relation in named:
        if relation.schema is None and relation.name in own:
            found.add(Relation(TEMPORARY, relation.name))
            continue
        found.add(relation)
        for table in catalog.find(relation.schema, relation.name):
            found.add(Relation(table.schema, table.name))
            behind = _behind(table)
            unknown = unknown or behind is None
            found |= behind or frozenset()
    return Reach(frozenset(found), frozenset(), unknown)


def columns(facts: Facts, catalog: Catalog, own: frozenset[str]) -> Reach:
    """The columns that the statement reads or writes, and the base columns that may flow into those of views.

    A whole row is all columns ("*"), and so is a table that is written without a list. Where the bases of a view's column
    are not known, it may be any column of what stands behind the view.
    """
    found: set[Column] = set()
    unknown = False
    for column in _named(facts):
        relation = column.relation
        if relation.schema is None and relation.name in own:
            found.add(Column(Relation(TEMPORARY, relation.name), column.name))
            continue
        found.add(column)
        for table in catalog.find(relation.schema, relation.name):
            for one in table.columns:
                if column.name in ("*", one.name):
                    bases = _bases(table, one)
                    unknown = unknown or bases is None
                    found |= bases or frozenset()
    return Reach(frozenset(), frozenset(found), unknown)


def bases(column: Column, catalog: Catalog) -> frozenset[Column]:
    """The columns of tables behind a column of views, "*" where any of a table's may be; empty for a column of a table."""
    found: set[Column] = set()
    for table in catalog.find(column.relation.schema, column.relation.name):
        itself = Relation(table.schema, table.name)
        for one in table.columns:
            if column.name in ("*", one.name):
                found |= (_bases(table, one) or frozenset()) - {Column(itself, one.name)}
    return frozenset(found)


def fits_relation(pattern: str, relation: Relation) -> bool:
    """"table" fits any schema; "schema.table" also fits a name whose schema is not known. * and ? are wildcards."""
    schema, dot, name = pattern.rpartition(".")
    if dot and relation.schema is not None and not _like(schema, relation.schema):
        return False
    return _like(name, relation.name)


def fits_column(pattern: str, column: Column) -> bool:
    """The pattern of a relation, a dot, and that of the column; the column "*" fits every pattern of its relation."""
    table, _, name = pattern.rpartition(".")
    return fits_relation(table, column.relation) and (column.name == "*" or _like(name, column.name))


def fits_function(pattern: str, schema: str | None, name: str) -> bool:
    """As a relation. A list of argument types in the pattern is not looked at: all functions of the name are meant."""
    return fits_relation(pattern.partition("(")[0], Relation(schema, name))


def _named(facts: Facts) -> set[Column]:
    found = set(facts.columns_read | facts.columns_written)
    listed = {column.relation for column in facts.columns_written}
    found |= {Column(relation, "*") for relation in facts.writes if relation not in listed}
    if facts.copy is not None and facts.copy.relation is not None:
        found |= {Column(facts.copy.relation, name) for name in facts.copy.columns or ("*",)}
    return found


def _behind(table: CatalogTable) -> frozenset[Relation] | None:
    if table.behind is None and table.schema in SYSTEM_SCHEMAS:
        return frozenset()  # the server's own views read its own catalogues
    return table.behind


def _bases(table: CatalogTable, column: CatalogColumn) -> frozenset[Column] | None:
    """The column under its own name with all that may flow into it; None: that may be any column at all."""
    itself = Column(Relation(table.schema, table.name), column.name)
    if column.bases is not None:
        return column.bases | {itself}
    behind = _behind(table)
    if behind is None:
        return None
    return frozenset(Column(relation, "*") for relation in behind) | {itself}


def is_wild(pattern: str) -> bool:
    """Whether it has a wildcard."""
    return "*" in pattern or "?" in pattern


def ends(pattern: str) -> tuple[str, str]:
    """What stands before the first wildcard of a pattern that has one, and behind the last."""
    parts = _WILD.split(pattern)
    return parts[0], parts[-1]


def _like(pattern: str, name: str) -> bool:
    return _compiled(pattern).fullmatch(name) is not None if is_wild(pattern) else pattern == name


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
