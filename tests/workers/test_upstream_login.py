"""Servers that misbehave during login: none is believed, none gets our password, none takes long."""

import base64
import gc
import re
import struct
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refusal, Unavailable
from parser import messages
from parser.errors import ProtocolError
from parser.frames import Frame
from parser.messages import frame
from tests.workers.wire_rig import make_certificate, peer
from workers.tls import server_context
from workers.upstream import Target, Upstream, connect
from workers.upstream_login import Login, Rejected

pytestmark = pytest.mark.trio
PASSWORD = "the-upstream-secret"
Script = Callable[[trio.SocketStream], Awaitable[None]]


def auth(code: int, data: bytes = b"") -> bytes:
    return frame(b"R", struct.pack(">I", code) + data)


OK = auth(0)
READY = frame(b"Z", b"I")
SASL = auth(10, b"SCRAM-SHA-256\0\0")
KEY = messages.backend_key_data(7, b"1234")


async def startup(stream: trio.SocketStream) -> None:
    await stream.receive_some()


def says(*answers: bytes) -> Script:
    """Answers each thing received with the next of `answers`, then listens on."""

    async def script(stream: trio.SocketStream) -> None:
        for answer in answers:
            if not await stream.receive_some():
                return
            await stream.send_all(answer)
        while await stream.receive_some():
            pass

    return script


def scram(
    first: Callable[[str], str] = lambda nonce: f"r={nonce}more,s=c2FsdA==,i=4096",
    *rest: bytes,
    sasl: bytes = SASL,
) -> Script:
    """A SCRAM server whose first message is `first(the client's nonce)` and whose next frames are `rest`."""

    async def script(stream: trio.SocketStream) -> None:
        await startup(stream)
        await stream.send_all(sasl)
        initial = await stream.receive_some()
        nonce = re.search(rb"r=([^,]+)$", initial)
        assert nonce
        await stream.send_all(auth(11, first(nonce[1].decode()).encode()))
        for answer in rest:
            if not await stream.receive_some():
                return
            await stream.send_all(answer)
        while await stream.receive_some():
            pass

    return script


