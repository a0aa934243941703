"""The notary of a real gateway: what it signs while people work, what it notices, and how it ends."""

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from gateway.audit import heads, merkle
from gateway.audit.heads import Alarm, Checkpoint, Entry, Head, Key, LogHeader, Seal, TreeHead
from gateway.audit.segment import Damage, cut, read_header
from tests.live.rig import POLICY, Gateway, Postgres, serving, standard_entries, wait_for
from workers import status
from workers.audit_trail import chains, segment_content, segment_path
from workers.notary_log import log_files, verify


def read_log(directory: Path) -> tuple[list[Entry], list[TreeHead], bytes]:
    """Entries under a tree head, the tree heads, and the log's id."""
    entries: list[Entry] = []
    signed: list[TreeHead] = []
    log = b""
    for file in log_files(directory):
        data = file.read_bytes()
        start = 16 + int.from_bytes(data[12:16], "little")
        log = msgspec.msgpack.decode(data[16:start], type=LogHeader).log
        frames, _, _ = cut(data, start, 0)
        waiting: list[Entry] = []
        for frame in frames:
            said = heads.decode(frame)
            if isinstance(said, TreeHead):
                entries, waiting = entries + waiting, []
                signed.append(said)
            else:
                waiting.append(said)
    return entries, signed, log


def of(kind: type[Any], entries: list[Entry]) -> list[Any]:
    return [each for each in entries if isinstance(each, kind)]


@pytest.fixture(scope="module")
def shared(postgres: Postgres) -> Iterator[Gateway]:
    yield from serving(Gateway(standard_entries(postgres)))


def audit_dir(gateway: Gateway) -> Path:
    return gateway.folder / "var" / "audit"


