"""What a statement must be allowed to do: its facts, judged with the catalogue, as the words of a grant.

read, write and ddl are what they say; "admin" is what reaches the server itself, roles or the catalogue; "all" is what
cannot be read: it may do anything, so only a grant that allows everything covers it.
"""

import re
from dataclasses import dataclass

from gateway.classify.catalog import Catalog
from gateway.policy import functions
from gateway.policy.affected import unquoted
from gateway.policy.reach import TEMPORARY
from gateway.policy.rights import Rights
from gateway.policy.session_settings import READ_WRITE, barred
from parser.facts import Facts, Relation
from parser.routines import EFFECTS

_SYSTEM_SCHEMAS = frozenset(("pg_catalog", "information_schema", "pg_toast"))
# Catalogues that hold password hashes and the server's files.
_SECRET = frozenset(
    ("pg_authid", "pg_shadow", "pg_user_mapping", "pg_hba_file_rules", "pg_file_settings", "pg_ident_file_mappings")
)
# Definitions that stay within the session when all their targets are in pg_temp.
_OWN = frozenset(
    (
        *("CREATE TABLE", "CREATE TABLE AS", "CREATE VIEW", "CREATE SEQUENCE", "CREATE INDEX", "SELECT INTO"),
        *("DROP TABLE", "DROP VIEW", "DROP SEQUENCE", "DROP INDEX", "TRUNCATE"),
        *("ALTER TABLE", "ALTER TABLE ADD COLUMN", "ALTER TABLE ALTER COLUMN", "ALTER TABLE DROP COLUMN"),
        *("ALTER TABLE RENAME TO", "ALTER VIEW", "ALTER VIEW RENAME TO"),
        *("ALTER TABLE ADD CONSTRAINT", "ALTER TABLE DROP CONSTRAINT", "ALTER TABLE RENAME COLUMN"),
        *("ALTER TABLE RENAME TO", "ANALYZE", "VACUUM", "REINDEX", "CLUSTER"),
    )
)
_SETS = frozenset(("SET", "SET ROLE", "SET SESSION AUTHORIZATION", "SET SESSION CHARACTERISTICS"))
_MODES = frozenset(("BEGIN", "START TRANSACTION", "SET TRANSACTION", "SET SESSION CHARACTERISTICS"))
_ROWS = frozenset(("EXPLAIN", "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE", "WITH"))


@dataclass(frozen=True, slots=True)
class Need:
    """One thing a statement does. `word`: what a grant must allow; `what` completes "the statement …"."""

    word: str
    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class Needs:
    """All that a statement needs, the strongest first.

    `unread`: why its effects are not known, "" when they are. `own`: it defines or empties temporary tables of the
    session and nothing else, so it counts as a write.
    """

    wanted: tuple[Need, ...]
    unread: str
    own: bool


_ORDER = {"all": 0, "admin": 1, "ddl": 2, "write": 3, "read": 4}
_BY_EFFECT = {
    "read": Need("read", "reads data", "Leave the query out."),
    "write": Need("write", "changes rows", "Read with SELECT; leave changes out."),
    "ddl": Need("ddl", "changes definitions", "Work with the tables as they are, or in a CREATE TEMP TABLE."),
    "privilege": Need("admin", "changes roles or grants", "Leave changes of roles and grants out."),
    "unsafe-io": Need("admin", "reaches the server's files, processes or other servers", "Read from tables only."),
    "procedural": Need("all", "runs code that cannot be read here", "Write it as plain statements, one by one."),
}


