"""What a principal may not see in one statement: the statement's facts, the rights and the catalogue, put together once."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gateway.classify.catalog import Catalog, CatalogColumn, CatalogTable
from gateway.classify.own import NOTHING, Own
from gateway.classify.system import DERIVED, tells_definitions
from gateway.masking.masks import BPCHAR, TEXT_TYPES, CellMask, How, constant
from gateway.policy.rights import Rights
from gateway.policy.rules import STRICTNESS, Mask, RecordKeys, kept_at_most
from parser.facts import Column, Facts, Output, Relation
from parser.routines import ABOUT_DEFINITIONS, COUNTING, PURE

if TYPE_CHECKING:
    from gateway.masking.row_keys import Accounting

FREE_TEXT = "free_text"
UNKNOWN = "unknown"  # the label of what is not proven clear; no correction and no unmask but "*" reaches it

CODE_MOVED = "()"  # among moved names: functions, operators, casts or types are not what the catalogue says

# Every table has them and they hold no stored data (manual, section 5.6).
SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})

_COMPUTING = PURE | ABOUT_DEFINITIONS | COUNTING
_TRUSTED_LANGUAGES = frozenset({"internal", "c"})  # only a superuser makes such functions
_PLAIN = frozenset({"read", "write", "ddl", "session"})  # effects that reach nothing but tables
_QUIET = frozenset({"read", "session"})  # effects that run nobody else's code
_DEFERRED = (
    "COMMIT",
    "END",
    "PREPARE TRANSACTION",
    "COMMIT PREPARED",
    "SET CONSTRAINTS",
)  # constraints speak up here
_CODE_KINDS = tuple(
    f"{verb} {what}"
    for verb in ("CREATE", "ALTER")
    for what in ("FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE", "OPERATOR", "CAST")
)
_UNION = re.compile(r"\bunion\b", re.IGNORECASE)
_RESOLVED_KINDS = 2  # EXECUTE and FETCH of a known statement carry its kinds behind their own


@dataclass(frozen=True, slots=True)
class Source:
    """A labelled column that may flow into a result: `schema.table.column`, or less where less is known."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class MaskBasis:
    """See the module. `inert`: nothing of the answer has a label that is hidden, neither rows nor errors. `unproven`: it may
    hold values of columns without a label of which nothing proves that they are clean: they are looked through.

    `utility`: the statement's rows are the server's own words (SHOW, and EXPLAIN of what runs nobody's code). `outputs` is
    None where lineage proves nothing. `origins_tell`: without lineage the origin of a plain column still tells all that may
    be in it. `made`: bare names of relations that the session made itself and the catalogue cannot know rightly; `own`: its
    temporary relations, as far as they are certain. `moved`: names, in whatever schema, of what it defined or changed since
    the catalogue was read, CODE_MOVED among them.
    """

    facts: Facts
    catalog: Catalog
    outputs: tuple[Output, ...] | None
    inert: bool
    utility: bool
    origins_tell: bool
    everything: bool
    unmask: frozenset[str]
    unmask_as: frozenset[tuple[str, str]]  # columns in clear as long as they carry the label
    masks: Mapping[str, Mask]
    key: bytes = field(repr=False)
    made: frozenset[str] = frozenset()
    own: Own = NOTHING
    moved: frozenset[str] = frozenset()
    unproven: bool = False
    accounting: "Accounting | None" = None  # whose rows are accounted for when they are shown
    record_keys: tuple[RecordKeys, ...] = ()  # … and when they are changed

    def output(self, index: int, count: int) -> Output | None:
        """Lineage of one of `count` result columns. Where the counts differ the statement was misread: nothing is proven."""
        if self.outputs is None:
            return None
        return self.outputs[index] if len(self.outputs) == count else Output(opaque=True)

    def source(self, table: CatalogTable, column: CatalogColumn) -> Source | None:
        """The column as a source, None where it has no label."""
        if column.label is None:
            return None
        return Source(f"{table.schema}.{table.name}.{column.name}", column.label)

    def visible(self, source: Source) -> bool:
        """Whether the principal may see the column in clear."""
        if self.everything:
            return True
        if source.label == UNKNOWN:
            return False
        if self.method_of(source.label) == "clear" or source.label in self.unmask or source.name in self.unmask:
            return True
        return (source.name, source.label) in self.unmask_as

    def origin(self, table_oid: int, number: int) -> Source | None:
        """The label of a result column that is a plain column, by the table oid and column number of RowDescription."""
        if number < 0:
            return None
        table = self.catalog.tables.get(table_oid)
        if number == 0 and table is not None:  # the whole row
            sources = [one for each in table.columns if (one := self.source(table, each)) is not None]
            return next((one for one in sources if not self.visible(one)), None)
        column = table.by_number.get(number) if table is not None else None
        if table is None or column is None:
            where = f"{table.schema}.{table.name}" if table is not None else f"table {table_oid}"
            return Source(f"{where}.{number}", UNKNOWN)
        return self.source(table, column)

    def computes(self, table_oid: int, number: int) -> bool:
        """Whether a result column of this origin is made by a view, and not handed through by it."""
        table = self.catalog.tables.get(table_oid)
        column = table.by_number.get(number) if table is not None else None
        return column is not None and column.computed

    def lineage(self, output: Output) -> tuple[Source, ...]:
        """Every labelled column that may flow into an output, those of unknown content included."""
        found: set[Source] = set()
        by_name: dict[str, list[Column]] = {}
        for column in output.columns:
            if not self.is_clean(column.relation):
                by_name.setdefault(column.name, []).append(column)
        for name, columns in by_name.items():
            sources = [self._sources(column) for column in columns]
            # A bare name is listed once for each relation in scope: those that have no such column drop out, as long
            # as one has it.
            known = any(one is not None for one in sources)
            for column, one in zip(columns, sources, strict=True):
                if one is not None:
                    found.update(one)
                elif not known or not self.tables(column.relation):
                    found.add(Source(f"{column.relation.name}.{name}", UNKNOWN))
        if output.opaque:
            found.add(Source("expression", UNKNOWN))
        return tuple(sorted(found, key=lambda source: (source.name, source.label)))

    def may_hold(self, output: Output) -> bool:
        """Whether a column that has no label, and that nothing proves clean, may flow into an output."""
        return any(self._unproven(column) for column in output.columns)

    def _unproven(self, column: Column) -> bool:
        if self.is_clean(column.relation):
            return column.relation.name in self.own.unproven
        for table in self.tables(column.relation):
            for each in table.columns if column.name == "*" else (table.by_name.get(column.name),):
                if each is not None and each.scan and each.label is None:
                    return True
        return False

    def proves(self, relation: Relation) -> bool:
        """Whether no cell of a relation must be looked at to know that it is clean, but for those that have labels."""
        if self.is_clean(relation):
            return relation.name not in self.own.unproven
        return bool(self.tables(relation)) and not self._unproven(Column(relation, "*"))

    def reads_unproven(self) -> bool:
        """Whether the statement may take in cells that nobody labelled or proved clean."""
        return not self.everything and not all(self.proves(relation) for relation in self.facts.reads)

    def calls(self, names: frozenset[str]) -> bool:
        """Whether the statement calls one of these, in whatever schema."""
        return any(name in names for _, name in self.facts.functions)

    @property
    def shown(self) -> frozenset[str]:
        """The labels whose values the principal may see wherever they stand."""
        return self.unmask | {label for label, mask in self.masks.items() if mask.method == "clear"}

    def method_of(self, label: str) -> str:
        """How values of the label are shown."""
        mask = self.masks.get(label)
        return "redact" if mask is None else mask.method

    def _kept(self, label: str) -> int:
        """How many of a value's last characters stay with "partial"."""
        mask = self.masks.get(label)
        return 0 if mask is None else kept_at_most(label, mask.keep_last or 0)

    def scans(self, sources: Iterable[Source], *, plain: bool) -> bool:
        """Whether hidden sources are looked through cell by cell rather than masked whole: free text as it is stored. Of an
        expression over it (a piece, the reverse) no look could tell what it was made of."""
        return plain and FREE_TEXT not in self.masks and all(source.label == FREE_TEXT for source in sources)

    def is_clean(self, relation: Relation) -> bool:
        """Whether it is a relation of the session's own that holds nothing masked."""
        return relation.schema in (None, "pg_temp") and relation.name in self.own.clean

    def is_own_and_clean(self, output: Output | None) -> bool:
        """Whether all that flows into an output comes from such tables; without lineage, whether the statement reads nothing
        else. The catalogue may not know them, or takes them for anybody's: their origins then tell nothing."""
        if output is None:
            reads = self.facts.reads
            return self.inert and bool(reads) and all(self.is_clean(relation) for relation in reads)
        return bool(output.columns) and not output.opaque and all(self.is_clean(one.relation) for one in output.columns)

    def reads_masked(self) -> bool:
        """Whether the statement may take in a value that the principal may not see."""
        facts = self.facts
        if self.everything:
            return False
        if not facts.complete or not facts.effects <= _PLAIN or not only_computes(self):
            return True
        return any(not self.visible(source) for source in self.lineage(Output(facts.columns_read)))

    def tables(self, relation: Relation) -> tuple[CatalogTable, ...]:
        """Every table the name may mean; none: not known."""
        if relation.name in self.moved or relation.schema == "pg_temp":
            return ()
        if relation.schema is None and relation.name in self.made:
            return ()
        return self.catalog.find(relation.schema, relation.name)

    def _sources(self, column: Column) -> list[Source] | None:
        """The labelled sources behind a column's name. None: no candidate relation is known to have it."""
        found: list[Source] = []
        held = False
        for table in self.tables(column.relation):
            if column.name == "*":
                held = True
                found += [one for each in table.columns if (one := self.source(table, each)) is not None]
            elif (each_named := table.by_name.get(column.name)) is not None:
                held = True
                if (one := self.source(table, each_named)) is not None:
                    found.append(one)
            elif column.name in SYSTEM_COLUMNS:
                held = True
        return found if held else None

    def method(self, sources: Iterable[Source]) -> tuple[str, int, str]:
        """(with, keep_last, label) of the strictest mask among the sources; at least one."""
        least = [(self.method_of(label), self._kept(label), label) for label in (source.label for source in sources)]
        method, keep, label = max(least, key=lambda one: (STRICTNESS[one[0]], -one[1], one[2]))
        if method == "clear":  # its own label is clear, another mask brought it here
            return "redact", 0, label
        return method, keep, label

    def cell_mask(
        self, sources: tuple[Source, ...], type_oid: int, *, plain: bool, typmod: int = -1, binary: bool = False
    ) -> CellMask:
        """The mask of a result column of this type (pg_type oid and modifier) in this format. `plain`: one column handed
        through, no expression.

        It keeps the column's type: what has no constant that every driver can read becomes NULL.
        """
        method, keep, label = self.method(sources)
        # What was made of values and kept may be NULL because of them.
        nulls = plain and not any(source.label in (DERIVED, UNKNOWN) for source in sources)
        if method == "null":
            return CellMask(How.FIXED, None, nulls=nulls)
        if plain and type_oid in TEXT_TYPES:
            if method == "partial":
                return CellMask(How.PARTIAL, keep=keep)
            if method == "hash" and self.key:
                return CellMask(How.HASH, label=label, key=self.key, blanks=type_oid == BPCHAR)
        return CellMask(How.FIXED, constant(type_oid, typmod, binary=binary), nulls=nulls)


