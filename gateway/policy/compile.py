"""Policies to the bytes that workers map: one canonical form, so that equal rules give equal bytes and digests."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from gateway.channels import CONSOLE, route
from gateway.policy.access import Access
from gateway.policy.approving import Approval
from gateway.policy.rules import (
    INFERENCE,
    STRICTNESS,
    Classify,
    Grant,
    Guardrail,
    Inference,
    Mask,
    Policy,
    RecordKeys,
    merge,
)
from gateway.settings import Settings

FORMAT = 6  # of the table's bytes; a table of another format is refused
T = TypeVar("T", bound=msgspec.Struct)
KEEP_LAST = 4  # characters that "partial" leaves where a mask does not say


class Table(msgspec.Struct, frozen=True):
    """The compiled policy. Every tuple is sorted, `masks` has one entry for each label."""

    format: int
    grants: tuple[Grant, ...]
    guardrails: tuple[Guardrail, ...]
    approvals: tuple[Approval, ...]
    classify: tuple[Classify, ...]
    masks: tuple[Mask, ...]
    record_keys: tuple[RecordKeys, ...]
    notes: tuple[str, ...]
    access: tuple[Access, ...]


def compile(policies: Sequence[Policy], settings: Settings) -> bytes:
    """The table's bytes (msgpack). Raises ConfigError when two files give one name to two rules.

    The order of rules, files and names never changes the bytes. `settings` tell which databases, environments and
    issuers there are: rules that name others are noted.
    """
    policy = merge(policies)
    table = Table(
        format=FORMAT,
        grants=tuple(sorted((_sorted(rule) for rule in policy.grants), key=lambda rule: rule.name)),
        guardrails=tuple(sorted((_sorted(rule) for rule in policy.guardrails), key=lambda rule: rule.name)),
        approvals=tuple(sorted((_sorted(rule) for rule in policy.approvals), key=lambda rule: rule.name)),
        classify=tuple(sorted({_sorted(rule) for rule in policy.classify}, key=msgspec.json.encode)),
        masks=_strictest(policy.masks),
        record_keys=tuple(sorted({_sorted(rule) for rule in policy.record_keys}, key=msgspec.json.encode)),
        notes=tuple(sorted(set(_strangers(policy, settings)))),
        access=tuple(sorted((_sorted(rule) for rule in policy.access), key=lambda rule: rule.name)),
    )
    return msgspec.msgpack.encode(table)


def with_grants(policy: bytes, more: Iterable[Grant]) -> bytes:
    """A compiled policy with grants that no file holds: those that were given on request."""
    table = msgspec.msgpack.decode(policy, type=Table)
    grants = sorted((*table.grants, *(_sorted(rule) for rule in more)), key=lambda rule: rule.name)
    return msgspec.msgpack.encode(msgspec.structs.replace(table, grants=tuple(grants)))


def _sorted(rule: T) -> T:
    """The rule with its lists of names in one order and each name once."""
    lists = {key: value for key in rule.__struct_fields__ if isinstance(value := getattr(rule, key), tuple)}
    named = {key: value for key, value in lists.items() if all(isinstance(one, str) for one in value)}
    return msgspec.structs.replace(rule, **{key: tuple(sorted(set(names))) for key, names in named.items()})


def _strictest(masks: Iterable[Mask]) -> tuple[Mask, ...]:
    """One mask a label: the strictest method wins, of two partial ones that which leaves less, the largest group, and each
    by itself the strictest word on inference and the lowest budget."""
    chosen: dict[str, Mask] = {}
    inference: dict[str, Inference] = {}
    equality: dict[str, int] = {}
    for rule in masks:
        keep = KEEP_LAST if rule.keep_last is None else rule.keep_last
        for label in rule.labels:
            mask = Mask((label,), rule.method, keep if rule.method == "partial" else None, min_group=rule.min_group)
            known = chosen.get(label)
            if known is None:
                chosen[label] = mask
            else:
                least = max((one.min_group for one in (mask, known) if one.min_group is not None), default=None)
                stricter = mask if _rank(mask) > _rank(known) else known
                chosen[label] = msgspec.structs.replace(stricter, min_group=least)
            inference[label] = max(inference.get(label, rule.inference), rule.inference, key=INFERENCE.__getitem__)
            if rule.max_equality_per_hour is not None:
                equality[label] = min(equality.get(label, rule.max_equality_per_hour), rule.max_equality_per_hour)
    return tuple(
        msgspec.structs.replace(chosen[label], inference=inference[label], max_equality_per_hour=equality.get(label))
        for label in sorted(chosen)
    )


def _rank(mask: Mask) -> tuple[int, int]:
    return STRICTNESS[mask.method], -(mask.keep_last or 0)


def _strangers(policy: Policy, settings: Settings) -> list[str]:
    """Rules that name what this gateway does not have: a typing error, or meant for another gateway."""
    known = {
        "databases": {one.name for one in settings.databases},
        "environments": {one.environment for one in settings.databases},
        "issuers": settings.issuer_names,
    }
    notes: list[str] = []
    rules: list[Grant | Guardrail | Approval | Access] = [
        *policy.grants, *policy.guardrails, *policy.approvals, *policy.access
    ]
    for rule in rules:
        file, line = policy.places[rule.name]
        for key, names in known.items():
            if "*" in names:
                continue
            for name in getattr(rule, key, ()):
                if name != "*" and name not in names:
                    what = f'{key[:-1]} "{name}" is not in sluice.toml'
                    notes.append(f'{file}:{line}: "{rule.name}": {what}')
    asking: list[Approval | Access] = [*policy.approvals, *policy.access]
    for one in asking:
        file, line = policy.places[one.name]
        for word in dict.fromkeys((*one.channels, *(each for step in one.escalate for each in step.channels))):
            if word != CONSOLE and route(word, settings.channels) is None:
                what = f'channel "{word}" is not in sluice.toml, so nobody is told there'
                notes.append(f'{file}:{line}: "{one.name}": {what}')
    return notes