WRONG_SIGNATURE = base64.b64encode(bytes(32))
MISBEHAVIOURS: dict[str, Script] = {
    "ok before its signature": scram(lambda n: f"r={n}more,s=c2FsdA==,i=4096", OK + KEY + READY),
    "ok instead of its first message": says(SASL, OK + KEY + READY),
    "wrong signature": scram(
        lambda n: f"r={n}more,s=c2FsdA==,i=4096", auth(12, b"v=" + WRONG_SIGNATURE) + OK
    ),
    "signature that is not base64": scram(lambda n: f"r={n}more,s=c2FsdA==,i=4096", auth(12, b"v=?") + OK),
    "empty signature": scram(lambda n: f"r={n}more,s=c2FsdA==,i=4096", auth(12, b"v=") + OK),
    "error instead of a signature": scram(
        lambda n: f"r={n}more,s=c2FsdA==,i=4096", auth(12, b"e=other-error") + OK + READY
    ),
    "signature before its first message": says(SASL, auth(12, b"v=" + WRONG_SIGNATURE) + OK),
    "two billion iterations": scram(lambda n: f"r={n}more,s=c2FsdA==,i=2147483647"),
    "one iteration over the bound": scram(lambda n: f"r={n}more,s=c2FsdA==,i=100001"),
    "no iterations": scram(lambda n: f"r={n}more,s=c2FsdA==,i=0"),
    "negative iterations": scram(lambda n: f"r={n}more,s=c2FsdA==,i=-1"),
    "digits of another script": scram(lambda n: f"r={n}more,s=c2FsdA==,i=٤٠٩٦"),
    "our nonce alone": scram(lambda n: f"r={n},s=c2FsdA==,i=4096"),
    "another nonce": scram(lambda n: "r=somethingelse,s=c2FsdA==,i=4096"),
    "nonce of 60 000 characters": scram(lambda n: f"r={n}{'x' * 60_000},s=c2FsdA==,i=4096"),
    "no salt": scram(lambda n: f"r={n}more,s=,i=4096"),
    "salt that is not base64": scram(lambda n: f"r={n}more,s=!!,i=4096"),
    "missing attribute": scram(lambda n: f"r={n}more"),
    "mandatory extension": scram(lambda n: f"m=x,r={n}more,s=c2FsdA==,i=4096"),
    "asks for two proofs": scram(
        lambda n: f"r={n}more,s=c2FsdA==,i=4096", auth(11, b"r=x,s=c2FsdA==,i=4096")
    ),
    "starts SASL twice": says(SASL, SASL),
    "unknown mechanisms": says(auth(10, b"SCRAM-SHA-512\0PLAIN\0\0")),
    "no mechanisms": says(auth(10, b"\0")),
    "mechanisms without end": says(auth(10, b"SCRAM-SHA-256")),
    "SASL frame over 64 KiB": says(auth(10, b"x" * 70_000)),
    "gigabyte announced": says(b"R\x7f\xff\xff\xff" + b"x" * 100),
    "length below four": says(b"R\0\0\0\3"),
    "negative length": says(b"R\xff\xff\xff\xff"),
    "Kerberos": says(auth(2)),
    "GSSAPI": says(auth(7)),
    "SSPI": says(auth(9)),
    "crypt": says(auth(4, b"ab")),
    "MD5 without salt": says(auth(5)),
    "cleartext after SCRAM": says(SASL, auth(3)),
    "cleartext after MD5": says(auth(5, b"salt"), auth(3)),
    "ready before ok": says(READY),
    "key before ok": says(KEY + OK + READY),
    "status before ok": says(messages.parameter_status("a", "b") + OK + READY),
    "ok twice": says(OK + OK + READY),
    "password after ok": says(OK + auth(3)),
    "two keys": says(OK + KEY + KEY + READY),
    "key without bytes": says(OK + frame(b"K", b"\0\0\0\1") + READY),
    "key too long": says(OK + frame(b"K", bytes(300)) + READY),
    "rows": says(OK + frame(b"D", b"\0\0") + READY),
    "unknown status": says(OK + frame(b"Z", b"X")),
    "notices without end": says(OK + messages.notice_response("NOTICE", "00000", "x" * 60_000) * 40),
    "version that nobody asked for": says(messages.negotiate_protocol_version(2, []) + OK + READY),
    "ends at once": says(),
    "not PostgreSQL": says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "error without fields": says(frame(b"E", b"")),
    "error without terminator": says(frame(b"E", b"SFATAL")),
}


def target(port: int, **changes: object) -> Target:
    settings: dict[str, object] = {
        "hosts": (("127.0.0.1", port),),
        "dbname": "db",
        "user": "sluice",
        "password": PASSWORD,
        "sslmode": "disable",
        "connect_timeout": 2.0,
    }
    return Target(**(settings | changes))  # type: ignore[arg-type]


