"""How the facts of a statement differ from what was declared before it ran."""

from collections.abc import Iterable

from gateway.classify.catalog import Catalog
from gateway.classify.system import SYSTEM_SCHEMAS
from gateway.identity.declaration import Declaration
from gateway.policy.needs import Needs
from gateway.policy.reach import TEMPORARY, fits_relation
from parser.facts import Facts, Relation

_RANK = {"read": 0, "write": 1, "ddl": 2, "admin": 3, "all": 4}
_DOES = {
    "write": "writes",
    "ddl": "changes definitions",
    "admin": "reaches the server itself",
    "all": "runs what cannot be read",
}


def mismatch(
    declared: Declaration, facts: Facts, needs: Needs, catalog: Catalog, own: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """What the statement does beyond the declared effect and outside of the declared tables, in words without any value:
    ("writes", "reads public.payments"). Empty where all of it was declared, and where nothing was that could differ.

    A statement that cannot be read completely does anything. The session's temporary relations (`own`: their bare names)
    are nobody's business, and neither is reading the system's catalogues, which drivers do by themselves.
    """
    if not declared.effect and not declared.tables:
        return ()
    if needs.unread:
        return ("cannot be read completely",)
    found: list[str] = []
    word = needs.wanted[0].word if needs.wanted else "read"  # the strongest
    if word == "all" or (declared.effect and _RANK[word] > _RANK[declared.effect]):
        found.append(_DOES[word])
    if declared.tables:
        written = (*facts.writes, *facts.creates)
        found += _outside("writes", written, declared.tables, catalog, own)
        found += _outside("reads", (one for one in facts.reads if one not in written), declared.tables, catalog, own)
    return tuple(dict.fromkeys(found))


def _outside(
    verb: str, named: Iterable[Relation], declared: tuple[str, ...], catalog: Catalog, own: frozenset[str]
) -> list[str]:
    """Those that may mean a relation which was not declared."""
    found = []
    for relation in named:
        if relation.schema == TEMPORARY or (relation.schema is None and relation.name in own):
            continue
        meant = [Relation(one.schema, one.name) for one in catalog.find(relation.schema, relation.name)] or [relation]
        for one in meant:
            if verb == "reads" and _is_system(one):
                continue
            if not any(fits_relation(pattern, one) for pattern in declared):
                found.append(f"{verb} {one.schema}.{one.name}" if one.schema else f"{verb} {one.name}")
    return found


def _is_system(relation: Relation) -> bool:
    """Unqualified names are looked up in pg_catalog first, and what the catalogue knows of them has its schema here."""
    return relation.schema in SYSTEM_SCHEMAS or (relation.schema is None and relation.name.startswith("pg_"))
