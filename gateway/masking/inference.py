"""What hidden columns may decide: which rows come, how many, in which order, and whether a statement fails.

A mask hides a value and not what is done with it: `WHERE ssn LIKE '9%'` shows by its rows what no cell shows. So a column
that the principal may not see decides nothing, but for what its label's `inference` lets pass: equality with values that
the client brings itself, a budget of them an hour, and with the other side of a foreign key.
"""

from collections.abc import Iterable

from gateway.classify.catalog import CatalogColumn, CatalogTable
from gateway.classify.system import DERIVED, SYSTEM_SCHEMAS
from gateway.errors import Refused, State
from gateway.masking.basis import UNKNOWN, MaskBasis, Source
from gateway.masking.masks import TEXT_TYPES
from gateway.policy.decision import Budget, Guesses
from gateway.policy.rights import Rights
from gateway.policy.rules import EQUALITY_PER_HOUR
from parser.facts import Column, Facts, Output, Relation, Use

RULE = "built-in: hidden columns decide no rows"
ARRAY_ENTRIES = 100  # of an array whose entries cannot be counted
_HOUR = 3600
_ARRAY_HEAD = 12  # bytes of a binary array's head: dimensions, flags, type of the entries
_WHERE = {"FROM": "a function in FROM", "OVER": "OVER (…)", "a cast": "a cast that may fail"}


def inferred(facts: Facts, basis: MaskBasis, rights: Rights) -> Refused | tuple[Guesses, ...]:
    """The refusal of a statement in which a hidden column decides too much; else the values it compares with hidden columns,
    for each label."""
    if basis.everything or not facts.uses:
        return ()
    counts: dict[str, int] = {}
    arrays: dict[str, set[int]] = {}
    for use in facts.uses:
        for source in _hidden(use, basis):
            policy = _inference(source.label, rights)
            if policy == "allow":
                continue
            if (policy == "refuse" and use.how != "shape") or not _passes(use, source, basis):
                return _refused(use, source, policy == "refuse")
            if use.how == "equality" or use.how == "conflict":
                counts[source.label] = counts.get(source.label, 0) + use.count
                if use.parameter:
                    arrays.setdefault(source.label, set()).add(use.parameter)
    return tuple(
        Guesses(_budget(label, rights), count, tuple(sorted(arrays.get(label, ()))))
        for label, count in sorted(counts.items())
    )


def told(facts: Facts, basis: MaskBasis, rights: Rights) -> tuple[Budget, ...]:
    """The budgets in which a failure of the statement counts: whether it fails may hang on hidden columns that it reads or
    defines, or on those of a key that it writes."""
    if basis.everything:
        return ()
    read = facts.columns_read
    if "ddl" in facts.effects:  # what a definition looks at in its table is not followed
        read |= {Column(relation, "*") for relation in facts.writes}
    sources = [*basis.lineage(Output(read)), *_constrained(facts.columns_written, basis)]
    labels = {source.label for source in sources if not basis.visible(source)}
    return tuple(_budget(label, rights) for label in sorted(labels) if _inference(label, rights) != "allow")


def _hidden(use: Use, basis: MaskBasis) -> list[Source]:
    """The columns of a use that the principal may not see."""
    if use.how == "conflict":
        return [source for source in _constrained(use.columns, basis) if not basis.visible(source)]
    sources = list(basis.lineage(Output(use.columns, use.opaque)))
    if use.against:
        sources += basis.lineage(Output(use.against))
    return [source for source in dict.fromkeys(sources) if not basis.visible(source)]


def _constrained(columns: Iterable[Column], basis: MaskBasis) -> Iterable[Source]:
    """Labelled columns of unique and foreign keys: those alone can be in conflict with what is stored."""
    for column in columns:
        for table in basis.tables(column.relation):
            for each in table.columns:
                if column.name not in ("*", each.name):
                    continue
                source = basis.source(table, each)
                if source is None:
                    continue
                unique = any(each.name in key for key in basis.catalog.keys.get(table.oid, ()))
                if unique or Column(Relation(table.schema, table.name), each.name) in basis.catalog.references:
                    yield source


def _inference(label: str, rights: Rights) -> str:
    mask = rights.masks.get(label)
    return "allow_equality" if mask is None else mask.inference


def _budget(label: str, rights: Rights) -> Budget:
    mask = rights.masks.get(label)
    own = None if mask is None else mask.max_equality_per_hour
    return Budget(label, "guesses", EQUALITY_PER_HOUR if own is None else own, _HOUR, personal=True)


def _passes(use: Use, source: Source, basis: MaskBasis) -> bool:
    """Whether the use reveals no more than equality, within what `allow_equality` lets pass."""
    if use.how == "equality" or use.how == "conflict":
        return True
    if use.how == "shape":
        return not _is_made(use, source, basis)
    if use.how == "join":
        return _belong_together(use, basis)
    if use.how == "group":
        return _hashed(source.label, basis)
    return use.how == "cast" and all(_converts(column, basis) for column in use.columns)


