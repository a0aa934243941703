"""What the tests of wires stand on: a certificate, Debian's PostgreSQL 15 with TLS, and scripted peers."""

import datetime
import ipaddress
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from workers.embedded import EmbeddedServer
from workers.sockets import Wire, accept, attend

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "pässword with 'quotes'"
HBA = (
    "local all local trust",
    "host all trusted 127.0.0.1/32 trust",
    "host all plain 127.0.0.1/32 password",
    "host all hashed 127.0.0.1/32 md5",
    "hostssl all only_tls 127.0.0.1/32 scram-sha-256",
    "hostnossl all only_plain 127.0.0.1/32 scram-sha-256",
    "host all only_tls,only_plain 127.0.0.1/32 reject",
    "host all all 127.0.0.1/32 scram-sha-256",
)


def make_certificate(
    folder: Path,
    name: str,
    digest: hashes.HashAlgorithm | None = hashes.SHA256(),  # noqa: B008 - it has no state
) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and 127.0.0.1, and its key, as PEM files. No digest: Ed25519."""
    key = ec.generate_private_key(ec.SECP256R1()) if digest else ed25519.Ed25519PrivateKey.generate()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, digest)
    )
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_file, key_file


@dataclass(frozen=True)
class Server:
    port: int
    folder: Path
    cert_file: Path
    key_file: Path
    other_cert_file: Path  # of nobody here
    dsn: str


@contextmanager
def postgres_15() -> Iterator[Server]:
    """PostgreSQL 15 with TLS and a role for each way to log in."""
    if not DEBIAN_15.is_dir():
        pytest.skip("Debian's PostgreSQL 15, which has TLS, is not installed")
    folder = Path(tempfile.mkdtemp(prefix="sluice-wire-"))
    folder.chmod(0o755)
    cert_file, key_file = make_certificate(folder, "localhost")
    other_cert_file, _ = make_certificate(folder, "elsewhere")
    sockets = folder / "sockets"
    sockets.mkdir()
    settings = {
        "ssl": "on",
        "ssl_cert_file": "server.crt",
        "ssl_key_file": "server.key",
        "unix_socket_directories": str(sockets),
    }
    server = EmbeddedServer(DEBIAN_15, folder, settings=settings, hba=HBA)
    try:
        server.create()
        owner = server.data.stat()
        os.chown(sockets, owner.st_uid, owner.st_gid)
        for source, target in ((cert_file, "server.crt"), (key_file, "server.key")):
            path = Path(shutil.copy(source, server.data / target))
            path.chmod(0o600)
            os.chown(path, owner.st_uid, owner.st_gid)
        server.start()
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            quoted = "'" + PASSWORD.replace("'", "''") + "'"
            for role in ("local", "trusted", "plain", "scrammed", "only_tls", "only_plain"):
                admin.execute(f"create role {role} login password {quoted}")
            admin.execute("set password_encryption = md5")
            admin.execute(f"create role hashed login password {quoted}")
            admin.execute("create database closed")
            admin.execute("revoke connect on database closed from public")
        yield Server(server.port, folder, cert_file, key_file, other_cert_file, server.dsn())
    finally:
        server.stop()
        shutil.rmtree(folder)


def listen() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    listener.setblocking(False)
    return listener


async def attended(
    listener: socket.socket, handler: Callable[[Wire], Awaitable[None]], *, signing_in_max: int
) -> None:
    """Runs `handler` for each connection that the listener gets, for ever."""
    send, arrivals = trio.open_memory_channel[Wire](100)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(attend, arrivals, handler, signing_in_max=signing_in_max))
        while True:
            await trio.lowlevel.wait_readable(listener)
            while (sock := accept(listener)) is not None:
                await send.send(Wire(sock))


@asynccontextmanager
async def peer(script: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """A server on loopback that runs `script` for each connection; gives its port. A broken pipe ends a script."""

    async def run(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            await script(stream)
        await stream.aclose()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port: int = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, run, listeners)
        try:
            yield port
        finally:
            nursery.cancel_scope.cancel()
