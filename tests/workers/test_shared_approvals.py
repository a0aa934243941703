"""The stores of approvals in PostgreSQL: the same promises as on a disk, and who looks after what."""

from collections.abc import Iterator

import msgspec
import psycopg
import pytest

from gateway.approvals.requests import Asked, Request
from gateway.approvals.statements import Held
from tests.gateway.approvals.test_delegation import DAY, lend
from tests.gateway.approvals.test_statements import NOW, held
from tests.workers.store_rig import DIGEST, StoreServer
from workers import approvals_store, delegations_store, held_store, shared_approvals, store_schema
from workers.approvals_store import Full
from workers.shared_approvals import (
    PART,
    STEPS,
    SharedDelegations,
    SharedHeld,
    SharedReceipts,
    SharedRequests,
    alive,
    here,
    hosts,
)

pytestmark = pytest.mark.xdist_group("store")
KEY = b"k" * 32


@pytest.fixture
def connection(store: StoreServer) -> Iterator[psycopg.Connection]:
    with store.connect() as made:
        store_schema.prepare(made, PART, STEPS, DIGEST)
        made.execute("set search_path = sluice")
        yield made


def one(number: int = 1, **facts: object) -> Held:
    return msgspec.structs.replace(held(), id=f"h{number}", since=float(number), host="a", **facts)


def request(number: int = 1, **facts: object) -> Request:
    asked = Asked("prod", "production", ("read",), 600.0, "why 100%?")
    made = Request(f"a-{number}", "access", "pending", "on request", "dave", "local", (), "t", asked, number, number + 9)
    return msgspec.structs.replace(made, host="a", **facts)


