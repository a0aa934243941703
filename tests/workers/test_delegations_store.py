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
    store.put(one, NOW)
    after = msgspec.structs.replace(one, revoked=NOW)
    store.put(lend("lee", id="g2"), NOW)
    store.put(after, NOW)
    store.close()
    again = DelegationsStore(tmp_path / "state")
    assert again.all() == [lend("lee", id="g2"), after]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()} == {0o600}
    again.close()


def test_what_is_over_makes_place_and_what_holds_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegations_store, "KEPT_MAX", 2)
    store = DelegationsStore(tmp_path)
    for number in (1, 2):
        store.put(lend("dora", id=f"g{number}"), NOW)
    with pytest.raises(Full, match="2 delegations"):
        store.put(lend("dora", id="g3"), NOW)
    store.put(lend("dora", id="g1", revoked=NOW), NOW)
    store.put(lend("dora", id="g3"), NOW + DAY / 2)
    assert {one.id for one in store.all()} == {"g2", "g3"}
    store.close()
