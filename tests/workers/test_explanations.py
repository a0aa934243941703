"""Explanations are what the gateway would decide: masks, estimates and refusals of the masking included."""

import pytest

from gateway.identity.principal import Principal
from gateway.policy import expectations, rules
from gateway.policy.compile import compile
from gateway.policy.rights import Rights
from gateway.policy.table import PolicyTable
from gateway.scope import Scope
from gateway.settings import load
from workers.explanations import explained, sign_in

SETTINGS = load('[[database]]\nname = "prod"\nenvironment = "production"\nuser = "u"\n', "s", {})
POLICY = """
[[grant]]
name = "g"
users = ["alice"]
allow = ["read", "write"]
unmask = ["phone"]
"""
TABLES = """
[[table]]
name = "public.people"
columns = { id = "int", email = "text", phone = "text" }
[[test]]
name = "t"
user = "alice"
database = "prod"
sql = "SELECT 1"
expect = "allow"
"""
PRODUCTION = SETTINGS.database("prod")
TABLE = PolicyTable(compile([rules.load(POLICY, "p")], SETTINGS))


def principal(user: str) -> Principal:
    return Principal(user, "i", (), (), 9e9, "t")


@pytest.fixture
def scope() -> Scope:
    assert PRODUCTION is not None
    rights = sign_in(TABLE, principal("alice"), PRODUCTION, 0.0)
    assert isinstance(rights, Rights)
    return Scope(rights, expectations.catalog(expectations.load(TABLES, "t"), []), "", search_path=("public",))


def test_every_column_has_its_mask(scope: Scope) -> None:
    (statement,) = explained(scope, "SELECT id, email, phone, email || phone FROM people")["statements"]
    assert [one["mask"] for one in statement["columns"]] == ["clear", "redact", "clear", "redact"]


def test_an_estimate_is_heard_where_a_rule_wants_it(scope: Scope) -> None:
    sql = "DELETE FROM people WHERE id > 5"
    assert explained(scope, sql)["statements"][0]["wants_estimate"]
    for rows, decision in ((9, "allow"), (10_000, "hold")):
        (statement,) = explained(scope, sql, rows)["statements"]
        assert (statement["decision"], statement["wants_estimate"]) == (decision, False)
    assert explained(scope, "SELECT 1", 10**9)["statements"][0]["decision"] == "allow"


def test_what_the_masking_refuses_is_told_as_refused(scope: Scope) -> None:
    (statement,) = explained(scope, "SELECT set_config('a.b', email, false) FROM people")["statements"]
    assert statement["decision"] == "deny"
    assert statement["message"]


def test_who_does_not_come_in_is_told_why() -> None:
    assert PRODUCTION is not None
    found = sign_in(TABLE, principal("mallory"), PRODUCTION, 0.0)
    assert isinstance(found, dict)
    assert "mallory" in found["sign_in"]
    assert found["statements"] == []