def _is_made(use: Use, source: Source, basis: MaskBasis) -> bool:
    """Whether a column was made of hidden values, so that they decide whether it is NULL. The server's own relations are as
    they are."""
    tables = [table for column in use.columns for table in basis.tables(column.relation)]
    if tables and all(table.schema in SYSTEM_SCHEMAS for table in tables):
        return False
    if source.label == DERIVED:
        return True
    if source.label == UNKNOWN:
        own = basis.own.names | basis.made
        return any(column.relation.name in own and not basis.is_clean(column.relation) for column in use.columns)
    return any(
        column.name in table.by_name and table.by_name[column.name].computed
        for column in use.columns
        for table in basis.tables(column.relation)
    )


def _hashed(label: str, basis: MaskBasis) -> bool:
    """Whether the values are shown as tokens: equal ones are seen to be equal anyway."""
    return bool(basis.key) and basis.method_of(label) == "hash"


def _belong_together(use: Use, basis: MaskBasis) -> bool:
    """Whether two columns are one and the same, or one refers to the other, or their tokens could be compared by anybody."""
    left, right = _base(use.columns, basis), _base(use.against, basis)
    if left is not None and right is not None:
        references = basis.catalog.references
        of_left, of_right = (references.get(own, frozenset()) for own in (left, right))
        if left == right or right in of_left or left in of_right or not of_left.isdisjoint(of_right):
            return True
    labels = [
        {source.label for source in basis.lineage(Output(columns))} for columns in (use.columns, use.against)
    ]
    return labels[0] == labels[1] and len(labels[0]) == 1 and all(_hashed(label, basis) for label in labels[0])


def _base(columns: frozenset[Column], basis: MaskBasis) -> Column | None:
    """The column of a table that these stand for; None where it is not certain."""
    found = _named(columns, basis)
    if found is None:
        return None
    table, column = found
    if column.bases is None or len(column.bases) > 1:
        return None
    if column.bases:
        return next(iter(column.bases))
    return Column(Relation(table.schema, table.name), column.name)


def _named(columns: frozenset[Column], basis: MaskBasis) -> tuple[CatalogTable, CatalogColumn] | None:
    """The one column of the catalogue that these mean."""
    found = [
        (table, table.by_name[column.name])
        for column in columns
        for table in basis.tables(column.relation)
        if column.name in table.by_name
    ]
    return found[0] if len(found) == 1 and len(columns) == 1 else None


def _converts(column: Column, basis: MaskBasis) -> bool:
    """Whether a cast of the column to a wide type never fails: it holds no text."""
    found = _named(frozenset((column,)), basis)
    return found is not None and found[1].type_oid not in TEXT_TYPES


def _refused(use: Use, source: Source, strictly: bool) -> Refused:
    where = _WHERE.get(use.clause, use.clause)
    if source.label == UNKNOWN:
        what = "what is used" if source.name == "expression" else f'column "{source.name}" is used'
        message = f"{what} in {where}, and it is not known whether you may see what it holds"
    else:
        message = f'column "{source.name}" is used in {where}, and you may not see it'
    hint = "Leave the column out." if strictly else "Compare it for equality with a value, or leave it out."
    return Refused(State.DENIED, f'denied by "{RULE}": {message}', hint, RULE)


# --- what a statement that runs is charged ---


def entries(values: bytes | None, parameters: Iterable[int]) -> int:
    """How many entries the arrays have that are these parameters of a Bind (`values`: what stands behind its names); so many
    for each as is usual where that cannot be told."""
    cells = _cells(values) if values is not None else None
    total = 0
    for number in parameters:
        if cells is None or number > len(cells):
            total += ARRAY_ENTRIES
        else:
            total += _entries(*cells[number - 1])
    return total


def _entries(binary: bool, value: bytes) -> int:
    if not binary:
        return value.count(b",") + 1
    count = 1
    for dimension in range(int.from_bytes(value[:4], "big") if len(value) >= _ARRAY_HEAD else 0):
        count *= int.from_bytes(value[_ARRAY_HEAD + 8 * dimension :][:4], "big")
        if dimension > 5:  # the server takes no more
            break
    return count


def _cells(values: bytes) -> list[tuple[bool, bytes]] | None:
    """Format and bytes of each parameter of a Bind; None where it is not well-formed, which the server will say."""
    formats = int.from_bytes(values[:2], "big")
    codes = [int.from_bytes(values[2 + 2 * at : 4 + 2 * at], "big") for at in range(formats)]
    at = 2 + 2 * formats
    count = int.from_bytes(values[at : at + 2], "big")
    at += 2
    cells = []
    for number in range(count):
        size = int.from_bytes(values[at : at + 4], "big", signed=True)
        at += 4
        if at > len(values):
            return None
        code = codes[0] if formats == 1 else codes[number] if number < formats else 0
        cells.append((code == 1, values[at : at + max(size, 0)]))
        at += max(size, 0)
    return cells

