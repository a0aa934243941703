"""Whose tokens count: an [[issuer]] of sluice.toml, its defaults by kind, and every mistake in it.

A kind knows what its issuer's tokens look like: which claims carry user and groups, and which restrictions must be
configured because everybody else's tokens of the same issuer would count without them.
"""

import ipaddress
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from gateway.toml_source import Path, fail

Kind = Literal["oidc", "okta", "entra", "google", "keycloak", "kubernetes", "github", "gitlab"]
Algorithm = Literal["EdDSA", "ES256", "PS256", "RS256"]
Text = Annotated[str, Meta(min_length=1)]
Texts = tuple[Text, ...]
Wanted = str | bool | Texts
PLACES: Final = ("key_file", "jwks_file", "jwks_url", "discovery")
NETWORK: Final = ("jwks_url", "discovery", "introspection")
URL_CHARACTERS_MAX: Final = 2048
_ENTRA: Final = re.compile(r"/(?P<tenant>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/v2\.0")


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An issuer of tokens, where its public keys are (one of PLACES), and what its tokens must say."""

    name: Text
    issuer: Text  # the token's iss
    audience: Text
    kind: Kind = "oidc"
    key_file: str = ""
    jwks_file: str = ""
    jwks_url: str = ""
    discovery: str = ""
    ca_file: str = ""  # whom to believe that it is the issuer; "": the system's authorities
    keys_refresh_seconds: Annotated[float, Meta(ge=60, le=86_400 * 7)] = 3600.0
    keys_stale_seconds: Annotated[float, Meta(ge=0, le=86_400 * 30)] = 86_400.0
    user_claim: Text = "sub"
    groups_claim: Text = "groups"
    actor_claim: Text = "act"
    scope: Text = "openid"  # what an OAuth client is told to ask the issuer for
    algorithms: tuple[Algorithm, ...] = ()  # (): all
    max_token_seconds: Annotated[float, Meta(gt=0, le=86_400 * 366)] | None = None
    require_claims: dict[str, Wanted] = {}
    client_ids: Texts = ()
    scopes: Texts = ()
    hosted_domains: Texts = ()
    introspection: str = ""  # RFC 7662, for tokens that can only be asked about
    client_id: str = ""
    client_secret_file: str = ""
    console_client_id: str = ""  # as which application people sign in at the console; "": they cannot with this issuer
    console_client_secret_file: str = ""

    @property
    def fetches_keys(self) -> bool:
        """Whether its keys come over the network."""
        return bool(self.jwks_url or self.discovery)

    @property
    def has_keys(self) -> bool:
        """Whether its tokens can be verified here; else it is asked about them."""
        return any(getattr(self, place) for place in PLACES)

    @property
    def tenant(self) -> str:
        """The tenant in an Entra issuer's own text."""
        found = _ENTRA.fullmatch(urlsplit(self.issuer).path)
        return found["tenant"] if found else ""


@dataclass(frozen=True, slots=True)
class _Nature:
    """A kind's defaults, and the claims of which `require_claims` must name one."""

    user_claim: str = "sub"
    groups_claim: str = "groups"
    one_of: tuple[str, ...] = ()


_NATURES: Mapping[str, _Nature] = {
    "oidc": _Nature(),
    "okta": _Nature(),
    "entra": _Nature("preferred_username"),
    "google": _Nature("email"),
    "keycloak": _Nature("preferred_username", "realm_access.roles"),
    "kubernetes": _Nature(),
    "github": _Nature(one_of=("repository", "repository_id", "repository_owner", "repository_owner_id", "sub")),
    "gitlab": _Nature(one_of=("project_path", "project_id", "namespace_path", "namespace_id", "sub")),
}


def completed(issuer: Issuer, given: Mapping[str, Any], path: Path, text: str, file: str) -> Issuer:
    """The issuer with its kind's defaults. Raises ConfigError for the first mistake."""
    _check_places(issuer, path, text, file)
    _check_urls(issuer, path, text, file)
    _check_times(issuer, path, text, file)
    _check_introspection(issuer, path, text, file)
    _check_console(issuer, path, text, file)
    nature = _NATURES[issuer.kind]
    changes = {key: getattr(nature, key) for key in ("user_claim", "groups_claim") if key not in given}
    issuer = msgspec.structs.replace(issuer, **changes)
    _check_kind(issuer, nature, path, text, file)
    return issuer


def check_asked(issuers: Sequence[Issuer], text: str, file: str) -> None:
    """A token that cannot be read does not say whom to ask about it. Raises ConfigError."""
    asked = [index for index, one in enumerate(issuers) if one.introspection]
    if len(asked) > 1:
        why = "another issuer is asked about tokens already, and such a token does not say whose it is"
        fail(text, file, ("issuer", asked[1], "introspection"), why, "let one issuer have introspection")


