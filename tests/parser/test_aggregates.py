"""The plain queries with sums over groups, and all others, which are none."""

import pytest

from parser.aggregates import AGGREGATES
from parser.facts import Aggregate, Grouped, Relation
from parser.statements import read
from tests.parser.knowing import Shown, facts, routine

KNOWN = Shown(extra=tuple(routine(name) for name in ("avg", "round", "trunc", "date_trunc", "date_part", "max")))


def grouped(sql: str, known: Shown = KNOWN) -> Grouped:
    found = facts(sql, known).grouped
    assert found is not None, sql
    return found


def none(sql: str, known: Shown = KNOWN) -> bool:
    return all(one.grouped is None for one in read(sql.encode(), known=known))


def calls(sql: str) -> list[tuple[int, str, str | None]]:
    """(result column, the call, the name to give) of each aggregate."""
    return [(one.output, "".join(one.call), one.name) for one in grouped(sql).aggregates]


def test_everything_is_told_of_a_query() -> None:
    found = grouped(
        "select x, sum(o.total) as t from orders o left join a on a.id = o.id and y = 3"
        " where $1 = customer_id group by x"
    )
    assert found.aggregates == (Aggregate(1, 3, 9, 9, None, ("sum", "(", "o", ".", "total", ")"), (0, "total")),)
    assert [(one.alias, one.relation, one.left) for one in found.tables] == [
        ("o", Relation("public", "orders"), False),
        ("a", Relation("public", "a"), True),
    ]
    assert found.pinned == {(1, "y"), (0, "customer_id")}
    assert found.divided == {(1, "x")}
    assert found.ties == {((1, "id"), (0, "id"))}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select avg(x) from a", [(0, "avg(x)", "avg")]),
        ("select 1, sum(a.x) s, avg(y) from a", [(1, "sum(a.x)", None), (2, "avg(y)", "avg")]),
        ("select round(avg(x), 2), trunc(sum(x)), max(x) from a", [(0, "avg(x)", "round"), (1, "sum(x)", "trunc")]),
        ("select avg(x)::int, (sum(x))::numeric(9, 2)::text r from a", [(0, "avg(x)", "avg"), (1, "sum(x)", None)]),
        ("select cast(avg(x) as int) c, round(avg(x)::numeric, 1) from a", [(0, "avg(x)", None), (1, "avg(x)", "round")]),
        ("select cast(avg(x) as int) from a", None),  # its name is not told here
        ("select avg(x)::double precision from a", [(0, "avg(x)", "avg")]),
        ("select pg_catalog.sum(x) from a", [(0, "pg_catalog.sum(x)", "sum")]),
        ("select avg(x) \"S\", \"avg\"(x) from a", [(0, "avg(x)", "S"), (1, "avg(x)", "avg")]),
    ],
)  # fmt: skip
def test_aggregate_may_be_rounded_cast_and_named(sql: str, expected: list[tuple[int, str, str | None]] | None) -> None:
    if expected is None:
        assert none(sql)
    else:
        assert calls(sql) == [(at, call, None if name == "S" else name) for at, call, name in expected]


@pytest.mark.parametrize(
    "condition",
    [
        "x = 1", "1 = x", "x = -1", "x = +1.5", "x = 'a'", "x = $1", "x = 'a'::text", "x = date '2026-01-01'",
        "x = true", "x", "not x", "x is null", "x is true", "x is not false", "(x = 1)",
        "((x = 1) and (x = 2 and x))", "a.x = 1::int::text",
    ],
)  # fmt: skip
def test_condition_that_holds_a_column_to_a_constant(condition: str) -> None:
    assert grouped(f"select avg(y) from a where {condition}").pinned == {(0, "x")}


@pytest.mark.parametrize(
    "condition",
    [
        "x <> 1", "x != 1", "x > 1", "x >= 1", "not (x = 1)", "not x = 1", "x = 1 or y = 1", "x in (1)",
        "x = any($1)", "x = y", "x between 1 and 2", "x is not null", "x is distinct from 1", "x is unknown",
        "x like 'a'", "x = 1 + 1", "x + 1 = 2", "lower(x) = 'a'", "x = lower('a')", "(x) = 1", "(x, y) = (1, 2)",
        "x = (select 1)", "x = array[1]", "ctid = '(0,1)'", "tableoid = 1", "a = $1", "a.* = $1",
        "exists (select 1)", "true", "null", "z = 1", "b.x = 1", "x = null", "x operator(=) 1",
        "x collate \"C\" = 'a'", "x[1] = 1", "(a).x = 1", "x::int = 1", "x isnull", "random() = 1",
        "case when x then y end",
    ],
)  # fmt: skip
def test_other_conditions_make_it_no_group(condition: str) -> None:
    assert none(f"select avg(y) from a where {condition}")


@pytest.mark.parametrize(
    "tables",
    [
        "a, b", "a join b on a.id = b.id", "a inner join b on (b.id = a.id)", "a left join b on a.id = b.id",
        "a left outer join b on a.id = b.id", "a join b using (id)", "a cross join b",
        "public.a join public.b on a.id = b.id",
    ],
)  # fmt: skip
def test_tables_are_joined_by_equality(tables: str) -> None:
    found = grouped(f"select avg(z) from {tables}")
    assert [one.alias for one in found.tables] == ["a", "b"]
    tied = bool(found.ties)
    assert tied is (" on " in tables or " using " in tables)


