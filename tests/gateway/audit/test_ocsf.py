"""OCSF events: classes, activities and the identifiers that follow from them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.ocsf import to_ocsf
from gateway.audit.query import Entry
from gateway.audit.records import ColumnsInfo
from tests.gateway.audit.report_rig import MONDAY_NOON, event, intent, outcome, ruling, who


def made(entry: Entry) -> dict[str, object]:
    found = to_ocsf(entry, "1.2.3")
    assert found is not None
    assert found["type_uid"] == found["class_uid"] * 100 + found["activity_id"]
    assert found["category_uid"] == found["class_uid"] // 1000
    assert found["time"] == entry.time_ns // 1_000_000
    assert found["metadata"]["version"] == "1.3.0"
    assert found["metadata"]["uid"] == entry.id
    assert found["metadata"]["product"] == {"name": "Sluice", "vendor_name": "Sluice", "version": "1.2.3"}
    json.dumps(found)
    return found


def test_an_intent_is_told_by_its_outcome() -> None:
    assert to_ocsf(intent(1, MONDAY_NOON, who(), ruling()), "1") is None


@pytest.mark.parametrize(
    ("kind", "activity", "name"),
    [("SELECT", 4, "Query"), ("UPDATE", 2, "Update"), ("DELETE", 7, "Delete"), ("INSERT", 6, "Create"),
     ("COPY TO", 1, "Read"), ("COPY FROM", 5, "Write"), ("MERGE", 5, "Write"), ("CREATE INDEX", 99, "CREATE INDEX")],
)  # fmt: skip
def test_a_statement_is_a_datastore_activity_of_its_kind(kind: str, activity: int, name: str) -> None:
    found = made(outcome(2, MONDAY_NOON, who("bob", "agent-7", "sub"), ruling("S", kind), 5))
    assert (found["class_uid"], found["activity_id"], found["activity_name"]) == (6005, activity, name)
    assert found["actor"]["user"]["name"] == "bob"
    assert found["actor"]["invoked_by"] == "agent-7 > sub"
    assert found["src_endpoint"] == {"ip": "10.0.0.9", "port": 5000}
    assert found["table"] == {"name": "public.customers"}
    assert found["query_info"] == {"query_string": "S", "uid": "ff", "bytes": 50}


@pytest.mark.parametrize(
    ("status", "decision", "code", "severity", "action"),
    [("ok", "allow", 1, 1, 1), ("refused", "deny", 2, 3, 2), ("error", "warn", 2, 2, 1), ("unresolved", "allow", 0, 3, 1)],
)
def test_how_it_ended_is_status_severity_and_action(
    status: str, decision: str, code: int, severity: int, action: int
) -> None:
    found = made(outcome(2, MONDAY_NOON, who(), ruling(decision=decision), status=status, sqlstate="42501"))
    assert (found["status_id"], found["severity_id"], found["action_id"]) == (code, severity, action)
    assert (found["status_detail"], found["status_code"]) == (status, "42501")


def test_masks_rules_and_grants_stand_in_unmapped() -> None:
    columns = ColumnsInfo((("public.customers.email", "email", "redact"),), ())
    rest = made(outcome(2, MONDAY_NOON, who(), ruling(), 5, columns))["unmapped"]
    assert rest["columns_masked"] == [{"column": "public.customers.email", "label": "email", "mask": "redact"}]
    assert rest["grant"]["reason"] == "TICKET-1"
    assert "statement" not in rest


def test_sign_ins_are_authentication() -> None:
    opened = made(event(1, MONDAY_NOON, "session", who(), what="session opened"))
    refused = made(event(1, MONDAY_NOON, "session", who(), what="sign-in refused", why="expired"))
    closed = made(event(1, MONDAY_NOON, "session", who(), what="session closed"))
    assert [each["type_uid"] for each in (opened, refused, closed)] == [300201, 300201, 300202]
    assert (refused["status_id"], refused["status_detail"], opened["status_id"]) == (2, "expired", 1)
    assert made(event(1, MONDAY_NOON, "session", None, what="odd"))["activity_id"] == 99


def test_what_happens_to_the_gateway_is_its_life() -> None:
    assert made(event(1, MONDAY_NOON, "system", what="gateway started"))["type_uid"] == 600203
    assert made(event(1, MONDAY_NOON, "policy", what="policy published"))["type_uid"] == 600299
    assert made(event(1, MONDAY_NOON, "system", what="audit failed"))["severity_id"] == 4


@given(st.text(max_size=40))
def test_any_address_is_a_source(address: str) -> None:
    session = who()
    entry = outcome(2, MONDAY_NOON, type(session)(session.session, session.user, address=address), ruling())
    source = made(entry)["src_endpoint"]
    assert set(source) in ({"ip", "port"}, {"name"})
