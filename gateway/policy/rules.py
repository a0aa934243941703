"""policy.toml: grants, guardrails, approvals, corrections of the classification and masks, typed and checked.

The order of rules never means anything.
"""

import datetime
import re
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.errors import ConfigError, ConfigFault
from gateway.policy import access, approving, escalating
from gateway.policy.access import Access
from gateway.policy.approving import Approval
from gateway.policy.kinds import normalise, why_unknown
from gateway.toml_source import Path, convert, fail, lines_of, nearest_line, parse

Word = Literal["read", "write", "ddl", "admin", "all"]
Effect = Literal["deny", "hold", "warn", "slow", "stop"]
Loop = Literal["denied", "offset", "keys"]
Method = Literal["redact", "partial", "hash", "null", "clear"]
Inference = Literal["refuse", "allow_equality", "allow"]
EndUser = Literal["allowed", "required"]
Text = Annotated[str, Meta(min_length=1, max_length=1024)]
Names = tuple[Text, ...]
Count = Annotated[int, Meta(ge=1, le=2**53)]
Rows = Annotated[int, Meta(ge=0, le=2**53)]
When = Annotated[datetime.datetime, Meta(tz=True)]

STRICTNESS: dict[str, int] = {"clear": 0, "partial": 1, "hash": 2, "redact": 3, "null": 4}
INFERENCE: dict[str, int] = {"allow": 0, "allow_equality": 1, "refuse": 2}  # by strictness
LOOP_AFTER: dict[Loop, int] = {"denied": 3, "offset": 20, "keys": 200}
LOOP_WINDOW_SECONDS = 600
EQUALITY_PER_HOUR = 1000  # values compared with columns of one label, where no mask says another number

# How many of a value's last characters may stay with "partial", by label: as many as do not tell the person alone. Of a
# card, an account or a number it is what people compare; of an address of mail the end of its domain. Of the others any
# part may be all: a dose, a digit of a salary, a house number.
_KEPT_AT_MOST: dict[str, int] = {
    **dict.fromkeys(("card", "iban", "ssn", "phone", "email"), 4),
    **dict.fromkeys(("passport", "licence"), 2),
    "name": 1,
    **dict.fromkeys(
        ("dob", "address", "geo", "ip", "secret", "health", "salary", "biometric", "free_text", "derived", "unknown"), 0
    ),
}


def kept_at_most(label: str, keep: int) -> int:
    """What stays of `keep` characters under a label's safe maximum. A label of the policy's own making has none."""
    return min(keep, _KEPT_AT_MOST.get(label, keep))


BUILT_IN = "built-in"  # how the names of the rules start that no file holds

# Labels of what tells who somebody is, or is no number: there is no sum of it.
NO_MEASURES = frozenset(
    (
        *("email", "phone", "card", "iban", "ssn", "passport", "licence", "dob", "name", "address", "geo", "ip", "secret"),
        *("biometric", "free_text", "derived", "unknown"),
    )
)

_LABEL = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FUNCTION = re.compile(r'[^\s().]+(\.[^\s().]+)?(\([^()]*\))?')


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may come in where, to do what. Empty selectors mean any, but `actors`: empty means people only.

    A grant with `actors` is for agents: every actor of the chain must be listed, or the list holds "*".
    `end_user`: a session under it may name the person whom it works for ("allowed"), or does nothing before ("required").
    """

    name: Text
    allow: Annotated[tuple[Word, ...], Meta(min_length=1)]
    users: Names = ()
    groups: Names = ()
    actors: Names = ()
    issuers: Names = ()
    databases: Names = ()
    environments: Names = ()
    role: str = ""  # "": the database's own user
    unmask: Names = ()
    granted_by: str = ""
    reason: str = ""
    end_user: EndUser | None = None
    not_before: When | None = None
    expires: When | None = None
    max_rows_per_hour: Count | None = None
    max_bytes_per_hour: Count | None = None
    max_statements_per_minute: Count | None = None
    max_statements_per_hour: Count | None = None
    max_subjects_per_hour: Count | None = None
    max_rows_per_task: Count | None = None
    max_bytes_per_task: Count | None = None
    max_statements_per_task: Count | None = None
    max_subjects_per_task: Count | None = None
    max_statement_seconds: Annotated[float, Meta(gt=0, le=31_622_400)] | None = None
    max_affected_rows: Rows | None = None


class Guardrail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is stopped for whom. All conditions given must meet the statement; `actors` fits any actor of a chain.

    `statements` are kinds as in `parser.facts` ("DROP" fits "DROP TABLE"), "*" any. `tables` are "table" or
    "schema.table", `columns` one name more, `functions` "name" or "schema.name", whatever arguments stand behind it; * and ?
    are wildcards. `intent_mismatch`: it does something else than was declared before. With `max_affected_rows` the rule
    stops nothing by itself: it limits the rows that what meets its other conditions may change. With `loop` it speaks of
    what goes round in circles: the same refused statement, one shape with ever new OFFSETs, or with ever new values, the
    `after`th time within `window_seconds` and each time from then on; "slow" and "stop" are effects of such rules alone.
    """

    name: Text
    effect: Effect
    users: Names = ()
    groups: Names = ()
    actors: Names = ()
    databases: Names = ()
    environments: Names = ()
    statements: Names = ()
    without_where: bool = False
    tables: Names = ()
    columns: Names = ()
    functions: Names = ()
    min_estimated_rows: Count | None = None
    max_affected_rows: Rows | None = None
    intent_mismatch: bool = False
    loop: Loop | None = None
    after: Annotated[int, Meta(ge=2, le=10_000)] | None = None
    window_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    message: str = ""


