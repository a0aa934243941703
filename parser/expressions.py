"""Reading expressions: which columns, functions and queries are in them, and what may flow into their value.

An expression is read flat, from left to right, without a tree: what flows into it is the union of what stands in it, so
operators' precedence does not matter. What matters is whether an operand or an operator is expected, because that tells
a column from a keyword of the same spelling.
"""


from parser.facts import Output
from parser.flow import CAST, Flow, named_window, setting
from parser.guards import (
    cast_end,
    chosen_late,
    counted_plainly,
    divisor_end,
    telling_end,
)
from parser.keywords import (
    AFTER_OPERAND,
    BEFORE_OPERAND,
    BETWEEN_OPERANDS,
    CONSTANTS,
    FREE_GRAMMAR_CALLS,
    NOT_A_NAME,
    PREDICATES,
    SYNTAX_CALLS,
    word_set,
)
from parser.lineage import OPAQUE, Scope, in_scope
from parser.probes import probe, selected
from parser.reading import Env, Reading, Unread
from parser.references import (
    FIELDS,
    LONG_TYPES,
    called,
    counts,
    resolve,
    type_end,
    whole,
)
from parser.routines import EFFECTS
from parser.tokens import Kind

_OPENERS = frozenset(("from", "order", "where", "when", "asymmetric"))  # in front of an operand, rarely
_FRAME = word_set(
    """
    between unbounded preceding following current row and exclude no others ties group rows range groups
    """
)
_BEFORE_BOUNDS = frozenset(("between", "and", "rows", "range", "groups"))
_FORMS = frozenset(("nfc", "nfd", "nfkc", "nfkd"))
_FREE_WORDS = word_set(
    """
    passing by ref value key error empty on without wrapper conditional unconditional keep omit quotes scalar string
    absent unique keys format json encoding utf8 document content preserve whitespace strip version standalone yes no
    indent object
    """
)
_MARKS = frozenset(("grouping", "merge_action"))  # tell of the query, not of the values
# Operators behind the words that stand for them.
_SPELLED = {
    "like": ("~~", "!~~"),
    "ilike": ("~~*", "!~~*"),
    "similar": ("~", "!~"),
    "between": (">=", "<=", ">", "<"),
    "in": ("=", "<>"),
    "is": ("=",),
    "case": ("=",),
    "nullif": ("=",),
}


def scan(r: Reading, start: int, end: int, scope: Scope | None, env: Env, *, item: bool = False) -> Output:
    """Read the tokens from start to end as an expression, or several with commas between; the union of what flows in.

    With `item` a name behind the last operand is its alias: it is left in `r.label`. Raises Unread.
    """
    r.label = None
    words = r.words
    if start >= end:
        raise Unread("an expression was expected")
    if words.named[start] and words.word[start] not in NOT_A_NAME and (start + 1 == end or words.word[start + 1] == "."):
        parts, behind = r.name(start)
        if behind == end:
            out = resolve(r, scope, parts, start)
            if r.clause:
                probe(r, out, start, r.clause, alone=True)
            return out
    return _Scan(r, start, end, scope, env, item).run()


def condition(r: Reading, clause: str, start: int, end: int, scope: Scope | None, env: Env) -> Output:
    """Read an expression that decides something in a clause."""
    before, r.clause = r.clause, clause
    out = scan(r, start, end, scope, env)
    r.clause = before
    return out


def window(r: Reading, opening: int, scope: Scope, env: Env) -> Output:
    """What a window's definition in brackets takes in."""
    before, r.clause = r.clause, "WINDOW"  # rows come in its order
    reader = _Scan(r, opening, r.words.match[opening], scope, env, False)
    reader.window(opening)
    out = reader.run()
    r.clause = before
    return out


