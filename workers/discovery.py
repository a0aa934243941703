"""What an issuer says of itself: OpenID Connect Discovery 1.0."""

from typing import Any, Final

from gateway.issuers import url_fault
from workers import http_out
from workers.http_out import NotReached

WELL_KNOWN: Final = "/.well-known/openid-configuration"


async def document(url: str, issuer: str, ca_file: str = "") -> dict[str, Any]:
    """The document at `url`, which must be of the issuer with exactly this text. Raises NotReached."""
    found = (await http_out.ask(url, ca_file=ca_file)).good().object()
    if found.get("issuer") != issuer:
        raise NotReached("the discovery document is of another issuer")
    return found


def endpoint(found: dict[str, Any], name: str) -> str:
    """One of its addresses. Raises NotReached where there is none, or none that may be asked at."""
    url = found.get(name)
    if not isinstance(url, str) or not url:
        raise NotReached(f"the discovery document has no {name}")
    if why := url_fault(url):
        raise NotReached(f"the discovery document's {name} cannot be used: {why}")
    return url
