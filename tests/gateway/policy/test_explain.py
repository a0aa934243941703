"""An explanation is plain data and says what the decision says."""

import json
from typing import Any

from gateway.classify.catalog import Catalog, CatalogColumn, CatalogTable
from gateway.identity.principal import Principal
from gateway.policy.compile import compile
from gateway.policy.decide import decide
from gateway.policy.explain import explain
from gateway.policy.rules import load
from gateway.policy.table import PolicyTable
from gateway.settings import Settings
from parser.facts import Column, Relation
from parser.statements import read

COLUMNS = (CatalogColumn(1, "id", 23), CatalogColumn(2, "email", 25, "email"), CatalogColumn(3, "phone", 25, "phone"))
CUSTOMERS = CatalogTable(16384, "public", "customers", "r", COLUMNS)
BASE = Column(Relation("public", "customers"), "email")
CONTACT = CatalogColumn(1, "contact", 25, "email", bases=frozenset({BASE}))
VIEW = CatalogTable(16385, "public", "contacts", "v", (CONTACT,), behind=frozenset({BASE.relation}))
CATALOG = Catalog(1, {16384: CUSTOMERS, 16385: VIEW}, {"customers": (CUSTOMERS,), "contacts": (VIEW,)}, {})
TABLE = PolicyTable(compile([load('[[grant]]\nname = "g"\nallow = ["read"]\nunmask = ["email"]\n', "p")], Settings()))


def told(sql: bytes, table: PolicyTable = TABLE) -> dict[str, Any]:
    rights = table.rights(Principal("alice", "i", (), (), 9e9, "t"), "shop", "production", 0.0, 1)
    return explain([(facts, decide(facts, rights, CATALOG)) for facts in read(sql)], rights, CATALOG)


def test_each_output_column_has_its_origin_and_labels() -> None:
    found = told(b"SELECT id, email || phone FROM customers")
    (statement,) = found["statements"]
    assert statement["decision"] == "allow"
    assert statement["rules"] == ["g"]
    assert statement["tables"] == ["customers"]
    assert [one["name"] for one in statement["columns"]] == ["id", "?column?"]
    first, second = statement["columns"]
    assert (first["origin"], first["labels"], first["plain"]) == (["customers.id"], [], True)
    assert second["origin"] == ["customers.email", "customers.phone"]
    assert second["labels"] == ["email", "phone"]
    assert not second["plain"]


def test_columns_bear_their_own_names() -> None:
    (statement,) = told(b"SELECT id AS number, email || phone AS contact, phone FROM customers")["statements"]
    assert [one["name"] for one in statement["columns"]] == ["number", "contact", "phone"]


def test_a_whole_row_carries_every_label_of_its_table() -> None:
    found = told(b"SELECT to_json(c) FROM customers c")
    assert found["statements"][0]["columns"][0]["labels"] == ["email", "phone"]


def test_a_refusal_tells_rule_need_and_mend() -> None:
    found = told(b"SELECT 1; DROP TABLE customers; SELECT FROM FROM")
    fine, dropped, unread = found["statements"]
    assert fine["message"] == ""
    assert dropped["decision"] == "deny"
    assert dropped["sqlstate"] == "42501"
    assert "no DROP" in dropped["rules"][0]
    assert {"allow": "ddl", "because": "the statement changes definitions"} in dropped["needs"]
    assert unread["complete"] is False
    assert unread["reason"]


def test_an_explanation_is_json() -> None:
    found = told(b"SELECT *, lower(email) FROM public.customers")
    assert json.loads(json.dumps(found)) == found
    assert found["role"] is None
    assert found["allow"] == ["read"]
    assert found["environment"] == "production"


def test_a_column_of_a_view_shows_the_columns_behind_it() -> None:
    (column,) = told(b"SELECT contact FROM public.contacts")["statements"][0]["columns"]
    assert (column["name"], column["origin"]) == ("contact", ["public.contacts.contact"])
    assert column["bases"] == ["public.customers.email"]
    (column,) = told(b"SELECT email FROM public.customers")["statements"][0]["columns"]
    assert column["bases"] == []


def test_limits_and_budgets_in_force_are_told() -> None:
    text = """
[[grant]]
name = "g"
allow = ["write"]
max_rows_per_hour = 5
max_statement_seconds = 1.5
max_affected_rows = 7
"""
    table = PolicyTable(compile([load(text, "p")], Settings()))
    (statement,) = told(b"DELETE FROM customers WHERE id = 1", table)["statements"]
    assert statement["wants_estimate"]
    assert statement["limits"] == {
        "affected_rows": {"rule": "g", "most": 7},
        "statement_seconds": {"rule": "g", "most": 1.5},
        "budgets": [{"grant": "g", "what": "rows", "most": 5, "window_seconds": 3600}],
        "guesses": [],
    }
    (statement,) = told(b"SELECT 1")["statements"]
    assert statement["limits"] == {
        "affected_rows": None,
        "statement_seconds": None,
        "budgets": [],
        "guesses": [],
    }


def test_of_an_agent_each_side_is_told_and_the_loops_that_are_counted() -> None:
    text = """
[[grant]]
name = "people"
allow = ["read", "write"]
[[grant]]
name = "agents"
actors = ["*"]
allow = ["read", "ddl"]
[[guardrail]]
name = "circles"
loop = "offset"
effect = "slow"
"""
    table = PolicyTable(compile([load(text, "p")], Settings()))
    given = table.rights(Principal("ann", "i", (), ("agent-7",), 9e9, "t"), "shop", "dev", 0.0, 1)
    (facts,) = read(b"SELECT 1")
    found = explain([(facts, decide(facts, given, CATALOG))], given, CATALOG)
    assert found["allow"] == ["read"]
    assert found["sides"] == [
        {"grants": ["agents"], "allow": ["ddl", "read"]}, {"grants": ["people"], "allow": ["read", "write"]}
    ]  # fmt: skip
    (statement,) = found["statements"]
    assert statement["loops"] == [
        {"rule": "circles", "loop": "offset", "after": 20, "window_seconds": 600, "effect": "slow"}
    ]
