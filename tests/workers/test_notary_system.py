"""The chain of what happens to the gateway itself."""

from pathlib import Path

from gateway.settings import Audit
from tests.workers.notary_rig import T, kill
from workers.audit_recovery import recover
from workers.audit_trail import chains, read_all
from workers.notary_system import HELD, SystemTrail


def trail(directory: Path) -> SystemTrail:
    return SystemTrail(directory, "db1", Audit(), lambda: T)


def test_events_are_in_a_chain_of_their_own(tmp_path: Path) -> None:
    system = trail(tmp_path)
    system.record("system", {"what": "gateway started"}, T - 5)
    system.record("policy", {"what": "policy published", "generation": 2})
    assert system.position() is None
    system.commit()
    position = system.position()
    assert position is not None
    assert position.seq == 2
    system.close()
    first, second = read_all(tmp_path)
    assert first.label.startswith("db1-s.")
    assert (first.time_ns, first.kind, first.data) == (T - 5, "system", {"what": "gateway started"})
    assert (second.time_ns, second.kind, second.data["generation"]) == (T, "policy", 2)
    (chain,) = chains(tmp_path)
    assert chain.is_closed()
    assert not chain.is_void()


def test_events_wait_while_the_directory_cannot_be_used(tmp_path: Path) -> None:
    blocked = tmp_path / "audit"
    blocked.write_bytes(b"")
    system = trail(blocked)
    for number in range(HELD + 3):
        system.record("system", {"what": "event", "number": number})
        system.commit()
    assert system.position() is None
    blocked.unlink()
    system.close()
    events = [each.data for each in read_all(blocked)]
    assert events[0] == {"what": "events dropped", "count": 3}
    assert [each["number"] for each in events[1:]] == list(range(3, HELD + 3))


def test_chain_of_a_killed_notary_is_recovered_like_a_workers(tmp_path: Path) -> None:
    system = trail(tmp_path)
    system.record("system", {"what": "gateway started"})
    system.commit()
    assert system._log is not None
    kill(system._log)
    (found,) = recover(tmp_path, "db1", lambda: T)
    assert found.unresolved == 0
    assert recover(tmp_path, "db1", lambda: T) == []
    assert sorted(each.data["what"] for each in read_all(tmp_path)) == ["audit recovered", "gateway started"]
