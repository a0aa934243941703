"""What `sluice check` says of a store that gateways share."""

from pathlib import Path

import pytest

from tests.workers.fleet_rig import configured
from tests.workers.store_rig import DIGEST, StoreServer
from workers import store_schema
from workers.store_review import reach_all

pytestmark = [pytest.mark.trio, pytest.mark.xdist_group("store")]


async def test_a_store_is_reached_and_nothing_is_made_there(tmp_path: Path, store: StoreServer) -> None:
    loaded = configured(tmp_path, store)
    (found,) = await reach_all(loaded, {})
    assert found == {
        "name": "approvals", "address": f"127.0.0.1:{store.server.port}/approvals", "reached": True, "why": "",
    }  # fmt: skip
    with store.superuser() as admin:
        assert admin.execute("select to_regnamespace('sluice')").fetchone() == (None,)
        admin.execute("revoke create on database approvals from fleet")
        (found,) = await reach_all(loaded, {})
        assert "grant create on the database" in found["why"]
        admin.execute("create schema sluice authorization fleet")
        (found,) = await reach_all(loaded, {})
        assert found["reached"]
        with store.connect() as connection:
            store_schema.prepare(connection, "things", (), DIGEST)
        admin.execute("grant create on database approvals to fleet")
    (found,) = await reach_all(loaded, {})
    assert "mask.key" in found["why"]
