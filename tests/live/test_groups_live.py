"""Sums and averages of groups on a real server, and through the gateway: names, types and the values of large groups are
PostgreSQL's own, small groups are NULL."""

import random
from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from statistics import mean

import psycopg
import pytest

from gateway.masking.groups import rewritten
from gateway.scope import Scope
from tests.gateway.session.rig import READ, scope_of
from tests.live.rig import Gateway, Postgres, database_entries, serving
from tests.oracle.judge import catalog_of

SCHEMA = """
create schema paid;
set search_path to paid;
create table dept (id int primary key, title text unique, region text);
create table emp (id int primary key, name text, dept_id int references dept, city text, hired date, active boolean,
                  level int, salary numeric(10, 2), salary_f float8, salary_i int, salary_b bigint, salary_m money);
create table payslip (id int primary key, emp_id int, month date, salary int);
create table modelled (id int primary key generated always as identity, worker_no int, area text, kind int, salary int);
create table yearly (badge int, year int, salary int, primary key (badge, year));
insert into dept values (1, 'Sales', 'north'), (2, 'Board', 'north'), (3, 'Works', 'south'), (4, 'Empty', 'south');
insert into emp select n, 'Person ' || n, case when n <= 30 then 1 when n <= 33 then 2 else 3 end,
    case n % 3 when 0 then 'Oslo' when 1 then 'Lima' else 'Rome' end, date '2020-01-01' + n * 7, n % 5 <> 0, n % 4,
    20000 + n * 137.5, 1000.25 + n, 30000 + n * 3, 5000000000 + n, 10 * n
  from generate_series(1, 60) n;
update emp set salary = 50000 where dept_id = 3 and city = 'Rome';
insert into emp select n, 'Unpaid ' || n, 4, 'Oslo' from generate_series(61, 80) n;
insert into emp values (81, 'Nobody', 4, 'Oslo', null, true, 1, 77777);
insert into payslip select e * 100 + m, e, date '2025-01-01' + m * 30, 1000 * e + m
  from generate_series(1, 14) e, generate_series(1, 12) m;
insert into yearly select b, y, b * 100 + y from generate_series(1, 12) b, generate_series(1, 20) y;
analyze;
"""
PATH = ("paid",)
POLICY = """
[[grant]]
name = "analysts"
groups = ["analysts"]
allow = ["read"]
"""

SHOWN = (
    "select avg(salary) from emp",
    "select sum(salary) total from emp e",
    "select sum(e.salary) as total, avg(\"salary\") from emp as e",
    "select pg_catalog.avg(salary) from emp",
    "select dept_id, count(*), avg(salary) from emp group by dept_id order by dept_id",
    "select dept_id, sum(salary) from emp group by 1 order by 1",
    "select dept_id d, round(avg(salary), 2) from emp group by d order by d",
    "select dept_id, round(avg(salary)) from emp group by dept_id order by 1",
    "select dept_id, avg(salary)::int from emp group by dept_id order by 1",
    "select dept_id, (avg(salary))::numeric(12, 1) x from emp group by dept_id order by 1",
    "select dept_id, avg(salary)::double precision from emp group by dept_id order by 1",
    "select dept_id, cast(avg(salary) as int) a from emp group by dept_id order by 1",
    "select dept_id, trunc(sum(salary)::numeric, 0) from emp group by dept_id order by 1",
    "select city, avg(salary_f), sum(salary_i), avg(salary_b), sum(salary_b), sum(salary_m) from emp group by 1 order by 1",
    "select city, active, avg(salary) from emp group by city, active order by 1, 2",
    "select avg(salary) from emp where city = 'Oslo' and active",
    "select avg(salary) from emp where (city = 'Oslo' and (dept_id = 1))",
    "select extract(year from hired) y, avg(salary) from emp group by 1 order by 1",
    "select d.title, avg(e.salary) from emp e join dept d on d.id = e.dept_id group by d.title order by d.title",
    "select title, sum(salary) from dept d left join emp e on e.dept_id = d.id group by title order by 1 desc nulls last",
    "select region, avg(salary) from emp, dept where dept.id = emp.dept_id group by region order by region",
    "select region, avg(salary) from emp inner join dept on (dept.id = dept_id and region = 'north') group by region",
    "select avg(salary) from emp e left outer join dept d on d.id = e.dept_id where d.region = 'south'",
    "select dept_id, avg(salary) from emp group by dept_id having count(*) > 3 order by count(*) desc, dept_id limit 2",
    "select dept_id, avg(salary) from emp group by dept_id order by avg limit 10 offset 0",
    "select avg(salary) from payslip",
    "select month, sum(salary) from payslip group by month order by month",
    "select year, sum(salary) from yearly group by year order by year",
    "select 'é', avg(salary), 'ü' as \"ä\", sum(salary) \"Ünïcode\" from emp where city = $q$Oslo$q$",
    "SELECT AVG ( ALL_ . SALARY ) FROM EMP ALL_",
)  # fmt: skip

# Groups too small, of nobody, or of one person with many rows.
NOBODY = (
    "select avg(salary) from emp where 'Oslo' = city and (active is true) and level = +0::int",
    "select avg(salary) from emp where hired is null",
    "select date_trunc('month', hired), sum(salary) from emp group by 1 order by 1",
    "select hired::date, sum(salary) from emp group by hired::date order by 1",
    "select emp_id, avg(salary) from payslip group by emp_id order by 1",
    "select avg(salary) from payslip where emp_id = 3",
    "select badge, sum(salary) from yearly group by badge order by badge",
    "select avg(salary) /* a comment ' */ from emp -- another\n where city = 'x''y' ;",
)  # fmt: skip


