"""What may be tried, what its errors mean, and rows as those who decide may see them."""

import pytest

from gateway.approvals.outcomes import CELL_CHARACTERS_MAX, Preview
from gateway.classify.catalog import CatalogFunction, CatalogTable
from gateway.classify.learned import Learned
from gateway.errors import Refused
from gateway.session import holding, previewing
from gateway.session.holding import Held
from gateway.session.previewing import MASKED, Masks
from parser.facts import Relation
from parser.messages import bind, error_response, execute, parse, query
from parser.plpgsql import plain
from tests.gateway.masking.shop import CUSTOMERS, ORDERS, catalog, data_row, description
from tests.gateway.session.rig import (
    BOUND,
    CLEAR,
    NO_DATA,
    PARSED,
    PATH,
    SECRET,
    SYNC,
    WRITE,
    Rig,
    command_complete,
    scope_of,
)

HOLDS = """
[[guardrail]]
name = "orders wait"
effect = "hold"
statements = ["INSERT", "UPDATE", "DELETE", "MERGE", "CREATE TABLE AS", "COPY FROM"]
[[approval]]
name = "shop"
approvers = { groups = ["shop"] }
preview = true
"""
UPDATE = "update orders set total = 7 where id = 1"


def held(sql: str, *before: str, policy: str = CLEAR) -> tuple[Rig, Held]:
    rig = Rig(policy + HOLDS, parameters=PATH)
    for each in before:
        rig.ask(query(each))
        rig.say(command_complete("BEGIN"), b"Z\0\0\0\5T")
    rig.ask(query(sql))
    waiting = rig.session.wanted
    assert isinstance(waiting, Held), sql
    return rig, waiting


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        (UPDATE, ""),
        ("with d as (delete from orders returning id) select count(*) from d", ""),
        ("insert into orders select * from orders where total > now()::text::int", ""),
        ("insert into orders (id) values (nextval('s'))", ""),
        ("update orders set total = 7; select 1", "together with other statements"),
        ("create table copied as select * from orders", "more than change rows"),
        ("explain analyze delete from orders", "more than change rows"),
        ("copy orders from stdin", "more than change rows"),
        ("update orders set item = 'tok_ssn_abc'", "tokens"),
        ("update orders set total = pg_advisory_lock(1)", "more than change rows"),
        ("update orders set item = pg_read_file('x')", "more than change rows"),
        ("update orders set item = peek()", "function peek"),
        ("update orders set item = unheard_of(item)", "unheard_of"),
    ],
)
def test_what_a_rollback_takes_back_is_tried_and_nothing_else(sql: str, why: str) -> None:
    rig, waiting = held(sql)
    said = previewing.unfit(rig.session, waiting)
    assert (why in said) if why else not said, said


def test_inside_a_transaction_nothing_is_tried() -> None:
    rig, waiting = held(UPDATE, "begin")
    assert previewing.unfit(rig.session, waiting) == "it is inside a transaction"


def test_code_behind_a_write_is_followed_to_the_tables_that_it_names() -> None:
    known = catalog()
    bodies = {
        "logs": b"begin insert into orders (id) values (1); perform pg_notify('x', ''); return new; end",
        "looks": b"begin if exists (select from customers) then raise 'no'; end if; return new; end",
        "hides": b"begin execute new.item; return new; end",
        "locks": b"begin perform pg_advisory_lock(1); return new; end",
    }
    for name, body in bodies.items():
        one = CatalogFunction("public", name, "v", "plpgsql", False, False, plain=plain(body))
        known.functions[name] = (one,)
    for name, harm in {"logs": False, "looks": False, "hides": True, "locks": True}.items():
        assert bool(previewing.harmful([("public", name)], known)) is harm, name
    assert previewing.named_tables([("public", "logs")], known) == {Relation("public", "orders")}
    assert not previewing.named_tables([("public", "looks")], known), "it changes nothing"
    assert not previewing.harmful([("pg_catalog", "tsvector_update_trigger")], known)


@pytest.mark.parametrize(
    ("sqlstate", "passes"),
    [("55P03", True), ("57014", True), ("40P01", True), ("53200", True), ("23505", False), ("42703", False)],
)
def test_an_error_of_the_statement_is_its_clients_and_one_of_the_moment_is_not(sqlstate: str, passes: bool) -> None:
    rig, waiting = held(UPDATE)
    said = previewing.failure(rig.session, waiting, error_response("ERROR", sqlstate, "it failed")[5:])
    if passes:
        assert isinstance(said, str)
    else:
        assert isinstance(said, Refused)
        assert (said.sqlstate, said.message) == (sqlstate, "it failed")


def test_an_error_quotes_no_hidden_value_and_counts_as_a_guess() -> None:
    rig, waiting = held("update customers set email = email || 'x'", policy=WRITE)
    body = error_response("ERROR", "23505", f"Key (email)=({SECRET.decode()}) already exists")[5:]
    said = previewing.failure(rig.session, waiting, body)
    assert isinstance(said, Refused)
    assert SECRET.decode() not in str(said)
    assert [each.spent for each in rig.purses.values()] == [1]


def test_samples_are_masked_for_everybody_and_so_is_what_a_write_copies() -> None:
    scope = scope_of(CLEAR, path=("public",))
    (ruling,) = scope.script(b"update orders set item = (select email from customers limit 1)").rulings
    masks = Masks(scope, ruling)
    customers, orders = masks.table(CUSTOMERS), masks.table(ORDERS)
    assert customers is not None
    assert orders is not None
    sql, columns = masks.text(customers, "xmin OPERATOR(pg_catalog.=) '7'::pg_catalog.xid")
    assert columns[:3] == ("id", "name", "email")
    assert sql.endswith(' ORDER BY "id"')
    (shown,) = masks.rows(
        customers, sql, described(customers), [data_row(b"1", b"Ann", SECRET, b"x" * 500, b"9", b"2000-01-01", b"4")],
        new=False,
    )  # fmt: skip
    assert shown[:3] == ("1", "[redacted]", "[redacted]")
    assert str(shown[3]).startswith("xxx")
    assert len(str(shown[3])) == CELL_CHARACTERS_MAX + 1
    assert [one.column for one in ruling.learns] == ["item"], ruling.learns
    assert isinstance(ruling.learns[0], Learned)
    row = data_row(b"1", b"2", b"3", SECRET)
    sql, _ = masks.text(orders, "xmin = '7'")
    assert masks.rows(orders, sql, described(orders), [row], new=True) == (("1", "2", "3", MASKED),)
    assert masks.rows(orders, sql, described(orders), [], new=True) == ()
    assert masks.table(4711) is None


def described(table: CatalogTable) -> bytes:
    return description(*((one.name, table.oid, one.number, one.type_oid) for one in table.columns))


def test_what_was_approved_is_the_number_of_rows_that_may_change() -> None:
    for extended in (False, True):
        for rows, fits in ((2, True), (1, False), (3, False)):
            rig = Rig(CLEAR + HOLDS, parameters=PATH)
            rig.ask(*((parse("", UPDATE), bind("", ""), execute(""), SYNC) if extended else (query(UPDATE),)))
            waiting = rig.session.wanted
            assert isinstance(waiting, Held)
            waiting.id, waiting.preview = "h1", Preview("", "UPDATE", 2)
            holding.answered(rig.session, waiting, None)
            rig.ask(b"")
            answers = [PARSED, BOUND, *([] if extended else [NO_DATA]), command_complete(f"UPDATE {rows}")]
            rig.say(*answers)
            taken_back = b"sluice_refused" in rig.to_server
            assert taken_back is not fits, (extended, rows)
            assert rig.session.expects is None
