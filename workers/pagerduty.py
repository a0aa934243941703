"""PagerDuty's Events API v2: an incident for each request, resolved with it."""

import msgspec

from gateway.approvals import cards
from gateway.approvals.view import View
from gateway.channels import PAGERDUTY_URL
from workers.channel_http import Out


class PagerDuty:
    """The channel."""

    def __init__(self, name: str, out: Out, routing_key: str, severity: str, url: str = PAGERDUTY_URL) -> None:
        self.name = name
        self._out = out
        self._routing_key = routing_key
        self._severity = severity
        self._url = url

    async def ask(self, view: View, place: str) -> str:
        """The receipt says nothing: the incident is named by the request."""
        await self._send(view)
        return "triggered"

    async def settled(self, view: View, place: str, receipt: str) -> None:
        """As a channel does it."""
        await self._send(view)

    async def _send(self, view: View) -> None:
        body = msgspec.json.encode(cards.event(view, self._routing_key, self._severity))
        (await self._out.post(self._url, body, {"Content-Type": "application/json"})).good(200, 202)
