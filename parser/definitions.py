"""Reading CREATE, ALTER, DROP and COMMENT: what is defined, the queries inside, and the functions that run with it."""

from parser.changes import CHANGES, change
from parser.expressions import scan
from parser.facts import Column, Effect, Named, Relation
from parser.keywords import NOT_A_NAME, QUERY_STARTS
from parser.kinds import (
    CONSTRAINTS,
    MODIFIERS,
    OBJECTS,
    PRIVILEGED_ACTIONS,
    RELATIONS,
    SAME_OBJECT,
    TABLE_ACTIONS,
)
from parser.lineage import Scope, Source
from parser.queries import query
from parser.reading import Cte, Reading, Unread
from parser.tokens import Kind

_SAFE_LANGUAGES = frozenset(("sql", "plpgsql", "plperl", "pltcl", "plv8"))
# In front of brackets that hold expressions in a definition.
_BEFORE_EXPRESSIONS = frozenset(("check", "using", "where", "default", "as", "when", "from", "in", "to", "execute"))


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
    phrase, at = _object(r, at)
    if verb == "comment":
        r.kinds.setdefault("COMMENT")
        r.effects.add("ddl")
        return
    kind = f"{verb.upper()} {SAME_OBJECT.get(phrase, phrase)}"
    r.kinds.setdefault(kind)
    effects: frozenset[Effect] = OBJECTS[phrase]
    r.effects |= effects
    if verb == "drop":
        _drop(r, phrase, at, end)
    elif verb == "alter":
        _alter(r, phrase, kind, at, end)
    else:
        _create(r, phrase, modifiers, at, end)


def _object(r: Reading, at: int) -> tuple[str, int]:
    word = r.words.word
    for length in (3, 2, 1):
        phrase = " ".join(word[at : at + length]).upper()
        if phrase in OBJECTS:
            return phrase, at + length
    raise Unread("a kind of object that is not known")


def _past_if(r: Reading, at: int) -> int:
    """Behind IF [NOT] EXISTS and CONCURRENTLY."""
    word = r.words.word
    if word[at] == "concurrently":
        at += 1
    if word[at] == "if":
        at += 3 if word[at + 1] == "not" else 2
    return at


def _drop(r: Reading, phrase: str, at: int, end: int) -> None:
    word = r.words.word
    at = _past_if(r, at)
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
    at = _past_if(r, at)
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
    elif phrase in ("TRIGGER", "RULE", "POLICY"):
        on = r.find(frozenset(("on",)), at, end)
        if on < end:
            r.writes.setdefault(r.relation(on + 1)[0])
    elif phrase in ("FUNCTION", "PROCEDURE", "ROUTINE") and _says(r, at, end, "security", "definer"):
        r.effects.add("privilege")
    _expressions(r, at, end)


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
    r.kinds.setdefault(f"{kind} {action}")
    if any(part in action for part in PRIVILEGED_ACTIONS):
        r.effects.add("privilege")
    if action == "ATTACH PARTITION" or action == "DETACH PARTITION":
        r.writes.setdefault(r.relation(begin + 2)[0])
    if text[begin] == "options":
        r.effects.add("unsafe-io")


def _changed(r: Reading, relation: Relation, at: int) -> None:
    at = _past_if(r, at)
    if r.words.named[at]:
        r.columns_written.add(Column(relation, r.words.text[at]))


def _says(r: Reading, at: int, end: int, *phrase: str) -> bool:
    word = r.words.word
    length = len(phrase)
    return any(tuple(word[k : k + length]) == phrase for k in range(at, end - length + 1))


def _expressions(r: Reading, start: int, end: int) -> None:
    """Functions in the expressions of a definition: they run when it is made or used."""
    words = r.words
    word, match = words.word, words.match
    scope = Scope(None, [Source(None, relation) for relation in r.writes])
    at = start
    while at < end:
        w = word[at]
        if w == "(" and word[at - 1] in _BEFORE_EXPRESSIONS:
            for begin, stop in r.split(at + 1, match[at]):
                _expression(r, begin, stop, scope)
            at = match[at]
        elif w == "using" and words.named[at + 1] and word[at - 1] != "exclude":
            stop = r.find(frozenset((",",)), at, end)
            _expression(r, at + 1, stop, scope)
        elif w == "default":
            stop = r.find(frozenset((",", ")", "not", "null", "constraint", "check", "unique", "primary")), at + 1, end)
            _expression(r, at + 1, stop, scope)
        at += 1


