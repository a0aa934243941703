"""Tickets on the disk, beside the statements."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.gateway.approvals.test_statements import NOW, held
from workers.held_store import HeldStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HeldStore]:
    made = HeldStore(tmp_path)
    yield made
    made.close()


def test_the_newest_of_its_kind_is_found(store: HeldStore) -> None:
    assert store.tickets.latest(b"k", "h9") is None
    for number in (1, 3, 2):
        one = held(id=f"h{number}", since=NOW + number)
        store.tickets.add(one, b"k", b"o")
        assert store.add(one)
    found = store.tickets.latest(b"k", "h9")
    assert found is not None
    assert found.id == "h3"
    assert store.tickets.latest(b"other", "h9") is None
    store.tickets.about("h2", "h9")
    used, other = store.tickets.latest(b"k", "h9"), store.tickets.latest(b"k", "h8")
    assert (used and used.id, other and other.id) == ("h2", "h3")


def test_a_ticket_without_its_statement_means_nothing(store: HeldStore) -> None:
    store.tickets.add(held(), b"k", b"o")
    assert store.tickets.latest(b"k", "h9") is None
    assert store.tickets.pending(b"o") == 0


def test_those_that_wait_are_counted_and_those_whose_time_has_come_are_due(store: HeldStore) -> None:
    one = held(until=NOW + 10)
    store.tickets.add(one, b"k", b"o")
    store.add(one)
    assert (store.tickets.pending(b"o"), store.tickets.pending(b"p")) == (1, 0)
    assert (store.tickets.due(NOW + 9), store.tickets.due(NOW + 10)) == ([], ["h1"])
    store.tickets.again("h1", NOW + 50)
    assert store.tickets.due(NOW + 10) == []
    store.move(one, msgspec.structs.replace(one, state="denied"))
    assert store.tickets.pending(b"o") == 0
    store.tickets.forget("h1")
    assert store.tickets.latest(b"k", "h9") is None
