"""Reading CREATE, ALTER, DROP and COMMENT: which kind of object, which action, what it belongs to."""

from parser.clauses import called_by_name, decided, expressions, past_if
from parser.creations import alter_function, create, create_schema, published
from parser.expressions import scan
from parser.facts import Column, Effect, Output, Relation
from parser.kinds import (
    CONSTRAINTS,
    MODIFIERS,
    OBJECTS,
    PRIVILEGED_ACTIONS,
    RELATIONS,
    SAME_OBJECT,
    TABLE_ACTIONS,
    TYPE_ACTIONS,
)
from parser.lineage import FREE, Item, Scope, Source
from parser.reading import Reading, Unread
from parser.tables import base_source

_MADE_OF_FUNCTIONS = frozenset(("FOREIGN DATA WRAPPER", "OPERATOR", "OPERATOR FAMILY"))
_OF_TABLES = ("ALTER TABLE", "ALTER FOREIGN TABLE")
_NAMES_A_TABLE = frozenset(("ATTACH PARTITION", "DETACH PARTITION", "INHERIT", "NO INHERIT"))


def define(r: Reading, start: int, end: int) -> None:
    """CREATE, ALTER, DROP or COMMENT ON in the tokens from start to end. Raises Unread."""
    word = r.words.word
    verb = word[start]
    at = start + 2 if verb == "comment" else start + 1
    modifiers = set()
    if verb in ("create", "drop"):
        while word[at] in MODIFIERS and word[at + 1] != "privileges":
            modifiers.add(word[at])
            at += 1
    elif word[at] == "procedural":
        at += 1
    phrase, at = _object(r, at)
    if verb == "comment":
        r.kinds.setdefault("COMMENT")
        r.effects.add("ddl")
        _commented(r, phrase, at)
        return
    kind = f"{verb.upper()} {SAME_OBJECT.get(phrase, phrase)}"
    r.kinds.setdefault(kind)
    effects: frozenset[Effect] = OBJECTS[phrase]
    r.effects |= effects
    if verb == "drop":
        _drop(r, phrase, at, end)
    elif verb == "alter":
        _alter(r, phrase, kind, at, end)
    elif phrase == "SCHEMA":
        for begin, stop in create_schema(r, at, end):
            define(r, begin, stop)
    else:
        create(r, phrase, modifiers, at, end)


def _object(r: Reading, at: int) -> tuple[str, int]:
    word = r.words.word
    for length in (3, 2, 1):
        phrase = " ".join(word[at : at + length]).upper()
        if phrase in OBJECTS:
            return phrase, at + length
    raise Unread("a kind of object that is not known")


def _commented(r: Reading, phrase: str, at: int) -> None:
    """The table that a comment belongs to."""
    if phrase in RELATIONS:
        r.writes.setdefault(r.relation(at)[0])
    elif phrase == "COLUMN":
        parts, _ = r.name(at)
        if len(parts) > 1:
            r.writes.setdefault(Relation(parts[-3] if len(parts) > 2 else None, parts[-2]))


def _drop(r: Reading, phrase: str, at: int, end: int) -> None:
    word = r.words.word
    at = past_if(r, at)
    if phrase in RELATIONS:
        for begin, stop in r.split(at, end):
            if begin < stop:
                r.writes.setdefault(r.relation(begin)[0])
    elif phrase in ("TRIGGER", "RULE", "POLICY"):
        on = r.find(frozenset(("on",)), at, end)
        if on < end and word[on + 1]:
            r.writes.setdefault(r.relation(on + 1)[0])


# --- ALTER ---


