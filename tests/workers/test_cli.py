"""The command as a user types it, as real processes."""

import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.identity import claims
from gateway.identity.declaration import Declaration
from workers import configuration

from .cli_rig import ROOT, folder, one_line, sluice

__all__ = ["folder"]

SERVICE = ROOT / "config" / "sluice.service"


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
            "--model",
            "model-5",
            "--run",
            "run-9",
            "--intent",
            "effect=read look",
        ),
        cwd=Path("/"),
        SLUICE_CONFIG=str(folder / "sluice.toml"),
    )
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    keys = configuration.load(folder / "sluice.toml", {}).keys
    now = time.time()
    found = claims.verify(done.stdout.strip(), "alice", keys, now)
    assert (found.groups, found.actors) == (("analysts", "dba"), ("agent-7",))
    assert (found.model, found.run) == ("model-5", "run-9")
    assert found.intent == Declaration("look", effect="read", source="token")
    assert now + 890 <= found.expires <= now + 900


def test_a_token_needs_a_private_key_that_is_here(folder: Path) -> None:
    assert "private key" in one_line(
        sluice("token", "mint", "--user", "a", "--issuer", "other", cwd=folder), 2
    )
    (folder / "local-issuer.key").unlink()
    assert "private key" in one_line(sluice("token", "mint", "--user", "a", cwd=folder), 2)


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
