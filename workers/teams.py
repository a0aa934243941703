"""Microsoft Teams, by a workflow that a webhook starts: a card for each request, and another for its end."""

import msgspec

from gateway.approvals import cards
from gateway.approvals.view import Change, View
from workers.channel_http import Out


class Teams:
    """The channel. Its address is a secret: whoever knows it may post."""

    def __init__(self, name: str, out: Out, url: str) -> None:
        self.name = name
        self._out = out
        self._url = url

    async def ask(self, view: View, place: str) -> str:
        """The receipt says nothing: what a workflow posted cannot be changed."""
        await self._send(view)
        return "posted"

    async def settled(self, view: View, place: str, receipt: str) -> None:
        """As a channel does it."""
        await self._send(view)

    async def changed(self, view: View, place: str, receipt: str, change: Change) -> None:
        """Another card, where somebody has to act: not for each request that is like one that was told."""
        if change != "request.grouped":
            await self._send(view)

    async def _send(self, view: View) -> None:
        body = msgspec.json.encode(cards.card(view))
        (await self._out.post(self._url, body, {"Content-Type": "application/json"})).good(200, 202)
