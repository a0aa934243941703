"""What every test gets: hypothesis with seeded examples and no time limit for one (machines may be busy), and the order."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.workers.store_rig import StoreServer

# numpy's BLAS starts a thread a core as it is imported, and tests of forking need a process with one thread
os.environ["OPENBLAS_NUM_THREADS"] = "1"

NAMED_BYTES_MAX = 60  # longer values are no names
# Live files that take longest begin first: at the end nobody waits for the last of them.
LONG = (
    "test_load_live", "test_corpus", "test_audit_storm", "test_kill", "test_promises", "test_canaries",
    "test_operations_live",
)  # fmt: skip
STORE = "store"  # the group of tests that share the server of `store`

settings.register_profile("steady", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("steady")


def pytest_sessionstart() -> None:
    """Compiled modules that are older than their source would be tested in its place."""
    root = Path(__file__).parent.parent
    for room in ("parser", "gateway", "workers"):
        for compiled in (root / room).rglob("*.so"):
            source = compiled.with_name(compiled.name.partition(".")[0] + ".py")
            if source.exists() and source.stat().st_mtime > compiled.stat().st_mtime:
                pytest.exit(f"{source.relative_to(root)} is newer than its compiled form: run `make env`", returncode=2)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Keys and the like differ from run to run: the processes that share the tests must give them the same names."""
    return argname if isinstance(val, bytes) and len(val) > NAMED_BYTES_MAX else None


@pytest.fixture(scope="session")
def store_of_all() -> "Iterator[StoreServer]":
    """What gateways share: started when the first test needs it."""
    from tests.workers.store_rig import store_server

    with store_server() as made:
        yield made


@pytest.fixture
def store(store_of_all: "StoreServer") -> "StoreServer":
    """The same, with nothing in it. Tests that use it are of the group STORE."""
    store_of_all.empty()
    return store_of_all


@pytest.hookimpl(tryfirst=True)  # the plugin that shares tests looks for their groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Live tests last, for their servers are children of this process, and tests of reaping count children; before them
    those that share a server, for the same reason. Where several processes share the tests (`make test`), those of one file
    go to one of them, unless they say otherwise."""

    def place(item: pytest.Item) -> tuple[bool, bool, bool]:
        mark = item.get_closest_marker("xdist_group")
        shares = mark is not None and mark.args == (STORE,)
        return "tests/live/" in item.nodeid, shares, item.path.stem not in LONG

    items.sort(key=place)
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
