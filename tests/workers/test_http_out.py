"""What is fetched from others, and how they can misbehave: a real server, and one that says whatever it is told."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.workers.issuer_rig import Provider, as_json, basic, provider
from workers import http_out
from workers.http_out import NotReached, ask

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("idp")) as made:
        yield made


@pytest.fixture
def raw() -> Iterator[Callable[[bytes], str]]:
    """A plain server on loopback that answers one connection with these bytes; its address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve(content: bytes) -> str:
        def answer() -> None:
            client, _ = listening.accept()
            with client:
                client.recv(65536)
                client.sendall(content)
                client.settimeout(5)
                while content.endswith(b"...") and client.recv(65536):
                    pass

        threading.Thread(target=answer, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}/"

    yield serve
    listening.close()


async def test_it_gets_and_posts_to_whom_it_believes(idp: Provider) -> None:
    idp.routes["/echo"] = lambda method, headers, form: as_json([method, headers.get("authorization"), form])
    answer = await ask(f"{idp.url}/echo", {"a": "b c"}, ca_file=str(idp.ca_file), basic=("me", "secret"))
    assert answer.status == 200
    assert answer.body == f'["POST", "{basic("me", "secret")}", {{"a": "b c"}}]'.encode()
    assert "secret" not in repr(answer)
    assert (await ask(f"{idp.url}/echo?x=1", ca_file=str(idp.ca_file))).body == b'["GET", null, {"x": "1"}]'


async def test_proxies_and_netrc_of_the_environment_are_passed_over(
    idp: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login evil password evil")
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert (await ask(f"{idp.url}/keys", ca_file=str(idp.ca_file))).good().object()["keys"]
    assert "authorization" not in idp.asked[-1][2]


async def test_a_certificate_of_another_authority_is_refused(idp: Provider, tmp_path: Path) -> None:
    with pytest.raises(NotReached, match="certificate verify failed"):
        await ask(f"{idp.url}/keys")
    with provider(tmp_path) as other, pytest.raises(NotReached, match="certificate verify failed"):
        await ask(f"{other.url}/keys", ca_file=str(idp.ca_file))


async def test_a_redirect_is_not_followed(idp: Provider) -> None:
    idp.routes["/moved"] = lambda *_: (302, {"location": f"{idp.url}/keys"}, b"")
    before = idp.count("/keys")
    with pytest.raises(NotReached, match="redirect, which is not followed"):
        await ask(f"{idp.url}/moved", ca_file=str(idp.ca_file))
    assert idp.count("/keys") == before


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 300_000, "more than 262144 bytes"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nx", "peer closed"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx", "compressed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "illegal"),
        (b"", "disconnected"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n...", "does not answer within"),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "answers with status 500"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]", "JSON object"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{", "JSON object"),
    ],
)
async def test_an_answer_that_is_none_is_told_in_a_line(
    raw: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch, content: bytes, why: str
) -> None:
    monkeypatch.setattr(http_out, "SECONDS", 0.3)
    with pytest.raises(NotReached, match=why) as caught:
        (await ask(raw(content))).good().object()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://id.example/", "file:///etc/passwd", "https://u:p@127.0.0.1/"])
async def test_nothing_is_asked_at_such_an_address(url: str) -> None:
    with pytest.raises(NotReached, match="cannot be asked at"):
        await ask(url)


async def test_a_port_where_nobody_listens_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NotReached, match="refused"):
        await ask(f"http://127.0.0.1:{port}/")
    with pytest.raises(NotReached, match="No such file"):
        await ask("https://127.0.0.1:1/", ca_file=str(tmp_path / "none.pem"))
