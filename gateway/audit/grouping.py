"""Counting records: all of them, or by what they have in common."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from gateway.audit.filters import columns_of, labels_of
from gateway.audit.query import Entry, timestamp

GROUPS_MAX: Final = 100_000


@dataclass(slots=True)
class Count:
    """Records of one group. `rows` and `nbytes` are sums over its outcomes, times the first and last record's."""

    records: int = 0
    intents: int = 0
    outcomes: int = 0
    rows: int = 0
    nbytes: int = 0
    first_ns: int = 0
    last_ns: int = 0

    def add(self, entry: Entry) -> None:
        """One more record."""
        self.records += 1
        self.first_ns = min(self.first_ns or entry.time_ns, entry.time_ns)
        self.last_ns = max(self.last_ns, entry.time_ns)
        if entry.outcome is not None:
            self.outcomes += 1
            self.rows += entry.outcome.rows
            self.nbytes += entry.outcome.nbytes
        elif entry.kind == "intent":
            self.intents += 1

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "records": self.records,
            "intents": self.intents,
            "outcomes": self.outcomes,
            "rows": self.rows,
            "bytes": self.nbytes,
            "first": timestamp(self.first_ns) if self.records else None,
            "last": timestamp(self.last_ns) if self.records else None,
        }


def _session(name: str) -> Callable[[Entry], Iterable[str]]:
    return lambda entry: (str(getattr(entry.session, name)),) if entry.session is not None else ()


def _ruling(name: str) -> Callable[[Entry], Iterable[str]]:
    return lambda entry: (str(getattr(entry.ruling, name)),) if entry.ruling is not None else ()


def _ruling_list(name: str) -> Callable[[Entry], Iterable[str]]:
    return lambda entry: getattr(entry.ruling, name) if entry.ruling is not None else ()


def _outcome(name: str) -> Callable[[Entry], Iterable[str]]:
    return lambda entry: (str(getattr(entry.outcome, name)),) if entry.outcome is not None else ()


def _grant(entry: Entry) -> Iterable[str]:
    return (entry.ruling.grant.name,) if entry.ruling is not None and entry.ruling.grant is not None else ()


def _client(entry: Entry) -> Iterable[str]:
    return (entry.session.address.rpartition(":")[0] or entry.session.address,) if entry.session is not None else ()


FIELDS: Final[dict[str, Callable[[Entry], Iterable[str]]]] = {
    "actor": lambda entry: entry.session.actors if entry.session is not None else (),
    "application": _session("application"),
    "approval": lambda entry: (entry.approval,),
    "client": _client,
    "column": columns_of,
    "command": _outcome("command"),
    "database": _session("database"),
    "day": lambda entry: (timestamp(entry.time_ns)[:10],),
    "decision": _ruling("decision"),
    "environment": _session("environment"),
    "event": lambda entry: (str(entry.data.get("what", "")),),
    "fingerprint": _ruling("fingerprint"),
    "grant": _grant,
    "group": lambda entry: entry.session.groups if entry.session is not None else (),
    "host": lambda entry: (entry.label.rpartition("-")[0],),
    "hour": lambda entry: (timestamp(entry.time_ns)[:13] + ":00Z",),
    "issuer": _session("issuer"),
    "kind": lambda entry: (entry.kind,),
    "label": labels_of,
    "model": _session("model"),
    "policy": _ruling("generation"),
    "role": _session("role"),
    "rule": _ruling_list("rules"),
    "run": _session("run"),
    "session": _session("session"),
    "sqlstate": _outcome("sqlstate"),
    "statement": _ruling("statement"),
    "statement_kind": _ruling_list("kinds"),
    "status": _outcome("status"),
    "table": _ruling_list("tables"),
    "ticket": lambda entry: (entry.declared.ticket,) if entry.declared is not None else (),
    "token": _session("token_id"),
    "user": _session("user"),
}


class TooManyGroups(ValueError):
    """More groups than are kept in memory."""


class Groups:
    """Records counted by some fields: a name of FIELDS, or `tag:NAME`. A record that has several values of a field counts
    once for each of them, one that has none counts under "". Raises KeyError for a field that is not known.
    """

    def __init__(self, fields: Iterable[str]) -> None:
        self.fields = tuple(fields)
        self._read = [_tag(each[4:]) if each.startswith("tag:") else FIELDS[each] for each in self.fields]
        self._counts: dict[tuple[str, ...], Count] = {}

    def add(self, entry: Entry) -> None:
        """Counts one record. Raises TooManyGroups."""
        for key in product(*(sorted(set(read(entry))) or ("",) for read in self._read)):
            count = self._counts.get(key)
            if count is None:
                if len(self._counts) >= GROUPS_MAX:
                    raise TooManyGroups(f"more than {GROUPS_MAX} groups")
                count = self._counts[key] = Count()
            count.add(entry)

    def largest(self) -> list[tuple[tuple[str, ...], Count]]:
        """All groups, those of most records first."""
        return sorted(self._counts.items(), key=lambda each: (-each[1].records, each[0]))


def _tag(name: str) -> Callable[[Entry], Iterable[str]]:
    return lambda entry: [value for key, value in entry.tags or () if key == name]
