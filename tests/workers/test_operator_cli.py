"""`sluice check` and `sluice status`."""

import json
import subprocess
import sys
from pathlib import Path

from workers.embedded import EmbeddedServer

from .cli_rig import folder, one_line, point_at, server, sluice

__all__ = ["folder", "server"]
DOWN = '\n[[issuer]]\nname = "idp"\nissuer = "https://id.example"\naudience = "a"\njwks_url = "http://127.0.0.1:1/keys"\n'


def test_check_reaches_every_database(folder: Path, server: EmbeddedServer) -> None:
    point_at(folder, server)
    done = sluice("check", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "prod" in done.stdout
    assert "yes" in done.stdout
    found = json.loads(sluice("check", "--json", cwd=folder).stdout)
    assert [(one["name"], one["reached"], one["server"][:3]) for one in found["databases"]] == [
        ("prod", True, "18.")
    ]
    assert not (folder / "var").exists(), "check starts and writes nothing"


def test_check_tells_what_cannot_be_reached_and_what_the_policy_does_not_get(
    folder: Path, server: EmbeddedServer
) -> None:
    point_at(folder, server)
    (folder / "prod.password").write_text("wrong")
    with (folder / "policy.toml").open("a") as file:
        file.write('\n[[grant]]\nname = "typo"\ndatabases = ["prdo"]\nallow = ["read"]\n')
    with (folder / "sluice.toml").open("a") as file:
        file.write(DOWN)
    done = sluice("check", cwd=folder)
    assert done.returncode == 1
    assert done.stdout.count("no: ") == 2
    assert "no: 127.0.0.1:1: " in done.stdout
    assert "prdo" in done.stderr
    assert "wrong" not in done.stdout + done.stderr


def test_check_warns_of_rules_that_can_do_nothing_and_passes(folder: Path, server: EmbeddedServer) -> None:
    point_at(folder, server)
    with (folder / "policy.toml").open("a") as file:
        file.write('\n[[guardrail]]\nname = "lost"\ntables = ["public.no_such_table"]\neffect = "deny"\n')
        file.write('\n[[guardrail]]\nname = "misspelt"\nstatements = ["DROP TABLE IF"]\neffect = "deny"\n')
    done = sluice("check", cwd=folder)
    assert done.returncode == 0
    lost, misspelt = done.stderr.splitlines()
    assert lost.startswith("warning: ")
    assert lost.endswith('"lost": it can never match: no database has the table "public.no_such_table"')
    assert 'the nearest is "DROP TABLE"' in misspelt
    found = json.loads(sluice("check", "--json", cwd=folder).stdout)["warnings"]
    assert [one["rule"] for one in found] == ["lost", "misspelt"]
    lines = (folder / "policy.toml").read_text().splitlines()
    assert [lines[one["line"] - 1] for one in found] == ["[[guardrail]]", "[[guardrail]]"]
    (folder / "prod.password").write_text("wrong")
    unreached = json.loads(sluice("check", "--json", cwd=folder).stdout)["warnings"]
    assert [one["rule"] for one in unreached] == ["misspelt"], "what cannot be looked into is not doubted"


def test_status_without_a_gateway_says_so(folder: Path) -> None:
    assert "no gateway answers" in one_line(sluice("status", cwd=folder), 1)


def test_status_shows_the_running_gateway(folder: Path) -> None:
    file = folder / "sluice.toml"
    file.write_text(file.read_text().replace("127.0.0.1:6432", "127.0.0.1:0") + DOWN)
    supervised = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("supervised.py")), str(file), "2"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with supervised:
        try:
            assert supervised.stdout is not None
            address = supervised.stdout.readline().split()[1]
            done = sluice("status", cwd=folder)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.startswith(f"ready on {address}, up ")
            assert "policy generation 1" in done.stdout
            assert "never fetched" in done.stdout
            found = json.loads(sluice("status", "--json", cwd=folder).stdout)
            assert found["pid"] == supervised.pid
            assert len(found["workers"]) == 2
            assert [(one["name"], one["keys"]) for one in found["issuers"]] == [("idp", 0)]
        finally:
            supervised.terminate()
    assert supervised.returncode == 0
