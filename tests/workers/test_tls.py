"""TLS contexts, and the channel binding to a certificate against openssl's own hash."""

import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from gateway.errors import Unavailable
from tests.gateway.identity.certificate_rig import authority
from tests.workers.wire_rig import make_certificate
from workers.tls import endpoint_of, server_context, upstream_context


def der_of(folder: Path, digest: hashes.HashAlgorithm | None) -> bytes:
    cert_file, _ = make_certificate(folder, "localhost", digest)
    return ssl.PEM_cert_to_DER_cert(cert_file.read_text())


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512"])
def test_the_channel_binding_uses_the_hash_of_the_signature(tmp_path: Path, name: str) -> None:
    der = der_of(tmp_path, getattr(hashes, name.upper())())
    assert endpoint_of(der) == hashlib.new(name, der).digest()


def test_a_signature_without_a_hash_of_its_own_gives_no_binding(tmp_path: Path) -> None:
    assert endpoint_of(der_of(tmp_path, None)) is None


def test_what_is_no_certificate_gives_no_binding() -> None:
    assert endpoint_of(b"\x30\x03junk") is None


def test_clients_need_tls_1_2_and_get_no_tickets(tmp_path: Path) -> None:
    context = server_context(*map(str, make_certificate(tmp_path, "localhost")))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_TICKET
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.num_tickets == 0


def test_context_knows_what_scram_binds_to(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path, "localhost")
    der = ssl.PEM_cert_to_DER_cert(cert.read_text())
    assert server_context(str(cert), str(key)).binding == endpoint_of(der)
    cert, key = make_certificate(tmp_path, "edwards", None)
    assert server_context(str(cert), str(key)).binding is None, "its signature has no hash function"


def test_client_certificates_are_looked_at_where_somebody_may_sign_them(tmp_path: Path) -> None:
    own = tuple(map(str, make_certificate(tmp_path, "localhost")))
    root = authority()
    assert server_context(*own).verify_mode is ssl.CERT_NONE
    context = server_context(*own, root.pem)
    assert context.verify_mode is ssl.CERT_OPTIONAL
    assert not context.verify_flags & ssl.VERIFY_CRL_CHECK_CHAIN
    context = server_context(*own, root.pem, root.revocations())
    assert context.verify_flags & ssl.VERIFY_CRL_CHECK_CHAIN
    assert context.cert_store_stats() == {"x509": 1, "crl": 1, "x509_ca": 1}
    with pytest.raises(OSError, match="NO_CERTIFICATE_OR_CRL_FOUND"):
        server_context(*own, b"nothing")


def test_a_missing_certificate_is_told_by_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        server_context(str(tmp_path / "no.crt"), str(tmp_path / "no.key"))


@pytest.mark.parametrize(
    ("sslmode", "root", "verified", "named"),
    [
        ("allow", False, False, False),
        ("prefer", True, False, False),
        ("require", False, False, False),
        ("require", True, True, False),
        ("verify-ca", True, True, False),
        ("verify-full", True, True, True),
    ],
)
def test_sslmode_means_what_it_means_to_libpq(
    tmp_path: Path, sslmode: str, root: bool, verified: bool, named: bool
) -> None:
    cert_file, _ = make_certificate(tmp_path, "localhost")
    context = upstream_context(sslmode, str(cert_file) if root else None)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert (context.verify_mode == ssl.CERT_REQUIRED) == verified
    assert context.check_hostname == named


def test_the_machines_own_roots_always_compare_the_name() -> None:
    assert upstream_context("require", "system").check_hostname
    assert upstream_context("verify-ca", "system").check_hostname


@pytest.mark.parametrize("sslmode", ["verify-ca", "verify-full"])
def test_verification_without_roots_fails_closed(tmp_path: Path, sslmode: str) -> None:
    for root in (None, "", str(tmp_path / "missing.crt")):
        with pytest.raises(Unavailable):
            upstream_context(sslmode, root)
    empty = tmp_path / "empty.crt"
    empty.touch()
    with pytest.raises(Unavailable):
        upstream_context(sslmode, str(empty))


def test_connections_share_a_context_until_the_file_of_roots_is_another(tmp_path: Path) -> None:
    first, _ = make_certificate(tmp_path, "localhost")
    context = upstream_context("verify-full", str(first))
    assert upstream_context("verify-full", str(first)) is context
    assert upstream_context("verify-ca", str(first)) is not context
    other, _ = make_certificate(tmp_path, "other")
    other.replace(first)
    renewed = upstream_context("verify-full", str(first))
    assert renewed is not context
    assert renewed.get_ca_certs() != context.get_ca_certs()
