"""Joins of a FROM list: which columns USING and NATURAL make of two (manual, section 7.2.1.1).

A merged column is the left side's, of a RIGHT JOIN the right side's, of a FULL JOIN either. Where an inner join has to
convert one side, the server takes the other.

Joins are read from left to right with a stack of operands: JOIN waits for its ON or USING, which belongs to the last two;
CROSS and NATURAL take their right side at once.
"""

from parser.facts import Output
from parser.lineage import Item, Scope, Source, blend
from parser.probes import joined, note
from parser.reading import Reading, Unread
from parser.references import converted


class Joins:
    """The operands of one FROM list that are not joined yet, each with the sources whose columns a bare name may mean."""

    __slots__ = ("_kinds", "_mark", "_operands", "_scope")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._operands: list[list[Source]] = []
        self._kinds: list[str] = []  # of the joins between them
        self._mark = len(scope.sources)

    def begin(self) -> None:
        """A comma, or the start: what comes next is joined with nothing before it."""
        self._operands.clear()
        self._kinds.clear()
        self._mark = len(self._scope.sources)

    def operand(self, kind: str = "") -> None:
        """A table reference was read: what it put into the scope is one operand. `kind`: left, right, full or inner, of the
        join in front of it."""
        if kind:
            self._kinds.append(kind)
        added = self._scope.sources[self._mark :]
        self._operands.append([source for source in added if not source.qualified_only])
        self._mark = len(self._scope.sources)

    def on(self) -> None:
        """The last two operands are one now, all of their columns side by side."""
        left, right, _ = self._pair()
        self._operands.append(left + right)

    def using(self, r: Reading, names: list[str] | None) -> list[Item] | None:
        """The last two operands are one, with one column for each of the names (None: those both sides have). Those columns;
        None where it is not known which columns there are."""
        left, right, kind = self._pair()
        wanted = names is not None
        mine = [item for source in left for item in source.star()]
        theirs = [item for source in right for item in source.star()]
        known = all(source.closed() for source in (*left, *right))
        common: list[Item] = []
        if known and names is None:
            known = all(item.name is not None for item in (*mine, *theirs))
            right_names = {item.name for item in theirs}
            names = [item.name for item in mine if item.name is not None and item.name in right_names]
        for name in names or () if known else ():
            pair = [item.out for items in (mine, theirs) for item in items if item.name == name]
            known = known and len(pair) == 2
            if known:
                common.append(Item(name, _merged(r, kind, *pair)))
                joined(r, "USING" if wanted else "NATURAL JOIN", *pair)
                r.columns_read |= pair[0].columns | pair[1].columns
        if not known:
            self._scope.merged = True
            self._scope.known.clear()
            for source in (*left, *right) if not wanted else ():
                note(r, "NATURAL JOIN", source.whole())
            self._operands.append(left + right)
            return None
        for source in (*left, *right):
            source.qualified_only = True
        taken = {item.name for item in common}
        rest = [item for item in (*mine, *theirs) if item.name not in taken or item.name is None]
        both = Source(None, None, [*common, *rest])
        self._scope.add(both)
        self._mark = len(self._scope.sources)
        self._operands.append([both])
        return common

    def _pair(self) -> tuple[list[Source], list[Source], str]:
        if len(self._operands) < 2 or not self._kinds:
            raise Unread("a join was not understood")
        right = self._operands.pop()
        return self._operands.pop(), right, self._kinds.pop()


def _merged(r: Reading, kind: str, left: Output, right: Output) -> Output:
    """The column that a join makes of two."""
    if kind == "left":
        return left
    if kind == "right":
        return right
    if kind == "inner":
        declared = _declared(r, left)
        if declared is not None and declared == _declared(r, right):
            return left
    return converted(r, blend((left, right)))


def _declared(r: Reading, out: Output) -> str | None:
    """The type of an output that is one column handed through; None where it is not known."""
    if r.known is None or not out.plain or len(out.columns) != 1:
        return None
    (column,) = out.columns
    table = r.known.table(column.relation.schema, column.relation.name)
    if table is None or not table.types or column.name not in table.names:
        return None
    return table.types[table.columns.index(column.name)]