@pytest.mark.parametrize(
    "tables",
    [
        "a right join b on a.id = b.id", "a full join b on a.id = b.id", "a natural join b", "a join b on true",
        "only a", "a join b on a.id < b.id", "a join b on a.id = b.id or a.id = b.id",
        "a join b on a.id = b.id + 0", "(a)", "(a join b on a.id = b.id)", "a tablesample system (1)", "a (id)",
        "a x (id, x)", "(select * from a) a", "(values (1)) a (y)", "generate_series(1, 2) y",
        "a, generate_series(1, 2)", "a, lateral (select 1) l", "rows from (generate_series(1, 2)) a (y)", "a, a",
        "nowhere", "a join b using (w)", "json_table('{}', '$' columns (y int)) a",
    ],
)  # fmt: skip
def test_other_tables_make_it_no_group(tables: str) -> None:
    assert none(f"select avg(y) from {tables}")


def test_join_that_a_condition_makes_leaves_rows_out() -> None:
    assert [one.left for one in grouped("select avg(y) from a left join b on a.id = b.id").tables] == [False, True]
    assert not any(one.left for one in grouped("select avg(y) from a left join b on a.id = b.id where a.x = b.x").tables)


def test_merged_column_is_the_first_tables() -> None:
    assert grouped("select id, avg(y) from a join b using (id) group by id").divided == {(0, "id")}


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("select avg(y) from a group by x, id", {"x", "id"}),
        ("select x, avg(y) from a group by 1", {"x"}),
        ("select x as k, avg(y) from a group by k", {"x"}),
        ("select x k, avg(y) from a group by k", {"x"}),
        ("select date_trunc('month', x), avg(y) from a group by 1", {"x"}),
        ("select extract(year from x) k, avg(y) from a group by k", {"x"}),
        ("select avg(y) from a group by date_part('year', a.x), id::date", {"x", "id"}),
        ("select id as x, avg(y) from a group by x", {"x"}),  # a column comes before a label
    ],
)
def test_groups_are_divided_by_columns(sql: str, columns: set[str]) -> None:
    assert {name for _, name in grouped(sql).divided} == columns


@pytest.mark.parametrize(
    "tail",
    [
        "group by x = 1", "group by x % 2", "group by (x, y)", "group by ()", "group by rollup (x)", "group by cube (x)",
        "group by grouping sets ((x))", "group by date_trunc(x, id)", "group by date_trunc('month', x, 'utc')", "group by 3",
        "group by 0", "group by x::bool", "group by max(x)", "group by all x", "group by distinct x", "group by -1",
        "group by nothing", "group by lower(x)", "group by extract(year from x + 1)", "having avg(y) > 1", "having x = 1",
        "having max(x) = 1", "order by avg(y)", "order by x + 1", "order by (select 1)", "order by 1 using <",
        "limit (select 1)", "limit x", "fetch first row only", "window w as ()", "for update", "union select 1",
        "limit 1 limit 1", "where x = 1 where y = 1", "limit all",
    ],
)  # fmt: skip
def test_other_clauses_make_it_no_group(tail: str) -> None:
    assert none(f"select avg(y), 'x' from a {tail}")


@pytest.mark.parametrize(
    "tail",
    [
        "having count(*) > 3", "having count(*) > $1 and (count(*) <= 9)", "order by 1",
        "order by x desc nulls last, avg asc", "order by count(*) desc", "order by a.x", "limit 3",
        "limit $1 offset 2", "",
    ],
)  # fmt: skip
def test_groups_may_be_counted_and_put_in_order(tail: str) -> None:
    assert grouped(f"select avg(y), x from a group by x {tail}")


@pytest.mark.parametrize(
    "item",
    [
        "avg(x + 0)", "avg((x))", "avg(all x)", "avg(distinct x)", "avg(x order by y)",
        "avg(x) filter (where y = 1)", "avg(x) over ()", "avg(x) + 1", "-avg(x)", "(select avg(x))",
        "coalesce(avg(x), 0)", "avg(x, y)", "avg()", "avg(*)", "avg(a)", "avg(a.*)", "avg(-x)", "avg(x::int)",
        "public.avg(x)", "avg(w)", "avg(x)[1]", "round(avg(x), y)", "round(avg(x), 1, 2)", "round(avg(x) + 1)",
        "avg(x) is null", "array[avg(x)]", "avg(x) collate \"C\"", "distinct avg(x)", "all avg(x)", "avg(x), *",
        "a.*, avg(x)",
    ],
)  # fmt: skip
def test_other_columns_are_no_sums(item: str) -> None:
    assert none(f"select {item} from a")


@pytest.mark.parametrize(
    "sql",
    [
        "with q as (select 1) select avg(x) from a", "(select avg(x) from a)", "explain select avg(x) from a",
        "select avg(x) into t from a", "insert into a select avg(x) from a", "select 1 from a", "table a",
        "prepare p as select avg(x) from a", "do $$ begin perform avg(x) from a; end $$",
    ],
)  # fmt: skip
def test_other_statements_have_no_groups(sql: str) -> None:
    assert none(sql)


def test_somebodys_own_idea_of_the_names_makes_it_no_group() -> None:
    own = (routine("avg"), routine("avg", schema="public", computes=False))
    for known in (
        Shown(extra=own),
        Shown(extra=KNOWN.extra, operators={"=": (("public", "same"),)}),
        Shown(extra=KNOWN.extra, implicit=(("public", "convert"),)),
        Shown(extra=KNOWN.extra, made=frozenset({"a"})),
        Shown(),
    ):
        assert none("select avg(x) from a where y = 1", known)
    assert none("select avg(x) from a; select avg(x) from a") is False
    assert {"avg", "sum"} == AGGREGATES