class Classify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A correction: what the columns hold, or what the functions' results carry. Label "none": nothing sensitive."""

    label: Text
    columns: Names = ()
    functions: Names = ()


class Mask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How values of the labels are shown. `keep_last` characters stay with "partial". `min_group`: sums and averages are
    shown of groups of at least so many individuals.

    `inference`: what those who may not see them may have them decide: nothing, equality with values of their own
    (`max_equality_per_hour` of them for each person) and with a foreign key, or anything.
    """

    labels: Annotated[Names, Meta(min_length=1)]
    method: Method = msgspec.field(name="with", default="redact")
    keep_last: Annotated[int, Meta(ge=0, le=64)] | None = None
    inference: Inference = "allow_equality"
    max_equality_per_hour: Count | None = None
    min_group: Annotated[int, Meta(ge=2, le=1_000_000)] | None = None


class RecordKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which tables the audit keeps (digests of) the keys of the rows that a statement changes: those named, as a
    guardrail names them, and those with a column of one of the labels."""

    tables: Names = ()
    labels: Names = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    grant: tuple[Grant, ...] = ()
    guardrail: tuple[Guardrail, ...] = ()
    approval: tuple[Approval, ...] = ()
    access: tuple[Access, ...] = ()
    classify: tuple[Classify, ...] = ()
    mask: tuple[Mask, ...] = ()
    record_keys: tuple[RecordKeys, ...] = ()


