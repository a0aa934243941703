"""What the audit says of a statement's shape under one policy: made once for each, with the ruling."""

from collections.abc import Iterable

from gateway.audit.defined import RulingCard
from gateway.audit.records import GrantInfo, RulingInfo
from gateway.classify.catalog import Catalog
from gateway.policy.decision import Decision
from gateway.policy.rights import Rights
from parser.facts import Column, Facts, Relation

# Their command tag says how many rows of their target changed.
_TAGGED = frozenset(("INSERT", "UPDATE", "DELETE", "MERGE", "COPY FROM"))


def ruling_card(facts: Facts, decision: Decision, rights: Rights, catalog: Catalog, policy_hash: str) -> RulingCard:
    """The card of a decided statement."""
    grant = decision.grant
    return RulingCard(
        RulingInfo(
            generation=rights.generation,
            policy_hash=policy_hash,
            statement=facts.shape,
            fingerprint=facts.fingerprint,
            kinds=facts.kinds,
            tables=tuple(dict.fromkeys(_dotted(one, catalog) for one in (*facts.reads, *facts.writes))),
            columns_read=_columns(facts.columns_read, catalog),
            columns_written=_columns(facts.columns_written, catalog),
            decision=decision.verdict,
            rules=decision.rules,
            grant=GrantInfo(grant.name, grant.granted_by, grant.reason) if grant else None,
            labels=_labels((*facts.columns_read, *facts.columns_written), catalog),
        )
    )


def changed(facts: Facts, catalog: Catalog) -> tuple[tuple[str, ...], bool]:
    """The tables whose rows a statement changes, and whether its command tag counts those of the first.

    The tag speaks of the outermost statement alone, and hides what a WITH or a function changes beside it.
    """
    kinds = facts.kinds[1:] if facts.kinds[0] == "EXECUTE" else facts.kinds
    target = facts.target
    counted = target in facts.writes and bool(kinds) and kinds[0] in _TAGGED
    named = (target, *facts.writes) if counted and target is not None else facts.writes
    return tuple(dict.fromkeys(_dotted(one, catalog) for one in named)), counted


def _dotted(relation: Relation, catalog: Catalog) -> str:
    """The relation as the audit names it: with its schema where the catalogue leaves no choice."""
    found = catalog.find(relation.schema, relation.name)
    schema = relation.schema or (found[0].schema if len(found) == 1 else None)
    return f"{schema}.{relation.name}" if schema else relation.name


def _columns(columns: frozenset[Column], catalog: Catalog) -> tuple[str, ...]:
    """Columns by name; those that a relation is only a candidate for and does not have are left out."""
    names: set[str] = set()
    for column in columns:
        found = catalog.find(column.relation.schema, column.relation.name)
        if not found or column.name == "*" or any(column.name in table.by_name for table in found):
            names.add(f"{_dotted(column.relation, catalog)}.{column.name}")
    return tuple(sorted(names))


def _labels(columns: Iterable[Column], catalog: Catalog) -> tuple[tuple[str, str], ...]:
    """Those among the columns that have a label; of a whole row all that have."""
    found: set[tuple[str, str]] = set()
    for column in columns:
        for table in catalog.find(column.relation.schema, column.relation.name):
            for one in table.columns if column.name == "*" else filter(None, (table.by_name.get(column.name),)):
                if one.label is not None:
                    found.add((f"{table.schema}.{table.name}.{one.name}", one.label))
    return tuple(sorted(found))
