"""Facts against declarations: what was declared is never a mismatch, and what was not always is."""

import pytest

from gateway.identity.declaration import Declaration, read_text
from gateway.policy.decide import decide
from gateway.policy.intents import mismatch
from gateway.policy.needs import needs
from parser.statements import read
from tests.gateway.masking.shop import catalog
from tests.gateway.policy.grants import rights

OWNER = 'allow = ["all"]\n'
RULE = """
[[grant]]
name = "all"
allow = ["all"]
[[guardrail]]
name = "as declared"
effect = "deny"
intent_mismatch = true
"""


def differs(sql: str, said: str, own: frozenset[str] = frozenset()) -> tuple[str, ...]:
    known, may = catalog(), rights('[[grant]]\nname = "g"\nallow = ["all"]\n')
    (facts,) = read(sql.encode())
    declared = read_text(said)
    assert declared is not None
    return mismatch(declared, facts, needs(facts, may, known, own), known, own)


@pytest.mark.parametrize(
    ("sql", "said", "words"),
    [
        ("select email from customers", "effect=read tables=public.customers", ()),
        ("select email from customers", "tables=customers", ()),
        ("select email from customers", "tables=public.*", ()),
        ("select email from customers", "tables=public.orders", ("reads public.customers",)),
        ("select email from customers", "a reason alone", ()),
        ("update customers set city = 'x'", "ticket=T-1", ()),
        ("update customers set city = 'x'", "effect=read", ("writes",)),
        ("update customers set city = 'x'", "effect=write tables=public.customers", ()),
        ("update customers set city = 'x'", "tables=orders", ("writes public.customers",)),
        ("update customers set city = 'x'", "effect=ddl", ()),
        ("with gone as (delete from orders returning 1) select 1 from gone", "effect=read", ("writes",)),
        ("create table made (a int)", "effect=write", ("changes definitions",)),
        ("create table made (a int)", "effect=ddl tables=public.orders", ("writes made",)),
        ("grant select on customers to public", "effect=ddl", ("reaches the server itself",)),
        ("select 1", "effect=read tables=public.orders", ()),
        ("begin", "effect=read tables=public.orders", ()),
        ("set work_mem = '1MB'", "effect=read tables=public.orders", ()),
        ("select relname from pg_class", "effect=read tables=public.orders", ()),
        ("select relname from pg_catalog.pg_class", "effect=read tables=public.orders", ()),
        ("do $$ begin execute 'drop table orders'; end $$", "effect=admin", ("cannot be read completely",)),
        ("do $$ begin execute 'drop table orders'; end $$", "tables=public.orders", ("cannot be read completely",)),
        ("do $$ begin execute 'drop table orders'; end $$", "a reason alone", ()),
    ],
)
def test_mismatch_tells_what_was_not_declared(sql: str, said: str, words: tuple[str, ...]) -> None:
    assert differs(sql, said) == words


def test_own_temporary_tables_are_nobodys_business() -> None:
    own = frozenset(("mine",))
    assert differs("select * from mine", "tables=public.orders", own) == ()
    assert differs("insert into mine select 1", "tables=public.orders effect=write", own) == ()
    assert differs("create temp table other (a int)", "tables=public.orders effect=write") == ()
    assert differs("select * from mine", "tables=public.orders") == ("reads mine",)


def test_rule_speaks_of_mismatches_alone() -> None:
    may, known = rights(RULE), catalog()
    (facts,) = read(b"update public.customers set city = 'x' where id = 1")
    for said in (None, Declaration(effect="write"), Declaration("why not", ticket="T")):
        assert decide(facts, may, known, declared=said).refused is None
    decision = decide(facts, may, known, declared=Declaration(effect="read", tables=("orders",)))
    assert decision.verdict == "deny"
    assert decision.rules[0] == "as declared"
    assert decision.mismatch == ("writes", "writes public.customers")
    assert decision.refused is not None
    assert "the statement writes, writes public.customers, which was not declared" in decision.refused.message
    assert "SET sluice.reason" in decision.refused.hint


def test_mismatch_is_told_where_no_rule_asks() -> None:
    (facts,) = read(b"update public.customers set city = 'x' where id = 1")
    may = rights('[[grant]]\nname = "g"\nallow = ["write"]\n')
    decision = decide(facts, may, catalog(), declared=Declaration(effect="read"))
    assert (decision.verdict, decision.mismatch) == ("allow", ("writes",))


def test_statement_that_cannot_be_read_meets_the_rule_only_where_something_was_declared() -> None:
    may, known = rights(RULE, database="dev"), catalog()
    (facts,) = read(b"do $$ begin execute 'drop table orders'; end $$")
    assert decide(facts, may, known).refused is None
    assert decide(facts, may, known, declared=Declaration("why")).refused is None
    assert decide(facts, may, known, declared=Declaration(effect="admin")).refused is not None
