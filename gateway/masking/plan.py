"""What happens to an answer's rows, COPY data and error texts: the doors of this layer."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.classify.system import COMMENTING
from gateway.masking import kernels
from gateway.masking.basis import UNKNOWN, MaskBasis, Source
from gateway.masking.copies import CopyPlan, copy_out
from gateway.masking.definitions import Definitions, beyond_definitions, definitions
from gateway.masking.forms import form_of
from gateway.masking.groups import Group
from gateway.masking.looks import DISGUISING, Look
from gateway.masking.masks import CellMask
from gateway.masking.reports import scrub
from parser.facts import Output
from parser.messages import Field, row_description

__all__ = ["CopyPlan", "RowPlan", "copy_out", "rows", "scrub"]


@dataclass(frozen=True, slots=True)
class RowPlan:
    """The masks of one result, for the formats that its RowDescription tells.

    `clear`: no column is masked or looked through. `masked`: (column, label, mask) for the audit; `cleared`: labelled
    columns shown in clear. `looks`: the columns that are looked through cell by cell, which is a Watch's business.
    """

    clear: bool
    masked: tuple[tuple[str, str, str], ...]
    cleared: tuple[str, ...]
    columns: int
    masks: tuple[tuple[int, CellMask], ...] = field(repr=False)
    definitions: Definitions | None = None
    looks: tuple[Look, ...] = ()

    def mask(self, frames: bytes) -> bytes:
        """Whole DataRow frames in, whole DataRow frames out. Raises ProtocolError for rows that are not as described."""
        if self.masks:
            frames = kernels.mask(frames, self.columns, self.masks)
        return frames if self.definitions is None else self.definitions.mask(frames)

    def with_whole(self, look: Look, label: str, basis: MaskBasis) -> "RowPlan":
        """The plan once a column that was looked through has turned out to be of this kind: it is masked whole."""
        sources = (Source(look.name, label),)
        mask = basis.cell_mask(
            sources, look.type_oid, plain=look.table_oid != 0, typmod=look.typmod, binary=look.binary
        )
        return replace(
            self,
            masks=tuple(sorted((*self.masks, (look.index, mask)), key=lambda one: one[0])),
            masked=(*self.masked, (look.name, label, mask.name)),
            looks=tuple(one for one in self.looks if one is not look),
        )


def rows(row_description_body: bytes, basis: MaskBasis, groups: Sequence[Group] = ()) -> RowPlan:
    """The plan for a result with this RowDescription (without type and length). Raises ProtocolError.

    `groups`: the aggregates of which the server itself keeps small groups back, because the text it was sent says so.
    """
    fields = row_description(row_description_body)
    masks: list[tuple[int, CellMask]] = []
    masked: dict[tuple[str, str, str], None] = {}
    cleared: dict[str, None] = {}
    looks: list[Look] = []
    guarded = {group.output: group for group in groups}
    for index, one in enumerate(fields):
        output = basis.output(index, len(fields))
        sources = _sources(one, index, output, basis)
        hidden = tuple(source for source in sources if not basis.visible(source))
        cleared.update((source.name, None) for source in sources if source not in hidden)
        plain = one.table_oid != 0 and (output is None or output.plain) and not basis.computes(one.table_oid, one.attnum)
        if basis.scans(hidden, plain=plain) if hidden else _may_be_seen(one, output, plain, basis):
            look = _look(one, index, plain, basis)
            if look is not None:
                looks.append(look)
                continue
        if not hidden and not plain and basis.calls(DISGUISING) and _may_hold(one, output, basis):
            hidden = (Source(f"column {index + 1}", UNKNOWN),)
        if not hidden:
            continue
        group = guarded.get(index)
        if group is not None and hidden == (group.source,) and not one.table_oid:
            masked[(group.source.name, group.source.label, group.mask)] = None
            continue
        mask = basis.cell_mask(hidden, one.type_oid, plain=plain, typmod=one.typmod, binary=one.format == 1)
        masks.append((index, mask))
        masked.update(((source.name, source.label, mask.name), None) for source in hidden)
    texts = definitions(fields, (index for index, _ in masks), basis)
    clear = not masks and texts is None and not looks
    return RowPlan(clear, tuple(masked), tuple(cleared), len(fields), tuple(masks), texts, tuple(looks))


def _may_be_seen(one: Field, output: Output | None, plain: bool, basis: MaskBasis) -> bool:
    """Whether a column without a hidden label may hold what nobody labelled, in a form in which a look would find it."""
    return _may_hold(one, output, basis) and (plain or not basis.calls(DISGUISING))


def _may_hold(one: Field, output: Output | None, basis: MaskBasis) -> bool:
    """Whether a result column without a hidden label may hold what nobody labelled."""
    if basis.everything or basis.utility:
        return False
    table = basis.catalog.tables.get(one.table_oid)
    column = table.by_number.get(one.attnum) if table is not None else None
    if column is not None and column.scan and column.label is None:
        return True
    if output is None:
        return basis.unproven and column is None and one.attnum >= 0  # of the session's own tables
    return basis.may_hold(output) or (not one.table_oid and basis.calls(COMMENTING))


def _look(one: Field, index: int, plain: bool, basis: MaskBasis) -> Look | None:
    """None: the column's type cannot hold such values."""
    form = form_of(one.type_oid, one.format)
    if form is None:
        return None
    table = basis.catalog.tables.get(one.table_oid) if plain else None
    column = table.by_number.get(one.attnum) if table is not None else None
    binary = one.format == 1
    if table is None or column is None:
        return Look(index, form, f"column {index + 1}", 0, 0, one.type_oid, one.typmod, binary)
    name = f"{table.schema}.{table.name}.{column.name}"
    return Look(index, form, name, table.oid, column.number, one.type_oid, one.typmod, binary)


def _sources(one: Field, index: int, output: Output | None, basis: MaskBasis) -> tuple[Source, ...]:
    """The labelled columns behind one result column: its origin's label and what lineage adds to it.

    The origin alone is no proof: of a UNION it names the first branch.
    """
    if basis.utility and not one.table_oid:
        return ()
    if beyond_definitions(one, basis):
        return (Source(f"column {index + 1}", UNKNOWN),)
    if basis.is_own_and_clean(output):
        return ()
    origin = basis.origin(one.table_oid, one.attnum) if one.table_oid else None
    sources = (origin,) if origin is not None else ()
    if output is not None:
        return tuple(dict.fromkeys((*sources, *basis.lineage(output))))
    if one.table_oid and basis.origins_tell:
        return sources
    return (*sources, Source(f"column {index + 1}", UNKNOWN))
