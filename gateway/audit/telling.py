"""One session as a story: its records in, by time; steps out, each an object whose `step` is session, statement, event or
end.
"""

from collections.abc import Iterator
from typing import Any

from gateway.audit.effects import effect
from gateway.audit.query import Entry, timestamp, to_json

_OF_SESSION = (
    "session",
    "user",
    "issuer",
    "groups",
    "actor",
    "model",
    "run",
    "client",
    "database",
    "environment",
    "role",
    "token_id",
    "method",
    "weak",
)
_OF_INTENT = (
    "statement",
    "statement_kind",
    "tables",
    "decision",
    "rules",
    "grant",
    "approval",
    "declared",
    "policy",
    "tags",
)
_OF_OUTCOME = (
    "status",
    "sqlstate",
    "rows",
    "bytes",
    "affected",
    "columns_masked",
    "columns_clear",
    "command",
    "duration_us",
)


class Story:
    """Statements are numbered as they began, and told as they ended; those that never did are told at the end."""

    def __init__(self) -> None:
        self._began = 0
        self._open: dict[str, dict[str, Any]] = {}
        self._totals = {"statements": 0, "refused": 0, "failed": 0, "rows": 0, "bytes": 0, "mismatches": 0}
        self._effects: dict[str, int] = {}
        self._ended: dict[str, Any] | None = None
        self._last_ns = 0

    def tell(self, entry: Entry) -> Iterator[dict[str, Any]]:
        """The steps that a record adds."""
        told = to_json(entry)
        if not self._began and entry.session is not None:
            self._began = entry.time_ns
            yield {"step": "session", "began": told["time"]} | {name: told[name] for name in _OF_SESSION if name in told}
        self._last_ns = max(self._last_ns, entry.time_ns)
        if entry.kind == "intent":
            self._begin(entry, told)
        elif entry.outcome is not None:
            yield self._end(entry, told)
        else:
            step = {"step": "event", "time": told["time"], "kind": entry.kind, "id": entry.id, **entry.data}
            if entry.kind == "session" and str(entry.data.get("what", "")).startswith("session closed"):
                self._ended = step
            yield step

    def _begin(self, entry: Entry, told: dict[str, Any]) -> None:
        self._totals["statements"] += 1
        assert entry.ruling is not None
        did = effect(entry.ruling.kinds)
        self._effects[did] = self._effects.get(did, 0) + 1
        if entry.declared is not None and entry.declared.mismatch:
            self._totals["mismatches"] += 1
        step = {"step": "statement", "number": self._totals["statements"], "time": told["time"], "effect": did}
        self._open[entry.id] = step | {"id": entry.id} | {name: told[name] for name in _OF_INTENT}

    def _end(self, entry: Entry, told: dict[str, Any]) -> dict[str, Any]:
        said = entry.outcome
        assert said is not None
        begun = self._open.pop(entry.intent, None)
        if begun is None:  # the question's times left its intent out
            facts = {name: told[name] for name in _OF_INTENT}
            begun = {"step": "statement", "number": 0, "time": told["time"], "effect": "", "id": entry.intent, **facts}
        self._totals["refused"] += said.status == "refused"
        self._totals["failed"] += said.status not in ("ok", "refused")
        self._totals["rows"] += said.rows
        self._totals["bytes"] += said.nbytes
        return begun | {"outcome": entry.id} | {name: told[name] for name in _OF_OUTCOME}

    def end(self) -> Iterator[dict[str, Any]]:
        """The steps that close the story: what has no outcome, and the sums."""
        for step in self._open.values():
            yield step | {"status": "running"}
        if not self._began:
            return
        yield {
            "step": "end",
            **self._totals,
            "effects": self._effects,
            "running": len(self._open),
            "ended": self._ended["time"] if self._ended is not None else None,
            "why": str(self._ended.get("why", "")) if self._ended is not None else "",
            "last": timestamp(self._last_ns),
            "seconds": round((self._last_ns - self._began) / 1e9, 3),
        }
