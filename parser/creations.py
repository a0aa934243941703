"""Reading CREATE: what is made, the queries inside, the code in it, and the functions that run with it."""

from dataclasses import replace

from parser.bodies import sql_body
from parser.changes import CHANGES, change
from parser.clauses import called, called_by_name, expression, expressions, indexed, past_if, says
from parser.expressions import condition, scan
from parser.facts import Column, Named, Relation
from parser.keywords import QUERY_STARTS
from parser.lineage import Item, Scope, Source
from parser.queries import query
from parser.reading import Cte, Reading, Unread
from parser.session_commands import setting
from parser.tables import base_source
from parser.tokens import Kind

_SAFE_LANGUAGES = frozenset(("sql", "plpgsql", "plperl", "pltcl", "plv8"))
_MADE_OF_FUNCTIONS = frozenset(
    (
        *("AGGREGATE", "CAST", "OPERATOR", "OPERATOR CLASS", "TYPE", "TRANSFORM", "LANGUAGE", "ACCESS METHOD"),
        *("FOREIGN DATA WRAPPER", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE"),
    )
)


def create(r: Reading, phrase: str, modifiers: set[str], at: int, end: int) -> None:
    """CREATE of a kind of object; `at` stands behind its words. Raises Unread."""
    at = past_if(r, at)
    temporary = bool(modifiers & {"temp", "temporary"})
    if phrase in ("TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE"):
        made, at = r.relation(at)
        made = Relation("pg_temp", made.name) if temporary else made
        r.creates.append(made)
        if phrase in ("TABLE", "FOREIGN TABLE"):
            _create_table(r, at, end)
        elif phrase.endswith("VIEW"):
            _create_view(r, made, "recursive" in modifiers, at, end)
    elif phrase == "INDEX":
        _create_index(r, "unique" in modifiers, at, end)
    elif phrase == "RULE":
        _create_rule(r, at, end)
    elif phrase in ("FUNCTION", "PROCEDURE"):
        _create_function(r, at, end)
    elif phrase in ("TRIGGER", "POLICY", "EVENT TRIGGER"):
        _create_trigger(r, phrase, at, end)
    elif phrase == "STATISTICS":
        _create_statistics(r, at, end)
    elif phrase == "PUBLICATION":
        published(r, at, end)
    elif phrase == "CONVERSION":
        source = r.find(frozenset(("from",)), at, end)
        called(r, source + 1)
    elif phrase in _MADE_OF_FUNCTIONS:
        called_by_name(r, at, end)
    else:
        expressions(r, at, end)


def _create_table(r: Reading, at: int, end: int) -> None:
    words = r.words
    word = words.word
    if word[at] == "partition" and word[at + 1] == "of":
        r.writes.setdefault(r.relation(at + 2)[0])
    body = _query_behind_as(r, at, end)
    if body is None or "CREATE TABLE" not in r.kinds:
        expressions(r, at, end)
        return
    del r.kinds["CREATE TABLE"]
    r.kinds.setdefault("CREATE TABLE AS")
    if word[body] == "execute":
        parts, _ = r.name(body + 1)
        r.named = Named("execute", parts[0])
        r.kinds.setdefault("EXECUTE")
        r.effects.add("procedural")
        return
    names = r.names(at) if word[at] == "(" and at < body else []
    keep(r, query(r, body, _without_data(r, body, end), None, {}), names)


def keep(r: Reading, items: list[Item], names: list[str]) -> None:
    """The statement makes a table of these columns, the first of them under these names."""
    made = r.creates[-1]
    if names and any(item.many for item in items):
        items, names = [Item(None, item.out) for item in items], []  # which is which is not known
    for number, item in enumerate(items):
        name = names[number] if number < len(names) else item.name
        if item.out.columns or item.out.opaque:
            r.stored.append((Column(made, name or "*"), item.out))


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


def _create_index(r: Reading, unique: bool, at: int, end: int) -> None:
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
            expression(r, begin, stop, scope)
            indexed(r, begin, _entry_end(r, begin, stop), Scope(None, [base_source(r, relation)]), unique=unique)
        where = r.find(frozenset(("where",)), columns, end)
        if where < end:
            condition(r, "WHERE", where + 1, end, Scope(None, [base_source(r, relation)]), {})


def _entry_end(r: Reading, start: int, end: int) -> int:
    """Behind the expression of an index's entry: in front of its collation, operator class and order."""
    word, match = r.words.word, r.words.match
    if word[start] == "(":
        return match[start] + 1
    _, behind = r.name(start)
    return match[behind] + 1 if word[behind] == "(" else end


def _create_trigger(r: Reading, phrase: str, at: int, end: int) -> None:
    word = r.words.word
    on = r.find(frozenset(("on",)), at, end)
    if phrase != "EVENT TRIGGER" and on < end:
        relation, behind = r.relation(on + 1)
        r.writes.setdefault(relation)
        if word[behind] == "from":
            r.reads.setdefault(r.relation(behind + 1)[0])
    run = r.find(frozenset(("execute",)), at, end)
    if run < end and word[run + 1] in ("function", "procedure"):
        called(r, run + 2)
    expressions(r, at, end)


def _create_statistics(r: Reading, at: int, end: int) -> None:
    on = r.find(frozenset(("on",)), at, end)
    source = r.find(frozenset(("from",)), on, end)
    expression(r, on + 1, source, Scope())
    if source < end and r.words.named[source + 1]:
        r.reads.setdefault(r.relation(source + 1)[0])
    expression(r, source + 1, end, Scope())


def published(r: Reading, at: int, end: int) -> None:
    """The tables of CREATE and ALTER PUBLICATION: [ADD | SET | DROP | FOR] TABLE a, [ONLY] b [(…)] [WHERE (…)], …"""
    words = r.words
    word = words.word
    table = r.find(frozenset(("table",)), at, end)
    if table < end:
        for begin, stop in r.split(table + 1, end):
            begin += word[begin] == "table"
            begin += word[begin] == "only"
            if word[begin] == "tables":
                break
            if begin < stop and words.named[begin]:
                r.reads.setdefault(r.relation(begin)[0])
    expressions(r, at, end)


# --- stored statements ---


def _create_rule(r: Reading, at: int, end: int) -> None:
    word, match = r.words.word, r.words.match
    to = r.find(frozenset(("to",)), at, end)
    relation, at = r.relation(to + 1)
    r.writes.setdefault(relation)
    do = r.find(frozenset(("do",)), at, end)
    if do == end:
        raise Unread("a rule was not understood")
    if word[at] == "where":
        rows = [replace(base_source(r, relation), alias=alias) for alias in ("old", "new")]
        condition(r, "WHERE", at + 1, do, Scope(None, rows), {})
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
        first = word[r.behind_with(begin, end)]
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


# --- functions ---


def _create_function(r: Reading, at: int, end: int) -> None:
    """The facts of a body in SQL are facts of the definition: a rule against DROP also meets a function that drops.

    Code in another language cannot be read, and others may run it unasked (a function in use is replaced, triggers and
    defaults call it): to define it takes what it takes to run it.
    """
    words = r.words
    word = words.word
    arguments = r.find(frozenset(("(",)), at, end)
    if arguments == end:
        raise Unread("a function without arguments")
    _defaults(r, arguments + 1, words.match[arguments])
    at = words.match[arguments] + 1
    languages = {words.text[k + 1] for k in _all(r, "language", at, end)}
    if any(language.lower() not in _SAFE_LANGUAGES for language in languages):
        r.effects.add("unsafe-io")
    behind = _inline_body(r, at, end)
    texts = [k for k in _all(r, "as", at, behind) if words.kind[k + 1] is Kind.STRING]
    _attributes(r, at, behind)
    if behind < end and not texts and languages <= {"sql"}:
        return
    if behind == end and len(texts) == 1 and languages == {"sql"} and word[texts[0] + 2] != ",":
        sql_body(r, texts[0] + 1)
        return
    r.effects.add("procedural")


def _all(r: Reading, name: str, at: int, end: int) -> list[int]:
    """Every place of a word outside of brackets."""
    wanted = frozenset((name,))
    found = []
    at = r.find(wanted, at, end)
    while at < end:
        found.append(at)
        at = r.find(wanted, at + 1, end)
    return found


def _defaults(r: Reading, start: int, end: int) -> None:
    """The default values of arguments."""
    for begin, stop in r.split(start, end):
        value = r.find(frozenset(("default", "=")), begin, stop)
        if value < stop:
            expression(r, value + 1, stop, Scope())


def _attributes(r: Reading, at: int, end: int) -> None:
    """SECURITY DEFINER, SET … and SUPPORT of a function."""
    if says(r, at, end, "security", "definer"):
        r.effects.add("privilege")
    for place in _all(r, "set", at, end):
        setting(r, place + 1, end)
    for place in _all(r, "support", at, end):
        called(r, place + 1)


def _inline_body(r: Reading, at: int, end: int) -> int:
    """Read RETURN expression and BEGIN ATOMIC …; END. Where the body begins; `end` without one."""
    word = r.words.word
    body = r.find(frozenset(("atomic",)), at, end)
    while body < end and word[body - 1] != "begin":
        body = r.find(frozenset(("atomic",)), body + 1, end)
    if body < end:
        if word[end - 1] != "end" or word[end - 2] not in (";", "atomic"):
            raise Unread("the body of a function was not understood")
        _statements(r, body + 1, end - 1)
        return body - 1
    result = r.find(frozenset(("return",)), at, end)
    if result < end:
        scan(r, result + 1, end, None, {})
    return result


def alter_function(r: Reading, at: int, end: int) -> None:
    """The attributes that ALTER FUNCTION, PROCEDURE and ROUTINE change."""
    arguments = r.find(frozenset(("(",)), at, end)
    _attributes(r, r.words.match[arguments] + 1 if arguments < end else at, end)


def create_schema(r: Reading, at: int, end: int) -> list[tuple[int, int]]:
    """CREATE SCHEMA may hold CREATE and GRANT statements without semicolons between: where each CREATE stands."""
    word = r.words.word
    starts = frozenset(("create", "grant"))
    if says(r, at, end, "authorization"):
        r.effects.add("privilege")
    inside = []
    begin = r.find(starts, at, end)
    while begin < end:
        stop = r.find(starts, begin + 1, end)
        if word[begin] == "grant":
            r.kinds.setdefault("GRANT")
            r.effects.add("privilege")
        else:
            inside.append((begin, stop))
        begin = stop
    return inside


