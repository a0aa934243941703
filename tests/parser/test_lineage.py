"""Where output columns come from. The table t has ssn and city; whatever path ssn takes, the output must say so."""

import pytest

from parser.facts import Column, Output, Relation
from parser.known import Table
from parser.lineage import (
    Item,
    Scope,
    Source,
    bare,
    blend,
    in_scope,
    marked,
    merged,
    renamed,
    row_in,
    row_named,
    settled,
)
from parser.statements import read

CASES = """
SELECT ssn FROM t => =t.ssn
SELECT t.ssn AS city FROM t => =t.ssn
SELECT s.t.ssn FROM s.t => =s.t.ssn
SELECT x.ssn FROM t AS x => =t.ssn
SELECT upper(city) FROM (SELECT ssn AS city FROM t) s => t.ssn
SELECT city FROM (SELECT ssn FROM t) s (city) => =t.ssn
SELECT * FROM (SELECT ssn, 1 FROM t) s => =t.ssn | -
SELECT s.* FROM (SELECT ssn AS a FROM t) s => =t.ssn
SELECT a FROM (SELECT * FROM t) s => =t.a
SELECT s FROM (SELECT ssn FROM t) s => t.ssn
SELECT (s).a FROM (SELECT ssn AS a FROM t) s => t.ssn
SELECT row_to_json(s) FROM (SELECT ssn AS a FROM t) s => t.ssn
SELECT s.row_to_json FROM (SELECT ssn AS a FROM t) s => t.ssn
SELECT s.f FROM (SELECT ssn AS a FROM t) s => !t.ssn
SELECT t.row_to_json FROM t => t.*,t.row_to_json
SELECT t FROM t => t.*,t.t
SELECT t.*::text FROM t => t.*
SELECT x::text FROM t x => t.*,t.x
SELECT * FROM t => ?
SELECT s.* FROM (SELECT * FROM t) s => ?
SELECT (t).* FROM t => ?
SELECT ssn || city FROM t => t.city,t.ssn
SELECT 'a' || ssn FROM t => t.ssn
SELECT f(ssn) FROM t => !t.ssn
SELECT f() FROM t => !-
SELECT my.upper('x') => !-
SELECT pg_catalog.upper(ssn) FROM t => t.ssn
SELECT count(*), count(ssn), 1, 'x', now(), NULL, $1 FROM t => - | - | - | - | - | - | -
SELECT count(*) FILTER (WHERE ssn = 'x') FROM t => t.ssn
SELECT count(*) OVER (PARTITION BY ssn) FROM t => t.ssn
SELECT rank() OVER w FROM t WINDOW w AS (ORDER BY ssn) => t.ssn
SELECT rank() OVER v FROM t WINDOW w AS (PARTITION BY ssn), v AS (w ORDER BY city) => t.city,t.ssn
SELECT sum(1) OVER (ORDER BY range RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM t => t.range
SELECT string_agg(city, ',' ORDER BY ssn) FROM t => t.city,t.ssn
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ssn) FROM t => t.ssn
SELECT CASE WHEN ssn = '1' THEN 1 ELSE 2 END FROM t => t.ssn
SELECT CASE city WHEN 'x' THEN ssn END AS city FROM t => t.city,t.ssn
SELECT ssn IS NULL, ssn BETWEEN '1' AND '2', ssn IN ('1'), ssn LIKE '1%' FROM t => t.ssn | t.ssn | t.ssn | t.ssn
SELECT (SELECT ssn FROM t LIMIT 1) => t.ssn
SELECT (SELECT t.ssn) FROM t => t.ssn
SELECT (SELECT ssn) FROM t => t.ssn
SELECT (SELECT max(ssn) FROM t WHERE t.id = u.id) FROM u => t.ssn,u.ssn
SELECT ARRAY(SELECT ssn FROM t) => t.ssn
SELECT EXISTS (SELECT ssn FROM t) => -
SELECT 1 IN (SELECT ssn FROM t) => t.ssn
SELECT ((SELECT 1) UNION (SELECT ssn FROM t)) => t.ssn
SELECT ssn[1], (ssn).x, ssn -> 'a' FROM t => t.ssn | t.ssn | t.ssn
SELECT city FROM t UNION SELECT ssn FROM t => t.city,t.ssn
SELECT a, b FROM (SELECT 1 AS a, 2 AS b UNION ALL SELECT city, ssn FROM t) s => t.city | t.ssn
SELECT x FROM (SELECT 1 AS x UNION SELECT * FROM t) s => t.*
SELECT column1, column2 FROM (VALUES (1, 2), ((SELECT ssn FROM t), 3)) v => t.ssn | -
SELECT b FROM (VALUES (1, (SELECT ssn FROM t))) AS v (a, b) => t.ssn
VALUES (1, (SELECT ssn FROM t)) => - | t.ssn
WITH a AS (SELECT ssn AS x FROM t) SELECT x FROM a => =t.ssn
WITH a (y) AS (SELECT ssn FROM t), b AS (SELECT y AS z FROM a) SELECT lower(z) FROM b => t.ssn
WITH t AS (SELECT ssn AS city FROM t) SELECT city FROM t => =t.ssn
WITH RECURSIVE r (n, m) AS (SELECT ssn, 1 FROM t UNION ALL SELECT m, n FROM r) SELECT m FROM r => t.ssn
WITH RECURSIVE a AS (SELECT ssn AS x FROM t) SELECT x FROM a => =t.ssn
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n, r FROM r => - | -
WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT (SELECT ssn FROM t LIMIT 1) FROM r) SELECT n FROM r => t.ssn
WITH RECURSIVE r (n) AS (SELECT f(1) UNION ALL SELECT n FROM r) SELECT n FROM r => !-
WITH RECURSIVE a AS (SELECT x FROM b), b AS (SELECT ssn AS x FROM t) SELECT x FROM a => !-
WITH d AS (DELETE FROM t RETURNING ssn AS x) SELECT x FROM d => =t.ssn
WITH d AS (UPDATE t SET a = 1 RETURNING old.ssn, new.city) SELECT * FROM d => =t.ssn | =t.city
SELECT x FROM (WITH a AS (SELECT ssn AS x FROM t) SELECT x FROM a) s => =t.ssn
SELECT a FROM t, u => t.a,u.a
SELECT t.a FROM t, u => =t.a
SELECT a FROM t JOIN u USING (id) => t.a,u.a
SELECT id FROM (SELECT ssn AS id FROM t) a FULL JOIN (SELECT 1 AS id) b USING (id) => t.ssn
SELECT id FROM u JOIN (SELECT ssn AS id FROM t) a USING (id) => t.ssn,u.id
SELECT s.id FROM (SELECT * FROM u JOIN (SELECT ssn AS id FROM t) a USING (id)) s => t.ssn,u.id
SELECT j.id FROM (u JOIN t USING (id)) AS j => t.id,u.id
SELECT j.x FROM (u JOIN t USING (id)) AS j (x) => t.*,t.x,u.*,u.x
SELECT z.id FROM t JOIN u USING (id) AS z => t.id,u.id
SELECT l.x FROM t, LATERAL (SELECT t.ssn AS x) l => =t.ssn
SELECT l.x FROM t CROSS JOIN LATERAL (SELECT ssn) AS l (x) => =t.ssn
SELECT x FROM t AS y (x) => t.*
SELECT ssn FROM t AS y (x) => =t.ssn
SELECT g FROM generate_series(1, 3) g => -
SELECT x FROM unnest(ARRAY(SELECT ssn FROM t)) AS u (x) => t.ssn
SELECT e.value FROM t, jsonb_each(t.doc) e => t.doc
SELECT e FROM t, f(t.ssn) e => !t.e,t.ssn
SELECT e.x FROM ROWS FROM (unnest(ARRAY[1]), f(2)) AS e (x, y) => !-
SELECT j.x FROM t, JSON_TABLE(t.doc, '$' COLUMNS (x int PATH '$.x')) AS j => !t.doc,t.int,t.path,t.x
SELECT xmlforest(ssn AS a) FROM t => !t.a,t.ssn
SELECT JSON_OBJECT('a': ssn) FROM t => !t.ssn
SELECT extract(year FROM born), born AT TIME ZONE 'UTC', ssn::varchar(3) FROM t => t.born | t.born | t.ssn
SELECT TIMESTAMP WITH TIME ZONE '2020-01-01', INTERVAL '1' YEAR TO MONTH, DATE '2020-01-01' FROM t => - | - | -
SELECT nullif(ssn, ''), coalesce(city, ssn), greatest(1, ssn) FROM t => t.ssn | t.city,t.ssn | t.ssn
SELECT current_setting('server_version'), current_setting('my.value'), current_setting($1) => - | - | -
SELECT "SSN", "a b" FROM "T" => =T.SSN | =T.a b
SELECT DISTINCT ON (ssn) city FROM t ORDER BY ssn => =t.city
SELECT city FROM t WHERE ssn = 'x' GROUP BY city HAVING max(ssn) > '1' => =t.city
INSERT INTO t (ssn) VALUES ('x') RETURNING ssn, t.city => =t.ssn | =t.city
INSERT INTO t SELECT 1 => ()
UPDATE t SET a = 1 FROM u RETURNING ssn, u.b => t.ssn,u.ssn | =u.b
DELETE FROM t x RETURNING x.ssn, upper(ssn) => =t.ssn | t.ssn
DELETE FROM t RETURNING * => ?
MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE RETURNING merge_action(), t.ssn => - | =t.ssn
COPY t (ssn, city) TO STDOUT => =t.ssn | =t.city
COPY t TO STDOUT => ?
COPY (SELECT ssn AS x FROM t) TO STDOUT => =t.ssn
TABLE t => ?
SELECT nothing => !-
SELECT q.a FROM t => !-
"""


