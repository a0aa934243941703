"""Nothing sensitive reaches a client without the right to it, through any door of the wire. A tap reads every byte."""

import struct
from datetime import date

import psycopg
import pytest

from tests.live.rig import Gateway
from tests.live.wire import tapped

ANALYSTS = ("analysts",)

# What must never be on an analyst's wire, as text and as PostgreSQL's binary values (numeric: base 10000 digits;
# date: days since 2000).
CANARIES = [
    b"Canary",
    b"canary.",
    *(f"{n}".encode() for n in ("901-11-1111", "902-22-2222", "903-33-3333")),
    *(f"555-010-{n}".encode() for n in ("1111", "2222", "3333")),
    *(f"{n}".encode() for n in ("91111.11", "92222.22", "93333.33")),
    *(f"{n}".encode() for n in ("1981-01-11", "1982-02-12", "1983-03-13")),
    struct.pack("!hhh", 9, 1111, 1100),
    struct.pack("!ii", 4, (date(1981, 1, 11) - date(2000, 1, 1)).days),
]

# Doors: each asks for sensitive data in another way. A refusal is as good as a mask.
DOORS = (
    "select * from customers order by id",
    "table customers",
    "select name, email, ssn, phone, birth_date, salary from customers",
    "select c.email as city from customers c",
    "select who, mail from contacts",
    "select upper(name) from customers",
    "select name || '' from customers",
    "select email::varchar(100)::text from customers",
    "select salary + 0 from customers",
    "select birth_date::text from customers",
    "select max(name), min(email), sum(salary) from customers where id = 1",
    "select string_agg(email, ',') from customers",
    "select array_agg(ssn) from customers",
    "select json_agg(c) from customers c",
    "select to_jsonb(c) from customers c",
    "select row_to_json(c)::text from customers c",
    "select c from customers c",
    "select c::text from customers c",
    "select (c).email from customers c",
    "select x.* from (select email as e, id from customers) x",
    "with x as (select ssn as s from customers) select s from x",
    "select 'x' union all select email from customers",
    "select city from customers union select name from customers",
    "select email from customers intersect select email from customers",
    "select (select email from customers where id = 1)",
    "select case when email like 'canary%' then email end from customers",
    "select coalesce(phone, 'none') from customers",
    "select substring(ssn from 1 for 11) from customers",
    "select a.email from customers a full join customers b using (email)",
    "select * from customers a natural join customers b",
    "select o.id, c.* from orders o join customers c on c.id = o.customer_id",
    "select email, count(*) from customers group by email",
    "select distinct name from customers",
    "select first_value(email) over (order by id) from customers",
    "select unnest(array(select email from customers))",
    "select * from unnest((select array_agg(name) from customers)) as u(city)",
    "select v from customers, lateral (values (email)) as l(v)",
    "select name::int from customers",
    "select ('x' || email)::int from customers",
    "select email::date from customers where id = 1",
    "select 1/(length(email) - length(email)) || email from customers",
    "select query_to_xml('select * from customers', true, true, '')",
    "select table_to_xml('customers', true, true, '')",
    "select most_common_vals::text from pg_stats where tablename = 'customers'",
    "select histogram_bounds::text from pg_stats where tablename = 'customers'",
    "copy customers to stdout",
    "copy (select email, name from customers) to stdout",
    "copy (select email from customers) to stdout (format binary)",
    "copy customers (id, ssn) to stdout (format csv)",
    "explain select * from customers where email = 'canary.ada@example.com'",
    "do $$ declare e text; begin select email into e from customers limit 1; raise notice '%', e; end $$",
)


@pytest.fixture(scope="module", autouse=True)
def statistics_are_there(gateway: Gateway) -> None:
    """pg_stats is a door too, once the table was analysed."""
    with gateway.connect("dev") as owner:
        owner.execute("analyze customers")


def attempt(connection: psycopg.Connection, statement: str, binary: bool, prepare: bool) -> bool:
    """Whether the statement gave an answer. COPY is read to its end."""
    refused = False
    try:
        if statement.startswith("copy"):
            with connection.cursor().copy(statement) as copy:
                for _ in copy:
                    pass
        else:
            connection.execute(statement, binary=binary, prepare=prepare).fetchall()
    except psycopg.Error:
        refused = True
    assert not connection.closed, statement
    return not refused


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("actor", ["", "agent-7"], ids=["person", "agent"])
def test_no_door_lets_a_canary_out(gateway: Gateway, binary: bool, actor: str) -> None:
    dsn = gateway.dsn("shop", "ann", ANALYSTS, actor)
    answered = 0
    for statement in DOORS:
        for prepare in (False, True):
            with (
                tapped(gateway.port) as tap,
                psycopg.connect(
                    dsn.replace(f"port={gateway.port}", f"port={tap.port}"), autocommit=True
                ) as connection,
            ):
                answered += attempt(connection, statement, binary, prepare)
                # explain shows the literal that its own statement brought along
                found = [
                    canary
                    for canary in CANARIES
                    if canary in tap.to_client and canary not in statement.encode()
                ]
                assert not found, f"{statement} leaks {found}"
    assert answered > len(DOORS), "most doors are masked rather than closed"


