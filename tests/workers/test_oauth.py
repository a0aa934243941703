"""Signing in with a device code, and tokens that are renewed, against a provider over HTTPS."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.workers.issuer_rig import Provider as Idp
from tests.workers.issuer_rig import as_json, provider
from tests.workers.oauth_rig import CLIENT, SignIns
from workers import discovery, oauth
from workers.http_out import NotReached
from workers.oauth import Provider, SignInFailed, by_device, renewed, revoke, scope_of

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    with provider(tmp_path_factory.mktemp("idp")) as made:
        yield made


@pytest.fixture
def signing(idp: Idp) -> SignIns:
    idp.asked.clear()
    return SignIns(idp)


async def known(signing: SignIns, **more: Any) -> Provider:
    idp = signing.idp
    metadata = await discovery.document(idp.url + discovery.WELL_KNOWN, idp.url, str(idp.ca_file))
    return replace(Provider(idp.url, CLIENT, metadata, ca_file=str(idp.ca_file), scope=scope_of(metadata)), **more)


async def test_a_device_waits_until_somebody_says_yes(signing: SignIns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "INTERVAL_SECONDS", 0.05)
    signing.polls = ["authorization_pending", "slow_down", "authorization_pending"]
    shown: list[tuple[str, str]] = []
    kept = await by_device(await known(signing), lambda *told: shown.append(told))
    assert shown == [(f"{signing.idp.url}/go", "WDJB-MJHT")]
    assert (kept.user, kept.issuer, kept.client_id) == ("ada", signing.idp.url, CLIENT)
    assert 500 < kept.expires - time.time() <= 600
    assert kept.revocation_endpoint == f"{signing.idp.url}/revoke"
    assert signing.idp.count("/token") == 4


async def test_slow_down_makes_it_slower(signing: SignIns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "INTERVAL_SECONDS", 0.2)
    signing.polls = ["slow_down"]
    began = time.monotonic()
    await by_device(await known(signing), lambda *_: None)
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    ("error", "why"), [("access_denied", "denied"), ("expired_token", "in time"), ("invalid_client", "invalid_client")]
)
async def test_a_no_is_told(signing: SignIns, error: str, why: str) -> None:
    signing.polls = [error]
    with pytest.raises(SignInFailed, match=why):
        await by_device(await known(signing), lambda *_: None)


@pytest.mark.parametrize(
    "answer",
    [
        {}, {"device_code": "x", "user_code": "y"}, {"device_code": "x", "user_code": "y\x1b[2J", "verification_uri": "https://a/"},
        {"device_code": "x", "user_code": "y", "verification_uri": "javascript:alert(1)"},
    ],
)  # fmt: skip
async def test_an_answer_that_leads_nowhere_is_refused(signing: SignIns, answer: dict[str, Any]) -> None:
    signing.idp.routes["/device"] = lambda *_: as_json(answer)
    with pytest.raises(SignInFailed, match="provider's answer"):
        await by_device(await known(signing), lambda *_: None)


async def test_nobody_waits_for_ever(signing: SignIns) -> None:
    signing.polls = ["authorization_pending"] * 1000
    short = {"device_code": "x", "user_code": "y", "verification_uri": "https://a/", "expires_in": 0.05, "interval": 9}
    signing.idp.routes["/device"] = lambda *_: as_json(short)
    with pytest.raises(SignInFailed, match="nobody has confirmed"):
        await by_device(await known(signing), lambda *_: None)


async def test_a_provider_that_hangs_up_is_asked_less_often(signing: SignIns) -> None:
    usual, calls = signing.idp.routes["/token"], []

    def flaky(*asked: Any) -> Any:
        calls.append(time.monotonic())
        return (302, {"location": "/"}, b"") if len(calls) < 3 else usual(*asked)

    signing.idp.routes["/token"] = flaky
    assert (await by_device(await known(signing), lambda *_: None)).user == "ada"


async def test_a_token_is_renewed_and_its_refresh_token_with_it(signing: SignIns) -> None:
    first = await by_device(await known(signing), lambda *_: None)
    second = await renewed(first)
    assert second.token != first.token
    assert second.refresh_token != first.refresh_token
    assert (second.user, second.issuer, second.revocation_endpoint) == (first.user, first.issuer, first.revocation_endpoint)
    with pytest.raises(SignInFailed, match="it has ended at the provider"):
        await renewed(first)
    signing.user = "mallory"
    with pytest.raises(SignInFailed, match="another user"):
        await renewed(second)
    await revoke(second)
    assert signing.revoked == [second.refresh_token]


async def test_the_id_token_is_taken_where_the_gateway_wants_it(signing: SignIns) -> None:
    kept = await by_device(await known(signing, id_token=True), lambda *_: None)
    assert kept.id_token
    again = await renewed(kept)
    assert again.token.split(".")[0] == kept.token.split(".")[0]


@pytest.mark.parametrize("token", [None, "", 5, "line\nbreak", "ü"])
async def test_a_token_that_is_none_is_not_kept(signing: SignIns, token: Any) -> None:
    signing.tokens = {"access_token": token}
    with pytest.raises(SignInFailed, match="has not an access token"):
        await by_device(await known(signing), lambda *_: None)


async def test_a_token_that_cannot_be_read_lasts_as_long_as_its_provider_says(signing: SignIns) -> None:
    signing.tokens = {"access_token": "opaque", "expires_in": 120}
    kept = await by_device(await known(signing), lambda *_: None)
    assert (kept.user, kept.token) == ("ada", "opaque")
    assert 60 < kept.expires - time.time() <= 120


async def test_a_provider_without_the_flow_says_so(signing: SignIns) -> None:
    signing.idp.document_changes["device_authorization_endpoint"] = None
    with pytest.raises(NotReached, match="no device_authorization_endpoint"):
        await by_device(await known(signing), lambda *_: None)
