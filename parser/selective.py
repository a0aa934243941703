"""Whether the condition of an UPDATE, DELETE or MERGE can leave out a row of its target.

A condition is a filter when it compares a column of the target with something else than the row itself. It is none,
however selective it looks, where every test in it holds for every row (`id = id`, `NOT false`, `a > 1 OR a <= 1`, `id IN
(SELECT id FROM the target)`), is the same for all rows (`random() >= 0`, `EXISTS (SELECT 1)`, `$1`), or holds a row against
itself (`name || '' = name`). What no reading can tell (`id > -1`) is left to the limit on affected rows. A condition that no
row meets is a filter: it does no harm.
"""

from parser.conditions import (
    INVERSE,
    MIRRORED,
    REFLEXIVE,
    Formula,
    Probe,
    always,
    both,
    chosen,
    compares_twice,
    either,
)
from parser.cutting import terms
from parser.lineage import Scope
from parser.operands import Operands, Range
from parser.reading import Reading
from parser.subselects import arms, decides, has_every_row, has_own_row, lone_value, query, reaches_all
from parser.tokens import Kind

_DEPTH_MAX = 60
_WORK_MAX = 300_000  # tokens looked at while one condition is judged, some 50 to 100 ms
_WORK_EACH = 40  # the same for each token of the condition: some 10 is usual
_WORK_LEAST = 4_000
_LIST_MAX = 12  # entries of IN that are looked at one by one
_COMPARISONS = frozenset(("=", "<>", "!=", "<", ">", "<=", ">="))
_TESTS = _COMPARISONS | {"is", "isnull", "notnull", "between", "in", "like", "ilike"}
_QUANTIFIERS = frozenset(("any", "some", "all"))
_MATCHES = {"~~": "like", "~~*": "like", "!~~": "like", "!~~*": "like", "~": "~", "~*": "~", "!~": "~", "!~*": "~"}


def excludes_nothing(r: Reading, start: int, end: int, scope: Scope) -> bool:
    """Whether the condition in the tokens from start to end can leave out no row of the scope's target.

    `r.hits` must hold the tokens that name the target's columns.
    """
    work = _Work(min(_WORK_MAX, _WORK_LEAST + _WORK_EACH * (end - start)))
    formula = _Condition(r, Operands.of(r, start, end, scope), 0, work).read(start, end)
    if compares_twice(formula):
        r.by_value = True
    return work.left < 0 or always(formula)


