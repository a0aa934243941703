"""Delegations on the disk."""

from pathlib import Path

import msgspec
import pytest

from tests.gateway.approvals.test_delegation import DAY, lend
from tests.gateway.approvals.test_statements import NOW
from workers import delegations_store
from workers.delegations_store import DelegationsStore, Full


def test_what_is_kept_is_there_again_for_its_owner_alone(tmp_path: Path) -> None:
    store = DelegationsStore(tmp_path / "state")
    one = lend("dora", id="g1")
    store.add(one, NOW)
    after = msgspec.structs.replace(one, revoked=NOW)
    store.add(lend("lee", id="g2"), NOW)
    assert store.move(one, after)
    assert not store.move(one, msgspec.structs.replace(after, revoked_by="who was too late"))
    assert (store.get("g1"), store.get("g3")) == (after, None)
    store.close()
    again = DelegationsStore(tmp_path / "state")
    assert again.all() == [lend("lee", id="g2"), after]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()} == {0o600}
    again.close()


def test_what_is_over_makes_place_and_what_holds_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegations_store, "KEPT_MAX", 2)
    store = DelegationsStore(tmp_path)
    for number in (1, 2):
        store.add(lend("dora", id=f"g{number}"), NOW)
    with pytest.raises(Full, match="2 delegations"):
        store.add(lend("dora", id="g3"), NOW)
    store.move(lend("dora", id="g1"), lend("dora", id="g1", revoked=NOW))
    store.add(lend("dora", id="g3"), NOW + DAY / 2)
    assert {one.id for one in store.all()} == {"g2", "g3"}
    store.close()
