"""The connection to what gateways share: its calls end, it comes back, and nothing is taken from the surroundings."""

import threading
from typing import Any

import psycopg
import pytest
import trio

from gateway.errors import ConfigError, ConfigFault
from gateway.store_settings import Shared
from tests.workers.store_rig import PASSWORD, StoreServer
from workers import store_connection
from workers.store_connection import Away, StoreConnection, StoreTarget, target

pytestmark = pytest.mark.xdist_group("store")


def one(connection: Any, sql: str = "select 1") -> Any:
    return connection.execute(sql).fetchone()[0]


@pytest.mark.trio
async def test_calls_share_a_connection_and_one_that_was_ended_is_made_anew(store: StoreServer) -> None:
    made = []
    own = "select pg_backend_pid()"
    connection = StoreConnection(lambda: store.target, "a test", lambda each: made.append(one(each, own)))
    first = await connection.run(lambda each: one(each, own))
    with store.superuser() as admin:
        admin.execute("select pg_terminate_backend(%s, 5000)", (first,))
    assert await connection.run(lambda each: one(each, own)) == made[1] != first
    assert await connection.run(lambda each: one(each, "show search_path")) == "sluice"
    assert abs(connection.clock_off) < 1
    await connection.close()


@pytest.mark.trio
async def test_what_the_server_refuses_is_told_without_what_it_quotes(store: StoreServer) -> None:
    connection = store.connection()
    with pytest.raises(Away, match="SQLSTATE 22P02") as told:
        await connection.run(lambda each: one(each, "select 'canary'::text::integer"))
    assert "canary" not in str(told.value)
    assert connection.why == str(told.value)
    assert await connection.run(one) == 1
    assert connection.why == ""
    await connection.close()


@pytest.mark.trio
async def test_a_wrong_password_and_a_closed_door_are_told_and_not_knocked_at_again_at_once(store: StoreServer) -> None:
    guess = StoreTarget(store.target.address, "guess", "prefer", None)
    wrong = StoreConnection(lambda: guess, "a test")
    with pytest.raises(Away, match="password authentication failed") as told:
        await wrong.run(one)
    assert "guess" not in str(told.value) + repr(store.target)
    assert PASSWORD not in repr(store.target)
    nobody = target(Shared("postgres://fleet@127.0.0.1:1/approvals", sslmode="prefer"), PASSWORD, "/")
    connection = StoreConnection(lambda: nobody, "a test")
    with pytest.raises(Away, match="refused"):
        await connection.run(one)
    connection._pause = 3600
    connection._failed("it was away", lost=True)
    with pytest.raises(Away, match="it was away"):
        await connection.run(one)


@pytest.mark.trio
async def test_a_password_that_cannot_be_read_is_told_and_read_again(store: StoreServer) -> None:
    there = False

    def where() -> StoreTarget:
        if not there:
            raise ConfigError(ConfigFault("sluice.toml", 3, "approvals.password_file", "No such file", "make it"))
        return store.target

    connection = StoreConnection(where, "a test")
    with pytest.raises(Away, match="No such file"):
        await connection.run(one)
    there, connection._not_before = True, 0
    assert await connection.run(one) == 1
    await connection.close()


@pytest.mark.trio
async def test_verified_tls_is_not_given_up_where_the_server_has_none(store: StoreServer) -> None:
    where = StoreTarget(store.target.address, PASSWORD, "verify-full", None)
    strict = StoreConnection(lambda: where, "a test")
    with pytest.raises(Away):
        await strict.run(one)


@pytest.mark.trio
async def test_a_server_that_does_not_answer_is_cut_off_and_asked_again(
    store: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = store.connection()
    await connection.run(one)
    monkeypatch.setattr(store_connection, "CALL_SECONDS", 0.1)
    store.freeze(True)
    try:
        with pytest.raises(Away, match="does not answer"):
            await connection.run(one)
    finally:
        store.freeze(False)
    monkeypatch.setattr(store_connection, "CALL_SECONDS", 30)
    connection._not_before = 0
    assert await connection.run(one) == 1
    await connection.close()


@pytest.mark.trio
async def test_a_call_that_nobody_waits_for_lets_go_of_its_thread(store: StoreServer) -> None:
    connection = store.connection()
    await connection.run(one)
    began = threading.Event()

    def slowly(each: Any) -> Any:
        began.set()
        return one(each, "select 1 from pg_sleep(60)")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run, slowly)
        await trio.to_thread.run_sync(began.wait)
        nursery.cancel_scope.cancel()
    with trio.fail_after(5):
        assert await connection.run(one) == 1
    await connection.close()


@pytest.mark.trio
async def test_who_listens_hears_and_is_told_when_something_may_have_been_missed(store: StoreServer) -> None:
    connection = store.connection()
    said, saying = trio.open_memory_channel[tuple[str, str]](10)

    async def begun() -> None:
        await said.send(("begun", ""))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            connection.listen, ("one", "two"), lambda channel, payload: said.send_nowait((channel, payload)), begun
        )
        assert await saying.receive() == ("begun", "")
        with store.superuser() as admin:
            for channel in ("one", "three", "two"):
                admin.execute("select pg_notify(%s, %s)", (channel, f"said in {channel}"))
        assert [await saying.receive() for _ in range(2)] == [("one", "said in one"), ("two", "said in two")]
        await trio.to_thread.run_sync(store.stop)
        with pytest.raises(Away):
            await connection.run(one)
        await trio.to_thread.run_sync(store.start)
        assert await saying.receive() == ("begun", "")
        assert await connection.run(one) == 1, "it is not waited for where somebody else has found it again"
        nursery.cancel_scope.cancel()
    await connection.close()


def test_nothing_of_libpqs_surroundings_counts(store: StoreServer, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = store.target.parameters("a test")
    assert {parameters[key] for key in ("passfile", "sslrootcert")} == {"/dev/null"}
    assert (parameters["sslcertmode"], parameters["gssencmode"]) == ("disable", "disable")
    named = target(Shared("postgres://u@a:1,%2Frun%2Fpg/db", sslmode="verify-ca", sslrootcert="ca.crt"), None, "/etc/sluice")
    told = named.parameters("x")
    assert (told["host"], told["port"], told["sslrootcert"]) == ("a,/run/pg", "1,5432", "/etc/sluice/ca.crt")
    assert told["password"] == ""
    assert psycopg.conninfo.make_conninfo("", **told)
