"""Issuers' public keys: one algorithm pinned to each, by the key and its JWK and never by a token.

RFC 7515-7518 (JOSE), RFC 8037 (Ed25519). Only EdDSA, ES256, PS256 and RS256 exist here: no HS*, no none.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeGuard

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from gateway.errors import ConfigError, ConfigFault
from gateway.issuers import Algorithm, Issuer

KEY_FILE_BYTES_MAX = 262144
KEYS_MAX = 64
KID_CHARACTERS_MAX = 128
_RSA_BITS_MIN = 2048

NOTHING: Mapping[str, "FetchedSet"] = {}
PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key and the only algorithm it verifies. `thumbprint`: the first 16 hex digits of its SHA-256."""

    algorithm: Algorithm
    key: PublicKey
    thumbprint: str


@dataclass(frozen=True, slots=True)
class KeySet:
    """One issuer's keys. `only` is set where there is exactly one, which then also serves tokens without a
    kid. They count `until` (POSIX seconds)."""

    issuer: Issuer
    by_kid: Mapping[str, IssuerKey]
    only: IssuerKey | None
    thumbprints: frozenset[str] = frozenset()
    until: float = math.inf

    def find(self, kid: str | None) -> IssuerKey | None:
        """The key a token names. A key that has no kid of its own (a PEM file) serves any."""
        if kid is not None and self.by_kid:
            return self.by_kid.get(kid)
        return self.only


@dataclass(frozen=True, slots=True)
class IssuerKeys:
    """All configured issuers by the exact text of their `iss`."""

    by_issuer: Mapping[str, KeySet]

    def named(self, name: str) -> KeySet | None:
        """The keys of the issuer with this configured name."""
        return next((one for one in self.by_issuer.values() if one.issuer.name == name), None)


    def thumbprints(self) -> frozenset[str]:
        """Of all keys that their issuers have; one that is only too old is not gone, for it may be confirmed yet."""
        return frozenset(key for one in self.by_issuer.values() for key in one.thumbprints)


class FetchedSet(msgspec.Struct, frozen=True):
    """A key set as it came over the network, from where and when (POSIX seconds)."""

    source: str  # what the issuer's settings were that made it
    content: bytes
    fetched: float

    def until(self, issuer: Issuer) -> float:
        """When it no longer counts, if the issuer cannot be asked any more."""
        return self.fetched + issuer.keys_stale_seconds


def source_of(issuer: Issuer) -> str:
    """What must be the same for a set that was fetched before to be this issuer's."""
    return " ".join((issuer.issuer, issuer.jwks_url, issuer.discovery))


def read(
    issuers: Sequence[Issuer], files: Mapping[str, tuple[str, bytes]], fetched: Mapping[str, FetchedSet] = NOTHING
) -> IssuerKeys:
    """Make the keys of all issuers.

    `files` gives, by the issuer's configured name, its key file's path (for messages) and bytes: a PEM public
    key (SubjectPublicKeyInfo) or a JWKS (JSON); `fetched` the sets of those whose keys come over the network, which have
    none before. Raises ConfigError.
    """
    by_issuer: dict[str, KeySet] = {}
    for issuer in issuers:
        if issuer.issuer in by_issuer:
            file = files[issuer.name][0] if issuer.name in files else "sluice.toml"
            _fault(file, issuer, "two issuers have the same `issuer` text", "give each its own")
        by_issuer[issuer.issuer] = _keys_of(issuer, files, fetched)
    return IssuerKeys(by_issuer)


def _keys_of(
    issuer: Issuer, files: Mapping[str, tuple[str, bytes]], fetched: Mapping[str, FetchedSet]
) -> KeySet:
    if issuer.name in files:
        return _read_one(issuer, *files[issuer.name])
    found = fetched.get(issuer.name)
    if found is None or found.source != source_of(issuer):
        return KeySet(issuer, {}, None)
    return replace(read_fetched(issuer, found.content), until=found.until(issuer))


def read_fetched(issuer: Issuer, content: bytes) -> KeySet:
    """The keys of a set that was fetched. Raises ConfigError where it is none, or says what no set may say."""
    return _read_jwks(issuer, issuer.jwks_url or issuer.discovery, content)


