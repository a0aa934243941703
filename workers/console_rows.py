"""What waits, as the console's pages show it: of what the desks tell of statements and of access, in words."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

STATES: Final = {
    "pending": "waiting",
    "approved": "approved",
    "denied": "denied",
    "expired": "too late",
    "withdrawn": "withdrawn",
    "revoked": "revoked",
    "over": "over",
}
_LINE_CHARACTERS_MAX: Final = 160


@dataclass(frozen=True, slots=True)
class Row:
    """One request. Times are POSIX seconds; `told` is all that the desk says of it."""

    id: str
    kind: str
    state: str
    title: str
    chain: str  # who asks, for whom
    where: str
    since: float
    until: float
    decided: float
    decided_by: str
    words: str  # of who decided
    reason: str
    approved_by: tuple[str, ...]
    told: Mapping[str, Any]

    @property
    def waits(self) -> bool:
        """Whether somebody is to decide."""
        return self.state == "pending"

    @property
    def state_words(self) -> str:
        """For people."""
        return "approved, has run" if self.told.get("ran") else STATES.get(self.state, self.state)


def row(told: Mapping[str, Any]) -> Row:
    """Of a statement or an access."""
    return _statement(told) if told["kind"] == "statement" else _access(told)


def _statement(told: Mapping[str, Any]) -> Row:
    on = f" on {', '.join(told['tables'])}" if told["tables"] else ""
    by = told["denied_by"] or ", ".join(told["approved_by"])
    words = told["decision"] or next((one["words"] for one in reversed(told["given"]) if one["words"]), "")
    return Row(
        id=told["id"],
        kind="statement",
        state=told["state"],
        title=line(f"{', '.join(told['kinds']) or 'statement'}{on}"),
        chain=chain(told["actors"], told["user"], told["account"]),
        where=_where(told["database"], told["environment"]),
        since=told["since"],
        until=told["until"],
        decided=told["decided"],
        decided_by=by,
        words=words,
        reason=_reason(told["reason"], told["ticket"]),
        approved_by=tuple(told["approved_by"]),
        told=told,
    )


def _access(told: Mapping[str, Any]) -> Row:
    asked = told["asked"]
    clear = f", {', '.join(asked['unmask'])} in clear" if asked["unmask"] else ""
    broken = "broken open: " if asked["break_glass"] else ""
    return Row(
        id=told["id"],
        kind="access",
        state=told["state"],
        title=line(f"{broken}access to {', '.join(asked['allow'])}{clear}, for {lasts(asked['seconds'])}"),
        chain=chain(told["actors"], told["user"], ""),
        where=_where(asked["database"], asked["environment"]),
        since=told["since"],
        until=told["decide_by"],
        decided=told["decided"],
        decided_by=told["decided_by"],
        words=told["decision"],
        reason=asked["reason"],
        approved_by=(),
        told=told,
    )


def chain(actors: list[str], user: str, account: str) -> str:
    """The principal in words: the agents, outermost first, and for whom they act."""
    words = f"{actors[0]} acts for {', which acts for '.join((*actors[1:], user))}" if actors else user
    return f"{words}, through the account {account}" if account else words


def _where(database: str, environment: str) -> str:
    return f"{database} ({environment})" if environment and environment != database else database


def _reason(reason: str, ticket: str) -> str:
    return f"{ticket}: {reason}" if ticket and reason else ticket or reason


def lasts(seconds: float) -> str:
    """A length of time in its two largest units."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for name, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {name}")
            left %= size
        elif parts:
            break
    return " ".join(parts) or "0 s"


def moment(seconds: float) -> str:
    """A time, as machines and people without scripts read it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ") if seconds else ""


def line(text: str) -> str:
    """One line of the queue."""
    return text if len(text) <= _LINE_CHARACTERS_MAX else f"{text[: _LINE_CHARACTERS_MAX - 1]}…"
