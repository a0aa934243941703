"""The command as a user types it: real processes, and a real server where one is asked."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.identity import claims
from workers import configuration
from workers.embedded import EmbeddedServer, wheel_programs

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "config" / "sluice.service"


def sluice(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers.cli", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = sluice("init", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    return tmp_path


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    home = Path(tempfile.mkdtemp(prefix="sluice-cli-"))
    home.chmod(0o755)
    made = EmbeddedServer(wheel_programs(), home)
    try:
        made.create()
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(home)


def point_at(folder: Path, server: EmbeddedServer) -> None:
    (folder / "prod.password").write_text(server.password)
    (folder / "prod.password").chmod(0o600)
    file = folder / "sluice.toml"
    text = file.read_text().replace("port = 5432", f"port = {server.port}")
    file.write_text(text.replace("# password_file", "password_file"))


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("sluice: ")
    return done.stderr


def test_help_names_every_verb_and_imports_little(tmp_path: Path) -> None:
    done = sluice("--help", cwd=tmp_path)
    assert done.returncode == 0
    for verb in ("audit", "check", "demo", "init", "policy", "serve", "status", "token"):
        assert f"\n  {verb} " in done.stdout
    code = "import sys, workers.cli; print(sorted({'trio', 'jwt', 'numpy', 'rich', 'cryptography'} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "[]\n"


@pytest.mark.parametrize(
    "verb",
    ["audit", "check", "demo", "init", "policy", "policy explain", "serve", "status", "token", "token mint"],
)
def test_every_verb_explains_itself(tmp_path: Path, verb: str) -> None:
    done = sluice(*verb.split(), "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: sluice {verb} ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["serve", "--workers", "0"],
        ["serve", "--nonsense"],
        ["token", "mint"],
        ["token", "mint", "--user", "a", "--ttl", "soon"],
        ["token", "mint", "--user", "a", "--ttl", "0s"],
        ["policy", "explain", "select 1"],
    ],
)
def test_wrong_usage_is_exit_code_2(tmp_path: Path, arguments: list[str]) -> None:
    assert sluice(*arguments, cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve"],
        ["check"],
        ["status"],
        ["token", "mint", "--user", "a"],
        ["policy", "explain", "--user", "a", "--database", "d", "x"],
    ],
)
def test_a_missing_configuration_is_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str]) -> None:
    assert "sluice.toml: --config: No such file or directory; " in one_line(
        sluice(*arguments, cwd=tmp_path), 2
    )


def test_a_bad_configuration_is_one_line_with_its_place(folder: Path) -> None:
    (folder / "sluice.toml").write_text("[gateway]\nlisten = 7\n")
    for verb in ("serve", "check", "status"):
        assert "sluice.toml:2: " in one_line(sluice(verb, cwd=folder), 2)


def test_init_refuses_to_overwrite(folder: Path) -> None:
    before = (folder / "local-issuer.key").read_bytes()
    assert "already there" in one_line(sluice("init", cwd=folder), 2)
    assert (folder / "local-issuer.key").read_bytes() == before
    assert stat.S_IMODE((folder / "local-issuer.key").stat().st_mode) == 0o600


def test_a_minted_token_stands_alone_and_signs_in(folder: Path, tmp_path: Path) -> None:
    done = sluice(
        *(
            "token",
            "mint",
            "--user",
            "alice",
            "--groups",
            "analysts, dba",
            "--actor",
            "agent-7",
            "--ttl",
            "15m",
        ),
        cwd=Path("/"),
        SLUICE_CONFIG=str(folder / "sluice.toml"),
    )
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    keys = configuration.load(folder / "sluice.toml", {}).keys
    now = time.time()
    found = claims.verify(done.stdout.strip(), "alice", keys, now)
    assert (found.groups, found.actors) == (("analysts", "dba"), ("agent-7",))
    assert now + 890 <= found.expires <= now + 900


def test_a_token_needs_a_private_key_that_is_here(folder: Path) -> None:
    assert "private key" in one_line(
        sluice("token", "mint", "--user", "a", "--issuer", "other", cwd=folder), 2
    )
    (folder / "local-issuer.key").unlink()
    assert "private key" in one_line(sluice("token", "mint", "--user", "a", cwd=folder), 2)


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
    done = sluice("check", cwd=folder)
    assert done.returncode == 1
    assert "no: " in done.stdout
    assert "prdo" in done.stderr
    assert "wrong" not in done.stdout + done.stderr


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


def test_status_without_a_gateway_says_so(folder: Path) -> None:
    assert "no gateway answers" in one_line(sluice("status", cwd=folder), 1)


def test_status_shows_the_running_gateway(folder: Path) -> None:
    file = folder / "sluice.toml"
    file.write_text(file.read_text().replace("127.0.0.1:6432", "127.0.0.1:0"))
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
            found = json.loads(sluice("status", "--json", cwd=folder).stdout)
            assert found["pid"] == supervised.pid
            assert len(found["workers"]) == 2
        finally:
            supervised.terminate()
    assert supervised.returncode == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_file_is_one_that_systemd_takes(tmp_path: Path) -> None:
    text = SERVICE.read_text()
    program = "/opt/sluice/.venv/bin/sluice"
    assert program in text
    (tmp_path / "sluice.service").write_text(text.replace(program, "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "sluice.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
