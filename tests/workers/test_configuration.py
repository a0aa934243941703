"""Finding and loading a configuration, and the samples that are shipped."""

from pathlib import Path

import pytest

from gateway import settings
from gateway.errors import ConfigError
from gateway.policy import compile as policy_table
from gateway.policy import rules
from gateway.policy.table import PolicyTable
from workers import configuration
from workers.init import init

SAMPLES = Path(__file__).parents[2] / "config"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    init(tmp_path / "gateway")
    return tmp_path / "gateway"


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_named_file_comes_first_then_the_local_one_then_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {"SLUICE_CONFIG": "/etc/sluice/sluice.toml"}
    assert configuration.find("x/y.toml", environ) == tmp_path / "x" / "y.toml"
    assert configuration.find(None, environ) == Path("/etc/sluice/sluice.toml")
    assert configuration.find(None, {}) == tmp_path / "sluice.toml"
    (tmp_path / "sluice.toml").touch()
    assert configuration.find(None, environ) == tmp_path / "sluice.toml"


def test_paths_start_at_the_configurations_folder(folder: Path) -> None:
    loaded = configuration.load(folder / "sluice.toml", {})
    assert loaded.audit_dir == folder / "var" / "audit"
    assert loaded.run_dir == folder / "var" / "run"


def test_secrets_of_channels_are_looked_at_before_anything_starts_and_kept_by_nobody(folder: Path) -> None:
    with (folder / "sluice.toml").open("a") as file:
        file.write('\n[[channel]]\nname = "night"\nkind = "pagerduty"\nrouting_key_file = "night.key"\n')
    with pytest.raises(ConfigError, match="No such file") as caught:
        configuration.load(folder / "sluice.toml", {})
    assert caught.value.fault.key == 'channel "night": routing_key_file'
    (folder / "night.key").write_text("routing-key\n")
    (folder / "night.key").chmod(0o600)
    loaded = configuration.load(folder / "sluice.toml", {})
    assert loaded.settings.channels[0].kind == "pagerduty"
    assert "routing-key" not in str(loaded.secrets.passwords)


def test_passwords_come_from_a_file_or_a_variable_and_go_to_their_own_database(folder: Path) -> None:
    (folder / "one.password").write_text("sécret with spaces \r\n")
    (folder / "one.password").chmod(0o600)
    change(folder / "sluice.toml", "# password_file = ", 'password_file = "one.password" #')
    with (folder / "sluice.toml").open("a") as file:
        file.write('\n[[database]]\nname = "open"\nuser = "u"\n')
        file.write('\n[[database]]\nname = "*"\nuser = "u"\npassword_env = "PGDEV"\n')
    loaded = configuration.load(folder / "sluice.toml", {"PGDEV": "other"})
    assert loaded.secrets.password("prod") == "sécret with spaces "
    assert loaded.secrets.password("open") is None, "the password of * is not for a database with an entry"
    assert loaded.secrets.password("anything") == "other"
    assert "other" not in repr(loaded)
    assert "sécret" not in repr(loaded.secrets)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mask.key", "mask.key: No such file or directory"),
        ("policy.toml", "policy.file: No such file or directory"),
        ("local-issuer.pub", 'issuer "local": No such file or directory'),
        ("sluice.toml", "--config: No such file or directory"),
    ],
)
def test_a_missing_file_is_told_by_its_key(folder: Path, name: str, says: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ConfigError) as caught:
        configuration.load(folder / "sluice.toml", {})
    assert str(caught.value).startswith(str(folder / name))
    assert says in str(caught.value)


def test_a_secret_that_everybody_may_read_is_refused(folder: Path) -> None:
    (folder / "mask.key").chmod(0o644)
    with pytest.raises(ConfigError, match=r"chmod 600 mask\.key"):
        configuration.load(folder / "sluice.toml", {})


