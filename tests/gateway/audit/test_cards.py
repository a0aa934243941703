"""What the audit says of a statement's shape: names, labels, and which tables it changes."""

from dataclasses import replace

import pytest

from gateway.audit.cards import changed, ruling_card
from gateway.classify.catalog import Catalog
from gateway.policy.decide import decide
from parser.statements import read
from tests.gateway.masking.shop import catalog
from tests.gateway.policy.grants import rights

OWNER = '[[grant]]\nname = "g"\nallow = ["all"]\ngranted_by = "lead"\nreason = "T-1"\n'


def test_card_has_names_decision_and_grant() -> None:
    may, known = rights(OWNER, database="dev"), catalog()
    (facts,) = read(b"select c.email from customers c, orders o where o.id = 5")
    card = ruling_card(facts, decide(facts, may, known), may, known, "hash")
    info = card.info
    assert info.tables == ("public.customers", "public.orders")
    assert info.columns_read == ("public.customers.email", "public.orders.id")
    assert (info.decision, info.rules, info.policy_hash, info.generation) == ("allow", ("g",), "hash", 1)
    assert info.grant is not None
    assert (info.grant.granted_by, info.grant.reason) == ("lead", "T-1")


@pytest.mark.parametrize(
    ("sql", "labels"),
    [
        ("select email from customers", {"public.customers.email": "email"}),
        ("select id from orders", {}),
        ("update customers set salary = 1 where id = 1", {"public.customers.salary": "salary"}),
        ("select nothing from missing", {}),
    ],
)
def test_card_has_the_labels_of_what_is_read_and_written(sql: str, labels: dict[str, str]) -> None:
    may, known = rights(OWNER, database="dev"), catalog()
    (facts,) = read(sql.encode())
    assert dict(ruling_card(facts, decide(facts, may, known), may, known, "").info.labels) == labels


def test_whole_row_has_the_labels_of_all_its_columns() -> None:
    may, known = rights(OWNER, database="dev"), catalog()
    (facts,) = read(b"select customers from customers")
    labels = dict(ruling_card(facts, decide(facts, may, known), may, known, "").info.labels)
    table = known.names["customers"][0]
    assert labels == {f"public.customers.{one.name}": one.label for one in table.columns if one.label is not None}
    assert len(labels) > 1


@pytest.mark.parametrize(
    ("sql", "tables", "counted"),
    [
        ("update customers set city = ''", ("public.customers",), True),
        ("copy customers from stdin", ("public.customers",), True),
        ("copy (delete from orders returning id) to stdout", ("public.orders",), False),
        ("explain analyze delete from orders", ("public.orders",), False),
        ("truncate orders", ("public.orders",), False),
        ("merge into orders o using customers c on c.id = o.id when matched then delete", ("public.orders",), True),
        (
            "with a as (update customers set city = '' returning id), b as (delete from orders returning id) "
            "insert into missing select id from a",
            ("missing", "public.customers", "public.orders"),
            True,
        ),
    ],
)
def test_command_tag_counts_the_outermost_statements_target(sql: str, tables: tuple[str, ...], counted: bool) -> None:
    (facts,) = read(sql.encode())
    assert facts.complete, facts.reason
    assert changed(facts, catalog()) == (tables, counted)


def test_names_of_nothing_known_are_as_they_are_written() -> None:
    (facts,) = read(b"delete from orders")
    nothing = Catalog(0, {}, {}, {})
    assert changed(facts, nothing) == (("orders",), True)
    assert changed(replace(facts, target=None), nothing) == (("orders",), False)
