"""Whether the rows of a result tell of people whose keys are not in it.

A person is a row of a table in which at least one column has a label, known by the table's primary key. Where a result has
columns of such a table and not its whole key, nothing tells its rows apart: each is then taken for somebody else, which is
never too few. The same where it cannot be traced what flows into a column.
"""

from collections.abc import Iterable, Sequence

from gateway.classify.catalog import CatalogTable
from gateway.masking.basis import MaskBasis
from gateway.masking.row_keys import Keyed
from parser.facts import Column, Output
from parser.messages import row_description

_FIRST_OF_USERS = 16384  # oids of tables that PostgreSQL does not bring along
Names = frozenset[str]


def concerned(basis: MaskBasis) -> bool:
    """Whether the statement may read a table of people at all."""
    facts = basis.facts
    if not facts.complete:
        return True
    tables = (table for relation in (*facts.reads, *facts.writes) for table in basis.tables(relation))
    return any(_apart(table, frozenset(), basis) for table in tables)


def nameless(basis: MaskBasis, keyed: Keyed | None, description: bytes | None, added: int = 0) -> bool:
    """Whether rows of the result count each by itself. `keyed`: the keys in it that can be read; `description`: the body of
    its RowDescription, None for COPY; `added`: how many of its last columns the client does not see."""
    if basis.utility:
        return False
    named = frozenset(key.table for key in keyed.keys if key.shown) if keyed is not None else frozenset[str]()
    oids = None
    if description is not None:
        fields = row_description(description)
        oids = [field.table_oid for field in fields[: len(fields) - added]]
        if not oids:
            return False  # the client sees none of it
        if any(_unkeyed(oid, named, basis) for oid in oids):
            return True
    return _untraced(basis, oids) or any(_of_people(output, named, basis) for output in basis.outputs or ())


def _untraced(basis: MaskBasis, oids: Sequence[int] | None) -> bool:
    """Whether it is not known what flows into one of the columns, of a statement that may read of people."""
    if basis.outputs is None:
        told = basis.origins_tell and oids is not None and 0 not in oids
    else:
        told = oids is None or len(oids) == len(basis.outputs)
    return not told and concerned(basis)


def _of_people(output: Output, named: Names, basis: MaskBasis) -> bool:
    by_name: dict[str, list[Column]] = {}
    for column in output.columns:
        if not basis.is_clean(column.relation):
            by_name.setdefault(column.name, []).append(column)
    return output.opaque or any(_column(columns, named, basis) for columns in by_name.values())


def _column(columns: Sequence[Column], named: Names, basis: MaskBasis) -> bool:
    """Whether a column, listed for each relation that it may be of, is one of people whose key is not in the result."""
    found = False
    for column in columns:
        for table in basis.tables(column.relation):
            if column.name in table.by_name or column.name == "*" or len(columns) == 1:
                found = True
                if _apart(table, named, basis):
                    return True
    return not found  # of a relation that nobody knows


def _unkeyed(oid: int, named: Names, basis: MaskBasis) -> bool:
    table = basis.catalog.tables.get(oid)
    if table is None:
        return oid >= _FIRST_OF_USERS  # made since the catalogue was read
    return _apart(table, named, basis)


def _apart(table: CatalogTable, named: Names, basis: MaskBasis) -> bool:
    """Whether it is a table of people, or a view of one, and not one of those whose keys are there."""
    if table.kind in ("v", "m"):
        return table.behind is None or any(
            _apart(each, named, basis) for each in _behind(table, basis) if each.kind not in ("v", "m")
        )
    primary = basis.catalog.primary.get(table.oid)
    return any(column.label is not None for column in table.columns) and (
        primary is None or primary.table not in named
    )


def _behind(view: CatalogTable, basis: MaskBasis) -> Iterable[CatalogTable]:
    for relation in view.behind or ():
        yield from basis.catalog.find(relation.schema, relation.name)