def test_keys_that_systemd_hands_over_come_first(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mask.key").write_bytes(b"c" * 32)
    (tmp_path / "mask.key").chmod(0o400)
    loaded = configuration.load(folder / "sluice.toml", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert loaded.secrets.mask_key == b"c" * 32


def test_a_folder_of_policies_is_one_policy(folder: Path) -> None:
    whole = configuration.load(folder / "sluice.toml", {}).policy
    (folder / "policies").mkdir()
    (folder / "policy.toml").rename(folder / "policies" / "b.toml")
    (folder / "policies" / "a.toml").write_text("")
    (folder / "policies" / "README").write_text("not a policy")
    (folder / "policy.test.toml").rename(folder / "policies" / "policy.test.toml")
    change(folder / "sluice.toml", '"policy.toml"', '"policies"')
    assert configuration.load(folder / "sluice.toml", {}).policy == whole
    for name in ("a.toml", "b.toml"):
        (folder / "policies" / name).unlink()
    with pytest.raises(ConfigError, match=r"holds no \*\.toml"):
        configuration.load(folder / "sluice.toml", {})


def test_changed_settings_wait_for_a_restart_and_the_policy_does_not(folder: Path) -> None:
    running = configuration.load(folder / "sluice.toml", {})
    change(folder / "policy.toml", '["read"]', '["all"]')
    fresh = configuration.reload(running, {})
    assert not fresh.settings_changed
    assert fresh.loaded.policy != running.policy
    change(folder / "sluice.toml", "10000", "7")
    later = configuration.reload(running, {})
    assert later.settings_changed
    assert later.loaded.settings == running.settings
    assert later.loaded.policy == fresh.loaded.policy


def test_key_files_survive_the_way_to_the_workers(folder: Path) -> None:
    loaded = configuration.load(folder / "sluice.toml", {})
    packed = configuration.pack_keys(loaded.key_files, loaded.fetched)
    keys = configuration.unpack_keys(packed, loaded.settings)
    assert keys.by_issuer.keys() == loaded.keys.by_issuer.keys()


def test_variables_of_passwords_need_not_be_set_to_ask_the_policy(folder: Path) -> None:
    change(folder / "sluice.toml", "# password_file = ", 'password_env = "NOT_SET_HERE" #')
    with pytest.raises(ConfigError, match="NOT_SET_HERE is not set"):
        configuration.load_settings(folder / "sluice.toml", {})
    settings_alone = configuration.load_policy_settings(folder / "sluice.toml", {})
    assert configuration.compile_policy(folder / "sluice.toml", settings_alone)
    (folder / "sluice.toml").write_text('database = 7\n')
    with pytest.raises(ConfigError, match="database: "):
        configuration.load_policy_settings(folder / "sluice.toml", {})


def test_a_store_that_is_shared_is_looked_at_before_anything_starts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "sluice.toml"
    with file.open("a") as text:
        text.write('\n[approvals]\nstore = "postgres://u@db.example.com/d"\npassword_file = "store.password"\n')
    with pytest.raises(ConfigError, match=r"approvals\.password_file: No such file"):
        configuration.load(file, {})
    (folder / "store.password").write_text("canary\n")
    (folder / "store.password").chmod(0o600)
    found = configuration.store_target(file, "approvals", configuration.load(file, {}).settings.approvals, {})
    assert found is not None
    assert (found.password, found.sslmode, found.sslrootcert) == ("canary", "verify-full", None)
    assert "canary" not in repr(found)
    change(file, 'password_file = "store.password"', 'password_env = "STORE"')
    assert configuration.load_policy_settings(file, {})
    assert configuration.load(file, {"STORE": "x"})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"psycopg is not installed; pip install 'sluice-gateway\[fleet\]'"):
        configuration.load(file, {"STORE": "x"})


def test_the_shipped_samples_are_good_and_nothing_in_them_is_ignored() -> None:
    file, policy = SAMPLES / "sluice.toml", SAMPLES / "policy.toml"
    read = settings.load(file.read_text(), str(file), {})
    table = PolicyTable(policy_table.compile([rules.load(policy.read_text(), str(policy))], read))
    assert table.notes == ()
    assert read.gateway.tls == "required"
