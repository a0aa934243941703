"""The caches of a scope: one ruling for a statement's shape, never one for another's values, never without bound."""

import random

import pytest

from gateway import scope as scope_module
from gateway.identity.declaration import Declaration
from gateway.scope import DECLARED_MAX, ENTRIES_MAX, PLANS_MAX, TEXT_BYTES_MAX
from parser.facts import Facts, Relation
from parser.statements import read
from tests.gateway.masking.shop import CUSTOMERS, INT4, VARCHAR, description
from tests.gateway.session.rig import ALL, CLEAR, LITERALS, READ, WRITE, scope_of


def facts(sql: str) -> Facts:
    (found,) = read(sql.encode())
    return found


def test_statements_that_differ_in_literals_alone_share_their_rulings() -> None:
    scope = scope_of(READ)
    first = scope.script(b"select email from customers where id = 1")
    assert scope.script(b"select email from customers where id = 2") is first
    assert scope.script(b"select email from customers where name = 'x'") is not first


def test_statements_a_quick_look_is_not_sure_of_are_remembered_by_their_text() -> None:
    scope = scope_of(READ)
    text = b'select "email" from customers where id = 1 -- x'
    assert scope.script(text) is scope.script(text)
    assert scope.script(text.replace(b"1", b"2")) is not scope.script(text)


@pytest.mark.parametrize(
    ("harmless", "other"),
    [
        (b"select set_config('work_mem', '1MB', false)", b"select set_config('role', 'postgres', false)"),
        (b"set search_path = 'a'", b"set search_path = 'b'"),
        (b"set session authorization 'a'", b"set session authorization 'b'"),
    ],
)
def test_statements_judged_by_a_value_never_share(harmless: bytes, other: bytes) -> None:
    scope = scope_of(READ)
    first = scope.script(harmless)
    second = scope.script(other)
    assert first is not second
    assert first.rulings[0].facts.settings != second.rulings[0].facts.settings


def test_shared_ruling_is_what_reading_anew_would_give() -> None:
    rng = random.Random(5)
    shapes = (
        "select email from customers where id = {}", "select {} from orders", "insert into orders values ({}, {})",
        "delete from orders where id = {}", "select set_config('a.b', {}, false)", "select count(*) from orders limit {}",
        "copy orders to stdout with (format csv, delimiter {})", "select * from customers where {} = {}", "set x.y = {}",
        "select generate_series({}, {})", "drop table orders", "update orders set item = {}",
    )  # fmt: skip
    values = ("1", "2.5", "'x'", "'role'", "'a;b'", "'--'", "-1", "''", "null", "'it''s'", "e'\\''", "$1", "true")
    warm = scope_of(WRITE)
    for _ in range(1500):
        text = rng.choice(shapes)
        while "{}" in text:
            text = text.replace("{}", rng.choice(values), 1)
        cached, fresh = warm.script(text.encode()), scope_of_cached(WRITE).script(text.encode())
        assert cached.refused == fresh.refused, text
        assert [one.decision.verdict for one in cached.rulings] == [one.decision.verdict for one in fresh.rulings]
        assert [one.basis.inert for one in cached.rulings] == [one.basis.inert for one in fresh.rulings], text
        assert [one.facts.settings for one in cached.rulings] == [one.facts.settings for one in fresh.rulings], text
        copies = [[one.copy and one.copy.rows for one in script.rulings] for script in (cached, fresh)]
        assert copies[0] == copies[1], text
        assert [one.facts.shape for one in cached.rulings] == [one.facts.shape for one in fresh.rulings], text
        assert (cached.takes_copy, cached.named, cached.unsettling) == (fresh.takes_copy, fresh.named, fresh.unsettling)
        own = tuple(LITERALS.of(one.literals) for one in read(text.encode()))
        assert warm.literals(cached, text.encode()) in ((own, ()) if not any(own) else (own,)), text


_TEMPLATE = {policy: scope_of(policy) for policy in (WRITE,)}


def scope_of_cached(policy: str) -> scope_module.Scope:
    """A scope with nothing in its caches."""
    known = _TEMPLATE[policy]
    return scope_module.Scope(known.rights, known.catalog, known.policy_hash)