def parsed(text: str) -> list[tuple[str, str]]:
    return [tuple(line.split(" => ")) for line in text.strip().splitlines()]  # type: ignore[misc]


def spelled(output: Output) -> str:
    columns = ",".join(
        sorted(f"{c.relation.schema + '.' if c.relation.schema else ''}{c.relation.name}.{c.name}" for c in output.columns)
    )
    return ("=" if output.plain else "") + ("!" if output.opaque else "") + (columns or "-")


@pytest.mark.parametrize(("sql", "expected"), parsed(CASES))
def test_each_output_names_every_column_that_may_flow_into_it(sql: str, expected: str) -> None:
    (facts,) = read(sql.encode())
    assert facts.complete, facts.reason
    if facts.outputs is None:
        assert expected == "?"
    else:
        assert " | ".join(map(spelled, facts.outputs)) == expected.replace("()", "")


@pytest.mark.parametrize(
    "wrapper",
    [
        "SELECT city FROM ({}) w",
        "SELECT w.city FROM ({}) AS w",
        "SELECT x FROM ({}) AS w (x)",
        "SELECT (SELECT city FROM ({}) w)",
        "WITH w AS ({}) SELECT city FROM w",
        "SELECT city FROM u, LATERAL ({}) w",
        "{} UNION ALL SELECT NULL",
        "SELECT max(city) FROM ({}) w",
        "SELECT w FROM ({}) w",
        "SELECT to_jsonb(w.*) FROM ({}) w",
        "SELECT CASE WHEN city = '1' THEN 1 END FROM ({}) w",
        "SELECT * FROM ({}) w",
        "COPY ({}) TO STDOUT",
    ],
)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_no_wrapping_hides_the_column(wrapper: str, depth: int) -> None:
    sql = "SELECT ssn AS city FROM t"
    wraps = ["SELECT city AS city FROM ({}) i", "WITH i AS ({}) SELECT lower(city) AS city FROM i"]
    for level in range(depth - 1):
        sql = wraps[level % 2].format(sql)
    (facts,) = read(wrapper.format(sql).encode())
    assert facts.complete, facts.reason
    assert facts.outputs is not None
    assert [(c.relation.name, c.name) for c in facts.outputs[0].columns if c.relation.name == "t"] == [("t", "ssn")]


