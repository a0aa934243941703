"""Operands of a condition, by what can be told from their tokens: which columns of the target are in them, whether a row
matters to their value at all, and what a subquery among them selects.

A stretch of tokens is a `Range`: (start, end).
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from parser.facts import Relation
from parser.keywords import NOT_A_NAME, word_set
from parser.lineage import Scope
from parser.reading import Reading
from parser.tokens import Kind

Range = tuple[int, int]

_SYSTEM = frozenset(("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"))
_WORD_MARKS = frozenset(("is", "isnull", "notnull", "between", "in", "like", "ilike", "similar", "operator"))
_ARITHMETIC = frozenset(("+", "-", "*", "/", "%", "^", "||", "::", ":=", "=>", "->", "->>", "#>", "#>>", "|", "&", "#"))
# Never below zero, and not NULL of what is not NULL.
_POSITIVE = word_set(
    """
    length char_length character_length octet_length bit_length abs cardinality num_nulls num_nonnulls bit_count
    pg_column_size ascii strpos position sqrt exp
    """
)
_NEVER_NULL = frozenset(("concat", "num_nulls", "num_nonnulls", "json_build_object", "jsonb_build_object"))
# `a <> trim(a)` looks for rows to be mended: what these make of a value is often the value itself.
_MENDING = word_set(
    """
    lower upper initcap trim btrim ltrim rtrim replace regexp_replace translate normalize unaccent round trunc floor ceil
    ceiling date_trunc coalesce nullif left right substr substring overlay abs greatest least
    """
)
_COMPUTING = frozenset(("-", "/", "#", "*", "&", "%", "^"))
_SIGNS_MAX = 60
_OF_NOTHING = frozenset(("left", "right", "repeat", "substr", "substring"))  # with a length of zero
_MATCH_ALL = {"like": "%", "~": ".*?+^$()"}


@dataclass(frozen=True, slots=True)
class Operands:
    """The tokens of one condition. `hits`: the column of the target that each token names. `alias`: the target's own name.
    `relation`: the target. `twins`: other names for the same table in the statement, joined to it."""

    r: Reading
    hits: dict[int, str]
    alias: str
    relation: Relation
    twins: frozenset[str]
    whole: Range

    @staticmethod
    def of(r: Reading, start: int, end: int, scope: Scope) -> "Operands":
        """The operands of a condition on the target of a statement: the first source of its scope."""
        target = scope.sources[0]
        assert target.relation is not None
        twins = {
            source.alias for source in scope.sources[1:] if source.relation == target.relation and not source.qualified_only
        }
        alias = target.alias or target.relation.name
        hits = {at: _named(r, at, alias) for at in r.hits if start <= at < end}
        own = {at: name for at, name in hits.items() if name != "tableoid"}
        return Operands(r, own, alias, target.relation, frozenset(one for one in twins if one), (start, end))

    # --- what is in a stretch ---

    def hit(self, start: int, end: int) -> bool:
        """Whether a column of the target is in it."""
        hits = self.hits
        return any(at in hits for at in range(start, end)) if hits else False

    def columns(self, start: int, end: int) -> frozenset[str]:
        hits = self.hits
        return frozenset([hits[at] for at in range(start, end) if at in hits])

    def bare(self, start: int, end: int) -> Range:
        """Without the brackets around it, but for those of a subquery."""
        word, match = self.r.words.word, self.r.words.match
        while start < end and word[start] == "(" and match[start] == end - 1 and not self.r.words.is_query(start):
            start, end = start + 1, end - 1
        return start, end

    def text(self, start: int, end: int) -> str:
        """Its tokens as comparable text: the target's columns without qualifiers, literals marked as such."""
        words = self.r.words
        start, end = self.bare(start, end)
        out = []
        at = start
        while at < end:
            if at in self.hits:
                while words.word[at + 1] == "." and at + 2 < end:
                    at += 2
            literal = words.kind[at] in (Kind.STRING, Kind.INTEGER, Kind.NUMERIC)
            out.append("'" + words.text[at] if literal else "<>" if words.text[at] == "!=" else words.text[at])
            at += 1
        return "\0".join(out)

    def marks(self, start: int, end: int) -> list[int]:
        """The operators and keywords in it that make tests, outside of brackets and CASE."""
        words = self.r.words
        word, match = words.word, words.match
        found = []
        cases = 0
        at = start
        while at < end:
            w = word[at]
            if w == "(" or w == "[":
                at = match[at]
            elif w == "case":
                cases += 1
            elif w == "end":
                cases -= 1
            elif not cases and (w in _WORD_MARKS or w in "<>=" or self._operator(at)):
                found.append(at)
            at += 1
        return found

    def _operator(self, at: int) -> bool:
        words = self.r.words
        return words.kind[at] is Kind.OPERATOR and words.word[at] not in _ARITHMETIC

    def elements(self, start: int, end: int) -> list[Range]:
        """The values of a row, (a, b) or ROW (a, b); else the one operand."""
        word, match = self.r.words.word, self.r.words.match
        opening = start + (word[start] == "row" and word[start + 1] == "(")
        if word[opening] == "(" and match[opening] == end - 1 and not self.r.words.is_query(opening):
            return self.r.split(opening + 1, end - 1)
        return [(start, end)]

    # --- single values ---

    def boolean(self, start: int, end: int) -> bool | None:
        """What a literal TRUE or FALSE says."""
        start, end = self.bare(start, end)
        word = self.r.words.word[start]
        return word == "true" if end - start == 1 and word in ("true", "false") else None

    def is_null(self, start: int, end: int) -> bool:
        start, end = self.bare(start, end)
        return end - start == 1 and self.r.words.word[start] == "null"

    def number(self, start: int, end: int) -> Decimal | None:
        """The value of a literal number, signed or cast."""
        words = self.r.words
        start, end = self.bare(start, end)
        sign = 1
        if words.word[start] in ("-", "+"):
            sign = -1 if words.word[start] == "-" else 1
            start += 1
        if words.kind[start] not in (Kind.INTEGER, Kind.NUMERIC) or not (
            end - start == 1 or words.word[start + 1] == "::"
        ):
            return None
        try:
            return sign * Decimal(words.text[start])
        except InvalidOperation:  # 0x1f
            return None

    def call(self, start: int, end: int) -> str | None:
        """The name of the function when the whole operand is one call."""
        words = self.r.words
        if words.named[start] and words.word[start + 1] == "(" and words.match[start + 1] == end - 1:
            return words.text[start]
        return None

    def positive(self, start: int, end: int) -> bool:
        """Whether the value is never below zero."""
        words = self.r.words
        start, end = self.bare(start, end)
        if words.word[start] == "(" and words.word[start + 1 : start + 4] == ["select", "count", "("]:
            return words.match[start] == end - 1
        square = end - start == 3 and words.word[start + 1] == "*" and words.text[start] == words.text[start + 2]
        return square or self.call(start, end) in _POSITIVE

    def never_null(self, start: int, end: int) -> bool:
        """Whether it is no NULL in any row: the row itself, a system column, concat(…), coalesce(…, literal)."""
        words = self.r.words
        start, end = self.bare(start, end)
        name = self.call(start, end)
        if name == "coalesce":
            last = self.r.split(start + 2, end - 1)[-1]
            return words.word[last[0]] in ("'", "0", "true", "false") and not self.hit(*last)
        if name is not None:
            return name in _NEVER_NULL
        columns = self.columns(start, end)
        alone = self.text(start, end) in columns
        return alone and (columns <= _SYSTEM or columns == {self.alias})

    def always_null(self, start: int, end: int) -> bool:
        """nullif(a, a)."""
        start, end = self.bare(start, end)
        if self.call(start, end) != "nullif":
            return False
        texts = {self.text(*argument) for argument in self.r.split(start + 2, end - 1)}
        return len(texts) == 1

    def cast_to_bool(self, start: int, end: int) -> Range | None:
        """What is cast in `(…)::bool` and `CAST (… AS boolean)`."""
        word, match = self.r.words.word, self.r.words.match
        if end - start > 2 and word[end - 2] == "::" and word[end - 1] in ("bool", "boolean"):
            return start, end - 2
        if word[start] == "cast" and match.get(start + 1) == end - 1 and word[end - 2] in ("bool", "boolean"):
            return start + 2, end - 3
        return None

    def corrects(self, left: Range, right: Range) -> bool:
        """Whether a column is held against what it should be: `a <> trim(lower(a))`, `a <> coalesce(b, a)`."""
        words = self.r.words
        for one, other in ((left, right), (right, left)):
            if self.text(*one) not in self.columns(*one) or self.call(*self.bare(*other)) is None:
                continue
            start, end = self.bare(*other)
            calls = [words.text[at] for at in range(start, end) if words.named[at] and words.word[at + 1] == "("]
            plain = all(words.kind[at] is not Kind.OPERATOR for at in range(start, end))
            return plain and all(name in _MENDING for name in calls)
        return False

    def vanishes(self, start: int, end: int) -> bool:
        """Whether the row drops out of it: a - a, a / a, a * 0, a % 1, a ^ 0, left(a, 0)."""
        words = self.r.words
        word, match = words.word, words.match
        start, end = self.bare(start, end)
        signs = [at for at in range(start, end) if word[at] in _COMPUTING or word[at] in _OF_NOTHING]
        if len(signs) > _SIGNS_MAX:
            return True  # nobody writes that to find rows
        for at in signs:
            w = word[at]
            if w in ("-", "/", "#") and at > start and self._left(start, at) == self._right(at + 1, end):
                return True
            if w in ("*", "&", "%", "^") and at > start:
                self.r.by_value = True
                nothing = "'1" if w == "%" else "'0"
                if self._right(at + 1, end) == nothing or (w in "*&" and self._left(start, at) == nothing):
                    return True
            if w in _OF_NOTHING and word[at + 1] == "(":
                self.r.by_value = True
                if words.text[match[at + 1] - 1] == "0":
                    return True
        return False

    def _right(self, start: int, end: int) -> str:
        """The text of the operand that begins there: a name, a literal, a call or a bracket."""
        words = self.r.words
        at = start
        while words.named[at] and words.word[at + 1] == ".":
            at += 2
        if words.named[at] and words.word[at + 1] == "(":
            at += 1
        return self.text(start, min(words.match.get(at, at) + 1, end))

    def _left(self, start: int, end: int) -> str:
        """The text of the operand that ends there."""
        words = self.r.words
        at = end - 1
        if words.word[at] == ")":
            at = next((k for k in range(start, end) if words.match.get(k) == end - 1), at)
            at -= at > start and words.named[at - 1] and words.word[at - 1] not in NOT_A_NAME
        while at - 2 >= start and words.word[at - 1] == "." and words.named[at - 2]:
            at -= 2
        return self.text(at, end)

    def fits_all(self, op: str, pattern: str) -> bool:
        """Whether anything fits a pattern made of nothing but wildcards: '%', '.*', '^', '(.*)?'."""
        if op == "like":
            return bool(pattern) and not pattern.strip("%")
        return not pattern.strip(_MATCH_ALL["~"]) and ("." not in pattern or "*" in pattern or "?" in pattern)

    # --- CASE and arrays ---

    def case(self, start: int, end: int) -> tuple[Range | None, list[tuple[Range, Range]], Range | None]:
        """Subject, (condition, value) of each WHEN, and ELSE of a CASE expression."""
        word, match = self.r.words.word, self.r.words.match
        marks = []
        depth = 0
        at = start + 1
        while at < end - 1:
            w = word[at]
            if w in ("(", "["):
                at = match[at]
            elif w in ("case", "end"):
                depth += 1 if w == "case" else -1
            elif not depth and w in ("when", "then", "else"):
                marks.append(at)
            at += 1
        marks.append(end - 1)
        subject = (start + 1, marks[0]) if marks[0] > start + 1 else None
        arms = []
        otherwise = None
        for number, at in enumerate(marks[:-1]):
            if word[at] == "else":
                otherwise = (at + 1, marks[number + 1])
            elif word[at] == "when" and word[marks[number + 1]] == "then":
                arms.append(((at + 1, marks[number + 1]), (marks[number + 1] + 1, marks[number + 2])))
        return subject, arms, otherwise

    def array(self, start: int, end: int) -> list[Range] | None:
        """The entries of ARRAY[…], cast or not."""
        word, match = self.r.words.word, self.r.words.match
        start, end = self.bare(start, end)
        if word[start] != "array" or word[start + 1] != "[":
            return None
        close = match[start + 1]
        return self.r.split(start + 2, close) if close == end - 1 or word[close + 1] == "::" else None

    def array_query(self, start: int, end: int) -> Range | None:
        """The query of ARRAY(SELECT …)."""
        word, match = self.r.words.word, self.r.words.match
        start, end = self.bare(start, end)
        if word[start] == "array" and word[start + 1] == "(" and self.r.words.is_query(start + 1):
            return start + 2, match[start + 1]
        return None


def _named(r: Reading, at: int, alias: str) -> str:
    """The column that the reference at a token names; the alias where it is the row itself."""
    parts, _ = r.name(at)
    word = r.words.word
    if parts == [alias] and word[at - 1] == "(" and word[at + 1] == ")" and word[at + 2] == "." and r.words.named[at + 3]:
        return r.words.text[at + 3]  # (t).a
    return parts[-1]
