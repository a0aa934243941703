"""Searching directories: the index changes nothing but the time it takes, and order is that of time over all hosts."""

import random
import shutil
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audit import records
from gateway.audit.defined import RulingCard, SessionCard
from gateway.audit.filters import Filter
from gateway.audit.query import Entry
from gateway.audit.records import RulingInfo, SessionInfo
from gateway.audit.segment import frame
from tests.gateway.audit.trail_rig import T, question, write_trail
from workers import audit_trail
from workers.audit_log import AuditLog
from workers.audit_search import Search
from workers.audit_trail import ChainFiles, chains, segment_path
from workers.notary_keeping import compress


def search(*directories: Path, indexed: bool = True, **asked: object) -> Search:
    told: list[str] = []
    made = Search(list(directories), Filter(**asked), told=told.append, indexed=indexed)  # type: ignore[arg-type]
    assert told == []
    return made


def ids(entries: object) -> list[str]:
    assert hasattr(entries, "__iter__")
    return [f"{each.id} {each.kind}" for each in entries]


def plain(directories: list[Path], asked: Filter) -> list[str]:
    found: list[Entry] = []
    for directory in directories:
        for chain in chains(directory):
            found += (entry for entry in audit_trail.read_chain(chain) if asked.matches(entry))
    return ids(sorted(found, key=lambda entry: entry.time_ns))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32))
def test_indexed_search_plain_search_and_reading_everything_agree(tmp_path: Path, seed: int) -> None:
    places = [tmp_path / f"{seed}-{host}" for host in range(2)]
    for host, each in enumerate(places):
        if not each.exists():
            write_trail(each, 2 * seed + host, chains=2, count=25)
    rng = random.Random(seed)
    for _ in range(8):
        asked = question(rng)
        expected = plain(places, asked)
        for indexed in (True, False):
            made = Search(places, asked, told=lambda text: None, indexed=indexed)
            found = list(made.entries())
            assert sorted(ids(found)) == sorted(expected), asked
            assert [entry.time_ns for entry in found] == sorted(entry.time_ns for entry in found)
        newest = list(Search(places, asked, told=lambda text: None).newest())
        assert sorted(ids(newest)) == sorted(expected)
        assert [entry.time_ns for entry in newest] == sorted((entry.time_ns for entry in found), reverse=True)
        few = list(Search(places, asked, told=lambda text: None).newest(3))
        assert [entry.time_ns for entry in few] == [entry.time_ns for entry in newest[:3]]


def test_a_needle_opens_few_of_many_segments(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, "db1", 0, segment_bytes=6000)
    what = RulingCard(RulingInfo(1, "abc", "SELECT $1::int", "ff", ("SELECT",)))
    for number in range(300):
        who = SessionCard(SessionInfo(f"session-{number}", "alice"))
        for _ in range(10):
            now = T + log.chain.seq * 1000
            intent = log.chain.intent(now, who, what)
            log.chain.outcome(now, intent, "ok", 1, 2, None, "SELECT", "", 5)
            log.commit()
    made = search(tmp_path, session="session-77")
    assert len(list(made.entries())) == 20
    assert made.total > 25
    assert made.opened <= 4  # its own one or two, the one that is still written, and one by chance
    assert len(list((tmp_path / "index").iterdir())) == made.total - 1
    assert search(tmp_path, user="nobody").total == made.total
    log.close()


def test_live_segments_are_searched_without_an_index(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, "db1", 0)
    who, what = SessionCard(SessionInfo("s1", "alice")), RulingCard(RulingInfo(1, "a", "SELECT", "f", ("SELECT",)))
    log.chain.intent(T, who, what)
    log.commit()
    assert len(list(search(tmp_path, user="alice").entries())) == 1
    assert not (tmp_path / "index").exists()
    log.chain.intent(T + 1, who, what)
    log.commit()
    assert len(list(search(tmp_path, user="alice").entries())) == 2
    log.close()


def test_what_cannot_be_read_is_told_and_the_rest_is_shown(tmp_path: Path) -> None:
    write_trail(tmp_path, 5, chains=1, segments=3)
    (chain,) = chains(tmp_path)
    everything = plain([tmp_path], Filter())
    path = segment_path(chain.path, 1)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    told: list[str] = []
    found = ids(Search([tmp_path], Filter(), told=told.append).entries())
    assert len(told) == 1
    assert f"{chain.path.name}/00000001.seg is damaged at byte " in told[0]
    assert set(found) <= set(everything)
    assert len(set(everything) - set(found)) <= 3  # the damaged record, and what it began; what follows is there
    path.write_bytes(data[:200])
    told.clear()
    list(Search([tmp_path], Filter(), told=told.append).entries())
    assert "ends at byte 200 of" in told[0]


def test_a_segment_that_goes_meanwhile_is_told(tmp_path: Path) -> None:
    write_trail(tmp_path, 6, chains=1, segments=2)
    (chain,) = chains(tmp_path)
    told: list[str] = []
    made = Search([tmp_path], Filter(), told=told.append)
    segment_path(ChainFiles(chain.path).path, 0).unlink()
    assert list(made.entries())
    assert "deleted meanwhile" in told[0]


def test_copies_of_a_trail_are_read_once_and_the_longer_one(tmp_path: Path) -> None:
    write_trail(tmp_path / "a", 8, chains=2)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    whole = ids(search(tmp_path / "a").entries())
    assert ids(search(tmp_path / "a", tmp_path / "b").entries()) == whole
    for each in chains(tmp_path / "a"):
        path = segment_path(each.path, 2)
        path.write_bytes(path.read_bytes()[:900])
    assert ids(search(tmp_path / "a", tmp_path / "b", indexed=False).entries()) == whole
    assert ids(search(tmp_path / "b", tmp_path / "a").entries()) == whole


def test_compressed_segments_are_searched_too(tmp_path: Path) -> None:
    write_trail(tmp_path, 9, chains=2)
    whole = ids(search(tmp_path, user="alice").entries())
    for chain in chains(tmp_path):
        for number in chain.segments()[:-1]:
            compress(chain, number)
    assert ids(search(tmp_path, user="alice").entries()) == whole != []
    shutil.rmtree(tmp_path / "index")
    assert ids(search(tmp_path, user="alice").entries()) == whole
    assert ids(search(tmp_path, indexed=False, user="alice").entries()) == whole


def test_torn_ends_are_silent(tmp_path: Path) -> None:
    write_trail(tmp_path, 7, chains=1, segments=1)
    (chain,) = chains(tmp_path)
    path = segment_path(chain.path, 0)
    whole = ids(search(tmp_path, indexed=False).entries())
    path.write_bytes(path.read_bytes() + bytes(4096))
    told: list[str] = []
    assert ids(Search([tmp_path], Filter(), told=told.append).entries()) == whole
    assert told == []
    state = frame(records.STATE, 10**6, T, msgspec.msgpack.encode(records.State("full")))
    path.write_bytes(path.read_bytes() + state)
    found = ids(Search([tmp_path], Filter(), told=told.append).entries())
    assert found[:-1] == whole
    assert found[-1].endswith("-1000000 system")
    assert "is damaged at byte" in told[0]
