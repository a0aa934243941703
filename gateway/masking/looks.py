"""Columns that are looked through as their rows pass, what is found in them, and what a column then is.

A column without a label that nothing proves clean, and free text as it is stored, are scanned cell by cell: what is found is
masked within the cell. A column whose cells turn out to be one kind of personal data is masked whole from then on, and its
label is learned.
"""

from dataclasses import dataclass

from gateway.classify.catalog import Catalog, CatalogTable
from gateway.classify.learned import Learned, label_of
from gateway.classify.system import SYSTEM_SCHEMAS
from gateway.masking.copy_cells import Dialect
from gateway.masking.forms import Form
from gateway.masking.scanned import ColumnCounts, scan_rows, verdict
from gateway.masking.scanned_copy import scan_copy, scan_lines
from gateway.masking.scanner import Scanner, scanner

SCAN = "scan"  # the mask's name in the audit
# What these make of a text no look at a cell would know again.
DISGUISING = frozenset(
    (
        *("reverse", "encode", "translate", "ascii", "get_byte", "get_bit", "set_byte", "set_bit", "convert_to", "convert"),
        *("string_to_table", "array_reverse", "textsend", "byteain", "to_ascii"),
    )
)
Found = tuple[str, str, str]  # (column, label, mask), as the audit names what was masked


@dataclass(frozen=True, slots=True)
class Look:
    """One column of a result. `name`: `schema.table.column` of a stored one, else what it is called for people. `table_oid` and
    `number`: of the stored column whose cells these are, 0 where they are made of something. `type_oid`, `typmod` and
    `binary`: for the mask, should it be masked whole."""

    index: int
    form: Form
    name: str
    table_oid: int = 0
    number: int = 0
    type_oid: int = 0
    typmod: int = -1
    binary: bool = False


class Watch:
    """The columns of one plan that are looked through, over all executions of it. Counts, never a value."""

    __slots__ = ("_counts", "_scanner", "looks")

    def __init__(self, looks: tuple[Look, ...], shown: frozenset[str]) -> None:
        """`shown`: labels whose values the principal may see."""
        self.looks = looks
        self._scanner: Scanner = scanner(shown)
        self._counts = [ColumnCounts() for _ in looks]

    def rows(self, frames: bytes, columns: int) -> tuple[bytes, list[Found]]:
        """DataRow frames as they may go out, and what was found in them. Raises ProtocolError."""
        seen = scan_rows(self._scanner, frames, columns, [(look.index, look.form) for look in self.looks])
        return seen.frames, self._note(seen.counts)

    def copied(self, frames: bytes, columns: int, dialect: Dialect | None) -> tuple[bytes, list[Found]]:
        """The same of CopyData frames; with `columns` 0 of every cell of text or csv, however many there are."""
        if not columns:
            assert dialect is not None, "cells of binary data are not told apart without their number"
            seen = scan_lines(self._scanner, frames, dialect)
            return seen.frames, self._note(seen.counts)
        forms = [(look.index, look.form) for look in self.looks]
        seen = scan_copy(self._scanner, frames, columns, forms, dialect)
        return seen.frames, self._note(seen.counts)

    def _note(self, counts: tuple[ColumnCounts, ...]) -> list[Found]:
        found: list[Found] = []
        for look, now, known in zip(self.looks, counts, self._counts, strict=True):
            if now.cells:
                known.add(now)
                found += ((look.name, label, SCAN) for label in now.hits)
        return found

    def within(self, looks: tuple[Look, ...]) -> "Watch | None":
        """The watch of these of its columns alone, with what was seen of them; None where there are none."""
        if not looks:
            return None
        kept = Watch(looks, self._scanner.shown)
        kept._counts = [self._counts[self.looks.index(look)] for look in looks]
        return kept

    def verdicts(self) -> list[tuple[Look, str]]:
        """The columns that are one kind of personal data, as far as was seen."""
        found = ((look, verdict(counts)) for look, counts in zip(self.looks, self._counts, strict=True))
        return [(look, label) for look, label in found if label is not None]


def learned(look: Look, label: str, catalog: Catalog) -> Learned | None:
    """What is to be remembered of a stored column that had no label; None where there is no such column."""
    table: CatalogTable | None = catalog.tables.get(look.table_oid)
    column = table.by_number.get(look.number) if table is not None else None
    if table is None or column is None or column.label is not None:
        return None
    if table.kind not in "rpf" or table.schema in SYSTEM_SCHEMAS:
        return None
    return label_of(table, column.name, label, "seen")
