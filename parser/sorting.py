"""What rows are sorted, grouped and compared by, and what each key is made of: ORDER BY, GROUP BY, DISTINCT ON, UNION …"""

from parser.expressions import condition
from parser.keywords import SET_OPERATIONS
from parser.lineage import Item, Scope
from parser.probes import GROUPING, note
from parser.reading import Env, Reading
from parser.tokens import Kind

Clauses = list[tuple[str, int, int]]  # keyword, first token behind it, end


def compared(r: Reading, clauses: Clauses, items: list[Item]) -> None:
    """Set operations compare rows, all but UNION ALL, and sort what they give by its own columns."""
    for w, at, stop in clauses:
        if w in SET_OPERATIONS and (w != "union" or r.words.word[at] != "all"):
            for item in items:
                note(r, w.upper(), item.out)
        elif w == "order":
            for begin, end in r.split(at + 1, stop):
                for item in _result_columns(r, begin, end, items):
                    note(r, "ORDER BY", item.out)


def key(
    r: Reading,
    clause: str,
    begin: int,
    stop: int,
    scope: Scope,
    env: Env,
    items: list[Item],
    *,
    result_first: bool,
) -> None:
    """What rows are sorted or grouped by: a result column by its number or name, or an expression. `result_first`: a name
    means a result column rather than one of FROM."""
    columns = _result_columns(r, begin, stop, items)
    local = scope.sources if not result_first and r.words.named[begin] else []
    had = [source.column(r.words.text[begin]) for source in local]
    if any(one is not None and one[1] for one in had):
        columns = []
    for item in columns:
        note(r, clause, item.out, "group" if clause in GROUPING and item.out.plain else "other")
    if not columns or any(had):
        condition(r, clause, begin, stop, scope, env)


def _result_columns(r: Reading, begin: int, stop: int, items: list[Item]) -> list[Item]:
    """The result columns that a bare name or number means; [] where it is another expression."""
    words = r.words
    while words.word[begin] == "(" and not words.is_query(begin) and _ends(r, words.match[begin] + 1, stop):
        begin, stop = begin + 1, words.match[begin]
    if not _ends(r, begin + 1, stop):
        return []
    if words.named[begin]:
        return [item for item in items if item.name == words.text[begin]]
    if words.kind[begin] is not Kind.INTEGER:
        return []
    if len({item.out for item in items}) > 1:
        r.by_value = True
    number = words.text[begin]
    if any(item.many for item in items) or not number.isdecimal() or not 0 < int(number) <= len(items):
        return items
    return [items[int(number) - 1]]


def _ends(r: Reading, at: int, stop: int) -> bool:
    """Whether nothing stands there but the direction of a sort key."""
    return at == stop or r.words.word[at] in ("asc", "desc", "nulls", "using")


def groups(r: Reading, at: int, stop: int, scope: Scope, env: Env, items: list[Item]) -> None:
    """The grouping elements between two tokens; sets within sets."""
    words = r.words
    word, match = words.word, words.match
    r.enter()
    for begin, end in r.split(at, stop):
        sets = word[begin] == "grouping" and word[begin + 1] == "sets"
        opening = begin + 2 if sets else begin + 1 if word[begin] in ("rollup", "cube") else begin
        if word[opening] == "(" and match[opening] == end - 1 and not words.is_query(opening):
            groups(r, opening + 1, end - 1, scope, env, items)
        else:
            key(r, "GROUP BY", begin, end, scope, env, items, result_first=False)
    r.depth -= 1
