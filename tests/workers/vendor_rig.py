"""A house that messages are sent to: a real HTTPS server whose certificate its own authority signed, and which can be told
to misbehave."""

import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.workers.https_rig import serving
from tests.workers.issuer_rig import Reply, as_json, make_authority

PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str  # without the query
    query: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        assert self.headers["content-type"].startswith("application/json"), self.headers
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        assert self.headers["content-type"] == "application/x-www-form-urlencoded"
        return {name: values[0] for name, values in parse_qs(self.body.decode(), strict_parsing=True).items()}


Answer = Callable[[Asked], Reply | None]


def status(code: int, **headers: str) -> Answer:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda asked: (code, given, b"")


def closing(asked: Asked) -> None:
    """The connection ends without an answer."""


class Vendor:
    """`routes` answer by path; `next` come first, one for each request, by path."""

    def __init__(self, url: str, ca_file: Path) -> None:
        self.url = url
        self.ca_file = ca_file
        self.routes: dict[str, Answer] = {}
        self.next: dict[str, deque[Answer]] = defaultdict(deque)
        self.asked: list[Asked] = []
        self.changed = threading.Condition()
        self.over = threading.Event()

    def hanging(self, asked: Asked) -> None:
        """Answers never."""
        self.over.wait(PATIENCE_SECONDS)

    def answer(self, asked: Asked) -> Reply | None:
        with self.changed:
            self.asked.append(asked)
            first = self.next[asked.path].popleft() if self.next[asked.path] else None
            self.changed.notify_all()
        route = first or self.routes.get(asked.path)
        return route(asked) if route else as_json({"error": "not_found"}, 404)

    def of(self, path: str) -> list[Asked]:
        return [one for one in self.asked if one.path == path]

    def await_asked(self, path: str, count: int) -> list[Asked]:
        """In a thread: until it was asked so often."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.of(path)) >= count, PATIENCE_SECONDS), self.asked
        return self.of(path)


class _Handler(BaseHTTPRequestHandler):
    vendor: Vendor
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        path, _, query = self.path.partition("?")
        reply = self.vendor.answer(Asked(self.command, path, query, headers, body))
        self.close_connection = True
        if reply is None:
            return
        code, more, content = reply
        self.send_response(code)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests look at `asked`."""


@contextmanager
def vendor(folder: Path) -> Iterator[Vendor]:
    """A running one; its files lie in `folder`."""
    folder.mkdir(exist_ok=True)
    ca_file, chain = make_authority(folder)
    handler = type("Handler", (_Handler,), {})
    with serving(handler, chain) as url:
        made = handler.vendor = Vendor(url, ca_file)
        try:
            yield made
        finally:
            made.over.set()
