"""How a column is put to the test: the mildest word that is certain, and no column in a condition without one."""

import pytest

from parser.facts import Output, Use
from parser.known import Body
from tests.parser.knowing import Shown, facts, routine


def told(use: Use) -> str:
    """`WHERE equality 2: customers.email`."""
    names = [sorted(f"{column.relation.name}.{column.name}" for column in one) for one in (use.columns, use.against)]
    number = f" {use.count}" if use.count else f" ${use.parameter}" if use.parameter else ""
    other = " ~ " + " ".join(names[1]) if names[1] else ""
    return f"{use.clause} {use.how}{number}: {'!' if use.opaque else ''}{' '.join(names[0])}{other}"


def uses(sql: str, known: Shown | None = None) -> list[str]:
    return [told(use) for use in facts(sql, known).uses]


CONDITIONS = [
    ("email = 'x'", ["equality 1: customers.email"]),
    ("email <> $1 or city != 'y'", ["equality 1: customers.email", "equality 1: customers.city"]),
    ("not (email = 'x')", ["equality 1: customers.email"]),
    ("(email) = 'x'", ["equality 1: customers.email"]),
    ("((customers.email)) = 'x'", ["equality 1: customers.email"]),
    ("'x' = email", ["equality 1: customers.email"]),
    ("'x'::text = email", ["equality 1: customers.email"]),
    ("email = 'a' or email = 'b'", ["equality 2: customers.email"]),
    ("email::text = 'a'", ["equality 1: customers.email"]),
    ("email = 'a' || 'b' || $1", ["equality 1: customers.email"]),
    ("email = lower('A')", ["equality 1: customers.email"]),
    ("email = cast('a' as varchar(3))", ["equality 1: customers.email"]),
    ("email = -(5 + 6)", ["equality 1: customers.email"]),
    ("email = date '2020-01-01'", ["equality 1: customers.email"]),
    ("email in ('a', $1, 5)", ["equality 3: customers.email"]),
    ("email not in ('a')", ["equality 1: customers.email"]),
    ("email = any ($3)", ["equality $3: customers.email"]),
    ("email = any ($3::text[])", ["equality $3: customers.email"]),
    ("email <> all ('{a,b}'::text[])", ["equality 2: customers.email"]),
    ("email = any (array['a', 'b'])", ["equality 2: customers.email"]),
    ("email is distinct from 'a'", ["equality 1: customers.email"]),
    ("lower(city = 'x') = 'y'", ["equality 1: customers.city"]),
    ("email is null", ["shape: customers.email"]),
    ("email is not null and city isnull", ["shape: customers.email", "shape: customers.city"]),
    ("id between 1 and 2 and email = 'x'", ["other: customers.id", "equality 1: customers.email"]),
    ("id between 1 and email = 'x'", ["other: customers.id", "other: customers.email"]),
    ("id between case when true and false then 1 end and email = 'x'", ["other: customers.id", "other: customers.email"]),
    ("email", ["other: customers.email"]),
    ("email < 'x'", ["other: customers.email"]),
    ("email || 'a' = 'x'", ["other: customers.email"]),
    ("'a' || email = 'x'", ["other: customers.email"]),
    ("lower(email) = 'x'", ["other: customers.email"]),
    ("email::varchar(1) = 'x'", ["other: customers.email"]),
    ("email::int = 5", ["other: customers.email"]),
    ("f(email) = 'x'", ["other: !", "other: customers.email"]),
    ("(email, id) = ('x', 1)", ["other: customers.email", "other: customers.id"]),
    ("email = 'x' || city", ["other: customers.email", "other: customers.city"]),
    ("email = case '1' when city then 'x' end", ["other: customers.email", "other: customers.city"]),
    ("email in ('x', city)", ["other: customers.email", "other: customers.city"]),
    ("'x' in (email)", ["other: customers.email"]),
    ("'x' = any (array[email])", ["other: customers.email"]),
    ("email = any (string_to_array('a,b', ','))", ["other: customers.email"]),
    ("email = any ($1 || array['a'])", ["other: customers.email"]),
    ("email is null is true", ["other: customers.email"]),
    ("email = 'x' collate \"C\"", ["other: customers.email"]),
    ("email operator(pg_catalog.=) 'x'", ["other: customers.email"]),
    ("customers is null", ["other: customers.*"]),
    ("count(*) > 1", []),
    ("count(email) > 1", ["shape: customers.email"]),
    ("count(distinct email) > 1", ["shape: customers.email"]),
    ("count(lower(email)) > 1", ["other: customers.email"]),
    ("email = city", ["join: customers.email ~ customers.city"]),
    ("email is distinct from city", ["join: customers.email ~ customers.city"]),
    ("email = city || 'x'", ["other: customers.email", "other: customers.city"]),
    ("email in (select x from a)", ["join: customers.email ~ a.x"]),
    ("email = any (select x from a)", ["join: customers.email ~ a.x"]),
    ("email = (select x from a)", ["join: customers.email ~ a.x"]),
    ("email in (select lower(x) from a)", ["other: customers.email", "other: a.x"]),
    ("(select x from a) like email", ["other: a.x", "other: customers.email"]),
    ("exists (select x from a)", []),
]


