"""One use of an allowance: what an execution may change, and what it has changed, told once to who keeps the allowance."""

from collections.abc import Callable

Told = Callable[[int | None, bool], None]


class Use:
    """`told` is called once: with the rows, None where nobody knows them, and whether they were too many."""

    __slots__ = ("_told", "allowance", "rows_most")

    def __init__(self, allowance: str, rows_most: int, told: Told) -> None:
        self.allowance = allowance
        self.rows_most = rows_most
        self._told: Told | None = told

    def settle(self, rows: int | None, *, exceeded: bool = False) -> None:
        """What came of it; the first word counts."""
        told, self._told = self._told, None
        if told is not None:
            told(rows, exceeded)