def test_declaration_changes_the_verdict_alone_and_is_remembered() -> None:
    scope = scope_of(WRITE + '[[guardrail]]\nname = "r"\neffect = "deny"\nintent_mismatch = true\n')
    text = b"update customers set city = email where id = 1"
    base = scope.script(text)
    said = Declaration(effect="read", source="session")
    script = scope.declaring(base, said)
    assert script is not base
    assert script is scope.declaring(base, said) is scope.declaring(script, Declaration(effect="read", source="session"))
    assert scope.declaring(script, None) is base
    assert (base.refused, base.rulings[0].declared) == (None, None)
    assert script.refused is not None
    assert script.rulings[0].declared is not None
    assert script.rulings[0].learns == ()  # what is refused copies nothing
    assert scope.literals(script, text) == scope.literals(base, text) == (LITERALS.of(["1"]),)
    wider = scope.declaring(script, Declaration(effect="write"))
    assert (wider.refused, wider.rulings[0].learns) == (None, base.rulings[0].learns)
    for number in range(200):
        scope.declaring(base, Declaration(str(number)))
    assert len(base._declared) <= DECLARED_MAX


def test_caches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ENTRIES_MAX <= 4096
    monkeypatch.setattr(scope_module, "ENTRIES_MAX", 20)
    scope = scope_of(READ)
    inner = [facts(f"select {name} from orders") for name in ("id", "item")]
    for number in range(100):
        scope.script(b"select c%d from orders" % number)
        scope.script(b'select "c%d" from orders' % number)
        scope.resolve(facts(f"execute e{number}"), inner[number % 2])
    assert max(len(scope._by_key), len(scope._by_text), len(scope._resolved)) <= 20


def test_long_texts_are_not_kept() -> None:
    scope = scope_of(READ)
    text = b"select '" + b"x" * TEXT_BYTES_MAX + b"'"
    assert scope.script(text) is not scope.script(text)
    assert not scope._by_key
    assert not scope._by_text


def test_plans_of_one_statement_are_shared_and_bounded() -> None:
    (ruling,) = scope_of(READ).script(b"select email from customers").rulings
    first = description(("email", CUSTOMERS, 3, VARCHAR))
    plan = ruling.plan(first)
    assert ruling.plan(first) is plan
    assert not plan.rows.clear
    assert plan.card is not None
    assert plan.card.info.masked == (("public.customers.email", "email", "redact"),)
    for number in range(3 * PLANS_MAX):
        ruling.plan(description((f"c{number}", CUSTOMERS, 1, INT4)))
        assert len(ruling._plans) <= PLANS_MAX


def test_execute_of_a_known_statement_needs_and_masks_what_that_does() -> None:
    scope = scope_of(READ)
    outer = facts("execute a")
    assert scope.script_of((outer,)).refused is not None  # nothing is known of what it runs
    ruling = scope.resolve(outer, facts("select email from customers"))
    assert ruling.refused is None
    assert ruling.facts.kinds == ("EXECUTE", "SELECT")
    assert "email" in ruling.facts.shape
    assert not ruling.plan(description(("x", 0, 0, 25))).rows.clear
    assert scope.resolve(outer, facts("delete from orders where id = 1")).refused is not None


def test_fetch_of_a_known_cursor_is_masked_as_its_query() -> None:
    scope = scope_of(READ)
    inner = facts("declare c cursor for select email from customers").inner
    assert inner is not None
    ruling = scope.resolve(facts("fetch all from c"), inner)
    assert ruling.refused is None
    assert not ruling.plan(description(("x", 0, 0, 25))).rows.clear
    assert scope.resolve(facts("fetch all from c"), inner) is ruling


def test_what_changes_the_session_is_not_run_by_name_unless_everything_is_allowed() -> None:
    for inner in ("set search_path = 'x'", "execute b", "create temp table t (a int)"):
        assert scope_of(WRITE).resolve(facts("execute a"), facts(inner)).refused is not None
        assert not scope_of(ALL).resolve(facts("execute a"), facts(inner)).facts.complete


def test_what_cannot_be_read_is_the_worst_it_could_be() -> None:
    assert scope_of(WRITE).unread("in doubt", "").refused is not None
    assert scope_of(ALL).unread("in doubt", "").refused is not None, "columns are masked here"
    script = scope_of(CLEAR).unread("in doubt", "text")
    assert script.refused is None
    assert script.unsettling
    assert scope_of(CLEAR).unread("in doubt", "").rulings[0].plan(description(("x", 0, 0, 25))).rows.clear


@pytest.mark.parametrize(
    ("text", "named", "unsettling", "takes_copy"),
    [
        ("select 1", False, False, False),
        ("prepare a as select 1", True, True, False),
        ("execute a", True, False, False),
        ("deallocate a", True, True, False),
        ("declare c cursor for select 1", True, True, False),
        ("fetch c", True, False, False),
        ("close c", True, True, False),
        ("set standard_conforming_strings = on", False, True, False),
        ("set names 'utf8'", False, True, False),
        ("reset all", False, True, False),
        ("discard all", False, True, False),
        ("set work_mem = '1MB'", False, False, False),
        ("create table t (a int)", False, True, False),
        ("do $$ begin execute 'x'; end $$", False, True, False),
        ("what is this", False, True, False),
        ("copy orders from stdin", False, False, True),
        ("select 1; copy orders from stdin", False, False, True),
        ("copy orders to stdout", False, False, False),
        ("", False, False, False),
    ],
)
def test_what_a_text_means_for_those_behind_it(text: str, named: bool, unsettling: bool, takes_copy: bool) -> None:
    script = scope_of(ALL).script(text.encode())
    assert (script.named, script.unsettling, script.takes_copy) == (named, unsettling, takes_copy)


