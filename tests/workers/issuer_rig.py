"""An identity provider of the tests' own: a real HTTPS server whose certificate its own authority signed."""

import datetime
import ipaddress
import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.workers.https_rig import serving

Reply = tuple[int, dict[str, str], bytes]
Route = Callable[[str, dict[str, str], dict[str, str]], Reply]


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    return status, {"content-type": "application/json", **given}, json.dumps(value).encode()


def make_authority(folder: Path) -> tuple[Path, Path]:
    """ca.pem, and server.pem with key and certificate of localhost and 127.0.0.1, signed by it."""
    now = datetime.datetime.now(datetime.UTC)

    def certificate(name: str, key: Any, signer: Any, issuer: x509.Name, authority: bool) -> x509.Certificate:
        public = key.public_key()
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        usage = x509.KeyUsage(True, False, False, False, False, authority, authority, False, False)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )

    root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = "tests' authority"
    ca = certificate(name, root, root, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), True)
    own = certificate("localhost", leaf, root, ca.subject, False)
    pem = serialization.Encoding.PEM
    secret = leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(secret + own.public_bytes(pem))
    return folder / "ca.pem", folder / "server.pem"


class Provider:
    """The issuer: `keys` by kid are published, `routes` by path answer instead of the usual, `asked` says by whom what was.
    `down` closes every connection unheard."""

    def __init__(self, url: str, ca_file: Path) -> None:
        self.url = url
        self.ca_file = ca_file
        self.keys: dict[str, Any] = {"k1": ec.generate_private_key(ec.SECP256R1())}
        self.routes: dict[str, Route] = {
            "/.well-known/openid-configuration": lambda *_: as_json(self.document()),
            "/keys": lambda *_: as_json(self.jwks()),
        }
        self.document_changes: dict[str, Any] = {}
        self.asked: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self.down = False

    def document(self) -> dict[str, Any]:
        usual = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        return {name: value for name, value in (usual | self.document_changes).items() if value is not None}

    def jwks(self) -> dict[str, Any]:
        es256 = jwt.get_algorithm_by_name("ES256")
        made = [json.loads(es256.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"} for kid, key in self.keys.items()]
        return {"keys": made}

    def token(self, user: str = "ada", kid: str = "", key: Any = None, **claims: Any) -> str:
        """Signed with the newest key, where none is named."""
        kid = kid or next(reversed(self.keys))
        now = int(time.time())
        body = {"iss": self.url, "aud": "sluice", "sub": user, "iat": now, "exp": now + 600, "groups": ["owners"]} | claims
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(body, key or self.keys[kid], algorithm="ES256", headers={"kid": kid})

    def count(self, path: str) -> int:
        """How often it was asked for this."""
        return sum(one[1] == path for one in self.asked)

    def entry(self, name: str = "idp", **more: Any) -> dict[str, Any]:
        """Its [[issuer]] of sluice.toml."""
        discovery = f"{self.url}/.well-known/openid-configuration"
        usual = {"name": name, "issuer": self.url, "audience": "sluice", "discovery": discovery}
        return usual | {"ca_file": str(self.ca_file)} | more


class _Handler(BaseHTTPRequestHandler):
    provider: Provider
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve("GET", {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        self._serve("POST", {name: values[0] for name, values in parse_qs(body).items()})

    def _serve(self, method: str, form: dict[str, str]) -> None:
        parts = urlsplit(self.path)
        form |= {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.close_connection = True
        if self.provider.down:
            return
        self.provider.asked.append((method, parts.path, headers, form))
        route = self.provider.routes.get(parts.path)
        status, more, content = route(method, headers, form) if route else as_json({"error": "not_found"}, 404)
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests look at `asked`."""


@contextmanager
def provider(folder: Path) -> Iterator[Provider]:
    """A running one; its files lie in `folder`."""
    folder.mkdir(exist_ok=True)
    ca_file, chain = make_authority(folder)
    handler = type("Handler", (_Handler,), {})
    with serving(handler, chain) as url:
        made = handler.provider = Provider(url, ca_file)
        yield made


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
