"""INSERT, UPDATE, DELETE and MERGE."""

import pytest

from parser.facts import Column, Facts, Relation
from parser.statements import read
from tests.parser.knowing import facts, flows


def one(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    return facts


TABLE = Relation(None, "t")


def test_written_columns_are_named() -> None:
    for sql, names in (
        ("INSERT INTO t (a, b) VALUES (1, 2)", {"a", "b"}),
        ("INSERT INTO t VALUES (1)", {"*"}),
        ("INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET (b, c) = (1, 2)", {"a", "b", "c"}),
        ("UPDATE t SET a = 1, (b, c) = (SELECT 1, 2), d[1] = 2, e.f = 3", {"a", "b", "c", "d", "e"}),
        ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = 1", {"b"}),
    ):
        assert one(sql).columns_written == {Column(TABLE, name) for name in names}


def test_a_write_that_returns_or_looks_elsewhere_also_reads() -> None:
    assert one("DELETE FROM t WHERE a = 1").effects == {"write"}
    for sql in ("DELETE FROM t RETURNING a", "DELETE FROM t USING u WHERE t.a = u.a", "INSERT INTO t SELECT 1"):
        assert one(sql).effects == {"read", "write"}


def test_an_upsert_and_a_merge_name_what_they_do() -> None:
    assert one("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1").kinds == ("INSERT", "INSERT ON CONFLICT")
    assert one("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE").kinds == ("MERGE", "DELETE")


def test_a_long_insert_is_read_like_a_short_one() -> None:
    facts = one("INSERT INTO t VALUES " + ", ".join(f"({n}, 'x')" for n in range(60_000)))
    assert facts.complete
    assert facts.kinds == ("INSERT",)


def test_values_with_more_behind_them_are_a_query() -> None:
    facts = one("INSERT INTO t VALUES (1), (2) UNION SELECT a FROM u")
    assert facts.complete
    assert facts.reads == (Relation(None, "u"),)


def test_what_is_put_into_columns_is_told() -> None:
    def stored(sql: str) -> dict[str, set[str]]:
        (facts,) = read(sql.encode())
        return {
            f"{column.relation.name}.{column.name}": {f"{one.relation.name}.{one.name}" for one in out.columns}
            for column, out in facts.stored
        }

    assert stored("update t set a = b, c = 1") == {"t.a": {"t.b"}}
    assert stored("insert into t (x, y) select s.a, s.b from s") == {"t.x": {"s.a"}, "t.y": {"s.b"}}
    assert stored("insert into t values (1, $1)") == {}
    assert stored("create table t as select s.a as x from s") == {"t.x": {"s.a"}}
    assert stored("select s.a as x into t from s") == {"t.x": {"s.a"}}
    assert stored("create table t (p) as select s.a, s.b as q from s") == {"t.p": {"s.a"}, "t.q": {"s.b"}}
    assert stored("create table t (p) as select * from s") == {"t.*": {"s.*"}}
    assert stored("create table t as select f(1) as x, 2 as y") == {"t.x": set()}
    assert stored("alter table t rename column a to b") == {"t.b": {"t.a"}}
    assert stored("alter table t rename a to b") == {"t.b": {"t.a"}}
    assert stored("alter table t rename to u") == stored("alter view t rename a to b") == {}
    assert stored("alter table t alter a type text using b || c, alter column d set data type int") == {
        "t.a": {"t.b", "t.c"}
    }
    assert stored("explain analyze update t set a = b") == {"t.a": {"t.b"}}
    assert stored("delete from t where a = b") == {}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("INSERT INTO customers (city) SELECT y FROM a RETURNING id, city", ["customers.id", "a.y customers.city"]),
        ("INSERT INTO orders SELECT id, x FROM a RETURNING *", ["a.id orders.id", "a.x orders.customer_id", "orders.total"]),
        ("INSERT INTO orders (total, id) VALUES ((SELECT x FROM a), 1) RETURNING id, total",
         ["orders.id", "a.x orders.total"]),
        ("INSERT INTO orders VALUES (1, 2, 3) RETURNING *", ["orders.id", "orders.customer_id", "orders.total"]),
        ("INSERT INTO orders SELECT * FROM unheard RETURNING id", ["orders.id unheard.*"]),
        ("INSERT INTO orders DEFAULT VALUES RETURNING id", ["orders.id"]),
        (
            "INSERT INTO orders (id, total) SELECT id, x FROM a ON CONFLICT (id) DO UPDATE SET customer_id = excluded.total "
            "RETURNING customer_id, total",
            ["a.x orders.customer_id orders.total", "a.x orders.total"],
        ),
        ("UPDATE customers SET city = a.y FROM a RETURNING city, email", ["a.y customers.city", "customers.email"]),
        ("UPDATE customers SET city = email RETURNING city", ["customers.city customers.email"]),
        ("UPDATE customers SET (city, email) = (SELECT x, y FROM a) RETURNING city, customers.email",
         ["a.x customers.city", "a.y customers.email"]),
        ("UPDATE customers SET (city, email) = ROW (email, 'x') RETURNING city, customers.email",
         ["customers.city customers.email", "customers.email"]),
        ("UPDATE customers SET city = y FROM a RETURNING old.city, new.city, customers",
         ["customers.city", "a.y customers.city", "a.y customers.*"]),
        ("UPDATE customers SET city = y FROM a RETURNING WITH (OLD AS o, NEW AS n) o.city, n.city",
         ["customers.city", "a.y customers.city"]),
        ("UPDATE orders SET id = 1 FROM c RETURNING *", ["orders.id", "orders.customer_id", "orders.total", "c.id", "c.w"]),
        ("DELETE FROM orders USING c RETURNING *", ["orders.id", "orders.customer_id", "orders.total", "c.id", "c.w"]),
        (
            "MERGE INTO orders o USING a ON o.id = a.id WHEN MATCHED THEN UPDATE SET total = a.x "
            "WHEN NOT MATCHED THEN INSERT (customer_id) VALUES (a.y) RETURNING *",
            ["a.id", "a.x", "a.y", "orders.id", "a.y orders.customer_id", "a.x orders.total"],
        ),
        ("WITH w AS (UPDATE customers SET city = email RETURNING *) SELECT city FROM w", ["customers.city customers.email"]),
    ],
)  # fmt: skip
def test_returning_shows_the_column_and_what_was_put_there(sql: str, expected: list[str]) -> None:
    assert flows(sql) == expected


def test_writes_carry_the_schema_that_is_known() -> None:
    found = facts("UPDATE customers SET city = 'x' WHERE id = 1")
    assert found.writes == (Relation("public", "customers"),)
    assert found.columns_written == {Column(Relation("public", "customers"), "city")}


def test_source_of_merge_does_not_see_the_target() -> None:
    source = "LATERAL (SELECT city FROM pairs(1) AS city) s"
    (output,) = flows(f"MERGE INTO customers c USING {source} ON true WHEN MATCHED THEN DELETE RETURNING s.city") or []
    assert "customers" not in output


@pytest.mark.parametrize(
    "index",
    ["(id)", "(lower(city))", '(lower(city) COLLATE "C" text_pattern_ops, id)', "((id + 1) int4_ops)", '(city COLLATE "C")'],
)
def test_index_of_on_conflict_may_have_collations_and_operator_classes(index: str) -> None:
    found = facts(f"INSERT INTO customers VALUES (1) ON CONFLICT {index} DO NOTHING")
    assert "INSERT" in found.kinds
