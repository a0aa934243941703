"""What channels send over HTTP: bounded, over TLS that is verified, without redirects, and by no proxy of the environment;
and what an answer means for trying again."""

import email.utils
import json
import logging
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import trio

from gateway.channels import url_fault
from workers.channels import NotTold

SECONDS: Final = 10.0  # for all of it …
STEP_SECONDS: Final = 5.0  # … and for each step, for the library closes what it gave up itself, and not what others cut off
BODY_BYTES_MAX: Final = 262_144
AFTER_SECONDS_MAX: Final = 600.0  # however long another house wants to be left alone
_TEMPORARY: Final = frozenset({408, 425, 429})
for _name in ("httpx2", "httpcore2"):  # they would tell of every request
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers in lower case."""

    host: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def good(self, *statuses: int) -> "Answer":
        """This, where its status is one of these. Raises NotTold."""
        if self.status in statuses:
            return self
        again = self.status in _TEMPORARY or self.status >= 500
        raise NotTold(f"{self.host} answers with status {self.status}", again=again, after=self.after)

    @property
    def after(self) -> float | None:
        """Seconds of Retry-After, which may be a date."""
        given = self.headers.get("retry-after", "")
        if given.isascii() and given.isdigit() and len(given) <= 9:
            return min(float(given), AFTER_SECONDS_MAX)
        try:
            until = email.utils.parsedate_to_datetime(given).timestamp()
        except ValueError:
            return None
        return min(max(0.0, until - time.time()), AFTER_SECONDS_MAX)

    def object(self) -> dict[str, Any]:
        """The body as a JSON object. Raises NotTold."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise NotTold(f"{self.host} does not answer with a JSON object", again=True)
        return found


class Out:
    """Sends for one channel. `ca_file`: whose certificates count, "" the system's. No message of an error has more of an
    address than its host: the rest may be a secret."""

    def __init__(self, ca_file: str = "") -> None:
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None

    @property
    def context(self) -> ssl.SSLContext:
        """How a server proves itself. Raises OSError."""
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._ca_file or None)
        return self._context

    async def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Raises NotTold."""
        return await self._send("GET", url, None, headers)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises NotTold."""
        return await self._send("POST", url, content, headers)

    async def _send(self, method: str, url: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        import httpx2  # in the process that sends, when it does

        if why := url_fault(url):
            raise NotTold(f"the address cannot be asked: {why}", again=False)
        host = urlsplit(url).netloc
        try:
            with trio.fail_after(SECONDS):
                async with httpx2.AsyncClient(verify=self.context, trust_env=False, timeout=STEP_SECONDS) as client:
                    usual = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Sluice"}
                    request = client.build_request(method, url, content=content, headers={**usual, **headers})
                    answer = await client.send(request, stream=True, follow_redirects=False)
                    try:
                        return await _read(host, answer.status_code, answer.headers, answer.aiter_raw())
                    finally:
                        await answer.aclose()
        except (trio.TooSlowError, httpx2.TimeoutException):
            raise NotTold(f"{host} does not answer in time", again=True) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise NotTold(f"{host} cannot be reached: {_words(error)}", again=True) from None


async def _read(host: str, status: int, headers: Mapping[str, str], body: Any) -> Answer:
    content, size = bytearray(), 0
    async for part in body:  # to its end, for the library does not let go of a body half read; the time is bounded
        size += len(part)
        if size <= BODY_BYTES_MAX:
            content += part
    if size > BODY_BYTES_MAX:
        raise NotTold(f"{host} answers with more than {BODY_BYTES_MAX} bytes", again=False)
    return Answer(host, status, {name.lower(): value for name, value in headers.items()}, bytes(content))


def _words(error: BaseException) -> str:
    """The system's words, which lie at the bottom, else the kind of the error: the library's words may quote an address."""
    at: BaseException | None = error
    text = type(error).__name__
    while at is not None:
        if isinstance(at, OSError) and at.strerror:  # ssl's errors are such, too
            text = at.strerror
        at = at.exceptions[0] if isinstance(at, BaseExceptionGroup) else at.__cause__ or at.__context__
    return "".join(char if char.isprintable() else " " for char in text)[:200]
