"""Upstream connections: against a real server with TLS, and against peers that misbehave."""

import os
import socket
import time
from collections.abc import Iterator

import psycopg
import pytest
import trio

from gateway.errors import Refusal, State, Unavailable
from tests.workers.wire_rig import PASSWORD, Server, listen, peer, postgres_15
from workers.upstream import Address, Target, Upstream, connect, send_cancel

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_15() as running:
        yield running


def target_of(server: Server, user: str = "scrammed", **changes: object) -> Target:
    settings: dict[str, object] = {
        "hosts": (("127.0.0.1", server.port),),
        "dbname": "postgres",
        "user": user,
        "password": PASSWORD,
        "connect_timeout": 5.0,
    }
    return Target(**(settings | changes))  # type: ignore[arg-type]


async def one(upstream: Upstream, sql: str) -> str:
    (row,) = await upstream.query(sql)
    assert row[0] is not None
    return row[0].decode()


@pytest.mark.parametrize("user", ["trusted", "plain", "hashed", "scrammed"])
@pytest.mark.parametrize("sslmode", ["disable", "allow", "prefer", "require"])
async def test_every_way_to_log_in_works_with_and_without_tls(
    server: Server, user: str, sslmode: str
) -> None:
    upstream = await connect(target_of(server, user, sslmode=sslmode), [])
    try:
        assert upstream.tls == (sslmode in ("prefer", "require"))
        assert await one(upstream, "select current_user") == user
        assert int(await one(upstream, "select pg_backend_pid()")) == upstream.pid
        assert len(upstream.secret) == 4
        assert upstream.status == b"I"
        assert ("server_encoding", "UTF8") in upstream.parameters
        assert not upstream.buffer
        assert not upstream.sock.getblocking()
    finally:
        await upstream.close()


@pytest.mark.parametrize(
    ("user", "sslmode", "encrypted"),
    [("only_tls", "allow", True), ("only_plain", "prefer", False)],
)
async def test_allow_and_prefer_try_the_other_way_when_pg_hba_wants_it(
    server: Server, user: str, sslmode: str, encrypted: bool
) -> None:
    upstream = await connect(target_of(server, user, sslmode=sslmode), [])
    assert upstream.tls == encrypted
    await upstream.close()


@pytest.mark.parametrize(("user", "sslmode"), [("only_tls", "disable"), ("only_plain", "require")])
async def test_disable_and_require_never_try_the_other_way(server: Server, user: str, sslmode: str) -> None:
    with pytest.raises(Unavailable) as caught:
        await connect(target_of(server, user, sslmode=sslmode), [])
    assert caught.value.refused.sqlstate == State.UNREACHABLE


@pytest.mark.parametrize(
    ("sslmode", "root", "host", "good"),
    [
        ("verify-full", "own", "127.0.0.1", True),
        ("verify-full", "own", "localhost", True),
        ("verify-ca", "own", "127.0.0.1", True),
        ("require", "own", "127.0.0.1", True),
        ("verify-full", "other", "127.0.0.1", False),
        ("verify-ca", "other", "127.0.0.1", False),
        ("require", "other", "127.0.0.1", False),
        ("verify-full", "system", "127.0.0.1", False),
        ("verify-ca", None, "127.0.0.1", False),
        ("verify-full", None, "127.0.0.1", False),
        ("verify-full", "missing", "127.0.0.1", False),
    ],
)
async def test_certificates_are_verified_as_sslmode_says(
    server: Server, sslmode: str, root: str | None, host: str, good: bool
) -> None:
    roots = {
        None: None,
        "own": str(server.cert_file),
        "other": str(server.other_cert_file),
        "system": "system",
        "missing": str(server.folder / "missing.crt"),
    }
    target = target_of(server, sslmode=sslmode, sslrootcert=roots[root], hosts=((host, server.port),))
    if good:
        upstream = await connect(target, [])
        assert upstream.tls
        await upstream.close()
    else:
        with pytest.raises(Unavailable) as caught:
            await connect(target, [])
        assert caught.value.refused.sqlstate == State.UNREACHABLE