def moved_names(facts: Facts) -> frozenset[str]:
    """Names of which the catalogue says nothing certain once this definition has run; CODE_MOVED where calls may mean
    something else."""
    names = {relation.name for relation in facts.writes}
    if any(kind.startswith(_CODE_KINDS) for kind in facts.kinds):
        names.add(CODE_MOVED)
    return frozenset(names)


def basis(
    facts: Facts,
    rights: Rights,
    catalog: Catalog,
    *,
    key: bytes = b"",
    made: frozenset[str] = frozenset(),
    own: Own = NOTHING,
    moved: frozenset[str] = frozenset(),
    accounting: "Accounting | None" = None,
) -> MaskBasis:
    """The basis for one statement. For EXECUTE and FETCH the facts are those of the named statement.

    `key` is the secret of hash masks: without it they redact. `made`, `own` and `moved`: see MaskBasis.
    """
    everything = "*" in rights.unmask
    made_here = MaskBasis(
        facts=facts,
        catalog=catalog,
        outputs=facts.outputs if _proves(facts, catalog, moved) else None,
        inert=everything,
        origins_tell=_origins_tell(facts),
        utility=facts.complete and facts.kinds[:1] == ("SHOW",),
        everything=everything,
        unmask=rights.unmask,
        unmask_as=rights.unmask_as,
        masks=rights.masks,
        key=key,
        made=made,
        own=own,
        moved=moved,
        accounting=accounting,
        record_keys=rights.record_keys,
    )
    if facts.complete and facts.kinds[:1] == ("EXPLAIN",):
        alone = everything or _plans_alone(made_here)
        made_here = replace(made_here, utility=True) if alone else replace(made_here, outputs=None)
    return _judged(made_here)


