"""Proving our password to a database server: MD5 and SCRAM-SHA-256 (RFC 5802, RFC 7677, manual section 55.3).

Pure: nonces and channel-binding data come in as arguments. Every Unavailable raised here means that the
server misbehaved or that our credentials do not fit it; its words tell nothing of the secret.
"""

import base64
import binascii
import hashlib
import hmac
import stringprep
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from gateway.errors import Refused, State, Unavailable

# Each iteration costs our own CPU: a server may not choose how long we work. RFC 7677 asks for at least 4096,
# which is PostgreSQL's default; 100 000 take about 0.05 s.
ITERATIONS_MAX = 100_000
NONCE_CHARACTERS_MAX = 1024
SALT_BYTES_MAX = 1024
MESSAGE_BYTES_MAX = 65_536

PLAIN = "SCRAM-SHA-256"
PLUS = "SCRAM-SHA-256-PLUS"

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def distrust(why: str) -> Unavailable:
    """The error of a server whose login conversation is not one."""
    return Unavailable(Refused(State.UNREACHABLE, f"the database's login failed: {why}"))


def md5(user: str, password: str, salt: bytes) -> str:
    """The answer to AuthenticationMD5Password; `salt` has 4 bytes."""
    inner = hashlib.md5(password.encode() + user.encode(), usedforsecurity=False).hexdigest()
    return "md5" + hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest()


def saslprep(password: str) -> str:
    """RFC 4013. A password that the profile forbids is used as it is, as PostgreSQL does on both sides."""
    if password.isascii():
        return password
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in password
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if not prepared or any(table(character) for character in prepared for table in _PROHIBITED):
        return password
    if any(map(stringprep.in_table_d1, prepared)) and (
        any(map(stringprep.in_table_d2, prepared))
        or not (stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1]))
    ):
        return password
    return prepared


@dataclass(frozen=True, slots=True)
class Choice:
    """What to answer to the server's list of SASL mechanisms."""

    mechanism: str
    gs2_header: str  # n: no channel binding here; y: we could, the server cannot; p=…: bound
    binding: bytes  # the data bound to, empty without


def choose(offered: list[str], endpoint: bytes | None) -> Choice:
    """The strongest mechanism both sides know. `endpoint`: the hash of the server's certificate (RFC 5929,
    tls-server-end-point), None outside TLS or where the certificate has none.

    Where both could bind and an attacker took PLUS from the list, the header y makes the server notice.
    """
    if endpoint is not None and PLUS in offered:
        return Choice(PLUS, "p=tls-server-end-point,,", endpoint)
    if PLAIN in offered:
        return Choice(PLAIN, "n,," if endpoint is None else "y,,", b"")
    raise distrust("it offers no SASL mechanism that is spoken here")


class Scram:
    """One SCRAM exchange: `first`, then `answer`, then `finish`; only after `finish` is the server proven."""

    def __init__(self, password: str, choice: Choice, nonce: str) -> None:
        """`nonce`: fresh random printable characters without comma, 18 random bytes in base64 as in libpq."""
        self.proven = False
        self._password = password
        self._choice = choice
        self._nonce = nonce
        self._bare = f"n=*,r={nonce}"  # the server takes the user of the startup packet, not this one
        self._signature: bytes | None = None

    def first(self) -> bytes:
        """The client-first-message."""
        return (self._choice.gs2_header + self._bare).encode()

    def answer(self, server_first: bytes) -> bytes:
        """The client-final-message to the server-first-message. Raises Unavailable."""
        if self._signature is not None:
            raise distrust("it asks for a second proof")
        text = _ascii(server_first)
        nonce, salt, iterations = _read_first(text)
        if not nonce.startswith(self._nonce) or len(nonce) <= len(self._nonce):
            raise distrust("its nonce does not continue ours")
        bound = base64.b64encode(self._choice.gs2_header.encode() + self._choice.binding).decode()
        without_proof = f"c={bound},r={nonce}"
        signed = f"{self._bare},{text},{without_proof}".encode()

        salted = _salted(self._password, salt, iterations)
        client_key = _hmac(salted, b"Client Key")
        client_signature = _hmac(hashlib.sha256(client_key).digest(), signed)
        proof = bytes(a ^ b for a, b in zip(client_key, client_signature, strict=True))
        self._signature = _hmac(_hmac(salted, b"Server Key"), signed)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def finish(self, server_final: bytes) -> None:
        """Checks the server-final-message. Raises Unavailable where the server does not know the password."""
        if self._signature is None or self.proven:
            raise distrust("its proof is out of order")
        text = _ascii(server_final)
        if not text.startswith("v="):
            raise distrust("it refused our proof")
        given = _base64(text[2:].partition(",")[0])
        if not hmac.compare_digest(given, self._signature):
            raise distrust("it could not prove that it knows the password")
        self.proven = True


def _read_first(text: str) -> tuple[str, bytes, int]:
    """Nonce, salt and iterations of a server-first-message; an extension (m=) is mandatory and unknown."""
    parts = text.split(",")
    if len(parts) < 3 or [part[:2] for part in parts[:3]] != ["r=", "s=", "i="]:
        raise distrust("its first SCRAM message is malformed")
    nonce, salt_text, count = (part[2:] for part in parts[:3])
    if len(nonce) > NONCE_CHARACTERS_MAX or not all("!" <= character <= "~" for character in nonce):
        raise distrust("its nonce is malformed")
    salt = _base64(salt_text)
    if not 1 <= len(salt) <= SALT_BYTES_MAX:
        raise distrust("its salt has a bad length")
    if not (count.isdigit() and len(count) <= 7) or not 1 <= int(count) <= ITERATIONS_MAX:
        raise distrust(f"its iteration count is not within 1 and {ITERATIONS_MAX}")
    return nonce, salt, int(count)


@lru_cache(maxsize=256)
def _salted(password: str, salt: bytes, iterations: int) -> bytes:
    """SaltedPassword, remembered: a role keeps its salt, and this is nearly all the cost of a login."""
    return hashlib.pbkdf2_hmac("sha256", saslprep(password).encode(), salt, iterations)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _ascii(message: bytes) -> str:
    if len(message) > MESSAGE_BYTES_MAX:
        raise distrust("its SCRAM message is too long")
    try:
        return message.decode("ascii")
    except UnicodeDecodeError:
        raise distrust("its SCRAM message is malformed") from None


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise distrust("its SCRAM message is malformed") from None
