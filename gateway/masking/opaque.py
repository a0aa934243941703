"""Code and data that cannot be looked into, for people who do not see everything: what it brings out nobody could mask."""

import re

from gateway.classify.catalog import Catalog, CatalogColumn, CatalogTable
from gateway.classify.system import SYSTEM_SCHEMAS
from gateway.errors import Refused, State
from gateway.masking.basis import CODE_MOVED, MaskBasis
from gateway.policy import functions
from gateway.policy.needs import is_attribute
from parser.facts import Facts

_CODE = "built-in: no code over masked data that cannot be read"
_FOREIGN = "built-in: no masked data by way of files and other servers"
# Definitions by which rows of the database's own tables come back under other names.
_FOREIGN_KINDS = (
    *("CREATE FOREIGN TABLE", "ALTER FOREIGN TABLE", "IMPORT FOREIGN SCHEMA", "CREATE SERVER", "ALTER SERVER"),
    *("CREATE USER MAPPING", "ALTER USER MAPPING", "CREATE SUBSCRIPTION", "ALTER SUBSCRIPTION"),
)
_FOREIGN_FUNCTIONS = ("dblink", "lo_import", "lo_export", "pg_file_", "pg_logical_slot_", "get_raw_page", "pg_read_")
_ORDER = "built-in: hidden columns decide no rows"
_WORDS = re.compile(r"\w+")
_CHANGES = frozenset(("write", "ddl"))


def beyond_reading(facts: Facts, basis: MaskBasis) -> Refused | None:
    """The refusal of what may carry masked values to where they are read in clear, and cannot be followed: code, files and
    other servers. Only where the database has masked columns."""
    if basis.everything:
        return None
    reason = _opaque(facts, basis.catalog)
    if reason and hides(basis):
        hint = "Write it as plain statements, one by one, over columns that you may see."
        return _refused(_CODE, f"the statement {reason}, and columns here are masked for you", hint)
    if CODE_MOVED in basis.moved and facts.effects & _CHANGES and not _defines_alone(facts) and hides(basis):
        words = "functions, operators or casts were changed in this transaction, and what they do is not known yet"
        return _refused(_CODE, words, "Commit the definitions first.")
    if _orders_rows(facts) and _writes_hidden(facts, basis):
        words = "CLUSTER puts rows into the order of columns, and some here are masked for you"
        return _refused(_ORDER, words, "Leave it out.")
    if "ALTER DOMAIN" in facts.kinds and _asks_of(facts, basis):
        words = "the domain's new condition is asked of columns that are masked for you"
        return _refused(_ORDER, words, "Make a new domain.")
    if _by_way_of_others(facts) and hides(basis):
        return _refused(_FOREIGN, "the statement reaches files or other servers", "Copy with FROM STDIN and TO STDOUT.")
    return None


def _refused(rule: str, words: str, hint: str) -> Refused:
    return Refused(State.DENIED, f'denied by "{rule}": {words}', hint, rule)


def hides(basis: MaskBasis) -> bool:
    """Whether the database has a column that the principal may not see, the server's own relations aside."""
    return any(
        _hidden(table, basis) for table in basis.catalog.tables.values() if table.schema not in SYSTEM_SCHEMAS
    )


def _hidden(table: CatalogTable, basis: MaskBasis) -> list[CatalogColumn]:
    """The columns of it that the principal may not see."""
    sources = ((column, basis.source(table, column)) for column in table.columns)
    return [column for column, source in sources if source is not None and not basis.visible(source)]


def _writes_hidden(facts: Facts, basis: MaskBasis) -> bool:
    """Whether a table that it changes has such a column, or is not known."""
    known = [basis.tables(relation) for relation in facts.writes]
    if not all(known):
        return hides(basis)
    return any(_hidden(table, basis) for tables in known for table in tables)


def _orders_rows(facts: Facts) -> bool:
    return any(kind == "CLUSTER" or kind.endswith(" CLUSTER ON") for kind in facts.kinds)


def _asks_of(facts: Facts, basis: MaskBasis) -> bool:
    """Whether ALTER DOMAIN may put a hidden column to the test: one whose type has a name that stands in the text."""
    words = set(_WORDS.findall(facts.shape.lower()))
    if words.isdisjoint(("add", "validate")) and not {"set", "not", "null"} <= words:
        return False
    return any(
        not words.isdisjoint(_WORDS.findall(column.declared.lower()))
        for table in basis.catalog.tables.values()
        if table.schema not in SYSTEM_SCHEMAS
        for column in _hidden(table, basis)
    )


def _opaque(facts: Facts, catalog: Catalog) -> str:
    """Why it is not known what the statement runs; "" when it is."""
    if not facts.complete:
        return f"cannot be read completely ({facts.reason or 'it was not understood'})"
    if "procedural" in facts.effects:
        return "runs code that cannot be read here"
    for schema, name in facts.functions:
        if is_attribute(facts, schema, name, catalog):
            continue
        if functions.power(schema, name, catalog) in ("code", "unknown"):
            return "calls a function that cannot be read here"
    return ""


def _defines_alone(facts: Facts) -> bool:
    """Whether it changes definitions and computes no value on the way."""
    return "write" not in facts.effects and not facts.functions and not facts.reads


def _by_way_of_others(facts: Facts) -> bool:
    copy = facts.copy
    if copy is not None and copy.target in ("file", "program"):
        return True
    if any(kind in _FOREIGN_KINDS for kind in facts.kinds):
        return True
    return any(name.startswith(_FOREIGN_FUNCTIONS) for _, name in facts.functions)
