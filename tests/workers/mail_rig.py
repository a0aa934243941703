"""A mail server of the tests' own: STARTTLS or TLS, a sign-in, letters that it keeps, and what it is told to refuse."""

import base64
import email
import email.policy
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from tests.workers.issuer_rig import make_authority

USER, PASSWORD = "sluice", "mail-password"


class MailServer:
    """`refusals`: answers instead of the usual, by the first word of a command, each used once; "DATA" is the letter's."""

    def __init__(self, ca_file: Path, chain: Path, *, tls: str, auth: bool) -> None:
        self.ca_file = ca_file
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain)
        self.tls = tls
        self.auth = auth
        self.port = 0
        self.letters: list[tuple[str, EmailMessage]] = []
        self.refusals: dict[str, str] = {}
        self.in_clear: list[str] = []  # commands that came before TLS


class _Talk(socketserver.StreamRequestHandler):
    server: "_Server"
    timeout = 10

    def handle(self) -> None:
        house = self.server.house
        self.secure = house.tls == "tls"
        if self.secure:
            self._wrap()
        self.signed_in = not house.auth
        self._say("220 mx.test ESMTP")
        reader = ""
        while line := self.rfile.readline().decode():
            word, _, rest = line.strip().partition(" ")
            word = word.upper()
            if not self.secure:
                house.in_clear.append(line.strip())
            if (refusal := house.refusals.pop(word, "")) and word != "DATA":
                if refusal == "close":
                    return
                self._say(refusal)
                continue
            if word == "QUIT":
                return self._say("221 bye")
            if word == "RCPT":
                reader = rest.partition("<")[2].partition(">")[0]
            if word == "DATA":
                self._letter(reader, refusal)
            else:
                self._answer(word, rest)

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the wrapped one, which the server does not know

    def _answer(self, word: str, rest: str) -> None:
        house = self.server.house
        if word == "EHLO":
            offers = ["mx.test", *(["STARTTLS"] if house.tls == "starttls" and not self.secure else [])]
            offers += ["AUTH PLAIN"] if house.auth and self.secure else []
            for at, one in enumerate(offers):
                self._say(f"250{'-' if at < len(offers) - 1 else ' '}{one}")
        elif word == "STARTTLS":
            self._say("220 go ahead")
            self._wrap()
            self.secure = True
        elif word == "AUTH":
            given = base64.b64decode(rest.split()[1]).decode().split("\0")[1:]
            self.signed_in = given == [USER, PASSWORD]
            self._say("235 welcome" if self.signed_in else "535 5.7.8 credentials invalid")
        elif word == "MAIL" and not self.signed_in:
            self._say("530 5.7.0 sign in first")
        else:
            self._say("250 fine")

    def _letter(self, reader: str, refusal: str) -> None:
        self._say("354 go ahead")
        lines: list[bytes] = []
        while (line := self.rfile.readline()).rstrip() != b"." and line:
            lines.append(line.removeprefix(b"."))
        if not refusal:
            letter = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
            assert isinstance(letter, EmailMessage)
            self.server.house.letters.append((reader, letter))
        self._say(refusal or "250 queued")

    def _wrap(self) -> None:
        self.request = self.connection = self.server.house.context.wrap_socket(self.request, server_side=True)
        self.setup()

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    house: MailServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: some tests' clients hang up."""


@contextmanager
def mail_server(folder: Path, *, tls: str = "starttls", auth: bool = True) -> Iterator[MailServer]:
    """A running one."""
    folder.mkdir(exist_ok=True)
    house = MailServer(*make_authority(folder), tls=tls, auth=auth)
    server = _Server(("127.0.0.1", 0), _Talk)
    server.house = house
    house.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield house
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
