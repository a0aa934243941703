"""Tokens find the rows they stand for, masks are not written back, and every decoder can read what stands for a value."""

import asyncio
import contextlib
import io
import struct
from collections.abc import Iterator
from typing import Any

import asyncpg
import pg8000.native
import psycopg
import pytest
from psycopg import sql

from tests.live.rig import Gateway
from tests.live.wire import tapped

ANALYSTS = ("analysts",)
RULE = "no masked values written back"
ADA = "901-11-1111"


@pytest.fixture(scope="module")
def tokens(gateway: Gateway) -> dict[int, str]:
    """The tokens of the customers' ssn, by id."""
    with gateway.connect("shop", "ann", ANALYSTS) as connection:
        rows = connection.execute("select id, ssn from customers where ssn is not null").fetchall()
    assert all(row[1].startswith("tok_ssn_") for row in rows)
    return dict(rows)


@pytest.fixture
def clean(gateway: Gateway) -> Iterator[psycopg.Connection]:
    """The connection of an owner who sees everything; what a test wrote is taken away."""
    with gateway.connect("dev") as owner:
        yield owner
        owner.execute("delete from customers where id > 4")


FILTERS = (
    "select id from customers where ssn = {0}",
    "select id from customers where {0} = ssn",
    "select c.id from public.customers as c where (c.ssn = {0}::text and c.id > 0)",
    "select id from customers where ssn in ({0}, 'nothing')",
    "select id from customers where ssn = any(array[{0}, 'nothing'])",
    "select s.id from (select id, ssn as number from customers) s where s.number = {0} or s.id < 0",
    "select o.customer_id from orders o join customers c on c.id = o.customer_id and c.ssn = {0} limit 1",
    "select a.id from customers a join customers b using (ssn) where b.ssn = {0}",
    "with c as (select * from customers) select id from c where ssn = {0}",
)


@pytest.mark.parametrize("statement", FILTERS)
def test_statement_that_filters_by_a_token_finds_its_row(
    gateway: Gateway, tokens: dict[int, str], statement: str
) -> None:
    text = statement.format(f"'{tokens[2]}'")
    with tapped(gateway.port) as tap:
        dsn = gateway.dsn("shop", "ann", ANALYSTS).replace(f"port={gateway.port}", f"port={tap.port}")
        with psycopg.connect(dsn, autocommit=True) as connection:
            assert connection.execute(sql.SQL(text)).fetchall() == [(2,)]
            assert connection.execute(sql.SQL(text), prepare=True).fetchall() == [(2,)]
            with connection.cursor(binary=True) as cursor:
                assert cursor.execute(statement.format("%s"), (tokens[2],)).fetchall() == [(2,)]
            with psycopg.ClientCursor(connection) as simple:
                assert simple.execute(statement.format("%s"), (tokens[2].upper(),)).fetchall() == [(2,)]
    assert b"902-22-2222" not in tap.to_client


def test_arrays_of_tokens_find_their_rows_as_text_and_in_binary(gateway: Gateway, tokens: dict[int, str]) -> None:
    wanted = [tokens[1], tokens[3], "nothing"]
    statement = "select id from customers where ssn = any(%s) order by id"
    with gateway.connect("shop", "ann", ANALYSTS) as connection:
        assert connection.execute(statement, (wanted,)).fetchall() == [(1,), (3,)]
        assert connection.execute(statement.replace("%s", "%b"), (wanted,)).fetchall() == [(1,), (3,)]
        literal = "{" + ",".join(wanted) + "}"
        found = connection.execute(sql.SQL(statement.replace("%s", f"'{literal}'"))).fetchall()
        assert found == [(1,), (3,)]
        assert connection.execute("select id from customers where ssn <> %s", (tokens[1],)).fetchall() == [(2,), (3,)]


def test_cursors_prepared_statements_and_copy_take_tokens_too(gateway: Gateway, tokens: dict[int, str]) -> None:
    with gateway.connect("shop", "ann", ANALYSTS, autocommit=False) as connection:
        connection.execute(sql.SQL(f"declare c cursor for select id from customers where ssn = '{tokens[3]}'"))
        assert connection.execute("fetch all from c").fetchall() == [(3,)]
        assert ADA not in str(connection.execute("select * from pg_cursors").fetchall())
        connection.execute("prepare by_ssn(text) as select id from customers where ssn = $1")
        assert connection.execute(sql.SQL(f"execute by_ssn('{tokens[1]}')")).fetchall() == [(1,)]
        connection.execute(sql.SQL(f"prepare ada as select id from customers where ssn = '{tokens[1]}'"))
        assert connection.execute("execute ada").fetchall() == [(1,)]
        shown = connection.execute("select name, statement from pg_prepared_statements").fetchall()
        assert "ada" in str(shown)
        assert ADA not in str(shown)
        assert ADA not in str(connection.execute("explain execute ada").fetchall())
        assert ADA not in str(connection.execute("explain (format json) execute ada").fetchall())
        connection.execute("prepare totals as select total from orders where id = 3")
        assert "(id = 3)" in str(connection.execute("explain execute totals").fetchall())
        with connection.cursor().copy(
            sql.SQL(f"copy (select id from customers where ssn = '{tokens[1]}') to stdout")
        ) as copy:
            assert b"".join(copy) == b"1\n"


