"""What a recorded statement did, in the words that people ask in: read, write, ddl, admin or session."""

from collections.abc import Iterable
from typing import Final

from gateway.audit.query import Entry
from parser.kinds import ON_TABLES, SIMPLE

EFFECTS: Final = ("read", "write", "ddl", "admin", "session")
_RANK: Final = {"session": 0, "read": 1, "write": 2, "ddl": 3, "admin": 4}
_WORDS: Final = {
    "SELECT": "read",
    "TABLE": "read",
    "VALUES": "read",
    "COPY TO": "read",
    "FETCH": "read",
    "DECLARE": "read",
    "SHOW": "read",
    "INSERT": "write",
    "UPDATE": "write",
    "DELETE": "write",
    "MERGE": "write",
    "COPY FROM": "write",
    "CALL": "write",
    "DO": "write",
}
_SESSION: Final = frozenset(
    ("SET", "RESET", "DISCARD", "DEALLOCATE", "PREPARE", "EXECUTE", "CLOSE", "MOVE", "EXPLAIN", "LOCK")
)
_DEFINE: Final = frozenset(("CREATE", "ALTER", "DROP", "COMMENT"))
_ROLES: Final = frozenset(("ROLE", "USER", "GROUP", "SYSTEM", "DATABASE"))


def _told() -> dict[str, str]:
    """The kinds that the parser tells by their first words, with the gravest of their effects."""
    told = {}
    for kind, effects in (*SIMPLE.values(), *ON_TABLES.values()):
        if "privilege" in effects or "unsafe-io" in effects:
            told[kind] = "admin"
        else:
            told[kind] = next((each for each in ("ddl", "write", "read") if each in effects), "session")
    return told


_TOLD: Final = _told()


def effect(kinds: Iterable[str]) -> str:
    """The gravest of what a statement's kinds do; "admin" for one that is not known."""
    return max((_one(kind) for kind in kinds), key=_RANK.__getitem__, default="session")


def _one(kind: str) -> str:
    words = kind.split(" ")
    for each in (kind, " ".join(words[:2]), words[0]):
        known = _WORDS.get(each) or _TOLD.get(each)
        if known is not None:
            return known
    if words[0] in _SESSION:
        return "session"
    if words[0] in _DEFINE:
        return "admin" if len(words) > 1 and words[1] in _ROLES else "ddl"
    return "admin"


def _first(kinds: tuple[str, ...]) -> str:
    """What the outermost statement does, or the one that EXECUTE runs."""
    return effect(kinds[1:2] if kinds[:1] == ("EXECUTE",) else kinds[:1])


def ran(entry: Entry) -> bool:
    """Whether an outcome's statement reached the server, or may have."""
    return entry.outcome is not None and entry.outcome.status not in ("refused", "not-run")


def rows_out(entry: Entry) -> int:
    """Rows that an outcome's statement handed out."""
    said, ruling = entry.outcome, entry.ruling
    if said is None or ruling is None:
        return 0
    return said.rows if entry.columns is not None or _first(ruling.kinds) == "read" else 0


def rows_changed(entry: Entry) -> int:
    """Rows that it changed, as far as the server told."""
    said, ruling = entry.outcome, entry.ruling
    if said is None or ruling is None or said.status != "ok":
        return 0
    if said.affected is not None:
        return sum(count for _, count in said.affected if count > 0)
    return said.rows if _first(ruling.kinds) == "write" else 0
