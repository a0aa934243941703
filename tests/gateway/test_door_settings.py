"""Mistakes in what sluice.toml says of the doors, told by line and mend."""

import pytest

from gateway.errors import ConfigError
from gateway.settings import Settings, load

HEAD = """[gateway]
tls = "required"
tls_cert = "server.crt"
tls_key = "server.key"
tls_client_ca = "ca.crt"
tls_client_crl = "ca.crl"
credentials = "credentials.toml"
scram_users = ["svc-*"]
auth = "oauth"
[[issuer]]
name = "company"
issuer = "https://id.example.com"
audience = "sluice"
key_file = "company.pub"
[[certificate]]
name = "batch jobs"
subject = "CN=batch-*,O=Example"
user = "{cn}"
groups = ["batch"]
[[certificate]]
name = "agents"
spiffe = "spiffe://example.org/agent/*"
user = "{spiffe}"
actor = "agent"
"""


def loaded(text: str) -> Settings:
    return load(text, "sluice.toml", {})


def test_all_doors_together_are_read() -> None:
    settings = loaded(HEAD)
    assert [one.name for one in settings.certificates] == ["batch jobs", "agents"]
    assert settings.gateway.scram_users == ("svc-*",)
    assert settings.issuers[0].scope == "openid"
    assert settings.issuer_names == {"company", "batch jobs", "agents", "credentials"}


WRONG = {
    'auth = "oauth"': ('auth = "oidc"', 'gateway.auth: not one of the known words; use one of: oauth, password', 9),
    'tls = "required"\n': ('tls = "off"\n', "gateway.tls_client_ca: no client shows a certificate where TLS is off", 5),
    'tls_client_ca = "ca.crt"\n': ("", "gateway.tls_client_crl: there is no tls_client_ca", 5),
    'credentials = "credentials.toml"\n': ("", "gateway.scram_users: credentials and scram_users belong together", 7),
    'scram_users = ["svc-*"]\n': ("", "gateway.credentials: credentials and scram_users belong together", 7),
    'name = "company"': ('name = "credentials"', "issuer[0].name: grants name the static credentials so", 11),
    'name = "agents"': ('name = "batch jobs"', "certificate[1].name: another rule has this name", 21),
    'name = "batch jobs"': ('name = "company"', "certificate[0].name: an issuer has this name", 16),
    'subject = "CN=batch-*,O=Example"\n': ("", "certificate[0]: it says nothing of the certificate", 15),
    'spiffe = "spiffe://example.org/agent/*"': (
        'spiffe = "spiffe://*/agent/7"', "certificate[1].spiffe: it is not a SPIFFE ID", 22,
    ),
    'user = "{cn}"': ('user = "{spiffe}"', "certificate[0].user: it is neither a plain name nor known", 18),
    'user = "{spiffe}"': ('user = "x{spiffe}"', "certificate[1].user: it is neither a plain name nor known", 23),
    'actor = "agent"': ('subject = "CN=x"', "certificate[1]: subject and spiffe stand side by side", 20),
    'groups = ["batch"]': ('group = ["batch"]', 'certificate[0].group: unknown key; did you mean "groups"?', 19),
}  # fmt: skip


@pytest.mark.parametrize("old", WRONG)
def test_a_mistake_is_told_with_its_line(old: str) -> None:
    new, message, line = WRONG[old]
    with pytest.raises(ConfigError) as caught:
        loaded(HEAD.replace(old, new, 1))
    assert message in str(caught.value)
    assert caught.value.fault.line == line


def test_rules_for_certificates_need_somebody_who_signs_them() -> None:
    text = HEAD.replace('tls_client_ca = "ca.crt"\ntls_client_crl = "ca.crl"\n', "")
    with pytest.raises(ConfigError, match=r"no client certificate is ever verified; set gateway\.tls_client_ca"):
        loaded(text)
