"""What in a policy cannot do what its author meant: rules that never match, grants that nothing bounds.

Warnings, never errors: a rule may be meant for a database that is still to come.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.classify.catalog import Catalog, CatalogTable
from gateway.classify.system import DERIVED
from gateway.classify.vocabulary import PHRASES
from gateway.policy.decision import STRICTNESS
from gateway.policy.kinds import unheard
from gateway.policy.reach import fits_column, fits_function, fits_relation, is_wild
from gateway.policy.rights import PRODUCTION
from gateway.policy.rules import Grant, Guardrail, Policy, kept_at_most
from gateway.policy.shadows import beaten
from gateway.settings import Database, Settings
from parser.facts import Column, Relation

_UNKNOWN = "unknown"  # the label of what is not proven clear: only "*" unmasks it
_LABELS = frozenset(PHRASES) | {DERIVED, "free_text", "secret"}
_CHANGING = frozenset(("write", "ddl", "admin", "all"))
_BOUNDS = (
    "max_rows_per_hour", "max_bytes_per_hour", "max_statements_per_minute", "max_statements_per_hour",
    "max_subjects_per_hour", "max_rows_per_task", "max_bytes_per_task", "max_statements_per_task", "max_subjects_per_task",
    "max_statement_seconds", "max_affected_rows",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Doubt:
    """One warning. `line` is 0 and `rule` "" where no named rule is meant."""

    file: str
    line: int
    rule: str
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else ""
        return f'{place}"{self.rule}": {self.what}' if self.rule else f"{place}{self.what}"


@dataclass(frozen=True, slots=True)
class _Review:
    policy: Policy
    settings: Settings
    catalogs: Mapping[str, Catalog]  # by the database's name
    now: float
    found: list[Doubt]
    stricter: Mapping[str, Sequence[Guardrail]]  # by effect: the guardrails that one of this effect could be beaten by

    def doubt(self, rule: str, what: str) -> None:
        file, line = self.policy.places.get(rule, ("", 0))
        self.found.append(Doubt(file, line, rule, what))


def review(policy: Policy, settings: Settings, catalogs: Mapping[str, Catalog], now: float) -> list[Doubt]:
    """The warnings over all rules. `catalogs`: of the databases that could be reached, by their names; where one of those
    that a rule speaks of is missing, its tables and columns are not looked for. `now`: POSIX seconds."""
    stricter = {
        effect: [one for one in policy.guardrails if one.loop is None and STRICTNESS[one.effect] > rank]
        for effect, rank in STRICTNESS.items()
    }
    seen = _Review(policy, settings, catalogs, now, [], stricter)
    for grant in policy.grants:
        _grant(seen, grant)
    for rail in policy.guardrails:
        _guardrail(seen, rail)
    _approvals(seen)
    _labels(seen)
    _corrections(seen)
    return seen.found


def _grant(seen: _Review, grant: Grant) -> None:
    places = _places(seen, grant)
    if not places:
        seen.doubt(grant.name, _NOWHERE)
    issuers = seen.settings.issuer_names
    if grant.issuers and "*" not in grant.issuers and issuers.isdisjoint(grant.issuers):
        seen.doubt(grant.name, "it can never match: sluice.toml has none of its issuers")
    if grant.expires is not None and grant.expires.timestamp() <= seen.now:
        seen.doubt(grant.name, f"it can never match any more: it ended on {grant.expires:%Y-%m-%d}")
    elif places:
        _bounded(seen, grant, places)
        if grant.actors:
            _agents(seen, grant, places)
    labels = _LABELS | {rule.label for rule in seen.policy.classify}
    for target in grant.unmask:
        if target == "*":
            continue
        if "." not in target:
            if target not in labels:
                why = 'only "*" reaches it' if target == _UNKNOWN else "no column can have it"
                seen.doubt(grant.name, f'unmask: the label "{target}" does nothing: {why}')
        elif target.count(".") != 2:
            seen.doubt(grant.name, f'unmask: "{target}" names no column: write "schema.table.column"')
        elif not _exists(seen, places, _column(target)):
            seen.doubt(grant.name, f'unmask: no database has the column "{target}"')


def _agents(seen: _Review, grant: Grant, places: list[Database]) -> None:
    """An agents' grant allows what its people may do themselves: without a grant of theirs it does nothing."""
    theirs = [
        one
        for one in seen.policy.grants
        if not one.actors
        and _same_people(grant, one)
        and (one.expires is None or one.expires.timestamp() > seen.now)
        and any(place in places for place in _places(seen, one))
    ]
    if not theirs:
        seen.doubt(grant.name, "it can never count: none of its people have a grant of their own there")
        return
    allowed = {word for one in theirs for word in one.allow}
    idle = [word for word in grant.allow if word not in allowed]
    if idle and "all" not in (*allowed, *grant.allow):  # "all": whatever they may themselves
        seen.doubt(grant.name, f"allow: {', '.join(idle)} can never count: none of its people may do so themselves there")


