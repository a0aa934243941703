"""Slack: a message for each request, brought up to date when it is decided. Clicks come in by workers.slack_events."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from gateway.approvals import slack_blocks
from gateway.approvals.view import Change, View
from gateway.channels import SLACK_URL
from workers.channel_http import Out
from workers.channels import NotTold

_AGAIN: Final = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited", "team_added_to_org"}
)
_WORD = re.compile(r"[a-z_]{1,60}")


class SlackApi:
    """Methods of Slack's Web API, with one token."""

    def __init__(self, out: Out, token: str, url: str = SLACK_URL) -> None:
        self.out = out
        self._token = token
        self._url = url.rstrip("/")

    async def call(self, method: str, arguments: Mapping[str, Any], *, form: bool = False) -> dict[str, Any]:
        """What it answers where that is ok. `form`: for methods that read no JSON. Raises NotTold."""
        content = urlencode(arguments).encode() if form else msgspec.json.encode(arguments)
        kind = "application/x-www-form-urlencoded" if form else "application/json; charset=utf-8"
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
        answer = (await self.out.post(f"{self._url}/{method}", content, headers)).good(200)
        found = answer.object()
        if found.get("ok") is True:
            return found
        word = found.get("error")
        error = word if isinstance(word, str) and _WORD.fullmatch(word) else "no reason"
        raise NotTold(f"Slack refuses {method}: {error}", again=error in _AGAIN, after=answer.after)


class Slack:
    """The channel. `interactive`: whether its messages have buttons; `default_place`: where, if no policy says."""

    def __init__(
        self, name: str, api: SlackApi, key: bytes, *, interactive: bool, literals: bool, default_place: str = ""
    ) -> None:
        self.name = name
        self.api = api
        self.key = key
        self._buttons = key if interactive else None
        self._literals = literals
        self._default_place = default_place
        self._team = ""

    async def ask(self, view: View, place: str) -> str:
        """The receipt is the message's channel and time stamp."""
        where = place or self._default_place
        if not where:
            raise NotTold("neither the policy nor sluice.toml names a channel of Slack", again=False)
        made = slack_blocks.message(view, self._literals, self._buttons)
        quiet = {"unfurl_links": False, "unfurl_media": False}
        found = await self.api.call("chat.postMessage", {"channel": where, **made, **quiet})
        channel, stamp = found.get("channel"), found.get("ts")
        if not isinstance(channel, str) or not isinstance(stamp, str):
            raise NotTold("Slack does not say where the message is", again=False)
        return receipt(channel, stamp)

    async def settled(self, view: View, place: str, receipt: str) -> None:
        """As a channel does it."""
        await self.update(receipt, slack_blocks.message(view, False, None))

    async def changed(self, view: View, place: str, receipt: str, change: Change) -> None:
        """As a channel does it."""
        await self.update(receipt, slack_blocks.message(view, self._literals, self._buttons))

    async def update(self, receipt: str, made: Mapping[str, Any]) -> None:
        """Puts something else in a message's place. Raises NotTold."""
        channel, _, stamp = receipt.partition("/")
        await self.api.call("chat.update", {"channel": channel, "ts": stamp, **made})

    async def say(self, channel: str, user: str, words: str) -> None:
        """To one person alone. Raises NotTold."""
        await self.api.call("chat.postEphemeral", {"channel": channel, "user": user, **slack_blocks.over(words)})

    async def team(self) -> str:
        """The workspace that the token is of. Raises NotTold."""
        if not self._team:
            found = (await self.api.call("auth.test", {})).get("team_id")
            if not isinstance(found, str) or not found:
                raise NotTold("Slack does not say which workspace this is", again=False)
            self._team = found
        return self._team


def receipt(channel: str, stamp: str) -> str:
    """What finds a message again."""
    return f"{channel}/{stamp}"
