"""What the tests of the doors stand on: a gateway with all of them, and a visitor who says exactly what it is told to."""

import itertools
import json
import secrets
import socket
import ssl
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from scramp import ScramClient

from gateway.audit.query import to_json
from gateway.identity.credential_changes import add, dump
from gateway.identity.credentials import CredentialFile
from tests.gateway.identity.certificate_rig import Authority, authority
from tests.gateway.identity.token_rig import RSA, jwk, jwks, token
from tests.live.rig import Gateway, Postgres, database_entries, wait_for
from tests.live.wire import Wire, error_fields, message, startup
from tests.workers.wire_rig import make_certificate
from workers.audit_trail import read_all

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
COMPANY = "https://id.example.com"
POLICY = """
[[grant]]
name = "everybody reads"
allow = ["read"]
databases = ["dev"]
[[grant]]
name = "agents read"
actors = ["*"]
allow = ["read"]
databases = ["dev"]
"""
RULES = """
[[issuer]]
name = "company"
issuer = "https://id.example.com"
audience = "sluice"
jwks_file = "company.jwks.json"
scope = "openid db"
[[certificate]]
name = "batch jobs"
subject = "CN=batch-*,O=Example"
user = "{cn}"
groups = ["batch"]
[[certificate]]
name = "agents"
spiffe = "spiffe://example.org/agent/*"
user = "{spiffe}"
actor = "agent-7"
"""
_numbers = itertools.count(1)


class Visitor(Wire):
    """One connection from an address of its own, so that no failure of another counts for it."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None, address: str = "") -> None:
        number = next(_numbers)
        here = address or f"127.9.{number >> 8}.{number & 255}"
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(here, 0))
        if context is not None:
            self.send(SSL_REQUEST)
            assert self.read(1) == b"S"
            self._socket = context.wrap_socket(self._socket)

    @property
    def certificate(self) -> bytes:
        """The gateway's, in DER."""
        assert isinstance(self._socket, ssl.SSLSocket)
        return self._socket.getpeercert(binary_form=True) or b""

    def call(self, user: str, **more: str) -> tuple[int, bytes]:
        """The start-up packet; which authentication is asked for, with what. (-1, the error's body) where none is."""
        named = {name.replace("__", "."): value for name, value in more.items()}
        self.send(startup({"user": user, "database": "dev", **named}))
        return self.asked()

    def asked(self) -> tuple[int, bytes]:
        kind, body = self.reply()
        if kind == b"E":
            return -1, body
        assert kind == b"R", kind
        return struct.unpack("!I", body[:4])[0], body[4:]

    def answer(self, body: bytes) -> None:
        self.send(message(b"p", body))

    def initial(self, mechanism: str, response: bytes) -> None:
        self.answer(mechanism.encode() + b"\0" + struct.pack("!I", len(response)) + response)

    def verdict(self) -> dict[str, str]:
        """The error that ends the connection. Nobody has come in."""
        seen = self.replies(b"E")
        assert seen[-1][0] == b"E", seen
        assert all(kind == b"R" and body[:4] != bytes(4) for kind, body in seen[:-1]), seen
        fields = error_fields(seen[-1][1])
        assert fields["S"] == "FATAL"
        assert self.reply() == (b"", b""), "the connection ends after the error"
        return fields

    def is_in(self) -> bool:
        """Whether ReadyForQuery comes."""
        return self.replies()[-1][0] == b"Z"


