"""Objects are created once: against an S3 server on loopback, and below a directory."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from tests.workers import report_trail
from workers.audit_shipping import Shipping
from workers.audit_store import Conflict, Store, StoreError


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(params=["s3", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if request.param == "file":
        return Store(f"file://{tmp_path}/a%20place")
    return bucket(request.getfixturevalue("server"), monkeypatch)


def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    urllib.request.urlopen(urllib.request.Request(f"{server}/moto-api/reset", method="POST")).close()
    urllib.request.urlopen(urllib.request.Request(f"{server}/trail", method="PUT")).close()
    return Store("s3://trail/some/prefix")


def test_an_object_is_created_once_and_the_same_again_is_no_error(store: Store) -> None:
    assert store.create("host/chain/1.seg", b"abc") is True
    assert store.create("host/chain/1.seg", b"abc") is False
    assert store.names("host/chain") == {"host/chain/1.seg": 3}
    assert store.names("nothing/here") == {}


@pytest.mark.parametrize("other", [b"abd", b"abcd", b""])
def test_another_content_is_a_conflict_and_changes_nothing(store: Store, other: bytes) -> None:
    store.create("host/1.seg", b"abc")
    with pytest.raises(Conflict, match="another content"):
        store.create("host/1.seg", other)
    assert store.create("host/1.seg", b"abc") is False


def test_a_bucket_that_is_not_there_is_told(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket(server, monkeypatch)
    with pytest.raises(StoreError):
        Store("s3://no-such-bucket/x").create("a", b"b")


@pytest.mark.parametrize("url", ["", "s3://", "http://x/y", "file://host/path", "file:relative", "/path"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="a store is"):
        Store(url)


def test_a_trail_reaches_the_bucket_under_its_hosts_name(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = bucket(server, monkeypatch)
    report_trail.write(tmp_path / "audit", 40, 4096)
    first = Shipping(tmp_path / "audit", store).run()
    assert len(store.names("db1")) == first.objects > 1
    assert all(name.endswith(".seg") for name in store.names("db1"))
    assert Shipping(tmp_path / "audit", store).run().there == first.objects
