"""Lineage as PostgreSQL's own analyser has it: the judge of `Facts.outputs`.

`CREATE FUNCTION … BEGIN ATOMIC <statement>; END` stores the analysed query in pg_proc.prosqlbody (PostgreSQL 14 and later).
Its text (nodeToString in the server's outfuncs.c) is read by `nodes`; `lineage` states for each output column which base
columns may flow into it. A name is resolved there by number, so nothing is guessed.

The law, the least that is true: **what stands in a column's expression flows into it**, and what stands elsewhere does not.

- A column of a relation is itself; of a view it stays the view's. A whole row is all of its columns. `(row).field` is
  that field where the row can be followed, else everything of the row.
- Operators, functions, casts, CASE (its conditions too: they choose the value), COALESCE, rows, arrays, subscripts: all
  operands. A sublink gives what its query returns, and what it is compared with. EXISTS gives nothing.
- An aggregate gives its arguments, ORDER BY and FILTER; a window function its arguments, FILTER, PARTITION BY, ORDER BY and
  the bounds of its frame. count() gives nothing of its arguments, pg_typeof(), GROUPING() and merge_action() nothing.
- A join's merged column (USING, NATURAL) is what the analyser makes of it: the left side's, the right side's of a RIGHT
  JOIN, both of a FULL JOIN. A set operation gives, by position, all arms. A recursive query is followed until nothing more
  flows; SEARCH and CYCLE columns give the columns that they name.
- A function in FROM gives its arguments to each of its own columns, WITH ORDINALITY gives nothing.
- RETURNING gives the target's column and, where INSERT, UPDATE, MERGE or ON CONFLICT assigned it, the value assigned too
  (`old.` gives the column alone).
- WHERE, ON, GROUP BY, HAVING, DISTINCT and the query's own ORDER BY and LIMIT give nothing.
- A function LANGUAGE sql adds what its last statement returns, column by column where it stands in FROM.
- OPAQUE stands for what another function may add that is not PostgreSQL's own and not written in C, and for those of
  PostgreSQL's own that read tables or files by name. Functions in C are the superuser's word that they only compute.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Flow = frozenset[tuple[int, int]]  # (table oid, attnum); negative for system columns
NOTHING: Flow = frozenset()
OPAQUE: Flow = frozenset({(0, 0)})

_TOKEN = re.compile(r'[(){}]|"(?:\\.|[^"\\])*"|(?:\\.|[^\s(){}\\])+', re.DOTALL)
_UNREAD = re.compile(
    r":constvalue \d+ \[[^\]]*\]|:(?:location|stmt_location|stmt_len|vartypmod|varcollid|consttype|consttypmod|constcollid"
    r"|constlen|constbyval|opcollid|inputcollid|funccollid|aggcollid|wincollid|resulttypmod|resultcollid|rewind) -?\w+"
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

_SELECT, _UPDATE, _INSERT, _DELETE, _MERGE = "1", "2", "3", "4", "5"
_RELATION, _SUBQUERY, _JOIN, _FUNCTION, _TABLE_FUNCTION, _VALUES, _CTE, _GROUP = (
    "0", "1", "2", "3", "4", "5", "6", "9",
)  # fmt: skip
_EXISTS = "0"
_MULTIEXPR_PARAM = "3"
_OLD = "1"  # Var.varreturningtype


class Node(dict[str, Any]):
    """`{TAG :field value …}`: fields by name. A value is a Node, a list, a word, or None for <>."""

    def __init__(self, tag: str) -> None:
        super().__init__()
        self.tag = tag


class Unreadable(Exception):
    """The analyser's text has something that this reader does not know: the oracle would be guessing."""


def nodes(text: str) -> Any:
    """The value that a pg_node_tree's text stands for. Constants and places in the text are left out."""
    tokens = _TOKEN.findall(_UNREAD.sub("", text))
    at = 0

    def value() -> Any:
        nonlocal at
        token = tokens[at]
        at += 1
        if token == "(":
            found = []
            while tokens[at] != ")":
                found.append(value())
            at += 1
            return found
        if token == "{":
            node = Node(tokens[at])
            at += 1
            while (name := tokens[at]) != "}":
                if name[0] != ":":
                    raise Unreadable(f"{node.tag} has {name} where a field was expected")
                at += 1
                # a value that stands alone may begin with a colon; what follows it may not
                node[name[1:]] = None if tokens[at] == "}" else value()
                while tokens[at][0] not in ":}":
                    value()
            at += 1
            return node
        if token == "<>":
            return None
        if token[0] == '"':
            token = token[1:-1]
        return _ESCAPED.sub(r"\1", token) if "\\" in token else token

    whole = value()
    if at != len(tokens):
        raise Unreadable("something follows the last node")
    return whole