@pytest.mark.parametrize(("written", "expected"), CONDITIONS)
@pytest.mark.parametrize("clause", ["WHERE", "HAVING"])
def test_use_in_a_condition_is_told_by_its_neighbours(clause: str, written: str, expected: list[str]) -> None:
    assert uses(f"select id from customers {clause} {written}") == [f"{clause} {one}" for one in expected]


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 from customers join a on {}",
        "select 1 from customers where {}",
        "select 1 from customers group by city having {}",
        "select 1 from customers order by {}",
        "select 1 from customers group by id, {}",
        "select distinct {} from customers",
        "select distinct on ({}) 1 from customers",
        "select 1 from customers c, lateral (select 1 where {}) x",
        "select 1 from customers where id in (select id from a where {})",
        "select (select 1 from a where {}) from customers",
        "select count(*) filter (where {}) from customers",
        "select count({}) from customers",
        "select case when {} then 1 end from customers",
        "select case {} when true then 1 end from customers",
        "select 1 / (case when true then 0 else {} end) from customers",
        "select rank() over (partition by {}) from customers",
        "select rank() over w from customers window w as (order by {})",
        "select ({})::int from customers",
        "select cast({} as integer) from customers",
        "select generate_series(1, {}) from customers",
        "select 1 from customers c, generate_series(1, {}) x",
        "select 1 from a limit (select {} from customers)",
        "select 1 from a offset (select {} from customers)",
        "select 1 from a where (select {} from customers) > 1",
        "select {} from customers union select 1",
        "select {} from customers except select 1",
        "with x as (select {} as y from customers) select 1 from x where y > 1",
        "select 1 from (select {} from customers) x (y) order by y",
        "update customers set city = 'x' where {}",
        "delete from customers where {}",
        "delete from a using customers where {}",
        "merge into a using customers on {} when matched then delete",
        "merge into customers using a on customers.id = a.id when matched and {} then delete",
        "insert into customers (id) values (1) on conflict (id) do update set city = 'x' where {}",
        "explain select 1 from customers where {}",
        "prepare p as select 1 from customers where {}",
        "declare c cursor for select 1 from customers where {}",
        "copy (select 1 from customers where {}) to stdout",
        "create view v as select 1 from customers where {}",
        "create table t as select 1 from customers where {}",
        "create function f() returns int language sql as $$ select 1 from customers where {} $$",
    ],
)
@pytest.mark.parametrize("tested", ["lower(customers.email)", "customers.email || 'x'", "(customers.email like 'a%')"])
def test_no_column_that_decides_is_missed(sql: str, tested: str) -> None:
    written = sql.format(tested)
    if "customers c" in written:
        written = written.replace("customers.email", "c.email")
    found = [use for use in facts(written).uses if any(column.name == "email" for column in use.columns)]
    assert found, written
    assert {use.how for use in found} == {"other"}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select email, count(*) from customers group by email", ["GROUP BY group: customers.email"]),
        ("select email, count(*) from customers group by 1", ["GROUP BY group: customers.email"]),
        ("select email as e from customers group by e", ["GROUP BY group: customers.email"]),
        ("select lower(email) as id from customers group by id", ["GROUP BY group: customers.id"]),
        ("select lower(email) as id from customers order by id", ["ORDER BY other: customers.email"]),
        ("select id, email from customers order by 2, 9",
         ["ORDER BY other: customers.email", "ORDER BY other: customers.id"]),
        ("select distinct email, lower(city) from customers",
         ["DISTINCT group: customers.email", "DISTINCT other: customers.city"]),
        ("select id from a natural join b", ["NATURAL JOIN join: a.id ~ b.id", "NATURAL JOIN join: a.x ~ b.x"]),
        ("select id from a join b using (id)", ["USING join: a.id ~ b.id"]),
        ("select x from a union all select z from b order by x", ["ORDER BY other: a.x", "ORDER BY other: a.x b.z"]),
        ("select x from a union select z from b", ["UNION other: a.x b.z"]),
        ("insert into customers values (1) on conflict (email) do nothing", ["ON CONFLICT conflict 1: customers.email"]),
        ("insert into customers (city) values (1) on conflict do nothing", ["ON CONFLICT conflict 1: customers.city"]),
        ("with recursive t as (select id, x from a union all select id, x from t where x > 1) select id from t",
         ["WHERE other: a.x"]),
        ("select 1 from customers where opaque(id) = 1", ["WHERE other: !", "WHERE other: customers.id"]),
        ("select email from customers where false limit 5", []),
    ],
)  # fmt: skip
def test_use_in_other_clauses(sql: str, expected: list[str]) -> None:
    assert uses(sql) == expected


def test_operator_of_ones_own_is_no_equality() -> None:
    known = Shown(operators={"=": (("public", "opaque"),)})
    assert "WHERE other: customers.email" in uses("select 1 from customers where email = 'x'", known)
    assert "WHERE other: customers.email" in uses("select 1 from customers where 'x' = email", known)
    assert "WHERE other: customers.email" in uses("select 1 from customers where email in ('x')", known)


def test_body_of_a_function_has_its_callers_decide() -> None:
    inner = facts("select count(*) from customers where email like 'a%'")
    body = Body(frozenset({"read"}), (), (), frozenset(), frozenset(), (Output(),), uses=inner.uses)
    known = Shown((routine("tells", (), schema="public", computes=False, body=body),))
    assert uses("select tells()", known) == ["WHERE other: customers.email"]


def test_verdict_by_the_number_of_a_result_column_or_the_text_of_an_array_is_by_value() -> None:
    assert facts("select id, email from customers order by 2").by_value
    assert not facts("select 1, 2 from customers order by 2").by_value
    assert facts("select id from customers where email = any ('{a}')").by_value
    assert not facts("select id from customers where email = any ($1)").by_value
