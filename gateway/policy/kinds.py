"""The words statement kinds are made of (see `parser.facts.Facts.kinds`), so that a rule with a typing error is refused
instead of never speaking."""

import difflib

from parser.kinds import OBJECTS, ON_TABLES, RELATIONS, SAME_OBJECT, SIMPLE, TABLE_ACTIONS, TYPE_ACTIONS

_VERBS = (
    "ABORT", "ALTER", "ANALYZE", "BEGIN", "CALL", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMENT", "COMMIT",
    "COPY", "CREATE", "DEALLOCATE", "DECLARE", "DELETE", "DISCARD", "DO", "DROP", "END", "EXECUTE",
    "EXPLAIN", "FETCH", "GRANT", "IMPORT", "INSERT", "LISTEN", "LOAD", "LOCK", "MERGE", "MOVE",
    "NOTIFY", "PREPARE", "REASSIGN", "REFRESH", "REINDEX", "RELEASE", "REPACK", "RESET", "REVOKE",
    "ROLLBACK", "SAVEPOINT", "SECURITY", "SELECT", "SET", "SHOW", "START", "TABLE", "TRUNCATE",
    "UNLISTEN", "UPDATE", "VACUUM", "VALUES", "WITH",
)
_OBJECTS = (
    "ACCESS", "AGGREGATE", "CAST", "COLLATION", "CONSTRAINT", "CONVERSION", "DATABASE", "DEFAULT",
    "DOMAIN", "EVENT", "EXTENSION", "FOREIGN", "FUNCTION", "GROUP", "INDEX", "LANGUAGE", "LARGE",
    "MATERIALIZED", "OPERATOR", "OWNED", "POLICY", "PROCEDURAL", "PROCEDURE", "PROPERTY", "PUBLICATION",
    "ROLE", "ROUTINE", "RULE", "SCHEMA", "SEQUENCE", "SERVER", "STATISTICS", "SUBSCRIPTION", "SYSTEM",
    "TABLE", "TABLESPACE", "TEXT", "TRANSFORM", "TRIGGER", "TYPE", "USER", "VIEW",
)

# Words that people write for kinds of another name.
_OTHER_WORDS = {
    "ABORT": "ROLLBACK", "END": "COMMIT", "TABLE": "SELECT", "VALUES": "SELECT", "WITH": "SELECT",
    "UPSERT": "INSERT ON CONFLICT",
    **{f"{verb} {old}": f"{verb} {new}" for verb in ("CREATE", "ALTER", "DROP") for old, new in SAME_OBJECT.items()},
}  # fmt: skip
# Every kind that the parser gives a statement, but for "UNKNOWN".
ALL = frozenset(
    (
        *(f"{verb} {name}" for verb in ("CREATE", "ALTER", "DROP") for name in OBJECTS if name not in SAME_OBJECT),
        *(f"ALTER {name} {action}" for name in RELATIONS for action in TABLE_ACTIONS),
        *(f"ALTER TYPE {action}" for action in TYPE_ACTIONS),
        *(kind for kind, _ in (*SIMPLE.values(), *ON_TABLES.values())),
        *("SELECT", "SELECT INTO", "SELECT FOR UPDATE", "SELECT FOR NO KEY UPDATE", "SELECT FOR SHARE"),
        *("SELECT FOR KEY SHARE", "INSERT", "INSERT ON CONFLICT", "UPDATE", "DELETE", "MERGE", "CREATE TABLE AS"),
        *("COPY FROM", "COPY TO", "COPY FROM PROGRAM", "COPY TO PROGRAM", "SET", "SET ROLE"),
        *("SET SESSION AUTHORIZATION", "SET SESSION CHARACTERISTICS"),
        *("SET TRANSACTION", "SET CONSTRAINTS", "RESET", "DISCARD", "SHOW", "EXPLAIN", "PREPARE", "EXECUTE"),
        *("PREPARE TRANSACTION", "COMMIT PREPARED", "ROLLBACK PREPARED", "ROLLBACK TO", "DEALLOCATE", "DECLARE"),
        *("FETCH", "MOVE", "CLOSE", "DO", "CALL", "LOCK", "COMMENT", "GRANT ROLE", "REVOKE ROLE"),
    )
)


def unheard(kind: str) -> str:
    """The nearest known kind of a rule's kind that no statement has, "" for one that some have."""
    if kind in _OTHER_WORDS:
        return _OTHER_WORDS[kind]
    if kind == "*" or any(fits(kind, known) for known in ALL):
        return ""
    misspelt = difflib.get_close_matches(kind, sorted(ALL), n=1, cutoff=0.9)
    wider = sorted((known for known in ALL if fits(known, kind)), key=len, reverse=True)
    return next(iter([*misspelt, *wider, *difflib.get_close_matches(kind, sorted(ALL), n=1, cutoff=0.0)]))


def normalise(kind: str) -> str:
    """Upper case, one space between words."""
    return " ".join(kind.upper().split())


def why_unknown(kind: str) -> str:
    """The mend for a kind that no statement can have, "" for one that some may have."""
    words = normalise(kind).split()
    if words == ["*"]:
        return ""
    if not words:
        return 'write a statement kind like "DROP TABLE"'
    if words[0] not in _VERBS:
        return _near(words[0], _VERBS)
    if words[0] in ("ALTER", "CREATE", "DROP") and len(words) > 1 and words[1] not in _OBJECTS:
        return _near(words[1], _OBJECTS)
    return ""


def fits(rule: str, kind: str) -> bool:
    """Whether a rule's kind speaks of a statement's kind: "DROP" fits "DROP TABLE", "*" fits all."""
    return rule == "*" or kind == rule or kind.startswith(rule + " ")


def _near(word: str, words: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f'did you mean "{close[0]}"?' if close else 'write a statement kind like "DROP TABLE"'
