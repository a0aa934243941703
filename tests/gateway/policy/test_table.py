"""Who gets which rights: deny by default, and every selector counts."""

import math

import pytest

from gateway.identity.principal import Principal
from gateway.policy.table import PolicyTable
from tests.gateway.policy.grants import NOW, SETTINGS, grants, refused, rights, table, who


def test_without_a_grant_nobody_gets_in() -> None:
    state, message = refused("")
    assert state == "28000"
    assert message == 'no grant lets user "alice" into database "prod"'


def test_a_refusal_names_the_side_that_lacks_a_grant() -> None:
    """Whose grant is lacking is said: the person's, or that of the first agent that has none."""
    agents = 'actors = ["outer"]\nusers = ["alice"]'
    chain = who(actors="outer inner")
    assert refused(grants(agents), chain) == ("28000", 'no grant lets user "alice" into database "prod"')
    lacking = 'agent "{}" has no grant for database "prod" that is about user "{}"'.format
    assert refused(grants(agents, ""), chain) == ("28000", lacking("inner", "alice"))
    assert refused(grants(agents, ""), who("bob", actors="outer")) == ("28000", lacking("outer", "bob"))


@pytest.mark.parametrize(
    ("body", "person", "fits"),
    [
        ("", who(), True),
        ('users = ["alice"]', who(), True),
        ('users = ["bob"]', who(), False),
        ('users = ["*"]', who(), True),
        ('users = ["Alice"]', who(), False),
        ('groups = ["a", "b"]', who(groups="b c"), True),
        ('groups = ["a"]', who(groups="b"), False),
        ('groups = ["a"]', who(), False),
        ('users = ["alice"]\ngroups = ["a"]', who(groups="b"), False),
        ('issuers = ["local"]', who(), True),
        ('issuers = ["okta"]', who(), False),
        ('databases = ["prod"]', who(), True),
        ('databases = ["dev"]', who(), False),
        ('environments = ["production"]', who(), True),
        ('environments = ["dev"]', who(), False),
        ('databases = ["prod"]\nenvironments = ["dev"]', who(), False),
        ('actors = ["*"]', who(), False),
        ('actors = ["agent"]', who(), False),
        ("expires = 2026-05-31T23:59:59Z", who(), False),
        ("expires = 2026-06-01T00:00:00Z", who(), False),
        ("expires = 2026-06-01T00:00:01Z", who(), True),
        ("not_before = 2026-06-01T00:00:00Z", who(), True),
        ("not_before = 2026-06-01T00:00:01Z", who(), False),
        ("expires = 2026-06-01T02:00:00+02:00", who(), False),
    ],
)
def test_a_grant_lets_in_whom_all_its_selectors_name(body: str, person: Principal, fits: bool) -> None:
    if fits:
        assert rights(grants(body), person).grants[0].name == "g0"
    else:
        assert refused(grants(body), person)[0] == "28000"


@pytest.mark.parametrize(
    ("bodies", "person", "fits"),
    [
        ([""], who(actors="agent"), False),
        (['actors = ["*"]'], who(actors="agent"), False),
        (["", 'actors = ["*"]'], who(actors="agent"), True),
        (["", 'actors = ["agent"]'], who(actors="agent"), True),
        (["", 'actors = ["agent"]'], who(actors="agent other"), False),
        (["", 'actors = ["agent"]'], who(actors="other agent"), False),
        (["", 'actors = ["agent", "other"]'], who(actors="agent other"), True),
        (["", 'actors = ["agent"]', 'actors = ["other"]'], who(actors="agent other"), True),
        (["", 'actors = ["*"]\nusers = ["bob"]'], who(actors="agent"), False),
        (['users = ["bob"]', 'actors = ["*"]'], who(actors="agent"), False),
        (["", 'actors = ["*"]\nexpires = 2026-06-01T00:00:00Z'], who(actors="agent"), False),
        (["not_before = 2026-06-01T00:00:01Z", 'actors = ["*"]'], who(actors="agent"), False),
    ],
)
def test_an_agent_needs_a_grant_of_its_own_and_one_of_the_persons(
    bodies: list[str], person: Principal, fits: bool
) -> None:
    if fits:
        assert {one.name for one in rights(grants(*bodies), person).grants} == {f"g{n}" for n in range(len(bodies))}
    else:
        assert refused(grants(*bodies), person)[0] == "28000"


def test_an_agents_rights_move_when_a_grant_of_either_side_does() -> None:
    text = grants("expires = 2026-07-01T00:00:00Z", 'actors = ["*"]\nexpires = 2026-06-03T00:00:00Z', 'actors = ["*"]')
    assert rights(text, who(actors="x")).until == NOW + 2 * 86400
    assert rights(grants("not_before = 2026-06-02T00:00:00Z", "", 'actors = ["*"]'), who(actors="x")).until == NOW + 86400