def queries(tree: Any) -> Iterator[Node]:
    """The queries of a function's body, in their order: lists are nested, one a statement."""
    if isinstance(tree, list):
        for entry in tree:
            yield from queries(entry)
    elif isinstance(tree, Node) and tree.tag == "QUERY":
        yield tree


@dataclass(frozen=True, slots=True)
class Database:
    """What the numbers in a query mean: the columns of each relation, the functions that may add anything, what those
    in `bodies` are known to return instead, the function behind each operator, and which are count() and pg_typeof()."""

    columns: dict[int, Flow]
    opaque: frozenset[int]
    bodies: dict[int, list[Flow]]
    operators: dict[int, int]
    counting: frozenset[int]
    typing: frozenset[int]


@dataclass(slots=True)
class _Level:
    """A query and the one around it."""

    query: Node
    parent: "_Level | None"
    table: list[Node]

    def up(self, levels: int) -> "_Level":
        level = self
        for _ in range(levels):
            assert level.parent is not None
            level = level.parent
        return level


def lineage(query: Node, database: Database) -> list[Flow] | None:
    """What flows into each output column of the query; None where it returns no rows."""
    if query["commandType"] != _SELECT and not query["returningList"]:
        return None
    return _Follower(database).outputs(query, None)


def _visible(targets: list[Node] | None) -> list[Node]:
    return [target for target in targets or () if target["resjunk"] == "false"]


def _union(flows: Iterable[Flow]) -> Flow:
    return NOTHING.union(*flows)


