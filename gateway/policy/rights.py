"""What one principal may do in one database at one moment: the answer of the policy's table at sign-in."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.policy.approving import Approval
from gateway.policy.rails import Rails
from gateway.policy.rules import Classify, Grant, Mask, RecordKeys
from gateway.policy.sides import Side

PRODUCTION = "production"


@dataclass(frozen=True, slots=True, eq=False)
class Rights:
    """Equal `key`s mean equal decisions and masks, whoever the principals are. Hashed and compared by `key`.

    `role` is the upstream role to be, None for the database's own user. `until`: POSIX seconds at which the table must
    be asked again because a grant begins or ends, or inf. `masks` has one rule for each label that a rule speaks of,
    the strictest; all other labels are redacted.

    `sides` has the grants that count, of each side whose rights meet here: of a person's session that one alone, of an
    agent's those of each agent of the chain, outermost first, and those of the person. `allow` and `unmask` are what all
    sides have; `unmask_as` has columns that are seen in clear as long as they carry the label. Of a person behind a shared
    account the account's sides come before his own.

    `lasting`: the words of all that the session may do for anybody; `nobody`: a grant counts for named persons alone, and
    nobody is named.
    """

    key: tuple[object, ...]
    role: str | None
    allow: frozenset[str]
    unmask: frozenset[str]
    unmask_as: frozenset[tuple[str, str]]  # column and label
    sides: tuple[Side, ...]
    guardrails: Rails
    masks: Mapping[str, Mask]  # by label
    classify: tuple[Classify, ...]
    until: float
    database: str
    environment: str
    generation: int
    lasting: frozenset[str]
    nobody: bool = False
    approvals: tuple[Approval, ...] = ()  # what is held needs the approval of each of these rules
    record_keys: tuple[RecordKeys, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rights) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def grants(self) -> tuple[Grant, ...]:
        """The grants of all sides, each once."""
        return tuple({one.name: one for side in self.sides for one in side}.values())

    @property
    def production(self) -> bool:
        """Whether the built-in guardrails of production hold here."""
        return self.environment.casefold() == PRODUCTION

    @property
    def everything(self) -> bool:
        """Whether every kind of statement is allowed (guardrails still hold)."""
        return "all" in self.allow

    @property
    def reads_only(self) -> bool:
        """Whether nothing but reading is allowed, to anybody whom the session may work for. Sessions then run read-only on
        the server too: what hides behind operators, casts, domains, views and functions cannot change rows there."""
        return self.lasting <= {"read"}

    @property
    def names_persons(self) -> bool:
        """Whether the session may name persons whom it works for."""
        return any(one.end_user is not None for one in self.grants)

    @property
    def replication(self) -> bool:
        """Whether the server may stream its changes: all of them, and every value in clear."""
        return self.everything and "*" in self.unmask

    def may(self, word: str) -> bool:
        """Whether read, write, ddl, admin or all is allowed."""
        return word in self.allow or self.everything