def relabelled(masks: MaskBasis, catalog: Catalog) -> MaskBasis:
    """The same under a catalogue of now."""
    return _judged(replace(masks, catalog=catalog, inert=masks.everything, unproven=False))


def _judged(masks: MaskBasis) -> MaskBasis:
    """With what follows from the rest of it."""
    if masks.everything:
        return masks
    return replace(masks, inert=_nothing_to_mask(masks), unproven=not _all_proven(masks))


def _explains_prepared(facts: Facts) -> bool:
    """EXPLAIN EXECUTE: it shows a text that came earlier, with the values that were put in place of tokens."""
    runs = "EXECUTE" in facts.kinds or (facts.named is not None and facts.named.action == "execute")
    return runs and facts.kinds[:1] == ("EXPLAIN",)


def _proves(facts: Facts, catalog: Catalog, moved: frozenset[str]) -> bool:
    """Whether lineage is a proof: the text was read, and all that it calls is what the catalogue says."""
    return facts.complete and CODE_MOVED not in moved and (facts.resolved or not _shadowed(facts, catalog))


def _unresolved(facts: Facts) -> bool:
    """EXECUTE or FETCH of a statement that is not known."""
    named = facts.named
    return named is not None and named.action in ("execute", "fetch") and len(facts.kinds) < _RESOLVED_KINDS


