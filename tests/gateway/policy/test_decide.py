"""Verdicts: which rule decides, under which grant, and in which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.classify.catalog import Catalog, CatalogFunction
from gateway.identity.principal import Principal
from gateway.policy.compile import compile
from gateway.policy.decide import decide
from gateway.policy.decision import NO_LIMITS, Budget, Limit, Limits
from gateway.policy.rules import load
from gateway.policy.table import PolicyTable
from gateway.settings import Settings
from parser.facts import Facts
from parser.known import Body
from parser.statements import read
from tests.gateway.policy.verdicts import CATALOG, rights, verdict


def rail(body: str, effect: str = "deny") -> str:
    return f'[[guardrail]]\nname = "mind this"\neffect = "{effect}"\nmessage = "Ask the team."\n{body}\n'


def test_a_hold_is_refused_and_says_why() -> None:
    decision = verdict("DELETE FROM t WHERE a = 1", rights("write", rail('statements = ["DELETE"]', "hold")))
    assert decision.verdict == "hold"
    assert decision.refused is not None
    assert "needs an approval" in decision.refused.message


def test_a_warning_passes_with_its_words() -> None:
    decision = verdict("DELETE FROM t WHERE a = 1", rights("write", rail('statements = ["DELETE"]', "warn")))
    assert decision.verdict == "warn"
    assert decision.refused is None
    assert decision.message == 'guardrail "mind this": Ask the team.'
    assert decision.rules == ("mind this", "g")


def test_a_deny_beats_a_hold_and_a_hold_beats_a_warning() -> None:
    rails = "".join(
        f'[[guardrail]]\nname = "{name}"\neffect = "{effect}"\nstatements = ["DELETE"]\n'
        for name, effect in (("a", "warn"), ("b", "hold"), ("c", "deny"))
    )
    decision = verdict("DELETE FROM t WHERE a = 1", rights("write", rails))
    assert decision.verdict == "deny"
    assert decision.rules == ("c", "a", "b")
    rails = rails.rpartition("[[")[0]
    decision = verdict("DELETE FROM t WHERE a = 1", rights("write", rails))
    assert decision.verdict == "hold"
    assert decision.rules == ("b", "a")


def test_what_no_grant_allows_is_denied_even_where_it_would_be_held() -> None:
    decision = verdict("DELETE FROM t WHERE a = 1", rights("read", rail('statements = ["DELETE"]', "hold")))
    assert decision.verdict == "deny"
    assert decision.refused is not None
    assert "no grant here allows write" in decision.refused.message


def test_the_grant_that_allows_least_is_named() -> None:
    more = '[[grant]]\nname = "a writer"\nallow = ["read", "write"]\n[[grant]]\nname = "b all"\nallow = ["all"]\n'
    text = rights("read", more)
    assert verdict("SELECT 1", text).rules == ("g",)
    written = verdict("INSERT INTO t SELECT * FROM s", text)
    assert written.rules == ("a writer",)
    assert written.grant is not None
    assert written.grant.name == "a writer"
    assert verdict("CALL bump()", text).rules == ("b all",)
    note = verdict("BEGIN", text).grant
    assert note is not None
    assert (note.name, note.granted_by, note.reason) == ("g", "lead", "T-1")


BUDGETED = """
[[grant]]
name = "reader"
allow = ["read"]
max_rows_per_hour = 10
max_statement_seconds = 30
[[grant]]
name = "writer"
allow = ["write"]
max_bytes_per_hour = 20
max_statements_per_minute = 3
max_statement_seconds = 1.5
max_affected_rows = 7
"""


def limits(sql: str, text: str = BUDGETED) -> Limits:
    table = PolicyTable(compile([load(text, "p")], Settings()))
    given_rights = table.rights(Principal("alice", "i", (), (), 9e9, "t"), "shop", "dev", 0.0, 1)
    decision = verdict(sql, given_rights)
    assert decision.refused is None
    return decision.limits


def test_limits_are_those_of_the_grants_that_the_statement_runs_under() -> None:
    read = Budget("reader", "rows", 10, 3600, personal=True)
    assert limits("SELECT * FROM t") == Limits(None, Limit("reader", 30), (read,))
    written = (Budget("writer", "bytes", 20, 3600, personal=True), Budget("writer", "statements", 3, 60, personal=True))
    assert limits("INSERT INTO t VALUES (1)") == Limits(None, Limit("writer", 1.5), written)
    both = limits("DELETE FROM t USING s WHERE s.a = t.a")
    assert both == Limits(Limit("writer", 7), Limit("writer", 1.5), (*written, read))


def test_an_agents_budgets_are_those_of_every_side() -> None:
    """What is of the person's own grant is taken from his own account, whatever agents he has."""
    text = """
    [[grant]]
    name = "people"
    allow = ["all"]
    max_subjects_per_hour = 50
    max_statement_seconds = 9
    [[grant]]
    name = "agents"
    actors = ["*"]
    allow = ["read"]
    max_rows_per_task = 4
    max_statements_per_hour = 100
    max_statement_seconds = 20
    """
    table = PolicyTable(compile([load(text, "p")], Settings()))
    given_rights = table.rights(Principal("alice", "i", (), ("x",), 9e9, "t"), "shop", "dev", 0.0, 1)
    decision = verdict("SELECT * FROM t", given_rights)
    assert decision.rules == ("agents", "people")
    assert decision.limits.statement_seconds == Limit("people", 9)
    assert [(one.grant, one.setting, one.most, one.personal) for one in decision.limits.budgets] == [
        ("agents", "max_rows_per_task", 4, False),
        ("agents", "max_statements_per_hour", 100, False),
        ("people", "max_subjects_per_hour", 50, True),
    ]
    refused = verdict("INSERT INTO t VALUES (1)", given_rights).refused
    assert refused is not None
    assert "no grant of the agent's here allows write" in refused.message


