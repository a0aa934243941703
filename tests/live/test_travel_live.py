"""Labels travel with the data: copies are masked for whoever may not see what they were made of, in every session."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from tests.live.rig import Gateway, Postgres, wait_for

ANALYSTS = ("analysts",)
SSN = "901-11-1111"


@contextmanager
def tables(owner: psycopg.Connection, *names: str) -> Iterator[None]:
    """Drops the tables that a test made."""
    try:
        yield
    finally:
        if owner.info.transaction_status:
            owner.execute("rollback")
        for name in names:
            owner.execute(f"drop table if exists {name} cascade")


@pytest.fixture(scope="module")
def analysts(gateway: Gateway) -> Iterator[list[psycopg.Connection]]:
    """Sessions that are there before anything is copied, in both workers in all likelihood."""
    with ExitStack() as stack:
        yield [stack.enter_context(gateway.connect("shop", "ann", ANALYSTS)) for _ in range(6)]


def seen(analysts: list[psycopg.Connection], sql: str) -> set[object]:
    """What analysts are shown right after what was done before."""
    return {cell for analyst in analysts for row in analyst.execute(sql).fetchall() for cell in row}


def shown(analysts: list[psycopg.Connection], sql: str, values: set[object]) -> None:
    """All of them are shown these, as soon as the catalogues of both workers know the table."""
    wait_for(f"{sql} to show {values}", lambda: seen(analysts, sql) == values)


def test_what_the_owner_copies_stays_masked_for_others(gateway: Gateway, analysts: list[psycopg.Connection]) -> None:
    with gateway.connect("dev") as owner, tables(owner, "copied", "second"):
        owner.execute(
            "create table copied as select id, ssn as code, lower(email) as m, length(ssn) as n from customers"
        )
        owner.execute("grant select on copied to app_ro")
        assert owner.execute("select code from copied where id = 1").fetchone() == (SSN,)
        assert SSN not in seen(analysts, "select code from copied")
        assert seen(analysts, "select n from copied") == {None}
        shown(analysts, "select id from copied", {1, 2, 3, 4})
        assert not any("canary" in str(cell) for cell in seen(analysts, "select m from copied"))
        owner.execute("create table second (x text, y int)")
        owner.execute("insert into second select code, id from copied")
        owner.execute("grant select on second to app_ro")
        assert SSN not in seen(analysts, "select x from second")
        shown(analysts, "select y from second", {1, 2, 3, 4})


def test_column_that_was_clear_is_masked_from_the_moment_of_the_copy(
    gateway: Gateway, analysts: list[psycopg.Connection]
) -> None:
    """In sessions that have read it before and hold plans over it, whatever their worker: nobody sees the copy once."""
    read = "select bin from ledger"
    with gateway.connect("dev") as owner, tables(owner, "ledger"):
        owner.execute("create table ledger (id int, bin varchar(80))")
        owner.execute("insert into ledger values (1, 'harmless'), (2, 'too')")
        owner.execute("grant select on ledger to app_ro")
        shown(analysts, read, {"harmless", "too"})
        for analyst in analysts:
            assert len(analyst.execute(read, prepare=True).fetchall()) == 2
        owner.execute("update ledger set bin = (select ssn from customers where id = 1) where id = 1")
        for analyst in analysts:
            rows = analyst.execute(read, prepare=True).fetchall()
            assert not any(cell in (SSN, "too") for (cell,) in rows)


def test_labels_follow_renames_and_end_with_the_table(gateway: Gateway, analysts: list[psycopg.Connection]) -> None:
    with gateway.connect("dev") as owner, tables(owner, "people", "folk"):
        owner.execute("create table people (id int, email text, nick text)")
        owner.execute("insert into people values (1, 'canary.x@example.com', 'x')")
        owner.execute("grant select on people to app_ro")
        owner.execute("alter table people rename email to c1")
        owner.execute("alter table people rename to folk")
        assert not any("canary" in str(cell) for cell in seen(analysts, "select c1 from folk"))
        owner.execute("alter table folk rename c1 to c2")
        assert not any("canary" in str(cell) for cell in seen(analysts, "select c2 from folk"))
        owner.execute("drop table folk")
        owner.execute("create table folk (id int, c2 text)")
        owner.execute("insert into folk values (1, 'clean')")
        owner.execute("grant select on folk to app_ro")
        shown(analysts, "select c2 from folk", {"clean"})


def test_temporary_tables_and_transactions_hide_no_origin(gateway: Gateway, analysts: list[psycopg.Connection]) -> None:
    with gateway.connect("dev") as owner, tables(owner, "kept", "kept2"):
        owner.execute("create temp table mine as select id, ssn as s from customers")
        owner.execute("set search_path = public")
        owner.execute("create table kept as select s as a, id from mine")
        owner.execute("begin")
        owner.execute("create table kept2 (b text, c text)")
        owner.execute("create view peek as select ssn as p from customers")
        owner.execute("insert into kept2 (b) select p from peek")
        owner.execute("alter table kept2 add column d text")
        owner.execute("update kept2 set d = b, c = 'clear'")
        owner.execute("drop view peek")
        owner.execute("commit")
        owner.execute("grant select on kept, kept2 to app_ro")
        assert SSN not in seen(analysts, "select a from kept")
        assert SSN not in seen(analysts, "select b from kept2")
        assert SSN not in seen(analysts, "select d from kept2")
        shown(analysts, "select c from kept2", {"clear"})


def test_views_generated_columns_and_children_follow(gateway: Gateway, analysts: list[psycopg.Connection]) -> None:
    with gateway.connect("dev") as owner, tables(owner, "base", "child"):
        owner.execute("create table base (id int, v text, g text generated always as (v || '') stored)")
        owner.execute("create table child () inherits (base)")
        owner.execute("create view over as select v as w, id from base")
        owner.execute("create materialized view stored as select v as m from base")
        owner.execute("grant select on base, child, over, stored to app_ro")
        owner.execute("insert into base (id, v) values (1, 'plain')")
        shown(analysts, "select w from over", {"plain"})
        owner.execute("insert into child (id, v) select id, ssn from customers where id = 1")
        for column, relation in (("v", "base"), ("v", "child"), ("g", "base"), ("w", "over")):
            cells = seen(analysts, f"select {column} from {relation}")
            assert SSN not in cells
            assert "plain" not in cells, "the column is masked, not the cell"
        owner.execute("refresh materialized view stored")
        assert SSN not in seen(analysts, "select m from stored")
        shown(analysts, "select id from over", {1})


def test_masked_writer_may_copy_and_nobody_sees_the_copy(gateway: Gateway, analysts: list[psycopg.Connection]) -> None:
    with gateway.connect("dev") as owner, tables(owner, "shelf"):
        owner.execute("create table shelf (id int, item text)")
        owner.execute("grant select on shelf to app_ro")
        owner.execute("insert into shelf values (0, 'plain')")
        shown(analysts, "select item from shelf", {"plain"})  # all workers know the table
        with gateway.connect("shop", "will", ("writers",)) as writer:
            writer.execute("insert into shelf (id, item) select id, ssn from customers")
            assert SSN not in {row[0] for row in writer.execute("select item from shelf").fetchall()}
        assert SSN not in seen(analysts, "select item from shelf")
        shown(analysts, "select id from shelf", {0, 1, 2, 3, 4})
        assert (SSN,) in owner.execute("select item from shelf").fetchall()


def test_labels_outlive_the_gateway(postgres: Postgres, make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    with gateway.connect("dev") as owner:
        owner.execute("create table lasting as select ssn as code from customers")
        owner.execute("grant select on lasting to app_ro")
    try:
        assert gateway.stop() == 0
        gateway.start()
        with gateway.connect("shop", "ann", ANALYSTS) as analyst:
            assert SSN not in {row[0] for row in analyst.execute("select code from lasting").fetchall()}
        files = list((gateway.folder / "var" / "labels").iterdir())
        assert [file.stat().st_mode & 0o777 for file in files] == [0o600]
        assert SSN not in files[0].read_text()
    finally:
        with postgres.connect("shop", user="sluice", autocommit=True) as direct:
            direct.execute("drop table lasting")
