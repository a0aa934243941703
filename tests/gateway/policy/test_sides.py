"""What several sides' grants allow together is what each of them allows, and never more with a grant less."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Refusal
from gateway.identity.principal import Principal
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
        'no role fits user "alice" and agent "x" in database "prod": the grants of the user name "a", the others '
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


# --- a person behind a shared account ---

DESK = """
[[grant]]
name = "desk"
users = ["desk"]
allow = ["read", "write"]
unmask = ["email"]
role = "app"
end_user = "{}"
[[grant]]
name = "desk itself"
users = ["desk"]
allow = ["read", "ddl"]
unmask = ["*"]
role = "app"
[[grant]]
name = "people"
groups = ["people"]
allow = ["read", "ddl"]
unmask = ["email", "phone"]
"""


def behind(account: Principal, name: str = "ann", groups: str = "people") -> Principal:
    return replace(who(name, groups=groups), account=account)


def test_a_person_behind_an_account_has_what_his_grants_and_those_for_persons_have_in_common() -> None:
    policy = DESK.format("allowed")
    alone, named = rights(policy, who("desk")), rights(policy, behind(who("desk")), "app")
    assert (alone.allow, alone.unmask, alone.role) == ({"read", "write", "ddl"}, {"*", "email"}, "app")
    assert (named.allow, named.unmask, named.role) == ({"read"}, {"email"}, "app")
    assert [one.name for one in named.grants] == ["desk", "people"]
    assert alone.key != named.key
    assert alone.names_persons
    assert not rights(policy, who("ann", groups="people")).names_persons


def test_who_works_for_named_persons_alone_may_nothing_under_that_grant() -> None:
    policy = DESK.format("required")
    alone = rights(policy, who("desk"))
    assert (alone.allow, alone.nobody) == ({"read", "ddl"}, True)
    named = rights(policy, behind(who("desk")), "app")
    assert (named.allow, named.nobody) == ({"read"}, False)


def test_a_session_that_may_write_for_somebody_is_not_read_only_at_the_server() -> None:
    policy = DESK.format("required")
    assert not rights(policy, who("desk")).reads_only
    assert not rights(policy, behind(who("desk")), "app").reads_only
    readers = policy.replace(', "write"', "").replace(', "ddl"', "")
    assert rights(readers, who("desk")).reads_only
    assert rights(readers, behind(who("desk")), "app").reads_only


@pytest.mark.parametrize(
    ("policy", "person", "message"),
    [
        (DESK.format("allowed"), behind(who("desk"), groups="strangers"), 'no grant lets user "ann" into'),
        (DESK.replace("end_user", "#"), behind(who("desk")), 'account "desk" has no grant to work for others'),
        (DESK.format("allowed"), behind(who("ann", groups="people")), 'account "ann" has no grant to work for others'),
    ],
)
def test_a_side_that_lacks_a_grant_is_named(policy: str, person: Principal, message: str) -> None:
    state, said = refused(policy, person)
    assert state == "28000"
    assert message in said


def test_guardrails_of_the_account_and_of_the_person_both_speak() -> None:
    rails = '[[guardrail]]\nname = "r{0}"\neffect = "deny"\nwithout_where = true\n{1}\n'
    bodies = {"d": 'users = ["desk"]', "a": 'users = ["ann"]', "x": 'actors = ["*"]', "o": 'users = ["o"]'}
    policy = DESK.format("allowed") + "".join(rails.format(*one) for one in bodies.items())
    assert set(rights(policy, behind(who("desk")), "app").guardrails.own) == {"rd", "ra"}
