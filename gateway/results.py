"""How the rows of one result go out: masked by plan, looked through where nobody knows better; and its audit card."""

from dataclasses import dataclass, field

from gateway.audit.defined import ColumnsCard
from gateway.audit.records import ColumnsInfo
from gateway.classify.learned import Learned
from gateway.masking.basis import MaskBasis
from gateway.masking.looks import Found, Watch, learned
from gateway.masking.plan import CopyPlan, RowPlan
from gateway.masking.row_keys import Keyed, of_copy, of_rows
from gateway.masking.subjects import nameless

CARDS_MAX = 64  # sets of what was found, remembered for one result


@dataclass(slots=True)
class ResultPlan:
    """One result, or COPY's rows, of a statement, over all its executions. `version`: of the catalogue by which it was made,
    for the result with this `description`. `watch`: of the columns that are looked through. `learned`: what it has told of
    them, until somebody takes it. `keyed`: the keys in it that are recorded, from the rows as the server sent them.
    `added`: how many of the last columns are keys that the gateway asked for, which the client does not see."""

    rows: RowPlan | CopyPlan
    card: ColumnsCard | None
    basis: MaskBasis
    description: bytes
    version: int
    watch: Watch | None
    keyed: Keyed | None = None
    added: int = 0
    learned: list[Learned] = field(default_factory=list)
    _nameless: bool | None = None
    _cards: dict[frozenset[Found], ColumnsCard | None] = field(default_factory=dict)

    def mask(self, frames: bytes) -> tuple[bytes, list[Found]]:
        """Whole frames as they may go out, and what was found in cells that nobody labelled. Raises ProtocolError."""
        rows, watch = self.rows, self.watch
        masked: bytes = rows.mask(frames)
        if watch is None:
            return masked, []
        if isinstance(rows, RowPlan):
            masked, found = watch.rows(masked, rows.columns)
        else:
            masked, found = watch.copied(masked, rows.columns, rows.dialect)
        if found:
            self._conclude(watch)
        return masked, found

    def nameless(self) -> bool:
        """Whether its rows tell of people whose keys are not in it."""
        if self._nameless is None:
            described = None if isinstance(self.rows, CopyPlan) else self.description
            self._nameless = nameless(self.basis, self.keyed, described, self.added)
        return self._nameless

    def _conclude(self, watch: Watch) -> None:
        """Columns that have turned out to be of one kind are masked whole from now on."""
        verdicts = watch.verdicts()
        for look, label in verdicts:
            self.rows = self.rows.with_whole(look, label, self.basis)
            told = learned(look, label, self.basis.catalog)
            if told is not None:
                self.learned.append(told)
        if verdicts:
            self.card = columns_card(self.rows.masked, self.rows.cleared)
            self._cards.clear()
            self.watch = watch.within(self.rows.looks)

    def card_with(self, found: frozenset[Found]) -> ColumnsCard | None:
        """The card of an execution in whose cells this was found."""
        if not found:
            return self.card
        if found not in self._cards:
            if len(self._cards) >= CARDS_MAX:
                self._cards.clear()
            self._cards[found] = columns_card((*self.rows.masked, *sorted(found)), self.rows.cleared)
        return self._cards[found]


def result(rows: RowPlan | CopyPlan, basis: MaskBasis, description: bytes = b"", added: int = 0) -> ResultPlan:
    """A result that nobody has executed yet. `rows` is without the columns that were added."""
    watch = Watch(rows.looks, basis.shown) if rows.looks else None
    card = columns_card(rows.masked, rows.cleared)
    keyed = of_copy(rows, basis) if isinstance(rows, CopyPlan) else of_rows(description, basis, added)
    return ResultPlan(rows, card, basis, description, basis.catalog.version, watch, keyed, added)


def columns_card(masked: tuple[Found, ...], cleared: tuple[str, ...]) -> ColumnsCard | None:
    """The audit's card of a result's columns; None where there is nothing to tell."""
    return ColumnsCard(ColumnsInfo(masked, cleared)) if masked or cleared else None
