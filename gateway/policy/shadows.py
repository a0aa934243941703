"""Whether a guardrail is always beaten by a stricter one that speaks of at least the same."""

from collections.abc import Callable, Iterable

from gateway.policy.decision import STRICTNESS
from gateway.policy.kinds import fits
from gateway.policy.reach import fits_column, fits_function, fits_relation, is_wild
from gateway.policy.rules import BUILT_IN, Guardrail
from parser.facts import Column, Relation

_ALWAYS_DENIED = ("DROP", "TRUNCATE", "ALTER SYSTEM")  # by the defaults of production


def beaten(rail: Guardrail, others: Iterable[Guardrail], production: bool) -> str:
    """The name of the guardrail that always beats this one, "" for none. `production`: it speaks of nothing else."""
    if rail.max_affected_rows is not None or rail.loop is not None:
        return ""
    if production and rail.effect != "deny" and rail.statements:
        if all(any(fits(denied, kind) for denied in _ALWAYS_DENIED) for kind in rail.statements):
            return f"{BUILT_IN} rules of production"
        if rail.without_where and set(rail.statements) <= {"UPDATE", "DELETE"}:
            return f"{BUILT_IN} rules of production"
    for other in others:
        if STRICTNESS[other.effect] > STRICTNESS[rail.effect] and _covers(other, rail):
            return other.name
    return ""


def _covers(wide: Guardrail, narrow: Guardrail) -> bool:
    """Whether each statement of each person that the narrow one speaks of is one that the wide one speaks of."""
    if wide.max_affected_rows is not None or wide.loop is not None:
        return False
    if wide.min_estimated_rows is not None and (narrow.min_estimated_rows or 0) < wide.min_estimated_rows:
        return False
    if (wide.without_where and not narrow.without_where) or (wide.intent_mismatch and not narrow.intent_mismatch):
        return False
    selectors = ("users", "groups", "actors", "databases", "environments")
    return all(_selects(getattr(wide, key), getattr(narrow, key), key) for key in selectors) and (
        ("*" in wide.statements or _all(wide.statements, narrow.statements, fits))
        and _all(wide.tables, narrow.tables, _table)
        and _all(wide.columns, narrow.columns, _column)
        and _all(wide.functions, narrow.functions, _function)
    )


def _selects(wide: tuple[str, ...], narrow: tuple[str, ...], key: str) -> bool:
    if not wide or ("*" in wide and key != "actors"):
        return True
    if not narrow:
        return False
    return "*" in wide or set(narrow) <= set(wide)  # actors = ["*"] means agents alone


def _all(wide: tuple[str, ...], narrow: tuple[str, ...], covers: Callable[[str, str], bool]) -> bool:
    """Whether each pattern of the narrow rule is covered by one of the wide rule's; no pattern at all covers everything."""
    if not wide:
        return True
    return bool(narrow) and all(any(one == each or covers(one, each) for one in wide) for each in narrow)


def _table(wide: str, narrow: str) -> bool:
    schema, dot, name = narrow.rpartition(".")
    if is_wild(narrow) or (not dot and "." in wide):
        return False  # a bare name may be of a schema that the wide one does not mean
    return fits_relation(wide, Relation(schema or None, name))


def _column(wide: str, narrow: str) -> bool:
    table, _, name = narrow.rpartition(".")
    schema, dot, bare = table.rpartition(".")
    if is_wild(narrow) or (not dot and wide.count(".") > narrow.count(".")):
        return False
    return fits_column(wide, Column(Relation(schema or None, bare), name))


def _function(wide: str, narrow: str) -> bool:
    narrow = narrow.partition("(")[0]
    schema, dot, name = narrow.rpartition(".")
    if is_wild(narrow) or (not dot and "." in wide.partition("(")[0]):
        return False
    return fits_function(wide, schema or None, name)
