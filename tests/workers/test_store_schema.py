"""What gateways share is made once, by one of them, step by step, and is one installation's."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.workers.store_rig import DIGEST, StoreServer
from workers.store_connection import Away
from workers.store_schema import prepare

pytestmark = pytest.mark.xdist_group("store")
ONE = "create table sluice.things (id integer)"
TWO = "alter table sluice.things add name text; create index on sluice.things (name)"


def test_of_many_who_begin_at_once_one_makes_it(store: StoreServer) -> None:
    def begin(_: int) -> int:
        with store.connect() as connection:
            prepare(connection, "things", (ONE,), DIGEST)
            prepare(connection, "others", (), DIGEST)
            return connection.execute("select count(*) from sluice.things").fetchone()[0]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(begin, range(8))) == [0] * 8


def test_what_is_missing_is_done_later_and_what_is_newer_is_left_alone(store: StoreServer) -> None:
    with store.connect() as connection:
        prepare(connection, "things", (ONE,), DIGEST)
        prepare(connection, "things", (ONE, TWO), DIGEST)
        connection.execute("insert into sluice.things (id, name) values (1, 'one')")
        prepare(connection, "things", (ONE, TWO), DIGEST)
        with pytest.raises(Away, match="a newer Sluice"):
            prepare(connection, "things", (ONE,), DIGEST)
        assert connection.execute("select version from sluice.part").fetchall() == [(2,)]


def test_a_host_with_another_key_is_kept_out(store: StoreServer) -> None:
    with store.connect() as connection:
        prepare(connection, "things", (ONE,), DIGEST)
        with pytest.raises(Away, match=r"mask\.key"):
            prepare(connection, "things", (ONE,), b"another")
        with pytest.raises(Away, match=r"mask\.key"):
            prepare(connection, "others", (), b"another")
        prepare(connection, "things", (ONE,), DIGEST)


def test_a_step_that_fails_leaves_nothing_behind(store: StoreServer) -> None:
    with store.connect() as connection:
        with pytest.raises(psycopg.Error):
            prepare(connection, "things", (ONE, "select 1/0"), DIGEST)
        assert connection.execute("select to_regclass('sluice.things')").fetchone() == (None,)
        prepare(connection, "things", (ONE,), DIGEST)
