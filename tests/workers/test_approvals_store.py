"""Requests on the disk: each is answered once, whoever tries, and outlives a kill."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from gateway.approvals.requests import Asked, Request
from workers import approvals_store
from workers.approvals_store import Full, Store

ASKED = Asked("prod", "production", ("read",), 600.0, "TICKET-1")


def request(number: int = 1, **facts: object) -> Request:
    made = Request(f"r{number}", "access", "pending", "rule", "ann", "okta", (), "t", ASKED, float(number), 9e9)
    return msgspec.structs.replace(made, **facts)


def test_what_was_asked_is_there_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    for number in (1, 2, 3):
        store.add(request(number))
    answered = request(2, state="approved", decided_by="dora", review="open")
    assert store.move(request(2), answered)
    store.close()
    store = Store(tmp_path / "state")
    assert store.get("r2") == answered
    assert store.get("R2") is None
    assert [one.id for one in store.newest(2)] == ["r3", "r2"]
    assert [one.id for one in store.of_state("pending")] == ["r1", "r3"]
    assert [one.id for one in store.open_reviews()] == ["r2"]
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "state").iterdir()} == {0}
    store.close()


def test_a_thousand_races_have_a_thousand_winners(tmp_path: Path) -> None:
    stores = [Store(tmp_path), Store(tmp_path)]
    stores[0]._db.execute("pragma synchronous = off")
    stores[1]._db.execute("pragma synchronous = off")  # a thousand syncs would prove nothing more
    races = [request(number) for number in range(1000)]
    for one in races:
        stores[0].add(one)
    won: list[list[str]] = [[], []]
    gate = threading.Barrier(2)

    def run(index: int) -> None:
        for one in races:
            gate.wait()
            if stores[index].move(one, msgspec.structs.replace(one, state="approved", decided_by=str(index))):
                won[index].append(one.id)

    threads = [threading.Thread(target=run, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won[0] + won[1]) == sorted(one.id for one in races)
    by = {one.id: one.decided_by for one in stores[0].of_state("approved")}
    assert all(by[one] == str(index) for index in (0, 1) for one in won[index])
    for store in stores:
        store.close()


def test_no_more_may_wait_than_there_is_room_for_and_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals_store, "PENDING_MAX", 2)
    monkeypatch.setattr(approvals_store, "REQUESTS_MAX", 3)
    store = Store(tmp_path)
    store.add(request(1, state="over", review="open"))
    for number in range(2, 6):
        store.add(request(number, state="denied"))
    assert [one.id for one in store.newest(9)] == ["r5", "r4", "r1"], "what is to be reviewed stays"
    store.add(request(6))
    store.add(request(7))
    with pytest.raises(Full):
        store.add(request(8))
    store.close()


def test_an_answer_outlives_a_kill(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, '.');"
        "from pathlib import Path; from tests.workers.test_approvals_store import request; "
        "from workers.approvals_store import Store; import msgspec;"
        f"s = Store(Path({str(tmp_path)!r})); s.add(request(1));"
        "s.move(request(1), request(1, state='approved')); print('done', flush=True); import time; time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert child.stdout is not None
    assert child.stdout.readline() == b"done\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    store = Store(tmp_path)
    assert [one.id for one in store.of_state("approved")] == ["r1"]
    store.close()
