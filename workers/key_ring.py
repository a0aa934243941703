"""Issuers' keys as the supervisor keeps them: for workers to come, across reloads, and told to those that are there."""

import time
from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.identity.keys import FetchedSet
from workers import configuration, door_files
from workers.admin_link import KeysFailed, KeysFetched
from workers.configuration import Loaded
from workers.notary_seat import NotarySeat
from workers.publication import tell_all
from workers.seat import Seat
from workers.shared_policy import unseal
from workers.slot import DoorsMessage, KeysMessage


class KeyRing:
    """`failures`: of issuers whose keys did not come when they were last asked for: why, and when (POSIX seconds)."""

    def __init__(self) -> None:
        self.failures: dict[str, tuple[str, float]] = {}

    def heard(self, message: KeysFailed | KeysFetched, fd: int | None, loaded: Loaded, seats: Iterable[Seat]) -> Loaded:
        """The configuration with the keys that came, which all workers are told; where none came, those that are there go on
        counting for as long as they may. Raises what says that the sender broke its word."""
        if isinstance(message, KeysFailed):
            self.failures[message.issuer] = message.why, message.at
            return loaded
        assert fd is not None, "keys come in a descriptor"
        fresh = msgspec.msgpack.decode(unseal(fd, message.size, message.digest), type=dict[str, FetchedSet])
        for name in fresh:
            self.failures.pop(name, None)
        loaded = configuration.with_fetched(loaded, {**loaded.fetched, **fresh})
        tell_all(seats, KeysMessage, configuration.pack_keys(loaded.key_files, loaded.fetched))
        return loaded

    def describe(self, loaded: Loaded) -> list[dict[str, Any]]:
        """For `sluice status`: each issuer whose keys are fetched, how old they are and until when they count (POSIX
        seconds), and its last failure since."""
        now = time.time()
        found = []
        for issuer in loaded.settings.issuers:
            kept = loaded.fetched.get(issuer.name)
            keys = loaded.keys.named(issuer.name)
            if issuer.fetches_keys and keys is not None:
                why, at = self.failures.get(issuer.name, ("", 0.0))
                found.append({
                    "name": issuer.name,
                    "keys": len(keys.thumbprints),
                    "age_seconds": round(now - kept.fetched, 1) if kept is not None else None,
                    "until": round(keys.until) if kept is not None else None,
                    "failure": why,
                    "failed": round(at),
                })
        return found


def hand_on(running: Loaded, fresh: Loaded, seats: Iterable[Seat], notary: NotarySeat) -> None:
    """Gives the workers what a reload has changed beside the policy."""
    if fresh.key_files != running.key_files:
        tell_all(seats, KeysMessage, configuration.pack_keys(fresh.key_files, fresh.fetched))
        notary.happened("system", "keys reloaded", issuers=sorted(fresh.key_files), by="signal")
    if fresh.door_files != running.door_files:
        tell_all(seats, DoorsMessage, door_files.pack(fresh.door_files))
        notary.happened("system", "doors reloaded", files=sorted(fresh.door_files), by="signal")