def needs(facts: Facts, rights: Rights, catalog: Catalog, own_names: frozenset[str] = frozenset()) -> Needs:
    """What the statement needs; pure and total. `own_names`: bare names that now mean temporary relations of the session."""
    own = _is_own(facts, own_names)
    wanted: set[Need] = set()
    for effect in facts.effects:
        need = _BY_EFFECT.get("write" if own and effect == "ddl" else effect)
        if need is not None:
            wanted.add(need)
    unread = "" if facts.complete else facts.reason or "it was not understood"
    for schema, name in sorted(facts.functions, key=lambda one: (one[0] or "", one[1])):
        if is_attribute(facts, schema, name, catalog):
            continue
        power = functions.power(schema, name, catalog)
        if power != "read":
            wanted.add(_FUNCTION[power])
        if power == "unknown":
            unread = unread or "it calls a function that is not in the catalogue"
        for effect in EFFECTS.get(name, ()):
            if effect in _BY_EFFECT:
                wanted.add(_BY_EFFECT[effect])
            if effect == "procedural":
                unread = unread or "it runs a text as a statement"
    if unread:
        wanted.add(Need("all", f"cannot be read completely: {unread}", "Write it as plain statements, one by one."))
    wanted |= _of_catalogues(facts)
    wanted |= _of_settings(facts, rights)
    return Needs(tuple(sorted(wanted, key=lambda one: (_ORDER[one.word], one.what))), unread, own)


# Neither a command tag nor a rule on kinds of statements sees what the function changes.
CALLS_WRITER = Need("write", "calls a function that may change rows", "Leave functions that change rows out.")
_FUNCTION = {
    "write": CALLS_WRITER,
    "admin": Need("admin", "calls a function that reaches the server itself", "Leave such functions out."),
    "code": Need("all", "calls a function whose code may do anything", "Leave volatile functions out."),
    "unknown": Need("all", "calls a function that is not in the catalogue", "Correct the function's name."),
}


def _is_own(facts: Facts, names: frozenset[str]) -> bool:
    """Whether every definition and change in the statement is of the session's own temporary tables.

    A bare name is theirs where it means something that is there; what is made under a bare name is not temporary.
    """
    if not facts.complete or not (facts.writes or facts.creates):
        return False
    renamed = any(kind.endswith(" RENAME TO") for kind in facts.kinds)
    if not renamed and any(one.schema != TEMPORARY for one in facts.creates):
        return False
    for one in facts.writes:
        if one.schema != TEMPORARY and not (one.schema is None and one.name in names):
            return False
    return all(kind in _OWN or kind in _ROWS for kind in facts.kinds)


def is_attribute(facts: Facts, schema: str | None, name: str, catalog: Catalog) -> bool:
    """Whether an unqualified name is only a field, (x).name, and no function: there is none of the name, and the text
    does not call one (a name that needs quotes counts as called)."""
    if schema is not None or catalog.functions.get(name) or name in EFFECTS:
        return False
    if not facts.shape or not (name.isascii() and name.replace("_", "a").isalnum()):
        return False
    return re.search(rf'(?<![\w$])"?{name}"? ?\(', facts.shape, re.IGNORECASE) is None


def _is_system(relation: Relation) -> bool:
    """Whether the name is one of the system's own; unqualified names are looked up in pg_catalog first."""
    return relation.schema in _SYSTEM_SCHEMAS or (relation.schema is None and relation.name.startswith("pg_"))


def _of_catalogues(facts: Facts) -> set[Need]:
    wanted: set[Need] = set()
    if any(_is_system(one) for one in (*facts.writes, *facts.creates)):
        wanted.add(Need("admin", "changes the system's own catalogues", "Change tables of your own only."))
    if any(_is_system(one) and one.name in _SECRET for one in facts.reads):
        hint = "Read pg_roles instead; it has no secrets."
        wanted.add(Need("admin", "reads a catalogue of secrets", hint))
    return wanted


def _of_settings(facts: Facts, rights: Rights) -> set[Need]:
    resets = bool(facts.kinds) and all(kind.split()[0] in ("RESET", "DISCARD") for kind in facts.kinds)
    wanted: set[Need] = set()
    literal = facts.complete and bool(facts.kinds) and facts.kinds[0] in _SETS
    for setting in facts.settings:
        # SET takes literals alone, so without a value it is SET … TO DEFAULT
        reset = resets or (literal and setting.value is None)
        found = barred(setting, rights.role, reset=reset, reads_only=rights.reads_only)
        if found is not None:
            wanted.add(Need(found.word, f"changes {found.what}", found.hint))
    if rights.reads_only and _MODES.intersection(facts.kinds) and "read write" in unquoted(facts):
        wanted.add(Need(READ_WRITE.word, f"begins {READ_WRITE.what}", READ_WRITE.hint))
    return wanted
