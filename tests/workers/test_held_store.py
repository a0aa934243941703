"""Statements that wait, on the disk: each decided once, and no literal left of it."""

import secrets
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.approvals.statements import Held
from tests.gateway.approvals.test_statements import held
from workers import held_store
from workers.held_store import HeldStore


def one(number: int = 1, **facts: object) -> Held:
    return msgspec.structs.replace(held(), id=f"h{number}", since=float(number), **facts)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HeldStore]:
    made = HeldStore(tmp_path / "state")
    yield made
    made.close()


def left(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_what_waits_is_there_again(tmp_path: Path) -> None:
    store = HeldStore(tmp_path / "state")
    assert all(store.add(one(number)) for number in (1, 2, 3))
    assert not store.add(one(2, user="eve")), "an id is given once"
    after = one(2, state="approved", secret=b"", ran=True)
    assert store.move(one(2), after)
    store.close()
    store = HeldStore(tmp_path / "state")
    assert store.get("h2") == after
    assert store.get("H2") is None
    assert [each.id for each in store.newest(2)] == ["h3", "h2"]
    assert [each.id for each in store.pending()] == ["h1", "h3"]
    assert store.let_go(b"s") == after
    assert store.let_go(b"S") is None
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    store.close()


def test_it_is_moved_from_what_it_was_alone(store: HeldStore) -> None:
    store.add(one())
    first = one(state="approved", secret=b"")
    assert store.move(one(), first)
    assert not store.move(one(), one(state="denied", secret=b""))
    assert not store.move(one(9), one(9, state="denied"))
    assert store.get("h1") == first


def test_of_a_shape_the_one_that_people_decided_last_is_remembered(store: HeldStore) -> None:
    for number, decided in ((1, 100.0), (2, 60.0), (3, 60.0), (4, 0.0)):
        store.add(one(number))
        state, ran = ("approved", True) if decided else ("denied", False)
        assert store.move(one(number), one(number, state=state, ran=ran, decided=decided, secret=b""))
    store.add(one(5, state="approved", decided=200.0))
    found = store.let_go(b"s")
    assert found is not None
    assert found.id == "h1", "h5 has not run"


@pytest.mark.parametrize("size", [40, 100_000])
def test_nothing_of_what_was_sealed_is_left_in_any_file_after_the_decision(
    tmp_path: Path, store: HeldStore, size: int
) -> None:
    sealed = [secrets.token_bytes(size) for _ in range(4)]
    for number, secret in enumerate(sealed):
        store.add(one(number, secret=secret))
    for state, number in (("approved", 0), ("denied", 1), ("withdrawn", 2)):
        before = one(number, secret=sealed[number])
        assert store.move(before, msgspec.structs.replace(before, state=state, secret=b""))
        bytes_left = left(tmp_path / "state")
        assert not any(sealed[number][at : at + 16] in bytes_left for at in range(0, size - 16, 1024))
    assert sealed[3][:16] in left(tmp_path / "state"), "what waits still is kept"


def test_a_log_that_cannot_be_emptied_now_undoes_no_decision(tmp_path: Path, store: HeldStore) -> None:
    store.add(one())
    reader = sqlite3.connect(tmp_path / "state" / "held.db", isolation_level=None)
    reader.execute("begin")
    reader.execute("select count(*) from held").fetchone()
    store._db.execute("pragma busy_timeout = 0")
    assert store.move(one(), one(state="approved", secret=b""))
    reader.execute("commit")
    reader.close()
    store.add(one(2, secret=b"y"))
    assert store.move(one(2, secret=b"y"), one(2, state="denied", secret=b""))
    assert not (tmp_path / "state" / "held.db-wal").stat().st_size, "the next decision empties it"


def test_a_thousand_races_have_a_thousand_winners(tmp_path: Path) -> None:
    stores = [HeldStore(tmp_path), HeldStore(tmp_path)]
    for each in stores:
        each._db.execute("pragma synchronous = off")  # a thousand syncs would prove nothing more
    races = [one(number, secret=b"") for number in range(1000)]
    for race in races:
        stores[0].add(race)
    won: list[list[str]] = [[], []]
    gate = threading.Barrier(2)

    def run(index: int) -> None:
        for race in races:
            gate.wait()
            if stores[index].move(race, msgspec.structs.replace(race, state="approved", decision=str(index))):
                won[index].append(race.id)

    threads = [threading.Thread(target=run, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won[0] + won[1]) == sorted(race.id for race in races)
    by = {each.id: each.decision for each in stores[0].newest(1000)}
    assert all(by[race] == str(index) for index in (0, 1) for race in won[index])
    for each in stores:
        each.close()


def test_the_oldest_that_are_over_make_room_and_what_waits_stays(store: HeldStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_store, "HELD_MAX", 3)
    store.add(one(1))
    for number in range(2, 7):
        store.add(one(number, state="denied"))
    assert [each.id for each in store.newest(9)] == ["h6", "h5", "h1"]


def test_pages_hold_each_once_newest_first_and_nothing_that_is_sealed(store: HeldStore) -> None:
    for number in range(9):
        store.add(held_at(number))
    found: list[Held] = []
    before = float("inf"), ""
    while page := store.page(1.0, before, 2):
        found += page
        before = page[-1].since, page[-1].id
    assert [each.id for each in found] == ["h6", "h7", "h8", "h3", "h4", "h5"], "three are of the same moment"
    assert {(each.secret, len(each.statement)) for each in found} == {(b"", held_store.BRIEF_CHARACTERS)}


def held_at(number: int) -> Held:
    return msgspec.structs.replace(one(number), since=float(number // 3), statement="x" * 1000)
