"""What is put behind a change of rows to have their keys, when, and that it is taken out of the answer again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking import added_keys
from gateway.masking.added_keys import MARK, Addition, addition, answer, rewritten, split, stripped
from gateway.masking.basis import MaskBasis, basis
from gateway.masking.row_keys import NO_FORM, changes, of_rows
from gateway.policy.rules import RecordKeys
from parser.errors import ProtocolError
from tests.gateway.masking.shop import INT4, TEXT, data_row, description, facts, rights
from tests.gateway.masking.test_row_keys import ACCOUNTING, CATALOG, LINES, PEOPLE, VISITS_2026

ALL = (RecordKeys(tables=("public.*",)),)
NEW, OLD = 180_000, 150_000


def basis_of(sql: str) -> MaskBasis:
    return basis(facts(sql), replace(rights(["*"]), record_keys=ALL), CATALOG, accounting=ACCOUNTING)


def added(sql: str) -> tuple[Addition | None, str]:
    masks = basis_of(sql)
    return addition(masks, changes(masks))


def text(sql: str, version: int = NEW) -> str:
    chosen, why = added(sql)
    assert chosen is not None, why
    found = rewritten(sql.encode(), chosen, version, strings_conform=True)
    assert found is not None
    return found.decode()


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("update people set email = 'x'", ' RETURNING "people"."id" AS "sluice.key"'),
        ('delete from public.people as "P ""q" where boss = 1', ' RETURNING "P ""q"."id" AS "sluice.key"'),
        ("insert into parcels values (1, 2) on conflict do nothing", ' RETURNING "parcels"."id" AS "sluice.key"'),
        ("delete from lines", ' RETURNING "lines"."b" AS "sluice.key", "lines"."a" AS "sluice.key"'),
        ("update people set boss = 1 returning email", ', "people"."id" AS "sluice.key"'),
        ("delete from people p returning 1 + p.id", ', "p"."id" AS "sluice.key"'),
        ("delete from lines returning a", ', "lines"."b" AS "sluice.key", "lines"."a" AS "sluice.key"'),
        ("delete from visits_2026", ' RETURNING "visits_2026"."id" AS "sluice.key", "visits_2026"."at" AS "sluice.key"'),
    ],
)
def test_key_is_added_under_the_alias_of_its_table(sql: str, wanted: str) -> None:
    assert text(sql) == sql + wanted


def test_statement_that_returns_its_key_is_left_alone() -> None:
    for sql in ("update people set boss = 1 returning email, id", "delete from lines returning a, email, b"):
        assert added(sql) == (None, "")
    assert added("select id from people") == (None, "")


def test_key_that_changes_is_told_before_and_after_where_the_server_can() -> None:
    sql = "update people set id = id + 1"
    one = '"people"."id" AS "sluice.key"'
    assert text(sql) == f'{sql} RETURNING WITH (OLD AS "sluice.key") {one}, "sluice.key"."id" AS "sluice.key"'
    assert text(sql, OLD) == f"{sql} RETURNING {one}"
    assert text(f"{sql} returning id") == f"{sql} returning id, {one}"  # which of the two it returns is not certain
    chosen, _ = added(sql)
    assert chosen is not None
    assert (chosen.added(NEW), chosen.added(OLD)) == (2, 1)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("truncate people", added_keys.NO_ROWS),
        ("copy people from stdin", added_keys.NO_ROWS),
        ("explain analyze delete from people", added_keys.NO_ROWS),
        ("execute something", ""),
        ("prepare p as delete from people", added_keys.BY_NAME),
        ("with d as (delete from people returning id) select 1", added_keys.INSIDE),
        ("with d as (delete from people returning id) update parcels set weight = 1", added_keys.INSIDE),
        ("copy (delete from people returning id) to stdout", added_keys.INSIDE),
        ("update cards set mail = 'x'", added_keys.VIEW),
        ("delete from points", NO_FORM),
        ("delete from public.people using staff.people", added_keys.SEVERAL),
    ],
)
def test_reason_is_given_where_nothing_can_be_added(sql: str, why: str) -> None:
    assert added(sql) == (None, why)


def test_question_names_what_it_asks_about_and_nothing_a_path_could_turn() -> None:
    chosen, _ = added("merge into lines using people on a = id when matched then delete")
    assert chosen is not None
    assert "E'lines'" in chosen.question
    assert "170000" in chosen.question
    assert f"{LINES}" in chosen.question
    bare = chosen.question.replace("OPERATOR(pg_catalog.=)", "").replace("OPERATOR(pg_catalog.<)", "")
    assert "=" not in bare
    assert "<" not in bare
    assert answer("180000 ") == (NEW, "")
    assert answer("150004 select") == (150004, "the role may not read the key, and a RETURNING of it would fail")


OWN = [("email", PEOPLE, 2, TEXT), ("n", 0, 0, INT4)]
KEY = (MARK, PEOPLE, 1, INT4)


def test_answer_is_as_without_what_was_added() -> None:
    assert split(description(*OWN)) == (description(*OWN), 0)
    assert split(description(*OWN, KEY)) == (description(*OWN), 1)
    assert split(description(KEY, KEY)) == (b"\0\0", 2)
    assert split(description(KEY, *OWN)) == (description(KEY, *OWN), 0)


cells = st.lists(st.one_of(st.none(), st.binary(max_size=20)), min_size=1, max_size=5)


@given(rows=st.lists(cells, max_size=4), own=st.integers(1, 4))
def test_rows_lose_their_last_cells_alone(rows: list[list[bytes | None]], own: int) -> None:
    whole = [[*row, *[b""] * own][: own + 2] for row in rows]
    frames = b"".join(data_row(*row) for row in whole)
    assert stripped(frames, own) == b"".join(data_row(*row[:own]) for row in whole)
    assert stripped(frames, 0) == b""


def test_row_with_fewer_cells_than_described_is_refused() -> None:
    with pytest.raises(ProtocolError):
        stripped(data_row(b"x"), 2)


def recorded(sql: str, *fields: tuple[str, int, int, int], keys: int) -> list[tuple[str, tuple[int, ...], tuple[bool, ...]]]:
    keyed = of_rows(description(*fields), basis_of(sql), keys)
    return [] if keyed is None else [(one.table, one.indexes, one.records) for one in keyed.keys]


def test_added_key_is_of_a_changed_row_and_of_a_shown_one_where_the_client_sees_some_of_it() -> None:
    change = "update people set boss = 1"
    assert recorded(change, KEY, keys=1) == [("public.people", (0,), (True,))]
    assert recorded(f"{change} returning 7", ("n", 0, 0, INT4), KEY, keys=1) == [("public.people", (1,), (True,))]
    assert recorded(f"{change} returning email, 7", *OWN, KEY, keys=1) == [("public.people", (2,), (False, True))]
    own = ("id", PEOPLE, 1, INT4)
    assert recorded(f"{change} returning *", own, KEY, keys=1) == [
        ("public.people", (0,), (False,)), ("public.people", (1,), (True,)),
    ]  # fmt: skip


def test_row_with_another_key_is_on_record_under_both() -> None:
    assert recorded("update people set id = 2", KEY, KEY, keys=2) == [
        ("public.people", (0,), (True,)), ("public.people", (1,), (True,)),
    ]  # fmt: skip


def test_partition_is_on_record_as_the_partitioned_table() -> None:
    fields = [(MARK, VISITS_2026, 1, INT4), (MARK, VISITS_2026, 3, 1184)]
    assert recorded("delete from visits_2026", *fields, keys=2) == [("public.visits", (0, 1), (True,))]
