"""Which sums and averages may be shown of groups, and the text that has the server keep small groups back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.classify.catalog import Catalog
from gateway.masking.groups import Group, rewritten
from gateway.policy import expectations
from gateway.scope import Ruling
from parser.tokenizer import tokenize
from tests.gateway.session.rig import ALL, READ, WRITE, scope_of

TABLES = """
[[table]]
name = "public.emp"
key = ["id"]
[table.columns]
id = "int"
full_name = "text"
dept_id = "int"
city = "text"
hired = "date"
active = "bool"
boss = "int"
ssn = "int"
phone = "bigint"
salary = "numeric"
salary_bonus = "float8"
level = "int"
[[table]]
name = "public.dept"
key = ["id"]
columns = { id = "int", title = "text", region = "text" }
[[table]]
name = "public.orders"
key = ["id"]
columns = { id = "int", emp_id = "int", total = "numeric" }
[[table]]
name = "public.payslip"
key = ["id"]
columns = { id = "int", emp_id = "int", month = "date", salary = "int" }
[[table]]
name = "public.loose"
columns = { emp_id = "int", weight = "int" }
[[test]]
name = "t"
user = "a"
database = "d"
sql = "select 1"
expect = "allow"
"""
PATH = ("public",)
KNOWN: Catalog = expectations.catalog(expectations.load(TABLES, "t"), [])
READING = scope_of(READ, known=KNOWN, path=PATH)


def ruling(sql: str, policy: str = READ) -> Ruling:
    scope = READING if policy is READ else scope_of(policy, known=KNOWN, path=PATH)
    (found,) = scope.script(sql.encode()).rulings
    return found


def shown(sql: str, policy: str = READ) -> tuple[Group, ...]:
    return ruling(sql, policy).groups


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("select avg(salary) from emp", 1),
        ("select sum(salary), avg(salary) from emp where city = $1", 2),
        ("select sum(salary_bonus) from emp", 1),
        ("select city, avg(salary), max(salary) from emp group by city", 1),
        ("select city, sum(salary) / count(salary), avg(salary) from emp group by city", 1),
        ("select d.title, avg(e.salary) from emp e join dept d on e.dept_id = d.id group by 1", 1),
        ("select avg(e.salary) from emp e, dept d where e.dept_id = d.id and d.region = 'x'", 1),
        ("select avg(salary) from emp where dept_id = 3 and hired = date '2020-01-01'", 1),
        ("select avg(salary) from emp where id = 5", 1),  # one row: the server counts
        ("select avg(salary) from payslip", 1),
        ("select avg(p.salary) from payslip p join emp e on e.id = p.emp_id where e.active", 1),
    ],
)
def test_plain_groups_are_shown(sql: str, count: int) -> None:
    assert len(shown(sql)) == count


# None of these may show anything: what is summed, or over which rows, would be the client's choice.
ATTACKS = (
    # the value is computed with before it is summed
    "select sum(salary * (id = 5)::int) from emp",
    "select sum(case when id = 5 then salary end) from emp",
    "select avg(salary + 0) from emp",
    "select avg(-salary) from emp",
    "select sum(salary::int) from emp",
    "select sum(coalesce(salary, 0)) from emp",
    "select avg(nullif(salary, 0)) from emp",
    "select sum((salary)) + 0 from emp",
    "select avg(e) from emp e",
    # another choice of rows
    "select sum(salary) filter (where id = 5) from emp",
    "select sum(salary) filter (where id <> 5) from emp",
    "select sum(distinct salary) from emp",
    "select sum(salary order by id) from emp",
    "select sum(salary) over () from emp",
    "select sum(salary) over (order by id rows between current row and current row) from emp",
    "select avg(avg(salary)) over () from emp group by id",
    "select sum(salary) from emp where id <> 5",
    "select sum(salary) from emp where id != 5",
    "select sum(salary) from emp where not (id = 5)",
    "select sum(salary) from emp where id > 5",
    "select sum(salary) from emp where id between 1 and 40",
    "select sum(salary) from emp where id in (1, 2, 3)",
    "select sum(salary) from emp where id = any($1)",
    "select sum(salary) from emp where city = 'Oslo' or id = 5",
    "select sum(salary) from emp where city = any (array['Oslo'])",
    "select sum(salary) from emp where city is distinct from 'Oslo'",
    "select sum(salary) from emp where city like 'O%'",
    "select sum(salary) from emp where hired is not null",
    "select sum(salary) from emp where (city = 'Oslo') = false",
    "select sum(salary) from emp where id = id",
    "select sum(salary) from emp where random() < 0.5",
    "select sum(salary) from emp where exists (select 1)",
    "select sum(salary) from emp where id = (select 5)",
    "select sum(salary) from emp where ctid = '(0,1)'",
    "select sum(salary) from emp where emp = $1",
    "select sum(salary) from emp where (city, level) = ('Oslo', 1)",
    "select sum(salary) from emp tablesample system (50) repeatable (1)",
    "select sum(salary) from only emp",
    "select sum(salary) from emp where full_name = 'Ada'",
    "select sum(salary) from emp where salary = 5",
    "select sum(salary) from emp where salary is null",
    # groups of the client's own cut
    "select avg(salary) from emp group by id = 5",
    "select avg(salary) from emp group by id % 2",
    "select avg(salary) from emp group by id > 5, city",
    "select id = 5, avg(salary) from emp group by 1",
    "select id = 5 as mine, avg(salary) from emp group by mine",
    "select avg(salary) from emp group by case when id = 5 then 1 end",
    "select avg(salary) from emp group by date_bin('1 day', hired, '2020-01-01')",
    "select avg(salary) from emp group by date_trunc(city, hired)",
    "select avg(salary) from emp group by rollup (city)",
    "select avg(salary) from emp group by grouping sets ((city), ())",
    "select salary, avg(salary) from emp group by salary",
    "select full_name, avg(salary) from emp group by full_name",
    # the order, or what is left out, tells of small groups
    "select city, avg(salary) from emp group by city order by avg(salary)",
    "select city, avg(salary) from emp group by city order by max(salary)",
    "select city, avg(salary) from emp group by city having avg(salary) > 5",
    "select city, avg(salary) from emp group by city having min(id) = 5",
    "select city, avg(salary) from emp group by city limit (select 1)",
    # rows of the client's own, weights, copies of one person
    "select avg(salary) from (select salary from emp union all select n from generate_series(1, 20) n) x",
    "select avg(salary) from (select salary from emp where id = 5) x",
    "select avg(salary) from (select * from emp limit 1) x",
    "with x as (select salary from emp) select avg(salary) from x",
    "select avg(salary) from emp union all select avg(salary) from emp",
    "select sum(salary) from emp, generate_series(1, 10)",
    "select sum(salary) from emp cross join dept",
    "select sum(salary) from emp join (values (5, 100000)) v (id, w) on v.id = emp.id",
    "select sum(salary) from emp join lateral (select 1) x on true",
    "select sum(salary) from emp e join orders o on o.emp_id = e.id",
    "select sum(salary) from emp e left join orders o on o.emp_id = e.id",
    "select sum(salary) from emp e join loose l on l.emp_id = e.id",
    "select sum(salary) from emp e join dept d on d.id <= e.dept_id",
    "select sum(salary) from emp e join dept d on true",
    "select sum(salary) from emp e natural join dept d",
    "select sum(e.salary) from emp e join emp o on o.id = e.boss",
    "select sum(e.salary) from emp e join emp o on o.boss = e.boss",
    "select sum(salary) from emp e full join dept d on d.id = e.dept_id",
    "select sum(salary) from emp e right join dept d on d.id = e.dept_id",
    "select sum(salary) from emp e (a, b), dept",
    "select sum(l.salary) from emp e join payslip l on l.emp_id = e.id join orders o on o.emp_id = e.id",
    # other functions, and columns that are no measure
    "select stddev(salary) from emp",
    "select variance(salary) from emp",
    "select corr(salary, id) from emp",
    "select regr_avgx(salary, id) from emp",
    "select percentile_cont(0.5) within group (order by salary) from emp",
    "select min(salary), max(salary) from emp",
    "select string_agg(salary::text, ',') from emp",
    "select array_agg(salary) from emp",
    "select sum(ssn), avg(phone) from emp",
    "select public.avg(salary) from emp",
    # other statements
    "explain analyze select avg(salary) from emp",
    "prepare p as select avg(salary) from emp",
    "declare c cursor for select avg(salary) from emp",
    "copy (select avg(salary) from emp) to stdout",
    "select avg(salary) into temp x from emp",
    "select distinct avg(salary) from emp group by city",
    "select avg(salary) from emp for update",
    "select (select avg(salary) from emp)",
    "select *, avg(salary) from emp group by id",
)  # fmt: skip


@pytest.mark.parametrize("sql", ATTACKS)
def test_other_statements_show_nothing(sql: str) -> None:
    found = ruling(sql)
    assert found.groups == ()
    assert "salary" not in sql or any(one.name == "salary" for one in found.facts.columns_read) or not found.facts.complete


def test_there_are_attacks_enough() -> None:
    assert len(ATTACKS) >= 40


@pytest.mark.parametrize("sql", ["select avg(salary) from emp", "select avg(salary) from emp where city = 'x'"])
def test_who_sees_the_column_gets_the_text_as_it_is(sql: str) -> None:
    assert shown(sql, ALL.replace("[\"all\"]", "[\"all\"]\nunmask = [\"salary\"]")) == ()
    assert shown(sql, READ + '[[mask]]\nlabels = ["salary"]\nwith = "clear"\n') == ()


def test_who_may_make_tables_chooses_no_rows_with_a_join() -> None:
    inner = "select avg(e.salary) from emp e join dept d on e.dept_id = d.id"
    outer = inner.replace(" join", " left join")
    assert shown(inner, READ)
    assert not shown(inner, WRITE)
    assert shown(outer, WRITE)
    assert not shown(outer + " where d.id = e.level", WRITE)
    assert not shown("select avg(e.salary) from dept d left join emp e on e.dept_id = d.id", WRITE)


@pytest.mark.parametrize(
    ("policy", "least"),
    [
        ("", [10]),
        ('[[mask]]\nlabels = ["salary", "health"]\nmin_group = 25\n', [25]),
        ('[[mask]]\nlabels = ["salary"]\nwith = "null"\n', [10]),
        ('[[mask]]\nlabels = ["salary"]\nmin_group = 5\n[[mask]]\nlabels = ["salary"]\nmin_group = 7\n', [7]),
    ],
)
def test_policy_says_how_large_a_group_must_be(policy: str, least: list[int]) -> None:
    found = shown("select avg(salary) from emp", READ + policy)
    assert [one.least for one in found] == least
    assert [one.mask for one in found] == [f"group of {one}" for one in least]
    assert all(f">=) {one.least}" in one.condition for one in found)


def test_label_of_ones_own_is_summed_where_the_policy_gives_it_a_group() -> None:
    labelled = '[[classify]]\nlabel = "points"\ncolumns = ["public.emp.level"]\n'
    known = expectations.catalog(expectations.load(TABLES, "t"), scope_of(READ + labelled).rights.classify)
    for rule, count in (("", 0), ('[[mask]]\nlabels = ["points"]\nmin_group = 10\n', 1)):
        scope = scope_of(READ + labelled + rule, known=known, path=PATH)
        assert len(scope.script(b"select avg(level) from emp").rulings[0].groups) == count


def test_table_that_names_people_beside_the_value_counts_them_too() -> None:
    (one,) = shown("select avg(salary) from payslip p")
    assert one.condition == (
        'pg_catalog.count(DISTINCT "p"."salary") OPERATOR(pg_catalog.>=) 10 AND '
        'pg_catalog.count(DISTINCT "p"."emp_id") FILTER (WHERE "p"."salary" IS NOT NULL) OPERATOR(pg_catalog.>=) 10'
    )


def test_text_is_guarded_where_the_aggregate_stands() -> None:
    sql = "select /* avg */ city , round( avg(salary) ,2)  from emp -- sum(salary)\n group by city;"
    (one,) = shown(sql)
    guard = f"CASE WHEN {one.condition} THEN avg(salary) END"
    expected = f"select /* avg */ city , round( {guard} ,2) AS \"round\"  from emp -- sum(salary)\n group by city;"
    assert rewritten(sql.encode(), (one,)) == expected.encode()


def test_text_of_other_literals_is_guarded_alike() -> None:
    first = shown("select avg(salary), sum(salary) s from emp where city = 'x' and level = 1")
    sql = b"select avg(salary), sum(salary) s from emp where city = 'it''s' and level = 12345"
    text = rewritten(sql, first)
    assert text is not None
    assert text.endswith(b" END s from emp where city = 'it''s' and level = 12345")
    assert text.count(b"CASE WHEN") == 2


@pytest.mark.parametrize("sql", ["select avg(bonus) from emp", "select 1", "select 'x", "select sum(salary) from emp"])
def test_text_that_the_groups_were_not_read_from_is_not_touched(sql: str) -> None:
    assert rewritten(sql.encode(), shown("select avg(salary) from emp")) is None


@given(st.text(alphabet="ax'\"é\\", max_size=12), st.integers(0, 10**9), st.sampled_from(["", "/* é */", "--x\n", " "]))
def test_rest_of_the_text_stays_token_for_token(city: str, level: int, gap: str) -> None:
    quoted = city.replace("'", "''")
    sql = f"select 'é{quoted}',{gap} avg(salary), sum(salary) as \"t\" from emp where city = '{quoted}' and level = {level}"
    found = shown(sql)
    text = rewritten(sql.encode(), found)
    assert text is not None
    after = text.decode()
    for one, name in zip(found, (' AS "avg"', ""), strict=True):
        after = after.replace(f"CASE WHEN {one.condition} THEN ", "", 1).replace(f" END{name}", "", 1)
    assert after == sql
    assert len(tokenize(text)) > len(tokenize(sql.encode()))