def _same_people(one: Grant, other: Grant) -> bool:
    """Whether both may speak of one person. Which users are in which groups is not known."""
    return all(
        _overlap(mine, theirs)
        for mine, theirs in ((one.users, other.users), (one.groups, other.groups), (one.issuers, other.issuers))
    )


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return not one or not other or "*" in one or "*" in other or not set(one).isdisjoint(other)


def _bounded(seen: _Review, grant: Grant, places: list[Database]) -> None:
    """A grant to change something outside production that no guardrail speaks of and that has no limit of its own."""
    if _CHANGING.isdisjoint(grant.allow) or any(getattr(grant, key) is not None for key in _BOUNDS):
        return
    rails = [one for one in seen.policy.guardrails if one.effect != "warn" and one.loop is None and _meet(grant, one)]
    for place in places:
        if place.environment.casefold() == PRODUCTION:
            continue
        if not any(place in _places(seen, rail) for rail in rails):
            words = ", ".join(sorted(_CHANGING.intersection(grant.allow)))
            what = f'nothing bounds it in database "{place.name}": it allows {words}, and no guardrail or limit speaks of it'
            seen.doubt(grant.name, what)
            return


def _guardrail(seen: _Review, rail: Guardrail) -> None:
    places = _places(seen, rail)
    if not places:
        seen.doubt(rail.name, _NOWHERE)
    strange = [(kind, near) for kind in rail.statements if (near := unheard(kind))]
    for kind, near in strange:
        never = "it can never match: " if len(strange) == len(rail.statements) else ""
        seen.doubt(rail.name, f'{never}no statement has the kind "{kind}", the nearest is "{near}"')
    wanted: list[tuple[str, tuple[str, ...], Callable[[str], Callable[[Catalog], bool]]]] = [
        ("table", rail.tables, _table), ("column", rail.columns, _column), ("function", rail.functions, _function),
    ]  # fmt: skip
    for what, names, pattern in wanted:
        missing = [name for name in names if not _exists(seen, places, pattern(name))]
        for name in missing:
            never = "it can never match: " if len(missing) == len(names) else ""
            seen.doubt(rail.name, f'{never}no database has the {what} "{name}"')
    by = beaten(rail, seen.stricter.get(rail.effect, ()), all(one.environment.casefold() == PRODUCTION for one in places))
    if by and places:
        seen.doubt(rail.name, f'it can never decide: "{by}" is stricter and speaks of all that it speaks of')


def _approvals(seen: _Review) -> None:
    for rail in seen.policy.guardrails:
        if rail.effect == "hold" and not rail.loop and not seen.policy.approvals:
            seen.doubt(rail.name, "what it holds is denied: no [[approval]] rule says who releases it")
    holds = any(one.effect == "hold" for one in seen.policy.guardrails)
    if holds or any(one.environment.casefold() == PRODUCTION for one in seen.settings.databases):
        return
    for approval in seen.policy.approvals:
        seen.doubt(approval.name, "it can never be asked: no guardrail holds anything, and no database is production")


