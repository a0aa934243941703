"""Which guardrails of the policy speak of a statement.

A statement whose effects cannot be read counts as the worst it could be: every guardrail in force for the session speaks
of it. Names are matched as the statement writes them, so a rule on a table does not see through views and functions:
those are for grants, roles and masks.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from gateway.policy import kinds
from gateway.policy.needs import Needs
from gateway.policy.rules import Guardrail
from parser.facts import Column, Facts, Relation

_DEFINITIONS = ("CREATE", "DROP", "ALTER", "TRUNCATE")


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that speaks: its name, its effect (deny, hold, warn), its words, and how to mend the statement."""

    rule: str
    effect: str
    words: str
    hint: str


def speak(facts: Facts, needs: Needs, rails: Iterable[Guardrail]) -> list[Finding]:
    """What the guardrails say of the statement, in the order of their names."""
    found: list[Finding] = []
    for rail in rails:
        if rail.min_estimated_rows is None and (needs.unread or _meets(rail, facts, needs)):
            hint = _hint(rail) if not needs.unread else "Write it as plain statements, one by one."
            found.append(Finding(rail.name, rail.effect, rail.message, hint))
    return found


def spoken_kinds(facts: Facts, needs: Needs) -> tuple[str, ...]:
    """The kinds that rules see: definitions of the session's own temporary tables are none."""
    if not needs.own:
        return facts.kinds
    return tuple(kind for kind in facts.kinds if kind.split()[0] not in _DEFINITIONS)


def _meets(rail: Guardrail, facts: Facts, needs: Needs) -> bool:
    """Whether all conditions of the rule hold."""
    if rail.statements:
        own = spoken_kinds(facts, needs)
        if not any(kinds.fits(one, kind) for one in rail.statements for kind in own):
            return False
    if rail.without_where and (needs.own or not facts.unfiltered):
        return False
    if rail.tables and not any(
        _relation(one, table) for one in rail.tables for table in (*facts.reads, *facts.writes, *facts.creates)
    ):
        return False
    if rail.columns and not _columns(rail.columns, facts):
        return False
    return not rail.functions or any(
        _relation(one, Relation(schema, name)) for one in rail.functions for schema, name in facts.functions
    )


def _hint(rail: Guardrail) -> str:
    if rail.without_where:
        return "Add a WHERE that selects the rows you mean."
    if rail.functions:
        return "Leave the function out of the statement."
    if rail.columns:
        return "Leave the columns out of the statement."
    if rail.tables and not rail.statements:
        return "Leave the table out of the statement."
    return "Leave this kind of statement out."


def _relation(pattern: str, relation: Relation) -> bool:
    """"table" fits any schema; "schema.table" also fits a name that the statement does not qualify."""
    schema, dot, name = pattern.rpartition(".")
    if dot and relation.schema is not None and not _like(schema, relation.schema):
        return False
    return _like(name, relation.name)


def _columns(patterns: tuple[str, ...], facts: Facts) -> bool:
    """Whether a column is read or written; a whole row is all columns, and so is a table written without a list."""
    columns = set(facts.columns_read | facts.columns_written)
    listed = {column.relation for column in facts.columns_written}
    columns |= {Column(relation, "*") for relation in facts.writes if relation not in listed}
    if facts.copy is not None and facts.copy.relation is not None:
        names = facts.copy.columns or ("*",)
        columns |= {Column(facts.copy.relation, name) for name in names}
    for pattern in patterns:
        table, _, name = pattern.rpartition(".")
        for column in columns:
            if _relation(table, column.relation) and (column.name == "*" or _like(name, column.name)):
                return True
    return False


def _like(pattern: str, name: str) -> bool:
    return _compiled(pattern).fullmatch(name) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
