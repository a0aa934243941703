"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS as the server's side (RFC 5802, RFC 7677, RFC 5929 tls-server-end-point).

Pure: the nonce and the channel's data come in as arguments. A client is held to the exact messages; whatever could mean that
somebody stands in between ends the exchange. What is kept of a password is its verifier, spelled as in PostgreSQL's
pg_authid; a name without one gets a challenge all the same, made from its name, and fails as a wrong password does.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

from gateway.errors import Refusal, Refused, State
from gateway.upstream_auth import ITERATIONS_MAX, PLAIN, PLUS

ITERATIONS: Final = 4096  # of verifiers made here: their passwords are random, so that more would slow down clients alone
ITERATIONS_MIN: Final = 4096  # RFC 7677
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 18
NONCE_CHARACTERS_MAX: Final = 1024
MESSAGE_BYTES_MAX: Final = 8192
_BINDING: Final = "tls-server-end-point"
_KEY_BYTES: Final = 32
_VERIFIER: Final = re.compile(r"SCRAM-SHA-256\$([0-9]{1,7}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class Verifier:
    """What is kept in place of a password."""

    iterations: int
    salt: bytes = field(repr=False)
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    def __str__(self) -> str:
        salt, stored, server = (base64.b64encode(one).decode() for one in (self.salt, self.stored_key, self.server_key))
        return f"{PLAIN}${self.iterations}:{salt}${stored}:{server}"


def read_verifier(text: str) -> Verifier:
    """A verifier as pg_authid spells it. Raises ValueError, which does not quote it."""
    found = _VERIFIER.fullmatch(text)
    if found is None:
        raise ValueError("it is not spelled SCRAM-SHA-256$iterations:salt$stored:server")
    try:
        salt, stored, server = (_bytes(one) for one in found.groups()[1:])
    except ValueError:
        raise ValueError("one of its parts is not base64") from None
    iterations = int(found[1])
    if not ITERATIONS_MIN <= iterations <= ITERATIONS_MAX:
        raise ValueError(f"its iterations are not within {ITERATIONS_MIN} and {ITERATIONS_MAX}")
    if not 8 <= len(salt) <= 64 or len(stored) != _KEY_BYTES or len(server) != _KEY_BYTES:
        raise ValueError("one of its parts has a bad length")
    return Verifier(iterations, salt, stored, server)


def verifier_of(password: str, salt: bytes, iterations: int = ITERATIONS) -> Verifier:
    """For a password in ASCII."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return Verifier(iterations, salt, stored, _hmac(salted, b"Server Key"))


def mock(user: str, key: bytes, like: Sequence[Verifier]) -> Verifier:
    """What a name without credential is asked by: the same each time, and as those that there are."""
    name = user.encode("utf-8", "surrogateescape")
    chosen = int.from_bytes(_hmac(key, b"choice" + name)[:8], "big")
    model = like[chosen % len(like)] if like else None
    iterations, length = (ITERATIONS, SALT_BYTES) if model is None else (model.iterations, len(model.salt))
    salt = hashlib.shake_256(_hmac(key, b"salt" + name)).digest(length)
    return Verifier(iterations, salt, _hmac(key, b"stored" + name), _hmac(key, b"server" + name))


def mechanisms(binding: bytes | None) -> tuple[str, ...]:
    """What to offer; `binding`: the hash of our certificate, None where there is none to bind to."""
    return (PLAIN,) if binding is None else (PLUS, PLAIN)


class Exchange:
    """One conversation: `first`, then `final`. `verifiers`: of one user, with the same salt and iterations."""

    def __init__(self, verifiers: Sequence[Verifier], nonce: str, binding: bytes | None) -> None:
        """`nonce`: fresh, printable, without comma."""
        self._verifiers = tuple(verifiers)
        self._nonce = nonce
        self._binding = binding
        self._header = ""
        self._bare = ""
        self._challenge = ""
        self._bound = b""

    def first(self, mechanism: str, message: bytes) -> bytes:
        """The server-first-message. Raises Refusal."""
        if mechanism not in mechanisms(self._binding):
            _malformed("it chooses a mechanism that was not offered")
        text = _text(message)
        flag, comma, rest = text.partition(",")
        authzid, end, bare = rest.partition(",")
        if not comma or not end:
            _malformed("its GS2 header is not one")
        self._check_flag(flag, mechanism)
        if authzid:
            why = "sign-in refused: the SASL message names an authorization identity"
            raise Refusal(Refused(State.FEATURE, why, "Leave it empty: the start-up packet names the user."))
        parts = bare.split(",")
        if len(parts) < 2 or not parts[0].startswith("n=") or not parts[1].startswith("r="):
            _malformed("it lacks its name or its nonce")
        nonce = parts[1][2:]
        if not 1 <= len(nonce) <= NONCE_CHARACTERS_MAX or not all("!" <= character <= "~" for character in nonce):
            _malformed("its nonce is not printable or too long")
        verifier = self._verifiers[0]
        self._header, self._bare = f"{flag},{authzid},", bare
        self._nonce = nonce + self._nonce
        self._challenge = f"r={self._nonce},s={base64.b64encode(verifier.salt).decode()},i={verifier.iterations}"
        return self._challenge.encode()

    def _check_flag(self, flag: str, mechanism: str) -> None:
        """Channel binding: asked for with PLUS, and never talked out of."""
        if mechanism == PLUS:
            if flag != f"p={_BINDING}":
                _malformed(f"SCRAM-SHA-256-PLUS binds by {_BINDING}")
            self._bound = self._binding or b""
        elif flag == "y" and self._binding is not None:
            why = "sign-in refused: SCRAM channel binding was offered, and the client was told that it was not"
            raise Refusal(Refused(State.NOT_SIGNED_IN, why, "Somebody may stand between this client and the gateway."))
        elif flag not in ("n", "y"):
            _malformed("its channel binding does not fit its mechanism")

    def final(self, message: bytes) -> tuple[bytes, Verifier] | None:
        """The server-final-message and the verifier whose password the client knows; None where it knows none. Raises
        Refusal."""
        without_proof, found, last = _text(message).rpartition(",p=")
        parts = without_proof.split(",")
        bound = base64.b64encode(self._header.encode() + self._bound).decode()
        if not found or len(parts) < 2 or not parts[0].startswith("c="):
            _malformed("its final message lacks a part")
        if not hmac.compare_digest(parts[0][2:].encode(), bound.encode()):
            why = "sign-in refused: SCRAM channel binding does not match this connection"
            raise Refusal(Refused(State.NOT_SIGNED_IN, why, "Somebody may stand between this client and the gateway."))
        if not hmac.compare_digest(parts[1].encode(), f"r={self._nonce}".encode()):
            _malformed("its nonce is not the one of this conversation")
        try:
            proof = _bytes(last)
        except ValueError:
            _malformed("its proof is not base64")
        if len(proof) != _KEY_BYTES:
            _malformed("its proof has a bad length")
        signed = f"{self._bare},{self._challenge},{without_proof}".encode()
        known = [one for one in self._verifiers if _proves(proof, one, signed)]
        if not known:
            return None
        signature = base64.b64encode(_hmac(known[0].server_key, signed))
        return b"v=" + signature, known[0]


def _proves(proof: bytes, verifier: Verifier, signed: bytes) -> bool:
    signature = _hmac(verifier.stored_key, signed)
    key = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
    return hmac.compare_digest(hashlib.sha256(key).digest(), verifier.stored_key)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _text(message: bytes) -> str:
    if len(message) > MESSAGE_BYTES_MAX:
        _malformed("it is too long")
    try:
        text = message.decode("utf-8")
    except UnicodeDecodeError:
        _malformed("it is not UTF-8")
    if "\0" in text:
        _malformed("it holds a NUL character")
    return text


def _bytes(text: str) -> bytes:
    """base64 in its one spelling. Raises ValueError."""
    try:
        content = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError from error
    if base64.b64encode(content).decode() != text:
        raise ValueError
    return content


def _malformed(why: str) -> NoReturn:
    raise Refusal(Refused(State.PROTOCOL, f"malformed SCRAM message: {why}"))
