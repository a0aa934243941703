"""`sluice credential`, whose passwords are printed once."""

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from gateway.errors import ConfigError
from gateway.identity import credentials
from gateway.identity.credential_changes import find
from gateway.identity.scram import read_verifier, verifier_of
from workers.credential_cli import credential_verbs
from workers.init import init


@pytest.fixture
def config(tmp_path: Path) -> Path:
    init(tmp_path)
    file = tmp_path / "sluice.toml"
    doors = '[gateway]\ncredentials = "credentials.toml"\nscram_users = ["svc-*"]'
    file.write_text(file.read_text().replace("[gateway]", doors, 1))
    return file


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(credential_verbs, [*arguments, "--config", str(config)])


def kept(config: Path, user: str) -> credentials.Credential:
    path = config.parent / "credentials.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in config.parent.iterdir() if "credentials" in one.name] == ["credentials.toml"]
    return find(credentials.load(path.read_text(), str(path)), user)


def test_password_is_printed_alone_and_kept_as_a_verifier(config: Path) -> None:
    added = run(config, "add", "--user", "svc-a", "--groups", "reporting,x", "--ttl", "30d")
    assert (added.exit_code, added.stderr) == (0, "")
    password = added.stdout.strip()
    assert len(password) == 32
    found = kept(config, "svc-a")
    held = read_verifier(found.verifier)
    assert held == verifier_of(password, held.salt)
    assert found.groups == ("reporting", "x")
    assert (found.expires - found.created).days == 30
    assert password not in (config.parent / "credentials.toml").read_text()


def test_rotated_password_is_kept_beside_the_old_one_unless_at_once(config: Path) -> None:
    first = run(config, "add", "--user", "svc-a").stdout.strip()
    second = run(config, "rotate", "--user", "svc-a", "--grace", "2d").stdout.strip()
    found = kept(config, "svc-a")
    old, new = read_verifier(found.verifier), read_verifier(found.next)
    assert (old, new) == (verifier_of(first, old.salt), verifier_of(second, old.salt))
    refused = run(config, "rotate", "--user", "svc-a")
    assert refused.exit_code == 1
    assert "wait, or end both with --at-once" in refused.stderr
    third = run(config, "rotate", "--user", "svc-a", "--at-once").stdout.strip()
    found = kept(config, "svc-a")
    held = read_verifier(found.verifier)
    assert (held, found.next) == (verifier_of(third, held.salt), "")


def test_list_shows_everything_but_what_proves(config: Path) -> None:
    for user in ("svc-a", "svc-b"):
        run(config, "add", "--user", user)
    run(config, "rotate", "--user", "svc-b")
    rows = [orjson.loads(line) for line in run(config, "list", "--json").stdout.splitlines()]
    assert [(row["user"], row["state"]) for row in rows] == [("svc-a", "good"), ("svc-b", "rotating")]
    shown = run(config, "list").stdout
    assert "svc-a" in shown
    assert "SCRAM" not in shown
    assert run(config, "remove", "--user", "svc-a").exit_code == 0
    assert "svc-a" not in run(config, "list").stdout


def test_what_would_not_work_is_not_written(config: Path) -> None:
    for user in ("alice", "svc-\n"):
        assert isinstance(run(config, "add", "--user", user).exception, ConfigError)
    assert not (config.parent / "credentials.toml").exists()
    missing = run(config, "remove", "--user", "svc-a")
    assert (missing.exit_code, missing.stderr) == (1, 'sluice: there is no credential "svc-a"\n')
    run(config, "add", "--user", "svc-a")
    assert run(config, "add", "--user", "svc-a").exit_code == 1


def test_settings_must_name_the_file(tmp_path: Path) -> None:
    init(tmp_path)
    refused = run(tmp_path / "sluice.toml", "add", "--user", "svc-a")
    assert refused.exit_code == 2
    assert "set gateway.credentials and gateway.scram_users" in refused.stderr
