"""The words statement kinds are made of (see `parser.facts.Facts.kinds`), so that a rule with a typing error is refused
instead of never speaking."""

import difflib

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
