"""An explanation is plain data and says what the decision says."""

import json

from gateway.classify.catalog import Catalog, CatalogColumn, CatalogTable
from gateway.identity.principal import Principal
from gateway.policy.compile import compile
from gateway.policy.explain import explain
from gateway.policy.rules import load
from gateway.policy.table import PolicyTable
from gateway.settings import Settings
from parser.statements import read

COLUMNS = (CatalogColumn(1, "id", 23), CatalogColumn(2, "email", 25, "email"), CatalogColumn(3, "phone", 25, "phone"))
CUSTOMERS = CatalogTable(16384, "public", "customers", "r", COLUMNS)
CATALOG = Catalog(1, {16384: CUSTOMERS}, {"customers": (CUSTOMERS,)}, {})
TABLE = PolicyTable(compile([load('[[grant]]\nname = "g"\nallow = ["read"]\nunmask = ["email"]\n', "p")], Settings()))
RIGHTS = TABLE.rights(Principal("alice", "i", (), (), 9e9, "t"), "shop", "production", 0.0, 1)


def test_each_output_column_has_its_origin_and_labels() -> None:
    told = explain(read(b"SELECT id, email || phone FROM customers"), RIGHTS, CATALOG)
    (statement,) = told["statements"]
    assert statement["decision"] == "allow"
    assert statement["rules"] == ["g"]
    assert statement["tables"] == ["customers"]
    first, second = statement["columns"]
    assert (first["origin"], first["labels"], first["plain"]) == (["customers.id"], [], True)
    assert second["origin"] == ["customers.email", "customers.phone"]
    assert second["labels"] == ["email", "phone"]
    assert not second["plain"]


def test_a_whole_row_carries_every_label_of_its_table() -> None:
    told = explain(read(b"SELECT to_json(c) FROM customers c"), RIGHTS, CATALOG)
    assert told["statements"][0]["columns"][0]["labels"] == ["email", "phone"]


def test_a_refusal_tells_rule_need_and_mend() -> None:
    told = explain(read(b"SELECT 1; DROP TABLE customers; SELECT FROM FROM"), RIGHTS, CATALOG)
    fine, dropped, unread = told["statements"]
    assert fine["message"] == ""
    assert dropped["decision"] == "deny"
    assert dropped["sqlstate"] == "42501"
    assert "no DROP" in dropped["rules"][0]
    assert {"allow": "ddl", "because": "the statement changes definitions"} in dropped["needs"]
    assert unread["complete"] is False
    assert unread["reason"]


def test_an_explanation_is_json() -> None:
    told = explain(read(b"SELECT *, lower(email) FROM public.customers"), RIGHTS, CATALOG)
    assert json.loads(json.dumps(told)) == told
    assert told["role"] is None
    assert told["allow"] == ["read"]
    assert told["environment"] == "production"
