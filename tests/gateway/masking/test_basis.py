"""What a statement's facts, the rights and the catalogue together say may be shown."""

from dataclasses import replace

import pytest

from gateway.classify.resolver import Resolver
from gateway.masking.basis import Source, basis
from gateway.policy.rules import Mask
from parser.facts import Column, Output, Relation
from parser.statements import read
from tests.gateway.masking.shop import CUSTOMERS, basis_of, catalog, facts, rights


@pytest.mark.parametrize(
    ("sql", "inert"),
    [
        ("select item, total from orders", True),
        ("select count(*) from orders", True),
        ("select 1", True),
        ("begin", True),
        ("set work_mem = '1MB'", True),
        ("show work_mem", True),
        ("select relname from pg_class", True),
        ("select count(*) from customers", False),  # its errors may quote
        ("select id from customers", False),
        ("select peek()", False),
        ("select query_to_xml('select 1', true, true, '')", False),
        ("select * from unknown_table", False),
        ("select who from contacts", False),
        ("insert into orders values (1)", False),  # triggers speak
        ("commit", False),  # deferred constraints speak
        ("explain analyze select * from orders", False),
        ("execute something", False),
        ("fetch all from something", False),
        ("do $$ begin perform peek(); end $$", False),
        ("create table x (a int)", False),
    ],
)
def test_inert_is_only_what_can_neither_show_nor_quote_a_masked_value(sql: str, inert: bool) -> None:
    assert basis_of(sql).inert is inert


def lineage(sql: str) -> list[tuple[str, str]]:
    masks = basis_of(sql)
    assert masks.outputs is not None
    return [(source.name, source.label) for source in masks.lineage(masks.outputs[0])]


def test_lineage_names_every_labelled_column_that_may_flow_in() -> None:
    assert lineage("select name || email || city from customers") == [
        ("public.customers.email", "email"),
        ("public.customers.name", "name"),
    ]
    assert lineage("select city from customers") == []


def test_bare_name_is_one_of_the_relations_that_have_it() -> None:
    assert lineage("select lower(city) from customers, orders") == []
    assert lineage("select lower(email) from customers, orders") == [("public.customers.email", "email")]
    assert lineage("select lower(city) from customers, elsewhere") == [("elsewhere.city", "unknown")]


def test_column_that_no_relation_has_is_unknown() -> None:
    masks = basis_of("select 1")
    missing = Output(frozenset({Column(Relation("public", "customers"), "nosuch")}))
    assert [source.label for source in masks.lineage(missing)] == ["unknown"]
    opaque = Output(opaque=True)
    assert [source.label for source in masks.lineage(opaque)] == ["unknown"]


def test_only_unmask_everything_shows_the_unknown() -> None:
    assert not basis_of("select 1", ["unknown", "email"]).visible(Source("x", "unknown"))
    assert basis_of("select 1", ["*"]).visible(Source("x", "unknown"))


def test_a_column_is_seen_in_clear_as_long_as_it_carries_the_label() -> None:
    some = replace(rights(), unmask_as=frozenset({("public.customers.email", "email"), ("public.customers.phone", "card")}))
    seen = basis(facts("select 1"), some, catalog())
    assert seen.visible(Source("public.customers.email", "email"))
    assert not seen.visible(Source("public.customers.email", "name"))
    assert not seen.visible(Source("public.customers.phone", "phone"))
    assert not seen.visible(Source("public.contacts.email", "email"))


def test_origin_by_oid_and_number() -> None:
    masks = basis_of("select 1")
    assert masks.origin(CUSTOMERS, 3) == Source("public.customers.email", "email")
    assert masks.origin(CUSTOMERS, 4) is None
    assert masks.origin(CUSTOMERS, -1) is None
    assert masks.origin(424242, 1) == Source("table 424242.1", "unknown")


def test_strictest_mask_wins_whatever_the_order() -> None:
    rules = [Mask(labels=("card",), method="partial", keep_last=4), Mask(labels=("name",), method="null")]
    sources = [Source("a", "card"), Source("b", "name"), Source("c", "email")]
    for order in (sources, sources[::-1]):
        assert basis_of("select 1", masks=rules).method(order) == ("null", 0, "name")
    assert basis_of("select 1", masks=rules).method(sources[:1]) == ("partial", 4, "card")


def test_lineage_of_an_incomplete_statement_is_no_proof() -> None:
    masks = basis_of("select $$ unterminated")
    assert masks.outputs is None
    assert not masks.inert
    assert not masks.origins_tell


def resolved(sql: str, shadow: str | None = None) -> list[list[tuple[str, str]]]:
    found = catalog(shadow=shadow)
    (facts,) = read(sql.encode(), known=Resolver(found, ("public",)))
    masks = basis(facts, rights(), found)
    assert masks.outputs is not None
    return [[(source.name, source.label) for source in masks.lineage(output)] for output in masks.outputs]


def test_columns_of_resolved_statements_have_the_labels_of_exactly_what_flows_in() -> None:
    name, email = ("public.customers.name", "name"), ("public.customers.email", "email")
    assert resolved("select * from orders") == [[], [], [], []]
    assert resolved("select o.*, c.name from customers c join orders o on o.customer_id = c.id")[4:] == [[name]]
    assert resolved("select item from orders union select email from customers") == [[email]]
    assert resolved("select who from contacts") == [[("public.contacts.who", "name")]]
    assert resolved("update orders set item = email from customers c returning item") == [[email]]


def test_shadowed_function_taints_its_own_column_alone() -> None:
    sql = "select lower(item), item from orders"
    assert resolved(sql, shadow="lower") == [[("expression", "unknown")], []]
    (by_name,) = read(sql.encode())
    assert basis(by_name, rights(), catalog(shadow="lower")).outputs is None
