"""Errors by who is at fault, and the one table that maps them to SQLSTATEs."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """SQLSTATEs Sluice itself answers with (manual, appendix A)."""

    PROTOCOL = "08P01"
    UNREACHABLE = "08006"
    NOT_SIGNED_IN = "28000"
    BAD_TOKEN = "28P01"  # noqa: S105 - a code
    NO_DATABASE = "3D000"
    DENIED = "42501"
    TOO_MANY = "53300"
    DISK_FULL = "53100"
    BUDGET = "53400"
    CANCELLED = "57014"
    SHUTDOWN = "57P01"
    STARTING = "57P03"
    AUDIT = "58030"
    FEATURE = "0A000"
    VALUE = "22023"


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a statement or a sign-in does not pass, in the words the client reads.

    `message` names the rule; `hint` says how to mend the statement, never how to loosen the policy. Neither quotes a value.
    """

    sqlstate: str
    message: str
    hint: str = ""
    rule: str = ""


class Refusal(Exception):
    """Identity, policy or unreadable SQL said no; the session lives (a sign-in ends)."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused


class Unavailable(Refusal):
    """Our audit, policy or upstream cannot serve: fail closed, and say so."""


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """One mistake in a configuration file: where, what and how to mend it."""

    file: str
    line: int  # 0 where the file as a whole is meant
    key: str
    why: str
    mend: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.why}; {self.mend}"


class ConfigError(Exception):
    """The configuration or policy cannot be used; carries the first fault."""

    def __init__(self, fault: ConfigFault) -> None:
        super().__init__(str(fault))
        self.fault = fault