@dataclass
class Doors:
    """A gateway with all doors, and the keys to them."""

    gateway: Gateway
    root: Authority
    middle: Authority
    server_cert: Path
    passwords: dict[str, str]
    said: list[str] = field(default_factory=list)  # tokens and passwords that must stand nowhere

    @property
    def port(self) -> int:
        return self.gateway.port

    @property
    def folder(self) -> Path:
        return self.gateway.folder

    def local_key(self) -> Any:
        return load_pem_private_key((self.folder / "local-issuer.key").read_bytes(), None)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Good claims; None takes one out."""
        now = int(time.time())
        good = {"iss": COMPANY, "aud": "sluice", "sub": "alice", "iat": now - 5, "exp": now + 600}
        good["jti"] = f"t{next(_numbers)}"
        return {name: value for name, value in (good | changes).items() if value is not None}

    def token(
        self, body: dict[str, Any] | bytes | None = None, header: Any = None, key: Any = RSA, algorithm: str = "RS256"
    ) -> str:
        header = {"alg": algorithm, "typ": "JWT", "kid": "k1"} if header is None else header
        made = token(self.claims() if body is None else body, header, key, algorithm)
        self.said.append(made)
        return made

    def context(self, shown: Authority | None = None) -> ssl.SSLContext:
        """A client's, which shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.server_cert)
        context.check_hostname = False
        if shown is not None:
            with tempfile.TemporaryDirectory() as folder:
                cert, key = Path(folder, "c.crt"), Path(folder, "c.key")
                cert.write_bytes(shown.pem)
                key.write_bytes(shown.key_pem)
                context.load_cert_chain(cert, key)
        return context

    def visit(self, context: ssl.SSLContext | None = None, address: str = "") -> Visitor:
        return Visitor(self.port, context, address)

    def scram(self, user: str, password: str, offered: str = "SCRAM-SHA-256") -> ScramClient:
        self.said.append(password)
        return ScramClient([offered], user, password)

    def write_credentials(self, *users: str) -> None:
        file, now = CredentialFile(), datetime.now(UTC).replace(microsecond=0)
        for user in users:
            self.passwords[user] = secrets.token_urlsafe(24)
            self.said.append(self.passwords[user])
            file = add(file, user, ["reporting"], self.passwords[user], secrets.token_bytes(16), now, timedelta(days=90))
        path = self.folder / "credentials.toml"
        path.touch(mode=0o600)
        path.write_text(dump(file))

    def write_revocations(self, root: bytes, middle: bytes) -> None:
        (self.folder / "clients.crl").write_bytes(root + middle)

    def records(self, user: str = "") -> list[dict[str, Any]]:
        """What is on the disk, of sessions: of this user's, or of all."""
        found = map(to_json, read_all(self.folder / "var/audit"))
        return [one for one in found if "user" in one and user in ("", one["user"])]

    def events(self, what: str) -> list[dict[str, Any]]:
        return [one for one in self.records() if one.get("event", {}).get("what") == what]

    def reload(self, is_done: Callable[[], bool]) -> None:
        self.gateway.reload(POLICY)
        wait_for("the reload", is_done)


def scram_reply(visitor: Visitor, client: ScramClient, mechanism: str = "") -> None:
    """The whole conversation, up to what follows the proof."""
    visitor.initial(mechanism or client.mechanism_name, client.get_client_first().encode())
    code, challenge = visitor.asked()
    assert code == 11, (code, challenge)
    client.set_server_first(challenge.decode())
    visitor.answer(client.get_client_final().encode())


@contextmanager
def doors(postgres: Postgres, folder: Path) -> Iterator[Doors]:
    """Started, handed out, stopped, nothing left."""
    assert isinstance(RSA, RSAPrivateKey)
    root = authority("CN=Root,O=Example")
    middle = root.issue("CN=Middle,O=Example", ca=True, usage=None)
    server_cert, server_key = make_certificate(folder, "localhost")
    gateway = Gateway(
        database_entries(postgres, {"dev": {}}),
        POLICY,
        workers=1,
        tls="optional",
        tls_cert=str(server_cert),
        tls_key=str(server_key),
        tls_client_ca="clients.crt",
        tls_client_crl="clients.crl",
        credentials="credentials.toml",
        scram_users=["svc-*"],
    )
    try:
        gateway.config.write_text(gateway.config.read_text() + RULES)
        (gateway.folder / "company.jwks.json").write_bytes(jwks(jwk(RSA, kid="k1")))
        (gateway.folder / "clients.crt").write_bytes(root.pem)
        found = Doors(gateway, root, middle, server_cert, {})
        found.write_revocations(root.revocations(), middle.revocations())
        found.write_credentials("svc-report", "svc-other")
        gateway.start()
        yield found
    finally:
        gateway.stop()
        gateway.remove()


def told_nothing(found: Doors) -> list[str]:
    """What was said at the doors and stands in the log, the trail or the records: should be nothing."""
    log = "".join((found.folder / name).read_text() for name in ("serve.out", "serve.err"))
    trail = b"".join(file.read_bytes() for file in (found.folder / "var/audit").rglob("*") if file.is_file())
    records = json.dumps([to_json(entry) for entry in read_all(found.folder / "var/audit")])
    leaks = []
    for said in found.said:
        for part in {said, *said.split(".")[1:]}:
            if len(part) >= 12 and (part in log or part in records or part.encode("utf-8", "surrogatepass") in trail):
                leaks.append(part)
    return leaks


