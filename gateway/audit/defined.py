"""What a chain holds in memory: facts that a segment says once and then names by a number, and intents without outcome.

Plain classes for the compiler (setup.py): each statement touches them.
"""

from gateway.audit.records import ColumnsInfo, Declared, RulingInfo, SessionInfo, Tags


class Card:
    """Facts that a segment defines once. `mark`, `number` and `encoded` belong to the chain."""

    __slots__ = ("encoded", "mark", "number")

    def __init__(self) -> None:
        self.mark: object = None
        self.number = 0
        self.encoded = b""


class SessionCard(Card):
    """A session's facts, held by whoever serves the session."""

    __slots__ = ("info",)

    def __init__(self, info: SessionInfo) -> None:
        super().__init__()
        self.info = info


class RulingCard(Card):
    """A decided statement shape, held beside the ruling it describes."""

    __slots__ = ("info",)

    def __init__(self, info: RulingInfo) -> None:
        super().__init__()
        self.info = info


class ColumnsCard(Card):
    """A result's columns, held beside the row plan."""

    __slots__ = ("info",)

    def __init__(self, info: ColumnsInfo) -> None:
        super().__init__()
        self.info = info


class Open:
    """An intent that has no outcome yet, with all that its outcome's record needs. `origin`: the prefix of its id where it
    belongs to another chain (recovery)."""

    __slots__ = ("approval", "declared", "literals", "origin", "ruling", "session", "tags", "time_ns")

    def __init__(
        self,
        time_ns: int,
        session: SessionCard,
        ruling: RulingCard,
        tags: Tags | None = None,
        approval: str = "",
        origin: str = "",
        literals: bytes = b"",
        declared: Declared | None = None,
    ) -> None:
        self.time_ns = time_ns
        self.session = session
        self.ruling = ruling
        self.tags = tags
        self.approval = approval
        self.origin = origin
        self.literals = literals
        self.declared = declared
