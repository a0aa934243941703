"""Questions to the policy, answered in the way the gateway decides: one scope, read from the real catalogue or made up."""

from collections.abc import Iterable
from typing import Any

import trio

from gateway.classify.catalog import Catalog
from gateway.errors import Refusal
from gateway.identity.declaration import read_text
from gateway.identity.principal import Principal
from gateway.policy.explain import explain
from gateway.policy.rights import Rights
from gateway.policy.rules import Classify
from gateway.policy.table import PolicyTable
from gateway.scope import Ruling, Scope
from gateway.session.paths import path
from gateway.settings import Database
from workers import catalog
from workers.catalogs import address
from workers.configuration import Loaded
from workers.learned import labels_at_rest, labels_dir
from workers.samples import Samples
from workers.targets import target
from workers.upstream import Target, Upstream, connect

SAMPLE_SECONDS = 10.0  # for a look from beside the gateway
_NAMED = ("application_name", "sluice")
OWN_SESSION = [_NAMED, ("search_path", ""), ("client_encoding", "UTF8")]  # for reading catalogues


def read_database(loaded: Loaded, database: Database, rights: Rights) -> tuple[Catalog, tuple[str, ...] | None]:
    """The database's catalogue, and the search_path that a session with these rights begins with (None: not certain).

    Raises Refusal when the database, or the role of the rights in it, cannot be reached.
    """
    return trio.run(_read_database, loaded, database, rights)


async def _read_database(
    loaded: Loaded, database: Database, rights: Rights
) -> tuple[Catalog, tuple[str, ...] | None]:
    where = target(database, loaded.secrets, loaded.folder)
    role = [] if rights.role is None else [("role", rights.role)]
    session = await connect(where, [_NAMED, *role])
    try:
        search_path = await _search_path(session, rights.role or database.user)
    finally:
        await session.close()
    upstream = await connect(where, OWN_SESSION)
    try:
        return await read_catalog(upstream, where, loaded, rights.classify), search_path
    finally:
        await upstream.close()


async def read_catalog(
    upstream: Upstream,
    where: Target,
    loaded: Loaded,
    corrections: Iterable[Classify],
    sample_seconds: float = SAMPLE_SECONDS,
) -> Catalog:
    """The catalogue with all that the gateway knows: samples of the rows, and the labels that columns learned. Raises
    Refusal."""
    labels = labels_at_rest(labels_dir(loaded.audit_dir), await catalog.identity(upstream) or address(where))
    return await catalog.read(upstream, 0, corrections, labels, Samples(), sample_seconds)


async def _search_path(session: Upstream, user: str) -> tuple[str, ...] | None:
    ((value,),) = await session.query("SHOW search_path")
    return path((value or b"").decode("utf-8", "replace"), user)


def sign_in(
    policy: PolicyTable, principal: Principal, database: Database, now: float
) -> Rights | dict[str, Any]:
    """The rights of the principal, or the explanation of why there are none."""
    try:
        return policy.rights(principal, database.name, database.environment, now, 0)
    except Refusal as refusal:
        where = {"database": database.name, "environment": database.environment}
        return {**where, "sign_in": refusal.refused.message, "statements": []}


def explained(
    scope: Scope, sql: str, estimated_rows: int | None = None, intent: str = ""
) -> dict[str, Any]:
    """As `gateway.policy.explain`, with "mask" in every column: how its values are shown, "clear" for unchanged, "group of
    10" where values of smaller groups are NULL.

    `estimated_rows`: the planner's estimate where a rule wants one. `intent`: what SET sluice.reason declared before.
    """
    rulings = scope.declaring(scope.script(sql.encode()), read_text(intent)).rulings
    if estimated_rows is not None:
        rulings = tuple(
            scope.estimated(one, estimated_rows) if one.decision.wants_estimate else one for one in rulings
        )
    found = explain(((one.facts, one.decision) for one in rulings), scope.rights, scope.catalog)
    for ruling, statement in zip(rulings, found["statements"], strict=True):
        _add_masks(ruling, statement)
    if len(rulings) == 1:  # of several in one text no aggregate is guarded
        for group in rulings[0].groups:
            found["statements"][0]["columns"][group.output]["mask"] = group.mask
    return found


def _add_masks(ruling: Ruling, statement: dict[str, Any]) -> None:
    masks = ruling.basis
    for output, column in zip(ruling.facts.outputs or (), statement["columns"] or (), strict=True):
        hidden = [source for source in masks.lineage(output) if not masks.visible(source)]
        column["mask"] = masks.method(hidden)[0] if hidden else "clear"
