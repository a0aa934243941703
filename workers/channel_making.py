"""The channels that sluice.toml names, made and wired: what tells, what hears, and the addresses that others call."""

import logging
import ssl
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path

import trio

from gateway.approvals import signatures
from gateway.approvals.one_time import Links
from gateway.approvals.people import People
from gateway.approvals.slack_blocks import button_key
from gateway.approvals.view import Approver
from gateway.channels import PAGERDUTY_URL, Channel, route
from gateway.errors import ConfigError
from gateway.settings import Settings
from workers import channels, configuration
from workers.callbacks import Callback, Hook
from workers.channel_http import Out
from workers.channels import Channels, Requests
from workers.mail import Mail
from workers.okta import Okta, OktaGroups
from workers.pagerduty import PagerDuty
from workers.slack import Slack, SlackApi
from workers.slack_events import Clicks, SlackDoor
from workers.slack_socket import SlackSocket
from workers.teams import Teams
from workers.webhook import Webhook

log = logging.getLogger("sluice.channels")
Service = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Made:
    """`services` run for ever beside `channels.run`; `callbacks` are to be served (workers.channel_routes)."""

    channels: Channels
    services: tuple[Service, ...]
    callbacks: tuple[Callback, ...]

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """For ever."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.channels.run)
            for service in self.services:
                nursery.start_soon(service)
            task_status.started()


def make(
    file: Path,
    settings: Settings,
    requests: Requests,
    prove: Callable[[str], Approver],
    links: Links,
    receipts: MutableMapping[tuple[str, str], str] | None = None,
    clock: Callable[[], float] = time.time,
) -> Made:
    """Of this sluice.toml. `prove`: who a token is of (raises Refusal). Raises ConfigError."""
    maker = _Maker(file, requests, prove, links, clock)
    entries = settings.channels
    made = {one.name: maker.channel(one) for one in entries}

    def found(word: str) -> tuple[str, str] | None:
        way = route(word, entries)
        return None if way is None else (way[0].name, way[1])

    all_channels = Channels(made, found, clock, receipts)
    for one in entries:
        maker.hearing(one, made[one.name], all_channels)
    return Made(all_channels, tuple(maker.services), tuple(maker.callbacks))


class _Maker:
    def __init__(
        self,
        file: Path,
        requests: Requests,
        prove: Callable[[str], Approver],
        links: Links,
        clock: Callable[[], float],
    ) -> None:
        self._file = file
        self._requests = requests
        self._prove = prove
        self._links = links
        self._clock = clock
        self._secrets: dict[str, dict[str, str]] = {}
        self.services: list[Service] = []
        self.callbacks: list[Callback] = []

    def channel(self, one: Channel) -> channels.Channel:
        """What tells."""
        secrets = self._secrets[one.name] = configuration.channel_secrets(self._file, one)
        out = self._out(one)
        if one.kind == "slack":
            api = SlackApi(out, secrets["token_file"], one.api_url)
            key = button_key(secrets["token_file"].encode())
            hears = bool(one.signing_secret_file or one.app_token_file)
            return Slack(one.name, api, key, interactive=hears, literals=one.literals, default_place=one.channel)
        if one.kind == "webhook":
            secret = signatures.secret_of(secrets["secret_file"])
            return Webhook(one.name, out, one.url, secret, literals=one.literals, clock=self._clock)
        if one.kind == "smtp":
            return Mail(one, secrets.get("password_file", ""), self._links, lambda: _context(self._ca_file(one)))
        if one.kind == "pagerduty":
            return PagerDuty(one.name, out, secrets["routing_key_file"], one.severity, one.url or PAGERDUTY_URL)
        if one.kind == "teams":
            return Teams(one.name, out, secrets["url_file"])
        return Okta(one.name, out, one.url, secrets["token_file"])

    def hearing(self, one: Channel, made: channels.Channel, told: Channels) -> None:
        """What brings decisions."""
        secrets = self._secrets[one.name]
        if isinstance(made, Slack) and (one.signing_secret_file or one.app_token_file):
            clicks = Clicks(made, _People(self._file, one).now, self._requests, lambda id: told.receipts(one.name, id))
            self.services.append(clicks.run)
            if one.app_token_file:
                app = SlackApi(made.api.out, secrets["app_token_file"], one.api_url)
                self.services.append(SlackSocket(one.name, app, clicks, self._clock).run)
            else:
                signing = secrets["signing_secret_file"].encode()
                self.callbacks.append(SlackDoor(clicks, one.name, signing, self._clock))
        if one.callback_secret_file:
            secret = signatures.secret_of(secrets["callback_secret_file"])
            groups = None
            if one.org_url:
                groups = OktaGroups(self._out(one), one.org_url, secrets["api_token_file"]).of
            self.callbacks.append(Hook(one.name, secret, self._requests, self._prove, self._clock, groups))

    def _out(self, one: Channel) -> Out:
        return Out(self._ca_file(one))

    def _ca_file(self, one: Channel) -> str:
        return str(self._file.parent / one.ca_file) if one.ca_file else ""


class _People:
    """people.toml as it is now: somebody who is taken out decides nothing from then on."""

    def __init__(self, file: Path, one: Channel) -> None:
        self._file = file
        self._one = one

    def now(self) -> People:
        """Nobody where it cannot be read."""
        try:
            return configuration.channel_people(self._file, self._one)
        except ConfigError as error:
            log.error("channel %s: nobody can decide: %s", self._one.name, error)
            return People(())


def _context(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file or None)
