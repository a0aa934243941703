"""TLS contexts for clients and for databases, and the channel binding to a server's certificate."""

import os
import ssl
import sys
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import Refused, State, Unavailable

ALPN = "postgresql"
CONTEXTS_KEPT = 64
SYSTEM_ROOTS = "system"  # libpq's word for the machine's own roots


class ServerContext(ssl.SSLContext):
    """For clients. `binding`: tls-server-end-point of the certificate shown to them (`endpoint_of`)."""

    binding: bytes | None


def server_context(cert_file: str, key_file: str, client_ca: bytes = b"", client_crl: bytes = b"") -> ServerContext:
    """For clients: TLS 1.2 and later. With `client_ca` (PEM) they may show a certificate, which is verified then, by
    `client_crl` too where it is given: then every CA of a chain needs a list of its own that has not expired.

    Raises OSError where the files cannot be used.
    """
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Tickets would only resume at the worker that made them; compression and renegotiation are attack
    # surface.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.set_alpn_protocols([ALPN])
    context.load_cert_chain(cert_file, key_file)
    context.binding = _own_endpoint(cert_file)
    if client_ca:
        context.verify_mode = ssl.CERT_OPTIONAL
        _load_pem(context, client_ca)
        if client_crl:
            _load_pem(context, client_crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    return context


def _own_endpoint(cert_file: str) -> bytes | None:
    with open(cert_file, "rb") as file:
        try:
            certificate = x509.load_pem_x509_certificates(file.read())[0]
        except ValueError:
            return None
    return endpoint_of(certificate.public_bytes(Encoding.DER))


def _load_pem(context: ssl.SSLContext, content: bytes) -> None:
    """From memory, which OpenSSL takes certificates from but no revocation lists."""
    fd = os.memfd_create("sluice-client-ca", os.MFD_CLOEXEC)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        context.load_verify_locations(cafile=f"/proc/self/fd/{fd}")


def upstream_context(sslmode: str, sslrootcert: str | None) -> ssl.SSLContext:
    """For a database, as libpq reads sslmode (manual, section 34.19): allow, prefer and require check nothing
    unless require has a root certificate; verify-ca checks the chain, verify-full the host name as well.

    Raises Unavailable where verification is asked for and the roots cannot be read: no file of a home folder
    is ever looked for. Connections share a context as long as the file of roots is the same: with the machine's own it
    takes 0.8 MB and 20 ms.
    """
    file = ssl.get_default_verify_paths().cafile if sslrootcert == SYSTEM_ROOTS else sslrootcert
    try:
        stat = os.stat(file) if file else None
    except OSError:
        stat = None  # reading it tells why
    mark = (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size) if stat is not None else None
    return _upstream_context(sslmode, sslrootcert, mark)


@lru_cache(maxsize=CONTEXTS_KEPT)
def _upstream_context(sslmode: str, sslrootcert: str | None, _mark: tuple[int, ...] | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols([ALPN])
    verify = sslmode in ("verify-ca", "verify-full") or (sslmode == "require" and bool(sslrootcert))
    # With the machine's roots anybody can buy a certificate: then only the name tells servers apart.
    context.check_hostname = sslmode == "verify-full" or (verify and sslrootcert == SYSTEM_ROOTS)
    if not verify:
        context.verify_mode = ssl.CERT_NONE
        return context
    context.verify_mode = ssl.CERT_REQUIRED
    if not sslrootcert:
        raise Unavailable(Refused(State.UNREACHABLE, f"sslmode {sslmode} needs an sslrootcert"))
    try:
        if sslrootcert == SYSTEM_ROOTS:
            context.set_default_verify_paths()
        else:
            context.load_verify_locations(cafile=sslrootcert)
    except OSError as error:
        raise Unavailable(Refused(State.UNREACHABLE, "the database's sslrootcert cannot be read")) from error
    return context


def endpoint(sock: ssl.SSLSocket) -> bytes | None:
    """tls-server-end-point (RFC 5929, section 4): the hash of the peer's certificate, by the hash function
    of its signature, SHA-256 in place of MD5 and SHA-1. None where the signature has no hash function of its
    own."""
    der = sock.getpeercert(binary_form=True)
    return endpoint_of(der) if der else None


def endpoint_of(der: bytes) -> bytes | None:
    """The channel binding of one certificate, given in DER."""
    try:
        algorithm = x509.load_der_x509_certificate(der).signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    if algorithm is None:
        return None
    if algorithm.name in ("md5", "sha1"):
        algorithm = hashes.SHA256()
    digest = hashes.Hash(algorithm)
    digest.update(der)
    return digest.finalize()


def client_chain(sock: ssl.SSLSocket) -> list[bytes]:
    """The chain (DER, the peer's certificate first) that was verified when this connection began; [] where there is none."""
    if sys.version_info >= (3, 13):
        return sock.get_verified_chain()
    found = sock._sslobj.get_verified_chain()  # type: ignore[attr-defined]  # the same, before it had a public name
    return [one.public_bytes(ssl._ssl.ENCODING_DER) for one in found or ()]  # type: ignore[attr-defined]
