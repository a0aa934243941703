"""The compiled bytes: one form for equal rules, whatever their order."""

import datetime
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Refusal
from gateway.identity.principal import Principal
from gateway.policy.compile import compile
from gateway.policy.rules import Grant, Guardrail, Mask, Policy, load
from gateway.policy.table import PolicyTable
from gateway.settings import Settings
from tests.gateway.policy.grants import NOW, SETTINGS, grants, rights, table, who


def test_the_stricter_mask_wins() -> None:
    text = grants("") + "".join(
        f'[[mask]]\nlabels = {labels}\nwith = "{method}"\n{keep}\n'
        for labels, method, keep in [
            ('["card", "email"]', "partial", "keep_last = 4"), ('["card"]', "partial", "keep_last = 2"),
            ('["email"]', "hash", ""), ('["name"]', "clear", ""), ('["name"]', "redact", ""),
            ('["iban"]', "partial", ""), ('["dob"]', "null", ""), ('["dob"]', "redact", ""),
        ]
    )  # fmt: skip
    found = {one.labels[0]: (one.method, one.keep_last) for one in rights(text).masks.values()}
    assert found == {
        "card": ("partial", 2), "email": ("hash", None), "name": ("redact", None), "iban": ("partial", 4),
        "dob": ("null", None),
    }  # fmt: skip


def test_the_stricter_word_on_inference_and_the_lower_number_win() -> None:
    text = grants("") + "".join(
        f'[[mask]]\nlabels = {labels}\n{words}\n'
        for labels, words in [
            ('["card", "email"]', 'with = "hash"\ninference = "allow"'), ('["card"]', 'inference = "refuse"'),
            ('["email"]', "max_equality_per_hour = 9"), ('["email", "name"]', "max_equality_per_hour = 7"),
        ]
    )  # fmt: skip
    found = {one.labels[0]: (one.method, one.inference, one.max_equality_per_hour) for one in rights(text).masks.values()}
    assert found == {
        "card": ("redact", "refuse", None), "email": ("redact", "allow_equality", 7),
        "name": ("redact", "allow_equality", 7),
    }  # fmt: skip


def test_rules_that_name_what_is_not_there_are_noted() -> None:
    text = grants('databases = ["prdo"]\nissuers = ["okta"]\nenvironments = ["dev"]')
    assert table(text).notes == (
        'p:1: "g0": database "prdo" is not in sluice.toml',
        'p:1: "g0": issuer "okta" is not in sluice.toml',
    )


def test_a_table_of_another_format_is_refused() -> None:
    data = compile([load(grants(""), "p")], SETTINGS)
    assert data.count(b"\xa6format\x06") == 1
    with pytest.raises(ValueError, match="format 2, not 6"):
        PolicyTable(data.replace(b"\xa6format\x06", b"\xa6format\x02"))


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
    min_group=st.none() | st.integers(2, 9),
    inference=st.sampled_from(["refuse", "allow_equality", "allow"]),
    max_equality_per_hour=st.none() | st.integers(1, 9),
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
    *agents, own = given_rights.sides
    assert bool(agents) == bool(person.actors)
    assert not any(one.actors for one in own)
    assert all(one.actors for side in agents for one in side)
    assert given_rights.allow <= {word for one in own for word in one.allow} | {"all"} or "all" in given_rights.allow