def _labels(seen: _Review) -> None:
    labels = _LABELS | {rule.label for rule in seen.policy.classify}
    for mask in seen.policy.masks:
        for label in mask.labels:
            if label not in labels:
                seen.doubt("", f'a mask for the label "{label}" does nothing: no column can have it')
            most = kept_at_most(label, mask.keep_last or 0)
            if most < (mask.keep_last or 0):
                what = f"{mask.keep_last} characters would tell too much, {most} stay"
                seen.doubt("", f'the mask for the label "{label}" keeps less than keep_last says: {what}')


def _corrections(seen: _Review) -> None:
    """A correction speaks of all databases."""
    places = list(seen.settings.databases)
    for rule in seen.policy.classify:
        for column in rule.columns:
            if column.count(".") != 2:
                seen.doubt("", f'classify: "{column}" names no column: write "schema.table.column"')
            elif not _exists(seen, places, _column(column)):
                seen.doubt("", f'classify: no database has the column "{column}"')
        for function in rule.functions:
            if not _exists(seen, places, _function(function)):
                seen.doubt("", f'classify: no database has the function "{function}"')


_NOWHERE = "it can never match: no database of sluice.toml is among its databases and environments"


def _places(seen: _Review, rule: Grant | Guardrail) -> list[Database]:
    """The databases it speaks of. The entry "*" stands for every name that has no entry."""
    named = {one.name for one in seen.settings.databases}
    found = []
    for one in seen.settings.databases:
        if rule.environments and "*" not in rule.environments and one.environment not in rule.environments:
            continue
        others = one.name == "*" and any(name not in named for name in rule.databases)
        if not rule.databases or "*" in rule.databases or one.name in rule.databases or others:
            found.append(one)
    return found


def _meet(grant: Grant, rail: Guardrail) -> bool:
    """Whether the guardrail may speak of somebody whom the grant lets in. Which users are in which groups is not known."""
    if rail.actors and not grant.actors:
        return False
    return all(
        _overlap(one, other)
        for one, other in (
            (grant.users, rail.users),
            (grant.groups, rail.groups),
            (grant.actors, rail.actors),
        )
    )


def _exists(seen: _Review, places: Iterable[Database], has: Callable[[Catalog], bool]) -> bool:
    """Whether one of the databases has it; taken for true where not all of them could be looked into."""
    names = [one.name for one in places]
    if not names or any(name == "*" or name not in seen.catalogs for name in names):
        return True
    return any(has(seen.catalogs[name]) for name in names)


def _table(pattern: str) -> Callable[[Catalog], bool]:
    return lambda catalog: any(
        fits_relation(pattern, Relation(one.schema, one.name)) for one in _named(catalog, pattern)
    )


def _column(pattern: str) -> Callable[[Catalog], bool]:
    table = pattern.rpartition(".")[0]
    return lambda catalog: any(
        fits_column(pattern, Column(Relation(one.schema, one.name), column.name))
        for one in _named(catalog, table)
        for column in one.columns
    )


def _function(pattern: str) -> Callable[[Catalog], bool]:
    name = pattern.partition("(")[0].rpartition(".")[2]

    def has(catalog: Catalog) -> bool:
        found = catalog.functions.values() if is_wild(name) else (catalog.functions.get(name, ()),)
        return any(fits_function(pattern, one.schema, one.name) for named in found for one in named)

    return has


def _named(catalog: Catalog, pattern: str) -> Iterable[CatalogTable]:
    """The tables that a pattern may fit: without a wildcard those of its name, of however many there are."""
    name = pattern.rpartition(".")[2]
    return catalog.tables.values() if is_wild(name) else catalog.names.get(name, ())
