"""Rows tell of people by their keys; where the key of a table of people is not in a result, each row is somebody."""

from dataclasses import replace

import pytest

from gateway.classify.own import NOTHING
from gateway.masking.row_keys import of_rows
from gateway.masking.subjects import concerned, nameless
from tests.gateway.masking.shop import INT4, description
from tests.gateway.masking.test_row_keys import (
    CARDS,
    LINES,
    PARCELS,
    PEOPLE,
    POINTS,
    STAFF,
    VISITS_2026,
    basis_of,
)

COMPUTED = (0, 0)


@pytest.mark.parametrize("unmask", [(), ("*",)], ids=["masked", "clear"])
@pytest.mark.parametrize(
    ("sql", "columns", "each"),
    [
        ("select id, email from people", [(PEOPLE, 1), (PEOPLE, 2)], False),
        ("select email from people", [(PEOPLE, 2)], True),
        ("select boss from people", [(PEOPLE, 3)], True),
        ("select upper(email) from people", [COMPUTED], True),
        ("select id, upper(email) from people", [(PEOPLE, 1), COMPUTED], False),
        ("select max(id) from people", [COMPUTED], True),
        ("select count(*) from people", [COMPUTED], False),
        ("select id, weight from parcels", [(PARCELS, 1), (PARCELS, 2)], False),
        ("select weight from parcels", [(PARCELS, 2)], False),
        ("select 1", [COMPUTED], False),
        ("select now()", [COMPUTED], False),
        ("select unknown_function()", [COMPUTED], True),
        ("select p.id, s.email from people p, staff s", [(PEOPLE, 1), (STAFF, 1)], True),
        ("select l.a, l.b, p.email from lines l, people p", [(LINES, 1), (LINES, 2), (PEOPLE, 2)], True),
        ("select l.a, l.b, p.id from lines l, people p", [(LINES, 1), (LINES, 2), (PEOPLE, 1)], False),
        ("select a, email from lines", [(LINES, 1), (LINES, 3)], True),
        ("select id, at, phone from visits_2026", [(VISITS_2026, 1), (VISITS_2026, 3), (VISITS_2026, 2)], False),
        ("select place, email from points", [(POINTS, 1), (POINTS, 2)], True),
        ("select number, mail from cards", [(CARDS, 1), (CARDS, 2)], False),
        ("select mail from cards", [(CARDS, 2)], True),
        ("select twice from cards", [(CARDS, 3)], True),
        ("select id from people union select a from lines", [(PEOPLE, 1)], True),
        ("select w.id, w.weight from parcels w where exists (select from people)", [(PARCELS, 1), (PARCELS, 2)], False),
        ("select x from made_since", [(99_999, 1)], True),
        ("select x from made_since", [COMPUTED], True),
        ("explain select email from people", [COMPUTED], False),
        ("show work_mem", [COMPUTED], False),
        ("select id, email from people frobnicate the (x) of", [(PEOPLE, 1), (PEOPLE, 2)], True),
        ("update people set email = 'x'", [], False),
    ],
)
def test_each_row_counts_where_nothing_tells_the_people_in_it_apart(
    sql: str, columns: list[tuple[int, int]], each: bool, unmask: tuple[str, ...]
) -> None:
    basis = basis_of(sql, unmask=unmask)
    body = description(*((f"c{at}", table, number, INT4) for at, (table, number) in enumerate(columns)))
    assert nameless(basis, of_rows(body, basis), body) is each


@pytest.mark.parametrize(
    ("sql", "may"),
    [
        ("select count(*) from people", True),
        ("select 1 from cards", True),
        ("select weight from parcels", False),
        ("select weight from parcels where id in (select boss from people)", True),
        ("update people set email = 'x' returning id", True),
        ("select 1", False),
        ("select ]", True),
    ],
)
def test_a_statement_is_about_people_when_it_may_read_of_them(sql: str, may: bool) -> None:
    assert concerned(basis_of(sql)) is may


def test_where_no_keys_are_kept_each_row_counts() -> None:
    basis = basis_of("select id, email from people", "off")
    body = description(("id", PEOPLE, 1, INT4), ("email", PEOPLE, 2, INT4))
    assert of_rows(body, basis) is None
    assert nameless(basis, None, body)


def test_columns_that_the_client_does_not_see_do_not_count() -> None:
    basis = basis_of("delete from people returning id")
    body = description(("id", PEOPLE, 1, INT4), ("id", PEOPLE, 1, INT4))
    assert not nameless(basis, None, body, 2)
    assert nameless(basis, None, body, 1)


def test_the_sessions_own_tables_that_hold_nothing_of_people_do_not_count() -> None:
    basis = basis_of("select email from mine", unmask=())
    body = description(("email", 99_999, 1, INT4))
    assert nameless(basis, None, body)
    own = NOTHING._replace(clean=frozenset({"mine"}))
    assert not nameless(replace(basis, own=own), None, description(("email", 0, 0, INT4)))
