"""What a report learns beside the records."""

from pathlib import Path

import pytest

from tests.workers import report_trail
from workers import audit_evidence
from workers.audit_evidence import Trusted


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    report_trail.write(tmp_path / "audit", 4)
    return tmp_path / "audit"


def test_a_whole_trail_without_heads_is_good_and_unsigned(trail: Path) -> None:
    found = audit_evidence.gather([trail], Trusted(str(trail / "no-such.toml"), named=True), verified=True)
    assert (found.result, found.chains, found.findings) == ("good", 1, [])
    assert found.verified > 10
    assert found.compared is False
    assert (found.tree_size, found.head_problems, found.granted) == (0, [], None)
    assert found.begins_ns > 0


def test_a_log_of_heads_that_is_none_is_a_problem(trail: Path) -> None:
    (trail / "heads").mkdir()
    (trail / "heads" / "00000000.log").write_bytes(b"not a log of heads at all")
    assert audit_evidence.gather([trail], Trusted(), verified=False).head_problems


def test_the_worst_of_several_directories_counts(trail: Path, tmp_path: Path) -> None:
    report_trail.write(tmp_path / "other", 4)
    for file in (tmp_path / "other").glob("chain-*/*.seg"):
        file.chmod(0o600)
        file.write_bytes(file.read_bytes()[:-100])
    found = audit_evidence.gather([trail, tmp_path / "other"], Trusted(named=True), verified=True)
    assert found.result in ("gap", "tampered")
    assert found.chains == 2


def test_grants_are_read_from_the_configuration_at_hand(tmp_path: Path) -> None:
    (tmp_path / "sluice.toml").write_text(
        '[policy]\nfile = "policy.toml"\n[[database]]\nname = "prod"\nhost = "127.0.0.1"\nuser = "x"\n'
    )
    (tmp_path / "policy.toml").write_text('[[grant]]\nname = "readers"\ngroups = ["a"]\nallow = ["read"]\n')
    assert audit_evidence.granted(str(tmp_path / "sluice.toml")) == ["readers"]
    (tmp_path / "policy.toml").write_text("[[grant]]\nname = 1\n")
    assert audit_evidence.granted(str(tmp_path / "sluice.toml")) is None