def url_fault(url: str) -> str:
    """What is wrong with an address to fetch from, "" where nothing is: https, or http where the host is this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "it is not a URL"
    if len(url) > URL_CHARACTERS_MAX or not url.isascii() or not url.isprintable() or " " in url or not host:
        return "it is not a URL"
    if parts.username is not None or parts.password is not None:
        return "it carries a user or a password"
    if parts.fragment:
        return "it has a fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        return ""
    return "it is not https"


def is_loopback(host: str) -> bool:
    """Whether this names this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_places(issuer: Issuer, path: Path, text: str, file: str) -> None:
    given = [place for place in PLACES if getattr(issuer, place)]
    if len(given) == 1 or (not given and issuer.introspection):
        return
    why = "it names no keys" if not given else f"{' and '.join(given)} stand side by side"
    fail(text, file, path, why, f"give exactly one of {', '.join(PLACES)}")


def _check_urls(issuer: Issuer, path: Path, text: str, file: str) -> None:
    for key in NETWORK:
        url = getattr(issuer, key)
        if url and (why := url_fault(url)):
            fail(text, file, (*path, key), why, 'give an address like "https://login.example.com/…"')
    if issuer.ca_file and not any(getattr(issuer, key) for key in NETWORK):
        fail(text, file, (*path, "ca_file"), "nothing is fetched from this issuer", "take ca_file out")


def _check_times(issuer: Issuer, path: Path, text: str, file: str) -> None:
    for key in ("keys_refresh_seconds", "keys_stale_seconds", "max_token_seconds"):
        value = getattr(issuer, key)
        if value is not None and not math.isfinite(value):
            fail(text, file, (*path, key), "it is not a length of time", "give a number of seconds")
    if issuer.keys_stale_seconds < issuer.keys_refresh_seconds:
        why = "keys would stop counting before they are fetched again"
        fail(text, file, (*path, "keys_stale_seconds"), why, "give at least keys_refresh_seconds")


def _check_introspection(issuer: Issuer, path: Path, text: str, file: str) -> None:
    given = [key for key in ("client_id", "client_secret_file") if getattr(issuer, key)]
    if issuer.introspection and len(given) != 2:
        why = "the issuer wants to know who asks it about tokens"
        fail(text, file, (*path, "introspection"), why, "set client_id and client_secret_file")
    if given and not issuer.introspection:
        why = "it is for asking the issuer about tokens, and introspection is not set"
        fail(text, file, (*path, given[0]), why, "set introspection, or take it out")


def _check_console(issuer: Issuer, path: Path, text: str, file: str) -> None:
    if issuer.console_client_secret_file and not issuer.console_client_id:
        mend = "set console_client_id, or take it out"
        fail(text, file, (*path, "console_client_secret_file"), "it is for signing in at the console", mend)
    if issuer.console_client_id and not issuer.discovery:
        why = "where people sign in is in the issuer's discovery document, and discovery is not set"
        mend = 'set discovery = "https://…/.well-known/openid-configuration" in place of other keys'
        fail(text, file, (*path, "console_client_id"), why, mend)
    if issuer.console_client_id and issuer.client_ids and issuer.console_client_id not in issuer.client_ids:
        why = "tokens that the console gets would be refused: client_ids does not hold it"
        fail(text, file, (*path, "console_client_id"), why, "add it to client_ids")


def _check_kind(issuer: Issuer, nature: _Nature, path: Path, text: str, file: str) -> None:
    if nature.one_of and not any(claim in issuer.require_claims for claim in nature.one_of):
        why = f"everybody's jobs get tokens of this issuer, and nothing says which are yours (kind = {issuer.kind})"
        mend = f'add require_claims = {{ {nature.one_of[0]} = "…" }} or another of {", ".join(nature.one_of[1:])}'
        fail(text, file, (*path, "require_claims"), why, mend)
    if issuer.kind == "okta" and not issuer.client_ids:
        why = "every application of the Okta organization may get tokens for this audience"
        fail(text, file, (*path, "client_ids"), why, 'add client_ids = ["…"], the applications that may sign in here')
    if issuer.kind == "google" and not issuer.hosted_domains:
        why = "everybody has a Google account, and nothing says whose are yours"
        fail(text, file, (*path, "hosted_domains"), why, 'add hosted_domains = ["example.com"]')
    if issuer.hosted_domains and issuer.kind != "google":
        fail(text, file, (*path, "hosted_domains"), "Google's tokens alone have them", 'set kind = "google" or take it out')
    if issuer.kind == "entra" and not issuer.tenant:
        why = "it is not the issuer of one tenant's tokens of version 2.0"
        mend = 'write it as "https://login.microsoftonline.com/TENANT-ID/v2.0", with the id in lower case'
        fail(text, file, (*path, "issuer"), why, mend)
    if issuer.kind == "entra" and issuer.user_claim == "email":
        why = "an e-mail address in Entra's tokens is not proven to be its owner's"
        fail(text, file, (*path, "user_claim"), why, "take preferred_username or oid")
