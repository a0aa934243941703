"""What the server runs behind a write: functions of triggers, defaults, checks, indexes and policies, of the tables that it
names and of all that these lead to by foreign keys and partitions. It is looked up in the transaction in which it is
tried."""

from collections.abc import Iterable
from typing import Final

from gateway.classify.catalog import Catalog
from gateway.session import previewing
from gateway.session.previewing import quoted
from parser.facts import Relation

_ORDINARY: Final = frozenset(("r", "p"))
Rows = list[list[bytes | None]]

# Every operator is PostgreSQL's own, whatever the session's search_path says.
EQUAL: Final = "OPERATOR(pg_catalog.=)"
_OTHER: Final = "OPERATOR(pg_catalog.<>)"
# Node texts name functions by oid (readfuncs.c): ":funcid 42" of calls, ":opfuncid 42" of operators.
_CHAINED: Final = "OPERATOR(pg_catalog.=) ANY (ARRAY['c', 'n', 'd']::pg_catalog.\"char\"[])"  # CASCADE, SET NULL, …
_QUERY: Final = f"""
WITH RECURSIVE met(oid) AS (
 SELECT pg_catalog.to_regclass(name)::pg_catalog.oid FROM pg_catalog.unnest(ARRAY[{{names}}]::pg_catalog.text[]) AS name
 UNION
 SELECT next.oid FROM met, LATERAL (
  SELECT conrelid AS oid FROM pg_catalog.pg_constraint
   WHERE confrelid {EQUAL} met.oid AND contype {EQUAL} 'f'
    AND (confdeltype {_CHAINED} OR confupdtype {_CHAINED})
  UNION ALL SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent {EQUAL} met.oid
  UNION ALL SELECT inhparent FROM pg_catalog.pg_inherits WHERE inhrelid {EQUAL} met.oid) AS next),
texts(node) AS (
 SELECT d.adbin::pg_catalog.text FROM met JOIN pg_catalog.pg_attrdef AS d ON d.adrelid {EQUAL} met.oid
 UNION ALL SELECT c.conbin::pg_catalog.text FROM met JOIN pg_catalog.pg_constraint AS c ON c.conrelid {EQUAL} met.oid
 UNION ALL SELECT c.conbin::pg_catalog.text FROM met
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid {EQUAL} met.oid
  JOIN pg_catalog.pg_constraint AS c ON c.contypid {EQUAL} a.atttypid AND c.contypid {_OTHER} 0::pg_catalog.oid
 UNION ALL SELECT pg_catalog.concat(i.indexprs::pg_catalog.text, ' ', i.indpred::pg_catalog.text)
  FROM met JOIN pg_catalog.pg_index AS i ON i.indrelid {EQUAL} met.oid
 UNION ALL SELECT t.tgqual::pg_catalog.text FROM met JOIN pg_catalog.pg_trigger AS t ON t.tgrelid {EQUAL} met.oid
 UNION ALL SELECT pg_catalog.concat(p.polqual::pg_catalog.text, ' ', p.polwithcheck::pg_catalog.text)
  FROM met JOIN pg_catalog.pg_policy AS p ON p.polrelid {EQUAL} met.oid),
runs(kind, oid) AS (
 SELECT 'f', (pg_catalog.regexp_matches(node, ':(?:funcid|opfuncid) ([0-9]+)', 'g'))[1]::pg_catalog.oid FROM texts
 UNION SELECT 't', t.tgfoid FROM met JOIN pg_catalog.pg_trigger AS t ON t.tgrelid {EQUAL} met.oid
  WHERE NOT t.tgisinternal AND t.tgenabled {_OTHER} 'D')
SELECT runs.kind, n.nspname, p.proname FROM runs JOIN pg_catalog.pg_proc AS p ON p.oid {EQUAL} runs.oid
 JOIN pg_catalog.pg_namespace AS n ON n.oid {EQUAL} p.pronamespace
UNION ALL SELECT 'r', COALESCE(c.relkind::pg_catalog.text, ''), COALESCE(c.relname, '') FROM met
 LEFT JOIN pg_catalog.pg_class AS c ON c.oid {EQUAL} met.oid
UNION ALL SELECT 'x', '', '' FROM met JOIN pg_catalog.pg_rewrite AS w ON w.ev_class {EQUAL} met.oid
 WHERE w.ev_type {_OTHER} '1'
"""  # noqa: S608 - of constants


def query(written: Iterable[Relation]) -> str:
    """For the tables that a statement changes, by the names that it calls them."""
    names = [quoted(one.name) if one.schema is None else f"{quoted(one.schema)}.{quoted(one.name)}" for one in written]
    return _QUERY.format(names=", ".join(_literal(name) for name in names))


class Reach:
    """What was met so far. `targets`: the tables that the statement itself changes."""

    def __init__(self, targets: Iterable[Relation], catalog: Catalog) -> None:
        self.next = frozenset(targets)  # to be looked up
        self._catalog = catalog
        self._met: frozenset[Relation] = frozenset()

    def take(self, rows: Rows) -> str:
        """The answer to `query` about `next`. Why what is behind it might not be taken back; "" where it is, as far as is
        known. Then `next` are other tables that code behind it names."""
        found: dict[str, set[tuple[str, str]]] = {}
        for kind, schema, name in rows:
            found.setdefault((kind or b"").decode(), set()).add(((schema or b"").decode(), (name or b"").decode()))
        kinds = {kind for kind, _ in found.get("r", ())}
        if not self._met and not (kinds and kinds <= _ORDINARY):
            return "it changes what is no ordinary table"
        if "f" in kinds:
            return "it may lead to another server's table"
        if "x" in found:
            return "a table that it changes has rules"
        behind = found.get("t", set()) | found.get("f", set())
        objection = previewing.harmful(behind, self._catalog)
        if not objection:
            self._met |= self.next
            self.next = previewing.named_tables(behind, self._catalog) - self._met
        return objection


def _literal(text: str) -> str:
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{doubled}'"