def test_the_same_grants_on_other_sides_are_other_rights() -> None:
    text = grants("", 'actors = ["x"]', 'actors = ["y"]')
    people = (who(), who(actors="x"), who(actors="y"), who(actors="x y"), who(actors="y x"))
    assert len({rights(text, person).key for person in people}) == 5
    assert rights(text, who(actors="x")).key == rights(text, who("bob", actors="x")).key
    assert rights(grants("", 'actors = ["*"]'), who(actors="x")) == rights(grants("", 'actors = ["*"]'), who(actors="y z"))


def test_all_matching_grants_add_up() -> None:
    both = rights(grants("", 'allow = ["write"]\nunmask = ["email"]', 'users = ["bob"]\nallow = ["all"]'))
    assert both.allow == {"read", "write"}
    assert both.unmask == {"email"}
    assert both.role is None


def test_the_role_that_allows_most_is_taken() -> None:
    text = grants('role = "ro"', 'role = "rw"\nallow = ["read", "write"]')
    found = rights(text)
    assert found.role == "rw"
    assert [one.name for one in found.grants] == ["g1"]


def test_roles_that_allow_as_much_are_taken_by_name() -> None:
    assert rights(grants('role = "b"', 'role = "a"')).role == "a"


def test_a_grant_without_a_role_counts_under_every_role() -> None:
    found = rights(grants('allow = ["ddl"]\nrole = "owner"', "", 'role = "ro"\nunmask = ["*"]'))
    assert found.role == "owner"
    assert found.allow == {"ddl", "read"}
    assert found.unmask == frozenset()


def test_a_wanted_role_selects_its_grants() -> None:
    text = grants('role = "ro"', 'role = "rw"\nallow = ["all"]')
    found = rights(text, role="ro")
    assert found.role == "ro"
    assert found.allow == {"read"}


def test_a_role_that_no_grant_names_is_refused() -> None:
    state, message = refused(grants('role = "ro"'), role="postgres")
    assert state == "42501"
    assert '"postgres"' in message
    assert refused(grants(""), role="postgres")[0] == "42501"


def test_a_role_of_somebody_elses_grant_is_refused() -> None:
    assert refused(grants("", 'users = ["bob"]\nrole = "rw"'), role="rw")[0] == "42501"


def test_rights_end_when_the_next_grant_begins_or_ends() -> None:
    assert rights(grants("")).until == math.inf
    soon = rights(grants("expires = 2026-07-01T00:00:00Z", "not_before = 2026-06-02T00:00:00Z"))
    assert soon.until == NOW + 86400
    assert [one.name for one in soon.grants] == ["g0"]
    assert rights(grants("", 'users = ["bob"]\nexpires = 2026-06-02T00:00:00Z')).until == math.inf


@pytest.mark.parametrize(
    ("body", "person", "speaks"),
    [
        ("", who(), True),
        ('users = ["bob"]', who(), False),
        ('groups = ["a"]', who(groups="a"), True),
        ('environments = ["dev"]', who(), False),
        ('databases = ["*"]', who(), True),
        ('actors = ["*"]', who(), False),
        ('actors = ["*"]', who(actors="x"), True),
        ('actors = ["x"]', who(actors="y x"), True),
        ('actors = ["x"]', who(actors="y"), False),
    ],
)
def test_a_guardrail_speaks_of_whom_it_names(body: str, person: Principal, speaks: bool) -> None:
    text = grants("", 'actors = ["*"]') + f'[[guardrail]]\nname = "r"\neffect = "deny"\nwithout_where = true\n{body}\n'
    assert bool(rights(text, person).guardrails) == speaks


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xc0", b"x" * 100])
def test_other_bytes_are_no_table(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a compiled policy"):
        PolicyTable(data)


def test_databases_that_no_rule_mentions_share_what_was_worked_out() -> None:
    found = table(grants("") + '[[guardrail]]\nname = "r"\neffect = "deny"\nwithout_where = true\ndatabases = ["prod"]\n')
    found.prepare(SETTINGS.databases)
    names = ("one", "two", "prod")
    one, two, prod = (found.rights(who(), name, "staging", NOW, 1) for name in names)
    assert one.guardrails is two.guardrails
    assert [len(each.guardrails) for each in (one, prod)] == [0, 1]
    assert len({each.key for each in (one, two, prod)}) == 3


def test_who_is_told_apart_by_a_guardrail_has_rights_of_another_key() -> None:
    rail = '[[guardrail]]\nname = "r{}"\neffect = "deny"\nwithout_where = true\n{}\n'.format
    text = grants("", 'actors = ["*"]') + rail(1, "") + rail(2, 'groups = ["a"]') + rail(3, 'actors = ["*"]')
    people = (who(), who(groups="a"), who(actors="x"), who(groups="a", actors="x"))
    assert [[one.name for one in rights(text, person).guardrails] for person in people] == [
        ["r1"], ["r1", "r2"], ["r1", "r3"], ["r1", "r2", "r3"]
    ]  # fmt: skip
    assert len({rights(text, person).key for person in people}) == 4
    assert rights(text, who("bob", "b")).key == rights(text, who("eve", "c d")).key
