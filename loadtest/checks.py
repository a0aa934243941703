"""What a right answer looks like: a leak or a wrong count is a failure of the run like any error."""

from collections.abc import Callable, Sequence

from destination import Table
from messages import Answer


class Wrong(Exception):
    """An answer that is not what it must be."""


def quoted(value: str) -> str:
    """A literal whose type the server finds."""
    return "'" + value.replace("'", "''") + "'"


def between(table: Table, keys: Sequence[str]) -> str:
    """The condition for these keys, which follow one another."""
    return f"{table.key} between {quoted(keys[0])} and {quoted(keys[-1])}" if keys else "false"


def no_secret(table: Table, answer: Answer) -> None:
    """Nothing that the table must keep to itself has come, in whatever place."""
    if table.secret.search(b"\n".join(answer.raw)):
        raise Wrong("LEAK: what must never come came in clear")


def people(table: Table, keys: Sequence[str]) -> Callable[[Answer], None]:
    """Checks rows of (key, masked columns…, clear column): exactly these people, masked where they must be."""

    def right(answer: Answer) -> None:
        no_secret(table, answer)
        rows = answer.rows
        if [row[0] for row in rows] != [key.encode() for key in keys]:
            raise Wrong(f"{len(rows)} rows came for {len(keys)} keys, or others")
        for row in rows:
            if len(row) != len(table.masked) + 2:
                raise Wrong(f"{len(row)} columns")
            for name, cell in zip(table.masked, row[1:], strict=False):
                if cell is not None and not table.mask.fullmatch(cell):
                    raise Wrong(f"LEAK: {name} is not masked")
            if row[-1] is not None and table.mask.fullmatch(row[-1]):
                raise Wrong(f"{table.clear} is masked")

    return right


def columns(table: Table) -> str:
    """What `people` checks, as a select list."""
    return ", ".join((table.key, *table.masked, table.clear))


def many(table: Table, rows: int) -> str:
    """A select of so many people, however few the table has."""
    again = f"{table.name} cross join generate_series(1, {rows}) again"
    return f"select {columns(table)} from {again} limit {rows}"
