"""Keys of every kind, and tokens signed by hand: what PyJWT would refuse to make must be made here."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.identity import keys
from gateway.identity.keys import IssuerKeys
from gateway.issuers import Issuer

NOW = 1_800_000_000.0
ISSUER = Issuer(name="local", issuer="https://sluice.local", audience="sluice", key_file="local.pub")
ED = ed25519.Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
OTHER_ED = ed25519.Ed25519PrivateKey.from_private_bytes(b"\2" * 32)
EC = ec.derive_private_key(12345, ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
RSA_WEAK = rsa.generate_private_key(65537, 1024)


def pem(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: Any) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def jwk(key: Any, **more: Any) -> dict[str, Any]:
    kinds = {ed25519.Ed25519PrivateKey: "EdDSA", rsa.RSAPrivateKey: "RS256"}
    algorithm = next((name for kind, name in kinds.items() if isinstance(key, kind)), "ES256")
    return json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key())) | more


def jwks(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"keys": entries}).encode()


def read(content: bytes, issuer: Issuer = ISSUER) -> IssuerKeys:
    return keys.read([issuer], {issuer.name: ("local.pub", content)})


ED_KEYS = read(pem(ED))


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def sign(key: Any, algorithm: str, data: bytes) -> bytes:
    """The signature `algorithm` asks for; with HS*, `key` is the secret's bytes."""
    if algorithm.startswith("HS"):
        return hmac.new(key, data, getattr(hashlib, "sha" + algorithm[2:])).digest()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    digest = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}[algorithm[2:]]()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if algorithm.startswith("PS"):
        return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    return key.sign(data, padding.PKCS1v15(), digest)


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims; a change to None takes the claim out."""
    good = {
        "iss": "https://sluice.local",
        "aud": "sluice",
        "sub": "alice",
        "iat": int(NOW),
        "exp": int(NOW) + 3600,
        "groups": ["analysts"],
        "jti": "t-1",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(
    body: dict[str, Any] | bytes | None = None,
    header: dict[str, Any] | bytes | None = None,
    key: Any = ED,
    algorithm: str = "EdDSA",
) -> str:
    """A token signed by `key`, whatever stands in it."""
    body = claims() if body is None else body
    header = {"alg": algorithm, "typ": "JWT"} if header is None else header
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, body)]
    signed = ".".join(b64(part) for part in parts)
    return f"{signed}.{b64(sign(key, algorithm, signed.encode()))}"
