"""The discovery document of an issuer, and documents that are somebody else's."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.workers.issuer_rig import Provider, as_json, provider
from workers import discovery
from workers.http_out import NotReached

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("idp")) as made:
        yield made


async def document(idp: Provider, issuer: str = "") -> dict[str, Any]:
    return await discovery.document(idp.url + discovery.WELL_KNOWN, issuer or idp.url, str(idp.ca_file))


async def test_the_document_is_of_the_very_issuer(idp: Provider) -> None:
    found = await document(idp)
    assert discovery.endpoint(found, "jwks_uri") == f"{idp.url}/keys"
    for other in (f"{idp.url}/", idp.url.upper(), "https://evil.example"):
        with pytest.raises(NotReached, match="of another issuer"):
            await document(idp, other)


@pytest.mark.parametrize("answer", [as_json([]), as_json({}), as_json({"issuer": ["x"]}), as_json({}, 404)])
async def test_what_is_no_document_is_refused(tmp_path_factory: pytest.TempPathFactory, idp: Provider, answer: Any) -> None:
    idp.routes["/other"] = lambda *_: answer
    with pytest.raises(NotReached):
        await discovery.document(f"{idp.url}/other", idp.url, str(idp.ca_file))


@pytest.mark.parametrize("url", [None, "", 5, "http://id.example/keys", "file:///etc/keys", "/keys", "https://u:p@id.example/"])
async def test_an_address_of_the_document_follows_the_same_rules(url: Any) -> None:
    with pytest.raises(NotReached, match="discovery document"):
        discovery.endpoint({"jwks_uri": url}, "jwks_uri")
