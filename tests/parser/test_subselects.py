"""Subqueries in conditions: whether they have every row of the target."""

import pytest

from parser.statements import read

NONE = """
id IN (SELECT id FROM t)
id IN (SELECT DISTINCT x.id AS y FROM ONLY t AS x)
id IN (SELECT id FROM t WHERE 1 = 1 ORDER BY 1)
id IN ((SELECT id FROM t))
id IN (SELECT id FROM (SELECT id FROM t) x)
id IN (SELECT 1 UNION ALL SELECT id FROM t)
(id, a) IN (SELECT id, a FROM t)
lower(id) IN (SELECT lower(x.id) FROM t x)
id IN (WITH w AS (SELECT 1) SELECT id FROM t)
id = ANY (SELECT id FROM t)
id = ANY (ARRAY(SELECT id FROM t))
id = (SELECT x.id FROM t x WHERE x.id = t.id)
id NOT IN (SELECT id FROM u LIMIT 0)
id <> ALL (SELECT id FROM u WHERE false)
id > ALL (SELECT id FROM u WHERE 1 = 2)
id >= (SELECT min(id) FROM t)
(SELECT max(id) FROM t) >= id
EXISTS (SELECT 1 FROM t x WHERE x.id = t.id AND x.a = t.a)
EXISTS (SELECT max(u.a) FROM u WHERE u.id = t.id)
NOT EXISTS (SELECT 1 FROM u WHERE u.id = t.id AND 1 = 2)
"""
FILTER = """
id IN (SELECT id FROM t WHERE a = 1)
id IN (SELECT a FROM t)
id IN (SELECT id FROM t LIMIT 5)
id IN (SELECT id FROM t OFFSET 1)
id IN (SELECT id FROM t, u)
id IN (SELECT id FROM u)
id IN (SELECT id FROM t HAVING max(a) > 1)
id NOT IN (SELECT id FROM t)
id IN (SELECT max(id) FROM t)
id IN (SELECT id FROM t EXCEPT SELECT id FROM u)
(id, a) IN (SELECT a, id FROM t)
id <= (SELECT min(id) FROM t)
id >= (SELECT min(a) FROM t)
id >= (SELECT min(id) FROM u)
id = (SELECT min(id) FROM t)
EXISTS (SELECT 1 FROM u WHERE u.id = t.id)
EXISTS (SELECT 1 FROM t x WHERE x.id = t.a)
NOT EXISTS (SELECT 1 FROM t x WHERE x.a = t.id)
EXISTS (SELECT max(u.a) FROM u WHERE u.id = t.id GROUP BY u.b)
EXISTS (SELECT 1 FROM t x WHERE x.id = t.id AND x.a = 5)
id IN (SELECT id FROM (SELECT id FROM t LIMIT 1) x)
id NOT IN (SELECT id FROM u LIMIT 5)
"""


def split(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.mark.parametrize("condition", split(NONE))
def test_a_subquery_that_has_every_row_leaves_out_none(condition: str) -> None:
    (facts,) = read(f"DELETE FROM t WHERE {condition}".encode())
    assert facts.complete, facts.reason
    assert facts.unfiltered


@pytest.mark.parametrize("condition", split(FILTER))
def test_a_subquery_that_may_lack_a_row_is_a_filter(condition: str) -> None:
    (facts,) = read(f"DELETE FROM t WHERE {condition}".encode())
    assert facts.complete, facts.reason
    assert not facts.unfiltered
