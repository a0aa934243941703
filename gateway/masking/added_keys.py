"""Keys of changed rows that a statement does not return itself: what is put behind its text to have them, and how they are
taken out of the answer again.

The columns that are added have a name of their own (`MARK`), so the answer itself tells which they are: whatever way the
text took that the server has, a prepared statement's, one from before the policy moved.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.classify.catalog import CatalogTable, PrimaryKey
from gateway.masking.basis import MaskBasis
from gateway.masking.key_forms import family_of
from gateway.masking.row_keys import CHANGING, NO_FORM
from parser.appending import appended
from parser.errors import ProtocolError
from parser.facts import Column, Relation
from parser.messages import row_description

MARK = "sluice.key"
_MARK = MARK.encode()
_FIELD_BYTES = len(MARK) + 1 + 18  # in a RowDescription: the name, its zero, and six numbers
_WITH_OLD = 180_000  # server_version_num of the first that has OLD in RETURNING
_MERGE_RETURNS = 170_000

BY_NAME = "it ran by name (EXECUTE), which returns what its PREPARE says"
INSIDE = "they were changed inside another statement, or by several parts of one"
VIEW = "they were changed through a view"
SEVERAL = "the name of the table may mean several"
NO_ROWS = "a statement of this kind returns no rows"
FORMER = "the statement changed keys, and what they were before is not returned"


@dataclass(frozen=True, slots=True)
class Addition:
    """What is put behind a statement. `whole`: it has no RETURNING, so that its client expects no rows at all. `columns`:
    how many are added to those that it returns. `question`: SQL that tells whether the server takes it, for this session
    and now; see `answer`. `changes_key`: so that the rows' keys before are others."""

    columns: tuple[str, ...]
    alias: str
    whole: bool
    question: str
    changes_key: bool

    def clause(self, version: int) -> str:
        """For a server of this server_version_num."""
        new = [f"{_quoted(self.alias)}.{_quoted(name)} AS {_quoted(MARK)}" for name in self.columns]
        if not self.whole:
            return "".join(f", {one}" for one in new)
        if not self.tells_former(version):
            return f" RETURNING {', '.join(new)}"
        old = [f"{_quoted(MARK)}.{_quoted(name)} AS {_quoted(MARK)}" for name in self.columns]
        return f" RETURNING WITH (OLD AS {_quoted(MARK)}) {', '.join(new + old)}"

    def tells_former(self, version: int) -> bool:
        """Whether the keys that the rows had before are returned too."""
        return self.whole and self.changes_key and version >= _WITH_OLD

    def added(self, version: int) -> int:
        """How many columns it adds."""
        return len(self.columns) * (2 if self.tells_former(version) else 1)


def addition(basis: MaskBasis, owed: tuple[str, ...]) -> tuple[Addition | None, str]:
    """What to put behind the statement that changes rows of the tables `owed`, so that it returns their keys; or why that
    cannot be. Neither where it returns them as it is."""
    facts = basis.facts
    kind, change = facts.kinds[0], facts.changing
    if not owed:
        return None, ""
    if facts.named is not None:
        return None, BY_NAME
    if kind in ("TRUNCATE", "COPY FROM", "EXPLAIN"):
        return None, NO_ROWS
    if kind not in CHANGING or change is None or facts.target is None or facts.changes != 1:
        return None, INSIDE
    tables = basis.tables(facts.target)
    if len(tables) != 1 or change.alias is None or "\\" in facts.target.name:
        return None, SEVERAL
    (table,) = tables
    primary = basis.catalog.primary.get(table.oid)
    if table.kind not in ("r", "p") or primary is None:
        return None, VIEW
    keys = [table.by_number[number] for number in primary.numbers]
    if any(family_of(key.type_oid) is None for key in keys):
        return None, NO_FORM
    names = tuple(key.name for key in keys)
    rewrites = kind == "UPDATE" and any(Column(facts.target, name) in facts.columns_written for name in names)
    if change.returns and not rewrites and _returns(basis, facts.target, names):
        return None, ""
    question = _question(facts.target, table, primary, names, merges=kind == "MERGE")
    return Addition(names, change.alias, not change.returns, question, rewrites), ""