def _expression(r: Reading, start: int, end: int, scope: Scope) -> None:
    """Every call in a stretch whose grammar is not known exactly."""
    words = r.words
    word, match = words.word, words.match
    at = start
    while at < end:
        if word[at] == "(" and words.is_query(at):
            query(r, at + 1, match[at], scope, {})
            at = match[at]
        elif words.named[at]:
            begin = at
            _, at = r.name(at)
            if word[at] == "(" and (words.kind[begin] is not Kind.IDENT or word[begin] not in NOT_A_NAME):
                scan(r, begin, at + 1, None, {})
            continue
        at += 1


# --- CREATE ---


def _create(r: Reading, phrase: str, modifiers: set[str], at: int, end: int) -> None:
    word = r.words.word
    at = _past_if(r, at)
    temporary = bool(modifiers & {"temp", "temporary"})
    if phrase in ("TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE"):
        made, at = r.relation(at)
        made = Relation("pg_temp", made.name) if temporary else made
        r.creates.append(made)
        if phrase == "TABLE":
            _create_table(r, at, end)
        elif phrase.endswith("VIEW"):
            _create_view(r, made, "recursive" in modifiers, at, end)
    elif phrase == "INDEX":
        _create_index(r, at, end)
    elif phrase == "RULE":
        _create_rule(r, at, end)
    elif phrase == "SCHEMA":
        _create_schema(r, at, end)
    elif phrase in ("FUNCTION", "PROCEDURE"):
        _create_function(r, at, end)
    elif phrase in ("TRIGGER", "POLICY", "EVENT TRIGGER"):
        on = r.find(frozenset(("on",)), at, end)
        if phrase != "EVENT TRIGGER" and on < end:
            r.writes.setdefault(r.relation(on + 1)[0])
        run = r.find(frozenset(("execute",)), at, end)
        if run < end and word[run + 1] in ("function", "procedure"):
            parts, _ = r.name(run + 2)
            r.functions.add((parts[-2] if len(parts) > 1 else None, parts[-1]))
        _expressions(r, at, end)
    else:
        _expressions(r, at, end)


def _create_table(r: Reading, at: int, end: int) -> None:
    words = r.words
    word = words.word
    if word[at] == "partition" and word[at + 1] == "of":
        r.writes.setdefault(r.relation(at + 2)[0])
    body = _query_behind_as(r, at, end)
    if body is None:
        _expressions(r, at, end)
        return
    del r.kinds["CREATE TABLE"]
    r.kinds.setdefault("CREATE TABLE AS")
    if word[body] == "execute":
        parts, _ = r.name(body + 1)
        r.named = Named("execute", parts[0])
        r.kinds.setdefault("EXECUTE")
        r.effects.add("procedural")
        return
    query(r, body, _without_data(r, body, end), None, {})


def _query_behind_as(r: Reading, at: int, end: int) -> int | None:
    """The first token of the query behind AS, or of EXECUTE."""
    words = r.words
    word = words.word
    while at < end:
        at = r.find(frozenset(("as",)), at, end)
        if at == end:
            break
        if word[at + 1] in QUERY_STARTS or word[at + 1] == "execute" or (word[at + 1] == "(" and words.is_query(at + 1)):
            return at + 1
        at += 1
    return None


def _without_data(r: Reading, start: int, end: int) -> int:
    """The end of the query in front of WITH [NO] DATA or WITH … CHECK OPTION."""
    word = r.words.word
    if word[end - 1] == "data":
        back = 3 if word[end - 2] == "no" else 2
    elif word[end - 1] == "option" and word[end - 2] == "check":
        back = 4 if word[end - 3] in ("local", "cascaded") else 3
    else:
        return end
    return end - back if end - back > start and word[end - back] == "with" else end


