"""Which guardrails speak of a statement, wait for an estimate of its rows, or limit them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.decision import STRICTNESS
from gateway.session.inflight import ROWS_UNKNOWN
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
        ('functions = ["public.total(integer)"]', "SELECT total(1, 2)", True),
        ('functions = ["lower(*)"]', "SELECT upper('x')", False),
        ('functions = ["tot*"]', "SELECT (t).total FROM t", True),
        ('statements = ["DELETE"]\ntables = ["customers"]', "DELETE FROM orders WHERE a = 1", False),
        ('statements = ["DELETE"]\ntables = ["customers"]', "SELECT 1 FROM customers", False),
        ('statements = ["DELETE"]\ntables = ["customers"]', "DELETE FROM customers WHERE a = 1", True),
        ('functions = ["lower"]', "DO $$ BEGIN EXECUTE a; END $$", True),
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


OWN = frozenset({"customers", "x"})


@pytest.mark.parametrize(
    ("body", "sql", "speaks"),
    [
        ('tables = ["public.customers"]', "SELECT * FROM customers", False),
        ('tables = ["public.customers"]', "SELECT * FROM public.customers", True),
        ('tables = ["customers"]', "SELECT * FROM customers", True),
        ('columns = ["public.customers.email"]', "SELECT email FROM customers", False),
        ('columns = ["public.customers.email"]', "SELECT email FROM public.customers", True),
        ('statements = ["DROP"]', "DROP TABLE x", False),
        ('statements = ["DROP"]', "DROP TABLE x, t", True),
        ('statements = ["DROP"]', "DROP TABLE public.x", True),
        ("without_where = true", "DELETE FROM x", False),
        ("without_where = true", "WITH d AS (DELETE FROM t RETURNING 1) DELETE FROM x", True),
    ],
)
def test_a_bare_name_of_the_sessions_own_means_its_temporary_table(body: str, sql: str, speaks: bool) -> None:
    assert (verdict(sql, rights("all", rail(body)), own=OWN).verdict == "deny") == speaks


@pytest.mark.parametrize("effect", ["warn", "hold", "deny"])
def test_a_rule_on_estimated_rows_waits_for_the_estimate(effect: str) -> None:
    given_rights = rights("read", rail('tables = ["customers"]\nmin_estimated_rows = 100', effect))
    before = verdict("SELECT * FROM customers", given_rights)
    assert (before.verdict, before.wants_estimate) == ("allow", True)
    for rows, outcome in ((0, "allow"), (99, "allow"), (100, effect), (ROWS_UNKNOWN, effect)):
        after = verdict("SELECT * FROM customers", given_rights, rows)
        assert (after.verdict, after.wants_estimate) == (outcome, False)


@pytest.mark.parametrize(
    ("sql", "wants"),
    [
        ("SELECT * FROM t", True), ("TABLE t", True), ("UPDATE t SET a = 1 WHERE a = 2", True), ("COPY t TO STDOUT", True),
        ("WITH d AS (DELETE FROM t WHERE a = 1 RETURNING 1) SELECT 1", True), ("INSERT INTO t VALUES (1)", True),
        ("CREATE TABLE n AS SELECT * FROM t", True), ("DECLARE c CURSOR FOR SELECT * FROM t", True),
        ("EXPLAIN ANALYZE DELETE FROM t WHERE a = 1", True),
        ("EXPLAIN DELETE FROM t WHERE a = 1", False), ("PREPARE p AS SELECT * FROM t", False), ("BEGIN", False),
        ("CREATE VIEW v AS SELECT * FROM t", False), ("COPY t FROM STDIN", False), ("SET work_mem = 1", False),
        ("CREATE INDEX ON t (a)", False), ("SHOW work_mem", False),
    ],
)  # fmt: skip
def test_an_estimate_is_wanted_only_of_what_the_planner_plans(sql: str, wants: bool) -> None:
    assert verdict(sql, rights("all", rail("min_estimated_rows = 1000"))).wants_estimate == wants


def test_no_estimate_is_wanted_that_could_not_make_the_verdict_stricter() -> None:
    rails = rail("min_estimated_rows = 1000", "warn") + rail('tables = ["t"]', "warn").replace("mind", "always")
    assert not verdict("SELECT * FROM t", rights("read", rails)).wants_estimate
    assert verdict("SELECT * FROM t", rights("read", rails), 1000).rules == ("always this", "mind this", "g")
    assert verdict("SELECT * FROM s", rights("read", rails)).wants_estimate
    assert not verdict("DELETE FROM s", rights("read", rails)).wants_estimate  # refused anyway
    assert not verdict("SELECT FROM FROM", rights("all", rails)).wants_estimate


EFFECTS = st.sampled_from(["warn", "hold", "deny"])
RAILS = st.lists(st.tuples(EFFECTS, st.sampled_from([1, 50, 100])), max_size=4)


@given(RAILS, st.sampled_from(["SELECT * FROM t", "DELETE FROM t WHERE a = 1", "BEGIN", "SELECT ("]), st.integers(0, 200))
def test_an_estimate_never_makes_a_verdict_milder(rails: list[tuple[str, int]], sql: str, rows: int) -> None:
    text = "".join(
        rail(f"min_estimated_rows = {least}", effect).replace("mind", f"mind {number}")
        for number, (effect, least) in enumerate(rails)
    )
    given_rights = rights("read write", text + rail('statements = ["DELETE"]', "warn"), "production")
    before, after = verdict(sql, given_rights), verdict(sql, given_rights, rows)
    assert STRICTNESS[after.verdict] >= STRICTNESS[before.verdict]
    if not before.wants_estimate:
        assert after.verdict == before.verdict
    more = verdict(sql, given_rights, rows + 50)
    assert STRICTNESS[more.verdict] >= STRICTNESS[after.verdict]


@pytest.mark.parametrize(
    ("body", "sql", "most"),
    [
        ("", "DELETE FROM t WHERE a = 1", 5),
        ("", "UPDATE t SET a = 1 WHERE a = 2", 5),
        ("", "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", 5),
        ("", "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", 5),
        ("", "INSERT INTO t SELECT * FROM s", None),
        ("", "SELECT * FROM t", None),
        ("", "DELETE FROM pg_temp.t WHERE a = 1", None),
        ("", "PREPARE p AS DELETE FROM t WHERE a = 1", None),
        ('statements = ["DELETE"]', "UPDATE t SET a = 1 WHERE a = 2", None),
        ('statements = ["DELETE"]', "DELETE FROM t WHERE a = 1", 5),
        ('tables = ["orders"]', "DELETE FROM t WHERE a = 1", None),
    ],
)
def test_a_rule_on_affected_rows_limits_and_does_not_refuse(body: str, sql: str, most: int | None) -> None:
    decision = verdict(sql, rights("write read", rail(f"max_affected_rows = 5\n{body}")))
    assert decision.verdict == "allow"
    limit = decision.limits.affected_rows
    assert (limit.most if limit else None) == most
    assert limit is None or limit.rule == "mind this"


@pytest.mark.parametrize(
    "sql",
    [
        "WITH d AS (DELETE FROM t WHERE a = 1 RETURNING a) SELECT * FROM d",
        "WITH d AS (DELETE FROM t WHERE a = 1 RETURNING a) UPDATE t SET a = 1 WHERE a = 2",
        "EXPLAIN ANALYZE DELETE FROM t WHERE a = 1", "COPY (DELETE FROM t WHERE a = 1 RETURNING a) TO STDOUT",
        "DO $$ BEGIN DELETE FROM t WHERE a = 1; END $$", "SELECT FROM FROM",
    ],
)  # fmt: skip
def test_changes_that_no_command_tag_counts_are_refused_under_a_limit(sql: str) -> None:
    decision = verdict(sql, rights("all", rail("max_affected_rows = 1000000")))
    assert decision.refused is not None
    assert decision.refused.rule == "mind this"


@pytest.mark.parametrize(
    ("body", "sql", "counts"),
    [
        ('loop = "keys"', "SELECT 1", True),
        ('loop = "keys"', "DO $$ BEGIN END $$", True),
        ('loop = "denied"\nstatements = ["DROP"]', "DROP TABLE t", True),
        ('loop = "denied"\nstatements = ["DROP"]', "SELECT 1", False),
        ('loop = "offset"\ntables = ["customers"]', "SELECT * FROM customers OFFSET 5", True),
        ('loop = "offset"\ntables = ["customers"]', "SELECT * FROM orders OFFSET 5", False),
        ('loop = "offset"\ntables = ["customers"]', "SELECT ] FROM nothing", True),
    ],
)
@pytest.mark.parametrize("words", ["read", "all"])
def test_a_rule_on_loops_decides_nothing_and_counts_what_meets_its_conditions(
    body: str, sql: str, counts: bool, words: str
) -> None:
    decision = verdict(sql, rights(words, rail(body)))
    assert (decision.verdict == "allow") == (verdict(sql, rights(words)).verdict == "allow")
    assert [one.name for one in decision.loops] == (["mind this"] if counts else [])
    assert "mind this" not in decision.rules


def test_among_many_rules_over_what_cannot_be_read_none_that_denies_is_lost_to_loops() -> None:
    many = "".join(
        f'[[guardrail]]\nname = "a{number:03}"\neffect = "deny"\nloop = "keys"\n' for number in range(120)
    ) + rail('statements = ["DROP"]')
    decision = verdict("SELECT ] FROM nothing", rights("all", many))
    assert decision.verdict == "deny"
    assert decision.rules[0] == "mind this"
    assert len(decision.loops) == 120
