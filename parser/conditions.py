"""Conditions as formulas over tests, and whether a formula holds for every row.

A formula is a tree of AND and OR over tests; NOT is carried down to the tests while it is made. It holds for every row when
no choice of values for what its tests look at makes it false: `a > 1 OR a <= 1`, `a <> 1 OR a <> 2`. NULL is left aside.
"""

from dataclasses import dataclass
from decimal import Decimal
from itertools import product

_TRIALS_MAX = 20_000  # tests looked at while one formula is tried
_SAMPLES_MAX = 60  # tests of one value that are tried in a long chain of OR
INVERSE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
MIRRORED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
REFLEXIVE = frozenset(("=", "<=", ">="))

Point = Decimal | str | int


@dataclass(frozen=True, slots=True)
class Probe:
    """A comparison of one value that differs from row to row.

    `key`: what is looked at. `op` with a Decimal: the value against that number; with a str: against that text (= and <>
    alone); without `than`: the order of two values named in the key, or, with op "" and "not", whether something holds.
    """

    key: tuple[str, ...]
    op: str
    than: Decimal | str | None = None

    def holds(self, point: Point) -> bool:
        """Whether the test is met at a point of its key's domain."""
        if not self.op or self.op == "not":
            return bool(point) is not (self.op == "not")
        if isinstance(point, str) or isinstance(self.than, str):
            return (point == self.than) is (self.op == "=")
        than = 0 if self.than is None else self.than
        return {
            "=": point == than,
            "<>": point != than,
            "<": point < than,
            ">": point > than,
            "<=": point <= than,
            ">=": point >= than,
        }[self.op]


@dataclass(frozen=True, slots=True)
class AllOf:
    """AND."""

    parts: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """OR."""

    parts: tuple["Formula", ...]


Formula = bool | Probe | AllOf | AnyOf


def both(parts: list[Formula]) -> Formula:
    """AND of formulas, without those that always hold."""
    if any(part is False for part in parts):
        return False
    rest = [part for part in parts if part is not True]
    if len(rest) < 2:
        return rest[0] if rest else True
    return AllOf(tuple(rest))


def either(parts: list[Formula]) -> Formula:
    """OR of formulas, without those that never hold."""
    if any(part is True for part in parts):
        return True
    rest = [inner for part in parts if part is not False for inner in (part.parts if isinstance(part, AnyOf) else (part,))]
    if len(rest) < 2:
        return rest[0] if rest else False
    return AnyOf(tuple(rest))


def chosen(condition: Formula, opposite: Formula, then: Formula, otherwise: Formula) -> Formula:
    """`then` where the condition holds, else `otherwise`."""
    return either([both([condition, then]), both([opposite, otherwise])])


def negated(test: Probe) -> Probe:
    """The test that holds where this one does not."""
    if test.op == "":
        return Probe(test.key, "not")
    if test.op == "not":
        return Probe(test.key, "")
    return Probe(test.key, INVERSE[test.op], test.than)


def always(formula: Formula) -> bool:
    """Whether the formula holds whatever its tests look at. False also where that would take too long to find out."""
    if isinstance(formula, bool):
        return formula
    if isinstance(formula, Probe):
        return False
    if isinstance(formula, AllOf):
        return all(always(part) for part in formula.parts)
    by_key: dict[tuple[str, ...], list[Probe]] = {}
    for part in formula.parts:
        if isinstance(part, Probe):
            by_key.setdefault(part.key, []).append(part)
        elif always(part):
            return True
    return any(_covers(tests) for tests in by_key.values()) or _no_way_out(formula)


def compares_twice(formula: Formula) -> bool:
    """Whether the answer may lie in the literals: one value is compared with several, not for equality alone."""
    if isinstance(formula, AllOf):
        return any(compares_twice(part) for part in formula.parts)
    if not isinstance(formula, AnyOf):
        return False
    seen: dict[str, int] = {}
    unequal: set[str] = set()
    for test in _tests(formula):
        left = test.key[1]
        seen[left] = seen.get(left, 0) + 1
        if test.op not in ("=", ""):
            unequal.add(left)
    return any(seen[left] > 1 for left in unequal)


def _tests(formula: Formula) -> list[Probe]:
    found: list[Probe] = []
    waiting = [formula]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Probe):
            found.append(one)
        elif isinstance(one, AllOf | AnyOf):
            waiting += one.parts
    return found


def _covers(tests: list[Probe]) -> bool:
    """Whether one of the tests of one value always holds."""
    if len(tests) < 2:
        return False
    if len(tests) > _SAMPLES_MAX:
        # what is compared for equality matters only beside an inequality with the same value
        others = [test for test in tests if test.op != "="][:_SAMPLES_MAX]
        values = {test.than for test in others}
        tests = others + [test for test in tests if test.op == "=" and test.than in values][:_SAMPLES_MAX]
    return all(any(test.holds(point) for test in tests) for point in _domain(tests))


def _domain(tests: list[Probe]) -> list[Point]:
    """Enough values of what the tests look at to meet each of them and miss each of them, where possible."""
    numbers = {test.than for test in tests if isinstance(test.than, Decimal)}
    if numbers:
        # whole steps: a column of integers has nothing between 1 and 2
        return sorted({number + step for number in numbers for step in (-1, 0, 1)})
    texts = {test.than for test in tests if isinstance(test.than, str)}
    if texts:
        return [*sorted(texts), ""] if "" not in texts else [*sorted(texts), "\0"]
    return [0, 1] if all(test.op in ("", "not") for test in tests) else [-1, 0, 1]


def _no_way_out(formula: AnyOf) -> bool:
    """Whether no choice of points makes the formula false, where there are few enough choices to try."""
    tests = _tests(formula)
    by_key: dict[tuple[str, ...], list[Probe]] = {}
    for test in tests:
        by_key.setdefault(test.key, []).append(test)
    if all(isinstance(part, Probe) for part in formula.parts) or len(by_key) == len(tests):
        return False  # each value was looked at already, or none is looked at twice
    keys = [key for key in by_key if len(by_key[key]) > 1]
    domains = [_domain(by_key[key]) for key in keys]
    trials = len(tests)
    for domain in domains:
        trials *= len(domain)
        if trials > _TRIALS_MAX:
            return False
    return all(_holds(formula, dict(zip(keys, points, strict=True))) for points in product(*domains))


def _holds(formula: Formula, points: dict[tuple[str, ...], Point]) -> bool:
    """Whether the formula holds at these points; a test of something else fails, as it may."""
    if isinstance(formula, bool):
        return formula
    if isinstance(formula, Probe):
        point = points.get(formula.key)
        return point is not None and formula.holds(point)
    if isinstance(formula, AllOf):
        return all(_holds(part, points) for part in formula.parts)
    return any(_holds(part, points) for part in formula.parts)