@pytest.fixture
def uncollected() -> Iterator[None]:
    """What other tests have left is not looked through while the clock runs."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("name", MISBEHAVIOURS)
async def test_a_server_that_misbehaves_is_refused_at_once(name: str) -> None:
    script = MISBEHAVIOURS[name]
    if name == "ends at once":

        async def script(stream: trio.SocketStream) -> None:
            await startup(stream)

    async with peer(script) as port:
        began, cpu = time.monotonic(), time.process_time()
        with pytest.raises(Unavailable) as caught:
            await connect(target(port), [])
        assert time.monotonic() - began < 1
        assert time.process_time() - cpu < 0.2
    assert caught.value.refused.sqlstate == "08006"
    assert PASSWORD not in str(caught.value)


async def test_a_good_fake_server_is_let_pass_so_that_the_refusals_mean_something() -> None:
    async with peer(says(OK + KEY + READY + b"N\0\0")) as port:
        upstream = await connect(target(port), [])
        assert (upstream.pid, upstream.secret, upstream.buffer) == (7, b"1234", b"N\0\0")
        await upstream.close()


@pytest.mark.parametrize("junk", [1, 2, 8, 64])
@pytest.mark.parametrize("sslmode", ["prefer", "require"])
async def test_bytes_after_the_ssl_answer_are_never_parsed(junk: int, sslmode: str) -> None:
    starts: list[bytes] = []

    async def script(stream: trio.SocketStream) -> None:
        packet = await stream.receive_some()
        if packet != messages.SSL_REQUEST:
            starts.append(packet)
            return
        await stream.send_all(b"S" + (OK + KEY + READY)[:junk].ljust(junk, b"R"))
        while await stream.receive_some():
            pass

    async with peer(script) as port:
        with pytest.raises(Unavailable):
            await connect(target(port, sslmode=sslmode), [])
    assert not starts


@pytest.mark.parametrize("answer", [b"N", b"E", b"R", b"\0"])
async def test_no_tls_is_no_connection_where_tls_is_required(answer: bytes) -> None:
    seen = bytearray()

    async def script(stream: trio.SocketStream) -> None:
        while chunk := await stream.receive_some():
            seen.extend(chunk)
            await stream.send_all(answer)

    async with peer(script) as port:
        for sslmode in ("require", "verify-ca", "verify-full"):
            with pytest.raises(Unavailable):
                await connect(target(port, sslmode=sslmode, sslrootcert=None), [])
    assert b"sluice" not in seen


async def test_a_certificate_for_another_name_is_refused_by_verify_full_alone(tmp_path: object) -> None:
    cert_file, key_file = make_certificate(tmp_path, "elsewhere")  # type: ignore[arg-type]
    context = server_context(str(cert_file), str(key_file))

    async def script(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"S")
        secure = trio.SSLStream(stream, context, server_side=True)
        await secure.receive_some()
        await secure.send_all(OK + KEY + READY)
        await secure.receive_some()

    async with peer(script) as port:
        upstream: Upstream = await connect(target(port, sslmode="verify-ca", sslrootcert=str(cert_file)), [])
        assert upstream.tls
        await upstream.close()
        with pytest.raises(Unavailable):
            await connect(target(port, sslmode="verify-full", sslrootcert=str(cert_file)), [])


@pytest.mark.parametrize(
    ("request_", "method"),
    [(auth(3), "password"), (auth(5, b"salt"), "md5"), (SASL, "scram-sha-256"), (OK, "none")],
)
async def test_only_allowed_methods_are_answered(request_: bytes, method: str) -> None:
    def login(*allowed: str, private: bool = True) -> Login:
        return Login("u", PASSWORD, 0, None, private, frozenset(allowed))

    asked = Frame(request_[:1], request_[5:])
    login(method).take(asked)
    others = {"none", "password", "md5", "scram-sha-256"} - {method}
    with pytest.raises(Unavailable):
        login(*others).take(asked)


async def test_the_password_never_crosses_an_open_network_in_clear() -> None:
    asked = Frame(b"R", struct.pack(">I", 3))
    assert PASSWORD.encode() in Login("u", PASSWORD, 0, None, True).take(asked)
    with pytest.raises(Unavailable):
        Login("u", PASSWORD, 0, None, False).take(asked)


async def test_a_login_shows_neither_password_nor_key() -> None:
    login = Login("u", PASSWORD, 0, None, True, secret=b"the key")
    assert PASSWORD not in repr(login)
    assert "the key" not in repr(login)
    assert PASSWORD not in repr(target(1))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"R", b"E", b"N", b"S", b"K", b"Z", b"v", b"D", b"A", b"\0", b"x"]),
            st.one_of(
                st.binary(max_size=40),
                st.sampled_from([0, 2, 3, 5, 7, 8, 10, 11, 12, 13]).map(lambda code: struct.pack(">I", code)),
                st.sampled_from([OK[5:], SASL[5:], KEY[5:], b"I", b"a\0b\0"]),
            ),
        ),
        max_size=12,
    )
)
async def test_no_walk_through_a_login_ends_in_an_unexpected_error(steps: list[tuple[bytes, bytes]]) -> None:
    login = Login("u", PASSWORD, 2, b"binding", True, frozenset(("scram-sha-256",)))
    for kind, body in steps:
        try:
            sent = login.take(Frame(kind, body))
        except (Refusal, ProtocolError, Rejected):
            return
        assert PASSWORD.encode() not in sent
        assert not login.authenticated  # nothing in these walks can know the password
