"""Why a statement would pass or not, as plain data for people and for JSON. Runs nothing."""

from collections.abc import Iterable
from typing import Any

from gateway.classify.catalog import Catalog
from gateway.policy.decision import Decision, Limit, Limits
from gateway.policy.needs import needs
from gateway.policy.reach import bases
from gateway.policy.rights import Rights
from gateway.policy.rules import LOOP_AFTER, LOOP_WINDOW_SECONDS, Guardrail
from gateway.policy.sides import words
from parser.facts import Column, Facts, Output, Relation


def explain(decided: Iterable[tuple[Facts, Decision]], rights: Rights, catalog: Catalog) -> dict[str, Any]:
    """The rights, and for each statement the decision, its rules, its facts, its limits and its output columns.

    Shape: {"database", "environment", "role", "allow", "unmask", "grants", "sides", "statements": [{"decision", "rules",
    "message", "hint", "sqlstate", "needs", "kinds", "effects", "tables", "functions", "complete", "reason",
    "statement", "mismatch", "wants_estimate", "limits": {"affected_rows", "statement_seconds", "budgets", "guesses"},
    "loops": [{"rule", "loop", "after", "window_seconds", "effect"}],
    "columns": [{"column", "name", "origin", "bases", "labels", "plain", "proven"}] or None}]}. All values are of JSON.
    """
    return {
        "database": rights.database,
        "environment": rights.environment,
        "role": rights.role,
        "allow": sorted(rights.allow),
        "unmask": sorted((*rights.unmask, *(f"{column} as {label}" for column, label in rights.unmask_as))),
        "grants": [one.name for one in rights.grants],
        "sides": [{"grants": [one.name for one in side], "allow": sorted(words([side]))} for side in rights.sides],
        "statements": [_statement(facts, decision, rights, catalog) for facts, decision in decided],
    }


def _statement(facts: Facts, decision: Decision, rights: Rights, catalog: Catalog) -> dict[str, Any]:
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
        "mismatch": list(decision.mismatch),
        "wants_estimate": decision.wants_estimate,
        "limits": _limits(decision.limits),
        "loops": [_loop(rail) for rail in decision.loops],
        "columns": _columns(facts, catalog),
    }


def _limits(limits: Limits) -> dict[str, Any]:
    return {
        "affected_rows": _limit(limits.affected_rows),
        "statement_seconds": _limit(limits.statement_seconds),
        "budgets": [
            {"grant": one.grant, "what": one.what, "most": one.most, "window_seconds": one.window_seconds}
            for one in limits.budgets
        ],
        "guesses": [
            {"label": one.budget.grant, "most": one.budget.most, "window_seconds": one.budget.window_seconds}
            for one in limits.guesses
        ],
    }


def _loop(rail: Guardrail) -> dict[str, Any]:
    assert rail.loop is not None
    after, seconds = rail.after or LOOP_AFTER[rail.loop], rail.window_seconds or LOOP_WINDOW_SECONDS
    return {"rule": rail.name, "loop": rail.loop, "after": after, "window_seconds": seconds, "effect": rail.effect}


def _limit(limit: Limit | None) -> dict[str, Any] | None:
    return None if limit is None else {"rule": limit.rule, "most": limit.most}


def _columns(facts: Facts, catalog: Catalog) -> list[dict[str, Any]] | None:
    if facts.outputs is None:
        return None
    return [_column(number, output, catalog) for number, output in enumerate(facts.outputs, start=1)]


def _column(number: int, output: Output, catalog: Catalog) -> dict[str, Any]:
    """One output column. `name`: as the server calls it, "?column?" where it is not told. `origin`: as the statement reads
    it; `bases`: the columns of tables behind views. `proven`: nothing but its origin can flow into it."""
    labels = {label for column in output.columns for label in labels_of(column, catalog)}
    return {
        "column": number,
        "name": output.name or "?column?",
        "origin": sorted(_column_name(one) for one in output.columns),
        "bases": sorted({_column_name(base) for one in output.columns for base in bases(one, catalog)}),
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


def _column_name(column: Column) -> str:
    return f"{_dotted(column.relation)}.{column.name}"


def _dotted(relation: Relation) -> str:
    return f"{relation.schema}.{relation.name}" if relation.schema else relation.name
