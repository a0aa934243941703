"""What sluice.toml says of the doors beside the token as a password: client certificates, SCRAM, OAUTHBEARER."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, Protocol

import msgspec
from msgspec import Meta

from gateway.toml_source import Path, fail

CREDENTIALS: Final = "credentials"  # the issuer of whoever signs in by SCRAM, as grants name it
Text = Annotated[str, Meta(min_length=1)]
CN, SPIFFE = "{cn}", "{spiffe}"
_SPIFFE_SCHEME = "spiffe://"


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a verified client certificate stands for; one of `subject` and `spiffe` is set."""

    name: Text
    user: Text  # {cn}, {spiffe} or a fixed text
    subject: str = ""  # RFC 4514; * only within values
    spiffe: str = ""
    groups: tuple[Text, ...] = ()
    actor: str = ""


class GatewayDoors(Protocol):
    """The keys of [gateway] that matter here."""

    @property
    def tls(self) -> Literal["off", "optional", "required"]: ...
    @property
    def tls_client_ca(self) -> str: ...
    @property
    def tls_client_crl(self) -> str: ...
    @property
    def credentials(self) -> str: ...
    @property
    def scram_users(self) -> tuple[str, ...]: ...


def check(
    gateway: GatewayDoors, certificates: Sequence[Certificate], issuers: Sequence[str], text: str, file: str
) -> None:
    """Raises ConfigError for the first mistake."""
    if gateway.tls_client_ca and gateway.tls == "off":
        why = "no client shows a certificate where TLS is off"
        fail(text, file, ("gateway", "tls_client_ca"), why, 'set tls = "optional" or "required"')
    if gateway.tls_client_crl and not gateway.tls_client_ca:
        why = "there is no tls_client_ca whose certificates it could revoke"
        fail(text, file, ("gateway", "tls_client_crl"), why, "set tls_client_ca too")
    if bool(gateway.credentials) != bool(gateway.scram_users):
        here = "credentials" if gateway.credentials else "scram_users"
        mend = 'set both: credentials = "credentials.toml" and scram_users = ["svc-*"]'
        fail(text, file, ("gateway", here), "credentials and scram_users belong together", mend)
    if gateway.credentials and CREDENTIALS in issuers:
        path: Path = ("issuer", issuers.index(CREDENTIALS), "name")
        fail(text, file, path, "grants name the static credentials so", "give the issuer another name")
    if certificates and not gateway.tls_client_ca:
        fail(text, file, ("certificate", 0), "no client certificate is ever verified", "set gateway.tls_client_ca")
    names = {CREDENTIALS: "the static credentials", **dict.fromkeys(issuers, "an issuer")}
    for index, one in enumerate(certificates):
        if one.name in names:
            why = f"{names[one.name]} has this name, and grants name either in `issuers`"
            fail(text, file, ("certificate", index, "name"), why, "give the rule another name")
        names[one.name] = "another rule"
        _certificate(one, ("certificate", index), text, file)


def _certificate(one: Certificate, path: Path, text: str, file: str) -> None:
    if bool(one.subject) == bool(one.spiffe):
        why = "subject and spiffe stand side by side" if one.subject else "it says nothing of the certificate"
        fail(text, file, path, why, "give exactly one of subject and spiffe")
    if one.spiffe:
        domain, _, workload = one.spiffe.removeprefix(_SPIFFE_SCHEME).partition("/")
        if not one.spiffe.startswith(_SPIFFE_SCHEME) or not domain or "*" in domain or not workload:
            mend = 'write it as "spiffe://example.org/agent/*", with * in the path alone'
            fail(text, file, (*path, "spiffe"), "it is not a SPIFFE ID", mend)
    fitting = CN if one.subject else SPIFFE
    if one.user != fitting and ("{" in one.user or "}" in one.user):
        fail(text, file, (*path, "user"), "it is neither a plain name nor known", f'write "{fitting}" or a plain name')
