"""The statement kinds of PostgreSQL 18's grammar that need no grammar of their own here, and what they do."""

from parser.facts import Effect
from parser.keywords import word_set

_D: frozenset[Effect] = frozenset(("ddl",))
_P: frozenset[Effect] = frozenset(("privilege",))
_DP: frozenset[Effect] = frozenset(("ddl", "privilege"))
_DU: frozenset[Effect] = frozenset(("ddl", "unsafe-io"))
_PU: frozenset[Effect] = frozenset(("privilege", "unsafe-io"))
_W: frozenset[Effect] = frozenset(("write",))

ALL_EFFECTS: frozenset[Effect] = frozenset(
    ("read", "write", "ddl", "privilege", "session", "unsafe-io", "procedural")
)

# What CREATE, ALTER, DROP and COMMENT ON name; the longest phrase wins.
OBJECTS: dict[str, frozenset[Effect]] = {
    "TABLE": _D,
    "VIEW": _D,
    "MATERIALIZED VIEW": _D,
    "SEQUENCE": _D,
    "INDEX": _D,
    "SCHEMA": _D,
    "FUNCTION": _D,
    "PROCEDURE": _D,
    "ROUTINE": _D,
    "AGGREGATE": _D,
    "TRIGGER": _D,
    "EVENT TRIGGER": _D,
    "RULE": _D,
    "TYPE": _D,
    "DOMAIN": _D,
    "CAST": _D,
    "OPERATOR": _D,
    "OPERATOR CLASS": _D,
    "OPERATOR FAMILY": _D,
    "COLLATION": _D,
    "CONVERSION": _D,
    "TEXT SEARCH CONFIGURATION": _D,
    "TEXT SEARCH DICTIONARY": _DU,
    "TEXT SEARCH PARSER": _DU,
    "TEXT SEARCH TEMPLATE": _DU,
    "STATISTICS": _D,
    "PUBLICATION": _DU,
    "SUBSCRIPTION": _DU,
    "SERVER": _DU,
    "FOREIGN TABLE": _DU,
    "FOREIGN DATA WRAPPER": _DU,
    "USER MAPPING": _PU,
    "EXTENSION": _DU,
    "LANGUAGE": _DU,
    "ACCESS METHOD": _DU,
    "TABLESPACE": _DU,
    "DATABASE": _DP,
    "ROLE": _P,
    "USER": _P,
    "GROUP": _P,
    "POLICY": _DP,
    "TRANSFORM": _DU,
    "ASSERTION": _D,
    "LARGE OBJECT": _P,
    "DEFAULT PRIVILEGES": _P,
    "OWNED": _DP,
    "COLUMN": _D,
    "CONSTRAINT": _D,
    "SYSTEM": frozenset(("unsafe-io",)),
}

# These name relations.
RELATIONS = frozenset(("TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "INDEX", "FOREIGN TABLE"))

# USER and GROUP are old words for ROLE.
SAME_OBJECT = {"USER": "ROLE", "GROUP": "ROLE"}

# Words between CREATE and the object.
MODIFIERS = word_set(
    """
    or replace temp temporary local global unlogged recursive unique constraint trusted procedural default
    """
)

# What follows the name of ALTER TABLE: the longest phrase wins.
TABLE_ACTIONS = (
    "ADD CONSTRAINT",
    "ADD COLUMN",
    "DROP CONSTRAINT",
    "DROP COLUMN",
    "ALTER CONSTRAINT",
    "ALTER COLUMN",
    "RENAME COLUMN",
    "RENAME CONSTRAINT",
    "RENAME TO",
    "SET SCHEMA",
    "SET TABLESPACE",
    "SET LOGGED",
    "SET UNLOGGED",
    "SET ACCESS METHOD",
    "SET WITHOUT",
    "OWNER TO",
    "ENABLE ROW LEVEL SECURITY",
    "DISABLE ROW LEVEL SECURITY",
    "FORCE ROW LEVEL SECURITY",
    "NO FORCE ROW LEVEL SECURITY",
    "ENABLE TRIGGER",
    "ENABLE REPLICA",
    "ENABLE ALWAYS",
    "ENABLE RULE",
    "DISABLE TRIGGER",
    "DISABLE RULE",
    "ATTACH PARTITION",
    "DETACH PARTITION",
    "VALIDATE CONSTRAINT",
    "REPLICA IDENTITY",
    "CLUSTER ON",
    "NO INHERIT",
    "INHERIT",
    "NO DEPENDS ON",
    "DEPENDS ON",
    "NOT OF",
    "OF",
    "OPTIONS",
    "SET",
    "RESET",
)
# What follows the name of ALTER TYPE.
TYPE_ACTIONS = frozenset(
    ("ADD ATTRIBUTE", "DROP ATTRIBUTE", "ALTER ATTRIBUTE", "RENAME ATTRIBUTE", "ADD VALUE", "RENAME VALUE")
)
CONSTRAINTS = frozenset(("constraint", "check", "unique", "primary", "foreign", "exclude", "not"))
PRIVILEGED_ACTIONS = ("OWNER TO", "ROW LEVEL SECURITY")

# Statements told by their first words alone.
SIMPLE: dict[str, tuple[str, frozenset[Effect]]] = {
    "abort": ("ROLLBACK", frozenset(("session",))),
    "begin": ("BEGIN", frozenset(("session",))),
    "checkpoint": ("CHECKPOINT", frozenset(("unsafe-io",))),
    "commit": ("COMMIT", frozenset(("session",))),
    "end": ("COMMIT", frozenset(("session",))),
    "grant": ("GRANT", _P),
    "import": ("IMPORT FOREIGN SCHEMA", _DU),
    "listen": ("LISTEN", frozenset(("session",))),
    "load": ("LOAD", frozenset(("unsafe-io",))),
    "notify": ("NOTIFY", frozenset(("session",))),
    "reassign": ("REASSIGN OWNED", _P),
    "release": ("RELEASE", frozenset(("session",))),
    "revoke": ("REVOKE", _P),
    "rollback": ("ROLLBACK", frozenset(("session",))),
    "savepoint": ("SAVEPOINT", frozenset(("session",))),
    "security": ("SECURITY LABEL", _P),
    "start": ("START TRANSACTION", frozenset(("session",))),
    "unlisten": ("UNLISTEN", frozenset(("session",))),
}

# The same with the tables they work on behind them.
ON_TABLES: dict[str, tuple[str, frozenset[Effect]]] = {
    "analyse": ("ANALYZE", _W),
    "analyze": ("ANALYZE", _W),
    "cluster": ("CLUSTER", _D),
    "refresh": ("REFRESH MATERIALIZED VIEW", _W),
    "reindex": ("REINDEX", _D),
    "truncate": ("TRUNCATE", _W),
    "vacuum": ("VACUUM", _D),
}
