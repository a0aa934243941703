"""What `sluice check` finds of the stores that gateways share. Nothing is made there."""

from collections.abc import Mapping
from typing import Any

from gateway.store_settings import Shared
from workers import configuration, store_schema
from workers.configuration import Loaded
from workers.store_connection import Away, StoreConnection


async def reach_all(loaded: Loaded, environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each that sluice.toml names: where it is, whether it can be used, and else why not."""
    found = []
    named: tuple[tuple[str, Shared], ...] = (("approvals", loaded.settings.approvals), ("fleet", loaded.settings.fleet))
    for name, table in named:
        where = configuration.store_target(loaded.file, name, table, environ)
        if where is None:
            continue
        hosts = ", ".join(f"{host}:{port}" for host, port in where.address.hosts)
        result = {"name": name, "address": f"{hosts}/{where.address.dbname}", "reached": False, "why": ""}
        connection = StoreConnection(lambda where=where: where, "sluice check")  # type: ignore[misc]
        try:
            await connection.run(lambda each: store_schema.review(each, loaded.secrets.fleet_digest))
            result["reached"] = True
        except Away as away:
            result["why"] = str(away)
        await connection.close()
        found.append(result)
    return found