class _Work:
    """What may still be looked at. Below zero the judge has given up: the condition is taken for no filter."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


class _Condition:
    """Reads stretches of tokens as formulas. What cannot leave out a row is True, whether it is negated or not."""

    __slots__ = ("depth", "o", "r", "work")

    def __init__(self, r: Reading, operands: Operands, depth: int, work: _Work) -> None:
        self.r = r
        self.o = operands
        self.depth = depth
        self.work = work

    def read(self, start: int, end: int, positive: bool = True) -> Formula:
        """The formula of a stretch, or of its opposite."""
        start, end = self.o.bare(start, end)
        word = self.r.words.word
        self.work.left -= end - start
        if self.depth > _DEPTH_MAX:
            self.work.left = -1
        if self.work.left < 0 or start >= end:
            return True
        self.depth += 1
        formula: Formula
        if len(found := terms(self.r.words, start, end, ("or",))) > 1:
            parts = [self.read(*term, positive) for term in found]
            formula = either(parts) if positive else both(parts)
        elif len(found := terms(self.r.words, start, end, ("and",))) > 1:
            parts = [self.read(*term, positive) for term in found]
            formula = both(parts) if positive else either(parts)
        elif word[start] == "not":
            while start < end and word[start] == "not":
                start += 1
                positive = not positive
            formula = self.read(start, end, positive)
        else:
            formula = self.predicate(start, end, positive)
        self.depth -= 1
        return formula

    def predicate(self, start: int, end: int, positive: bool) -> Formula:
        """One test: what binds least comes first (manual, section 4.1.6)."""
        word = self.r.words.word
        if not self.o.hit(start, end):
            return self.constant(start, end, positive)
        marks = self.o.marks(start, end)
        for at in reversed(marks):
            if word[at] in ("is", "isnull", "notnull"):
                return self.state(start, at, end, positive)
        for at in marks:
            if word[at] in _COMPARISONS:
                return self.comparison((start, at), "<>" if word[at] == "!=" else word[at], (at + 1, end), positive)
        for at in marks:
            if word[at] == "operator" and word[at + 1] == "(":
                close = self.r.words.match[at + 1]
                op = "<>" if word[close - 1] == "!=" else word[close - 1]
                reader = self.comparison if op in INVERSE else self.other
                return reader((start, at), op, (close + 1, end), positive)
        for at in marks:
            if word[at] in ("between", "in", "like", "ilike", "similar"):
                negative = word[at - 1] == "not"
                return self.listed((start, at - negative), at, end, positive is not negative)
        for at in reversed(marks):
            if word[at] in _MATCHES:
                negative = word[at][0] == "!"
                return self.match((start, at), _MATCHES[word[at]], (at + 1, end), positive is not negative)
            return self.other((start, at), word[at], (at + 1, end), positive)
        return self.single(start, end, positive)

    # --- single operands ---

    def holds(self, kind: str, operand: Range, positive: bool, more: tuple[str, ...] = ()) -> Formula:
        """Something that holds for some rows, by all that can be told."""
        return Probe((kind, self.o.text(*operand), *more), "" if positive else "not")

    def single(self, start: int, end: int, positive: bool) -> Formula:
        """A column, a call, CASE, EXISTS, a subquery, a cast: no operator outside of brackets."""
        words = self.r.words
        word = words.word
        first = word[start]
        cast = self.o.cast_to_bool(start, end)
        if cast is not None:
            return self.read(*cast, positive)
        if first == "case" and word[end - 1] == "end":
            return self.case(start, end, positive)
        if first == "exists" and words.match.get(start + 1) == end - 1:
            return self.exists((start + 2, end - 1), positive)
        if first == "(" and words.is_query(start):
            value = lone_value(self.o, (start + 1, end - 1))
            if value is not None:
                return self.read(*value, positive)
        elif first == "coalesce" and words.match.get(start + 1) == end - 1:
            return self.read(*self.r.split(start + 2, end - 1)[0], positive)
        return self.holds("is", (start, end), positive)

    def case(self, start: int, end: int, positive: bool) -> Formula:
        """CASE: every branch under its own condition."""
        subject, arms, otherwise = self.o.case(start, end)
        formula: Formula = self.read(*otherwise, positive) if otherwise else not positive
        for condition, value in reversed(arms):
            if subject is None:
                met, missed = self.read(*condition), self.read(*condition, False)
            else:
                met, missed = (self.comparison(subject, "=", condition, way) for way in (True, False))
            formula = chosen(met, missed, self.read(*value, positive), formula)
        return formula

    def constant(self, start: int, end: int, positive: bool) -> Formula:
        """What is the same for every row holds for all of them, unless it is plain that it holds for none."""
        words = self.r.words
        word, text, kind = words.word, words.text, words.kind
        if end - start == 1 and word[start] in ("true", "false", "null"):
            return word[start] != "null" and (word[start] == "true") is positive
        if end - start == 3 and kind[start] is kind[start + 2] and kind[start] in (Kind.INTEGER, Kind.STRING):
            self.r.by_value = True
            equal = text[start] == text[start + 2]
            decimal = all(one == "0" or (one.isdecimal() and one[0] != "0") for one in (text[start], text[start + 2]))
            if word[start + 1] == "=" and (equal or decimal):
                return equal is positive
            if word[start + 1] in ("<>", "!=") and (equal or decimal):
                return equal is not positive
        return True

    def state(self, start: int, at: int, end: int, positive: bool) -> Formula:
        """operand IS [NOT] NULL, TRUE, FALSE, UNKNOWN, DISTINCT FROM … and ISNULL, NOTNULL."""
        word = self.r.words.word
        operand = (start, at)
        if word[at] != "is":
            return self.null(operand, positive is (word[at] == "isnull"))
        at += 1
        if word[at] == "not":
            positive = not positive
            at += 1
        what = word[at]
        if what == "distinct" and word[at + 1] == "from":
            right = (at + 2, end)
            if word[at + 2] == "null" and at + 3 == end:
                return self.null(operand, not positive)
            return self.comparison(operand, "<>", right, positive)
        if what == "null" or what == "unknown":
            return self.null(operand, positive)
        if what == "true" or what == "false":
            return self.read(*operand, positive is (what == "true"))
        return self.holds("is " + " ".join(word[at:end]), operand, positive)

    def null(self, operand: Range, positive: bool) -> Formula:
        """Whether a value is NULL: a row as a whole, a system column and some calls never are."""
        if self.o.never_null(*operand):
            return not positive
        if self.o.always_null(*operand):
            return positive
        if not positive and not _TESTS.isdisjoint(self.r.words.word[at] for at in self.o.marks(*self.o.bare(*operand))):
            return True  # a condition that is true or false, whichever
        return self.holds("null", operand, positive)

    # --- two operands ---

    def comparison(self, left: Range, op: str, right: Range, positive: bool) -> Formula:
        if not positive and self.r.words.word[right[0]] not in _QUANTIFIERS:
            op, positive = INVERSE[op], True
        if self.r.words.word[right[0]] in _QUANTIFIERS and self.r.words.word[right[0] + 1] == "(":
            return self.quantified(left, op, right, positive)
        for one, other, way in ((left, right, op), (right, left, MIRRORED[op])):
            said = self.o.boolean(*other)
            if said is None:
                continue
            if way in ("=", "<>"):
                return self.read(*one, said is (way == "="))
            return (way == ">=" and not said) or (way == "<=" and said) or self.holds("is", one, said)
        if self.o.is_null(*left) or self.o.is_null(*right):
            return False
        if all(self.o.marks(*self.o.bare(*side)) for side in (left, right)) and all(
            self.read(*side) is True for side in (left, right)
        ):
            return True  # two conditions that hold for every row
        if not self.o.columns(*left) and not self.o.columns(*right):
            return self.constant(left[0], right[1], True)
        rows = self.o.elements(*left), self.o.elements(*right)
        if op in ("=", "<>") and len(rows[0]) == len(rows[1]) > 1:
            tests = [self.comparison(one, op, other, True) for one, other in zip(*rows, strict=True)]
            return both(tests) if op == "=" else either(tests)
        if self.o.text(*left) == self.o.text(*right):
            return op in REFLEXIVE
        return self.unlike(left, op, right)

    def unlike(self, left: Range, op: str, right: Range) -> Formula:
        """A comparison of two operands of different text, at least one with columns of the target."""
        o = self.o
        own, against = self.value_columns(left), self.value_columns(right)
        if own and against:
            if o.alias in own or o.alias in against or own & against:
                # a row held against itself; where it differs from what it should be, that is a filter
                return self.order(left, op, right) if op == "<>" and o.corrects(left, right) else True
            return self.order(left, op, right)
        if not o.columns(*left) or (not own and against):
            left, right, op = right, left, MIRRORED[op]
        start, end = o.bare(*right)
        inside = (start + 1, end - 1)
        if op in REFLEXIVE and self.r.words.is_query(start) and has_every_row(o, left, inside, self.holds_inside):
            return True
        if o.vanishes(*left) or reaches_all(o, left, op, right, self.holds_inside):
            return True
        number = o.number(*right)
        if number is not None:
            if o.positive(*left) and (op in (">", ">=", "<>")):
                self.r.by_value = True
                if number < 0 or (number == 0 and op == ">="):
                    return True
            return Probe(("number", o.text(*left)), op, number)
        if op in ("=", "<>") and right[1] - right[0] == 1 and self.r.words.kind[right[0]] is Kind.STRING:
            return Probe(("text", o.text(*left)), op, self.r.words.text[right[0]])
        return self.order(left, op, right)

    def value_columns(self, operand: Range) -> frozenset[str]:
        """The columns that an operand's value is made of; of a subquery over tables those that it selects."""
        found = None
        start, end = self.o.bare(*operand)
        if self.r.words.word[start] == "(" and self.r.words.match[start] == end - 1:
            found = query(self.o, (start + 1, end - 1))
        return self.o.columns(*(found.items if found is not None and found.source is not None else operand))

    def order(self, left: Range, op: str, right: Range) -> Formula:
        one, other = self.o.text(*left), self.o.text(*right)
        if one > other:
            one, other, op = other, one, MIRRORED[op]
        return Probe(("order", one, other), op)

    def other(self, left: Range, op: str, right: Range, positive: bool) -> Formula:
        """An operator that is no comparison (@>, &&, ?, …): a row against itself is no filter."""
        own, against = self.o.columns(*left), self.o.columns(*right)
        if own & against or (own and against and self.o.alias in own | against):
            return True
        return self.holds("op " + op, left, positive, (self.o.text(*right),))

    def match(self, left: Range, op: str, right: Range, positive: bool) -> Formula:
        """LIKE, SIMILAR TO and regular expressions; a pattern that anything fits leaves out nothing."""
        words = self.r.words
        literal = words.kind[right[0]] is Kind.STRING and not self.o.hit(*right)
        if literal:
            self.r.by_value = True
        if literal and right[1] - right[0] == 1 and self.o.fits_all(op, words.text[right[0]]):
            return positive
        if self.o.columns(*left) & self.o.columns(*right):
            return True
        return self.holds(op, left, positive, (self.o.text(*right),))

    def listed(self, left: Range, at: int, end: int, positive: bool) -> Formula:
        """BETWEEN, IN, LIKE and SIMILAR TO; their keyword is at `at`."""
        word = self.r.words.word
        if word[at] == "between":
            symmetric = word[at + 1] in ("symmetric", "asymmetric")
            low, high = self.between(at + 1 + symmetric, end)
            tests = [self.comparison(left, ">=", low, positive), self.comparison(left, "<=", high, positive)]
            if word[at + 1] == "symmetric" and True in tests:
                return True
            return both(tests) if positive else either(tests)
        if word[at] == "in" and word[at + 1] == "(":
            if self.r.words.is_query(at + 1):
                return self.membership(left, (at + 2, end - 1), positive)
            entries = self.r.split(at + 2, end - 1)
            if len(entries) > _LIST_MAX:
                text = self.o.text(*left)
                if any(self.o.text(*entry) == text for entry in entries):
                    return positive
                return self.holds("in", left, positive, (self.o.text(at + 2, end - 1),))
            tests = [self.comparison(left, "=", entry, positive) for entry in entries]
            return either(tests) if positive else both(tests)
        return self.match(left, "like", (at + 1 + (word[at] == "similar"), end), positive)

    def between(self, start: int, end: int) -> tuple[Range, Range]:
        middle = self.r.find(frozenset(("and",)), start, end)
        return (start, middle), (middle + 1, end)

    # --- subqueries and arrays ---

    def quantified(self, left: Range, op: str, right: Range, positive: bool) -> Formula:
        """left op ANY (…) and ALL (…); of an empty list the first holds never, the second always."""
        word = self.r.words.word
        start, end = right[0] + 2, right[1] - 1
        every = word[right[0]] == "all"
        if not positive:
            every, op, positive = not every, INVERSE[op], True
        inner = self.o.array_query(start, end)
        if inner is None and self.r.words.is_query(right[0] + 1):
            inner = (start, end)
        if inner is not None:
            if (op, every) in (("=", False), ("<>", True)):
                return self.membership(left, inner, not every)
            return every if self.empty(inner) else self.holds(f"{op} {every}", left, True, (self.o.text(start, end),))
        entries = self.o.array(start, end)
        if entries is not None and len(entries) <= _LIST_MAX:
            tests = [self.comparison(left, op, entry, True) for entry in entries]
            return both(tests) if every else either(tests)
        if self.r.words.kind[start] is Kind.STRING and every:
            self.r.by_value = True
            if self.r.words.text[start].strip() == "{}":
                return True
        if self.o.columns(*left) & self.o.columns(start, end):
            return True
        return self.holds(f"{op} {every}", left, True, (self.o.text(start, end),))

    def membership(self, left: Range, inside: Range, positive: bool) -> Formula:
        """left [NOT] IN (query)."""
        if self.empty(inside):
            return not positive
        if has_every_row(self.o, left, inside, self.holds_inside):
            return positive
        found = query(self.o, inside)
        values = inside if self.r.words.word[inside[0]] == "values" else found.items if found is not None else (0, 0)
        if self.o.columns(*left) & self.o.columns(*values):
            return True  # the row itself is what is selected
        return self.holds("in", left, positive, (self.o.text(*inside),))

    def holds_inside(self, place: Range, operands: Operands) -> bool:
        """Whether a condition inside a subquery holds for each of its rows."""
        return always(_Condition(self.r, operands, self.depth + 1, self.work).read(*place))

    def empty(self, inside: Range) -> bool:
        """Whether a query plainly gives no row: WHERE false, LIMIT 0."""
        found = query(self.o, inside)
        if found is None or found.aggregate:
            return False
        return found.none or (found.where is not None and self.read(*found.where) is False)

    def exists(self, inside: Range, positive: bool) -> Formula:
        """EXISTS (query): what it selects does not matter, only whether its rows depend on the row outside."""
        several = arms(self.o, inside)
        if len(several) > 1:
            parts = [self.exists(arm, positive) for arm in several]
            return either(parts) if positive else both(parts)
        o = self.o
        found = query(o, inside)
        if found is None:
            return self.r.words.word[inside[0]] == "values" or self.holds("exists", inside, positive)
        if found.aggregate:
            return positive
        if self.empty(inside):
            return not positive
        if found.source is None:
            return self.read(*found.where, positive) if found.where is not None else True
        if decides(o, found.source):
            return self.holds("exists", inside, positive)
        if found.where is None or not o.hit(*found.where) or always(self.read(*found.where)):
            return True
        if has_own_row(o, found, self.holds_inside):
            return positive
        return self.holds("exists", inside, positive)