def test_statements_are_kept_as_on_a_disk(connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SharedHeld(connection, KEY)
    assert all(store.add(one(number)) for number in (1, 2, 3))
    assert not store.add(one(2, user="eve")), "an id is given once"
    after = one(2, state="approved", secret=b"", ran=True)
    assert store.move(one(2), after)
    assert not store.move(one(2), one(2, state="denied"))
    assert (store.get("h2"), store.get("H2")) == (after, None)
    assert [each.id for each in store.newest(2)] == ["h3", "h2"]
    assert [each.id for each in store.pending()] == ["h1", "h3"]
    assert (store.let_go(b"s"), store.let_go(b"S")) == (after, None)
    assert [each.id for each in store.decided(["h1", "h2"])] == ["h2"]
    monkeypatch.setattr(held_store, "HELD_MAX", 3)
    store.add(one(4))
    assert [each.id for each in store.newest(9)] == ["h4", "h3", "h1"], "what is over goes first"


def test_requests_are_kept_as_on_a_disk(connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SharedRequests(connection, KEY)
    for number in (1, 2, 3):
        store.add(request(number))
    after = request(2, state="approved", review="open")
    assert store.move(request(2), after)
    assert not store.move(request(2), request(2, state="denied"))
    assert store.get("a-2") == after
    assert [each.id for each in store.of_state("pending")] == ["a-1", "a-3"]
    assert store.open_reviews() == [after]
    monkeypatch.setattr(approvals_store, "PENDING_MAX", 2)
    with pytest.raises(Full):
        store.add(request(4))


def test_rights_that_are_lent_are_kept_as_on_a_disk(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SharedDelegations(connection, KEY, "a")
    one, other, third = (lend("dora", id=f"g{number}") for number in (1, 2, 3))
    store.add(one, NOW)
    store.add(other, NOW)
    after = msgspec.structs.replace(one, revoked=NOW)
    assert store.move(one, after)
    assert not store.move(one, msgspec.structs.replace(after, revoked_by="who was too late"))
    assert (store.get("g1"), store.get("g3"), store.all()) == (after, None, [other, after])
    monkeypatch.setattr(delegations_store, "KEPT_MAX", 2)
    store.add(third, NOW + DAY / 2)
    assert store.all() == [other, third]
    with pytest.raises(delegations_store.Full):
        store.add(one, NOW)


def test_a_row_that_no_gateway_has_made_counts_for_nothing(connection: psycopg.Connection) -> None:
    ours, theirs = SharedHeld(connection, KEY), SharedHeld(connection, b"guess" * 8)
    ours.add(one(1))
    ours.add(one(2))
    theirs.add(one(3, state="approved"))
    flipped = "set_byte(body, 40, get_byte(body, 40) # 1)"
    connection.execute(f"update held set state = 'approved', body = {flipped} where id = 'h1'")
    connection.execute("update held set body = '' where id = 'h2'")
    assert [ours.get(f"h{number}") for number in (1, 2, 3)] == [None, None, None]
    assert ours.decided(["h1", "h2", "h3"]) == ours.newest(9) == ours.pending() == []
    requests = SharedRequests(connection, KEY)
    SharedRequests(connection, b"guess" * 8).add(request(state="approved"))
    assert requests.of_state("approved") == []
    delegations = SharedDelegations(connection, KEY, "a")
    SharedDelegations(connection, b"guess" * 8, "a").add(lend("dora", id="g1"), NOW)
    connection.execute("insert into delegation select id, state, host, 0, body from held")
    assert (delegations.all(), delegations.get("h3")) == ([], None)


def test_nobody_is_gone_for_one_that_was_away_itself(connection: psycopg.Connection) -> None:
    store, requests, receipts = SharedHeld(connection, KEY), SharedRequests(connection, KEY), SharedReceipts(connection)
    for number, facts in enumerate(({}, {"state": "approved"}, {"state": "approved", "claimed": True}, {"state": "denied"})):
        store.add(one(number, **facts))
    requests.add(request())
    receipts.put("a", "h1", "slack:#dba", "C1/1.2")
    here(connection, "a", "host a")
    here(connection, "b", "host b")
    assert alive(connection, "a")
    assert hosts(connection) == ["host a", "host b"]

    def left() -> tuple[list[str], list[str]]:
        return [each.id for each in store.left("b")], [each.id for each in requests.left("b")]

    connection.execute("update sluice.host set since = since - interval '1 hour'")
    assert left() == ([], [])
    connection.execute("update sluice.host set seen = now() - interval '1 minute'")
    assert not alive(connection, "a")
    assert left() == ([], []), "b has not been there either"
    here(connection, "b", "host b")
    assert left() == ([], []), "b has just come back"
    connection.execute("update sluice.host set since = now() - interval '1 minute' where id = 'b'")
    here(connection, "b", "host b")
    assert left() == (["h0", "h1"], ["a-1"])
    assert receipts.take("b") == {("h1", "slack:#dba"): "C1/1.2"}
    assert (receipts.take("b"), receipts.of("b"), receipts.of("a")) == ({}, {("h1", "slack:#dba"): "C1/1.2"}, {})
    receipts.put("b", "h1", "slack:#dba", None)
    assert receipts.of("b") == {}
    connection.execute("update sluice.host set seen = now() - interval '2 days' where id = 'a'")
    here(connection, "b", "host b")
    assert connection.execute("select id from sluice.host").fetchall() == [("b",)]


def test_what_is_made_or_decided_is_told_and_nothing_else(connection: psycopg.Connection, store: StoreServer) -> None:
    with store.connect() as other:
        channels = shared_approvals.HELD, shared_approvals.REQUEST, shared_approvals.DELEGATION
        other.execute("; ".join(f"listen {channel}" for channel in channels))
        statements, requests = SharedHeld(connection, KEY), SharedRequests(connection, KEY)
        statements.add(one())
        statements.add(one(2, state="approved", claimed=True))
        statements.move(one(), approved := one(state="approved"))
        statements.move(approved, one(state="approved", claimed=True))
        requests.add(request())
        requests.move(request(), request(state="approved"))
        SharedDelegations(connection, KEY, "a").add(lend("dora", id="g1"), NOW)
        revoked = lend("dora", id="g1", revoked=NOW)
        SharedDelegations(connection, KEY, "b").move(lend("dora", id="g1"), revoked)
        told = [note.payload for note in other.notifies(timeout=5, stop_after=6)]
        assert told == ["h1 pending a", "h1 approved a", "a-1 pending a", "a-1 approved a", "g1 lent a", "g1 revoked b"]
