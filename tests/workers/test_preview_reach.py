"""What is behind a write, as the server tells it: followed until nothing new is met, or something is in the way."""

import pytest

from gateway.classify.catalog import CatalogFunction
from parser.facts import Relation
from parser.plpgsql import plain
from tests.gateway.masking.shop import catalog
from workers import preview_reach
from workers.preview_reach import Reach

ORDERS = Relation(None, "orders")
TABLE = [b"r", b"r", b"orders"]


def function(name: str, body: bytes) -> CatalogFunction:
    return CatalogFunction("public", name, "v", "plpgsql", False, False, plain=plain(body))


def test_tables_are_looked_up_by_the_names_that_the_statement_gives_them() -> None:
    text = preview_reach.query([Relation("a b", 'c"d'), Relation(None, "it's")])
    assert """E'"a b"."c""d"', E'"it''s"'""" in text
    assert " = " not in text, "an operator of somebody's own could stand for it"


def test_code_is_followed_once() -> None:
    known = catalog()
    known.functions["logs"] = (function("logs", b"begin insert into invoices (id) values (1); return new; end"),)
    reach = Reach([ORDERS], known)
    assert reach.take([TABLE, [b"t", b"public", b"logs"]]) == ""
    assert reach.next == {Relation("public", "invoices")}
    assert reach.take([[b"r", b"r", b"invoices"], [b"t", b"public", b"logs"]]) == ""
    assert not reach.next


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "no ordinary table"),
        ([[b"r", b"", b""]], "no ordinary table"),
        ([[b"r", b"v", b"contacts"]], "no ordinary table"),
        ([TABLE, [b"r", b"f", b"far"]], "no ordinary table"),
        ([TABLE, [b"x", b"", b""]], "has rules"),
        ([TABLE, [b"t", b"public", b"hides"]], "function public.hides"),
        ([TABLE, [b"f", b"pg_catalog", b"pg_terminate_backend"]], "pg_terminate_backend"),
        ([TABLE, [b"f", b"public", b"unheard_of"]], "unheard_of"),
    ],
)
def test_what_may_not_be_taken_back_is_in_the_way(rows: list[list[bytes | None]], why: str) -> None:
    known = catalog()
    known.functions["hides"] = (function("hides", b"begin execute new.item; return new; end"),)
    assert why in Reach([ORDERS], known).take(rows)


def test_behind_code_another_servers_table_is_in_the_way() -> None:
    known = catalog()
    known.functions["logs"] = (function("logs", b"begin insert into invoices (id) values (1); return new; end"),)
    reach = Reach([ORDERS], known)
    reach.take([TABLE, [b"t", b"public", b"logs"]])
    assert "another server" in reach.take([[b"r", b"f", b"invoices"]])
