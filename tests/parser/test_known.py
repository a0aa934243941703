"""Statements of one text are read with what the statements before them leave known."""

import random
import re
from pathlib import Path

from parser.facts import Facts
from parser.known import Calls, Routine, Table
from parser.statements import read
from tests.parser.knowing import Shown

CORPUS = Path(__file__).parent.parent / "corpus" / "lineage" / "statements.sql"

class _Counting:
    """Knows nothing; remembers which statements it was told of."""

    operators: Calls = {}  # noqa: RUF012 - never changed
    casts: Calls = {}  # noqa: RUF012
    implicit: tuple[tuple[str, str], ...] = ()
    assigning: tuple[tuple[str, str], ...] = ()

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def table(self, schema: str | None, name: str) -> Table | None:
        return None

    def routines(self, schema: str | None, name: str) -> tuple[Routine, ...]:
        return ()

    def after(self, facts: Facts) -> "_Counting":
        self.told.append(facts.kinds)
        return self


def test_each_statement_of_a_text_is_told_to_those_behind_it() -> None:
    known = _Counting()
    facts = read(b"SELECT 1; SET search_path = a; SELECT 2", known=known)
    assert known.told == [("SELECT",), ("SET",), ("SELECT",)]
    assert all(one.resolved for one in facts)
    assert not read(b"SELECT 1")[0].resolved


def test_statement_inside_another_keeps_its_text_to_be_read_again() -> None:
    text = b"PREPARE p (int) AS  SELECT  'a;b', $1 FROM t ; SELECT 1"
    prepared, plain = read(text, standard_conforming_strings=False)
    assert prepared.inner is not None
    assert prepared.inner.text == b"SELECT  'a;b', $1 FROM t"
    assert not prepared.inner.strings_conform
    (again,) = read(prepared.inner.text, standard_conforming_strings=prepared.inner.strings_conform)
    assert (again.outputs, again.shape) == (prepared.inner.outputs, prepared.inner.shape)
    assert plain.text == b""


def test_reading_with_a_database_never_raises_whatever_the_text() -> None:
    rng = random.Random(11)
    texts = [one for one in CORPUS.read_text().split("\n\n") if one.strip()]
    names = re.compile(r"\b(?:customers|orders|people|a|b|c)\b")
    call = (("public", "opaque"),)
    known = Shown(operators={"=": call}, casts={"text": call}, implicit=call, assigning=call)
    for number in range(6000):
        words = re.findall(r"\w+|\s+|[^\w\s]", rng.choice(texts))
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(words))
            words[at : at + rng.randrange(3)] = rng.sample(words, min(len(words), rng.randrange(3)))
        text = names.sub(lambda _: rng.choice(("customers", "a", "b", "unheard")), "".join(words))
        for facts in read(text.encode(), known=known if number % 2 else Shown()):
            assert facts.complete or (facts.outputs is None and facts.reason)
