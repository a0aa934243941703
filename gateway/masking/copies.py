"""COPY … TO STDOUT: which cells of its rows are masked, and in which formats that can be done (`streams`, `rows`)."""

from dataclasses import dataclass, field, replace

from gateway.classify.catalog import CatalogColumn, CatalogTable
from gateway.classify.system import COMMENTING
from gateway.errors import Refused, State
from gateway.masking import rows, streams
from gateway.masking.basis import UNKNOWN, MaskBasis, Source
from gateway.masking.copy_cells import Dialect
from gateway.masking.forms import Form, form_of
from gateway.masking.looks import DISGUISING, EVERY_CELL, Look
from gateway.masking.streams import Place
from parser.facts import Copy, Facts, Output, Relation

_RULE = "masked columns"
_LIST_HINT = "Write the columns you may see, as in COPY (SELECT a, b FROM t) TO STDOUT."

_DELIMITERS = frozenset("\t,;|:")  # none of them occurs in a mask
_NULLS = frozenset({"\\N", "", "NULL", "null"})  # one made to measure would tell which cells equal it
_TRUE = frozenset({"", "true", "on", "1", "match"})
_QUIET_OPTIONS = frozenset({"format", "freeze", "encoding", "force_quote", "on_error", "log_verbosity"})
_READ_OPTIONS = frozenset({"delimiter", "null", "header", "quote", "escape"})


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """The masks of one COPY. Nothing in it changes, so it serves any number of executions.

    `clear`, `masked` and `cleared` as in RowPlan.
    """

    clear: bool
    masked: tuple[tuple[str, str, str], ...] = ()
    cleared: tuple[str, ...] = ()
    columns: int = 0
    places: tuple[Place, ...] = field(default=(), repr=False)
    dialect: Dialect | None = field(default=None, repr=False)  # None where it is not clear: the binary format
    looks: tuple[Look, ...] = ()  # as in RowPlan; with no `columns` every cell is looked at
    stored: tuple[tuple[tuple[int, int], ...], ...] = ()  # by place: (table oid, column number) of what is handed through

    def mask(self, frames: bytes) -> bytes:
        """Whole CopyData frames in, whole CopyData frames out. Raises ProtocolError for what is not one row a frame."""
        if not self.places:
            return frames
        if self.dialect is not None:
            return streams.mask(frames, self.columns, self.places, self.dialect)
        return rows.mask_tuples(frames, self.columns, [(place.index, place.mask) for place in self.places])

    def with_whole(self, look: Look, label: str, basis: MaskBasis) -> "CopyPlan":
        """As RowPlan's."""
        sources = (Source(look.name, label),)
        mask = basis.cell_mask(sources, look.type_oid, plain=look.table_oid != 0, binary=look.binary)
        name = look.name.rpartition(".")[2].encode() if look.table_oid else None
        place = Place(look.index, mask, name)
        return replace(
            self,
            places=tuple(sorted((*self.places, place), key=lambda one: one.index)),
            masked=(*self.masked, (look.name, label, mask.name)),
            looks=tuple(one for one in self.looks if one is not look),
        )


@dataclass(frozen=True, slots=True)
class _Cell:
    """One column of the stream: what is behind it, its type (pg_type oid, 0: not known) and name where it is a column."""

    sources: tuple[Source, ...]
    type_oid: int = 0
    plain: bool = False
    name: str | None = None
    scan: bool = False  # it may hold what nobody labelled
    stored: tuple[CatalogTable, CatalogColumn] | None = None  # the one column that it is
    handed: tuple[tuple[int, int], ...] = ()  # (table oid, column number) of the columns that it may be, unchanged


def copy_out(facts: Facts, basis: MaskBasis) -> CopyPlan | Refused:
    """The plan for COPY … TO STDOUT, or why it cannot be masked and how to write it instead."""
    copy = facts.copy
    assert copy is not None, "asked for COPY alone"
    cells = _of_query(basis) if copy.relation is None else _of_relation(copy, copy.relation, basis)
    if isinstance(cells, Refused):
        return _of_unknown(copy, basis) if basis.inert else cells
    shown = (source for cell in cells for source in cell.sources if basis.visible(source))
    cleared = tuple(dict.fromkeys(source.name for source in shown))
    places: list[Place] = []
    masked: dict[tuple[str, str, str], None] = {}
    looks: list[Look] = []
    binary = copy.format == "binary"
    for index, cell in enumerate(cells):
        hidden = tuple(source for source in cell.sources if not basis.visible(source))
        if basis.scans(hidden, plain=cell.plain) if hidden else cell.scan and not basis.everything:
            look = _look(cell, index, binary)
            if look is not None:
                looks.append(look)
                continue
        if hidden:
            mask = basis.cell_mask(hidden, cell.type_oid, plain=cell.plain, binary=binary)
            places.append(Place(index, mask, cell.name.encode() if cell.name else None))
            masked.update(((source.name, source.label, mask.name), None) for source in hidden)
    stored = tuple(cell.handed for cell in cells) if basis.accounting is not None else ()
    if not places and not looks:
        return CopyPlan(clear=True, cleared=cleared, stored=stored)
    dialect = dialect_of(copy)
    if isinstance(dialect, Refused):
        return dialect
    return CopyPlan(False, tuple(masked), cleared, len(cells), tuple(places), dialect, tuple(looks), stored)


