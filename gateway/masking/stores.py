"""Places where a statement could put a value aside and have it come back without a mask."""

from gateway.classify.system import tells_definitions
from gateway.errors import Refused, State
from gateway.masking.basis import MaskBasis
from gateway.masking.opaque import beyond_reading
from parser.facts import Column, Facts, Output

_SETTINGS = "built-in: no stored values in settings"
_MESSAGES = "built-in: no masked values in messages"
_COLUMNS = "built-in: no masked values in other columns"
_DEFINITIONS = "built-in: no definitions in COPY"
# Functions that hand a value to other sessions, or to a store that no column's label reaches.
_SENDING = frozenset(
    (
        *("pg_notify", "pg_logical_emit_message", "lo_from_bytea", "lo_put", "lowrite", "lo_create", "lo_creat", "setval"),
        *("setseed", "pg_replication_origin_create", "pg_create_restore_point"),
    )
)
_SENDING_SO = ("pg_advisory_", "pg_try_advisory_", "pg_create_")  # pg_locks and the like list what they were given


def _sends(name: str) -> bool:
    return name in _SENDING or name.startswith(_SENDING_SO)


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
    if any(_sends(name) for _, name in facts.functions) and basis.reads_masked():
        return Refused(
            State.DENIED,
            f'denied by "{_MESSAGES}": the statement sends a value on and reads masked columns',
            "Send literals or parameters, and leave the masked columns out of the statement.",
            _MESSAGES,
        )
    if facts.copy is not None and facts.copy.relation is None and tells_definitions(facts):
        return Refused(
            State.DENIED,
            f'denied by "{_DEFINITIONS}": the statement copies definitions, which may quote values of masked columns',
            "Read them with SELECT.",
            _DEFINITIONS,
        )
    column = _brings_to_light(facts, basis)
    if column is None:
        return beyond_reading(facts, basis)
    return Refused(
        State.DENIED,
        f'denied by "{_COLUMNS}": column "{column}" would take values of masked columns, and does not mask them itself',
        "Put literals, parameters or columns that you may see into it, or copy into a column of the same kind.",
        _COLUMNS,
    )


def _brings_to_light(facts: Facts, basis: MaskBasis) -> str | None:
    """The column of a lasting table that would take a masked value without masking it alike. The session's own temporary
    tables may: what comes out of them is masked from then on."""
    for column, output in facts.stored:
        hidden = [one for one in basis.lineage(Output(output.columns)) if not basis.visible(one)]
        if hidden and not _masked_alike(column, {source.label for source in hidden}, basis):
            return column.name
    return None


def _masked_alike(column: Column, labels: set[str], basis: MaskBasis) -> bool:
    """Whether whatever the name may mean masks such values: it is a table of the session's own, or has their label."""
    relation = column.relation
    if relation.schema == "pg_temp" and relation in basis.facts.creates:
        return True
    if relation.schema in (None, "pg_temp") and relation.name in basis.own.tables:
        return True
    tables = basis.tables(relation)
    for table in tables:
        for each in table.columns if column.name == "*" else (table.by_name.get(column.name),):
            if each is None or {each.label} != labels:
                return False
    return bool(tables)
