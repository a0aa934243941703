"""What channels send over HTTP, and what an answer means for trying again."""

import email.utils
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workers import http_out
from workers.channels import NotTold
from workers.http_out import NotReached

AFTER_SECONDS_MAX: Final = 600.0  # however long another house wants to be left alone
_TEMPORARY: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    _found: http_out.Answer

    @property
    def host(self) -> str:
        """Whose it is."""
        return self._found.host

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        return self._found.headers

    @property
    def body(self) -> bytes:
        """All of it."""
        return self._found.body

    def good(self, *statuses: int) -> "Answer":
        """This, where its status is one of these. Raises NotTold."""
        status = self._found.status
        if status in statuses:
            return self
        again = status in _TEMPORARY or status >= 500
        raise NotTold(f"{self.host} answers with status {status}", again=again, after=self.after)

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
            return self._found.object()
        except NotReached as error:
            raise NotTold(str(error), again=True) from None


class Out:
    """Sends for one channel. `ca_file`: whose certificates count, "" the system's. No message of an error has more of an
    address than its host: the rest may be a secret."""

    def __init__(self, ca_file: str = "") -> None:
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """How a server proves itself. Raises OSError."""
        if self._context is None:
            self._context = http_out.trusting(self._ca_file)
        return self._context

    async def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Raises NotTold."""
        return await self._send("GET", url, None, headers)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises NotTold."""
        return await self._send("POST", url, content, headers)

    async def _send(self, method: str, url: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            return Answer(await http_out.exchange(method, url, self.context, headers=headers, content=content))
        except NotReached as error:
            raise NotTold(str(error), again=True) from None
