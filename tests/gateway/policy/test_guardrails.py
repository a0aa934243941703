"""Which guardrails speak of a statement."""

import pytest

from tests.gateway.policy.verdicts import rights, verdict


def rail(body: str, effect: str = "deny") -> str:
    return f'[[guardrail]]\nname = "mind this"\neffect = "{effect}"\nmessage = "Ask the team."\n{body}\n'


@pytest.mark.parametrize(
    ("body", "sql", "speaks"),
    [
        ('statements = ["DROP"]', "DROP TABLE t", True),
        ('statements = ["drop table"]', "/**/drop\ntable t", True),
        ('statements = ["DROP"]', "SELECT 'drop table t'", False),
        ('statements = ["DROP INDEX"]', "DROP TABLE t", False),
        ('statements = ["ALTER TABLE DROP COLUMN"]', "ALTER TABLE t DROP COLUMN a", True),
        ('statements = ["ALTER TABLE DROP COLUMN"]', "ALTER TABLE t ADD COLUMN a int", False),
        ('statements = ["DELETE"]', "WITH d AS (DELETE FROM t WHERE a = 1 RETURNING 1) SELECT 1", True),
        ('statements = ["DROP"]', "DROP TABLE pg_temp.x", False),
        ('statements = ["*"]', "SELECT 1", True),
        ("without_where = true", "DELETE FROM t", True),
        ("without_where = true", "DELETE FROM t WHERE 1 = 1", True),
        ("without_where = true", "DELETE FROM t WHERE a = 1", False),
        ("without_where = true", "DELETE FROM pg_temp.t", False),
        ('tables = ["customers"]', "SELECT * FROM public.customers", True),
        ('tables = ["public.customers"]', "SELECT * FROM customers", True),
        ('tables = ["public.customers"]', "SELECT * FROM other.customers", False),
        ('tables = ["cust*"]', "DELETE FROM customers WHERE a = 1", True),
        ('tables = ["hr.*"]', "SELECT 1 FROM hr.pay", True),
        ('tables = ["customers"]', "SELECT * FROM orders", False),
        ('tables = ["c.stomers"]', "SELECT * FROM customers", False),
        ('columns = ["customers.email"]', "SELECT c.email FROM customers c", True),
        ('columns = ["customers.email"]', "SELECT * FROM customers", True),
        ('columns = ["customers.email"]', "SELECT 1 FROM customers WHERE email = 'x'", True),
        ('columns = ["customers.email"]', "UPDATE customers SET email = 'x' WHERE id = 1", True),
        ('columns = ["customers.email"]', "COPY customers TO STDOUT", True),
        ('columns = ["customers.email"]', "COPY customers (id) TO STDOUT", False),
        ('columns = ["customers.email"]', "INSERT INTO customers VALUES (1)", True),
        ('columns = ["customers.email"]', "SELECT id FROM customers", False),
        ('functions = ["lower"]', "SELECT pg_catalog.lower('x')", True),
        ('functions = ["public.total"]', "SELECT total(1)", True),
        ('functions = ["public.total"]', "SELECT upper('x')", False),
        ('statements = ["DELETE"]\ntables = ["customers"]', "DELETE FROM orders WHERE a = 1", False),
        ('statements = ["DELETE"]\ntables = ["customers"]', "SELECT 1 FROM customers", False),
        ('statements = ["DELETE"]\ntables = ["customers"]', "DELETE FROM customers WHERE a = 1", True),
        ('functions = ["lower"]', "DO $$ BEGIN END $$", True),
        ('tables = ["customers"]', "SELECT FROM FROM", True),
        ('tables = ["customers"]', "SELECT unheard_of()", True),
        ("min_estimated_rows = 1", "SELECT * FROM customers", False),
    ],
)
def test_a_guardrail_speaks_where_all_its_conditions_hold(body: str, sql: str, speaks: bool) -> None:
    decision = verdict(sql, rights("all", rail(body)))
    assert (decision.verdict == "deny") == speaks
    if speaks:
        assert decision.refused is not None
        assert decision.refused.message == 'denied by guardrail "mind this": Ask the team.'
        assert decision.refused.rule == "mind this"
