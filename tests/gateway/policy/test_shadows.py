"""Guardrails that a stricter one always beats; that what is called covered really is, is tested on statements."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.decide import decide
from gateway.policy.rules import Guardrail, load
from gateway.policy.shadows import beaten
from parser.statements import read
from tests.gateway.policy.verdicts import CATALOG, rights


def rail(body: str, effect: str) -> str:
    return f'[[guardrail]]\nname = "{effect}"\neffect = "{effect}"\n{body}\n'


def beats(narrow: str, wide: str, production: bool = False) -> bool:
    one, other = load(rail(narrow, "warn") + rail(wide, "deny"), "p").guardrails
    assert beaten(other, (one, other), production) == ""
    return beaten(one, (one, other), production) == "deny"


@pytest.mark.parametrize(
    ("narrow", "wide", "covered"),
    [
        ('statements = ["DROP TABLE"]', 'statements = ["DROP"]', True),
        ('statements = ["DROP"]', 'statements = ["DROP TABLE"]', False),
        ('statements = ["DROP", "DELETE"]', 'statements = ["DROP"]', False),
        ('statements = ["DROP", "DELETE"]', 'statements = ["*"]', True),
        ('statements = ["DELETE"]\nwithout_where = true', 'statements = ["DELETE"]', True),
        ('statements = ["DELETE"]', 'statements = ["DELETE"]\nwithout_where = true', False),
        ('tables = ["public.t"]', 'tables = ["t"]', True),
        ('tables = ["t"]', 'tables = ["public.t"]', False),
        ('tables = ["public.t"]', 'tables = ["public.*"]', True),
        ('tables = ["public.t*"]', 'tables = ["public.*"]', False),
        ('tables = ["public.t*"]', 'tables = ["public.t*"]', True),
        ('tables = ["t"]\nstatements = ["DELETE"]', 'statements = ["DELETE"]', True),
        ('columns = ["public.t.a"]', 'columns = ["t.*"]', True),
        ('columns = ["t.a"]', 'columns = ["public.t.a"]', False),
        ('columns = ["t.a"]', 'tables = ["t"]', False),
        ('functions = ["public.f(int)"]', 'functions = ["f"]', True),
        ('functions = ["f"]', 'functions = ["public.f"]', False),
        ("min_estimated_rows = 100", "min_estimated_rows = 10", True),
        ("intent_mismatch = true", 'statements = ["*"]', True),
        ("intent_mismatch = true", "intent_mismatch = true", True),
        ('statements = ["DELETE"]', "intent_mismatch = true", False),
        ('statements = ["DELETE"]\nintent_mismatch = true', "intent_mismatch = true", True),
        ("min_estimated_rows = 10", "min_estimated_rows = 100", False),
        ("min_estimated_rows = 10", 'statements = ["*"]', True),
        ('statements = ["DELETE"]', "min_estimated_rows = 10", False),
        ('statements = ["DELETE"]', "max_affected_rows = 10", False),
        ('users = ["a"]\nstatements = ["DROP"]', 'users = ["a", "b"]\nstatements = ["DROP"]', True),
        ('users = ["a", "c"]\nstatements = ["DROP"]', 'users = ["a", "b"]\nstatements = ["DROP"]', False),
        ('statements = ["DROP"]', 'users = ["a"]\nstatements = ["DROP"]', False),
        ('statements = ["DROP"]', 'users = ["*"]\nstatements = ["DROP"]', True),
        ('statements = ["DROP"]', 'actors = ["*"]\nstatements = ["DROP"]', False),
        ('actors = ["x"]\nstatements = ["DROP"]', 'actors = ["*"]\nstatements = ["DROP"]', True),
        ('databases = ["prod"]\nstatements = ["DROP"]', 'environments = ["dev"]\nstatements = ["DROP"]', False),
    ],
)
def test_a_rule_is_beaten_where_a_stricter_one_speaks_of_the_same(narrow: str, wide: str, covered: bool) -> None:
    assert beats(narrow, wide) == covered


def test_an_equal_effect_beats_nothing() -> None:
    one, other = load(rail('statements = ["DROP"]', "hold").replace('"hold"', '"h"', 1)
                      + rail('statements = ["DROP"]', "hold"), "p").guardrails  # fmt: skip
    assert beaten(one, (one, other), False) == ""


def test_the_defaults_of_production_beat_what_is_milder() -> None:
    (drop,) = load(rail('statements = ["DROP TABLE", "TRUNCATE"]', "hold"), "p").guardrails
    assert beaten(drop, (drop,), False) == ""
    assert beaten(drop, (drop,), True) == "built-in rules of production"
    (every,) = load(rail('statements = ["DELETE"]\nwithout_where = true', "warn"), "p").guardrails
    assert beaten(every, (every,), True) == "built-in rules of production"
    (some,) = load(rail('statements = ["DELETE"]', "warn"), "p").guardrails
    assert beaten(some, (some,), True) == ""


def lists(*words: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(words), min_size=1, max_size=2, unique=True).map(
        lambda some: ", ".join(f'"{one}"' for one in some)
    )


BODIES = st.builds(
    lambda kinds, tables, columns, every, rows: "\n".join(
        line
        for line in (
            f"statements = [{kinds}]",
            f"tables = [{tables}]" if tables else "",
            f"columns = [{columns}]" if columns else "",
            "without_where = true" if every else "",
            f"min_estimated_rows = {rows}" if rows else "",
        )
        if line
    ),
    lists("*", "DELETE", "SELECT", "UPDATE", "SELECT FOR UPDATE"),
    st.none() | lists("t", "public.t", "pub*.t", "s", "*"),
    st.none() | lists("t.a", "public.t.a", "t.*", "s.b"),
    st.booleans(),
    st.none() | st.sampled_from([5, 50]),
)
STATEMENTS = [
    "DELETE FROM t", "DELETE FROM public.t WHERE a = 1", "SELECT a FROM public.t", "SELECT b FROM s",
    "UPDATE other.t SET a = 1", "SELECT * FROM t FOR UPDATE", "WITH d AS (DELETE FROM s RETURNING b) SELECT b FROM d",
    "SELECT (",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(BODIES, BODIES, st.sampled_from([None, 5, 20, 100]))
def test_what_is_beaten_never_decides(narrow: str, wide: str, rows: int | None) -> None:
    text = rail(narrow, "warn") + rail(wide, "deny")
    found: tuple[Guardrail, ...] = load(text, "p").guardrails
    if not beaten(found[0], found, False):
        return
    given_rights = rights("all", text)
    for sql in STATEMENTS:
        (facts,) = read(sql.encode())
        decision = decide(facts, given_rights, CATALOG, rows)
        assert decision.verdict != "warn" or decision.wants_estimate