def test_tap_finds_the_canaries_where_they_are_allowed(gateway: Gateway) -> None:
    """The detector works: the same statements, run by the owner, show every canary."""
    with tapped(gateway.port) as tap:
        dsn = gateway.dsn("dev").replace(f"port={gateway.port}", f"port={tap.port}")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("select * from customers").fetchall()
            connection.execute("select * from customers", binary=True).fetchall()
    assert [canary for canary in CANARIES if canary not in tap.to_client] == []


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_masks_are_as_the_policy_says_and_types_stay_readable(gateway: Gateway, binary: bool) -> None:
    with gateway.connect("shop", "ann", ANALYSTS) as connection:
        cursor = connection.execute("select * from customers order by id", binary=binary)
        rows = cursor.fetchall()
        assert cursor.description is not None
        column = {entry.name: [row[n] for row in rows] for n, entry in enumerate(cursor.description)}
        assert column["id"] == [1, 2, 3, 4]
        assert column["city"] == ["Oslo", "Lima", "Oslo", "Rome"]
        assert column["loyalty_points"] == [10, 20, 30, 40]
        assert column["phone"] == [None] * 4, "null"
        assert len(set(column["ssn"][:3])) == 3, "hash: different values, different tokens"
        assert column["ssn"][3] is None, "NULL stays NULL in a plain column"
        assert column["email"][3] is None
        assert None not in column["email"][:3], "redacted, not lost"
        again = connection.execute("select ssn from customers order by id desc", binary=binary).fetchall()
        assert [row[0] for row in again] == column["ssn"][::-1], "hash: the same value, the same token"


def test_safe_statements_are_not_masked(gateway: Gateway) -> None:
    with gateway.connect("shop", "ann", ANALYSTS) as connection:
        counted = connection.execute(
            "select city, count(*) from customers group by city order by city"
        ).fetchall()
        assert counted == [("Lima", 1), ("Oslo", 2), ("Rome", 1)]
        assert connection.execute("select count(*), 'x', now() is null from customers").fetchone() == (
            4,
            "x",
            False,
        )
        assert connection.execute("select sum(total) from orders").fetchone() is not None


def test_unmask_lets_labels_and_columns_through_and_nothing_else(gateway: Gateway) -> None:
    with gateway.connect("shop", "sue", ("support",)) as connection:
        row = connection.execute("select phone, email, ssn, name from customers where id = 1").fetchone()
        assert row is not None
        assert row[:2] == ("+1-555-010-1111", "canary.ada@example.com")
        assert row[2] != "901-11-1111"
        assert "Canary" not in str(row[3])


def test_cursor_and_partial_fetches_are_masked(gateway: Gateway) -> None:
    with gateway.connect("shop", "ann", ANALYSTS, autocommit=False) as connection:
        with connection.cursor("c") as cursor:
            cursor.execute("select email, id from customers order by id")
            rows = cursor.fetchmany(2) + cursor.fetchall()
        assert len(rows) == 4
        assert not any("canary" in str(row[0]) for row in rows)


def test_prepared_in_sql_is_masked_too(gateway: Gateway) -> None:
    with gateway.connect("shop", "ann", ANALYSTS) as connection:
        connection.execute("prepare p as select email from customers where id = 1")
        rows = connection.execute("execute p").fetchall()
        assert not any("canary" in str(row[0]) for row in rows)


def test_new_column_is_masked_as_soon_as_it_is_there(gateway: Gateway) -> None:
    with gateway.connect("dev") as owner, gateway.connect("shop", "ann", ANALYSTS) as analyst:
        owner.execute("create table patients (id int, passport_email text, e text)")
        try:
            owner.execute("insert into patients values (1, 'canary.new@example.com', 'x')")
            owner.execute("grant select on patients to app_ro")
            owner.execute("alter table patients add column phone text default '+1-555-010-1111'")
            row = analyst.execute("select passport_email, phone, id from patients").fetchone()
            assert row is not None
            assert "canary" not in str(row)
            assert "555-010-1111" not in str(row)
        finally:
            owner.execute("drop table patients")


def test_error_fields_and_notices_carry_no_values(gateway: Gateway) -> None:
    """A unique violation quotes the key in its DETAIL; a writer without unmask must not read it there."""
    with gateway.connect("shop", "will", ("writers",)) as writer:
        with pytest.raises(psycopg.errors.UniqueViolation) as failed:
            writer.execute(
                "update customers set email = (select email from customers where id = 2) where id = 1"
            )
        assert "canary" not in str(failed.value)
        assert "canary" not in str(failed.value.diag.message_detail)
        with pytest.raises(psycopg.errors.InvalidParameterValue) as failed:
            writer.execute("select date_trunc(email, now()) from customers where id = 1")
        assert "canary" not in str(failed.value)
