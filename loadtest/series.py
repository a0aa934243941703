"""What the users report over time, by kind of user, for the report's plots: written where SLUICE_LOAD_SERIES says."""

import json
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.env import Environment
from locust.stats import RequestStats
from visitors import SESSIONS

WRITTEN_TO = os.environ.get("SLUICE_LOAD_SERIES", "")
BUCKET_SECONDS = 2
PERCENTILES = (50, 95, 99)


@dataclass(slots=True)
class Bucket:
    """What one kind of user did in BUCKET_SECONDS."""

    count: int = 0
    took: list[float] = field(
        default_factory=list
    )  # milliseconds, of all but sign-ins into a session that stays
    failures: int = 0
    refused: int = 0

    def summed(self, at: int) -> dict[str, float]:
        took = sorted(self.took)
        return {
            "time": at * BUCKET_SECONDS,
            "count": self.count,
            "failures": self.failures,
            "refused": self.refused,
            **({f"p{each}": round(quantile(took, each / 100), 3) for each in PERCENTILES} if took else {}),
        }


class Series:
    """Buckets that are over are kept as their sums, so that a run of hours stays small."""

    def __init__(self) -> None:
        self._open: defaultdict[tuple[int, str], Bucket] = defaultdict(Bucket)
        self._kinds: defaultdict[str, list[dict[str, float]]] = defaultdict(list)
        self._sessions: list[tuple[float, int]] = []

    def heard(self, kind: str, took: float, context: Mapping[str, bool], *, failed: bool) -> None:
        bucket = self._open[int(time.time() // BUCKET_SECONDS), kind]
        bucket.count += 1
        if not context["sign_in"]:
            bucket.took.append(took)
        bucket.failures += failed
        bucket.refused += context["refused"] and not failed

    def settle(self, before: int) -> None:
        """Sums up the buckets that began before this one."""
        for at, kind in sorted(key for key in self._open if key[0] < before):
            self._kinds[kind].append(self._open.pop((at, kind)).summed(at))

    def tick(self) -> None:
        now = time.time()
        self._sessions.append((round(now, 1), SESSIONS.open))
        self.settle(int(now // BUCKET_SECONDS))

    def everything(self) -> dict[str, Any]:
        self.settle(1 << 62)
        return {"bucket_seconds": BUCKET_SECONDS, "kinds": dict(self._kinds), "sessions": self._sessions}


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value below or at which this part of them lies."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def sums(stats: RequestStats) -> dict[str, list[dict[str, Any]]]:
    """Locust's own sums at the end: its CSV files may lack the last second."""
    requests = [
        {"kind": entry.method, "name": entry.name, "count": entry.num_requests, "failures": entry.num_failures,
         "rate": entry.total_rps, "most": entry.max_response_time,
         **{f"p{each}": entry.get_response_time_percentile(each / 100) for each in PERCENTILES}}
        for entry in stats.entries.values()
    ]  # fmt: skip
    failures = [
        {"kind": each.method, "name": each.name, "count": each.occurrences, "error": str(each.error)}
        for each in stats.errors.values()
    ]
    return {"requests": requests, "failures": failures}


def listen(path: Path) -> None:
    """Hears every request of this process; writes when the test ends."""
    series = Series()

    def ticking() -> None:
        while True:
            series.tick()
            gevent.sleep(1)

    @events.request.add_listener
    def heard(
        request_type: str, response_time: float, exception: object, context: dict[str, bool], **_: object
    ) -> None:
        series.heard(request_type, response_time, context, failed=exception is not None)

    @events.test_start.add_listener
    def started(**_: object) -> None:
        gevent.spawn(ticking)

    @events.quitting.add_listener
    def ended(environment: Environment, **_: object) -> None:
        path.write_text(json.dumps(series.everything() | sums(environment.stats)))


if WRITTEN_TO:
    listen(Path(WRITTEN_TO))
