"""Statements that hold others, cursors, prepared statements, maintenance."""

from parser.facts import Column, Facts, Named, Output, Relation
from parser.statements import read


def one(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    return facts


def test_named_things_and_what_is_inside_them() -> None:
    facts = one('PREPARE "P x" AS SELECT a FROM t')
    assert facts.named == Named("prepare", "P x")
    assert facts.inner is not None
    assert facts.inner.kinds == ("SELECT",)
    assert facts.inner.outputs == (Output(frozenset((Column(Relation(None, "t"), "a"),)), plain=True),)
    assert facts.outputs == ()
    assert facts.inner.shape == "select a from t"


def test_a_plain_explain_is_read_and_remembers_what_it_explains() -> None:
    facts = one("EXPLAIN DELETE FROM t")
    assert (facts.kinds, facts.effects, facts.unfiltered) == (("EXPLAIN",), {"read"}, False)
    assert facts.inner is not None
    assert facts.inner.kinds == ("DELETE",)



def test_an_explain_that_runs_does_what_it_explains() -> None:
    for options in ("ANALYZE", "(ANALYZE)", "(ANALYZE true)", "(ANALYZE 1)", "(ANALYZE false, ANALYZE)", "ANALYSE VERBOSE"):
        facts = one(f"EXPLAIN {options} DELETE FROM t")
        assert facts.kinds == ("EXPLAIN", "DELETE")
        assert facts.unfiltered
    for options in ("", "VERBOSE", "(ANALYZE off)", "(ANALYZE 0, COSTS off)"):
        assert one(f"EXPLAIN {options} DELETE FROM t").effects == {"read"}


def test_execute_is_not_known_here() -> None:
    facts = one("EXECUTE p (1)")
    assert facts.named == Named("execute", "p")
    assert facts.effects == {"procedural"}
    assert facts.outputs is None


def test_the_lock_that_dumps_take_hinders_nobody() -> None:
    assert one("LOCK TABLE a, s.b IN ACCESS SHARE MODE").effects == {"read"}
    assert one("LOCK TABLE a").effects == {"write"}
    assert one("LOCK a IN EXCLUSIVE MODE NOWAIT").effects == {"write"}


def test_tables_of_maintenance_and_grants_are_named() -> None:
    for sql in ("VACUUM (FULL) s.t (a)", "ANALYZE s.t", "REINDEX TABLE s.t", "CLUSTER s.t USING i", "GRANT ALL ON s.t TO r"):
        assert one(sql).writes == (Relation("s", "t"),)