def _origins_tell(facts: Facts) -> bool:
    """A UNION has the origin of its first branch alone, wherever in the statement it stands."""
    return facts.complete and not _unresolved(facts) and _UNION.search(facts.shape) is None


def _shadowed(facts: Facts, catalog: Catalog) -> bool:
    """Whether a function that the parser takes for PostgreSQL's own may be somebody else's of the same name. Facts that are
    `resolved` have such calls opaque."""
    for schema, name in facts.functions:
        if name in _COMPUTING and schema is None:
            for function in catalog.functions.get(name, ()):
                if not function.builtin and function.language not in _TRUSTED_LANGUAGES:
                    return True
    return False


def _nothing_to_mask(masks: MaskBasis) -> bool:
    """Whether neither rows nor errors of the statement can hold anything labelled: it only reads, all that it reads is
    known and clear, and it calls nothing but PostgreSQL's own functions that compute."""
    facts = masks.facts
    if not facts.complete or not facts.effects <= _QUIET or tells_definitions(facts):
        return False
    if any(kind == word or kind.startswith(word + " ") for kind in facts.kinds for word in _DEFERRED):
        return False
    if _unresolved(facts) or not only_computes(masks):
        return False
    return _reads_clear(masks)


def _all_proven(masks: MaskBasis) -> bool:
    """Whether no cell that the statement meets must be looked at to know that it is clean."""
    facts = masks.facts
    if not facts.complete or _unresolved(facts):
        return False
    return all(masks.proves(relation) for relation in (*facts.reads, *facts.writes))


def _reads_clear(masks: MaskBasis) -> bool:
    return all(_clear(masks, relation) for relation in (*masks.facts.reads, *masks.facts.writes))


def _plans_alone(masks: MaskBasis) -> bool:
    """Whether a plan can quote nothing that was read while planning: the planner runs functions that say immutable, also
    those behind views and defaults, and shows what they gave."""
    facts = masks.facts.inner or masks.facts
    planned = replace(masks, facts=facts)
    if not only_computes(masks) or not only_computes(planned) or {"INSERT", "MERGE"}.intersection(facts.kinds):
        return False
    if _explains_prepared(masks.facts) and not (facts.reads and _reads_clear(masks)):
        return False
    for relation in (*facts.reads, *facts.writes):
        if relation.schema in (None, "pg_temp") and relation.name in masks.own.tables:
            continue
        tables = masks.tables(relation)
        if not tables or any(table.behind is None or table.calls for table in tables):
            return False
    return True


def only_computes(masks: MaskBasis) -> bool:
    """Whether the statement calls nothing but PostgreSQL's own functions that make their result of their arguments."""
    facts = masks.facts
    if CODE_MOVED in masks.moved or _shadowed(facts, masks.catalog):
        return False
    column_names = {column.name for column in facts.columns_read}
    for schema, name in facts.functions:
        attribute = name in column_names and name not in masks.catalog.functions
        if not attribute and (name not in _COMPUTING or schema not in (None, "pg_catalog")):
            return False
    return True


def _clear(masks: MaskBasis, relation: Relation) -> bool:
    if masks.is_clean(relation):
        return True
    tables = masks.tables(relation)
    return bool(tables) and all(
        source is None or masks.visible(source)
        for table in tables
        for source in (masks.source(table, column) for column in table.columns)
    )
