"""What happens to an answer's rows, COPY data and error texts: the doors of this layer."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.masking import kernels
from gateway.masking.basis import UNKNOWN, MaskBasis, Source
from gateway.masking.copies import CopyPlan, copy_out
from gateway.masking.definitions import Definitions, beyond_definitions, definitions
from gateway.masking.groups import Group
from gateway.masking.masks import CellMask
from gateway.masking.reports import scrub
from parser.facts import Output
from parser.messages import Field, row_description

__all__ = ["CopyPlan", "RowPlan", "copy_out", "rows", "scrub"]


@dataclass(frozen=True, slots=True)
class RowPlan:
    """The masks of one result, for the formats that its RowDescription tells.

    `clear`: no column is masked. `masked`: (column, label, mask) for the audit; `cleared`: labelled columns shown in clear.
    """

    clear: bool
    masked: tuple[tuple[str, str, str], ...]
    cleared: tuple[str, ...]
    columns: int
    masks: tuple[tuple[int, CellMask], ...] = field(repr=False)
    definitions: Definitions | None = None

    def mask(self, frames: bytes) -> bytes:
        """Whole DataRow frames in, whole DataRow frames out. Raises ProtocolError for rows that are not as described."""
        if self.masks:
            frames = kernels.mask(frames, self.columns, self.masks)
        return frames if self.definitions is None else self.definitions.mask(frames)


def rows(row_description_body: bytes, basis: MaskBasis, groups: Sequence[Group] = ()) -> RowPlan:
    """The plan for a result with this RowDescription (without type and length). Raises ProtocolError.

    `groups`: the aggregates of which the server itself keeps small groups back, because the text it was sent says so.
    """
    fields = row_description(row_description_body)
    masks: list[tuple[int, CellMask]] = []
    masked: dict[tuple[str, str, str], None] = {}
    cleared: dict[str, None] = {}
    guarded = {group.output: group for group in groups}
    for index, one in enumerate(fields):
        output = basis.output(index, len(fields))
        sources = _sources(one, index, output, basis)
        hidden = tuple(source for source in sources if not basis.visible(source))
        cleared.update((source.name, None) for source in sources if source not in hidden)
        if not hidden:
            continue
        group = guarded.get(index)
        if group is not None and hidden == (group.source,) and not one.table_oid:
            masked[(group.source.name, group.source.label, group.mask)] = None
            continue
        plain = one.table_oid != 0 and (output is None or output.plain)
        mask = basis.cell_mask(hidden, one.type_oid, plain=plain, typmod=one.typmod, binary=one.format == 1)
        masks.append((index, mask))
        masked.update(((source.name, source.label, mask.name), None) for source in hidden)
    texts = definitions(fields, (index for index, _ in masks), basis)
    clear = not masks and texts is None
    return RowPlan(clear, tuple(masked), tuple(cleared), len(fields), tuple(masks), texts)


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
