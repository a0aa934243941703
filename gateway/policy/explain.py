"""Why a statement would pass or not, as plain data for people and for JSON. Runs nothing."""

from collections.abc import Sequence
from typing import Any

from gateway.classify.catalog import Catalog
from gateway.policy.decide import decide
from gateway.policy.needs import needs
from gateway.policy.rights import Rights
from parser.facts import Column, Facts, Output, Relation


def explain(statements: Sequence[Facts], rights: Rights, catalog: Catalog) -> dict[str, Any]:
    """The rights, and for each statement the decision, its rules, its facts and its output columns.

    Shape: {"database", "environment", "role", "allow", "unmask", "grants", "statements": [{"decision", "rules",
    "message", "hint", "sqlstate", "needs", "kinds", "effects", "tables", "functions", "complete", "reason",
    "statement", "columns": [{"column", "origin", "labels", "plain", "proven"}] or None}]}. All values are of JSON.
    """
    return {
        "database": rights.database,
        "environment": rights.environment,
        "role": rights.role,
        "allow": sorted(rights.allow),
        "unmask": sorted(rights.unmask),
        "grants": [one.name for one in rights.grants],
        "statements": [_statement(facts, rights, catalog) for facts in statements],
    }


def _statement(facts: Facts, rights: Rights, catalog: Catalog) -> dict[str, Any]:
    decision = decide(facts, rights, catalog)
    refused = decision.refused
    return {
        "decision": decision.verdict,
        "rules": list(decision.rules),
        "message": refused.message if refused else decision.message,
        "hint": refused.hint if refused else "",
        "sqlstate": str(refused.sqlstate) if refused else "",
        "needs": [
            {"allow": one.word, "because": f"the statement {one.what}"}
            for one in needs(facts, rights, catalog).wanted
        ],
        "kinds": list(facts.kinds),
        "effects": sorted(facts.effects),
        "tables": sorted({_dotted(one) for one in (*facts.reads, *facts.writes, *facts.creates)}),
        "functions": sorted(f"{schema}.{name}" if schema else name for schema, name in facts.functions),
        "complete": facts.complete,
        "reason": facts.reason,
        "statement": facts.shape,
        "columns": _columns(facts, catalog),
    }


def _columns(facts: Facts, catalog: Catalog) -> list[dict[str, Any]] | None:
    if facts.outputs is None:
        return None
    return [_column(number, output, catalog) for number, output in enumerate(facts.outputs, start=1)]


def _column(number: int, output: Output, catalog: Catalog) -> dict[str, Any]:
    """One output column. `proven`: nothing but its origin can flow into it."""
    labels = {label for column in output.columns for label in labels_of(column, catalog)}
    return {
        "column": number,
        "origin": sorted(f"{_dotted(one.relation)}.{one.name}" for one in output.columns),
        "labels": sorted(labels),
        "plain": output.plain,
        "proven": not output.opaque,
    }


def labels_of(column: Column, catalog: Catalog) -> set[str]:
    """Every label that a column may carry in any table its name may mean; "*" has those of the whole row."""
    found: set[str] = set()
    for table in catalog.find(column.relation.schema, column.relation.name):
        for one in table.columns:
            if one.label is not None and column.name in ("*", one.name):
                found.add(one.label)
    return found


def _dotted(relation: Relation) -> str:
    return f"{relation.schema}.{relation.name}" if relation.schema else relation.name