def test_tokens_join_and_count_like_their_values(gateway: Gateway, tokens: dict[int, str]) -> None:
    with gateway.connect("shop", "ann", ANALYSTS) as connection:
        counted = connection.execute(
            "select c.ssn, count(*) from customers c join orders o on o.customer_id = c.id group by c.ssn"
        ).fetchall()
        assert dict(counted) == {tokens[1]: 10, tokens[2]: 10, tokens[3]: 10, None: 10}
        pairs = connection.execute("select a.ssn, b.ssn from customers a join customers b on a.ssn = b.ssn").fetchall()
        assert sorted(pairs) == sorted((token, token) for token in tokens.values())


def test_other_drivers_filter_by_tokens(gateway: Gateway, tokens: dict[int, str]) -> None:
    async def of_asyncpg() -> list[list[Any]]:
        connection = await asyncpg.connect(**where)
        try:
            one = await connection.fetch("select id from customers where ssn = $1", tokens[2])
            many = await connection.fetch("select id from customers where ssn = any($1::text[])", [tokens[2], tokens[3]])
            return [[row["id"] for row in one], sorted(row["id"] for row in many)]
        finally:
            await connection.close()

    where = {
        "host": "127.0.0.1", "port": gateway.port, "user": "ann", "database": "shop",
        "password": gateway.token("ann", ANALYSTS),
    }  # fmt: skip
    assert asyncio.run(of_asyncpg()) == [[2], [2, 3]]
    plain = pg8000.native.Connection("ann", **{k: v for k, v in where.items() if k != "user"})
    try:
        assert plain.run("select id from customers where ssn = :t", t=tokens[3]) == [[3]]
    finally:
        plain.close()


# Where the value behind a token could come back, the token stays what it is.
FLOWS = (
    "select {0}, ssn from customers where ssn = {0}",
    "select current_query() from customers where ssn = {0}",
    "select id from customers where ssn = {0}; select current_query()",
    "select query from pg_stat_activity, customers where ssn = {0}",
    "select max({0}) from customers",
    "select coalesce(null, {0}) from customers where ssn = upper({0})",
    "explain select id from customers where ssn = {0}",
    "explain (analyze, costs off) select id from customers where ssn = {0}",
    "select id from customers where ssn = {0} || ''",
    "select 1/(id - id) from customers where ssn = {0}",
    "select id from customers where ssn = {0} and nosuch = 1",
    "select id from customers where ssn = {0}::int",
    "select set_config('application_name', {0}, false)",
    "select id, {0} as t from customers where email = {0}",
)


@pytest.mark.parametrize("statement", FLOWS)
def test_value_behind_a_token_reaches_the_client_through_no_door(
    gateway: Gateway, tokens: dict[int, str], statement: str
) -> None:
    with tapped(gateway.port) as tap:
        dsn = gateway.dsn("shop", "ann", ANALYSTS).replace(f"port={gateway.port}", f"port={tap.port}")
        with psycopg.connect(dsn, autocommit=True) as connection:
            text, values = statement.format(f"'{tokens[1]}'"), [tokens[1]] * statement.count("{0}")
            for prepare in (False, True):
                with contextlib.suppress(psycopg.Error):
                    connection.execute(sql.SQL(text), prepare=prepare)
                with contextlib.suppress(psycopg.Error):
                    connection.execute(statement.format("%s"), values, prepare=prepare)
    assert ADA.encode() not in tap.to_client


def test_positions_in_errors_tell_nothing_of_the_value(gateway: Gateway, tokens: dict[int, str]) -> None:
    with gateway.connect("shop", "ann", ANALYSTS) as connection, pytest.raises(psycopg.Error) as failed:
        text = f"select id from customers where ssn = '{tokens[1]}' union all select nosuch from customers"
        connection.execute(sql.SQL(text))
    assert failed.value.diag.statement_position == str(text.index("nosuch") + 1)


WRITES = (
    "insert into customers (name, ssn) values ('x', {0})",
    "insert into customers (name, city) values ('x', 'about ' || {0})",
    "update customers set ssn = {0} where id = 1",
    "insert into customers (name, city) select name, {0} from customers",
    "create temp table kept as select {0} as t",
    "merge into customers c using (select 1 as id) s on c.id = s.id when matched then update set city = {0}",
)


@pytest.mark.parametrize("statement", WRITES)
@pytest.mark.parametrize("what", ["token", "contact: {t}", "[redacted]"])
def test_masks_are_not_written_back(gateway: Gateway, tokens: dict[int, str], statement: str, what: str) -> None:
    value = tokens[1] if what == "token" else what.replace("{t}", tokens[1])
    with gateway.connect("shop", "will", ("writers",)) as writer:
        for attempt in (
            lambda: writer.execute(sql.SQL(statement.format(f"'{value}'"))),
            lambda: writer.execute(statement.format("%s::text"), (value,)),
            lambda: writer.execute(statement.format("%b::text"), (value,)),
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=RULE) as failed:
                attempt()
            assert failed.value.diag.message_hint
        assert writer.execute("select city from customers where id = 1").fetchone() == ("Oslo",)


