"""How fresh and how strong the sign-in must be by which somebody decides: the step-up of an approval rule.

The words are those of RFC 9470: whoever falls short is told what to sign in with, and decides then.
"""

import math
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from gateway.identity.authentication import Authentication
from gateway.toml_source import Path, fail

AHEAD_SECONDS: Final = 30  # by which an issuer's clock may be ahead of ours
Word = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[!-~]+\Z")]


class StepUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`acr`: one of these classes, the most wanted first; `amr`: each of these methods."""

    max_age_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    acr: Annotated[tuple[Word, ...], Meta(max_length=16)] = ()
    amr: Annotated[tuple[Word, ...], Meta(max_length=16)] = ()


class Demand(msgspec.Struct, frozen=True):
    """What a sign-in lacks, in words; and what to ask the issuer for (max_age, acr_values)."""

    lacks: tuple[str, ...]
    max_age_seconds: int | None
    acr_values: tuple[str, ...]


def check(step_up: StepUp | None, path: Path, text: str, file: str) -> None:
    """Raises ConfigError for one that demands nothing."""
    if step_up is not None and step_up == StepUp():
        mend = 'write step_up = { max_age_seconds = 300, amr = ["mfa"] }'
        fail(text, file, path, "it demands nothing", mend)


def demand(step_ups: Iterable[StepUp | None], signed_in: Authentication | None, now: float) -> Demand | None:
    """What this sign-in lacks for all of them; None: nothing."""
    given = [one for one in step_ups if one is not None]
    known = signed_in or Authentication()
    lacks = tuple(dict.fromkeys(word for one in given for word in _lacks(one, known, now)))
    if not lacks:
        return None
    ages = [one.max_age_seconds for one in given if one.max_age_seconds is not None]
    return Demand(lacks, min(ages, default=None), tuple(dict.fromkeys(acr for one in given for acr in one.acr)))


def _lacks(one: StepUp, known: Authentication, now: float) -> list[str]:
    lacks = []
    if one.max_age_seconds is not None:
        age = now - known.time if known.time else math.inf
        if age > one.max_age_seconds or age < -AHEAD_SECONDS:
            lacks.append(f"a sign-in at most {lasts(one.max_age_seconds)} old")
    if one.acr and known.acr not in one.acr:
        lacks.append(f"a sign-in of class {' or '.join(one.acr)}")
    lacks.extend(f"a sign-in with {method}" for method in one.amr if method not in known.amr)
    return lacks


def lasts(seconds: int) -> str:
    """A length of time in words, exactly."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
