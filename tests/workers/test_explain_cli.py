"""`sluice policy explain` against a real catalogue."""

import json
from pathlib import Path

import psycopg

from workers.embedded import EmbeddedServer

from .cli_rig import folder, one_line, point_at, server, sluice

__all__ = ["folder", "server"]


def test_explain_tells_decision_rule_origin_and_mask(folder: Path, server: EmbeddedServer) -> None:
    point_at(folder, server)
    with psycopg.connect(server.dsn()) as owner:
        owner.execute("create table people (id int primary key, email text)")
    explain = ["policy", "explain", "--json", "--user", "alice", "--database", "prod"]
    found = json.loads(
        sluice(*explain, "--groups", "analysts", "select id, email from public.people", cwd=folder).stdout
    )
    [statement] = found["statements"]
    assert (statement["decision"], statement["rules"][0]) == ("allow", "analysts read production")
    assert [(one["origin"], one["mask"]) for one in statement["columns"]] == [
        (["public.people.id"], "clear"),
        (["public.people.email"], "redact"),
    ]
    denied = json.loads(sluice(*explain, "--groups", "analysts", "drop table people", cwd=folder).stdout)
    assert denied["statements"][0]["decision"] == "deny"
    stranger = sluice(*explain, "select 1", cwd=folder)
    assert stranger.returncode == 0
    assert json.loads(stranger.stdout)["statements"] == []
    plain = sluice(
        *[word for word in explain if word != "--json"],
        "--groups",
        "analysts",
        "drop table people",
        cwd=folder,
    )
    assert plain.stdout.startswith("deny: ")


def test_explain_of_an_unknown_database_is_wrong_usage(folder: Path) -> None:
    done = sluice("policy", "explain", "--user", "a", "--database", "nowhere", "select 1", cwd=folder)
    assert "nowhere" in one_line(done, 2)
