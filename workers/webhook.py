"""A webhook of one's own: each request as JSON, signed as Standard Webhooks. Decisions come back to workers.callbacks."""

import time
from collections.abc import Callable

import msgspec

from gateway.approvals import cards, signatures
from gateway.approvals.view import Change, View
from workers.channel_http import Out


class Webhook:
    """The channel. A message has the same id each time it is tried, so that its receiver can tell."""

    def __init__(
        self, name: str, out: Out, url: str, secret: bytes, *, literals: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self._out = out
        self._url = url
        self._secret = secret
        self._literals = literals
        self._clock = clock

    async def ask(self, view: View, place: str) -> str:
        """The receipt is the message's id."""
        return await self._send(view, "request.opened", f"{view.id}-opened")

    async def settled(self, view: View, place: str, receipt: str) -> None:
        """As a channel does it."""
        await self._send(view, "request.closed", f"{view.id}-closed")

    async def changed(self, view: View, place: str, receipt: str, change: Change) -> None:
        """As a channel does it. What is told of another moment is another message."""
        await self._send(view, change, f"{view.id}-{int(view.changed * 1000)}")

    async def _send(self, view: View, what: str, name: str) -> str:
        body = msgspec.json.encode(cards.data(view, what, self._literals))
        signed = signatures.sign(name, body, self._secret, self._clock())
        answer = await self._out.post(self._url, body, {"Content-Type": "application/json", **signed})
        answer.good(*range(200, 300))
        return name