@pytest.fixture(scope="module")
def server(postgres: Postgres) -> Iterator[psycopg.Connection]:
    with postgres.connect(autocommit=True) as admin:
        admin.execute("create database oracle_of_groups")
    with postgres.connect("oracle_of_groups", autocommit=True) as one:
        one.execute(SCHEMA)
        yield one
    with postgres.connect(autocommit=True) as admin:
        admin.execute("drop database oracle_of_groups")


@pytest.fixture(scope="module")
def scope(server: psycopg.Connection) -> Scope:
    return scope_of(READ, known=catalog_of(server), path=PATH)


def guarded(scope: Scope, sql: str) -> bytes:
    (ruling,) = scope.script(sql.encode()).rulings
    assert ruling.groups, sql
    text = rewritten(sql.encode(), ruling.groups)
    assert text is not None
    return text


@pytest.mark.parametrize("sql", [*SHOWN, *NOBODY])
def test_large_groups_are_as_the_server_has_them_and_small_ones_null(
    server: psycopg.Connection, scope: Scope, sql: str
) -> None:
    plain, kept = server.execute(sql), server.execute(guarded(scope, sql))
    assert plain.description is not None
    assert kept.description is not None
    assert [(one.name, one.type_code, one.type_display) for one in kept.description] == [
        (one.name, one.type_code, one.type_display) for one in plain.description
    ]
    rows, seen = plain.fetchall(), kept.fetchall()
    assert len(rows) == len(seen)
    if "order by avg" not in sql:
        for row, other in zip(rows, seen, strict=True):
            assert all(there in (here, None) for here, there in zip(row, other, strict=True))
    assert any(row[-1] is not None for row in seen) is (sql in SHOWN)


def test_people_are_counted_as_they_are(server: psycopg.Connection, scope: Scope) -> None:
    """Rows with equal and missing values: a group is shown if, and only if, it has ten different values of ten people."""
    rng = random.Random(7)
    values = [[None, *range(1000, 1008)], [None, *range(2000, 2300)]]
    rows = [
        (rng.randint(1, 40), rng.choice("abcdefgh"), rng.randint(1, 3), rng.choice(rng.choice(values))) for _ in range(400)
    ]
    with server.cursor() as cursor, cursor.copy("copy modelled (worker_no, area, kind, salary) from stdin") as copy:
        for row in rows:
            copy.write_row(row)
    told = kept_back = 0
    for keys in (("area",), ("kind",), ("area", "kind"), ("worker_no",)):
        for where in ("", "where kind = 2", "where area = 'a' and kind = 1"):
            sql = f"select {', '.join(keys)}, sum(salary), avg(salary) from modelled {where} group by {', '.join(keys)}"
            groups: dict[tuple[object, ...], list[tuple[int, int]]] = {}
            for worker, area, kind, salary in rows:
                held = {"worker_no": worker, "area": area, "kind": kind}
                if ("kind = 2" in where and kind != 2) or ("kind = 1" in where and (area, kind) != ("a", 1)):
                    continue
                known = groups.setdefault(tuple(held[key] for key in keys), [])
                if salary is not None:
                    known.append((worker, salary))
            found = server.execute(guarded(scope, sql)).fetchall()
            assert len(found) == len(groups)
            for *key, total, average in found:
                people = groups[tuple(key)]
                if min(len({worker for worker, _ in people}), len({salary for _, salary in people})) >= 10:
                    told += 1
                    assert total == sum(salary for _, salary in people)
                    assert average == pytest.approx(Decimal(mean(salary for _, salary in people)))
                else:
                    kept_back += 1
                    assert (total, average) == (None, None)
    assert told > 20
    assert kept_back > 50


@pytest.fixture
def paid(postgres: Postgres, server: psycopg.Connection) -> Iterator[Gateway]:
    server.execute("grant usage on schema paid to public")
    server.execute("grant select on all tables in schema paid to public")
    yield from serving(Gateway(database_entries(postgres, {"paid": {"dbname": server.info.dbname}}), POLICY, workers=1))


def test_analyst_reads_the_average_of_a_large_group_through_the_gateway(paid: Gateway) -> None:
    sql = "select dept_id, round(avg(salary), 1) as mean, max(salary), count(*) from paid.emp group by 1 order by 1 limit 2"
    with paid.connect("paid", "ann", ("analysts",)) as analyst:
        for binary, prepare in product((False, True), repeat=2):
            rows = analyst.execute(sql, binary=binary, prepare=prepare).fetchall()
            assert rows == [(1, Decimal("22131.3"), None, 30), (2, None, None, 3)]
        one = analyst.execute("select avg(salary) from paid.emp where city = %s", ["Lima"], binary=True)
        assert one.fetchone() == (Decimal("24056.25"),)
        assert one.description is not None
        assert one.description[0].name == "avg"
        analyst.execute("prepare p as select avg(salary) from paid.emp")
        for end in ("salary) from paid.emp where id <> 5", "salary + 0) from paid.emp", "salary) from paid.emp; end"):
            assert analyst.execute("select avg(" + end).fetchone() == (None,)
        assert analyst.execute("execute p").fetchone() == (None,)
    outcomes = [one["columns_masked"] for one in paid.audit("--table", "paid.emp") if one["kind"] == "outcome"]
    assert [{"column": "paid.emp.salary", "label": "salary", "mask": "group of 10"}] in outcomes
