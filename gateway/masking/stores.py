"""Places where a statement could put a value aside and have it come back without a mask."""

from gateway.classify.learned import of_value
from gateway.classify.system import DERIVED
from gateway.errors import Refused, State
from gateway.masking.basis import UNKNOWN, MaskBasis
from gateway.masking.travels import is_followed
from parser.facts import Column, Facts, Output, Relation

_SETTINGS = "built-in: no stored values in settings"
_MESSAGES = "built-in: no masked values in messages"
_COLUMNS = "built-in: no masked values in other columns"
# Functions that hand a value to other sessions, or to a store that no column's label reaches: pg_locks shows the numbers of
# advisory locks, a sequence its last value, random() what it was seeded with.
_LOCKS = ("lock", "lock_shared", "xact_lock", "xact_lock_shared")
_SENDING = frozenset(
    (
        *("pg_notify", "pg_logical_emit_message", "lo_from_bytea", "lo_put", "lowrite", "lo_create", "setval", "setseed"),
        *(f"pg_{how}{lock}" for how in ("advisory_", "try_advisory_") for lock in _LOCKS),
    )
)


def kept_aside(facts: Facts, basis: MaskBasis) -> Refused | None:
    """The refusal of a statement that could take the value of a masked column to where it would be read in clear."""
    if basis.inert:
        return None
    if not facts.complete and any(name == "set_config" for _, name in facts.functions):
        # A computed value: the reader leaves such a statement unread. SHOW, ParameterStatus and current_setting would give
        # it back.
        return Refused(
            State.DENIED,
            f'denied by "{_SETTINGS}": a setting would take a computed value, which may be that of a masked column',
            "Give set_config a literal or a parameter as its value.",
            _SETTINGS,
        )
    if any(name in _SENDING for _, name in facts.functions) and basis.reads_masked():
        return Refused(
            State.DENIED,
            f'denied by "{_MESSAGES}": the statement sends a value on and reads masked columns',
            "Send literals or parameters, and leave the masked columns out of the statement.",
            _MESSAGES,
        )
    column = _brings_to_light(facts, basis)
    if column is None:
        return None
    return Refused(
        State.DENIED,
        f'denied by "{_COLUMNS}": column "{column}" would take values of masked columns, and no mask can follow them there',
        "Name the columns of a table that is there, and put whole values into them, without functions.",
        _COLUMNS,
    )


def _brings_to_light(facts: Facts, basis: MaskBasis) -> str | None:
    """The column that would take a masked value to where no label can follow it: one that the statement does not name, of
    a table that is not known; a value of which nobody knows what it is, in a column that has been clear; a piece of a
    value where the whole is masked in part, which would show another end of it."""
    for column, output in facts.stored:
        hidden = [one for one in basis.lineage(Output(output.columns, output.opaque)) if not basis.visible(one)]
        if not hidden or _is_own(column.relation, basis):
            continue
        labels = {source.label for source in hidden}
        alike = _labels(column, basis) == labels
        if alike and not output.plain and basis.method(hidden)[0] == "partial":
            if of_value(labels, output, facts) == DERIVED:
                return column.name
        elif not alike and (not is_followed(column, basis) or (UNKNOWN in labels and not _is_new(column.relation, basis))):
            return column.name
    return None


def _is_own(relation: Relation, basis: MaskBasis) -> bool:
    if relation.schema == "pg_temp" and relation in basis.facts.creates:
        return True
    return relation.schema in (None, "pg_temp") and relation.name in basis.own.tables


def _is_new(relation: Relation, basis: MaskBasis) -> bool:
    return relation in basis.facts.creates


def _labels(column: Column, basis: MaskBasis) -> set[str | None]:
    """The labels of whatever the name may mean."""
    found: set[str | None] = set()
    for table in basis.tables(column.relation):
        for each in table.columns if column.name == "*" else (table.by_name.get(column.name),):
            found.add(each.label if each is not None else None)
    return found