def _create_view(r: Reading, made: Relation, recursive: bool, at: int, end: int) -> None:
    body = _query_behind_as(r, at, end)
    if body is None:
        raise Unread("a view without a query")
    env = {made.name: Cte(None)} if recursive else {}
    query(r, body, _without_data(r, body, end), None, env)


def _create_index(r: Reading, at: int, end: int) -> None:
    word, match = r.words.word, r.words.match
    on = r.find(frozenset(("on",)), at, end)
    if on == end:
        raise Unread("an index without a table")
    at = on + 1
    at += word[at] == "only"
    relation, at = r.relation(at)
    r.writes.setdefault(relation)
    scope = Scope(None, [Source(None, relation)])
    columns = r.find(frozenset(("(",)), at, end)
    if columns < end:
        for begin, stop in r.split(columns + 1, match[columns]):
            _expression(r, begin, stop, scope)
        where = r.find(frozenset(("where",)), columns, end)
        _expression(r, where, end, scope)


def _create_rule(r: Reading, at: int, end: int) -> None:
    word, match = r.words.word, r.words.match
    to = r.find(frozenset(("to",)), at, end)
    relation, at = r.relation(to + 1)
    r.writes.setdefault(relation)
    do = r.find(frozenset(("do",)), at, end)
    if do == end:
        raise Unread("a rule was not understood")
    if word[at] == "where":
        _expression(r, at + 1, do, Scope())
    at = do + 1
    at += word[at] in ("also", "instead")
    if word[at] == "nothing":
        return
    if word[at] == "(" and match[at] == end - 1:
        at, end = at + 1, end - 1
    _statements(r, at, end)


def _statements(r: Reading, at: int, end: int) -> None:
    """Statements that are stored for later: their kinds and effects count as this one's."""
    word, match = r.words.word, r.words.match
    begin = at
    while at <= end:
        if at == end or word[at] == ";":
            if begin < at:
                _stored(r, begin, at)
            begin = at + 1
        elif word[at] in ("(", "["):
            at = match[at]
        at += 1


def _stored(r: Reading, begin: int, end: int) -> None:
    word = r.words.word
    first = word[begin]
    if first == "with":
        ahead = r.find(CHANGES | {"select", "values", "table"}, begin + 1, end)
        first = word[ahead]
    if first in CHANGES:
        change(r, begin, end, {})
        r.outputs = ()
    elif first in QUERY_STARTS or first == "(":
        query(r, begin, end, None, {})
    elif first == "return":
        scan(r, begin + 1, end, None, {})
    elif first == "notify":
        r.kinds.setdefault("NOTIFY")
    else:
        raise Unread("a stored statement was not understood")


def _create_schema(r: Reading, at: int, end: int) -> None:
    """CREATE SCHEMA may hold CREATE and GRANT statements without semicolons between."""
    word = r.words.word
    starts = frozenset(("create", "grant"))
    if _says(r, at, end, "authorization"):
        r.effects.add("privilege")
    begin = r.find(starts, at, end)
    while begin < end:
        stop = r.find(starts, begin + 1, end)
        if word[begin] == "grant":
            r.kinds.setdefault("GRANT")
            r.effects.add("privilege")
        else:
            define(r, begin, stop)
        begin = stop


def _create_function(r: Reading, at: int, end: int) -> None:
    word, text = r.words.word, r.words.text
    if _says(r, at, end, "security", "definer"):
        r.effects.add("privilege")
    language = r.find(frozenset(("language",)), at, end)
    if language < end and text[language + 1].lower() not in _SAFE_LANGUAGES:
        r.effects.add("unsafe-io")
    arguments = r.find(frozenset(("(",)), at, end)
    if arguments < end:
        _expressions(r, arguments + 1, r.words.match[arguments])
    body = r.find(frozenset(("atomic",)), at, end)
    while body < end and word[body - 1] != "begin":
        body = r.find(frozenset(("atomic",)), body + 1, end)
    if body < end:
        if word[end - 1] != "end" or word[end - 2] not in (";", "atomic"):
            raise Unread("the body of a function was not understood")
        _statements(r, body + 1, end - 1)
        return
    result = r.find(frozenset(("return",)), at, end)
    if result < end:
        scan(r, result + 1, end, None, {})