def test_write_that_filters_by_a_token_meets_its_row_alone(
    gateway: Gateway, tokens: dict[int, str], clean: psycopg.Connection
) -> None:
    with gateway.connect("shop", "will", ("writers",)) as writer:
        done = writer.execute(sql.SQL(f"update customers set city = 'Bergen' where ssn = '{tokens[1]}'"))
        assert done.rowcount == 1
        assert writer.execute("update customers set city = 'Oslo' where ssn = %s", (tokens[1],)).rowcount == 1
    assert clean.execute("select city, ssn from customers where id = 1").fetchone() == ("Oslo", ADA)


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("form", ["text", "csv", "binary"])
def test_copy_with_a_mask_in_its_data_fails_and_stores_nothing(
    gateway: Gateway, tokens: dict[int, str], clean: psycopg.Connection, form: str, size: int
) -> None:
    lines = [f"n{n}\t900-00-0000\n" for n in range(2)] + [f"masked\t{tokens[1]}\n"]
    data = "".join(lines).encode()
    if form == "csv":
        data = data.replace(b"\t", b",")
    if form == "binary":
        out = io.BytesIO(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        out.seek(0, io.SEEK_END)
        for name, value in (line.strip().split("\t") for line in lines):
            out.write(struct.pack(">h", 2))
            for cell in (name, value):
                out.write(struct.pack(">i", len(cell)) + cell.encode())
        data = out.getvalue() + b"\xff\xff"
    with gateway.connect("shop", "will", ("writers",)) as writer:
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege, match=RULE) as failed,
            writer.cursor().copy(f"copy customers (name, ssn) from stdin (format {form})") as copy,
        ):
            for at in range(0, len(data), size):
                copy.write(data[at : at + size])
        assert form == "binary" or "COPY line 3" in str(failed.value)
        assert writer.execute("select 1").fetchone() == (1,), "the session goes on"
        clear = data.replace(tokens[1].encode(), b"9" * len(tokens[1]))
        with writer.cursor().copy(f"copy customers (name, ssn) from stdin (format {form})") as copy:
            copy.write(clear)
    assert clean.execute("select count(*) from customers where id > 4").fetchone() == (3,), "of the second COPY"


def test_reading_statement_may_hold_what_looks_like_a_mask(gateway: Gateway, tokens: dict[int, str]) -> None:
    with gateway.connect("shop", "ann", ANALYSTS) as connection:
        assert connection.execute("select '[redacted]', '****1234'").fetchone() == ("[redacted]", "****1234")
        assert connection.execute("select %s::text", (tokens[1],)).fetchone() == (tokens[1],)


def test_owner_may_write_the_constant_and_no_token(
    gateway: Gateway, tokens: dict[int, str], clean: psycopg.Connection
) -> None:
    clean.execute("insert into customers (name, ssn) values ('[redacted]', '****1234')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=RULE):
        clean.execute("insert into customers (name, ssn) values ('x', %s)", (tokens[1],))


EVERY_TYPE = """select to_json(email), to_jsonb(email), array[email], array[email]::varchar[],
    textsend(email), email::name, email::char(40), email::varchar(5), salary + 1, salary::float8, birth_date + 1,
    birth_date::timestamptz, (email is null)::bool, (email || '0')::text, to_tsvector('simple', email),
    ('10.0.0.' || id)::inet, array[salary], age(birth_date),
    justify_days((birth_date - date '2000-01-01') * interval '1 day')
    from customers where id = 1"""


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_masks_keep_the_type_so_that_psycopg_reads_them(gateway: Gateway, binary: bool) -> None:
    with gateway.connect("shop", "ann", ANALYSTS) as connection:
        row = connection.execute(EVERY_TYPE, binary=binary).fetchone()
    assert row is not None
    assert row[:4] == ("[redacted]", "[redacted]", ["[redacted]"], ["[redacted]"])
    assert row[4:8] == (None, "[redacted]", "[redacted]", "*****")
    assert set(row[8:15]) == {None, "[redacted]"}


def test_masks_keep_the_type_so_that_other_drivers_read_them(gateway: Gateway) -> None:
    where = {"host": "127.0.0.1", "port": gateway.port, "database": "shop", "password": gateway.token("ann", ANALYSTS)}

    async def of_asyncpg() -> list[Any]:
        connection = await asyncpg.connect(user="ann", **where)
        try:
            return list(await connection.fetchrow(EVERY_TYPE))
        finally:
            await connection.close()

    row = asyncio.run(of_asyncpg())
    assert row[:4] == ['"[redacted]"', '"[redacted]"', ["[redacted]"], ["[redacted]"]]
    plain = pg8000.native.Connection("ann", **where)
    try:
        assert plain.run(EVERY_TYPE)[0][:4] == ["[redacted]", "[redacted]", ["[redacted]"], ["[redacted]"]]
    finally:
        plain.close()