def state(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = status.ask(gateway.folder / "var" / "run")["audit"]
    return found


def work(gateway: Gateway, count: int = 5) -> None:
    with psycopg.connect(gateway.dsn("dev"), autocommit=True) as client:
        for number in range(count):
            client.execute("select %s::int", (number,))


def events(gateway: Gateway, what: str) -> list[dict[str, Any]]:
    return [each["event"] for each in gateway.audit() if each.get("event", {}).get("what") == what]


def signing(gateway: Gateway) -> dict[str, Any] | None:
    found = state(gateway)
    return found if found["notary"] == "signing" and found["signed_age_seconds"] is not None else None


def test_notary_that_is_killed_is_replaced_and_statements_go_on(shared: Gateway) -> None:
    wait_for("the first signature", lambda: signing(shared))
    work(shared)
    victim = shared.notary()
    os.kill(victim, signal.SIGSTOP)
    work(shared)  # nobody waits for it
    os.kill(victim, signal.SIGKILL)
    work(shared)
    wait_for("a successor", lambda: shared.notary() != victim)
    before = len(of(Key, read_log(audit_dir(shared))[0]))

    def all_chains_signed() -> bool:
        entries, _, _ = read_log(audit_dir(shared))
        signed = {head.chain: head for each in of(Checkpoint, entries) for head in each.heads}
        return all(each.id in signed for each in chains(audit_dir(shared)) if each.is_live())

    wait_for("a checkpoint over all chains", all_chains_signed)
    entries, signed, log = read_log(audit_dir(shared))
    assert before == len(of(Key, entries)) == 1
    assert all(heads.is_signed(log, each, verify) for each in signed)
    for head in [head for each in of(Checkpoint, entries) for head in each.heads]:
        check(audit_dir(shared), head)
    assert state(shared)["alarms"] == 0
    assert "the notary ended with signal 9" in shared.errors()


def check(directory: Path, head: Head) -> None:
    (chain,) = [each for each in chains(directory) if each.id == head.chain]
    data = segment_content(chain.path, head.segment)[: head.length]
    assert hashlib.sha256(data).digest() == head.digest
    start = after_header(data)
    frames, used, _ = cut(data, start, 0)
    assert (len(frames), used) == (head.frames, len(data))
    parts = [data[:start], *(data[each.offset : each.end] for each in frames)]
    assert merkle.root([merkle.leaf(each) for each in parts]) == head.root


def after_header(data: bytes) -> int:
    found = read_header(data)
    assert isinstance(found, tuple)
    assert not isinstance(found, Damage)
    return found[1]


def test_new_key_goes_on_at_once_with_the_old_ones_word(shared: Gateway) -> None:
    old = wait_for("the first signature", lambda: signing(shared))["key"]
    done = shared.sluice("audit", "rotate-key", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["old"] == old
    assert said["gateway_signs"]
    assert Path(said["kept"]).exists()
    assert Path(said["kept"]).stat().st_mode & 0o077 == 0
    entries, signed, log = read_log(audit_dir(shared))
    first, second = of(Key, entries)
    assert first == Key(bytes.fromhex(old))
    assert second.public.hex() == said["new"]
    assert verify(first.public, second.endorsed, heads.endorsement(log, second.public))
    assert signed[-1].key == second.public
    assert all(heads.is_signed(log, each, verify) for each in signed)
    wait_for("both on record", lambda: events(shared, "key rotated"))
    (command,) = [each for each in events(shared, "command") if each["command"] == "audit rotate-key"]
    assert (command["uid"], command["new"]) == (os.getuid(), said["new"])


def test_policy_change_is_on_record_with_what_it_changes(shared: Gateway) -> None:
    shared.reload(POLICY.replace("TICKET-1", "TICKET-9").replace("support sees phones", "support sees more"))
    wait_for("the change on record", lambda: events(shared, "policy published"))
    (published,) = events(shared, "policy published")
    assert published["generation"] == 2
    assert published["changes"] == {
        "grants": {
            "added": ["support sees more"],
            "removed": ["support sees phones"],
            "changed": {"owners own development": ["reason"]},
        }
    }
    shared.reload("[[grant]]\n")
    wait_for("the refusal on record", lambda: events(shared, "reload refused"))
    (started,) = [each for each in shared.audit() if each.get("event", {}).get("what") == "gateway started"]
    assert "-s." in started["id"]


def test_all_is_closed_and_signed_after_a_drain(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    work(gateway)
    assert gateway.stop() == 0
    directory = audit_dir(gateway)
    entries, signed, log = read_log(directory)
    seals = {each.head.chain: each.head for each in of(Seal, entries)}
    for chain in chains(directory):
        head = seals[chain.id]
        assert head.closed
        assert head.length == segment_path(chain.path, head.segment).stat().st_size
        check(directory, head)
    assert isinstance(entries[-1], Checkpoint)
    assert signed[-1].size == len(entries)
    assert heads.is_signed(log, signed[-1], verify)
    assert [each["what"] for each in (events(gateway, "gateway stopping") + events(gateway, "gateway stopped"))] == [
        "gateway stopping",
        "gateway stopped",
    ]
    done = gateway.sluice("audit", "compress", "--json")
    assert json.loads(done.stdout)["segments"] == len(seals)
    assert len(events(gateway, "gateway stopped")) == 1
    assert gateway.verify().returncode == 0, gateway.verify().stdout


def test_change_of_a_record_while_the_gateway_runs_is_an_alarm(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(workers=1)
    wait_for("the first signature", lambda: signing(gateway))
    work(gateway)
    directory = audit_dir(gateway)
    (worker,) = [each for each in chains(directory) if (first := each.first()) is not None and first.worker == 0]
    os.kill(gateway.notary(), signal.SIGSTOP)
    file = segment_path(worker.path, 0)
    data = bytearray(file.read_bytes())
    data[-30] ^= 1
    file.chmod(0o640)
    with file.open("r+b") as opened:
        opened.write(data)
    work(gateway)
    os.kill(gateway.notary(), signal.SIGCONT)
    wait_for("the alarm in the status", lambda: state(gateway)["alarms"] == 1)
    assert "CRITICAL audit: alarm: " + worker.path.name in gateway.errors()
    (alarm,) = of(Alarm, read_log(directory)[0])
    assert (alarm.chain, alarm.segment) == (worker.id, 0)
    assert alarm.offset < len(data)
    wait_for("the alarm on record", lambda: signing(gateway))
    work(gateway)  # people are not stopped by it
