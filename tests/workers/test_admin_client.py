"""Where verbs find the interface, and what they say when it does not answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from workers.admin_client import Refused, address, asked, part
from workers.embedded import free_port
from workers.init import init


@contextmanager
def answering(status: int, body: bytes, seen: list[str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(f"{self.path} {self.headers['Authorization']}")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_the_address_is_the_variables_or_that_of_sluice_toml(tmp_path: Path) -> None:
    init(tmp_path)
    config = str(tmp_path / "sluice.toml")
    assert address(config, {}) == "http://127.0.0.1:6480"
    assert address(config, {"SLUICE_ADMIN": "https://gate.example.com:6480/"}) == "https://gate.example.com:6480"
    assert address(config, {"SLUICE_ADMIN": "http://[::1]:7000"}) == "http://[::1]:7000"
    for wrong in ("http://gate.example.com:6480", "gate.example.com", "ftp://127.0.0.1"):
        with pytest.raises(ValueError, match="SLUICE_ADMIN"):
            address(config, {"SLUICE_ADMIN": wrong})


def test_the_gateways_words_are_the_commands() -> None:
    seen: list[str] = []
    with answering(200, b'{"a":1}', seen) as url:
        assert asked(url, "tok", "POST", "/v1/x/" + part("a/b ?"), {"b": 2}) == {"a": 1}
    assert seen == ["/v1/x/a%2Fb%20%3F Bearer tok"]
    with answering(403, b'{"error":"not you","hint":"Ask."}', seen) as url:
        with pytest.raises(Refused, match="not you; Ask") as refused:
            asked(url, "tok", "POST", "/")
        assert refused.value.status == 403


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (302, b""), (502, b"bad gateway")])
def test_what_is_no_gateway_is_said_and_never_followed(status: int, body: bytes) -> None:
    with answering(status, body, []) as url, pytest.raises(Refused, match="does not answer as a gateway does"):
        asked(url, "tok", "POST", "/")


def test_where_nobody_answers_the_token_is_not_quoted() -> None:
    with pytest.raises(Refused, match="no gateway answers") as refused:
        asked(f"http://127.0.0.1:{free_port()}", "hunter2", "GET", "/")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(ValueError, match="token"):
        asked("http://127.0.0.1:1", "a\r\nb", "GET", "/")
