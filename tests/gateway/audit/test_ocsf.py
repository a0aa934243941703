"""OCSF's required attributes, consistent ids, and nothing of a record lost, over random trails."""

from pathlib import Path

import pytest

from gateway.audit.ocsf import to_ocsf
from gateway.audit.query import Entry, to_json
from gateway.audit.records import RulingInfo, SessionInfo
from tests.gateway.audit.trail_rig import T, write_trail
from workers.audit_trail import read_all

SESSION = SessionInfo("s1", "alice", "idp", ("dba",), ("agent-7",), "[::1]:7", "psql", "prod", "production")


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    folder = tmp_path_factory.mktemp("trail")
    write_trail(folder, 1)
    return list(read_all(Path(folder)))


def test_every_record_is_an_event_with_what_ocsf_requires(entries: list[Entry]) -> None:
    assert len(entries) > 100
    for entry in entries:
        event = to_ocsf(entry)
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["category_uid"] == event["class_uid"] // 1000
        assert event["metadata"]["product"]["name"] == "Sluice"
        assert event["metadata"]["uid"] == entry.id
        assert event["time"] == entry.time_ns // 1_000_000
        assert event["severity_id"] in range(1, 5)
        if event["class_uid"] == 6005:
            assert event["actor"]["user"]["name"] == entry.session.user if entry.session else True
            assert {"database", "src_endpoint", "query_info"} <= event.keys()
        elif event["class_uid"] == 3002:
            assert {"user", "src_endpoint"} <= event.keys()
        else:
            assert event["app"]["name"] == "Sluice"


def test_what_ocsf_has_no_place_for_is_kept_by_its_own_name(entries: list[Entry]) -> None:
    entry = next(each for each in entries if each.kind == "outcome" and each.columns and each.columns.masked)
    unmapped, record = to_ocsf(entry)["unmapped"], to_json(entry)
    for name in ("columns_masked", "rules", "grant", "labels", "intent", "rows"):
        if record.get(name):
            assert unmapped[name] == record[name]


@pytest.mark.parametrize(
    ("method", "told"), [("oauthbearer", (6, "OAUTH 2.0")), ("scram", (99, "SCRAM-SHA-256")), ("", (None, None))]
)
def test_a_sign_in_names_its_protocol(method: str, told: tuple[int | None, str | None]) -> None:
    who = SessionInfo("s1", "alice", method=method, weak=method == "scram")
    event = to_ocsf(Entry("db1-0.ab", 1, T, "session", who, data={"what": "session opened"}))
    assert (event.get("auth_protocol_id"), event.get("auth_protocol")) == told
    assert event["unmapped"].get("weak") is (True if method == "scram" else None)


@pytest.mark.parametrize(
    ("kinds", "activity"),
    [
        (("SELECT",), "Query"),
        (("COPY TO",), "Read"),
        (("INSERT",), "Write"),
        (("UPDATE",), "Update"),
        (("DELETE",), "Delete"),
        (("CREATE TABLE",), "Create"),
        (("DROP TABLE",), "Delete"),
        (("SET",), "Other"),
        ((), "Other"),
    ],
)
def test_activity_follows_the_statement(kinds: tuple[str, ...], activity: str) -> None:
    entry = Entry("db1-0.aa", 1, T, "intent", SESSION, RulingInfo(1, "h", "x", "f", kinds))
    event = to_ocsf(entry)
    assert event["activity_name"] == activity
    assert event["src_endpoint"] == {"ip": "::1", "port": 7}


def test_sign_ins_and_denials_are_failures_where_they_failed() -> None:
    for what, activity, status in (
        ("session opened", "Logon", "Success"),
        ("sign-in refused", "Logon", "Failure"),
        ("session closed", "Logoff", "Success"),
    ):
        event = to_ocsf(Entry("db1-0.aa", 1, T, "session", SESSION, data={"what": what}))
        assert (event["class_uid"], event["activity_name"], event["status"]) == (3002, activity, status)
    denied = Entry("db1-0.aa", 1, T, "intent", SESSION, RulingInfo(1, "h", "x", "f", ("SELECT",), decision="deny"))
    assert (to_ocsf(denied)["status"], to_ocsf(denied)["severity"]) == ("Failure", "Medium")
