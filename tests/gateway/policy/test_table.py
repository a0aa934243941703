"""Who gets which rights: deny by default, and order means nothing."""

import datetime
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Refusal
from gateway.identity.principal import Principal
from gateway.policy.compile import compile
from gateway.policy.rules import Grant, Guardrail, Mask, Policy, load
from gateway.policy.table import PolicyTable, Rights
from gateway.settings import Settings
from gateway.settings import load as load_settings

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC).timestamp()
SETTINGS = load_settings(
    '[[database]]\nname = "prod"\nenvironment = "production"\nuser = "u"\n'
    '[[database]]\nname = "dev"\nenvironment = "dev"\nuser = "u"\n',
    "s",
    {},
)


def who(user: str = "alice", groups: str = "", actors: str = "", issuer: str = "local") -> Principal:
    return Principal(user, issuer, tuple(groups.split()), tuple(actors.split()), NOW + 60, "t")


def table(text: str) -> PolicyTable:
    return PolicyTable(compile([load(text, "p")], SETTINGS))


def grants(*bodies: str) -> str:
    return "".join(
        f'[[grant]]\nname = "g{number}"\n{"" if "allow" in body else ALLOW}{body}\n'
        for number, body in enumerate(bodies)
    )


ALLOW = 'allow = ["read"]\n'


def rights(text: str, person: Principal | None = None, role: str | None = None, database: str = "prod") -> Rights:
    environment = "production" if database == "prod" else database
    return table(text).rights(person or who(), database, environment, NOW, 1, role)


def refused(text: str, person: Principal | None = None, role: str | None = None) -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        rights(text, person, role)
    return caught.value.refused.sqlstate, caught.value.refused.message


def test_without_a_grant_nobody_gets_in() -> None:
    state, message = refused("")
    assert state == "28000"
    assert message == 'no grant lets user "alice" into database "prod"'


def test_the_chain_of_agents_is_named_in_the_refusal() -> None:
    assert refused("", who(actors="outer inner"))[1].startswith('no grant lets user "alice" through outer for inner')


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
        ("", who(actors="agent"), False),
        ("actors = []", who(actors="agent"), False),
        ('actors = ["*"]', who(actors="agent"), True),
        ('actors = ["agent"]', who(actors="agent"), True),
        ('actors = ["agent"]', who(actors="agent other"), False),
        ('actors = ["agent", "other"]', who(actors="agent other"), True),
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


def test_equal_keys_are_for_equal_rights() -> None:
    text = grants("", 'users = ["bob"]\nallow = ["all"]')
    alice, carol, bob = (rights(text, who(user)) for user in ("alice", "carol", "bob"))
    assert alice == carol
    assert hash(alice) == hash(carol)
    assert alice != bob
    assert rights(text, database="dev") != alice
    assert rights(text + "# another\n") == alice
    assert rights(grants("", 'users = ["bob"]')) != alice


def test_production_and_replication_are_told() -> None:
    assert rights(grants("")).production
    assert not rights(grants(""), database="dev").production
    assert rights(grants('allow = ["all"]\nunmask = ["*"]')).replication
    assert not rights(grants('allow = ["all"]')).replication
    assert not rights(grants('unmask = ["*"]')).replication


def test_the_stricter_mask_wins() -> None:
    text = grants("") + "".join(
        f'[[mask]]\nlabels = {labels}\nwith = "{method}"\n{keep}\n'
        for labels, method, keep in [
            ('["card", "email"]', "partial", "keep_last = 4"), ('["card"]', "partial", "keep_last = 2"),
            ('["email"]', "hash", ""), ('["name"]', "clear", ""), ('["name"]', "redact", ""),
            ('["iban"]', "partial", ""), ('["dob"]', "null", ""), ('["dob"]', "redact", ""),
        ]
    )  # fmt: skip
    found = {one.labels[0]: (one.method, one.keep_last) for one in rights(text).masks}
    assert found == {
        "card": ("partial", 2), "email": ("hash", None), "name": ("redact", None), "iban": ("partial", 4),
        "dob": ("null", None),
    }  # fmt: skip