def test_of_several_limits_the_strictest_counts() -> None:
    rails = "".join(
        f'[[guardrail]]\nname = "r{most}"\neffect = "deny"\nmax_affected_rows = {most}\n' for most in (0, 5, 9)
    )
    sql = "DELETE FROM t WHERE a = 1"
    assert limits(sql, BUDGETED + rails).affected_rows == Limit("r0", 0)
    assert limits(sql, BUDGETED + rails.rpartition("[[")[0]).affected_rows == Limit("r0", 0)
    assert limits(sql, BUDGETED + "[[" + rails.rpartition("[[")[2]).affected_rows == Limit("writer", 7)
    assert limits("SELECT 1", '[[grant]]\nname = "g"\nallow = ["all"]\nmax_affected_rows = 1\n') is NO_LIMITS


@pytest.mark.parametrize(
    "sql",
    ["WITH d AS (DELETE FROM t WHERE a = 1 RETURNING 1) SELECT 1", "DO $$ BEGIN EXECUTE a; END $$", "SELECT unheard_of()"],
)
def test_a_grant_that_limits_changed_rows_does_not_cover_changes_that_nobody_counts(sql: str) -> None:
    table = PolicyTable(
        compile([load('[[grant]]\nname = "g"\nallow = ["all"]\nmax_affected_rows = 5\n', "p")], Settings())
    )
    given_rights = table.rights(Principal("alice", "i", (), (), 9e9, "t"), "shop", "dev", 0.0, 1)
    refused = verdict(sql, given_rights).refused
    assert refused is not None
    assert refused.rule == "g"
    assert refused.message == 'denied by grant "g": the rows it may change are limited, and cannot be counted'
    assert refused.hint


def test_what_a_function_changes_is_counted_by_nobody() -> None:
    body = Body(frozenset({"write"}), (), (), frozenset(), frozenset(), ())
    changing = CatalogFunction("public", "changing", "v", "sql", False, False, body=body)
    catalog = Catalog(1, {}, {}, {"changing": (changing,)})
    assert verdict("SELECT changing()", rights("read write"), catalog=catalog).verdict == "allow"
    denied = verdict("SELECT changing()", rights("read"), catalog=catalog).refused
    assert denied is not None
    assert "calls a function that may change rows" in denied.message
    limited = rights("read write", rail("max_affected_rows = 9"))
    for sql in ("SELECT changing()", "DELETE FROM t WHERE a = changing()", "INSERT INTO pg_temp.t VALUES (changing())"):
        refused = verdict(sql, limited, catalog=catalog).refused
        assert refused is not None
        assert refused.rule == "mind this"
        table = PolicyTable(
            compile([load('[[grant]]\nname = "g"\nallow = ["read", "write"]\nmax_affected_rows = 5\n', "p")], Settings())
        )
        by_grant = table.rights(Principal("alice", "i", (), (), 9e9, "t"), "shop", "dev", 0.0, 1)
        refused = verdict(sql, by_grant, catalog=catalog).refused
        assert refused is not None
        assert refused.rule == "g"


SECRET = "s3cr3tvalue"


@pytest.mark.parametrize(
    "sql",
    [
        f"CALL p('{SECRET}')", f"SELECT pg_read_file('{SECRET}')", f"SELECT '{SECRET}",
        f"SELECT set_config('log_{SECRET}', '{SECRET}', false)", f"SET client_encoding = '{SECRET}'",
        f"SET standard_conforming_strings = '{SECRET}'", f"SET ROLE '{SECRET}'", f"DO '{SECRET}'",
        f"COPY t TO PROGRAM '{SECRET}'", f"SELECT unheard_of('{SECRET}')", f"SELECT set_config('{SECRET}.a', 'x', $1)",
    ],
)  # fmt: skip
def test_no_refusal_quotes_a_value(sql: str) -> None:
    for environment in ("dev", "production"):
        refused = verdict(sql, rights("write", environment=environment)).refused
        assert refused is not None
        assert SECRET not in repr(refused)
        assert "polic" not in refused.hint


STATEMENTS = st.sampled_from(
    [
        "SELECT", "INSERT", "DELETE", "FROM", "t", "WHERE", "a", "=", "1", ";", ",", "(", ")", "'x'", "$1",
        "SET", "role", "DROP", "TABLE", "pg_temp", ".", "x", "true", "DO", "lower", "f"
    ]
)


@given(st.lists(STATEMENTS, max_size=12), st.sampled_from(["read", "write", "read write ddl", "all"]))
def test_a_verdict_is_always_whole(words: list[str], allow: str) -> None:
    given_rights = rights(allow, environment="production")
    for facts in read(" ".join(words).encode()):
        decision = decide(facts, given_rights, CATALOG)
        assert (decision.refused is None) == (decision.verdict in ("allow", "warn"))
        assert (decision.grant is None) == (decision.refused is not None)
        assert decision.rules
        assert facts.complete or decision.verdict == "deny"


def test_a_statement_that_does_nothing_passes() -> None:
    assert decide(Facts((), frozenset()), rights("read"), CATALOG).verdict == "allow"