def _fault(file: str, issuer: Issuer, why: str, mend: str) -> NoReturn:
    raise ConfigError(ConfigFault(file=file, line=0, key=f'issuer "{issuer.name}"', why=why, mend=mend))


def _read_one(issuer: Issuer, file: str, content: bytes) -> KeySet:
    if len(content) > KEY_FILE_BYTES_MAX:
        _fault(
            file,
            issuer,
            f"the key file is larger than {KEY_FILE_BYTES_MAX} bytes",
            "give a JWKS or a PEM public key",
        )
    if b"PRIVATE KEY" in content:
        _fault(
            file, issuer, "the file holds a private key", "give the public half: openssl pkey -in KEY -pubout"
        )
    if content.lstrip().startswith(b"{"):
        return _read_jwks(issuer, file, content)
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        _fault(file, issuer, "the file is neither a PEM public key nor a JWKS", "give one of the two")
    pinned = _pin(key, None)
    if pinned is None:
        _fault(file, issuer, "the key is not Ed25519, P-256 or RSA of at least 2048 bits", "use one of these")
    if not _allowed(issuer, pinned):
        _fault(file, issuer, f"the key is for {pinned.algorithm}, which is not in algorithms", "add it there")
    return KeySet(issuer, {}, pinned, frozenset([pinned.thumbprint]))


def _read_jwks(issuer: Issuer, file: str, content: bytes) -> KeySet:
    try:
        entries = json.loads(content)["keys"]
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        _fault(file, issuer, "the file is not a JWKS", 'give {"keys": [...]} as of RFC 7517')
    if len(entries) > KEYS_MAX:
        _fault(file, issuer, f"the JWKS holds more than {KEYS_MAX} keys", "leave out the retired ones")
    by_kid: dict[str, IssuerKey] = {}
    usable: list[IssuerKey] = []
    for entry in entries:
        if "d" in entry:
            _fault(file, issuer, "the JWKS holds a private key", "give the public halves alone")
        pinned = _read_jwk(entry)
        if pinned is None or not _allowed(issuer, pinned):  # other algorithms and encryption keys are not ours to judge
            continue
        usable.append(pinned)
        kid = entry.get("kid")
        if kid is None:
            continue
        if not is_kid(kid) or kid in by_kid:
            _fault(
                file,
                issuer,
                "a kid is double or not a printable text of up to 128 characters",
                "give each key its own",
            )
        by_kid[kid] = pinned
    if not usable:
        words = ", ".join(issuer.algorithms) or "EdDSA, ES256, PS256 or RS256"
        _fault(file, issuer, f"no key for {words} signatures", "add one")
    thumbprints = frozenset(one.thumbprint for one in usable)
    return KeySet(issuer, by_kid, usable[0] if len(usable) == 1 else None, thumbprints)


def _allowed(issuer: Issuer, key: IssuerKey) -> bool:
    return not issuer.algorithms or key.algorithm in issuer.algorithms


def is_kid(value: object) -> TypeGuard[str]:
    """Whether the value can name a key: printable text of 1 to 128 characters."""
    return isinstance(value, str) and 1 <= len(value) <= KID_CHARACTERS_MAX and value.isprintable()


_IMPORTERS: Mapping[str, Callable[[Any], Any]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}


def _read_jwk(entry: dict[str, Any]) -> IssuerKey | None:
    if entry.get("use", "sig") != "sig":
        return None
    importer = _IMPORTERS.get(str(entry.get("kty")))
    if importer is None:
        return None
    try:
        key = importer(entry)
    except (InvalidKeyError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return _pin(key, entry.get("alg"))


def _pin(key: object, named: object) -> IssuerKey | None:
    """The key with its algorithm; `named` is the JWK's `alg`, which must fit where it is given. RSA without
    one means RS256."""
    choices: tuple[Algorithm, ...]
    if isinstance(key, Ed25519PublicKey):
        # "Ed25519" is RFC 9864's name of the same algorithm.
        choices, named = ("EdDSA",), None if named == "Ed25519" else named
    elif isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        choices = ("ES256",)
    elif isinstance(key, RSAPublicKey) and key.key_size >= _RSA_BITS_MIN:
        choices = ("RS256", "PS256")
    else:
        return None
    for algorithm in choices:
        if named is None or named == algorithm:
            public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return IssuerKey(algorithm, key, hashlib.sha256(public).hexdigest()[:16])
    return None
