"""Client certificates: a verified one becomes a Principal where a rule of sluice.toml says whose it is.

TLS has verified the chain, its times and the revocation list. Here a subject is compared attribute by attribute (RFC 4514 is
only how the pattern is written), and a SPIFFE ID is the certificate's only URI (X509-SVID, section 2).
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from gateway.door_settings import CN, SPIFFE, Certificate
from gateway.errors import ConfigError, ConfigFault
from gateway.identity.principal import Principal
from gateway.wildcards import fits, fits_path

REVOCATION_LIST = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)
_NAME_CHARACTERS_MAX = 512
_Attributes = frozenset[tuple[str, str]]  # of one RDN: dotted oid and value


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with its subject read: the RDNs, in the certificate's order."""

    certificate: Certificate
    subject: tuple[_Attributes, ...]


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate that TLS has verified."""

    thumbprint: bytes  # SHA-256
    expires: float
    subject: tuple[_Attributes, ...]
    cn: str  # "" where there is none, or more than one
    spiffe: str


def rules_of(certificates: Sequence[Certificate], file: str) -> tuple[Rule, ...]:
    """The rules, their subjects read. Raises ConfigError."""
    return tuple(Rule(one, _pattern(one, file) if one.subject else ()) for one in certificates)


def _pattern(one: Certificate, file: str) -> tuple[_Attributes, ...]:
    key = f'certificate "{one.name}".subject'
    try:
        name = x509.Name.from_rfc4514_string(one.subject)
    except ValueError:
        mend = 'write it as "CN=batch-*,O=Example"; commas in values as \\,'
        raise ConfigError(ConfigFault(file, 0, key, "it is not a name as of RFC 4514", mend)) from None
    if one.user == CN and len(name.get_attributes_for_oid(NameOID.COMMON_NAME)) != 1:
        raise ConfigError(ConfigFault(file, 0, key, "user is {cn}, and it does not have one CN", "add CN=… to it"))
    return _subject(name)


def _subject(name: x509.Name) -> tuple[_Attributes, ...]:
    return tuple(
        frozenset((each.oid.dotted_string, each.value if isinstance(each.value, str) else each.value.hex()) for each in rdn)
        for rdn in name.rdns
    )


def read(der: bytes) -> ClientCertificate | None:
    """What rules look at; None where the certificate is stranger than TLS cares for."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        name = certificate.subject
        common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
        return ClientCertificate(
            thumbprint=hashlib.sha256(der).digest(),
            expires=certificate.not_valid_after_utc.timestamp(),
            subject=_subject(name),
            cn=str(common[0].value) if len(common) == 1 else "",
            spiffe=_spiffe(certificate),
        )
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None


def _spiffe(certificate: x509.Certificate) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if len(uris) == 1 else ""


class Authority:
    """Who signs client certificates, and which of these were taken back, as PEM files say it (RFC 5280). TLS looks at
    newcomers; this is for those who are in."""

    def __init__(self, signers: bytes, lists: bytes) -> None:
        """Raises ValueError where they are no PEM."""
        found = x509.load_pem_x509_certificates(signers) if signers else []
        self._signers = frozenset(one.fingerprint(SHA256()) for one in found)
        self._lists = [x509.load_pem_x509_crl(one) for one in REVOCATION_LIST.findall(lists)]

    def stands_behind(self, chain: Sequence[bytes]) -> bool:
        """Whether a verified chain (DER, the client's certificate first) ends at one of these, and none of it is revoked. Of
        what is stranger than TLS cares for nobody knows."""
        try:
            found = [x509.load_der_x509_certificate(one) for one in chain]
        except ValueError:
            return False
        return bool(found) and found[-1].fingerprint(SHA256()) in self._signers and not any(map(self._revoked, found))

    def _revoked(self, certificate: x509.Certificate) -> bool:
        return any(
            one.issuer == certificate.issuer
            and one.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
            for one in self._lists
        )


def principal(certificate: ClientCertificate, user: str, rules: Sequence[Rule], now: float) -> Principal | None:
    """Who this is by the first rule that makes the certificate `user`'s (the start-up packet's); None: by none."""
    wanted = unicodedata.normalize("NFC", user)
    for rule in rules:
        if not _matches(certificate, rule) or certificate.expires <= now:
            continue
        said = rule.certificate
        named = {CN: certificate.cn, SPIFFE: certificate.spiffe}.get(said.user, said.user)
        if not 1 <= len(named) <= _NAME_CHARACTERS_MAX or not named.isprintable():
            continue
        if unicodedata.normalize("NFC", named) == wanted:
            return Principal(
                user=wanted,
                issuer=said.name,
                groups=said.groups,
                actors=(said.actor,) if said.actor else (),
                expires=certificate.expires,
                token_id=certificate.thumbprint.hex()[:16],
                method="certificate",
            )
    return None


def _matches(certificate: ClientCertificate, rule: Rule) -> bool:
    if rule.certificate.spiffe:
        return fits_path(certificate.spiffe, rule.certificate.spiffe)
    if len(certificate.subject) != len(rule.subject):
        return False
    return all(_attributes_fit(*both) for both in zip(certificate.subject, rule.subject, strict=True))


def _attributes_fit(given: _Attributes, wanted: _Attributes) -> bool:
    if len(given) != len(wanted):
        return False
    values = dict(given)
    return len(values) == len(given) and all(oid in values and fits(values[oid], pattern) for oid, pattern in wanted)
