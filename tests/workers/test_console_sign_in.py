"""Signing in at the console through an issuer: a real provider, a browser between the two, and who stands between them."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
import pytest
import trio

from gateway.identity import keys as issuer_keys
from gateway.identity.keys import FetchedSet
from gateway.issuers import Issuer
from tests.workers import oauth_rig
from tests.workers.console_rig import SITE, Browser, Site, site
from tests.workers.issuer_rig import Provider, provider
from tests.workers.oauth_rig import SignIns
from workers import console_sign_in
from workers.console_app import FLOW
from workers.console_sign_in import CALLBACK

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("idp")) as made:
        yield made


class Console:
    """The console, its provider, and how a browser goes from one to the other."""

    def __init__(self, at: Site, idp: Provider, sign_ins: SignIns) -> None:
        self.at, self.idp, self.sign_ins = at, idp, sign_ins

    async def leave(self, browser: Browser, query: str = "") -> str:
        """To the provider, with its consent; the address that it sends the browser back to."""
        answer = await browser.get(f"/sign-in/go?issuer=idp{query}")
        assert answer.status_code == 303, answer.text
        parts = urlsplit(answer.headers["location"])
        self.asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        _, headers, _ = self.sign_ins.authorize("GET", {}, dict(self.asked))
        where = urlsplit(headers["location"])
        assert f"{where.scheme}://{where.netloc}{where.path}" == SITE + CALLBACK
        return f"{where.path}?{where.query}"

    async def sign_in(self, browser: Browser, query: str = "") -> httpx2.Response:
        return await browser.get(await self.leave(browser, query), **{"sec-fetch-site": "cross-site"})


@asynccontextmanager
async def console(folder: Path, idp: Provider, **change: Any) -> AsyncIterator[Console]:
    sign_ins = SignIns(idp, user="bo")
    idp.document_changes |= change
    async with site(folder) as at:
        loaded = at.at.desk.loaded
        entry = idp.entry(console_client_id=oauth_rig.CLIENT, groups_claim="groups")
        issuers = (*loaded.settings.issuers, msgspec.convert(entry, Issuer))
        object.__setattr__(loaded, "settings", msgspec.structs.replace(loaded.settings, issuers=issuers))
        content = msgspec.json.encode(idp.jwks())
        fetched = {"idp": FetchedSet(issuer_keys.source_of(issuers[-1]), content, time.time())}
        object.__setattr__(loaded, "keys", issuer_keys.read(issuers, loaded.key_files, fetched))
        yield Console(at, idp, sign_ins)


async def test_a_code_with_pkce_signs_in_and_comes_back_to_the_page(tmp_path: Path, idp: Provider) -> None:
    async with console(tmp_path, idp) as at:
        browser = at.at.browser()
        assert "Sign in with idp" in (await browser.get("/")).text
        answer = await at.sign_in(browser, "&next=/approvals/h1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/approvals/h1")
        assert at.asked["redirect_uri"] == SITE + CALLBACK
        assert (at.asked["code_challenge_method"], "prompt" in at.asked, "max_age" in at.asked) == ("S256", False, False)
        assert list(browser.cookies) == ["sluice"], "what the sign-in needed has gone"
        assert "bo" in (await browser.get("/")).text
        assert "sign in at the console" in str(at.at.at.supervisor.told)


async def test_a_fresh_sign_in_is_asked_for_in_the_issuers_words(tmp_path: Path, idp: Provider) -> None:
    async with console(tmp_path, idp) as at:
        browser, now = at.at.browser(), int(time.time())
        back = await at.leave(browser, "&max_age=300&acr_values=phr%20phrh")
        assert {name: at.asked[name] for name in ("max_age", "acr_values", "prompt")} == {
            "max_age": "300", "acr_values": "phr phrh", "prompt": "login",
        }  # fmt: skip
        said = {"aud": oauth_rig.CLIENT, "nonce": at.asked["nonce"], "auth_time": now, "amr": ["mfa"], "acr": "phr"}
        at.sign_ins.tokens = {"id_token": idp.token("bo", **said)}
        assert (await browser.get(back)).status_code == 303
        (session,) = at.at.console._sessions._sessions.values()
        facts = session.who.authentication
        assert facts is not None
        assert (facts.time, facts.amr, facts.acr) == (now, ("mfa",), "phr")
        for odd in ("&max_age=-1", "&max_age=9999999", "&max_age=%D9%A3", "&acr_values=a%0d%0ab"):
            await at.leave(at.at.browser(), odd)
            assert not at.asked.keys() & {"max_age", "acr_values", "prompt"}


async def test_an_answer_to_another_sign_in_signs_nobody_in(tmp_path: Path, idp: Provider) -> None:
    async with console(tmp_path, idp) as at:
        for back, why in (
            ({"state": "x"}, "another sign-in"), ({"state": None}, "another sign-in"), ({"code": None}, "no code"),
            ({"iss": "https://evil.example.com"}, "another issuer"), ({"iss": None}, "another issuer"),
            ({"error": "access_denied"}, "denied"),
        ):  # fmt: skip
            at.sign_ins.back = back
            browser = at.at.browser()
            answer = await at.sign_in(browser)
            assert (answer.status_code, why in answer.text, browser.cookies) == (401, True, {}), back
        at.sign_ins.back = {}
        mallory, victim = at.at.browser(), at.at.browser()
        back = await at.leave(mallory)
        assert (await victim.get(back)).status_code == 401, "a browser that has begun nothing"
        await at.leave(victim)
        assert (await victim.get(back)).status_code == 401, "the answer to another browser's"
        twice = await at.leave(victim)
        assert (await victim.get(twice + "&state=x")).status_code == 401
        for cookie in ("", "x", "A" * 5000, mallory.cookies[FLOW][:-4] + "AAAA"):
            victim.cookies = {FLOW: cookie}
            assert (await victim.get(back)).status_code == 401
        assert len(at.at.console._sessions) == 0


async def test_tokens_that_are_not_the_answer_sign_nobody_in(tmp_path: Path, idp: Provider) -> None:
    async with console(tmp_path, idp) as at:
        other = idp.token("bo", aud=oauth_rig.CLIENT, nonce="another")
        for tokens in (
            {"id_token": other}, {"id_token": None}, {"access_token": None}, {"access_token": "opaque"},
            {"access_token": idp.token("bo", aud="another-api")}, {"access_token": idp.token("bo", act={"sub": "bot"})},
            {"error": "invalid_grant"},
        ):  # fmt: skip
            at.sign_ins.tokens = tokens
            browser = at.at.browser()
            answer = await at.sign_in(browser)
            assert (answer.status_code in (401, 403), browser.cookies) == (True, {}), tokens
        at.sign_ins.tokens = {}
        browser = at.at.browser()
        back = await at.leave(browser)
        at.sign_ins.codes[parse_qs(urlsplit(back).query)["code"][0]]["code_challenge"] = "of another verifier"
        assert (await browser.get(back)).status_code == 401
        assert len(at.at.console._sessions) == 0


async def test_a_sign_in_takes_no_longer_than_it_may_and_returns_to_its_own_origin(
    tmp_path: Path, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(tmp_path, idp) as at:
        browser = at.at.browser()
        back = await at.leave(browser)
        kept = dict(browser.cookies)
        assert (await browser.get(back, host="localhost:6480")).status_code == 401
        browser.cookies = kept
        with monkeypatch.context() as patch:
            patch.setattr(console_sign_in, "FLOW_SECONDS", -1)
            late = await at.leave(at.at.browser())
        browser.cookies = {}
        assert (await browser.get(late)).status_code == 401


async def test_an_issuer_that_is_away_is_said_and_not_asked_by_everybody(tmp_path: Path, idp: Provider) -> None:
    async with console(tmp_path, idp) as at:
        idp.down = True
        before = len(idp.asked)
        answers = [await at.at.browser().get("/sign-in/go?issuer=idp") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [502] * 5
        idp.down = False
        assert len(idp.asked) - before <= 1
        assert (await at.at.browser().get("/sign-in/go?issuer=local")).status_code == 502, "no application of its own"
        monday = trio.current_time() + 10
        at.at.console._sign_ins._known = {"idp": (monday, idp.document())}
        at.at.console._sign_ins._asking = trio.Semaphore(0)
        browser = at.at.browser()
        assert (await at.sign_in(browser)).status_code == 401, "too many at once"
