"""The risk of a statement that waits: each sign adds, and says why."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.approvals.risk import ROWS_UNKNOWN, Asks, Signs, assess

PLAIN = Asks("development", ("UPDATE",), (), (), False)
ORDER = ["low", "medium", "high", "critical"]


def points(signs: dict[str, Any] | None = None, **asks: Any) -> tuple[str, tuple[str, ...]]:
    return assess(msgspec.structs.replace(PLAIN, **asks), Signs(**(signs or {})))


def test_what_has_no_sign_is_low_and_says_nothing() -> None:
    assert points() == ("low", ())


@pytest.mark.parametrize(
    ("signs", "asks", "level", "why"),
    [
        ({}, {"environment": "Production"}, "low", "it is production"),
        ({}, {"kinds": ("DROP TABLE",)}, "medium", "it destroys (DROP TABLE)"),
        ({}, {"kinds": ("GRANT",)}, "medium", "it changes who may do what (GRANT)"),
        ({}, {"kinds": ("CREATE INDEX",)}, "low", "it is more than reading and changing rows (CREATE INDEX)"),
        ({"unfiltered": True}, {}, "medium", "no WHERE excludes a row"),
        ({"rows": 1000}, {}, "low", "about 1000 rows, by the planner's estimate"),
        ({"rows": 100_000}, {}, "medium", "about 100000 rows, by the planner's estimate"),
        ({"rows": ROWS_UNKNOWN}, {}, "low", "nobody can tell how many rows"),
        ({}, {"code": True}, "low", "its literals may be code, or say what it does"),
        ({}, {"in_transaction": True}, "low", "its transaction keeps its locks while it waits"),
        ({"clear": ("email",)}, {"labels": ("email",)}, "medium", "it reads unmasked: email"),
        ({}, {"labels": ("email", "iban")}, "low", "it touches personal data: email, iban"),
        ({}, {"new": ("t",)}, "low", "nothing of this person's was approved before on: t"),
        ({}, {"actors": ("bot",)}, "low", "an agent asks"),
        ({}, {"actors": ("front", "bot")}, "medium", "a chain of 2 agents asks"),
        ({"mismatch": ("it writes",)}, {}, "medium", "it is not what was declared: it writes"),
        ({"weak": True}, {}, "low", "the sign-in was by a static password"),
        ({"budget": 0.8}, {}, "low", "80% of a budget is used"),
    ],
)
def test_each_sign_says_why_in_plain_words(signs: dict[str, Any], asks: dict[str, Any], level: str, why: str) -> None:
    assert points(signs, **asks) == (level, (why,))


def test_signs_add_and_what_weighs_most_is_said_first() -> None:
    level, why = points({"unfiltered": True, "rows": 5000}, environment="production", actors=("bot",), labels=("ssn",))
    assert level == "high"
    assert why[0] == "no WHERE excludes a row"
    level, _ = points({"unfiltered": True, "clear": ("ssn",)}, environment="production", kinds=("TRUNCATE",))
    assert level == "critical"


def test_long_lists_are_cut() -> None:
    _, (why,) = points(labels=tuple(f"l{number}" for number in range(9)))
    assert why.endswith("l4 and 4 more")


MORE = st.fixed_dictionaries(
    {},
    optional={
        "environment": st.just("production"), "code": st.just(True), "in_transaction": st.just(True),
        "new": st.just(("t",)), "actors": st.just(("bot",)), "labels": st.just(("email",)),
    },
)  # fmt: skip
SIGNS = st.fixed_dictionaries(
    {}, optional={"unfiltered": st.just(True), "weak": st.just(True), "rows": st.just(10_000), "clear": st.just(("ssn",))}
)


@given(MORE, MORE, SIGNS, SIGNS)
def test_another_sign_never_makes_it_less(
    asks: dict[str, Any], more: dict[str, Any], signs: dict[str, Any], others: dict[str, Any]
) -> None:
    assert ORDER.index(points(signs, **asks)[0]) <= ORDER.index(points(signs | others, **(asks | more))[0])
