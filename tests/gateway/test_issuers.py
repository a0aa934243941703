"""An [[issuer]]: its kind's defaults, and its mistakes told by line, key and mend."""

import pytest

from gateway.errors import ConfigError
from gateway.issuers import Issuer, url_fault
from gateway.settings import load

HEAD = '[[issuer]]\nname = "i"\nissuer = "https://id.example"\naudience = "sluice"\n'
URL = 'jwks_url = "https://id.example/keys"\n'
ASKED = 'introspection = "https://id.example/ask"\nclient_id = "x"\nclient_secret_file = "y"\n'
TENANT = "0f1e2d3c-0000-4000-8000-00000000beef"


def read(text: str) -> Issuer:
    return load(text, "sluice.toml", {}).issuers[0]


@pytest.mark.parametrize(
    ("kind", "more", "user", "groups"),
    [
        ("oidc", "", "sub", "groups"),
        ("okta", 'client_ids = ["0oa1"]\n', "sub", "groups"),
        ("google", 'hosted_domains = ["example.com"]\n', "email", "groups"),
        ("keycloak", "", "preferred_username", "realm_access.roles"),
        ("kubernetes", "", "sub", "groups"),
        ("github", 'require_claims = { repository = "org/app" }\n', "sub", "groups"),
        ("gitlab", 'require_claims = { project_path = ["org/app"], ref_protected = "true" }\n', "sub", "groups"),
    ],
)
def test_a_kind_has_its_claims(kind: str, more: str, user: str, groups: str) -> None:
    found = read(HEAD + URL + f'kind = "{kind}"\n' + more)
    assert (found.user_claim, found.groups_claim) == (user, groups)
    assert found.fetches_keys
    assert read(HEAD + URL + f'kind = "{kind}"\nuser_claim = "uid"\n' + more).user_claim == "uid"


def test_an_entra_issuer_is_of_one_tenant() -> None:
    entra = HEAD.replace("https://id.example", f"https://login.microsoftonline.com/{TENANT}/v2.0") + URL + 'kind = "entra"\n'
    assert read(entra).tenant == TENANT
    assert read(entra).user_claim == "preferred_username"
    with pytest.raises(ConfigError, match="preferred_username or oid"):
        read(entra + 'user_claim = "email"\n')


@pytest.mark.parametrize(
    ("text", "line", "key", "mend"),
    [
        ("", 1, "issuer[0]", "exactly one of"),
        ('key_file = "k"\njwks_file = "j"\n', 1, "issuer[0]", "exactly one of"),
        (URL + 'discovery = "https://id.example"\n', 1, "issuer[0]", "exactly one of"),
        ('jwks_url = "http://id.example/keys"\n', 5, "issuer[0].jwks_url", "https"),
        ('jwks_url = "file:///etc/keys"\n', 5, "issuer[0].jwks_url", "https"),
        ('discovery = "https://a:b@id.example"\n', 5, "issuer[0].discovery", "it carries a user or a password"),
        ('key_file = "k"\nca_file = "ca.pem"\n', 6, "issuer[0].ca_file", "take ca_file out"),
        (URL + "keys_refresh_seconds = 5\n", 6, "issuer[0].keys_refresh_seconds", ">= 60"),
        (URL + "keys_stale_seconds = 60\n", 6, "issuer[0].keys_stale_seconds", "at least keys_refresh_seconds"),
        (URL + "max_token_seconds = nan\n", 6, "issuer[0].max_token_seconds", "> 0"),
        (URL + 'algorithms = ["HS256"]\n', 6, "issuer[0].algorithms[0]", 'did you mean "RS256"?'),
        (URL + 'kind = "octa"\n', 6, "issuer[0].kind", 'did you mean "okta"?'),
        (URL + 'kind = "okta"\n', 1, "issuer[0].client_ids", "client_ids = "),
        (URL + 'kind = "google"\n', 1, "issuer[0].hosted_domains", "example.com"),
        (URL + 'hosted_domains = ["example.com"]\n', 6, "issuer[0].hosted_domains", 'kind = "google"'),
        (URL + 'kind = "github"\n', 1, "issuer[0].require_claims", "repository"),
        (URL + 'kind = "gitlab"\nrequire_claims = { ref = "main" }\n', 7, "issuer[0].require_claims", "project_path"),
        (URL + 'kind = "entra"\n', 3, "issuer[0].issuer", "TENANT-ID/v2.0"),
        (URL + 'introspection = "https://id.example/ask"\n', 6, "issuer[0].introspection", "client_secret_file"),
        (ASKED + HEAD.replace('"i"', '"j"') + ASKED, 12, "issuer[1].introspection", "let one issuer"),
        (URL + 'client_id = "x"\n', 6, "issuer[0].client_id", "set introspection"),
        (URL + "require_claims = { ref = 5 }\n", 6, "issuer[0].require_claims", ""),
    ],
)
def test_a_mistake_is_told_by_line_key_and_mend(text: str, line: int, key: str, mend: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(HEAD + text)
    assert str(caught.value).startswith(f"sluice.toml:{line}: {key}")
    assert mend in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "", "https://", "https:///keys", "http://id.example", "http://127.0.0.1.evil.example/", "ftp://id.example",
        "https://id.example/#a", "https://u@id.example/", "https://id.example/\nHost: x", "https://id.example:99999/",
        "https://[::1", "https://id.example/" + "a" * 2048, "https://idé.example/", "//id.example/keys",
    ],
)  # fmt: skip
def test_nothing_is_fetched_from_such_an_address(url: str) -> None:
    assert url_fault(url)


@pytest.mark.parametrize("url", ["https://id.example/keys?p=1", "http://127.0.0.1:8080/keys", "http://[::1]/", "http://localhost/"])
def test_https_is_needed_but_on_this_machine(url: str) -> None:
    assert not url_fault(url)


DISCOVERY = 'discovery = "https://id.example/.well-known/openid-configuration"\n'


def test_people_sign_in_at_the_console_as_an_application_of_its_own() -> None:
    found = read(HEAD + DISCOVERY + 'console_client_id = "web"\nclient_ids = ["cli", "web"]\n')
    assert (found.console_client_id, found.console_client_secret_file) == ("web", "")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (URL + 'console_client_id = "web"\n', "console_client_id"),
        (DISCOVERY + 'console_client_secret_file = "s"\n', "console_client_secret_file"),
        (DISCOVERY + 'console_client_id = "web"\nclient_ids = ["cli"]\n', "console_client_id"),
    ],
)
def test_a_sign_in_at_the_console_that_could_not_work_is_told(text: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        read(HEAD + text)