def _of_unknown(copy: Copy, basis: MaskBasis) -> CopyPlan | Refused:
    """The plan for rows that hold nothing masked, whose cells are not known: those of the session's own tables."""
    if not basis.unproven:
        return CopyPlan(clear=True)
    dialect = dialect_of(copy)
    if dialect is None:
        return _refuse("rows of a table that is not known cannot be looked through in the binary format", _LIST_HINT)
    return dialect if isinstance(dialect, Refused) else CopyPlan(False, dialect=dialect, looks=(_ANY_CELL,))


_ANY_CELL = Look(EVERY_CELL, Form.NESTED, "rows")


def _look(cell: _Cell, index: int, binary: bool) -> Look | None:
    form = form_of(cell.type_oid, int(binary))
    if form is None:
        return None
    if cell.stored is None or not cell.plain:
        return Look(index, form, f"column {index + 1}", 0, 0, cell.type_oid, -1, binary)
    table, column = cell.stored
    name = f"{table.schema}.{table.name}.{column.name}"
    return Look(index, form, name, table.oid, column.number, cell.type_oid, -1, binary)


def _refuse(why: str, hint: str) -> Refused:
    return Refused(State.DENIED, f'rule "{_RULE}": {why}', hint, _RULE)


def _of_relation(copy: Copy, relation: Relation, basis: MaskBasis) -> list[_Cell] | Refused:
    """The cells of COPY table. Where the name may mean several tables a cell has what any of them has in its place."""
    tables = basis.tables(relation) if basis.facts.complete else ()
    if not tables:
        return _refuse("COPY of a table that is not known may show masked values", _LIST_HINT)
    rows = [_columns(table, copy.columns) for table in tables]
    if None in rows or len({len(row) for row in rows if row is not None}) != 1:
        why = "COPY of a table whose columns are not known may show masked values"
        return _refuse(why, "Write the table's name with its schema.")
    cells: list[_Cell] = []
    for same_place in zip(*(row for row in rows if row is not None), strict=True):
        sources = [basis.source(table, column) for table, column in zip(tables, same_place, strict=True)]
        types = {column.type_oid for column in same_place}
        found = tuple(source for source in sources if source is not None)
        scan = any(column.scan and column.label is None for column in same_place)
        stored = (tables[0], same_place[0]) if len(tables) == 1 else None
        whole = not any(column.computed for column in same_place)
        cells.append(
            _Cell(
                found,
                types.pop() if len(types) == 1 else 0,
                whole,
                same_place[0].name,
                scan,
                stored,
                tuple((table.oid, column.number) for table, column in zip(tables, same_place, strict=True)),
            )
        )
    return cells


def _columns(table: CatalogTable, names: tuple[str, ...] | None) -> list[CatalogColumn] | None:
    """The columns in the order of the stream; None where one is not known."""
    if names is None:
        return [column for column in table.columns if not column.generated]
    if any(name not in table.by_name for name in names):
        return None
    return [table.by_name[name] for name in names]


def _of_query(basis: MaskBasis) -> list[_Cell] | Refused:
    outputs = basis.outputs
    if outputs is None:
        return _refuse("COPY of a query whose columns cannot be traced may show masked values", _LIST_HINT)
    return [_traced(output, basis) for output in outputs]


def _traced(output: Output, basis: MaskBasis) -> _Cell:
    sources, scan = basis.lineage(output), basis.may_hold(output)
    if not output.plain and (scan or basis.calls(COMMENTING)) and not sources:
        if basis.calls(DISGUISING):
            return _Cell((Source("expression", UNKNOWN),))
        return _Cell((), scan=True)
    if not output.plain or len(output.columns) != 1:
        return _Cell(sources, scan=scan, handed=_branches(output, basis))
    (column,) = output.columns
    found = [(table, table.by_name[column.name]) for table in basis.tables(column.relation) if column.name in table.by_name]
    types = {each.type_oid for _, each in found}
    stored = found[0] if len(found) == 1 else None
    whole = not any(each.computed for _, each in found)
    handed = tuple((table.oid, each.number) for table, each in found)
    return _Cell(sources, types.pop() if len(types) == 1 else 0, whole, column.name, scan, stored, handed)


def _branches(output: Output, basis: MaskBasis) -> tuple[tuple[int, int], ...]:
    """The columns that a column of a UNION may be, as far as it is none of an expression's."""
    if basis.origins_tell or output.opaque:
        return ()
    return tuple(
        (table.oid, table.by_name[column.name].number)
        for column in output.columns
        for table in basis.tables(column.relation)
        if column.name in table.by_name
    )


def dialect_of(copy: Copy) -> Dialect | Refused | None:
    """How the rows are written, None in binary. Refused for what cannot be cut into cells with certainty."""
    options = dict(copy.options)
    if copy.format == "binary" and options.keys() <= _QUIET_OPTIONS:
        return None
    csv = copy.format == "csv"
    delimiter = options.get("delimiter", "," if csv else "\t")
    null = options.get("null", "" if csv else "\\N")
    quote = options.get("quote", '"')
    encoding = (options.get("encoding", "utf8") or "").lower().replace("-", "")
    unread = options.keys() - _READ_OPTIONS - _QUIET_OPTIONS
    usual = quote == '"' and options.get("escape", quote) == '"' and encoding in ("utf8", "unicode")
    if (
        copy.format not in ("text", "csv")
        or unread
        or not usual
        or delimiter not in _DELIMITERS
        or null not in _NULLS
    ):
        why = "masked columns cannot be copied in this format"
        return _refuse(
            why, "Use the text, csv or binary format without further options, or leave the masked columns out."
        )
    assert delimiter is not None, "it is one of the known"
    assert null is not None, "it is one of the known"
    header = "header" in options and (options["header"] or "").lower() in _TRUE
    return Dialect(csv, delimiter.encode(), null.encode(), header)