def test_a_list_of_names_that_is_longer_than_what_is_known_takes_everything() -> None:
    known = Output(plain=True)
    unknown = Output(opaque=True)
    items = renamed([Item("a", known), Item(None, unknown, many=True)], ["x", "y", "z"])
    assert [(item.name, item.out.opaque) for item in items[:3]] == [("x", False), ("y", True), ("z", True)]


def test_set_operations_of_unknown_width_mix_everything() -> None:
    free, opaque = Item("a", Output()), Item("b", Output(opaque=True))
    assert [item.out.opaque for item in merged([[free, opaque], [opaque, free]])] == [True, True]
    assert [item.out.opaque for item in merged([[free, free], [opaque]])] == [True, True]
    assert merged([[Item(None, Output(), many=True)], [opaque]])[0].many


def test_a_name_that_a_source_has_not_is_looked_for_further_out() -> None:
    outer = Scope(None, [Source("o", items=[Item("x", Output(opaque=True))])])
    inner = Scope(outer, [Source("i", items=[Item("y", Output())])])
    assert bare(inner, "x")[0].opaque
    assert not bare(inner, "y")[0].opaque
    assert bare(inner, "z")[0].opaque


def test_marks_of_a_query_that_refers_to_itself_stand_for_all_that_reaches_them() -> None:
    email, city = (Output(frozenset({Column(Relation("public", "customers"), name)})) for name in ("email", "city"))
    items, marks = marked([Item("a", email), Item("b", city), Item("c", Output())], 1)
    arm = [items[1], items[0], items[2]]  # the recursive arm swaps two columns and keeps the third
    both = merged([[Item("a", email), Item("b", city), Item("c", Output())], arm])
    found = settled(both, marks)
    assert [item.out.columns for item in found] == [email.columns | city.columns] * 2 + [frozenset()]
    opaque = settled([Item("a", Output(items[1].out.columns)), Item("b", Output(opaque=True)), Item("c", Output())], marks)
    assert [item.out.opaque for item in opaque] == [True, True, False]


