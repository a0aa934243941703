"""Requests that wait and are alike: one person's, of one shape. The one that waits longest stands for them."""

from collections.abc import Iterator

from gateway.approvals.statements import Held


class Groups:
    """All that wait, by shape: who asks is part of that."""

    def __init__(self) -> None:
        self._ids: dict[bytes, dict[str, Held]] = {}

    def add(self, held: Held) -> None:
        """It waits; or it still does, and is another by now."""
        self._ids.setdefault(held.shape, {})[held.id] = held

    def drop(self, held: Held) -> None:
        """It waits no more."""
        group = self._ids.get(held.shape)
        if group is not None:
            group.pop(held.id, None)
            if not group:
                del self._ids[held.shape]

    def __iter__(self) -> Iterator[Held]:
        return iter([held for group in self._ids.values() for held in group.values()])

    def known(self, held: Held) -> Held | None:
        """The same as it was when it was added last."""
        return self._ids.get(held.shape, {}).get(held.id)

    def count(self, held: Held) -> int:
        """How many of its group wait, itself among them if it does."""
        return len(self._ids.get(held.shape, ()))

    def alike(self, held: Held) -> tuple[str, ...]:
        """Their ids, the longest waiting first."""
        return tuple(one.id for one in sorted(self._ids.get(held.shape, {}).values(), key=_age))

    def lead(self, held: Held) -> Held | None:
        """The one that stands for its group; None where nobody of it waits."""
        return min(self._ids.get(held.shape, {}).values(), key=_age, default=None)


def _age(held: Held) -> tuple[float, str]:
    return held.since, held.id