async def test_scram_over_tls_is_bound_to_the_certificate_that_was_seen(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.tls.endpoint", lambda sock: b"\0" * 32)  # as if another certificate was seen
    with pytest.raises(Unavailable):
        await connect(target_of(server, sslmode="require"), [])


@pytest.mark.parametrize("user", ["plain", "hashed", "scrammed", "nobody_of_that_name"])
async def test_our_own_credentials_failing_is_told_without_details(server: Server, user: str) -> None:
    with pytest.raises(Unavailable) as caught:
        await connect(target_of(server, user, password="wrong"), [])
    assert caught.value.refused.sqlstate == State.UNREACHABLE
    assert user not in caught.value.refused.message


@pytest.mark.parametrize(
    ("database", "params", "sqlstate"),
    [
        ("missing", [], "3D000"),
        ("closed", [], "42501"),
        ("postgres", [("statement_timeout", "soon")], "22023"),
        ("postgres", [("no_such_setting", "1")], "42704"),
        ("postgres", [("options", "-c work_mem=none")], "22023"),
    ],
)
async def test_what_the_client_caused_is_told_in_the_servers_words(
    server: Server, database: str, params: list[tuple[str, str]], sqlstate: str
) -> None:
    options = " ".join(value if name == "options" else f"-c {name}={value}" for name, value in params)
    login = {"host": "127.0.0.1", "port": server.port, "user": "scrammed", "password": PASSWORD}
    with pytest.raises(psycopg.OperationalError) as direct:
        psycopg.connect(dbname=database, options=options, sslmode="disable", **login)
    with pytest.raises(Refusal) as caught:
        await connect(target_of(server, dbname=database, sslmode="disable"), params)
    assert caught.value.refused.sqlstate == sqlstate
    assert not isinstance(caught.value, Unavailable)
    assert caught.value.refused.message in str(direct.value)


async def test_startup_parameters_travel_in_the_startup_packet(server: Server) -> None:
    params = [("application_name", "a name"), ("options", "-c statement_timeout=1234 -c my.own=a\\ b")]
    upstream = await connect(target_of(server), params)
    assert await one(upstream, "show application_name") == "a name"
    assert await one(upstream, "show statement_timeout") == "1234ms"
    assert await one(upstream, "show my.own") == "a b"
    await upstream.query("reset all")
    assert await one(upstream, "show statement_timeout") == "1234ms"  # the session's own default, not a SET
    await upstream.close()


async def test_startup_parameters_too_long_for_the_server_are_refused_here(server: Server) -> None:
    with pytest.raises(Refusal) as caught:
        await connect(target_of(server), [("options", "-c my.own=" + "x" * 10_000)])
    assert caught.value.refused.sqlstate == State.PROTOCOL


async def test_an_older_server_negotiates_protocol_3_2_down(server: Server) -> None:
    upstream = await connect(target_of(server), [], minor=2)
    assert upstream.minor == 0
    assert await one(upstream, "select 1") == "1"
    await upstream.close()


async def test_a_host_that_starts_with_a_slash_is_a_unix_socket(server: Server) -> None:
    hosts = ((str(server.folder / "sockets"), server.port),)
    upstream = await connect(target_of(server, "local", hosts=hosts, sslmode="require"), [])
    assert await one(upstream, "select inet_client_addr() is null") == "t"
    assert not upstream.tls
    await upstream.close()


async def test_hosts_are_tried_in_order_until_one_answers(server: Server) -> None:
    with listen() as closed:
        port = closed.getsockname()[1]
    hosts = (("127.0.0.1", port), ("no-such-host.invalid", 5432), ("127.0.0.1", server.port))
    upstream = await connect(target_of(server, hosts=hosts), [])
    assert upstream.address.sockaddr == ("127.0.0.1", server.port)
    await upstream.close()
    with pytest.raises(Unavailable) as caught:
        await connect(target_of(server, hosts=hosts[:2]), [])
    assert caught.value.refused.sqlstate == State.UNREACHABLE
    assert "not reachable" in caught.value.refused.message


async def test_a_server_that_accepts_and_stays_silent_is_given_up(server: Server) -> None:
    with listen() as silent:
        hosts = (("127.0.0.1", silent.getsockname()[1]),)
        before = time.monotonic()
        for sslmode in ("disable", "require"):
            with pytest.raises(Unavailable):
                await connect(target_of(server, hosts=hosts, connect_timeout=0.2, sslmode=sslmode), [])
        assert time.monotonic() - before < 3


async def test_the_environment_of_libpq_has_no_effect(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = {
        "PGPASSWORD": PASSWORD,
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGUSER": "trusted",
        "PGDATABASE": "closed",
        "PGSSLMODE": "disable",
        "PGSSLROOTCERT": str(server.other_cert_file),
        "PGOPTIONS": "-c statement_timeout=1",
        "PGSERVICEFILE": str(server.folder / "service"),
        "PGPASSFILE": str(server.folder / "pass"),
    }
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    assert os.environ["PGPASSWORD"] == PASSWORD
    with pytest.raises(Unavailable):
        await connect(target_of(server, password=None), [])
    root = str(server.cert_file)
    upstream = await connect(target_of(server, sslmode="verify-full", sslrootcert=root), [])
    found = "current_user || ' ' || current_database() || ' ' || current_setting('statement_timeout')"
    assert await one(upstream, f"select {found}") == "scrammed postgres 0"
    await upstream.close()


async def test_a_query_gives_rows_as_text_and_survives_the_servers_no(server: Server) -> None:
    upstream = await connect(target_of(server), [])
    rows = await upstream.query("select 1, null, ''; select 'two'")
    assert rows == [[b"1", None, b""], [b"two"]]
    with pytest.raises(Unavailable) as caught:
        await upstream.query("select secret_column from nowhere")
    assert "42P01" in caught.value.refused.message
    assert "secret_column" not in caught.value.refused.message
    assert await upstream.query("begin; select 1") == [[b"1"]]
    assert upstream.status == b"T"
    (row,) = await upstream.query("select repeat('x', 1000000)")
    assert row == [b"x" * 1_000_000]
    with pytest.raises(Unavailable):
        await upstream.query("select pg_terminate_backend(pg_backend_pid())")
    assert upstream.sock.fileno() == -1
    await upstream.close()


async def test_closing_ends_the_servers_session(server: Server) -> None:
    watcher = await connect(target_of(server), [])
    upstream = await connect(target_of(server), [])
    await upstream.close()
    await upstream.close()
    with trio.fail_after(10):
        while await watcher.query(f"select 1 from pg_stat_activity where pid = {upstream.pid}"):
            await trio.lowlevel.checkpoint()
    await watcher.close()


@pytest.mark.parametrize("sslmode", ["disable", "require"])
async def test_a_cancel_request_ends_the_running_statement(server: Server, sslmode: str) -> None:
    upstream = await connect(target_of(server, sslmode=sslmode), [])
    watcher = await connect(target_of(server), [])
    async with trio.open_nursery() as nursery:

        async def cancel() -> None:
            sleeping = f"select 1 from pg_stat_activity where pid = {upstream.pid} and wait_event = 'PgSleep'"
            while not await watcher.query(sleeping):
                await trio.lowlevel.checkpoint()
            wrong = bytes(4)
            await send_cancel(upstream.address, upstream.pid, wrong, encrypted=upstream.tls)
            assert await watcher.query(sleeping)
            await send_cancel(upstream.address, upstream.pid, upstream.secret, encrypted=upstream.tls)

        nursery.start_soon(cancel)
        with trio.fail_after(10), pytest.raises(Unavailable) as caught:
            await upstream.query("select pg_sleep(60)")
    assert "57014" in caught.value.refused.message
    await upstream.close()
    await watcher.close()


async def test_a_cancel_that_cannot_be_delivered_says_so(server: Server) -> None:
    upstream = await connect(target_of(server, connect_timeout=0.3), [])
    with listen() as silent:
        changed = {name: getattr(upstream.address, name) for name in upstream.address.__slots__}
        address = type(upstream.address)(**(changed | {"sockaddr": silent.getsockname()}))
        for encrypted in (False, True):
            with pytest.raises(Unavailable):
                await send_cancel(address, upstream.pid, upstream.secret, encrypted=encrypted)
    await upstream.close()


async def test_a_cancel_never_sends_the_key_in_clear_when_the_session_is_encrypted() -> None:
    seen = bytearray()

    async def no_tls(stream: trio.SocketStream) -> None:
        seen.extend(await stream.receive_some())
        await stream.send_all(b"N")
        while chunk := await stream.receive_some():
            seen.extend(chunk)

    async with peer(no_tls) as port:
        address = Address(socket.AF_INET, ("127.0.0.1", port), "127.0.0.1", "prefer", None, 2.0)
        with pytest.raises(Unavailable):
            await send_cancel(address, 1, b"key!", encrypted=True)
    assert b"key!" not in seen
