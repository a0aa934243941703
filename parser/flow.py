"""What flows into one expression while it is read: its state, and the parts of it that need no look at the grammar around.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from parser.facts import Column, Output, Setting, Use
from parser.guards import cast_end, castable, condition_end
from parser.keywords import NOT_A_NAME
from parser.lineage import FREE, OPAQUE, Scope, row_in
from parser.probes import probe, shaped
from parser.reading import Env, Reading, Unread
from parser.references import TYPE_NAMES, called, converted, field, row_field
from parser.routines import EFFECTS
from parser.tokens import Kind

CAST = "a cast"  # the clause of columns that may fail to become another type


class Flow(ABC):
    """The state of one flat reading."""

    __slots__ = (
        "at",
        "cases",
        "columns",
        "counted",
        "end",
        "env",
        "form",
        "frame",
        "framing",
        "free",
        "item",
        "loose",
        "opaque",
        "operand",
        "r",
        "scope",
        "zone",
        "zoned",
    )

    def __init__(self, r: Reading, start: int, end: int, scope: Scope | None, env: Env, item: bool) -> None:
        self.r = r
        self.at = start
        self.end = end
        self.scope = scope
        self.env = env
        self.item = item
        self.columns: set[Column] = set()
        self.opaque = False
        self.operand = True
        self.cases = 0
        self.free = -1  # up to here values are counted, not handed through
        self.loose = -1  # up to here the grammar is free
        self.frame = -1  # up to here a window's definition
        self.framing = False  # in its ROWS, RANGE or GROUPS clause
        self.form = -1  # the token that is the form argument of normalize()
        self.counted = -1  # up to here columns are only counted
        self.zone = -1  # up to here a value tells by more than itself (parser.guards), and in what
        self.zoned = ""

    @abstractmethod
    def run(self) -> Output:
        """Read it all; what flows in."""

    def flowed(self) -> Output:
        """What has flowed in."""
        if self.r.implicit:
            self.take(converted(self.r, FREE))
        if not self.columns and not self.opaque:
            return FREE
        return Output(frozenset(self.columns), self.opaque)

    def guard(self, end: int, what: str) -> None:
        """Up to a token columns are put to the test, although their value is handed on; -1: they are not."""
        if end > self.zone:
            self.zone, self.zoned = end, what

    def clause(self) -> str:
        """Where what is read now is put to the test; "" where it is not."""
        return self.r.clause or (self.zoned if self.at <= self.zone else "")

    def take(self, out: Output) -> None:
        clause = self.clause()
        if clause and self.at <= self.counted and (out.plain or all(one.name == "*" for one in out.columns)):
            if out.plain:
                shaped(self.r, clause, out)
        elif clause:
            probe(self.r, out, self.at, clause)
        if self.at > self.free:
            self.columns |= out.columns
            self.opaque = self.opaque or out.opaque

    def case(self, at: int, w: str) -> None:
        """At CASE or WHEN: conditions, and what may fail behind END."""
        if w == "case":
            self.guard(cast_end(self.r, at), CAST)
        self.guard(condition_end(self.r, at), "CASE")

    def converted(self, out: Output, start: int, behind: int) -> None:
        """A column with a cast or a subscript behind it, where its value is handed on."""
        r = self.r
        if self.clause() or cast_end(r, start) < 0:
            return
        direct = out.plain and castable(r, behind)
        r.use(Use("cast" if direct else "other", CAST, out.columns, out.opaque))

    def field(self, opening: int) -> bool:
        """`(t).x` of a relation in scope and `(ROW(a, b)).f2`."""
        words = self.r.words
        close = words.match[opening]
        if words.word[opening + 1] == "row" and words.match.get(opening + 2) == close - 1:
            return self.made_field(opening + 2, words.text[close + 2])
        key = words.text[close + 2]
        if not words.named[close + 2] or words.word[opening + 1] in NOT_A_NAME:
            return False
        out: Output | None = None
        if close == opening + 2:
            out = field(self.r, self.scope, words.text[opening + 1], key, opening + 1)
        elif close == opening + 4 and words.word[opening + 2] == "." and self.scope is not None:
            out = row_field(self.r, row_in(self.scope, words.text[opening + 3], words.text[opening + 1]), key)
        if out is None:
            return False
        self.take(out)
        self.at = close + 3
        self.operand = False
        return True

    def made_field(self, opening: int, name: str) -> bool:
        """One field of a row that is made here; the others are read too, for what they do."""
        arguments = self.r.split(opening + 1, self.r.words.match[opening])
        place = int(name[1:]) if name[:1] == "f" and name[1:].isdecimal() else 0
        if not 0 < place <= len(arguments):
            return False
        for number, (begin, stop) in enumerate(arguments, 1):
            out = type(self)(self.r, begin, stop, self.scope, self.env, False).run()
            if number == place:
                self.take(out)
        self.at = self.r.words.match[opening] + 4
        self.operand = False
        return True

    def attribute(self, name: str) -> None:
        """`(value).name`: a field, or the function called with the value."""
        r = self.r
        r.functions.add((None, name))
        effects = EFFECTS.get(name)
        if effects:
            r.effects |= effects
            self.take(OPAQUE)
        elif r.known is not None and r.known.routines(None, name):
            self.take(called(r, None, name))

    def behind(self, calls: Iterable[tuple[str, str]]) -> None:
        """The functions behind an operator or a cast that is not PostgreSQL's own run with it."""
        for schema, name in calls:
            self.r.functions.add((schema, name))
            self.r.effects |= EFFECTS.get(name, frozenset())
            self.take(called(self.r, schema, name))

    def cast(self, at: int) -> None:
        """A cast to the type at a token."""
        r = self.r
        if r.casts and r.words.named[at]:
            parts, _ = r.name(at)
            self.behind(r.casts.get(TYPE_NAMES.get(parts[-1], parts[-1]), ()))

    def shadowed(self, name: str) -> Output:
        """What a function of one's own may add that is called like a construct of newer versions (json_object)."""
        own = self.r.known is not None and any(not one.builtin for one in self.r.known.routines(None, name))
        if own:
            self.r.functions.add((None, name))
        return called(self.r, None, name) if own else FREE

    def treat(self, opening: int, close: int) -> None:
        """TREAT (value AS name) calls the function pg_catalog.name with the value."""
        r = self.r
        at = r.find(frozenset(("as",)), opening + 1, close)
        if at == close:
            raise Unread("TREAT was not understood")
        parts, _ = r.name(at + 1)
        r.functions.add(("pg_catalog", parts[-1]))
        r.effects |= EFFECTS.get(parts[-1], frozenset())
        self.take(called(r, "pg_catalog", parts[-1]))


def named_window(scope: Scope | None, name: str) -> Output:
    """What a window of the WINDOW clause takes in."""
    return scope.windows.get(name, OPAQUE) if scope is not None else OPAQUE


def setting(r: Reading, opening: int) -> None:
    """Note a call of set_config; raises Unread where the value is computed: a setting would carry stored data out."""
    words = r.words
    r.by_value = True
    arguments = r.split(opening + 1, words.match[opening])
    if len(arguments) != 3:
        r.settings.append(Setting("*", None))
        return
    literals = []
    for start, end in arguments:
        plain = end - start == 1 and words.kind[start] in (Kind.STRING, Kind.PARAM)
        literals.append(words.text[start] if plain and words.kind[start] is Kind.STRING else None)
    start, end = arguments[1]
    if any(words.named[k] and words.word[k - 1] != "::" for k in range(start, end)) and not (
        end - start == 1 and words.word[start] == "null"
    ):
        raise Unread("set_config with a computed value")
    local = words.word[arguments[2][0]] != "false"
    name = literals[0].lower() if literals[0] is not None else "*"
    r.settings.append(Setting(name, literals[1], local))
