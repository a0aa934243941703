"""What `sluice audit` may ask for: conditions on records, told apart by the part of a record that answers them, so that a
search decides once for a session and once for a statement's shape.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.audit.query import Entry
from gateway.audit.records import ColumnsInfo, Outcome, RulingInfo, SessionInfo, Tags

KINDS = ("session", "intent", "outcome", "approval", "policy", "system")
STATUSES = ("ok", "error", "refused", "cancelled", "client-gone", "unresolved", "drained", "not-run")
DECISIONS = ("allow", "deny", "hold", "warn")
_OF_SESSION = ("user", "database", "environment", "session", "issuer", "role", "application", "model", "run")


@dataclass(slots=True)
class Filter:
    """Conditions that must all hold; an empty one does not matter. Times are nanoseconds, `since` included, `until` not.
    Tables and columns match by their whole name or its last parts ("email", "customers.email"). Conditions on a result
    (status to `clear`) are met by outcomes alone.
    """

    kinds: tuple[str, ...] = ()
    user: str = ""
    actor: str = ""  # anywhere in the chain
    group: str = ""
    issuer: str = ""
    token: str = ""
    model: str = ""
    run: str = ""
    session: str = ""
    client: str = ""  # address, address:port or network (10.0.0.0/8)
    application: str = ""
    database: str = ""
    environment: str = ""
    role: str = ""
    place: str = ""  # an environment, a database or a table
    table: str = ""
    column: str = ""
    label: str = ""
    decision: str = ""
    rule: str = ""
    grant: str = ""
    fingerprint: str = ""
    statement_kind: str = ""  # "UPDATE", "DROP TABLE", or its first words: "DROP"
    text: str = ""  # in the statement, whatever the case
    policy: int = 0  # its generation
    approval: str = ""
    tags: Tags = ()
    ticket: str = ""
    reason: str = ""  # in the declared reason, whatever the case
    literal: bytes = b""  # a keyed digest, 8 bytes
    since: int = 0
    until: int = 0
    status: str = ""
    sqlstate: str = ""
    min_rows: int = 0
    masked: str = ""  # a column that was handed out masked
    clear: str = ""  # or in clear
    _plain: list[tuple[str, str]] = field(init=False, repr=False)  # attributes of a session that must be equal
    _network: Any = field(init=False, repr=False, default=None)
    wants_session: bool = field(init=False, repr=False)
    wants_ruling: bool = field(init=False, repr=False)
    wants_outcome: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._plain = [(name, getattr(self, name)) for name in _OF_SESSION if getattr(self, name)]
        if "/" in self.client:
            self._network = ipaddress.ip_network(self.client, strict=False)
        self.wants_session = bool(self._plain or self.actor or self.group or self.token or self.client)
        of_ruling = (self.table, self.column, self.label, self.decision, self.rule, self.grant, self.fingerprint)
        self.wants_ruling = any((*of_ruling, self.statement_kind, self.text))
        of_outcome = (self.status, self.sqlstate, self.min_rows, self.masked, self.clear)
        self.wants_outcome = any(of_outcome) or self.kinds == ("outcome",)

    def matches(self, entry: Entry) -> bool:
        """Whether the entry is asked for."""
        if not self.session_matches(entry.session):
            return False
        if self.place and not self.is_place(entry.session, entry.ruling):
            return False
        if not self.wants_ruling if entry.ruling is None else self.ruling_matches(entry.ruling):
            return self.record_matches(entry)
        return False

    def session_matches(self, info: SessionInfo | None) -> bool:
        """Whether records of this session may be asked for."""
        if not self.wants_session:
            return True
        if info is None or any(getattr(info, name) != want for name, want in self._plain):
            return False
        if self.actor and self.actor not in info.actors:
            return False
        if self.group and self.group not in info.groups:
            return False
        if self.token and self.token != info.token_id:
            return False
        return not self.client or self._is_client(info.address)

    def ruling_matches(self, info: RulingInfo) -> bool:
        """Whether records of this statement may be asked for: columns and labels aside, which a result may add to."""
        if self.decision and self.decision != info.decision:
            return False
        if self.fingerprint and self.fingerprint != info.fingerprint:
            return False
        if self.policy and self.policy != info.generation:
            return False
        if self.rule and self.rule not in info.rules:
            return False
        if self.grant and (info.grant is None or self.grant != info.grant.name):
            return False
        if self.text and self.text.casefold() not in info.statement.casefold():
            return False
        if self.statement_kind and not any(starts(each, self.statement_kind) for each in info.kinds):
            return False
        return not self.table or any(names(each, self.table) for each in info.tables)

    def record_matches(self, entry: Entry) -> bool:
        """The conditions that neither the session nor the statement's shape answers."""
        if entry.time_ns < self.since or (self.until and entry.time_ns >= self.until):
            return False
        if self.kinds and entry.kind not in self.kinds:
            return False
        if self.approval and self.approval not in (entry.approval, str(entry.data.get("approval", ""))):
            return False
        if self.policy and entry.ruling is None and entry.data.get("generation") != self.policy:
            return False
        if self.tags and not set(self.tags) <= set(entry.tags or ()):
            return False
        if self.literal and not holds_literal(entry.literals, self.literal):
            return False
        if self.column and not any(names(each, self.column) for each in columns_of(entry)):
            return False
        if self.label and not any(each == self.label for each in labels_of(entry)):
            return False
        if (self.ticket or self.reason) and not self._is_declared(entry):
            return False
        return not self.wants_outcome or (
            entry.outcome is not None and self.outcome_matches(entry.outcome, entry.columns)
        )

    def outcome_matches(self, said: Outcome, columns: ColumnsInfo | None) -> bool:
        """The conditions on a result."""
        if self.status and self.status != said.status:
            return False
        if self.sqlstate and self.sqlstate != said.sqlstate:
            return False
        if said.rows < self.min_rows:
            return False
        if self.masked and not (columns and any(names(each[0], self.masked) for each in columns.masked)):
            return False
        return not self.clear or bool(columns and any(names(each, self.clear) for each in columns.clear))

    def _is_declared(self, entry: Entry) -> bool:
        said = entry.declared
        if said is None or (self.ticket and self.ticket != said.ticket):
            return False
        return self.reason.casefold() in said.reason.casefold()

    def _is_client(self, address: str) -> bool:
        host = address.rpartition(":")[0].strip("[]")
        if self._network is None:
            return self.client in (address, host)
        try:
            return ipaddress.ip_address(host) in self._network
        except ValueError:
            return False  # a socket file

    def is_place(self, session: SessionInfo | None, ruling: RulingInfo | None) -> bool:
        """Whether `place` is the session's environment or database, or a table of the statement."""
        if session is not None and self.place in (session.environment, session.database):
            return True
        return ruling is not None and any(names(each, self.place) for each in ruling.tables)


def columns_of(entry: Entry) -> Iterator[str]:
    """Columns that the statement reads or writes, or that its result showed."""
    if entry.ruling is not None:
        yield from entry.ruling.columns_read
        yield from entry.ruling.columns_written
    if entry.columns is not None:
        yield from entry.columns.clear
        yield from (each[0] for each in entry.columns.masked)


def labels_of(entry: Entry) -> Iterator[str]:
    """Labels of those columns."""
    if entry.ruling is not None:
        yield from (label for _, label in entry.ruling.labels)
    if entry.columns is not None:
        yield from (each[1] for each in entry.columns.masked)


def holds_literal(digests: bytes, wanted: bytes) -> bool:
    """Whether one of the digests, 8 bytes each, is this one."""
    at = digests.find(wanted)
    while at >= 0 and at % 8:
        at = digests.find(wanted, at + 1)
    return at >= 0


def names(full: str, wanted: str) -> bool:
    """Whether `wanted` is the name, or its last parts."""
    return full == wanted or full.endswith("." + wanted)


def starts(kind: str, wanted: str) -> bool:
    """Whether a statement kind is `wanted` or goes on from it by a word; capitals do not matter."""
    asked = wanted.upper()
    return kind == asked or kind.startswith(asked + " ")
