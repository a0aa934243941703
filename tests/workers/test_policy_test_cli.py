"""`sluice policy test`: the shipped examples pass, failures are told, the real catalogue answers where a file has none."""

import json
from pathlib import Path

import psycopg

from workers.embedded import EmbeddedServer

from .cli_rig import ROOT, folder, one_line, point_at, server, sluice

__all__ = ["folder", "server"]

CONFIG = ROOT / "config"


def test_what_init_writes_passes_on_its_own_policy(folder: Path) -> None:
    done = sluice("policy", "test", "policy.test.toml", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 passed, 0 failed\n", "")


def test_the_shipped_example_passes_on_the_shipped_policy(tmp_path: Path) -> None:
    done = sluice(
        "policy", "test", "--config", str(CONFIG / "sluice.toml"), str(CONFIG / "policy.test.toml"), cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" passed, 0 failed\n")


def test_failures_are_told_by_place_expectation_and_rule(folder: Path) -> None:
    file = folder / "policy.test.toml"
    text = file.read_text()
    wrong = text.replace('clear = ["id", "city"]', "").replace('masked = ["email"]', 'clear = ["email"]')
    file.write_text(wrong.replace('expect = "deny"', 'expect = "allow"', 1))
    done = sluice("policy", "test", file.name, cwd=folder)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[-1] == "1 passed, 2 failed"
    assert any('expected column "email" clear, got masked (redact)' in line for line in lines)
    (denied,) = [line for line in lines if "expected allow, got deny" in line]
    place, _, _ = denied.partition(": ")
    assert file.read_text().splitlines()[int(place.rpartition(":")[2]) - 1] == "[[test]]"
    assert 'by "built-in: deny by default"' in denied
    found = json.loads(sluice("policy", "test", "--json", file.name, cwd=folder).stdout)
    assert (found["passed"], found["failed"]) == (1, 2)
    assert [one["passed"] for one in found["tests"]] == [False, False, True]
    assert found["tests"][1]["decisions"] == [{"decision": "deny", "rules": ["built-in: deny by default"]}]


def test_a_wrong_file_is_one_line_and_exit_code_2(folder: Path) -> None:
    file = folder / "wrong.test.toml"
    assert "wrong.test.toml: FILE: No such file" in one_line(sluice("policy", "test", file.name, cwd=folder), 2)
    text = (folder / "policy.test.toml").read_text()
    file.write_text(text.replace("expect =", "expct =", 1))
    assert "expct: unknown key" in one_line(sluice("policy", "test", file.name, cwd=folder), 2)
    file.write_text(text.replace('database = "prod"', 'database = "elsewhere"'))
    assert 'no database "elsewhere"' in one_line(sluice("policy", "test", file.name, cwd=folder), 2)
    file.write_text(text.replace('database = "prod"', 'issuer = "x"\ndatabase = "prod"'))
    assert 'no issuer "x"' in one_line(sluice("policy", "test", file.name, cwd=folder), 2)


def test_a_file_without_tables_asks_the_real_database(folder: Path, server: EmbeddedServer) -> None:
    point_at(folder, server)
    with psycopg.connect(server.dsn()) as owner:
        owner.execute("create table if not exists visitors (id int primary key, email text, born date)")
    file = folder / "real.test.toml"
    head = '[[test]]\nname = "t"\nuser = "alice"\ngroups = ["analysts"]\ndatabase = "prod"\nexpect = "allow"\n'
    sql = "SELECT * FROM visitors WHERE now() > '2020-01-01'"
    file.write_text(f'{head}sql = "{sql}"\nmasked = ["email", "born"]\nclear = ["id"]\n')
    done = sluice("policy", "test", file.name, cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 passed, 0 failed\n", "")
    (folder / "prod.password").write_text("wrong")
    unreachable = sluice("policy", "test", file.name, cwd=folder)
    assert "wrong" not in one_line(unreachable, 1)
