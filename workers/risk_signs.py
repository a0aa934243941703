"""What a session knows of the risk of a statement that it holds."""

from collections.abc import Iterable, Sequence

from gateway.approvals.risk import ROWS_NOT_ASKED, ROWS_UNKNOWN, Signs
from gateway.policy.decision import Budget
from gateway.policy.rights import Rights
from gateway.scope import Ruling
from gateway.session import inflight
from gateway.session.session import Session


def of(session: Session, rulings: Sequence[Ruling]) -> Signs:
    """Of these statements, which wait together."""
    return Signs(
        unfiltered=any(one.facts.unfiltered for one in rulings),
        rows=_rows(one.decision.estimated_rows for one in rulings),
        clear=tuple(dict.fromkeys(label for one in rulings for label in _clear(one, session.scope.rights))),
        mismatch=tuple(dict.fromkeys(why for one in rulings for why in one.decision.mismatch)),
        weak=session.card.info.weak,
        budget=max((_used(session, each) for one in rulings for each in one.decision.limits.budgets), default=0.0),
    )


def _rows(estimates: Iterable[int | None]) -> int:
    asked = [one for one in estimates if one]
    if not asked:
        return ROWS_NOT_ASKED
    return ROWS_UNKNOWN if any(one >= inflight.ROWS_UNKNOWN for one in asked) else sum(asked)


def _clear(ruling: Ruling, rights: Rights) -> Iterable[str]:
    """The labels that are read and not masked."""
    info = ruling.card.info
    for column, label in info.labels:
        seen = {"*", label, column} & rights.unmask or (column, label) in rights.unmask_as
        if seen and column in info.columns_read:
            yield label


def _used(session: Session, budget: Budget) -> float:
    """Its share, as far as this session has looked at it."""
    purse = session.purses.get(budget)
    return 0.0 if purse is None else 1 - purse.left(session.now) / max(1, budget.most)