class _Follower:
    """Follows values through one statement. `_assumed` holds what a recursive query is known to return so far."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, list[Flow]] = {}
        self._levels: dict[int, _Level] = {}
        self._assumed: dict[int, list[Flow]] = {}

    # --- queries ---

    def level(self, query: Node, parent: _Level | None) -> _Level:
        level = self._levels.get(id(query))
        if level is None:
            level = _Level(query, parent, query["rtable"] or [])
            self._levels[id(query)] = level
        return level

    def outputs(self, query: Node, parent: _Level | None) -> list[Flow]:
        found = self._known.get(id(query))
        if found is None:
            found = self._known[id(query)] = self._outputs(query, self.level(query, parent))
        return found

    def _outputs(self, query: Node, level: _Level) -> list[Flow]:
        if query["commandType"] != _SELECT:
            return [self.expression(target["expr"], level) for target in _visible(query["returningList"])]
        targets = _visible(query["targetList"])
        if query["setOperations"] is None:
            return [self.expression(target["expr"], level) for target in targets]
        arms = [self.outputs(level.table[at - 1]["subquery"], level) for at in _leaves(query["setOperations"])]
        return [_union(arm[at] for arm in arms) for at in range(len(targets))]

    def cte(self, level: _Level, entry: Node) -> list[Flow]:
        """The columns of a reference to a WITH query."""
        home = level.up(int(entry["ctelevelsup"]))
        cte = _cte(home, entry)
        query = cte["ctequery"]
        if id(query) in self._assumed:
            return self._assumed[id(query)]
        if cte["cterecursive"] == "false":
            return self.outputs(query, home) + self._marks(cte, self.outputs(query, home))
        found = self._known.get(id(cte))
        if found is None:
            found = self._known[id(cte)] = self._fixpoint(cte, query, home)
        return found

    def _fixpoint(self, cte: Node, query: Node, home: _Level) -> list[Flow]:
        plain = [NOTHING] * len(_visible(query["targetList"]))
        found = plain + self._marks(cte, plain)
        before = dict(self._known)
        while True:
            self._assumed[id(query)] = found
            self._known = dict(before)
            plain = self.outputs(query, home)
            grown = plain + self._marks(cte, plain)
            if grown == found:
                break
            found = grown
        del self._assumed[id(query)]
        self._known = before  # what was found on the way may rest on an assumption that grew later
        return found

    def _marks(self, cte: Node, plain: list[Flow]) -> list[Flow]:
        """The columns that SEARCH and CYCLE add."""
        names = cte["ctecolnames"] or []
        by_name = dict(zip(names, plain, strict=False))
        found = []
        if cte["search_clause"] is not None:
            found.append(_union(by_name[name] for name in cte["search_clause"]["search_col_list"]))
        if cte["cycle_clause"] is not None:
            path = _union(by_name[name] for name in cte["cycle_clause"]["cycle_col_list"])
            found += [path, path]
        return found

    # --- the range table ---

    def column(self, level: _Level, index: int, number: int) -> Flow:
        """Column `number` of an entry of the range table; 0 is the whole row."""
        entry = level.table[index - 1]
        kind = entry["rtekind"]
        if kind == _RELATION:
            oid = int(entry["relid"])
            return self._database.columns[oid] if number == 0 else frozenset({(oid, number)})
        if number == 0:
            return _union(self.column(level, index, at + 1) for at in range(len(entry["eref"]["colnames"] or ())))
        if kind == _SUBQUERY:
            return self.outputs(entry["subquery"], level)[number - 1]
        if kind == _JOIN:
            return self.expression(entry["joinaliasvars"][number - 1], level)
        if kind == _CTE:
            return self.cte(level, entry)[number - 1]
        if kind == _VALUES:
            return _union(self.expression(row[number - 1], level) for row in entry["values_lists"])
        if kind == _FUNCTION:
            return self._function_column(level, entry, number)
        if kind == _TABLE_FUNCTION:
            return self._table_function_column(level, entry["tablefunc"], number)
        if kind == _GROUP:
            return self.expression(entry["groupexprs"][number - 1], level)
        raise Unreadable(f"a range table entry of kind {kind}")

    def _function_column(self, level: _Level, entry: Node, number: int) -> Flow:
        names = entry["eref"]["colnames"] or []  # "" for a column of a row type that was dropped
        for function in entry["functions"]:
            count = int(function["funccolcount"])
            if number <= count:
                call = function["funcexpr"]
                body = self._database.bodies.get(int(call.get("funcid", 0)), [])
                if len(body) == len([name for name in names[:count] if name]) > 1:
                    at = len([name for name in names[: number - 1] if name])
                    return self._operands(call, level) | body[at]
                return self.expression(call, level)
            number -= count
            names = names[count:]
        return NOTHING  # ORDINALITY

    def _table_function_column(self, level: _Level, function: Node, number: int) -> Flow:
        shared = [function["docexpr"], function["rowexpr"], function.get("passingvalexprs"), function["ns_uris"]]
        own = [function.get(name) for name in ("colexprs", "coldefexprs", "colvalexprs")]
        return self.expression([*shared, *(each[number - 1] for each in own if each)], level)

    # --- expressions ---

    def expression(self, tree: Any, level: _Level) -> Flow:
        """What flows into the value of an expression, or of several in a list."""
        if isinstance(tree, list):
            return _union(self.expression(entry, level) for entry in tree)
        if not isinstance(tree, Node):
            return NOTHING
        special = getattr(self, f"_{tree.tag.lower()}", None)
        if special is not None:
            found: Flow = special(tree, level)
            return found
        return self._operands(tree, level)

    def _operands(self, node: Node, level: _Level) -> Flow:
        return _union(self.expression(part, level) for part in node.values() if isinstance(part, Node | list))

    def _var(self, var: Node, level: _Level) -> Flow:
        home = level.up(int(var["varlevelsup"]))
        index, number = int(var["varno"]), int(var["varattno"])
        found = self.column(home, index, number)
        query = home.query
        if query["commandType"] != _SELECT and index == int(query["resultRelation"]):
            if _in_returning(query, var) and var.get("varreturningtype") != _OLD:
                found |= self._assigned(home, number)
        elif (conflict := query["onConflict"]) is not None and index == int(conflict["exclRelIndex"]):
            found |= self._proposed(home, number)
        return found

    def _assigned(self, level: _Level, number: int) -> Flow:
        """What the statement itself puts into a column of its target (0: into any), as RETURNING shows it."""
        query = level.query
        lists = [] if query["commandType"] == _DELETE else [query["targetList"]]
        lists += [action["targetList"] for action in query.get("mergeActionList") or ()]
        if query["onConflict"] is not None:
            lists.append(query["onConflict"]["onConflictSet"])
        return _union(
            self.expression(target["expr"], level)
            for targets in lists
            for target in _visible(targets)
            if number in (0, int(target["resno"]))
        )

    def _proposed(self, level: _Level, number: int) -> Flow:
        """excluded.column: what INSERT would have put there."""
        targets = _visible(level.query["targetList"])
        return _union(
            self.expression(one["expr"], level) for one in targets if number in (0, int(one["resno"]))
        )

    def _param(self, param: Node, level: _Level) -> Flow:
        """A column of `SET (a, b) = (SELECT …)`, whose sublinks stand at the end of the target list. Others are given."""
        if param["paramkind"] != _MULTIEXPR_PARAM:
            return NOTHING
        link, number = divmod(int(param["paramid"]), 1 << 16)
        lists = [level.query["targetList"], *(a["targetList"] for a in level.query.get("mergeActionList") or ())]
        if level.query["onConflict"] is not None:
            lists.append(level.query["onConflict"]["onConflictSet"])
        for target in (target for targets in lists for target in targets or ()):
            one = target["expr"]
            if isinstance(one, Node) and one.tag == "SUBLINK" and int(one["subLinkId"]) == link:
                return self.outputs(one["subselect"], level)[number - 1]
        raise Unreadable("a parameter of no sublink")

    def _sublink(self, link: Node, level: _Level) -> Flow:
        if link["subLinkType"] == _EXISTS:
            return NOTHING
        return self.expression(link["testexpr"], level).union(*self.outputs(link["subselect"], level))

    def _funcexpr(self, call: Node, level: _Level) -> Flow:
        oid = int(call["funcid"])
        if oid in self._database.typing:
            return NOTHING
        return self._operands(call, level) | self._added(oid)

    def _opexpr(self, call: Node, level: _Level) -> Flow:
        function = int(call["opfuncid"]) or self._database.operators[int(call["opno"])]
        return self._operands(call, level) | self._added(function)

    def _added(self, function: int) -> Flow:
        """What a function's result may hold beside its arguments."""
        body = self._database.bodies.get(function)
        if body is not None:
            return _union(body)
        return OPAQUE if function in self._database.opaque else NOTHING

    _distinctexpr = _nullifexpr = _scalararrayopexpr = _opexpr

    def _rowcompareexpr(self, call: Node, level: _Level) -> Flow:
        functions = [self._database.operators[number] for number in _numbers(call["opnos"])]
        return self._operands(call, level).union(*(self._added(function) for function in functions))

    def _aggref(self, call: Node, level: _Level) -> Flow:
        if int(call["aggfnoid"]) in self._database.counting:
            return self.expression(call["aggfilter"], level)
        return self._operands(call, level) | self._added(int(call["aggfnoid"]))

    def _windowfunc(self, call: Node, level: _Level) -> Flow:
        window = next(one for one in level.query["windowClause"] if one["winref"] == call["winref"])
        keys = {
            key["tleSortGroupRef"]
            for clause in ("partitionClause", "orderClause")
            for key in window[clause] or ()
        }
        targets = [one for one in level.query["targetList"] if one["ressortgroupref"] in keys]
        found = self.expression([window["startOffset"], window["endOffset"], call["aggfilter"], *targets], level)
        if int(call["winfnoid"]) not in self._database.counting:
            found |= self.expression(call["args"], level)
        return found | self._added(int(call["winfnoid"]))

    def _groupingfunc(self, call: Node, level: _Level) -> Flow:
        return NOTHING

    def _fieldselect(self, select: Node, level: _Level) -> Flow:
        return self._field(select["arg"], int(select["fieldnum"]), level)

    def _field(self, tree: Any, number: int, level: _Level) -> Flow:
        """One field of a row: followed to where the row was made, else everything that the row may hold."""
        if not isinstance(tree, Node):
            raise Unreadable("a field of no row")
        if tree.tag == "ROWEXPR" and number <= len(tree["args"] or ()):
            return self.expression(tree["args"][number - 1], level)
        if tree.tag != "VAR":
            return self.expression(tree, level)
        home = level.up(int(tree["varlevelsup"]))
        index, at = int(tree["varno"]), int(tree["varattno"])
        entry = home.table[index - 1]
        if at == 0 and home.query["commandType"] == _SELECT and entry["rtekind"] != _FUNCTION:
            return self.column(home, index, number)
        if at > 0 and entry["rtekind"] == _JOIN:
            return self._field(entry["joinaliasvars"][at - 1], number, home)
        if at > 0 and entry["rtekind"] in (_SUBQUERY, _CTE):
            inner, around = self._derived(entry, home)
            if inner["commandType"] == _SELECT and inner["setOperations"] is None:
                return self._field(_visible(inner["targetList"])[at - 1]["expr"], number, self.level(inner, around))
        return self.expression(tree, level)

    def _derived(self, entry: Node, level: _Level) -> tuple[Node, _Level]:
        """The query behind an entry of the range table, and the level around it."""
        if entry["rtekind"] == _SUBQUERY:
            return entry["subquery"], level
        home = level.up(int(entry["ctelevelsup"]))
        return _cte(home, entry)["ctequery"], home


def _cte(home: _Level, entry: Node) -> Node:
    """The WITH query that an entry of the range table names, among those of the level that has it."""
    found: Node = next(one for one in home.query["cteList"] if one["ctename"] == entry["ctename"])
    return found


def _leaves(tree: Node) -> Iterator[int]:
    """The places in the range table of a set operation's arms."""
    if tree.tag == "RANGETBLREF":
        yield int(tree["rtindex"])
    else:
        yield from _leaves(tree["larg"])
        yield from _leaves(tree["rarg"])


def _numbers(words: list[str] | None) -> list[int]:
    """A list of integers or oids, `(i 1 2)` or `(o 1 2)`."""
    return [int(word) for word in (words or ["i"])[1:]]


def _in_returning(query: Node, var: Node) -> bool:
    """Whether the reference stands in the RETURNING list: only there the target's row is the changed one."""

    def holds(tree: Any) -> bool:
        if tree is var:
            return True
        if isinstance(tree, list):
            return any(holds(entry) for entry in tree)
        return isinstance(tree, Node) and any(holds(part) for part in tree.values())

    return holds(query["returningList"])
