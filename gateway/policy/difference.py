"""What a new policy changes, in names: for the record of who could do what from when on."""

from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.policy.compile import Table


def difference(before: bytes, after: bytes) -> dict[str, Any]:
    """How two compiled policies (of this version's `compile`) differ: for grants, guardrails, access on request, masks and
    corrections of the classification the names that were added, removed, and changed with the keys that are different.
    Empty where nothing differs.
    """
    old, new = (msgspec.msgpack.decode(each, type=Table) for each in (before, after))
    parts = {
        "grants": _named(old.grants, new.grants),
        "guardrails": _named(old.guardrails, new.guardrails),
        "access": _named(old.access, new.access),
        "masks": _compared(
            {_one(each): each for each in old.masks}, {_one(each): each for each in new.masks}
        ),
        "classify": _compared(
            {_text(each): each for each in old.classify}, {_text(each): each for each in new.classify}
        ),
    }
    return {part: found for part, found in parts.items() if found}


def _named(old: Iterable[Any], new: Iterable[Any]) -> dict[str, Any]:
    return _compared({each.name: each for each in old}, {each.name: each for each in new})


def _one(mask: Any) -> str:
    return ", ".join(mask.labels)


def _text(rule: Any) -> str:
    return f"{rule.label}: {', '.join((*rule.columns, *rule.functions))}"


def _compared(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    changed = {
        name: [key for key in rule.__struct_fields__ if getattr(rule, key) != getattr(old[name], key)]
        for name, rule in new.items()
        if name in old and rule != old[name]
    }
    found = {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "changed": changed,
    }
    return {what: names for what, names in found.items() if names}