def _returns(basis: MaskBasis, target: Relation, names: Iterable[str]) -> bool:
    """Whether the statement's own list certainly has the key."""
    outputs = basis.outputs or ()
    plain = {column for out in outputs if out.plain and not out.opaque and len(out.columns) == 1 for column in out.columns}
    return all(Column(target, name) in plain for name in names)


def rewritten(sql: bytes, chosen: Addition, version: int, *, strings_conform: bool) -> bytes | None:
    """The text for the server. None where its end cannot be found."""
    return appended(sql, chosen.clause(version).encode(), strings_conform=strings_conform)


def split(description: bytes) -> tuple[bytes, int]:
    """A RowDescription (its body) without the columns that were added, and how many these are."""
    if _MARK not in description:
        return description, 0
    fields = row_description(description)
    own = len(fields)
    while own and fields[own - 1].name == MARK:
        own -= 1
    added = len(fields) - own
    return own.to_bytes(2, "big") + description[2 : len(description) - added * _FIELD_BYTES], added


def stripped(frames: bytes, columns: int) -> bytes:
    """Whole DataRow frames with so many of their first cells. Raises ProtocolError."""
    if not columns:
        return b""
    found = bytearray()
    count = columns.to_bytes(2, "big")
    at = 0
    while at < len(frames):
        end = at + 1 + int.from_bytes(frames[at + 1 : at + 5], "big")
        cell = at + 7
        for _ in range(columns):
            length = int.from_bytes(frames[cell : cell + 4], "big", signed=True)
            cell += 4 + max(length, 0)
        if cell > end or end > len(frames):
            raise ProtocolError("a cell does not fit its row")
        found += b"D" + (cell - at - 1).to_bytes(4, "big") + count + frames[at + 7 : cell]
        at = end
    return bytes(found)


# --- what only the server knows ---

_REFUSALS = {
    "name": "the name of the table means another one in this session",
    "rules": "the table has rules, and with them RETURNING may fail",
    "security": "the table has row security, and RETURNING would have it decide about more rows",
    "select": "the role may not read the key, and a RETURNING of it would fail",
    "merge": "MERGE returns no rows before PostgreSQL 17",
}


def answer(told: str) -> tuple[int, str]:
    """The question's answer: server_version_num, and why the server would not take it, or would do something else."""
    version, _, why = told.partition(" ")
    return int(version) if version.isdecimal() else 0, _REFUSALS.get(why, why)


def _question(
    target: Relation, table: CatalogTable, primary: PrimaryKey, names: tuple[str, ...], *, merges: bool
) -> str:
    """It fails for nobody, whatever has become of the table; operators are named in full, since a path may have others."""
    if target.schema is None:
        visible = "pg_catalog.pg_table_is_visible(c.oid)"
    else:
        visible = f"n.nspname OPERATOR(pg_catalog.=) {_literal(target.schema)}"
    named = " OR ".join(f"a.attname OPERATOR(pg_catalog.=) {_literal(name)}" for name in names)
    version = "pg_catalog.current_setting('server_version_num')"
    merge = f"WHEN {version}::pg_catalog.int4 OPERATOR(pg_catalog.<) {_MERGE_RETURNS} THEN 'merge' " if merges else ""
    return (
        f"SELECT pg_catalog.concat({version}, ' ', CASE "  # noqa: S608 -- names of the catalogue, quoted
        f"WHEN NOT (c.relname OPERATOR(pg_catalog.=) {_literal(table.name)} AND {visible}) THEN 'name' "
        "WHEN c.relhasrules THEN 'rules' "
        f"{merge}"
        "WHEN pg_catalog.row_security_active(c.oid) THEN 'security' "
        "WHEN (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a "
        f"WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND ({named}) "
        "AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')) "
        f"OPERATOR(pg_catalog.<) {len(primary.numbers)} THEN 'select' END) "
        "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace "
        f"WHERE c.oid OPERATOR(pg_catalog.=) {table.oid}"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    """As a literal that reads the same whatever standard_conforming_strings says."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"