def _alter(r: Reading, phrase: str, kind: str, at: int, end: int) -> None:
    word = r.words.word
    at = past_if(r, at)
    owner = r.find(frozenset(("owner",)), at, end)
    if owner < end and word[owner + 1] == "to":
        r.effects.add("privilege")
    if phrase in RELATIONS:
        if word[at] == "all" and word[at + 1] == "in":
            return
        at += word[at] == "only"
        relation, at = r.relation(at)
        r.writes.setdefault(relation)
        at += word[at] == "*"
        for begin, stop in r.split(at, end) if phrase != "SEQUENCE" else ():
            _action(r, kind, relation, begin, stop)
        if kind in _OF_TABLES:
            decided(r, at, end, _with_new(r, relation))
    elif phrase in ("TRIGGER", "RULE", "POLICY"):
        on = r.find(frozenset(("on",)), at, end)
        if on < end:
            r.writes.setdefault(r.relation(on + 1)[0])
    elif phrase in ("FUNCTION", "PROCEDURE", "ROUTINE"):
        alter_function(r, at, end)
        return
    elif phrase == "TYPE":
        _alter_type(r, at, end)
    elif phrase == "DEFAULT PRIVILEGES":
        r.kinds.setdefault("GRANT" if r.find(frozenset(("grant",)), at, end) < end else "REVOKE")
    elif phrase == "PUBLICATION":
        published(r, at, end)
        return
    elif phrase in _MADE_OF_FUNCTIONS:
        called_by_name(r, at, end)
    expressions(r, at, end)


def _with_new(r: Reading, relation: Relation) -> Scope:
    """A table with the columns that the statement adds to it, in which no value is yet."""
    source = base_source(r, relation)
    held = source.table.names if source.table is not None else ()
    names = {column.name for column in r.columns_written if column.relation == relation and column.name not in held}
    new = Source(None, items=[Item(name, FREE) for name in sorted(names)])
    return Scope(None, [source, new] if source.table is not None and names else [source])


def _alter_type(r: Reading, at: int, end: int) -> None:
    """ALTER TYPE: its actions on attributes and values reach the tables that are made of it."""
    word = r.words.word
    _, at = r.name(at)
    for begin, _ in r.split(at, end):
        action = " ".join(word[begin : begin + 2]).upper()
        if action in TYPE_ACTIONS:
            r.kinds.setdefault(f"ALTER TYPE {action}")
    called_by_name(r, at, end)


def _action(r: Reading, kind: str, relation: Relation, begin: int, stop: int) -> None:
    """One action of ALTER TABLE (and the like)."""
    word, text = r.words.word, r.words.text
    first = word[begin]
    at = begin + 1
    if first in ("add", "drop", "alter", "rename") and word[at] not in ("column", "constraint", "to"):
        if first == "add" and word[at] in CONSTRAINTS and not (word[at] == "exclude" and word[at + 1] not in ("(", "using")):
            action = "ADD CONSTRAINT"
        else:
            action = f"{first.upper()} COLUMN"
            _changed(r, relation, at)
    else:
        phrase = " ".join(word[begin : min(begin + 5, stop)]).upper()
        action = next((known for known in TABLE_ACTIONS if (phrase + " ").startswith(known + " ")), "")
        if not action:
            raise Unread("an action of ALTER was not understood")
        if action.endswith(" COLUMN"):
            _changed(r, relation, begin + 2)
    if kind in _OF_TABLES:
        _moved(r, action, relation, begin, stop)
    r.kinds.setdefault(f"{kind} {action}")
    if any(part in action for part in PRIVILEGED_ACTIONS):
        r.effects.add("privilege")
    if action == "RENAME TO":
        r.creates.append(Relation(relation.schema, text[begin + 2]))
    if action in _NAMES_A_TABLE:
        r.writes.setdefault(r.relation(begin + len(action.split()))[0])
    if text[begin] == "options":
        r.effects.add("unsafe-io")


def _moved(r: Reading, action: str, relation: Relation, begin: int, stop: int) -> None:
    """What a column holds after RENAME a TO b, and after ALTER a TYPE … USING expression."""
    word, text = r.words.word, r.words.text
    if action == "RENAME COLUMN" and word[stop - 2] == "to":
        old = Output(frozenset((Column(relation, text[stop - 3]),)), plain=True)
        r.stored.append((Column(relation, text[stop - 1]), old))
    elif action == "ALTER COLUMN":
        using = r.find(frozenset(("using",)), begin, stop)
        if using < stop:
            scope = Scope(None, [base_source(r, relation)])
            name = text[begin + 1 + (word[begin + 1] == "column")]
            out = scan(r, using + 1, stop, scope, {})
            if out.columns or out.opaque:
                r.stored.append((Column(relation, name), out))


def _changed(r: Reading, relation: Relation, at: int) -> None:
    at = past_if(r, at)
    if r.words.named[at]:
        r.columns_written.add(Column(relation, r.words.text[at]))
