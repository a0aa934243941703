"""Clients over TLS: who must, what is refused before a token is asked for, and that nothing else changes."""

import asyncio
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import asyncpg
import psycopg
import pytest

from tests.live.rig import Gateway
from tests.live.wire import Wire, error_fields, startup
from tests.workers.wire_rig import make_certificate

SSL_REQUEST = struct.pack("!ii", 8, 80877103)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture
def tls_gateway(make_gateway: Callable[..., Gateway], certificate: tuple[Path, Path]) -> Gateway:
    names = dict(zip(("tls_cert", "tls_key"), map(str, certificate), strict=True))
    return make_gateway(tls="required", **names)


def test_verified_tls_carries_a_session(tls_gateway: Gateway, certificate: tuple[Path, Path]) -> None:
    dsn = f"{tls_gateway.dsn('dev')} sslmode=verify-full sslrootcert={certificate[0]}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("select repeat('x', 3000000)").fetchone() == ("x" * 3_000_000,)
        with connection.pipeline():
            cursors = [connection.execute("select %s::int", [number]) for number in range(200)]
        assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(200)]
        with connection.cursor().copy("copy (select g from generate_series(1, 20000) g) to stdout") as copy:
            assert sum(1 for _ in copy.rows()) == 20_000


def test_asyncpg_speaks_tls_too(tls_gateway: Gateway) -> None:
    async def work() -> list[int]:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=tls_gateway.port,
            user="olga",
            password=tls_gateway.token("olga", ("owners",)),
            database="dev",
            ssl=context,
        )
        try:
            rows = await connection.fetch("select g from generate_series(1, 5000) g where g > $1", 4000)
            return [row["g"] for row in rows]
        finally:
            await connection.close()

    assert asyncio.run(work()) == list(range(4001, 5001))


def test_plain_client_is_refused_before_its_token_is_asked_for(tls_gateway: Gateway) -> None:
    with Wire(tls_gateway.port) as wire:
        wire.send(startup({"user": "olga", "database": "dev"}))
        kind, body = wire.reply()
        assert kind == b"E", "no authentication request comes first"
        assert error_fields(body)["C"] == "28000"
        assert wire.reply() == (b"", b"")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_12_and_later_are_spoken(tls_gateway: Gateway, version: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", tls_gateway.port), timeout=20) as plain:
        plain.sendall(SSL_REQUEST)
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain) as wrapped:
            wrapped.sendall(startup({"user": "olga", "database": "dev"}))
            assert wrapped.recv(1) == b"R"


@pytest.mark.parametrize("junk", [b"\0", b"Q\0\0\0\rselect 1\0", b"\x16\x03\x01"])
def test_bytes_in_clear_before_the_handshake_are_never_data(tls_gateway: Gateway, junk: bytes) -> None:
    with Wire(tls_gateway.port) as wire:
        wire.send(SSL_REQUEST + junk)
        kind, body = wire.reply()
        assert kind == b"E"
        assert error_fields(body)["C"] == "08P01"
        assert wire.reply() == (b"", b"")
    assert not [record for record in tls_gateway.audit() if record["kind"] == "intent"]


def test_pgbench_runs_over_tls(tls_gateway: Gateway) -> None:
    pgbench = Path("/usr/lib/postgresql/15/bin/pgbench")
    if not pgbench.exists():
        pytest.skip("Debian's pgbench, which speaks TLS, is not installed")
    script = tls_gateway.folder / "one.sql"
    script.write_text("select 1;\n")
    dsn = f"{tls_gateway.dsn('dev')} sslmode=require"
    done = subprocess.run(
        [str(pgbench), "-n", "-f", str(script), "-c", "8", "-t", "50", "-M", "prepared", dsn],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "number of transactions actually processed: 400/400" in done.stdout
