"""The auditor's questions about real sessions, while the gateway runs."""

import json
import uuid
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from tests.live.rig import Gateway, wait_for
from workers.audit_group import audit


def ask(gateway: Gateway, *arguments: str) -> list[dict[str, Any]]:
    """One verb's objects."""
    done = CliRunner().invoke(audit, ["--dir", str(gateway.folder / "var/audit"), *arguments, "--json"])
    assert (done.exit_code, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_questions_are_answered_while_it_runs(gateway: Gateway) -> None:
    user = f"zoe-{uuid.uuid4().hex[:8]}"
    with gateway.connect("shop", user, ("analysts",), "agent-7", application_name="quarterly") as connection:
        connection.execute("select id, email, city from customers where id < 3").fetchall()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("drop table customers")
        running = ask(gateway, "query", "--user", user, "--kind", "intent")
    (closed,) = wait_for(
        "the session's end",
        lambda: [each for each in ask(gateway, "query", "--user", user) if each.get("event", {}).get("statements")],
    )
    session = closed["session"]
    assert [each["decision"] for each in running] == ["allow", "deny"]

    who, *_, selected, dropped, _, end = ask(gateway, "session", session)
    assert (who["user"], who["actor"], who["client"]["application"]) == (user, ["agent-7"], "quarterly")
    assert (selected["status"], selected["rows"]) == ("ok", 2)
    assert any("email" in each["column"] for each in selected["columns_masked"])
    assert (dropped["status"], dropped["sqlstate"]) == ("refused", "42501")
    assert (end["statements"], end["refused"], end["running"]) == (2, 1, 0)

    (touch,) = ask(gateway, "who-touched", "production", "--user", user)
    assert (touch["actor"], touch["read"], touch["ddl"], touch["refused"], touch["rows_out"]) == (["agent-7"], 1, 0, 1, 2)
    assert any("customers" in each for each in touch["tables"])

    moved = {each.get("column", ""): each for each in ask(gateway, "what-moved", "--session", session)}
    assert moved[""]["rows"] == 2
    assert (moved["email"]["rows_masked"], moved["email"]["rows_clear"]) == (2, 0)
    assert sum(moved["id"][name] for name in ("rows_clear", "rows_unlabelled")) == 2

    (grounds,) = ask(gateway, "who-granted", "--session", session)
    assert [each["name"] for each in grounds["grants"]] == ["agents read production for analysts"]
    (policy,) = grounds["policies"]
    assert policy["in_force_since"] <= policy["first_used"]
    assert grounds["issuer"] == "local"

    (count,) = ask(gateway, "query", "--session", session, "--group-by", "user")
    assert (count["user"], count["intents"], count["outcomes"]) == (user, 2, 2)
