"""What every test gets: hypothesis with seeded examples and no time limit for one (machines may be busy), and the order."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# numpy's BLAS starts a thread a core as it is imported, and tests of forking need a process with one thread
os.environ["OPENBLAS_NUM_THREADS"] = "1"

NAMED_BYTES_MAX = 60  # longer values are no names
# Live files that take longest begin first: at the end nobody waits for the last of them.
LONG = (
    "test_load_live", "test_corpus", "test_audit_storm", "test_kill", "test_promises", "test_canaries",
    "test_operations_live",
)  # fmt: skip

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


@pytest.hookimpl(tryfirst=True)  # the plugin that shares tests looks for their groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Live tests last, for their servers are children of this process, and tests of reaping count children. Where several
    processes share the tests (`make test`), those of one file go to one of them, unless they say otherwise."""
    items.sort(key=lambda item: ("tests/live/" in item.nodeid, item.path.stem not in LONG))
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