class Policy(msgspec.Struct, frozen=True):
    """All rules of one or several files. `places` has file and line of every named rule."""

    grants: tuple[Grant, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    approvals: tuple[Approval, ...] = ()
    classify: tuple[Classify, ...] = ()
    masks: tuple[Mask, ...] = ()
    record_keys: tuple[RecordKeys, ...] = ()
    places: dict[str, tuple[str, int]] = {}
    access: tuple[Access, ...] = ()


def load(text: str, file: str) -> Policy:
    """The policy of one file. Raises ConfigError for the first mistake."""
    read = convert(parse(text, file), _File, text, file)
    places: dict[str, tuple[str, int]] = {}
    named: list[tuple[str, Grant | Guardrail | Approval | Access]] = [
        *(("grant", one) for one in read.grant),
        *(("guardrail", one) for one in read.guardrail),
        *(("approval", one) for one in read.approval),
        *(("access", one) for one in read.access),
    ]
    counts: dict[str, int] = {}
    lines = lines_of(text)
    for kind, rule in named:
        path: Path = (kind, counts.setdefault(kind, 0))
        counts[kind] += 1
        _name(rule.name, path, places, text, file)
        places[rule.name] = (file, nearest_line(lines, path))
        _strings(rule, path, text, file)
        if isinstance(rule, Grant):
            _grant(rule, path, text, file)
        elif isinstance(rule, Guardrail):
            _guardrail(rule, path, text, file)
        elif isinstance(rule, Access):
            access.check(rule, path, text, file)
            escalating.check(rule.escalate, access.WAIT_SECONDS, "the day that a request waits", path, text, file)
        else:
            approving.check(rule, path, text, file)
    for index, correction in enumerate(read.classify):
        _classify(correction, ("classify", index), text, file)
    for index, mask in enumerate(read.mask):
        _mask(mask, ("mask", index), text, file)
    for index, kept in enumerate(read.record_keys):
        _record_keys(kept, ("record_keys", index), text, file)
    guardrails = tuple(
        msgspec.structs.replace(one, statements=tuple(normalise(kind) for kind in one.statements))
        for one in read.guardrail
    )
    return Policy(
        read.grant, guardrails, read.approval, read.classify, read.mask, read.record_keys, places, read.access
    )


def merge(policies: Sequence[Policy]) -> Policy:
    """Several files' rules as one policy. Raises ConfigError when two files give one name to two rules."""
    places: dict[str, tuple[str, int]] = {}
    for one in policies:
        for name, (file, line) in one.places.items():
            if name in places:
                other, there = places[name]
                why = f'the name "{name}" is taken by {other}:{there}'
                raise ConfigError(ConfigFault(file, line, "name", why, "give the rule another name"))
            places[name] = (file, line)
    return Policy(
        grants=tuple(rule for one in policies for rule in one.grants),
        guardrails=tuple(rule for one in policies for rule in one.guardrails),
        approvals=tuple(rule for one in policies for rule in one.approvals),
        classify=tuple(rule for one in policies for rule in one.classify),
        masks=tuple(rule for one in policies for rule in one.masks),
        record_keys=tuple(rule for one in policies for rule in one.record_keys),
        places=places,
        access=tuple(rule for one in policies for rule in one.access),
    )


def _name(name: str, path: Path, places: dict[str, tuple[str, int]], text: str, file: str) -> None:
    if name in places:
        why = f'the name "{name}" is taken by the rule of line {places[name][1]}'
        fail(text, file, (*path, "name"), why, "give each rule a name of its own")
    if name != name.strip() or len(name) > 200:
        fail(text, file, (*path, "name"), "not a name to print in one line", "trim it to 200 characters")
    if name.casefold().startswith(BUILT_IN):
        fail(text, file, (*path, "name"), f'"{BUILT_IN}" starts the names of built-in rules', "choose another name")


def _strings(rule: Grant | Guardrail | Approval | Access, path: Path, text: str, file: str) -> None:
    """Every string of a rule may end up in an error message, a packet to the server or a terminal."""
    for key in rule.__struct_fields__:
        value = getattr(rule, key)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, str) and not one.isprintable():
                fail(text, file, (*path, key), "it holds a control character", "write it in one plain line")


def _grant(rule: Grant, path: Path, text: str, file: str) -> None:
    for index, target in enumerate(rule.unmask):
        if target != "*" and "." not in target and not _LABEL.fullmatch(target):
            mend = 'give a label ("email"), a column ("public.customers.phone") or "*"'
            fail(text, file, (*path, "unmask", index), "neither a label nor a column", mend)
    for key in ("not_before", "expires"):
        moment: datetime.datetime | None = getattr(rule, key)
        if moment is not None and not 1970 <= moment.year <= 9998:
            fail(text, file, (*path, key), "it is out of this time", "give a moment like 2027-01-01T00:00:00Z")
    if rule.not_before and rule.expires and rule.not_before >= rule.expires:
        why = "the grant ends before it begins"
        fail(text, file, (*path, "expires"), why, "set expires later than not_before")
    if rule.role.casefold() in ("none", "default", "public"):
        fail(text, file, (*path, "role"), "not the name of a role that can sign in", "name an upstream role")


