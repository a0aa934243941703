"""Large results: every format of COPY masked for a real client, and memory that does not grow with what passes."""

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.rig import Gateway, Postgres, wait_for
from tests.live.wire import Wire, query

ANALYST = ("shop", "ann", ("analysts",))
COLUMNS = "city, email, salary, birth_date, phone"
GROWTH_BYTES_MAX = 64 * 1024 * 1024
LARGE = "select email, city || repeat('x', 2000) from customers, generate_series(1, 40000)"  # 320 MB


@pytest.mark.parametrize("form", ["text", "csv", "binary"])
def test_copy_shows_each_row_with_its_masks_in_every_format(gateway: Gateway, form: str) -> None:
    statement = f"copy (select {COLUMNS} from customers where id < 4 order by id) to stdout (format {form})"
    with gateway.connect(*ANALYST) as session:
        cities = [row[0] for row in session.execute("select city from customers where id < 4 order by id")]
        with session.cursor().copy(statement) as copy:
            if form == "csv":
                lines = b"".join(copy).decode().splitlines()
                assert lines == [f"{city},[redacted],,," for city in cities]
                return
            copy.set_types(["text", "text", "numeric", "date", "text"])
            assert list(copy.rows()) == [(city, "[redacted]", None, None, None) for city in cities]
        assert session.execute("select 1").fetchone() == (1,)


def test_binary_copy_of_nothing_is_whole(gateway: Gateway) -> None:
    with (
        gateway.connect(*ANALYST) as session,
        session.cursor().copy("copy (select email from customers where false) to stdout (format binary)") as copy,
    ):
        assert list(copy.rows()) == []


def resident_bytes(gateway: Gateway) -> int:
    """What the workers together have in memory."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in gateway.workers()]
    return sum(pages) * resource.getpagesize()


@contextmanager
def watched(gateway: Gateway) -> Iterator[list[int]]:
    """The largest memory of the workers while the block runs, as the last element."""
    sizes = [resident_bytes(gateway)]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            sizes.append(max(sizes[-1], resident_bytes(gateway)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield sizes
    finally:
        over.set()
        watcher.join()


@contextmanager
def asked(gateway: Gateway, statement: str) -> Iterator[Wire]:
    """A signed-in connection that has sent the statement and read nothing of the answer."""
    database, user, groups = ANALYST
    with Wire(gateway.port) as wire:
        wire.sign_in(gateway.token(user, groups), {"user": user, "database": database})
        wire.send(query(statement))
        yield wire


def test_memory_stays_flat_while_a_large_masked_result_passes(gateway: Gateway) -> None:
    with asked(gateway, f"{LARGE} limit 3000") as small:
        small.discard()
    with watched(gateway) as sizes, asked(gateway, LARGE) as large:
        before = sizes[0]
        assert large.discard() > 300_000_000
    assert sizes[-1] - before < GROWTH_BYTES_MAX


def test_client_that_does_not_read_stops_its_database_and_costs_no_memory(gateway: Gateway, postgres: Postgres) -> None:
    waits = "select wait_event from pg_stat_activity where query like '%/* unread%' and pid <> pg_backend_pid()"
    with postgres.connect(autocommit=True) as observer, watched(gateway) as sizes:
        before = sizes[0]
        with asked(gateway, f"{LARGE} /* unread */") as client:
            wait_for("the database to wait", lambda: observer.execute(waits).fetchone() == ("ClientWrite",))
            assert client.reply()[0] == b"T"
    assert sizes[-1] - before < GROWTH_BYTES_MAX
