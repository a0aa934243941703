"""`sluice policy explain` against a real catalogue."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from workers.embedded import EmbeddedServer

from .cli_rig import folder, one_line, point_at, server, sluice

__all__ = ["folder", "server"]

EXPLAIN = ["policy", "explain", "--user", "alice", "--groups", "analysts", "--database", "prod"]
SCHEMA = """
drop schema if exists sales cascade;
drop schema if exists hidden cascade;
drop table if exists people cascade;
drop role if exists app_ro;
create table people (id int primary key, email text);
create schema sales;
create table sales.people (id int primary key, phone text, city text);
create table sales.visits (id int primary key, phone text, city text);
create schema hidden;
create table hidden.visits (id int, email text);
create view sales.contacts as select id as number, phone as contact from sales.people;
create role app_ro;
"""


@pytest.fixture
def ready(folder: Path, server: EmbeddedServer) -> Path:
    point_at(folder, server)
    with psycopg.connect(server.dsn(), autocommit=True) as owner:
        owner.execute(SCHEMA)
        owner.execute("alter database postgres reset search_path")
    return folder


def told(sql: str, cwd: Path) -> dict[str, Any]:
    done = sluice(*EXPLAIN, "--json", sql, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_explain_tells_decision_rule_origin_and_mask(ready: Path) -> None:
    [statement] = told("select id, email from public.people", ready)["statements"]
    assert (statement["decision"], statement["rules"][0]) == ("allow", "analysts read production")
    assert [(one["origin"], one["mask"]) for one in statement["columns"]] == [
        (["public.people.id"], "clear"),
        (["public.people.email"], "redact"),
    ]
    assert told("drop table people", ready)["statements"][0]["decision"] == "deny"
    stranger = sluice(*[word for word in EXPLAIN if word not in ("--groups", "analysts")], "--json", "select 1", cwd=ready)
    assert stranger.returncode == 0
    assert json.loads(stranger.stdout)["statements"] == []


def test_names_mean_what_they_would_in_a_session_of_the_role(ready: Path, server: EmbeddedServer) -> None:
    file = ready / "policy.toml"
    file.write_text(file.read_text().replace("unmask = []", 'unmask = []\nrole = "app_ro"\nmax_statement_seconds = 7'))
    with psycopg.connect(server.dsn(), autocommit=True) as owner:
        owner.execute('alter database postgres set search_path = "$user", sales, public')
    found = told("select * from visits", ready)
    assert found["role"] == "app_ro"
    [statement] = found["statements"]
    assert statement["tables"] == ["sales.visits"]
    assert [(one["name"], one["mask"]) for one in statement["columns"]] == [
        ("id", "clear"), ("phone", "redact"), ("city", "clear"),
    ]  # fmt: skip
    assert statement["limits"]["statement_seconds"] == {"rule": "analysts read production", "most": 7}
    file.write_text(file.read_text().replace("app_ro", "no_such_role"))
    assert "no_such_role" in one_line(sluice(*EXPLAIN, "select 1", cwd=ready), 1)


def test_people_read_the_same_in_words(ready: Path) -> None:
    done = sluice(*EXPLAIN, "select contact, 1 from sales.contacts where contact = 'x'", cwd=ready)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("allow: select contact")
    assert "  by: analysts read production\n" in done.stdout
    assert "  tables: sales.contacts\n" in done.stdout
    (row,) = [line for line in done.stdout.splitlines() if "sales.contacts.contact" in line]
    assert "sales.people.phone" in row
    assert "redact" in row
    assert "  limit: 1000 values compared with phone columns an hour\n" in done.stdout
    told_of = sluice(*EXPLAIN, "select contact, count(*) from sales.contacts group by 1", cwd=ready)
    assert told_of.stdout.startswith("deny: ")
    assert '"sales.contacts.contact" is used in GROUP BY, and you may not see it' in told_of.stdout
    denied = sluice(*EXPLAIN, "do $$ begin execute 'x'; end $$", cwd=ready)
    assert denied.stdout.startswith("deny: ")
    assert "  not read completely: " in denied.stdout


def test_explain_of_an_unknown_database_is_wrong_usage(folder: Path) -> None:
    done = sluice("policy", "explain", "--user", "a", "--database", "nowhere", "select 1", cwd=folder)
    assert "nowhere" in one_line(done, 2)