class _Scan(Flow):
    """A flat reading: the machine that goes from token to token."""

    __slots__ = ()

    def run(self) -> Output:
        words = self.r.words
        word, named = words.word, words.named
        if not self.r.clause:
            self.guard(chosen_late(self.r, self.at, self.end), "an expression that may fail")
        while self.at < self.end:
            at = self.at
            if named[at]:
                self.word(word[at], words.kind[at] is Kind.QUOTED)
            else:
                self.mark(word[at])
        return self.flowed()

    def mark(self, w: str) -> None:
        at, words = self.at, self.r.words
        if w == "(":
            if words.is_query(at):
                self.guard(cast_end(self.r, at), CAST)
                self.subquery(at)
                return
            self.guard(cast_end(self.r, at), CAST)
            if words.named[at + 1] and words.word[words.match[at] + 1] == "." and self.field(at):
                return
            self.operand = True
        elif w == ")" or w == "]" or w == "'" or w == "0" or w == "$" or (w == "*" and self.operand):
            self.operand = False
        elif w == ".":
            if words.named[at + 1]:
                # (value).name is a field, or the function called with the value
                self.attribute(words.text[at + 1])
            elif words.word[at + 1] != "*":
                raise Unread("a point in an unexpected place")
            self.at = at + 2
            self.operand = False
            return
        elif w == "::":
            self.cast(at + 1)
            self.at = type_end(self.r, at + 1)
            self.operand = False
            return
        elif w == ";" or w == "":
            raise Unread("brackets do not pair")
        else:
            self.operand = True
            self.guard(divisor_end(self.r, at), "a division")
            if self.r.operators:
                self.behind(self.r.operators.get("<>" if w == "!=" else w, ()))
        self.at = at + 1

    def subquery(self, opening: int, *, existence: bool = False) -> None:
        close = self.r.words.match[opening]
        items = self.r.query(self.r, opening + 1, close, self.scope, self.env)
        if not existence:
            clause = self.clause()
            if clause:
                selected(self.r, clause, items, opening)
            if opening > self.free:
                for entry in items:
                    self.columns |= entry.out.columns
                    self.opaque = self.opaque or entry.out.opaque
        self.at = close + 1
        self.operand = False

    def word(self, w: str, quoted: bool) -> None:
        at = self.at
        if self.r.operators and not quoted:
            for symbol in _SPELLED.get(w, ()):
                self.behind(self.r.operators.get(symbol, ()))
            if w == "operator" and self.r.words.word[at + 1] == "(":
                self.behind(self.r.operators.get(self.r.words.word[self.r.words.match[at + 1] - 1], ()))
        if at <= self.loose:
            self.freely(w, quoted)
        elif at <= self.frame and not quoted and self.in_frame(w):
            self.at = at + 1
            self.operand = True
        elif not self.operand:
            self.after(w, quoted)
        elif quoted:
            self.name()
        elif w in NOT_A_NAME:
            self.reserved(w)
        elif not self.construct(w):
            self.name()

    def freely(self, w: str, quoted: bool) -> None:
        """A word of XML's or JSON's own grammar. Where the database is known a keyword that no column is called is told
        apart; otherwise every name may be a column."""
        at, r = self.at, self.r
        labels = r.known is not None and not quoted and r.words.named[at + 1]
        if labels and w in ("returning", "as"):
            self.at = type_end(r, at + 1)
            self.operand = False
        elif labels and w == "name":
            self.at = at + 2
            self.operand = False
        elif w in NOT_A_NAME and not quoted:
            self.at = at + 1
            self.operand = w not in CONSTANTS
        elif r.known is not None and not quoted and w in _FREE_WORDS and not in_scope(self.scope, w):
            self.at = at + 1
            self.operand = True
        else:
            self.name()

    def in_frame(self, w: str) -> bool:
        """Whether a word in a window's definition belongs to its frame clause."""
        if not self.framing and not self.operand and w in ("rows", "range", "groups"):
            self.framing = True
        called = self.r.words.word[self.at + 1] == "(" and w not in _BEFORE_BOUNDS  # unbounded(1) is a call
        return self.framing and w in _FRAME and not called

    def reserved(self, w: str) -> None:
        """A keyword that cannot be a name, where an operand is expected."""
        at = self.at
        behind = self.r.words.word[at + 1]
        if w in CONSTANTS:
            if w == "current_schema" and behind == "(":
                self.name()
                return
            self.at = at + 1
            self.operand = False
        elif w in BEFORE_OPERAND:
            if w == "case" or w == "when":
                self.case(at, w)
            self.cases += w == "case"
            self.at = at + 1
        elif w in _OPENERS or (w == "array" and behind in ("[", "(")):
            self.guard(cast_end(self.r, at) if w == "array" else -1, CAST)
            self.at = at + (2 if w == "order" and behind == "by" else 1)
        elif w == "collation" and behind == "for":
            self.at = at + 2
        elif w == "current_schema":
            self.at = at + 1
            self.operand = False
        elif behind == "(" or behind == ".":
            self.name()
        elif w == "end" and self.cases:
            self.at = at + 1
            self.operand = False
        else:
            raise Unread("an expression was not understood")

    def construct(self, w: str) -> bool:
        """A construct that starts with a word that could also be a name; False where it is one."""
        at = self.at
        word = self.r.words.word
        behind = word[at + 1]
        if behind == "(":
            if w == "exists" and self.r.words.is_query(at + 1):
                self.at = at + 1
                self.subquery(at + 1, existence=True)
                return True
            if w == "row":
                self.at = at + 1
                return True
            if w == "operator":
                self.at = self.r.words.match[at + 1] + 1
                return True
        elif w in ("timestamp", "time") and behind in ("with", "without") and word[at + 2] == "time":
            self.at = at + 4
            self.operand = False
            return True
        elif behind in LONG_TYPES.get(w, ()) and word[at + 2] in ("'", "(", "varying"):
            self.at = at + 2
            self.operand = False
            return True
        return False

    def name(self) -> None:
        """A column, a call, a typed literal or the name of an argument."""
        r = self.r
        words = r.words
        start = self.at
        parts, at = r.name(start)
        behind = words.word[at]
        self.operand = False
        if behind == "(":
            self.at = at
            self.call(parts, words.kind[start] is Kind.IDENT)
        elif behind == "'" and words.kind[at] is Kind.STRING:
            self.at = at + 1
        elif behind == ":=" or behind == "=>":
            self.at = at + 1
            self.operand = True
        elif behind == "." and words.word[at + 1] == "*":
            self.take(whole(r, self.scope, parts, start))
            self.at = at + 2
        else:
            if start != self.form:
                out = resolve(r, self.scope, parts, start)
                self.take(out)
                if behind == "::" or behind == "[":
                    self.converted(out, start, at)
            self.at = at

    def call(self, parts: list[str], unquoted: bool) -> None:
        """A function call; stands at its bracket."""
        r = self.r
        words = r.words
        opening = self.at
        name = parts[-1]
        schema = parts[-2] if len(parts) > 1 else None
        syntax = unquoted and schema is None and name in SYNTAX_CALLS
        close = words.match[opening]
        if not syntax:
            r.functions.add((schema, name))
            effects = EFFECTS.get(name)
            if effects:
                r.effects |= effects
                if name == "set_config":
                    setting(r, opening)
        if syntax and name in FREE_GRAMMAR_CALLS:
            self.loose = max(self.loose, close)
            self.take(OPAQUE if r.known is None else self.shadowed(name))
        elif not syntax:
            self.take(called(r, schema, name))
        if syntax and name == "treat":
            self.treat(opening, close)
        if not r.clause:
            self.guard(cast_end(r, opening - 1), CAST)
            if not syntax or name == "xmlparse":
                self.guard(telling_end(r, schema, name, opening), f"{name}()")
        if (syntax and name in _MARKS) or counts(r, schema, name):
            self.free = max(self.free, close)
            self.guard(close if name == "count" else -1, "count()")
            if counted_plainly(r, opening):
                self.counted = max(self.counted, close)
        if words.is_query(opening):
            self.subquery(opening)
            return
        if name == "extract" and words.word[opening + 2] == "from":
            self.at = opening + 3
        else:
            if name == "normalize" and words.word[close - 1] in _FORMS:
                self.form = close - 1
            self.at = opening + 1
        self.operand = True

    def after(self, w: str, quoted: bool) -> None:
        """A word where an operator is expected."""
        at = self.at
        words = self.r.words
        if self.item and at == self.end - 1 and (quoted or not (w == "end" and self.cases)):
            if quoted or w not in ("isnull", "notnull"):
                self.r.label = words.text[at]
            self.at = at + 1
            return
        if quoted:
            raise Unread("a name in an unexpected place")
        behind = words.word[at + 1]
        self.at = at + 1
        if (w == "to" and behind in FIELDS) or (w == "at" and behind == "local"):
            self.at = at + 2
        elif w == "at" and behind == "time":
            self.at = at + 3
            self.operand = True
        elif (w == "order" and behind == "by") or (w == "similar" and behind == "to"):
            self.at = at + 2
            self.operand = True
        elif w == "similar":  # substring(text SIMILAR pattern ESCAPE mark)
            self.operand = True
        elif w == "not":
            pass  # in front of LIKE, IN, BETWEEN …
        elif w in BETWEEN_OPERANDS:
            self.operand = True
            if w == "when":
                self.case(at, w)
        elif w in AFTER_OPERAND:
            self.cases -= w == "end"
        elif w == "is":
            self.predicate()
        elif w == "collate":
            _, self.at = self.r.name(at + 1)
        elif w == "as":
            self.cast(at + 1)
            self.at = type_end(self.r, at + 1)
        elif w == "over":
            self.over(at + 1)
        elif (w == "filter" and behind == "(") or (w == "within" and behind == "group"):
            self.at = at + (2 if w == "filter" else 3)
            self.operand = True
            if w == "filter":
                self.guard(words.match[at + 1], "FILTER")
        elif w == "operator" and behind == "(":
            self.at = words.match[at + 1] + 1
            self.operand = True
        else:
            raise Unread("an expression was not understood")

    def predicate(self) -> None:
        """What follows IS."""
        word = self.r.words.word
        at = self.at
        while word[at] in PREDICATES:
            at += 1
        if word[at] == "distinct" and word[at + 1] == "from":
            at += 2
            self.operand = True
        self.at = at

    def over(self, at: int) -> None:
        words = self.r.words
        if words.word[at] == "(":
            self.guard(words.match[at], "OVER")  # rows come in its order
            self.window(at)
        elif words.named[at]:
            self.take(named_window(self.scope, words.text[at]))
            self.at = at + 1
        else:
            raise Unread("a window was expected")

    def window(self, opening: int) -> None:
        """Stands in front of a window's brackets: take its base window and leave the rest to the flat reading."""
        words = self.r.words
        at = opening + 1
        self.frame = words.match[opening]
        self.framing = False
        self.operand = False
        if words.named[at] and words.word[at] not in ("partition", "order", "rows", "range", "groups"):
            self.take(named_window(self.scope, words.text[at]))
            at += 1
        if words.word[at] in ("partition", "order") and words.word[at + 1] == "by":
            at += 2
            self.operand = True
        self.at = at
