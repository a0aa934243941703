"""Issuers' keys over the network, a service of the admin process: fetched when it starts and again as they age, and once
where a worker has met a token whose key is not there. What came is kept on the disk and told to the supervisor.
"""

import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import trio

from gateway.errors import ConfigError
from gateway.identity.keys import FetchedSet, KeySet, read_fetched, source_of
from gateway.issuers import Issuer
from workers import configuration, discovery, http_out, key_store
from workers.admin_link import KeysFailed, KeysFetched, KeysWanted
from workers.admin_process import Desk
from workers.http_out import NotReached
from workers.shared_policy import seal

REFRESH_SECONDS_MIN: Final = 60.0
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=([0-9]{1,9})(?:$|[,\s])", re.IGNORECASE)
log = logging.getLogger("sluice.keys")


@dataclass(frozen=True, slots=True)
class Pace:
    """How soon an issuer is asked again: after failures (twice as long each time), and because a key is missing."""

    retry_seconds: float = 5.0
    retry_seconds_max: float = 60.0
    wanted_seconds: float = 60.0


PACE: Final = Pace()


@dataclass(frozen=True, slots=True)
class Found:
    """A key set, as it came and as it is read, and for how long its issuer wants it kept (seconds, None where it says
    nothing)."""

    content: bytes
    keys: KeySet
    max_age: float | None


async def fetch(issuer: Issuer, folder: Path) -> Found:
    """The keys of one issuer, now. `folder` is that of sluice.toml. Raises NotReached."""
    ca_file = str(folder / issuer.ca_file) if issuer.ca_file else ""
    url = issuer.jwks_url
    if issuer.discovery:
        url = discovery.endpoint(await discovery.document(issuer.discovery, issuer.issuer, ca_file), "jwks_uri")
    answer = (await http_out.ask(url, ca_file=ca_file)).good()
    try:
        keys = read_fetched(issuer, answer.body)
    except ConfigError as error:
        raise NotReached(f"what {answer.host} answers is of no use: {error.fault.why}") from error
    said = _MAX_AGE.search(answer.headers.get("cache-control", ""))
    return Found(answer.body, keys, float(said[1]) if said else None)


async def keep(desk: Desk, pace: Pace = PACE) -> None:
    """The service."""
    keepers = {one.name: _Keeper(desk, one, pace) for one in desk.loaded.settings.issuers if one.fetches_keys}
    desk.hears[KeysWanted] = lambda wanted: keepers[wanted.issuer].want() if wanted.issuer in keepers else None
    async with trio.open_nursery() as nursery:
        for keeper in keepers.values():
            nursery.start_soon(keeper.run)


class _Keeper:
    """One issuer's keys; a single task, so that no two fetches of it are ever under way."""

    def __init__(self, desk: Desk, issuer: Issuer, pace: Pace) -> None:
        self._desk = desk
        self._issuer = issuer
        self._pace = pace
        self._wanted = trio.Event()
        self._wanted_again = 0.0  # when a missing key may next be a reason
        self._failures = 0

    def want(self) -> None:
        """Somebody came with a key that is not there."""
        self._wanted.set()

    async def run(self) -> None:
        while True:
            try:
                found = await fetch(self._issuer, self._desk.loaded.folder)
            except NotReached as error:
                seconds = await self._failed(str(error))
            else:
                seconds = await self._took(found)
            await self._wait(seconds)

    async def _wait(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self._wanted.wait()
            await trio.sleep_until(self._wanted_again)
            self._wanted_again = trio.current_time() + self._pace.wanted_seconds
        self._wanted = trio.Event()

    async def _took(self, found: Found) -> float:
        """Hands on what came; in how many seconds it is asked for again."""
        issuer, loaded = self._issuer, self._desk.loaded
        before = loaded.keys.named(issuer.name)
        kept = FetchedSet(source_of(issuer), found.content, time.time())
        self._desk.loaded = configuration.with_fetched(loaded, {**loaded.fetched, issuer.name: kept})
        try:
            key_store.write(key_store.folder(loaded.audit_dir), issuer, kept)
        except OSError as error:
            log.warning("the keys of issuer %s are not kept for the next start: %s", issuer.name, error)
        sealed = seal(msgspec.msgpack.encode({issuer.name: kept}), "sluice-fetched")
        await self._desk.tell(KeysFetched(sealed.size, sealed.digest), sealed.fd)
        sealed.close()
        was = before.thumbprints if before is not None else frozenset()
        if was != found.keys.thumbprints or self._failures:
            changes = {"added": len(found.keys.thumbprints - was), "removed": len(was - found.keys.thumbprints)}
            await self._desk.happened("system", "keys fetched", issuer=issuer.name, **changes)
        self._failures = 0
        wanted = issuer.keys_refresh_seconds if found.max_age is None else min(issuer.keys_refresh_seconds, found.max_age)
        return max(REFRESH_SECONDS_MIN, wanted)

    async def _failed(self, why: str) -> float:
        issuer = self._issuer
        await self._desk.tell(KeysFailed(issuer.name, why, time.time()))
        if not self._failures:
            log.warning("the keys of issuer %s could not be fetched: %s", issuer.name, why)
            await self._desk.happened("system", "keys not fetched", issuer=issuer.name, why=why)
        seconds = min(self._pace.retry_seconds_max, self._pace.retry_seconds * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return seconds
