"""What a channel is given of a request, and what it brings back of a decision.

A view holds literals: it lives in memory alone, no repr shows them, and of what was decided only `without_values` is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

Kind = Literal["statement", "access"]
State = Literal["open", "approved", "denied", "expired", "withdrawn"]
Change = Literal["approval.given", "request.escalated", "request.grouped"]
Risk = Literal["", "low", "medium", "high", "critical"]
WORDS_CHARACTERS_MAX: Final = 1000
ID_CHARACTERS_MAX: Final = 64


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A request as approvers see it. Times are POSIX seconds.

    `statement` and `parameters` hold literals, `samples` rows of its preview; `shape` is the statement without them, and
    `outcome` tells without any what it would change. `channels` are the words of the approval rules, "slack:#db-approvals".
    `approver_users` and `approver_groups` are those whom the rules name.
    """

    id: str
    kind: Kind
    title: str
    user: str
    issuer: str
    database: str
    environment: str
    since: float
    until: float
    channels: tuple[str, ...]
    actors: tuple[str, ...] = ()  # the chain of agents, outermost first
    account: str = ""
    reason: str = ""
    ticket: str = ""
    statement: str = ""
    parameters: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    outcome: tuple[str, ...] = ()
    shape: str = ""
    tables: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    words: str = ""  # what the rules say of it
    risk: Risk = ""
    risk_why: str = ""
    in_transaction: bool = False
    url: str = ""  # of its page on the console
    approvals: tuple[str, ...] = ()  # names of the approval rules
    approver_users: tuple[str, ...] = ()
    approver_groups: tuple[str, ...] = ()
    needed: int = 1
    given: int = 0
    alike: int = 1  # how many wait that are alike, this one among them
    since_last: tuple[str, ...] = ()  # what is new against the last one that was approved
    changed: float = 0.0  # when it became what it is, if it was told as something else before
    state: State = "open"
    decided_by: str = ""
    decided_words: str = ""

    def __repr__(self) -> str:
        return f"<View {self.id} {self.state}>"

    def without_values(self) -> "View":
        """The same without any literal."""
        return msgspec.structs.replace(self, statement="", parameters=(), samples=())

    @property
    def who(self) -> str:
        """The requester in one line: the agents, then for whom."""
        chain = " for ".join((*self.actors, self.user))
        return f"{chain} (through {self.account})" if self.account else chain


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody who decides, and how it was proven that it is he. `actors`: agents in between; such never decide."""

    user: str
    issuer: str
    groups: tuple[str, ...]
    how: str  # "slack", "token", …
    actors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a decision. Not `ok`: `words` say why to whoever decided."""

    ok: bool
    words: str = ""


Evidence = Mapping[str, str]  # of how a decision came in, for the record: nothing secret


def plain(text: str, characters_max: int) -> str:
    """One line without control characters and without what turns the direction of writing, cut."""
    line = "".join(char if char.isprintable() else " " for char in cut(text, characters_max))
    return " ".join(line.split())


def cut(text: str, characters_max: int) -> str:
    """The text, or its beginning and how long it was. Texts may be megabytes: this comes before whatever looks at each
    character."""
    if len(text) <= characters_max:
        return text
    more = f"… ({len(text)} characters)"
    return text[: max(0, characters_max - len(more))] + more