def _guardrail(rule: Guardrail, path: Path, text: str, file: str) -> None:
    conditions = (rule.statements, rule.tables, rule.columns, rule.functions)
    numbers = (rule.min_estimated_rows, rule.max_affected_rows)
    if _loop(rule, path, text, file):
        pass
    elif not any(conditions) and not rule.without_where and not rule.intent_mismatch and numbers == (None, None):
        mend = 'add statements = ["DROP"], without_where = true, intent_mismatch = true, tables, columns or functions'
        fail(text, file, path, "it looks at nothing", mend)
    if rule.max_affected_rows is not None:
        if rule.effect != "deny":
            why = "a change of too many rows is taken back, and cannot be held or warned of any more"
            fail(text, file, (*path, "effect"), why, 'set effect = "deny"')
        if rule.min_estimated_rows is not None:
            mend = "make two rules of it"
            fail(text, file, (*path, "max_affected_rows"), "min_estimated_rows stands beside it", mend)
    for index, kind in enumerate(rule.statements):
        if why := why_unknown(kind):
            fail(text, file, (*path, "statements", index), "no statement starts like this", why)
    for index, column in enumerate(rule.columns):
        if column.count(".") not in (1, 2):
            mend = 'write it as "customers.email" or "public.customers.email"'
            fail(text, file, (*path, "columns", index), "not a column of a table", mend)
    _tables(rule.tables, path, text, file)
    for index, name in enumerate(rule.functions):
        if not _FUNCTION.fullmatch(name):
            mend = 'write it as "name", "schema.name" or "schema.name(integer)"'
            fail(text, file, (*path, "functions", index), "not a function", mend)


def _loop(rule: Guardrail, path: Path, text: str, file: str) -> bool:
    """Whether it is a rule on loops."""
    if rule.loop is None:
        if rule.effect in ("slow", "stop"):
            mend = 'add loop = "denied", "offset" or "keys", or set effect = "deny"'
            fail(text, file, (*path, "effect"), f'"{rule.effect}" is for what goes round in circles', mend)
        for key in ("after", "window_seconds"):
            if getattr(rule, key) is not None:
                fail(text, file, (*path, key), "it counts what a loop does", 'add loop = "denied", "offset" or "keys"')
        return False
    if rule.effect == "warn":
        mend = 'set effect = "slow", "hold", "deny" or "stop"'
        fail(text, file, (*path, "effect"), "a loop does not read warnings", mend)
    for key in ("min_estimated_rows", "max_affected_rows", "intent_mismatch"):
        if getattr(rule, key):
            fail(text, file, (*path, key), "loop stands beside it", "make two rules of it")
    return True


def _tables(names: Names, path: Path, text: str, file: str) -> None:
    for index, name in enumerate(names):
        if name.count(".") > 1 or "(" in name:
            mend = 'write it as "name" or "schema.name"'
            fail(text, file, (*path, "tables", index), "not a table", mend)


def _labels(names: Names, path: Path, text: str, file: str) -> None:
    for index, label in enumerate(names):
        if not _LABEL.fullmatch(label) or label == "none":
            fail(text, file, (*path, "labels", index), "not a label", 'use a word like "email"')


def _record_keys(rule: RecordKeys, path: Path, text: str, file: str) -> None:
    if not rule.tables and not rule.labels:
        fail(text, file, path, "it names no table", "add tables or labels")
    _tables(rule.tables, path, text, file)
    _labels(rule.labels, path, text, file)


def _classify(rule: Classify, path: Path, text: str, file: str) -> None:
    if not _LABEL.fullmatch(rule.label):
        mend = 'use a word like "email", or "none"'
        fail(text, file, (*path, "label"), "not a label", mend)
    if not rule.columns and not rule.functions:
        fail(text, file, path, "it names nothing to classify", "add columns or functions")
    for index, column in enumerate(rule.columns):
        if column.count(".") not in (1, 2):
            mend = 'write it as "public.customers.loyalty_code"'
            fail(text, file, (*path, "columns", index), "not a column of a table", mend)
    for index, function in enumerate(rule.functions):
        if not _FUNCTION.fullmatch(function):
            mend = 'write it as "public.order_total(integer)"'
            fail(text, file, (*path, "functions", index), "not a function", mend)


def _mask(rule: Mask, path: Path, text: str, file: str) -> None:
    _labels(rule.labels, path, text, file)
    if rule.keep_last is not None and rule.method != "partial":
        mend = 'set with = "partial" or take keep_last out'
        fail(text, file, (*path, "keep_last"), f'it means nothing with "{rule.method}"', mend)
    if rule.max_equality_per_hour is not None and rule.inference != "allow_equality":
        mend = 'set inference = "allow_equality" or take max_equality_per_hour out'
        fail(text, file, (*path, "max_equality_per_hour"), f'it means nothing with "{rule.inference}"', mend)
    if rule.min_group is not None:
        for index, label in enumerate(rule.labels):
            if label in NO_MEASURES:
                mend = "give amounts and measures a rule of their own"
                fail(text, file, (*path, "labels", index), f'min_group means nothing to "{label}"', mend)