def test_rules_that_name_what_is_not_there_are_noted() -> None:
    text = grants('databases = ["prdo"]\nissuers = ["okta"]\nenvironments = ["dev"]')
    assert table(text).notes == (
        'p:1: "g0": database "prdo" is not in sluice.toml',
        'p:1: "g0": issuer "okta" is not in sluice.toml',
    )


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xc0", b"x" * 100])
def test_other_bytes_are_no_table(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a compiled policy"):
        PolicyTable(data)


def test_a_table_of_another_format_is_refused() -> None:
    data = compile([load(grants(""), "p")], SETTINGS)
    assert data.count(b"\xa6format\x01") == 1
    with pytest.raises(ValueError, match="format 2, not 1"):
        PolicyTable(data.replace(b"\xa6format\x01", b"\xa6format\x02"))


NAMES = st.sampled_from(["alice", "bob", "a", "b", "prod", "production", "local", "agent", "*"])
LISTS = st.lists(NAMES, max_size=3).map(tuple)
MOMENTS = st.none() | st.integers(-3, 3).map(
    lambda days: datetime.datetime.fromtimestamp(NOW + days * 86400, datetime.UTC)
)
GRANTS = st.builds(
    Grant, st.uuids().map(str), st.lists(st.sampled_from(["read", "write", "ddl", "admin", "all"]), min_size=1).map(tuple),
    users=LISTS, groups=LISTS, actors=LISTS, issuers=LISTS, databases=LISTS, environments=LISTS,
    role=st.sampled_from(["", "", "r1", "r2"]), unmask=LISTS, expires=MOMENTS, not_before=MOMENTS,
)  # fmt: skip
RAILS = st.builds(
    Guardrail, st.uuids().map(str), st.sampled_from(["deny", "hold", "warn"]), users=LISTS, actors=LISTS,
    databases=LISTS, statements=st.just(("DROP",)),
)  # fmt: skip
MASKS = st.builds(
    Mask, st.lists(st.sampled_from(["card", "email"]), min_size=1).map(tuple),
    st.sampled_from(["redact", "partial", "hash", "null", "clear"]), st.none() | st.integers(0, 9),
)  # fmt: skip


def policy(some: list[Grant], rails: list[Guardrail], masks: list[Mask]) -> Policy:
    return Policy(tuple(some), tuple(rails), masks=tuple(masks), places={r.name: ("f", 1) for r in [*some, *rails]})


@settings(max_examples=150, deadline=None)
@given(
    st.lists(GRANTS, max_size=5), st.lists(RAILS, max_size=3), st.lists(MASKS, max_size=3), st.integers(0, 2**32),
    st.sampled_from([who(), who(groups="a"), who("bob", "a b", "agent"), who(actors="agent x")]),
)  # fmt: skip
def test_the_order_of_rules_and_files_never_matters(
    some: list[Grant], rails: list[Guardrail], masks: list[Mask], seed: int, person: Principal
) -> None:
    chance = random.Random(seed)
    data = compile([policy(some, rails, masks)], Settings())
    for rules in (some, rails, masks):
        chance.shuffle(rules)  # type: ignore[arg-type]
    assert compile([policy(some, [], masks), policy([], rails, [])], Settings()) == data

    found = PolicyTable(data)
    try:
        given_rights = found.rights(person, "prod", "production", NOW, 1)
    except Refusal as refusal:
        assert refusal.refused.sqlstate == "28000"  # noqa: PT017 - the one outcome there is but rights
        return
    assert given_rights.until > NOW
    assert len({one.role for one in given_rights.grants if one.role}) <= 1
    assert all(bool(one.actors) == bool(person.actors) for one in given_rights.grants)
    assert given_rights.allow == {word for one in given_rights.grants for word in one.allow}
