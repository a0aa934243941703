"""Which held statements may be tried in a transaction that is rolled back, and how what comes of it is read.

Tried is what a rollback takes back whole: one INSERT, UPDATE, DELETE or MERGE, or a query with such ones in it, that is
understood completely and calls nothing that reaches out of its transaction. What the database itself runs behind it -
triggers, defaults, foreign keys - is asked of the server (`workers.preview_reach`) and judged here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.approvals.outcomes import CELL_CHARACTERS_MAX, SAMPLE_COLUMNS_MAX, Row
from gateway.classify.learned import EVERY
from gateway.errors import Refused
from gateway.masking.reports import scrub
from gateway.masking.written_back import suspicious
from gateway.policy.functions import called, power
from gateway.policy.needs import is_attribute
from gateway.scope import Scope
from gateway.session import bounds
from parser.errors import ProtocolError
from parser.facts import Relation
from parser.messages import data_row, read_error_fields, row_description
from parser.routines import EFFECTS

if TYPE_CHECKING:
    from gateway.classify.catalog import Catalog, CatalogTable
    from gateway.scope import Ruling
    from gateway.session.holding import Held
    from gateway.session.session import Session

MASKED: Final = "[masked]"
_CHANGES: Final = frozenset(("INSERT", "UPDATE", "DELETE", "MERGE"))
_ROWS: Final = frozenset(("read", "write"))
# What calling these leaves behind goes with the transaction, though they concern the session.
_TRANSACTIONAL: Final = frozenset(
    ("pg_notify", "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared", "pg_try_advisory_xact_lock",
     "pg_try_advisory_xact_lock_shared")
)  # fmt: skip
# Volatile trigger functions of PostgreSQL's own that look at their row alone.
_OF_ROWS: Final = frozenset(
    ("tsvector_update_trigger", "tsvector_update_trigger_column", "suppress_redundant_updates_trigger")
)
_IDLE: Final = ord("I")
# SQLSTATEs that speak of the moment, or of the trial, and not of the statement.
_PASSING: Final = {
    "57014": "it takes longer than a preview may",
    "55P03": "a lock that it needs is held by somebody else",
    "40001": "it came into conflict with another transaction",
    "40P01": "it came into a deadlock with another transaction",
}
_OF_THE_STATEMENT: Final = frozenset(("0A", "21", "22", "23", "25", "27", "42", "44", "P0"))  # classes


def unfit(s: Session, held: Held) -> str:
    """Why it is not tried; "" where it may be, as far as its text tells."""
    if held.in_transaction or s.status != _IDLE:
        return "it is inside a transaction"
    if len(held.rulings) != 1:
        return "it is sent together with other statements"
    (ruling,) = held.rulings
    facts = ruling.facts
    if not facts.complete:
        return "it is not understood completely"
    if not _CHANGES.intersection(facts.kinds) or "EXECUTE" in facts.kinds or not facts.effects <= _ROWS:
        return "it does more than change rows"
    if not held.sql:  # bound by its name to what SQL's own PREPARE made
        return "its text is not at hand"
    if facts.named is not None or facts.copy is not None or facts.inner is not None or facts.creates:
        return "it does more than change rows"
    if suspicious(held.sql) or suspicious(held.values or b""):
        return "it has masks or tokens in place of values"
    if s.foreign_text or not s.encoding_safe or not s.conforming:
        return "its session writes text in a way of its own"
    names = [one for one in facts.functions if not is_attribute(facts, *one, s.scope.catalog)]
    return harmful(names, s.scope.catalog)


def harmful(functions: Iterable[tuple[str | None, str]], catalog: Catalog) -> str:
    """Why calling these could leave something that no rollback takes back; "" where it could not."""
    for schema, name in sorted(functions, key=lambda one: (one[0] or "", one[1])):
        if schema == "pg_catalog" and name in _OF_ROWS:
            continue
        told = f"{schema}.{name}" if schema is not None else name
        if power(schema, name, catalog) not in _ROWS:
            return f"no rollback might take back what function {told} does"
        for each in called(((schema, name),), catalog):
            if each not in _TRANSACTIONAL and not EFFECTS.get(each, _ROWS) <= _ROWS:
                return f"no rollback takes back what function {each} does"
    return ""


def named_tables(functions: Iterable[tuple[str | None, str]], catalog: Catalog) -> frozenset[Relation]:
    """Every table that may be meant in the bodies of those of them that may change rows, and of what these call."""
    changing = [one for one in functions if power(*one, catalog) != "read"]
    met: dict[int, CatalogTable] = {}
    for name in called(changing, catalog):
        for one in catalog.functions.get(name, ()):
            written = one.body.writes if one.body is not None else ()
            for relation in written:
                met |= {table.oid: table for table in catalog.find(relation.schema, relation.name)}
            for word in one.plain.names if one.plain is not None else ():
                met |= {table.oid: table for table in catalog.find(None, word)}
    return frozenset(Relation(table.schema, table.name) for table in met.values() if not table.schema.startswith("pg_"))


def failure(s: Session, held: Held, body: bytes) -> str | Refused:
    """What an error of the trial means: why there is no preview, or the refusal with which nobody need be asked."""
    fields = read_error_fields(body)
    sqlstate = fields.get("C", "XX000")
    if sqlstate in _PASSING:
        return _PASSING[sqlstate]
    if sqlstate[:2] not in _OF_THE_STATEMENT:
        return f"the server could not do it now (SQLSTATE {sqlstate})"
    basis = held.rulings[0].basis
    if not basis.inert:
        fields = read_error_fields(scrub(body, basis))
    over = bounds.failed(s, held.rulings[0], sqlstate)
    if over is not None:
        s.end(over)
    hint = "It was tried in a transaction that was rolled back, and failed: nobody was asked."
    return Refused(sqlstate, fields.get("M", "it fails"), hint, held.hold.rules[0])


def beyond(held: Held, rows: int) -> Refused | None:
    """The refusal of what changes more rows than it may, which nobody can approve."""
    limit = held.rulings[0].decision.limits.affected_rows
    return bounds.too_many(limit, rows) if limit is not None and limit.broken_by(rows) else None


class Masks:
    """Rows of tables as somebody may read them who sees nothing in clear that has a label."""

    def __init__(self, scope: Scope, ruling: Ruling) -> None:
        rights = scope.rights
        nothing = replace(rights, key=("preview", *rights.key), unmask=frozenset(), unmask_as=frozenset())
        self._scope = Scope(nothing, scope.catalog, scope.policy_hash, search_path=())
        self._learns = ruling.learns

    def table(self, oid: int) -> CatalogTable | None:
        """What is known of it; None: nothing, and nothing of it is shown."""
        return self._scope.catalog.tables.get(oid)

    def text(self, table: CatalogTable, condition: str) -> tuple[str, tuple[str, ...]]:
        """A query for a few of its rows, and the names of its columns. Rows come in the order of their key, where that has
        no label, so that those before and those after are the same ones."""
        columns = table.columns[:SAMPLE_COLUMNS_MAX]
        primary = self._scope.catalog.primary.get(table.oid)
        keys = [table.by_number.get(number) for number in primary.numbers] if primary is not None else []
        order = [quoted(one.name) for one in keys if one is not None and one.label is None and not one.scan]
        ordered = f" ORDER BY {', '.join(order)}" if order and len(order) == len(keys) else ""
        names = ", ".join(quoted(one.name) for one in columns)
        source = f"{quoted(table.schema)}.{quoted(table.name)}"
        text = " ".join(("SELECT", names, "FROM", source, "WHERE", f"{condition}{ordered}"))
        return text, tuple(one.name for one in columns)

    def rows(
        self, table: CatalogTable, sql: str, described: bytes, frames: list[bytes], *, new: bool
    ) -> tuple[Row, ...]:
        """The rows of such a query, masked; `new`: as the statement would leave them, so that columns hide what it copies
        into them. Raises ProtocolError."""
        (ruling,) = self._scope.script(sql.encode()).rulings
        if not frames:
            return ()
        masked, _ = ruling.plan(described).mask(b"".join(frames))
        names = [one.name for one in row_description(described)]
        hidden = {one.column for one in self._learns if one.table == table.name} if new else set()
        found = []
        for body in _bodies(masked):
            cells = zip(names, data_row(body), strict=True)
            found.append(tuple(_cell(one, hide=bool(hidden & {name, EVERY})) for name, one in cells))
        return tuple(found)


def quoted(name: str) -> str:
    """As an identifier."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _cell(value: bytes | None, *, hide: bool) -> str | None:
    if value is None:
        return None
    if hide:
        return MASKED
    text = value.decode("utf-8", "replace")
    return text if len(text) <= CELL_CHARACTERS_MAX else f"{text[:CELL_CHARACTERS_MAX]}…"


def _bodies(frames: bytes) -> Iterable[bytes]:
    at = 0
    while at < len(frames):
        end = at + 1 + int.from_bytes(frames[at + 1 : at + 5], "big")
        if end <= at + 4 or end > len(frames):
            raise ProtocolError("a row is not whole")
        yield frames[at + 5 : end]
        at = end
