"""What the names of a statement mean by a catalogue, written so that equal meanings are equal texts: in every process, on
every day. Sets have no order of their own, and a repr would have another one in the next process."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Final

from gateway.classify.catalog import Catalog, CatalogTable
from parser.facts import Facts

_HOW_SURE: Final = frozenset(("confidence", "evidence", "scan"))  # of labels: another after the next look at the rows


def meant(catalog: Catalog, statements: Iterable[Facts]) -> Iterator[str]:
    """Tables with their columns, and functions, in full."""
    for facts in statements:
        for relation in (*facts.reads, *facts.writes):
            yield f"{relation.schema}.{relation.name}"
            for table in catalog.find(relation.schema, relation.name):
                yield _table(table)
        for schema, name in sorted(facts.functions, key=written):
            yield f"{schema}.{name} {written(catalog.functions.get(name, ()))}"


def _table(table: CatalogTable) -> str:
    return f"{table.oid} {table.kind} {written(table.columns)} {written(table.calls)}"


def written(value: object) -> str:
    """The value as text."""
    if is_dataclass(value):
        parts = [written(getattr(value, one.name)) for one in fields(value) if one.name not in _HOW_SURE]
        return f"{type(value).__name__}({','.join(parts)})"
    if isinstance(value, (frozenset, set)):
        return f"{{{','.join(sorted(map(written, value)))}}}"
    if isinstance(value, (tuple, list)):
        return f"({','.join(map(written, value))})"
    return repr(value)
