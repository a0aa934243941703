"""INSERT, UPDATE, DELETE and MERGE."""

from parser.facts import Column, Facts, Relation
from parser.statements import read


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
    assert stored("explain analyze update t set a = b") == {"t.a": {"t.b"}}
    assert stored("delete from t where a = b") == {}
