"""HTTP to other houses: short, bounded, over TLS that is verified, without redirects, and by no proxy of the environment."""

import json
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import trio

from gateway.issuers import url_fault

SECONDS: Final = 5.0
BODY_BYTES_MAX: Final = 262_144
_WHY_CHARACTERS_MAX: Final = 200
for _name in ("httpx2", "httpcore2"):  # they would tell of every request
    logging.getLogger(_name).setLevel(logging.WARNING)


class NotReached(Exception):
    """No answer that could be used: one line that says why, without anything secret."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers in lower case."""

    host: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def object(self) -> dict[str, Any]:
        """The body as a JSON object. Raises NotReached."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise NotReached(f"{self.host} does not answer with a JSON object (status {self.status})")
        return found

    def good(self) -> "Answer":
        """This, where the status is 200. Raises NotReached."""
        if self.status != 200:
            raise NotReached(f"{self.host} answers with status {self.status}")
        return self


async def ask(
    url: str,
    form: Mapping[str, str] | None = None,
    *,
    ca_file: str = "",
    basic: tuple[str, str] | None = None,
) -> Answer:
    """Gets `url`, or posts `form` to it. `ca_file`: whose certificates count, "" the system's; `basic`: who asks.

    Raises NotReached: also for an address that nothing is to be asked at.
    """
    method = "GET" if form is None else "POST"
    return await exchange(method, url, lambda: trusting(ca_file), form=form, basic=basic)


def trusting(ca_file: str) -> ssl.SSLContext:
    """How a server proves itself. Raises OSError."""
    return ssl.create_default_context(cafile=ca_file or None)


async def exchange(
    method: str,
    url: str,
    context: Callable[[], ssl.SSLContext],
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    form: Mapping[str, str] | None = None,
    basic: tuple[str, str] | None = None,
) -> Answer:
    """One request and its answer. Raises NotReached as `ask` does."""
    import httpx2  # in the process that asks, when it does

    if why := url_fault(url):
        raise NotReached(f"the address cannot be asked at: {why}")
    host = urlsplit(url).netloc
    patience = SECONDS * 0.8  # what the library gives up itself it closes; what is cut off while it connects it loses
    try:
        with trio.fail_after(SECONDS):
            async with httpx2.AsyncClient(verify=context(), trust_env=False, timeout=patience) as client:
                given = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
                request = client.build_request(method, url, content=content, data=form, headers=given)
                auth = httpx2.BasicAuth(*basic) if basic else None
                answer = await client.send(request, auth=auth, stream=True, follow_redirects=False)
                try:
                    return await _read(host, answer.status_code, answer.headers, answer.aiter_raw())
                finally:
                    await answer.aclose()
    except (trio.TooSlowError, httpx2.TimeoutException) as error:
        raise NotReached(f"{host} does not answer within {SECONDS:.0f} s") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        raise NotReached(f"{host}: {_words(error)}") from error


async def _read(host: str, status: int, headers: Mapping[str, str], body: Any) -> Answer:
    if 300 <= status < 400:
        raise NotReached(f"{host} answers with a redirect, which is not followed")
    if headers.get("content-encoding", "identity") != "identity":
        raise NotReached(f"{host} answers compressed, which was not asked for")
    content, size = bytearray(), 0
    async for part in body:  # to its end, for the library does not let go of a body half read; the time is bounded
        size += len(part)
        if size <= BODY_BYTES_MAX:
            content += part
    if size > BODY_BYTES_MAX:
        raise NotReached(f"{host} answers with more than {BODY_BYTES_MAX} bytes")
    return Answer(host, status, {name.lower(): value for name, value in headers.items()}, bytes(content))


def _words(error: BaseException) -> str:
    """The system's words where it has any, which lie at the bottom, else the library's; as one line."""
    at: BaseException | None = error
    text = str(error) or type(error).__name__
    while at is not None:
        if isinstance(at, OSError) and str(at):  # ssl's errors are such, too
            text = str(at)
        at = at.exceptions[0] if isinstance(at, BaseExceptionGroup) else at.__cause__ or at.__context__
    return "".join(char if char.isprintable() else " " for char in text)[:_WHY_CHARACTERS_MAX]
