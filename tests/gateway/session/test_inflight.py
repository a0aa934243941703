"""What is outstanding: items and their rulings, statements judged in the scope of now."""

from dataclasses import replace

from gateway.session.inflight import RESYNC, Ask, Item, Portal, Statement
from parser.facts import Relation
from parser.statements import read
from tests.gateway.session.rig import ALL, READ, WRITE, scope_of

TRICK = b"select 'a\\' || email from customers --'"


def test_item_gives_its_rulings_one_after_the_other() -> None:
    item = Item(Ask.QUERY, 0, 5)
    assert item.ruling is None
    item.rulings = scope_of(READ).script(b"select 1; select 2").rulings
    assert item.ruling is item.rulings[0]
    item.index = 1
    assert item.ruling is item.rulings[1]
    item.index = 2
    assert item.ruling is None


def test_items_do_not_share_what_is_set_on_one() -> None:
    one, other = Item(Ask.BIND, 0, 0), Item(Ask.BIND, 0, 0)
    one.hidden, one.name, one.nbytes = True, b"p", 7
    assert (other.hidden, other.name, other.nbytes, other.portal) == (False, b"", 0, None)


def test_ready_for_query_answers_three_kinds() -> None:
    assert {Ask.QUERY, Ask.SYNC, Ask.FUNCTION} == RESYNC


def test_statement_is_judged_anew_in_a_new_scope_and_once_only() -> None:
    before, after = scope_of(WRITE), scope_of(READ)
    sql = b"delete from orders where id = 1"
    statement = Statement(sql, before.script(sql), before)
    assert statement.in_scope(before).refused is None
    refused = statement.in_scope(after)
    assert refused.refused is not None
    assert statement.in_scope(after) is refused
    assert refused is after.script(sql)  # shared with everybody who sends the text


def test_statement_keeps_the_reading_of_its_text() -> None:
    on, off = scope_of(ALL), scope_of(ALL, conforming=False)
    statement = Statement(TRICK, on.script(TRICK), on)
    assert off.script(TRICK).rulings[0].basis.inert  # one literal, read so
    assert not statement.in_scope(off).rulings[0].basis.inert
    another = scope_of(ALL, conforming=False)
    assert not statement.in_scope(another).rulings[0].basis.inert
    assert not statement.in_scope(scope_of(ALL)).rulings[0].basis.inert


def test_statement_read_in_doubt_stays_unread() -> None:
    scope = scope_of(ALL)
    statement = Statement(b"select 1", scope.unread("in doubt", ""), scope, as_text=False)
    assert not statement.in_scope(scope_of(READ)).rulings[0].facts.complete


def test_statement_that_sql_made_has_facts_for_a_text() -> None:
    (facts,) = read(b"prepare a as select email from customers")
    assert facts.inner is not None
    statement = Statement.of_facts(facts.inner, scope_of(READ))
    assert statement.sql == b""
    (ruling,) = statement.in_scope(scope_of(ALL)).rulings
    assert ruling.facts.reads == (Relation("public", "customers"),)  # as the scope of now finds it
    (unread,) = Statement.of_facts(replace(facts.inner, text=b""), scope_of(READ)).in_scope(scope_of(ALL)).rulings
    assert unread.facts.reads == (Relation(None, "customers"),)


def test_new_portal_is_not_described() -> None:
    scope = scope_of(READ)
    portal = Portal(b"p", Statement(b"select 1", scope.script(b"select 1"), scope))
    assert (portal.description, portal.asked) == (None, False)