def test_first_refusal_stops_the_text() -> None:
    script = scope_of(READ).script(b"select 1; drop table orders; delete from orders where id = 1")
    assert script.refused is not None
    assert script.refused is script.rulings[1].refused
    assert script.rulings[0].refused is None


def test_copy_that_cannot_be_masked_is_refused_and_counts_as_denied() -> None:
    script = scope_of(READ).script(b"copy customers to stdout with (delimiter 'x')")
    (ruling,) = script.rulings
    assert ruling.refused is not None
    assert ruling.decision.verdict == "deny"
    assert ruling.card.info.decision == "deny"
    assert ruling.card.info.rules[0] == ruling.refused.rule


def test_card_names_policy_tables_columns_and_grant() -> None:
    scope = scope_of(READ, generation=7)
    info = scope.script(b"select email from customers where id = 42").rulings[0].card.info
    assert (info.generation, info.policy_hash, info.decision) == (7, scope.policy_hash, "allow")
    assert info.tables == ("public.customers",)
    assert "public.customers.email" in info.columns_read
    assert info.grant is not None
    assert info.grant.name == "readers"
    assert "42" not in info.statement


def test_strings_are_read_as_the_server_reads_them() -> None:
    text = b"select 'a\\' || email from customers --'"
    assert not scope_of(READ).script(text).rulings[0].basis.inert
    assert scope_of(READ, conforming=False).script(text).rulings[0].basis.inert


def test_what_was_changed_since_the_catalogue_was_read_is_not_known_under_any_schema() -> None:
    for text in (b"select id from public.orders", b"select id from orders"):
        assert scope_of(READ, path=("public",)).script(text).rulings[0].basis.inert
        assert not scope_of(READ, path=("public",), moved=frozenset({"orders"})).script(text).rulings[0].basis.inert
    script = scope_of(CLEAR, path=("public",)).script(b"alter table orders rename to o; select id from public.orders")
    assert script.rulings[1].basis.tables(Relation("public", "orders")) == ()


def flowing(scope: scope_module.Scope, sql: bytes) -> list[list[str]] | None:
    found = scope.script(sql).rulings[-1].basis.outputs
    if found is None:
        return None
    return [sorted(f"{c.relation.schema or ''}.{c.name}" for c in one.columns) for one in found]


def test_stars_are_resolved_against_the_catalogue_under_the_path() -> None:
    columns = [[f"public.{name}"] for name in ("id", "customer_id", "total", "item")]
    assert flowing(scope_of(READ, path=("public",)), b"select * from orders") == columns
    assert flowing(scope_of(READ), b"select * from orders") == columns  # the path is not known, but there is one alone
    assert flowing(scope_of(READ, path=("elsewhere",)), b"select * from orders") is None
    assert flowing(scope_of(READ, path=("public",), made=frozenset({"orders"})), b"select * from orders") is None


def test_relation_that_a_text_makes_hides_the_one_of_its_name_from_the_statements_behind() -> None:
    scope = scope_of(ALL, path=("public",))
    shadowed = b"create temp table orders as select email as item from customers; select upper(item) from orders"
    _, shown = scope.script(shadowed).rulings
    assert shown.basis.outputs is not None
    assert shown.basis.lineage(shown.basis.outputs[0]) != ()
    (plain,) = scope.script(b"select upper(item) from orders").rulings
    assert plain.basis.outputs is not None
    assert plain.basis.lineage(plain.basis.outputs[0]) == ()


def test_prepared_statement_is_understood_anew_where_its_names_mean_something_else() -> None:
    before = scope_of(READ, path=("public",))
    inner = before.script(b"prepare p as select * from orders").rulings[0].facts.inner
    assert inner is not None
    assert inner.reads == (Relation("public", "orders"),)
    after = scope_of(READ, path=("public",), made=frozenset({"orders"}))
    again = after.again(inner)
    assert again.reads == (Relation(None, "orders"),)
    assert again.outputs is None
    assert before.again(again).reads == inner.reads
    plain = facts("select 1")
    assert after.again(plain) is plain
