"""How much a statement that waits may do, in one word, and why in plain ones. docs/policy.md has the table of it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.approvals.view import Risk

ROWS_UNKNOWN: Final = -2  # they were asked for, and nobody can tell
ROWS_NOT_ASKED: Final = -1
BUDGET_USED: Final = 0.8  # of a budget, from which on that is said
_MANY, _VERY_MANY = 1_000, 100_000  # rows
_DESTROYS: Final = ("DROP", "TRUNCATE")
_RIGHTS: Final = ("GRANT", "REVOKE", "CREATE ROLE", "ALTER ROLE", "ALTER SYSTEM", "SECURITY LABEL")
_DATA: Final = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE"))
_NAMES_MAX: Final = 5
_LEVELS: Final[tuple[tuple[int, Risk], ...]] = ((7, "critical"), (4, "high"), (2, "medium"), (0, "low"))


class Signs(msgspec.Struct, frozen=True):
    """What the session knows of a statement that it holds. `unfiltered`: it changes rows without a WHERE that could exclude
    one; `clear`: labels that it reads unmasked; `budget`: the share of the budget that is used most."""

    unfiltered: bool = False
    rows: int = ROWS_NOT_ASKED
    clear: tuple[str, ...] = ()
    mismatch: tuple[str, ...] = ()
    weak: bool = False
    budget: float = 0.0


class Asks(msgspec.Struct, frozen=True):
    """What is known of the request beside. `code`: its literals may be code; `new`: tables and labels of which nothing of
    this person's was approved before."""

    environment: str
    kinds: tuple[str, ...]
    labels: tuple[str, ...]
    actors: tuple[str, ...]
    in_transaction: bool
    code: bool = False
    new: tuple[str, ...] = ()


def assess(asks: Asks, signs: Signs) -> tuple[Risk, tuple[str, ...]]:
    """The risk, and why: what weighs most first."""
    found = [*_of_statement(asks, signs), *_of_data(asks, signs), *_of_requester(asks, signs)]
    points = sum(weight for weight, _ in found)
    level: Risk = next(word for least, word in _LEVELS if points >= least)
    return level, tuple(why for _, why in sorted(found, key=lambda one: -one[0]))


def _of_statement(asks: Asks, signs: Signs) -> list[tuple[int, str]]:
    found = []
    if asks.environment.casefold() == "production":
        found.append((1, "it is production"))
    destroying = [kind for kind in asks.kinds if kind.startswith(_DESTROYS)]
    granting = [kind for kind in asks.kinds if kind.startswith(_RIGHTS)]
    others = [kind for kind in asks.kinds if kind not in _DATA and kind not in destroying and kind not in granting]
    if destroying:
        found.append((3, f"it destroys ({_some(destroying)})"))
    if granting:
        found.append((2, f"it changes who may do what ({_some(granting)})"))
    if others:
        found.append((1, f"it is more than reading and changing rows ({_some(others)})"))
    if signs.unfiltered:
        found.append((2, "no WHERE excludes a row"))
    if signs.rows >= _VERY_MANY:
        found.append((2, f"about {signs.rows} rows, by the planner's estimate"))
    elif signs.rows >= _MANY:
        found.append((1, f"about {signs.rows} rows, by the planner's estimate"))
    elif signs.rows == ROWS_UNKNOWN:
        found.append((1, "nobody can tell how many rows"))
    if asks.code:
        found.append((1, "its literals may be code, or say what it does"))
    if asks.in_transaction:
        found.append((1, "its transaction keeps its locks while it waits"))
    return found


def _of_data(asks: Asks, signs: Signs) -> list[tuple[int, str]]:
    found = []
    if signs.clear:
        found.append((2, f"it reads unmasked: {_some(signs.clear)}"))
    hidden = [one for one in asks.labels if one not in signs.clear]
    if hidden:
        found.append((1, f"it touches personal data: {_some(hidden)}"))
    if asks.new:
        found.append((1, f"nothing of this person's was approved before on: {_some(asks.new)}"))
    return found


def _of_requester(asks: Asks, signs: Signs) -> list[tuple[int, str]]:
    found = []
    if len(asks.actors) > 1:
        found.append((2, f"a chain of {len(asks.actors)} agents asks"))
    elif asks.actors:
        found.append((1, "an agent asks"))
    if signs.mismatch:
        found.append((2, f"it is not what was declared: {'; '.join(signs.mismatch[:_NAMES_MAX])}"))
    if signs.weak:
        found.append((1, "the sign-in was by a static password"))
    if signs.budget >= BUDGET_USED:
        found.append((1, f"{min(signs.budget, 1):.0%} of a budget is used"))
    return found


def _some(names: Sequence[str]) -> str:
    different = list(dict.fromkeys(names))
    more = f" and {len(different) - _NAMES_MAX} more" if len(different) > _NAMES_MAX else ""
    return ", ".join(different[:_NAMES_MAX]) + more
