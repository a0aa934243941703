"""What several sides' grants allow together is what each of them allows, and never more with a grant less."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Refusal
from gateway.policy.compile import compile
from gateway.policy.rules import Grant, Policy
from gateway.policy.sides import unmasked, words
from gateway.policy.table import PolicyTable, Rights
from gateway.settings import Settings
from tests.gateway.policy.grants import NOW, grants, refused, rights, table, who

AGENT = 'actors = ["*"]\n'
COLUMNS = {"public.customers.phone": "phone", "public.customers.email": "email", "public.orders.email": "email"}
WORDS = ("read", "write", "ddl", "admin", "all")


def sees(rights: Rights, column: str, label: str) -> bool:
    """As gateway.masking.basis judges a column."""
    return bool({"*", column, label} & rights.unmask) or (column, label) in rights.unmask_as


def side_sees(side: Iterable[Grant], column: str, label: str) -> bool:
    return any({"*", column, label} & set(one.unmask) for one in side)


@pytest.mark.parametrize(
    ("person", "agent", "both"),
    [
        ('["read"]', '["read"]', {"read"}),
        ('["read", "write"]', '["write", "ddl"]', {"write"}),
        ('["all"]', '["read", "ddl"]', {"read", "ddl"}),
        ('["read", "ddl"]', '["all"]', {"read", "ddl"}),
        ('["all"]', '["all", "read"]', {"all"}),
        ('["read"]', '["write"]', set()),
    ],
)
def test_an_agent_may_do_what_both_sides_allow(person: str, agent: str, both: set[str]) -> None:
    assert rights(grants(f"allow = {person}", f"allow = {agent}\n{AGENT}"), who(actors="x")).allow == both


def test_each_agent_of_a_chain_narrows() -> None:
    text = grants('allow = ["all"]', 'allow = ["read", "write"]\nactors = ["x"]', 'allow = ["read", "ddl"]\nactors = ["y"]')
    assert rights(text, who(actors="x")).allow == {"read", "write"}
    assert rights(text, who(actors="x y")).allow == {"read"}
    assert [[one.name for one in side] for side in rights(text, who(actors="y x")).sides] == [["g2"], ["g1"], ["g0"]]


@pytest.mark.parametrize(
    ("person", "agent", "seen"),
    [
        ('["*"]', '["email"]', ["public.customers.email", "public.orders.email"]),
        ('["email"]', '["public.customers.email"]', ["public.customers.email"]),
        ('["public.orders.email"]', '["email", "phone"]', ["public.orders.email"]),
        ('["public.customers.phone"]', '["email"]', []),
        ('["public.customers.phone"]', '["public.customers.phone"]', ["public.customers.phone"]),
        ('["*"]', '["*"]', list(COLUMNS)),
        ('["*"]', "[]", []),
    ],
)
def test_an_agent_sees_what_both_sides_see(person: str, agent: str, seen: list[str]) -> None:
    for one, other in ((person, agent), (agent, person)):
        found = rights(grants(f"unmask = {one}", f"unmask = {other}\n{AGENT}"), who(actors="x"))
        assert sorted(column for column, label in COLUMNS.items() if sees(found, column, label)) == sorted(seen)


@pytest.mark.parametrize(
    ("person", "agent", "role"),
    [
        ([""], [""], None),
        (['role = "a"'], [""], "a"),
        ([""], ['role = "a"'], "a"),
        ([""], ['role = "b"', ""], "b"),
        (['role = "a"', 'role = "b"'], ['role = "b"'], "b"),
        (['role = "a"\nallow = ["all"]', 'role = "b"'], ['role = "b"', 'role = "a"'], "a"),
        (['role = "a"\nallow = ["write"]', 'role = "b"\nallow = ["read"]'], ['allow = ["read"]'], "b"),
    ],
)
def test_the_role_is_one_that_both_sides_may_have(person: list[str], agent: list[str], role: str | None) -> None:
    text = grants(*person, *(f"{body}\n{AGENT}" for body in agent))
    found = rights(text, who(actors="x"))
    assert found.role == role
    assert all(side and all(one.role in ("", role or "") for one in side) for side in found.sides)
    assert rights(text, who(actors="x"), role=role) == found


def test_where_no_role_fits_both_sides_the_refusal_names_them() -> None:
    text = grants('role = "a"', f'role = "b"\n{AGENT}', f'role = "c"\n{AGENT}')
    assert refused(text, who(actors="x")) == (
        "42501",
        'no role fits user "alice" and agent "x" in database "prod": the grants of the user name "a", those of the agent '
        '"b" or "c"',
    )
    for wanted in ("a", "b", "d"):
        assert refused(text, who(actors="x"), wanted) == ("42501", f'no grant gives the role "{wanted}" here')


def test_a_wanted_role_must_be_one_of_both_sides() -> None:
    text = grants('role = "a"', 'role = "b"', f'role = "b"\n{AGENT}', f'role = "c"\n{AGENT}')
    assert rights(text, who(actors="x"), "b").role == "b"
    assert refused(text, who(actors="x"), "a")[0] == "42501"
    assert rights(text, who(), "a").role == "a"


TARGETS = st.lists(st.sampled_from(["*", "email", "phone", *COLUMNS]), max_size=3).map(tuple)
NAMES = st.lists(st.sampled_from(["alice", "x", "y", "*"]), max_size=2).map(tuple)
GRANTS = st.lists(
    st.builds(
        Grant, st.uuids().map(str), st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(tuple),
        users=NAMES, actors=NAMES, unmask=TARGETS,
    ),
    max_size=7,
)  # fmt: skip
PEOPLE = st.sampled_from([who(), who(actors="x"), who(actors="y x"), who("bob", actors="x y x")])


def judged(some: Iterable[Grant], person: object) -> Rights | None:
    made = PolicyTable(compile([Policy(tuple(some), places={one.name: ("f", 1) for one in some})], Settings()))
    try:
        return made.rights(person, "prod", "production", NOW, 1)  # type: ignore[arg-type]
    except Refusal:
        return None


@settings(max_examples=200, deadline=None)
@given(GRANTS, PEOPLE, st.data())
def test_no_side_is_exceeded_and_no_right_comes_of_a_grant_less(
    some: list[Grant], person: object, data: st.DataObject
) -> None:
    found = judged(some, person)
    fewer = list(some)
    if fewer:
        fewer.pop(data.draw(st.integers(0, len(fewer) - 1)))
    less = judged(fewer, person)
    if found is None:
        assert less is None
        return
    for side in found.sides:
        allowed = words([side])
        assert all("all" in allowed or word in allowed for word in WORDS if found.may(word))
        assert all(side_sees(side, *each) for each in COLUMNS.items() if sees(found, *each))
    for each in COLUMNS.items():  # and nothing that all sides see is lost
        assert sees(found, *each) == all(side_sees(side, *each) for side in found.sides)
    if less is not None:
        assert all(found.may(word) for word in WORDS if less.may(word))
        assert all(sees(found, *each) for each in COLUMNS.items() if sees(less, *each))


def test_a_person_alone_has_what_his_grants_add_up_to() -> None:
    (side,) = rights(grants('unmask = ["email"]', 'unmask = ["phone", "*"]\nallow = ["all"]')).sides
    assert words([side]) == {"read", "all"}
    assert unmasked([side]) == ({"email", "phone", "*"}, frozenset())


def test_sides_are_those_of_the_moment() -> None:
    text = grants("", f"expires = 2026-06-02T00:00:00Z\n{AGENT}")
    made = table(text)
    assert made.rights(who(actors="x"), "prod", "production", NOW, 1).allow == {"read"}
    with pytest.raises(Refusal, match="agent"):
        made.rights(who(actors="x"), "prod", "production", NOW + 2 * 86400, 1)
