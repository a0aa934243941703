"""`sluice audit verify` as a user types it: what it prints, and its exit codes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from gateway.audit import receipt
from gateway.audit.heads import endorsement
from tests.workers.signed_rig import Trail, file_of
from workers import init, notary_key
from workers.audit_group import audit
from workers.audit_log import AuditLog
from workers.audit_receipts import Prover
from workers.audit_trail import chain_directory
from workers.notary_log import Signer


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit, [str(each) for each in arguments])


def verify(directory: Path, *options: object) -> tuple[int, dict[str, Any]]:
    result = run("--dir", directory, "verify", "--json", *options)
    return result.exit_code, orjson.loads(result.stdout)


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    made = Trail(tmp_path / "var" / "audit")
    yield made
    made.abandon()


def config(tmp_path: Path, trail: Trail) -> Path:
    """A configuration whose key signs the trail."""
    init.init(tmp_path)
    trail.key = Signer((tmp_path / notary_key.KEY_FILE).read_bytes())
    return tmp_path / "sluice.toml"


def test_it_says_good_gap_tampered_or_unreadable(trail: Trail) -> None:
    log = trail.worker()
    file = file_of(trail.directory, log, 0)
    trail.write(log, 2)
    code, said = verify(trail.directory)
    assert (code, said["result"], said["intents"]) == (0, "good", 2)
    trail.kill(log)
    assert verify(trail.directory)[0] == 2
    trail.recover()
    code, said = verify(trail.directory)
    assert (code, said["chains"], said["uncovered"]) == (0, 2, 0)
    spoilt = bytearray(file.read_bytes())
    spoilt[-5] ^= 1
    file.unlink()
    file.write_bytes(spoilt)
    result = run("--dir", trail.directory, "verify")
    assert result.exit_code == 1
    assert f"tampered: {file}:" in result.stdout
    file.write_bytes(b"not a segment")
    assert run("--dir", trail.directory, "verify").exit_code == 1  # unreadable, and not as it was recovered
    file.unlink()
    log.path.rmdir()
    code, said = verify(trail.directory)
    assert code == 1
    assert "whole chain is missing" in str(said["findings"])


def test_a_foreign_file_alone_is_unreadable(tmp_path: Path) -> None:
    chain = chain_directory(tmp_path, b"c" * 16)
    chain.mkdir()
    (chain / "00000000.seg").write_bytes(b"what is this")
    assert run("--dir", tmp_path, "verify").exit_code == 3


def test_without_a_signed_log_it_says_what_is_not_covered(trail: Trail) -> None:
    trail.write(trail.worker())
    said = run("--dir", trail.directory, "verify")
    assert said.exit_code == 0
    assert (
        "not signed: that no chain's end was cut off and no whole chain removed is not proven" in said.stdout
    )
    assert verify(trail.directory)[1]["signed"] == [{"directory": str(trail.directory), "log": None}]


def test_a_signed_trail_is_compared_with_the_key_beside_the_configuration(
    tmp_path: Path, trail: Trail
) -> None:
    file = config(tmp_path, trail)
    log = trail.worker()
    trail.write(log)
    trail.sign()
    log.close()
    said = run("--config", file, "verify")
    assert said.exit_code == 0, said.output
    assert "by the key you hold; 1 records are not signed yet" in said.stdout
    code, told = verify(trail.directory)
    assert (code, told["signed"][0]["compared"], told["signed"][0]["unsigned"]) == (0, False, 1)
    assert "not compared with a key of yours" in run("--dir", trail.directory, "verify").stdout
    assert verify(trail.directory, "--pub", tmp_path / "audit.pub")[1]["signed"][0]["compared"]
    (tmp_path / "other").mkdir()
    init.init(tmp_path / "other")
    code, told = verify(trail.directory, "--pub", tmp_path / "other" / "audit.pub")
    assert (code, told["result"]) == (1, "tampered")
    assert "a key that is not yours" in told["findings"][0]["why"]


def test_a_tree_head_kept_elsewhere_must_be_the_beginning(tmp_path: Path, trail: Trail) -> None:
    log = trail.worker()
    trail.write(log)
    trail.sign()
    kept, newest = tmp_path / "kept.json", tmp_path / "newest.json"
    kept.write_bytes(receipt.encode(Prover(trail.directory).newest()))
    trail.write(log)
    trail.sign()
    newest.write_bytes(receipt.encode(Prover(trail.directory).newest()))
    assert verify(trail.directory, "--head", kept, "--head", newest)[0] == 0
    older = sorted((trail.directory / "heads").glob("*.log"))[-1]
    older.unlink()
    assert verify(trail.directory, "--head", kept)[0] == 0
    code, told = verify(trail.directory, "--head", newest)
    assert (code, "the log was cut" in told["findings"][0]["why"]) == (1, True)
    other = Trail(tmp_path / "other")
    code, told = verify(other.directory, "--head", kept)
    assert (code, "of which a tree head was kept" in told["findings"][0]["why"]) == (1, True)


def test_several_hosts_are_proven_at_once(tmp_path: Path, trail: Trail) -> None:
    other = Trail(tmp_path / "db2", host="db2")
    for each in (trail, other):
        each.write(each.worker(), 3)
        each.sign()
    kept = tmp_path / "kept.json"
    kept.write_bytes(receipt.encode(Prover(other.directory).newest()))
    result = run("--dir", trail.directory, "--dir", other.directory, "verify", "--json", "--head", kept)
    told = orjson.loads(result.stdout)
    assert (result.exit_code, told["chains"], told["intents"], len(told["signed"])) == (0, 2, 6, 2)
    assert (
        f"{other.directory}: signed until"
        in run("--dir", trail.directory, "--dir", other.directory, "verify").stdout
    )
    other.abandon()


@pytest.mark.parametrize("option", ["--pub", "--head"])
def test_files_that_are_no_key_or_head_are_wrong_usage(tmp_path: Path, trail: Trail, option: str) -> None:
    junk = tmp_path / "junk"
    assert run("--dir", trail.directory, "verify", option, junk).exit_code == 2
    for content in (
        b"",
        b"{}",
        b"\xff" * 100,
        b'{"kind": "tree-head", "log": "x"}',
        b"-----BEGIN PUBLIC KEY-----",
    ):
        junk.write_bytes(content)
        said = run("--dir", trail.directory, "verify", option, junk)
        assert said.exit_code == 2, content
        assert "Traceback" not in said.output


def test_a_rotated_key_that_has_not_signed_yet_is_no_replaced_one(tmp_path: Path, trail: Trail) -> None:
    file = config(tmp_path, trail)
    log: AuditLog = trail.worker()
    trail.write(log)
    trail.sign()
    init.init(tmp_path / "next")
    fresh = Signer((tmp_path / "next" / notary_key.KEY_FILE).read_bytes())
    (tmp_path / "audit.pub").write_bytes((tmp_path / "next" / "audit.pub").read_bytes())
    assert run("--config", file, "verify").exit_code == 1, "nobody vouches for it"
    logged = bytes.fromhex(verify(trail.directory)[1]["signed"][0]["log"])
    word = trail.key.sign(endorsement(logged, fresh.public))
    (tmp_path / notary_key.ROTATIONS_FILE).write_text(f"{fresh.public.hex()} {word.hex()}\n")
    assert run("--config", file, "verify").exit_code == 0
