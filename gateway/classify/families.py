"""Tables that are one by inheritance or partitioning, and keys that repeat each other: their columns share their labels."""

from collections.abc import Iterable, Mapping

from gateway.classify.draft import Draft
from gateway.classify.verdicts import Place


def share(draft: Draft, inherits: Iterable[tuple[int, int]]) -> dict[int, frozenset[int]]:
    """Columns of one name are one column for parents and children: a label on one holds for all of the family. A correction
    on the topmost that has one wins over names, a correction on the column itself over all. The families, by each member."""
    parents: dict[int, list[int]] = {}
    families: dict[int, int] = {}

    def head(oid: int) -> int:
        while families.get(oid, oid) != oid:
            oid = families[oid]
        return oid

    for child, parent in inherits:
        if child in draft.tables and parent in draft.tables:
            parents.setdefault(child, []).append(parent)
            for oid in (child, parent):
                families.setdefault(oid, oid)
            families[head(child)] = head(parent)
    members: dict[int, list[int]] = {}
    for oid in families:
        members.setdefault(head(oid), []).append(oid)
    for family in members.values():
        family.sort(key=lambda oid: (len(_above(oid, parents)), oid))
        for name in {name for oid in family for name in draft.labels[oid]}:
            _share_one(draft, [oid for oid in family if name in draft.labels[oid]], name)
    return {oid: frozenset(family) for family in members.values() for oid in family}


def _share_one(draft: Draft, family: list[int], name: str) -> None:
    corrected = [oid for oid in family if (oid, name) in draft.fixed]
    labelled = [oid for oid in family if draft.labels[oid][name] is not None]
    source = next(iter(corrected or labelled), None)
    if source is None:
        draft.verdicts.share_scan((oid, name) for oid in family)
        return
    chosen = draft.labels[source][name]
    for oid in family:
        if (oid, name) not in draft.fixed and (corrected or draft.labels[oid][name] != chosen):
            draft.labels[oid][name] = chosen
            draft.verdicts.derive((oid, name), (source, name), f"as in {draft.tables[source].name}")
            if chosen is None:
                draft.verdicts.silent.add((oid, name))


def _above(oid: int, parents: Mapping[int, list[int]]) -> set[int]:
    """All ancestors."""
    found: set[int] = set()
    waiting = [oid]
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def refer(draft: Draft, references: Iterable[tuple[Place, Place]]) -> None:
    """A foreign key's columns hold the values of what they refer to."""
    waiting = [(child, parent) for child, parent in references if child[0] in draft.tables and parent[0] in draft.tables]
    moved = True
    while moved:
        moved = False
        for child, parent in waiting:
            labels, label = draft.labels[child[0]], draft.labels[parent[0]].get(parent[1])
            if label is not None and child not in draft.fixed and labels.get(child[1], label) is None:
                labels[child[1]] = label
                draft.verdicts.derive(child, parent, f"refers to {draft.tables[parent[0]].name}.{parent[1]}")
                moved = True
