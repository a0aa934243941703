"""What a write would do, as it was found by running it in a transaction that was rolled back.

Numbers of rows are told to everybody who sees the request; samples are rows, masked, for those who decide alone.
"""

from typing import Final

import msgspec

SAMPLE_ROWS_MAX: Final = 5  # of a table
SAMPLE_COLUMNS_MAX: Final = 30
CELL_CHARACTERS_MAX: Final = 200
TABLES_MAX: Final = 50  # told; the rest is summed up in one entry
OTHERS: Final = "(other tables)"

Row = tuple[str | None, ...]


class Changed(msgspec.Struct, frozen=True):
    """Rows of one table."""

    table: str
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    def __str__(self) -> str:
        parts = ("inserted", self.inserted), ("updated", self.updated), ("deleted", self.deleted)
        return f"{self.table}: {', '.join(f'{count:,} {what}' for what, count in parts if count)}"


class Sample(msgspec.Struct, frozen=True):
    """Rows of one table, masked: as they were, and as they would be."""

    table: str
    columns: tuple[str, ...]
    before: tuple[Row, ...] = ()
    after: tuple[Row, ...] = ()

    def __repr__(self) -> str:
        return f"<Sample of {self.table}>"


class Preview(msgspec.Struct, frozen=True):
    """`why`: it was not tried, or not to the end, and then nothing else counts. `command` and `rows`: what the server said
    of it, "UPDATE" and 3. `tables`: all whose rows it changed, what triggers and foreign keys did included; None where the
    server does not count. `replaces`: how it differs from what was approved before."""

    why: str = ""
    command: str = ""
    rows: int = 0
    tables: tuple[Changed, ...] | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    replaces: str = ""

    @property
    def known(self) -> bool:
        """Whether there is an outcome to be approved."""
        return not self.why


def changed(tables: list[Changed]) -> tuple[Changed, ...]:
    """In an order of their own, those beyond TABLES_MAX in one."""
    tables = sorted((one for one in tables if one.inserted or one.updated or one.deleted), key=lambda one: one.table)
    rest = tables[TABLES_MAX:]
    if rest:
        summed = [sum(counts) for counts in zip(*((one.inserted, one.updated, one.deleted) for one in rest), strict=True)]
        tables[TABLES_MAX:] = [Changed(OTHERS, *summed)]
    return tuple(tables)


def difference(approved: Preview, now: Preview) -> str:
    """How the outcome of now differs from the one that was approved; "" where it does not, or is not known."""
    if not (approved.known and now.known):
        return ""
    if approved.tables is not None and now.tables is not None:
        before, after = ({one.table: one for one in each} for each in (approved.tables, now.tables))
        found = [
            f"{after.get(name) or f'{name}: nothing'} (approved: {_amount(before.get(name))})"
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        ]
        if found:
            return "; ".join(found)
    if (approved.command, approved.rows) != (now.command, now.rows):
        return f"{now.command} {now.rows:,} (approved: {approved.command} {approved.rows:,})"
    return ""


def _amount(one: Changed | None) -> str:
    return "nothing" if one is None else str(one).removeprefix(f"{one.table}: ")


def lines(preview: Preview) -> tuple[str, ...]:
    """In words, the most important first; no values."""
    if not preview.known:
        return (f"not previewed: {preview.why}", *_replaced(preview))
    told = [f"{preview.command} {preview.rows:,}", *map(str, preview.tables or ())]
    if preview.tables is None:
        told.append("the server does not count rows by table")
    return (*_replaced(preview), *told, *preview.notes)


def _replaced(preview: Preview) -> tuple[str, ...]:
    return (f"the outcome is another than was approved: {preview.replaces}",) if preview.replaces else ()


def sample_lines(samples: tuple[Sample, ...]) -> tuple[str, ...]:
    """Rows as text, for messages to those who may read them."""
    told = []
    for one in samples:
        told.append(f"{one.table} ({', '.join(one.columns)})")
        told += [f"- {_cells(row)}" for row in one.before]
        told += [f"+ {_cells(row)}" for row in one.after]
    return tuple(told)


def _cells(row: Row) -> str:
    return " | ".join("NULL" if cell is None else cell for cell in row)
