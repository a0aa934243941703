"""Signing in through a browser, which is played by an HTTP client that follows redirects."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.workers.issuer_rig import Provider as Idp
from tests.workers.issuer_rig import provider
from tests.workers.oauth_rig import CLIENT, SignIns
from workers import browser_login, discovery
from workers.browser_login import by_browser
from workers.oauth import Provider, SignInFailed, scope_of

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    with provider(tmp_path_factory.mktemp("idp")) as made:
        yield made


@pytest.fixture
def signing(idp: Idp) -> SignIns:
    idp.asked.clear()
    return SignIns(idp)


def browser(signing: SignIns, pages: list[str] | None = None) -> Callable[[str], None]:
    context = ssl.create_default_context(cafile=str(signing.idp.ca_file))

    def browse(url: str) -> None:
        with urllib.request.urlopen(url, context=context, timeout=10) as page:
            if pages is not None:
                pages.append(page.read().decode())

    return browse


async def known(signing: SignIns, **more: Any) -> Provider:
    idp = signing.idp
    metadata = await discovery.document(idp.url + discovery.WELL_KNOWN, idp.url, str(idp.ca_file))
    return replace(Provider(idp.url, CLIENT, metadata, ca_file=str(idp.ca_file), scope=scope_of(metadata)), **more)


async def test_the_browser_brings_a_code_and_the_code_a_token(signing: SignIns) -> None:
    pages: list[str] = []
    kept = await by_browser(await known(signing), browser(signing, pages))
    assert kept.user == "ada"
    assert "You are signed in" in pages[0]
    (asked,) = [form for _, path, _, form in signing.idp.asked if path == "/authorize"]
    assert urlsplit(asked["redirect_uri"]).hostname == "127.0.0.1"
    assert asked["scope"] == "openid offline_access"


@pytest.mark.parametrize(
    ("back", "why"),
    [
        ({"state": "another"}, "state"),
        ({"state": None}, "state"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"error": "access_denied", "code": None}, "denied"),
        ({"error": "server_error", "code": None}, "did not let it pass"),
        ({"code": ""}, "no code"),
    ],
)
async def test_an_answer_to_something_else_signs_nobody_in(signing: SignIns, back: dict[str, str | None], why: str) -> None:
    signing.back = back
    with pytest.raises(SignInFailed, match=why):
        await by_browser(await known(signing), browser(signing))
    assert signing.idp.count("/token") == 0


@pytest.mark.parametrize("id_token", [{"nonce": "another"}, {"iss": "https://evil.example"}, {"aud": "another"}, None])
async def test_an_id_token_that_is_not_the_answer_signs_nobody_in(signing: SignIns, id_token: dict[str, str] | None) -> None:
    granted = signing.granted

    def changed(nonce: dict[str, str]) -> dict[str, Any]:
        claims = {"aud": CLIENT, **nonce, **(id_token or {})}
        return granted(nonce) | {"id_token": signing.idp.token(**claims) if id_token else ""}

    signing.granted = changed  # type: ignore[method-assign]
    with pytest.raises(SignInFailed, match="not the answer to this sign-in"):
        await by_browser(await known(signing), browser(signing))


async def test_other_requests_of_the_browser_are_no_answer(signing: SignIns) -> None:
    seen: list[int] = []

    def browse(url: str) -> None:
        here = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        for other in (here.replace("callback", "favicon.ico?x=1"), here):
            try:
                urllib.request.urlopen(other, timeout=10)
            except urllib.error.HTTPError as error:
                seen.append(error.code)
        browser(signing)(url)

    assert (await by_browser(await known(signing), browse)).user == "ada"
    assert seen == [404, 404]


@pytest.mark.parametrize("uri", ["https://127.0.0.1/callback", "http://id.example/callback", "callback"])
async def test_the_way_back_leads_to_this_machine(signing: SignIns, uri: str) -> None:
    with pytest.raises(SignInFailed, match="redirect-uri"):
        await by_browser(await known(signing), browser(signing), uri)


async def test_nobody_waits_for_ever(signing: SignIns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_login, "WAIT_SECONDS", 0.1)
    with pytest.raises(SignInFailed, match="in time"):
        await by_browser(await known(signing), lambda _: None)


async def test_a_fresh_sign_in_is_asked_for_in_the_providers_words(signing: SignIns) -> None:
    pages: list[str] = []
    more = browser_login.fresh(300, "phr phrh")
    await by_browser(await known(signing), browser(signing, pages), more=more)
    (asked,) = signing.idp.asked[-2:-1]
    assert (asked[1], asked[3]["max_age"], asked[3]["acr_values"]) == ("/authorize", "300", "phr phrh")
    assert browser_login.fresh(None, "") == {}
