"""Okta: a flow of Okta Workflows is invoked for each request (its API endpoint, secured with a client token), and may bring
the decision to workers.callbacks; groups of Okta, for approvers whose token says none."""

import re
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from gateway.approvals import cards
from gateway.approvals.view import Approver, View
from workers.channel_http import Out
from workers.channels import NotTold

PAGES_MAX: Final = 20
_NEXT = re.compile(r'<([^<>\s]{1,2000})>\s*;\s*rel="next"')


class Okta:
    """The channel."""

    def __init__(self, name: str, out: Out, url: str, client_token: str) -> None:
        self.name = name
        self._out = out
        self._url = url
        self._client_token = client_token

    async def ask(self, view: View, place: str) -> str:
        """The receipt says nothing: the flow knows the request by its id."""
        await self._invoke(view, "request.opened")
        return "invoked"

    async def settled(self, view: View, place: str, receipt: str) -> None:
        """As a channel does it."""
        await self._invoke(view, "request.closed")

    async def _invoke(self, view: View, what: str) -> None:
        body = msgspec.json.encode(cards.data(view, what, literals=False))
        headers = {"Content-Type": "application/json", "x-api-client-token": self._client_token}
        (await self._out.post(self._url, body, headers)).good(*range(200, 300))


class OktaGroups:
    """The groups of somebody, by the Users API."""

    def __init__(self, out: Out, org_url: str, api_token: str) -> None:
        self._out = out
        self._org = org_url.rstrip("/")
        self._api_token = api_token

    async def of(self, approver: Approver) -> tuple[str, ...]:
        """Their names. Raises NotTold; also where not all of them came, for half of them is no answer."""
        url = f"{self._org}/api/v1/users/{quote(approver.user, safe='')}/groups"
        names: list[str] = []
        for _ in range(PAGES_MAX):
            answer = (await self._out.get(url, {"Authorization": f"SSWS {self._api_token}"})).good(200)
            names += _names(answer.body, answer.host)
            found = _NEXT.search(answer.headers.get("link", ""))
            if found is None:
                return tuple(names)
            url = found[1]
            if urlsplit(url)[:2] != urlsplit(self._org)[:2]:  # the token goes nowhere else
                raise NotTold(f"{answer.host} leads elsewhere", again=False)
        raise NotTold("Okta lists more groups than anybody has", again=False)


def _names(body: bytes, host: str) -> list[str]:
    try:
        groups: Any = msgspec.json.decode(body)
        return [str(one["profile"]["name"]) for one in groups]
    except (msgspec.DecodeError, KeyError, TypeError):
        raise NotTold(f"{host} does not answer with groups", again=True) from None
