"""The canned questions as a user types them."""

import re
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from gateway.audit.defined import ColumnsCard, RulingCard, SessionCard
from gateway.audit.records import ColumnsInfo, GrantInfo, RulingInfo, SessionInfo
from workers.audit_group import audit
from workers.audit_log import AuditLog

T = 1_700_000_000_000_000_000
GRANT = GrantInfo("readers", "dba@example.com", "T-1")
READ = RulingInfo(4, "abc", "SELECT", "ff", ("SELECT",), ("public.c",), grant=GRANT, labels=(("public.c.id", "ref"),))
WRITE = RulingInfo(4, "abc", "UPDATE", "fe", ("UPDATE",), ("public.orders",), rules=("r1",))
DROP = RulingInfo(4, "abc", "DROP", "fd", ("DROP TABLE",), ("public.c",), decision="deny", rules=("no drops",))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alice through an agent, and bob, on production and on staging."""
    path = tmp_path_factory.mktemp("audit")
    log = AuditLog(path, "db1", 0)
    who = ("s1", "alice", "idp", ("a",), ("agent-7",), "", "", "prod", "production", "app", "jti-1")
    alice = SessionCard(SessionInfo(*who))
    bob = SessionCard(SessionInfo("s2", "bob", database="shop", environment="staging"))
    read, write, drop = RulingCard(READ), RulingCard(WRITE), RulingCard(DROP)
    shown = ColumnsCard(ColumnsInfo((("public.c.email", "email", "redact"),), ("public.c.id",)))
    chain = log.chain
    chain.event(T, "system", {"what": "worker started", "generation": 4, "policy": "abc"})
    chain.event(T + 1, "approval", {"what": "approved", "approval": "A-1", "by": "carol"})
    for number in range(3):
        intent = chain.intent(T + 10 + number, alice, read)
        chain.outcome(T + 20 + number, intent, "ok", 5, 100, shown, "SELECT", "", 10)
    chain.outcome(T + 31, chain.intent(T + 30, alice, drop), "refused", 0, 0, None, "", "42501", 0)
    chain.outcome(T + 33, chain.intent(T + 32, alice, write, None, "A-1"), "ok", 7, 0, None, "UPDATE", "", 9)
    chain.outcome(T + 41, chain.intent(T + 40, bob, read), "ok", 2, 50, None, "SELECT", "", 9)
    log.close()
    return path


def run(place: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(audit, ["--dir", str(place), *arguments])
    assert result.exit_code == 0, result.output
    return result


def lines(place: Path, *arguments: str) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in run(place, *arguments, "--json").stdout.splitlines()]


def test_who_touched_an_environment_a_database_or_a_table(place: Path) -> None:
    (alice,) = lines(place, "who-touched", "production")
    assert (alice["user"], alice["actor"]) == ("alice", ["agent-7"])
    assert (alice["read"], alice["write"], alice["refused"]) == (3, 1, 1)
    assert (alice["rows_out"], alice["rows_changed"], alice["tables"]) == (15, 7, ["public.c", "public.orders"])
    assert [each["user"] for each in lines(place, "who-touched", "shop")] == ["bob"]
    assert [each["user"] for each in lines(place, "who-touched", "c")] == ["alice", "bob"]
    assert [each["user"] for each in lines(place, "who-touched", "public.orders")] == ["alice"]
    assert lines(place, "who-touched", "c", "--user", "bob")[0]["rows_out"] == 2
    assert lines(place, "who-touched", "c", "--since", "2023-11-15") == []
    text = run(place, "who-touched", "production").stdout
    assert re.search(r"^alice > agent-7 +1 +3 +1 +0 +0 +1 +0 +0 +15 +7 +public\.c, public\.orders +2023", text, re.M)
    assert run(place, "who-touched", "moon").stdout == "nobody touched moon\n"


def test_what_moved_for_a_user_an_actor_or_a_session(place: Path) -> None:
    for asked in (("--user", "alice"), ("--actor", "agent-7"), ("--session", "s1")):
        table, clear, masked, into = lines(place, "what-moved", *asked)
        assert table == {"way": "out", "table": "public.c", "rows": 15, "bytes": 300, "statements": 3}
        assert (clear["column"], clear["rows_clear"], clear["labels"]) == ("id", 15, ["ref"])
        assert (masked["column"], masked["rows_masked"], masked["masks"]) == ("email", 15, ["redact"])
        assert into == {"way": "in", "table": "public.orders", "rows": 7}
    text = run(place, "what-moved", "--user", "alice").stdout
    assert "4 statements; out: 15 rows, 300 bytes of results" in text
    assert re.search(r"^public\.c +15 +300 +3", text, re.M)
    assert re.search(r"^public\.c +email +0 +15 +0 +300 +email +redact", text, re.M)
    assert re.search(r"^public\.orders +7", text, re.M)
    assert run(place, "what-moved", "--user", "nobody").stdout == "0 statements; out: 0 rows, 0 bytes of results\n"


def test_who_granted_a_session(place: Path) -> None:
    (answer,) = lines(place, "who-granted", "--session", "s1")
    assert answer["grants"] == [
        {"name": "readers", "granted_by": "dba@example.com", "reason": "T-1", "statements": 3}
    ]
    assert answer["policies"] == [
        {
            "generation": 4,
            "hash": "abc",
            "in_force_since": "2023-11-14T22:13:20.000000Z",
            "first_used": "2023-11-14T22:13:20.000000Z",
        }
    ]
    (approval,) = answer["approvals"]  # type: ignore[attr-defined]
    assert (approval["approval"], len(approval["intents"])) == ("A-1", 1)
    assert approval["records"][0]["by"] == "carol"
    assert (answer["token_id"], answer["issuer"], answer["refused"]) == ("jti-1", "idp", 1)
    text = run(place, "who-granted", "--session", "s1").stdout
    assert "alice through agent-7 on prod (production) as app" in text
    assert "grant readers: granted by dba@example.com, T-1; 3 statements" in text
    assert "policy generation 4, hash abc: in force since 2023-11-14T22:13:20.000000Z" in text
    assert "by=carol" in text
    assert "no statement ran under a grant" not in text
    gone = CliRunner().invoke(audit, ["--dir", str(place), "who-granted", "--session", "s9"])
    assert (gone.exit_code, gone.stderr) == (1, "no session has this id\n")
