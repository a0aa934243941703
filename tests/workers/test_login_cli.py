"""`sluice login`, `logout` and `token print`, with a provider over HTTPS."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.live.rig import toml
from tests.workers.issuer_rig import Provider as Idp
from tests.workers.issuer_rig import provider
from tests.workers.oauth_rig import CLIENT, SignIns
from tests.workers.test_browser_login import browser
from workers import login_cli, token_cache
from workers.cli import verbs
from workers.init import init
from workers.login_cli import gateway_address, lasts

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    with provider(tmp_path_factory.mktemp("idp")) as made:
        yield made


@pytest.fixture
def signing(idp: Idp) -> SignIns:
    idp.asked.clear()
    return SignIns(idp)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A verb on a machine without sluice.toml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("SLUICE_TOKEN", "SLUICE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(verbs, list(arguments))


def login(run: Run, signing: SignIns, *more: str) -> Result:
    where = ("--issuer", signing.idp.url, "--client-id", CLIENT, "--ca-file", str(signing.idp.ca_file))
    return run("login", *where, "--host", "gw.example", "--port", "6433", *more)


def secrets_of(signing: SignIns) -> list[str]:
    kept = token_cache.read({"XDG_STATE_HOME": str(Path.cwd() / "state")})
    assert kept is not None
    return [kept.token, kept.refresh_token]


def test_a_sign_in_is_kept_shown_printed_and_forgotten(run: Run, signing: SignIns) -> None:
    done = login(run, signing)
    assert done.exit_code == 0, done.output
    assert f"Open {signing.idp.url}/go and enter WDJB-MJHT" in done.stderr
    assert "signed in as ada for 10 min" in done.stderr
    token, refresh_token = secrets_of(signing)
    shown = run("login", "--status")
    assert shown.exit_code == 0
    assert shown.stdout == f"ada at {signing.idp.url}, for 10 min, renewed when needed\n"
    found = json.loads(run("login", "--status", "--json").stdout)
    assert (found["signed_in"], found["user"], found["host"], found["port"]) == (True, "ada", "gw.example", 6433)
    assert run("token", "print").stdout == token + "\n"
    out = run("logout")
    assert (out.exit_code, signing.revoked) == (0, [refresh_token])
    assert run("login", "--status").exit_code == 1
    assert run("token", "print").exit_code == 1
    assert "nobody was signed in" in run("logout").stderr
    said = done.output + shown.output + json.dumps(found) + out.output
    assert not any(secret in said for secret in (token, refresh_token))


def test_a_browser_signs_in(run: Run, signing: SignIns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_cli.webbrowser, "open", browser(signing))
    done = login(run, signing, "--browser", "--redirect-uri", "http://localhost/back")
    assert done.exit_code == 0, done.output
    assert "signed in as ada" in done.stderr
    (asked,) = [form for _, path, _, form in signing.idp.asked if path == "/authorize"]
    assert asked["redirect_uri"].startswith("http://localhost:")


def test_the_configuration_says_where_and_as_what(run: Run, signing: SignIns, tmp_path: Path) -> None:
    init(tmp_path)
    with (tmp_path / "sluice.toml").open("a") as file:
        file.write("\n" + toml({"issuer": [signing.idp.entry(client_ids=[CLIENT], user_claim="email")]}))
    signing.tokens = {"access_token": signing.idp.token(email="ada@acme.example")}
    done = run("login")
    assert "signed in as ada@acme.example" in done.stderr, done.output
    found = json.loads(run("login", "--status", "--json").stdout)
    assert (found["host"], found["port"]) == ("127.0.0.1", 6432)
    assert run("login", "--issuer", "idp").exit_code == 0
    wrong = run("login", "--issuer", "idq")
    assert (wrong.exit_code, 'no issuer "idq"' in wrong.stderr) == (2, True)


def test_who_was_signed_in_signs_in_there_again(run: Run, signing: SignIns) -> None:
    assert run("login").exit_code == 2
    login(run, signing)
    again = run("login", "--client-id", CLIENT, "--ca-file", str(signing.idp.ca_file))
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("--issuer", "https://127.0.0.1:1"), 2, "--client-id"),
        (("--issuer", "https://127.0.0.1:1", "--client-id", "x"), 1, "127.0.0.1:1"),
        (("--issuer", "http://id.example", "--client-id", "x"), 1, "not https"),
        (("--issuer", "company",), 2, 'no issuer "company"'),
    ],
)  # fmt: skip
def test_what_cannot_be_signed_in_at_is_one_line(run: Run, arguments: Any, code: int, why: str) -> None:
    done = run("login", *arguments)
    assert done.exit_code == code
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_no_is_one_line_and_nothing_is_kept(run: Run, signing: SignIns, tmp_path: Path) -> None:
    signing.polls = ["access_denied"]
    done = login(run, signing)
    assert done.exit_code == 1
    assert "it was denied: as it goes" in done.stderr
    assert not list((tmp_path / "state").rglob("*.json"))


def test_lengths_of_time_are_words() -> None:
    assert [lasts(one) for one in (30, 89, 600, 7200, 100_000)] == ["30 s", "89 s", "10 min", "2 h", "28 h"]


def test_a_gateway_that_listens_everywhere_is_here() -> None:
    from gateway.settings import load

    for listen, found in (("0.0.0.0:6432", "127.0.0.1"), ("[::]:6432", "::1"), ("10.0.0.1:6432", "10.0.0.1")):
        text = f'[gateway]\nlisten = "{listen}"\ntls_cert = "c"\ntls_key = "k"\n'
        assert gateway_address(load(text, "sluice.toml", {})) == (found, 6432)


def test_a_fresh_sign_in_needs_the_browser(run: Run, signing: SignIns) -> None:
    done = login(run, signing, "--max-age", "300")
    assert (done.exit_code, "--browser" in done.output) == (2, True)
