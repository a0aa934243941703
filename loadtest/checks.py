"""What a right answer looks like: a leak or a wrong count is a failure of the run like any error."""

from collections.abc import Callable, Sequence

from destination import Table
from messages import Answer, cells


class Wrong(Exception):
    """An answer that is not what it must be."""


def quoted(value: str) -> str:
    """A literal whose type the server finds."""
    return "'" + value.replace("'", "''") + "'"


def between(table: Table, keys: Sequence[str]) -> str:
    """The condition for these keys, which follow one another."""
    return f"{table.key} between {quoted(keys[0])} and {quoted(keys[-1])}"


def no_secret(table: Table, answer: Answer) -> None:
    """Nothing that the table must keep to itself has come, in whatever place."""
    if table.secret.search(b"\n".join(answer.raw)):
        raise Wrong("LEAK: what must never come came in clear")


def masked(table: Table, row: Sequence[bytes | None]) -> None:
    """A row of `columns`: a mask in each place that must have one, and none in the last."""
    if len(row) != len(table.masked) + 2:
        raise Wrong(f"{len(row)} columns")
    for name, cell in zip(table.masked, row[1:], strict=False):
        if cell is not None and not table.mask.fullmatch(cell):
            raise Wrong(f"LEAK: {name} is not masked")
    if row[-1] is not None and table.mask.fullmatch(row[-1]):
        raise Wrong(f"{table.clear} is masked")


def people(table: Table, keys: Sequence[str]) -> Callable[[Answer], None]:
    """Checks rows of (key, masked columns…, clear column): exactly these people, masked where they must be."""

    def right(answer: Answer) -> None:
        no_secret(table, answer)
        rows = answer.rows
        if [row[0] for row in rows] != [key.encode() for key in keys]:
            raise Wrong(f"{len(rows)} rows came for {len(keys)} keys, or others")
        for row in rows:
            masked(table, row)

    return right


def columns(table: Table) -> str:
    """What `people` checks, as a select list."""
    return ", ".join((table.key, *table.masked, table.clear))


def many(table: Table, rows: int) -> str:
    """A select of so many people, however few the table has."""
    again = f"{table.name} cross join generate_series(1, {rows}) again"
    return f"select {columns(table)} from {again} limit {rows}"


def much(table: Table, rows: int, tag: str) -> Callable[[Answer], None]:
    """Checks the answer to `many`, by SELECT or COPY: its number, its tag, nothing secret, masks in each hundredth row."""

    def right(answer: Answer) -> None:
        no_secret(table, answer)
        if len(answer.raw) != rows or answer.tag != f"{tag} {rows}":
            raise Wrong(f"{len(answer.raw)} rows and {answer.tag} came")
        for body in answer.raw[::100]:
            masked(table, cells(body) if answer.kind == b"D" else copied(body))

    return right


def copied(line: bytes) -> list[bytes | None]:
    """The columns of a line of COPY's text format; masks hold nothing that is escaped there."""
    return [None if cell == rb"\N" else cell for cell in line.removesuffix(b"\n").split(b"\t")]
