"""Explanations are what the gateway would decide: masks, estimates and refusals of the masking included."""

import psycopg
import pytest
import trio

from gateway.classify.catalog import Catalog
from gateway.identity.principal import Principal
from gateway.policy import expectations, rules
from gateway.policy.compile import compile
from gateway.policy.rights import Rights
from gateway.policy.table import PolicyTable
from gateway.scope import Scope
from gateway.settings import load
from workers import catalog
from workers.embedded import EmbeddedServer
from workers.explanations import OWN_SESSION, explained, sign_in
from workers.upstream import Target, connect

from .cli_rig import server

__all__ = ["server"]

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
columns = { id = "int", email = "text", phone = "text", salary = "int" }
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


def test_sums_of_groups_tell_how_large_a_group_must_be(scope: Scope) -> None:
    masks = []
    for sql in ("SELECT id, avg(salary), max(salary) FROM people GROUP BY id", "SELECT avg(salary) FROM people; SELECT 1"):
        masks.append([one["mask"] for one in explained(scope, sql)["statements"][0]["columns"]])
    assert masks == [["clear", "group of 10", "redact"], ["redact"]]


def test_an_estimate_is_heard_where_a_rule_wants_it(scope: Scope) -> None:
    sql = "DELETE FROM people WHERE id > 5"
    assert explained(scope, sql)["statements"][0]["wants_estimate"]
    for rows, decision in ((9, "allow"), (10_000, "hold")):
        (statement,) = explained(scope, sql, rows)["statements"]
        assert (statement["decision"], statement["wants_estimate"]) == (decision, False)
    assert explained(scope, "SELECT 1", 10**9)["statements"][0]["decision"] == "allow"


def test_a_declared_intent_is_compared(scope: Scope) -> None:
    said = "effect=read tables=public.people why"
    (statement,) = explained(scope, "DELETE FROM people WHERE id = 5", 1, said)["statements"]
    assert statement["mismatch"] == ["writes"]
    (statement,) = explained(scope, "SELECT 1", None, "effect=read")["statements"]
    assert statement["mismatch"] == []


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


SCHEMA = """
create table staff (id int primary key, ssn text, wage int, town text);
create view slips as select id as number, wage * 2 as pay, town from staff;
create view towns as select town from slips;
create function first_ssn() returns text stable language sql as 'select ssn from public.staff limit 1';
create function clean() returns int language plpgsql as 'begin delete from staff; return 1; end';
create function run(text) returns void language plpgsql as 'begin execute $1; end';
create view trap as select clean() as done;
create operator ~~~~ (rightarg = text, function = run);
"""
RAILS = """
[[guardrail]]
name = "staff"
effect = "deny"
tables = ["public.staff"]
users = ["tables"]
[[guardrail]]
name = "wages"
effect = "deny"
columns = ["staff.wage", "staff.ssn"]
users = ["columns"]
"""


@pytest.fixture(scope="module")
def policy_and_catalog(server: EmbeddedServer) -> tuple[PolicyTable, Catalog]:
    with psycopg.connect(server.dsn(), autocommit=True) as owner:
        owner.execute(SCHEMA)

    async def read() -> Catalog:
        where = Target((("127.0.0.1", server.port),), "postgres", "postgres", server.password, "disable")
        upstream = await connect(where, OWN_SESSION)
        try:
            return await catalog.read(upstream, 0, ())
        finally:
            await upstream.close()

    grant = '[[grant]]\nname = "g"\nallow = ["read", "write"]\n'
    readers = '[[grant]]\nname = "r"\nusers = ["reader"]\nallow = ["read"]\n'
    text = grant.replace('"g"\n', '"g"\nusers = ["tables", "columns", "writer"]\n') + readers + RAILS
    return PolicyTable(compile([rules.load(text, "p")], SETTINGS)), trio.run(read)


@pytest.mark.parametrize(
    ("user", "sql", "decision"),
    [
        ("tables", "SELECT town FROM towns", "deny"),
        ("tables", "SELECT first_ssn()", "deny"),
        ("tables", "SELECT 1 FROM pg_tables", "allow"),
        ("columns", "SELECT pay FROM slips", "deny"),
        ("columns", "SELECT * FROM slips", "deny"),
        ("columns", "SELECT town, number FROM slips", "allow"),
        ("columns", "SELECT * FROM towns", "allow"),
        ("columns", "SELECT first_ssn()", "deny"),
        ("reader", "SELECT first_ssn()", "allow"),
        ("reader", "SELECT clean()", "deny"),
        ("reader", "SELECT * FROM trap", "deny"),
        ("writer", "SELECT * FROM trap", "allow"),
        ("reader", "SELECT ~~~~ 'drop table staff'::text", "deny"),
        ("writer", "SELECT ~~~~ 'drop table staff'::text", "deny"),
        ("writer", "SELECT run('drop table staff')", "deny"),
    ],
)
def test_rules_see_through_views_functions_and_operators_of_a_real_database(
    policy_and_catalog: tuple[PolicyTable, Catalog], user: str, sql: str, decision: str
) -> None:
    policy, found = policy_and_catalog
    assert PRODUCTION is not None
    rights = sign_in(policy, principal(user), PRODUCTION, 0.0)
    assert isinstance(rights, Rights)
    (statement,) = explained(Scope(rights, found, "", search_path=("public",)), sql)["statements"]
    assert (statement["decision"], statement["complete"]) == (decision, True)