def test_columns_that_do_not_match_the_marks_hold_everything_but_the_marks() -> None:
    email = Output(frozenset({Column(Relation("public", "customers"), "email")}))
    items, marks = marked([Item("a", email), Item("b", Output())], 1)
    found = settled([Item(None, blend([*(item.out for item in items), email]), many=True)], marks)
    assert [(item.out.columns, item.many) for item in found] == [(email.columns, True)]


def test_row_is_meant_only_where_no_column_can_be() -> None:
    known = Source("t", Relation("public", "t"), table=Table(Relation("public", "t"), ("x",), frozenset({"x"})))
    scope = Scope(None, [known])
    assert row_named(scope, "t")
    assert not row_named(scope, "x")
    assert not row_named(scope, "u")
    assert not row_named(Scope(scope, [Source("u", Relation(None, "u"))]), "t")  # u may have a column t
    assert in_scope(scope, "x")
    assert in_scope(scope, "t")
    assert not in_scope(scope, "passing")
    assert bare(scope, "x")[0].plain
    assert bare(scope, "y")[0].opaque


def test_row_is_followed_only_through_a_column_that_is_certain_to_be_one() -> None:
    row = Source("t", Relation("public", "t"))
    one = Scope(None, [Source("s", None, [Item("r", Output(), row=row), Item("x", Output())])])
    assert row_in(one, "r") is row
    assert row_in(one, "r", "s") is row
    assert row_in(one, "r", "other") is None
    assert row_in(one, "x") is None
    one.add(Source("p", None, [Item("r", Output())]))
    assert row_in(one, "r") is None
    assert row_in(Scope(one, [Source("q", None, [Item("r", Output())])]), "r") is None
