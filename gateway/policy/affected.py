"""Which statements change rows that were there, and whether the command tag will tell how many (manual, section 55.7,
CommandComplete).

A limit on affected rows can only be held where the tag counts them. Rows that triggers and cascades change are not in it.
"""

import re
from typing import Literal

from gateway.classify.catalog import Catalog
from gateway.policy.kinds import fits
from parser.facts import Facts

# An INSERT alone adds rows; with ON CONFLICT DO UPDATE it changes some.
CHANGING = ("UPDATE", "DELETE", "MERGE", "INSERT ON CONFLICT")
_TAGGED = frozenset(("INSERT", "UPDATE", "DELETE", "MERGE"))
_FROM_QUERY = ("SELECT", "TABLE", "VALUES")
# Kinds whose rows the planner estimates. COPY … FROM takes its rows from the client.
_PLANNED = ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY TO")

_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_CURRENT_OF = re.compile(r"\bwhere current of\b")

Counted = Literal["none", "tag", "never"]


def counted(facts: Facts) -> Counted:
    """How the rows that the statement changes are counted: none are changed, by its command tag, or not at all.

    The tag speaks of the outermost statement: it hides what a WITH changes, and EXPLAIN, COPY and DECLARE have tags of their
    own.
    """
    if not changes_rows(facts):
        return "none"
    kinds = facts.kinds[1:] if facts.kinds[0] == "EXECUTE" else facts.kinds
    return "tag" if facts.changes == 1 and kinds[0] in _TAGGED else "never"


def changes_rows(facts: Facts) -> bool:
    """Whether running the statement may change rows that were there."""
    if not runs(facts) or "write" not in facts.effects:
        return False
    return any(fits(one, kind) for one in CHANGING for kind in facts.kinds)


def broad(facts: Facts, catalog: Catalog) -> bool:
    """Whether it may change many rows without naming each of them: an upsert of VALUES has every row that it may change in
    its text, WHERE CURRENT OF means the one row of a cursor, and a unique key that is tied to one value has one row."""
    if not changes_rows(facts) or _one_row(facts, catalog):
        return False
    if facts.changes == 1 and _CURRENT_OF.search(unquoted(facts)):
        return False
    if any(fits(one, kind) for one in CHANGING[:-1] for kind in facts.kinds):
        return True
    return any(fits(one, kind) for one in _FROM_QUERY for kind in facts.kinds)


def _one_row(facts: Facts, catalog: Catalog) -> bool:
    """Whether the condition ties a unique key of every table that its target may be. Another `=` may be somebody's own."""
    if facts.changes != 1 or not facts.pinned or "=" in catalog.operators or len(facts.writes) != 1:
        return False
    (target,) = facts.writes
    tables = catalog.find(target.schema, target.name)
    return bool(tables) and all(
        any(key <= facts.pinned for key in catalog.keys.get(table.oid, ())) for table in tables
    )


def estimable(facts: Facts) -> bool:
    """Whether the planner can tell beforehand how many rows running the statement meets."""
    return runs(facts) and any(fits(one, kind) for one in _PLANNED for kind in facts.kinds)


def runs(facts: Facts) -> bool:
    """Whether the statement does at once what it says. PREPARE and CREATE VIEW keep it for later; what they keep is decided
    again when it is run."""
    first = facts.kinds[0] if facts.kinds else ""
    kept = first == "PREPARE" or first.startswith(("CREATE VIEW", "CREATE RULE", "CREATE FUNCTION", "CREATE PROCEDURE"))
    return bool(first) and not kept


def unquoted(facts: Facts) -> str:
    """The statement's words in lower case, one blank between tokens, without literals, comments and quoted names."""
    return _QUOTED.sub('"', facts.shape).lower()
