"""Whom a verified client certificate stands for."""

import hashlib
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.door_settings import Certificate
from gateway.errors import ConfigError
from gateway.identity import certificates
from gateway.identity.principal import Principal

from .certificate_rig import Authority, authority

ROOT = authority()
BATCH = Certificate(name="batch jobs", subject="CN=batch-*,O=Example", user="{cn}", groups=("batch",))
AGENTS = Certificate(name="agents", spiffe="spiffe://example.org/agent/*", user="{spiffe}", actor="agent-7")
ROBOT = Certificate(name="robot", subject="CN=robot,OU=a\\, b,O=Example", user="r2d2")
RULES = certificates.rules_of([BATCH, AGENTS, ROBOT], "sluice.toml")


def who(issued: Authority, user: str, now: float = 0.0) -> Principal | None:
    found = certificates.read(issued.der)
    return found and certificates.principal(found, user, RULES, now)


def test_rule_makes_a_principal_of_a_certificate() -> None:
    issued = ROOT.issue("CN=batch-1,O=Example")
    assert who(issued, "batch-1") == Principal(
        user="batch-1",
        issuer="batch jobs",
        groups=("batch",),
        actors=(),
        expires=issued.certificate.not_valid_after_utc.timestamp(),
        token_id=hashlib.sha256(issued.der).hexdigest()[:16],
        method="certificate",
    )


def test_spiffe_id_and_fixed_names_make_one_too() -> None:
    workload = "spiffe://example.org/agent/7"
    found = who(ROOT.issue(uris=(workload,), subject="CN=x"), workload)
    assert found is not None
    assert (found.user, found.actors, found.issuer) == (workload, ("agent-7",), "agents")
    robot = who(ROOT.issue("CN=robot,OU=a\\, b,O=Example"), "r2d2")
    assert robot is not None
    assert robot.user == "r2d2"


def named(*pairs: tuple[x509.ObjectIdentifier, str]) -> Callable[[], Authority]:
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])
    return lambda: ROOT.issue(name=name)


STRANGERS: dict[str, tuple[Callable[[], Authority], str]] = {
    "another user": (lambda: ROOT.issue("CN=batch-1,O=Example"), "batch-2"),
    "another case of the user": (lambda: ROOT.issue("CN=batch-1,O=Example"), "Batch-1"),
    "a name that only looks alike": (lambda: ROOT.issue("CN=batch-а,O=Example"), "batch-a"),
    "another organisation": (lambda: ROOT.issue("CN=batch-1,O=Example2"), "batch-1"),
    "another case of the organisation": (lambda: ROOT.issue("CN=batch-1,O=example"), "batch-1"),
    "an attribute more": (lambda: ROOT.issue("CN=batch-1,OU=x,O=Example"), "batch-1"),
    "an attribute less": (lambda: ROOT.issue("CN=batch-1"), "batch-1"),
    "the other order": (lambda: ROOT.issue("O=Example,CN=batch-1"), "batch-1"),
    "both attributes in one": (lambda: ROOT.issue("CN=batch-1+O=Example"), "batch-1"),
    "an organisation inside the name": (lambda: ROOT.issue("CN=batch-1\\,O=Example"), "batch-1"),
    "a name twice": (
        named((NameOID.ORGANIZATION_NAME, "Example"), (NameOID.COMMON_NAME, "batch-1"), (NameOID.COMMON_NAME, "batch-2")),
        "batch-1",
    ),
    "another attribute of the same value": (
        named((NameOID.ORGANIZATIONAL_UNIT_NAME, "Example"), (NameOID.COMMON_NAME, "batch-1")), "batch-1",
    ),
    "the pattern itself as user": (lambda: ROOT.issue("CN=batch-1,O=Example"), "batch-*"),
    "a name with a line break": (
        named((NameOID.ORGANIZATION_NAME, "Example"), (NameOID.COMMON_NAME, "batch-1\n")), "batch-1\n",
    ),
    "a deeper SPIFFE path": (
        lambda: ROOT.issue("CN=x", uris=("spiffe://example.org/agent/7/root",)), "spiffe://example.org/agent/7/root",
    ),
    "another trust domain": (
        lambda: ROOT.issue("CN=x", uris=("spiffe://evil.org/agent/7",)), "spiffe://evil.org/agent/7",
    ),
    "two SPIFFE IDs": (
        lambda: ROOT.issue("CN=x", uris=("spiffe://example.org/agent/7", "spiffe://example.org/agent/8")),
        "spiffe://example.org/agent/7",
    ),
    "a SPIFFE ID as CN": (lambda: ROOT.issue("CN=spiffe://example.org/agent/7"), "spiffe://example.org/agent/7"),
    "no subject": (lambda: ROOT.issue(name=x509.Name([])), "batch-1"),
    "the fixed name of another rule": (lambda: ROOT.issue("CN=batch-1,O=Example"), "r2d2"),
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGERS)
def test_certificate_that_no_rule_gives_to_the_user_is_nobodys(name: str) -> None:
    make, user = STRANGERS[name]
    assert who(make(), user) is None


def test_certificate_that_has_expired_since_its_handshake_is_nobodys() -> None:
    issued = ROOT.issue("CN=batch-1,O=Example")
    assert who(issued, "batch-1", issued.certificate.not_valid_after_utc.timestamp()) is None


def test_bytes_that_are_no_certificate_are_nobodys() -> None:
    assert certificates.read(b"") is None
    assert certificates.read(ROOT.der[:-3]) is None


@pytest.mark.parametrize(
    ("subject", "user", "why"),
    [
        ("batch", "x", "it is not a name as of RFC 4514"),
        ("O=Example", "{cn}", "it does not have one CN"),
        ("CN=a,CN=b", "{cn}", "it does not have one CN"),
    ],
)
def test_rule_whose_subject_cannot_be_read_is_told(subject: str, user: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        certificates.rules_of([Certificate(name="x", subject=subject, user=user)], "sluice.toml")
    assert caught.value.fault.key == 'certificate "x".subject'


def test_rig_makes_keys_of_its_own() -> None:
    assert isinstance(ROOT.key, ec.EllipticCurvePrivateKey)


def test_an_authority_stands_behind_what_it_has_signed_and_not_taken_back() -> None:
    middle = ROOT.issue("CN=Middle,O=Example", ca=True, usage=None)
    leaf, other = middle.issue(), middle.issue()
    chain = [leaf.der, middle.der, ROOT.der]
    assert certificates.Authority(ROOT.pem, b"").stands_behind(chain)
    assert not certificates.Authority(authority().pem, b"").stands_behind(chain), "somebody else's"
    assert not certificates.Authority(b"", b"").stands_behind(chain)
    assert not certificates.Authority(ROOT.pem, b"").stands_behind([])
    assert not certificates.Authority(ROOT.pem, b"").stands_behind([leaf.der, b"0\x00", ROOT.der])
    middle.revoked = [other.certificate]
    ROOT.revoked = []
    lists = ROOT.revocations() + middle.revocations()
    assert certificates.Authority(ROOT.pem, lists).stands_behind(chain)
    middle.revoked.append(leaf.certificate)
    assert not certificates.Authority(ROOT.pem, ROOT.revocations() + middle.revocations()).stands_behind(chain)
    middle.revoked, ROOT.revoked = [], [middle.certificate]
    assert not certificates.Authority(ROOT.pem, ROOT.revocations() + middle.revocations()).stands_behind(chain)
    ROOT.revoked = []
    stranger = authority()
    stranger.revoked = [leaf.certificate]
    assert certificates.Authority(ROOT.pem, stranger.revocations()).stands_behind(chain), "a number of another's"
