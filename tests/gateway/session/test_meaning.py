"""Meanings are the same texts in every process."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from gateway.session.meaning import meant, written
from parser.facts import Column, Facts, Relation
from tests.gateway.masking.shop import catalog

ROOT = Path(__file__).parents[3]
SAY = """
from gateway.session.meaning import written
from parser.facts import Column, Relation
print(written((frozenset(Column(Relation("public", "t"), name) for name in "abcdefgh"), [1, "x"], {"y"}, None)))
"""


def test_sets_are_written_alike_in_every_process() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", SAY], cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert "'h'" in said.pop()


def test_what_differs_is_written_differently() -> None:
    one, other = Column(Relation("public", "t"), "a"), Column(Relation("public", "t"), "b")
    assert written(frozenset((one, other))) == written(frozenset((other, one))) != written(frozenset((one,)))
    assert written(("a", "b")) != written(("b", "a"))
    assert written("1") != written(1)


def test_a_label_counts_and_how_sure_it_is_does_not() -> None:
    known = catalog()
    facts = Facts(kinds=("UPDATE",), effects=frozenset(("write",)), writes=(Relation("public", "customers"),))
    before = list(meant(known, [facts]))
    (table,) = known.find("public", "customers")
    for change, same in (({"confidence": 0.123}, True), ({"scan": True}, True), ({"label": "iban"}, False)):
        column = replace(table.columns[0], **change)  # type: ignore[arg-type]
        changed = replace(table, columns=(column, *table.columns[1:]))
        moved = replace(known, names=known.names | {"customers": (changed,)})
        assert (list(meant(moved, [facts])) == before) is same
