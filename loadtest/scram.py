"""SCRAM-SHA-256 (RFC 7677) as a client, and what a server keeps of a password. What the server proves is not looked at: this
is load."""

import base64
import hashlib
import hmac
import secrets
from functools import lru_cache


class Proof:
    """One proof that the password is known: send `first`, and then `final` of what the server answers."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._bare = b"n=,r=" + base64.b64encode(secrets.token_bytes(18))
        self.first = b"n,," + self._bare

    def final(self, challenge: bytes) -> bytes:
        parts = dict(part.split(b"=", 1) for part in challenge.split(b","))
        key, stored = keys(self._password, base64.b64decode(parts[b"s"]), int(parts[b"i"]))
        bare = b"c=biws,r=" + parts[b"r"]
        signature = hmac.digest(stored, b",".join((self._bare, challenge, bare)), "sha256")
        proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
        return bare + b",p=" + base64.b64encode(proof)


@lru_cache
def keys(password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """ClientKey and StoredKey; kept, so that what stretching the password costs is not measured at each sign-in."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    key = hmac.digest(salted, b"Client Key", "sha256")
    return key, hashlib.sha256(key).digest()


def secret(password: str, salt: bytes = b"", iterations: int = 4096) -> str:
    """What a server keeps of the password, as PostgreSQL and pgbouncer write it."""
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    server = hmac.digest(salted, b"Server Key", "sha256")
    words = [base64.b64encode(part).decode() for part in (salt, keys(password, salt, iterations)[1], server)]
    return f"SCRAM-SHA-256${iterations}:{words[0]}${words[1]}:{words[2]}"
