"""What is shipped is complete, is shipped once, and is an audit directory again."""

from pathlib import Path

import zstandard

from tests.workers import report_trail
from workers import audit_trail
from workers.audit_log import AuditLog
from workers.audit_shipping import Shipping


class Memory:
    """A store that is a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def names(self, below: str) -> dict[str, int]:
        return {name: len(content) for name, content in self.objects.items() if name.startswith(below + "/")}

    def create(self, name: str, content: bytes) -> bool:
        assert self.objects.get(name, content) == content
        new = name not in self.objects
        self.objects[name] = content
        return new

    def pull(self, folder: Path) -> None:
        for name, content in self.objects.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def test_a_shipped_host_is_an_audit_directory_again(tmp_path: Path) -> None:
    report_trail.write(tmp_path / "audit", 60, 4096)
    store = Memory()
    done = Shipping(tmp_path / "audit", store).run()
    store.pull(tmp_path / "pulled")
    there = [each.id for each in audit_trail.read_all(tmp_path / "audit")]
    assert [each.id for each in audit_trail.read_all(tmp_path / "pulled" / "db1")] == there
    assert (done.objects, done.octets) == (len(store.objects), sum(map(len, store.objects.values())))


def test_a_second_run_ships_nothing_and_a_new_process_compares(tmp_path: Path) -> None:
    report_trail.write(tmp_path / "audit", 60, 4096)
    store = Memory()
    shipping = Shipping(tmp_path / "audit", store)
    first = shipping.run()
    assert (shipping.run().objects, Shipping(tmp_path / "audit", store).run().there) == (0, first.objects)


def test_a_segment_that_grows_waits_until_it_is_complete(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit", "db1", 0)
    log.chain.event(1, "system", {"what": "x"})
    log.commit()
    store = Memory()
    shipping = Shipping(tmp_path / "audit", store)
    assert shipping.run().objects == 0
    log.close()
    assert shipping.run().objects == 1


def test_a_compressed_segment_is_shipped_unless_it_was_before(tmp_path: Path) -> None:
    report_trail.write(tmp_path / "audit", 4)
    (plain,) = (tmp_path / "audit").glob("chain-*/*.seg")
    before = Memory()
    Shipping(tmp_path / "audit", before).run()
    Path(f"{plain}.zst").write_bytes(zstandard.compress(plain.read_bytes()))
    plain.unlink()
    assert Shipping(tmp_path / "audit", before).run().objects == 0
    fresh = Memory()
    Shipping(tmp_path / "audit", fresh).run()
    assert [name.rpartition("/")[2] for name in fresh.objects] == ["00000000.seg.zst"]


def test_the_growing_log_of_heads_is_shipped_in_parts_that_add_up(tmp_path: Path) -> None:
    report_trail.write(tmp_path / "audit", 4)
    heads = tmp_path / "audit" / "heads"
    heads.mkdir()
    (heads / "00000000.log").write_bytes(b"complete")
    store = Memory()
    for more in (b"one", b"two two", b"three"):
        with (heads / "00000001.log").open("ab") as file:
            file.write(more)
        assert Shipping(tmp_path / "audit", store).run().objects >= 1
        assert Shipping(tmp_path / "audit", store).run().objects == 0
    parts = sorted(name for name in store.objects if "growing" in name)
    assert parts[1] == "db1/heads/growing/00000001-000000000003-000000000010.part"
    assert b"".join(store.objects[name] for name in parts) == (heads / "00000001.log").read_bytes()
    assert store.objects["db1/heads/00000000.log"] == b"complete"
    (heads / "00000002.log").write_bytes(b"next")
    Shipping(tmp_path / "audit", store).run()
    assert store.objects["db1/heads/00000001.log"] == b"onetwo twothree"


def test_parquet_of_a_fleet_shares_one_folder(tmp_path: Path) -> None:
    report_trail.write(tmp_path / "audit", 4)
    lake = tmp_path / "lake" / "dt=2024-01-01" / "hour=12" / "host=db1"
    lake.mkdir(parents=True)
    (lake / "part-a.parquet").write_bytes(b"PAR1")
    store = Memory()
    Shipping(tmp_path / "audit", store, tmp_path / "lake").run()
    assert store.objects["parquet/dt=2024-01-01/hour=12/host=db1/part-a.parquet"] == b"PAR1"
