"""Which result columns are a table's primary key: by origin, through views, in joins, unions and COPY; and what is said."""

from dataclasses import replace

import pytest

from gateway.classify.catalog import Catalog
from gateway.classify.draft import ColumnRow, RelationRow, ViewRow
from gateway.classify.snapshot import build
from gateway.errors import Refused
from gateway.masking.basis import MaskBasis, basis
from gateway.masking.key_sets import Digester
from gateway.masking.plan import copy_out
from gateway.masking.row_keys import Accounting, Extent, Keyed, changes, concerns, of_copy, of_rows
from gateway.policy.rules import RecordKeys
from parser.statements import read
from tests.gateway.masking.shop import INT4, TEXT, description, facts, rights

PEOPLE, PARCELS, VISITS, VISITS_2026, CARDS, STAFF, LINES, POINTS = range(20001, 20009)
TIMESTAMPTZ, POINT = 1184, 600
_TABLES = {
    PEOPLE: ("people", "r", [("id", INT4), ("email", TEXT), ("boss", INT4)], (1,)),
    PARCELS: ("parcels", "r", [("id", INT4), ("weight", INT4)], (1,)),
    VISITS: ("visits", "p", [("at", TIMESTAMPTZ), ("id", INT4), ("phone", TEXT)], (2, 1)),
    VISITS_2026: ("visits_2026", "r", [("id", INT4), ("phone", TEXT), ("at", TIMESTAMPTZ)], (1, 3)),
    CARDS: ("cards", "v", [("number", INT4), ("mail", TEXT), ("twice", INT4)], None),
    STAFF: ("staff", "r", [("email", TEXT)], None),
    LINES: ("lines", "r", [("a", INT4), ("b", INT4), ("email", TEXT)], (2, 1)),
    POINTS: ("points", "r", [("place", POINT), ("email", TEXT)], (1,)),
}
_VIEW = b"SELECT people.id AS number, people.email AS mail, people.id * 2 AS twice FROM public.people"
ACCOUNTING = Accounting(Digester(b"k" * 32))


def known() -> Catalog:
    return build(
        1,
        [RelationRow(oid, "public", name, kind) for oid, (name, kind, _, _) in _TABLES.items()],
        [
            ColumnRow(oid, number, name, type_oid, False)
            for oid, (_, _, columns, _) in _TABLES.items()
            for number, (name, type_oid) in enumerate(columns, 1)
        ],
        [],
        [(VISITS_2026, VISITS)],
        [ViewRow(CARDS, _VIEW, frozenset({PEOPLE}), frozenset())],
        {},
        read,
        primary=[(oid, key) for oid, (_, _, _, key) in _TABLES.items() if key is not None],
    )


CATALOG = known()


def basis_of(sql: str, extent: Extent = "labelled", unmask: tuple[str, ...] = ("*",)) -> MaskBasis:
    return basis(facts(sql), rights(unmask), CATALOG, accounting=replace(ACCOUNTING, extent=extent))


def keys(sql: str, *columns: tuple[int, int], extent: Extent = "labelled") -> list[tuple[str, tuple[int, ...], str]]:
    """(table, indexes, families) of the keys in a result whose columns have these origins."""
    types = [_TABLES[oid][2][number - 1][1] if oid else INT4 for oid, number in columns]
    body = description(*(("c", oid, number, kind) for (oid, number), kind in zip(columns, types, strict=True)))
    return told(of_rows(body, basis_of(sql, extent)))


def told(keyed: Keyed | None) -> list[tuple[str, tuple[int, ...], str]]:
    return [] if keyed is None else [(one.table, one.indexes, one.families) for one in keyed.keys]


def test_key_is_found_by_its_origin_wherever_it_stands() -> None:
    assert keys("select email, id from people", (PEOPLE, 2), (PEOPLE, 1)) == [("public.people", (1,), "i")]
    assert keys("select email from people", (PEOPLE, 2)) == []


def test_tables_without_a_labelled_column_or_a_key_cost_nothing() -> None:
    assert keys("select id from parcels", (PARCELS, 1)) == []
    assert not concerns(basis_of("select id from parcels"))
    assert keys("select id from parcels", (PARCELS, 1), extent="all") == [("public.parcels", (0,), "i")]
    assert keys("select email from staff", (STAFF, 1), extent="all") == []
    assert not concerns(basis_of("select 1"))
    assert concerns(basis_of("select id from people"))
    assert concerns(basis_of("select number from cards"))


def test_without_accounting_nothing_is_looked_for() -> None:
    plain = basis(facts("select id from people"), rights(["*"]), CATALOG)
    assert not concerns(plain)
    assert of_rows(description(("id", PEOPLE, 1, INT4)), plain) is None


def test_key_of_several_columns_counts_when_all_are_there_in_its_own_order() -> None:
    sql = "select a, email, b from lines"
    assert keys(sql, (LINES, 1), (LINES, 3), (LINES, 2)) == [("public.lines", (2, 0), "ii")]
    assert keys("select a from lines", (LINES, 1)) == []


def test_rows_of_a_partition_are_those_of_the_partitioned_table() -> None:
    found = keys("select id, at from visits_2026", (VISITS_2026, 1), (VISITS_2026, 3))
    assert found == [("public.visits", (0, 1), "iz")]
    assert keys("select id, at from visits", (VISITS, 2), (VISITS, 1)) == found


def test_joined_tables_have_each_their_keys_and_one_joined_with_itself_has_both() -> None:
    sql = "select p.id, q.id, o.id from people p join people q on p.boss = q.id join parcels o on true"
    found = keys(sql, (PEOPLE, 1), (PEOPLE, 1), (PARCELS, 1), extent="all")
    assert found == [("public.people", (0,), "i"), ("public.people", (1,), "i"), ("public.parcels", (2,), "i")]


def test_view_hands_the_key_through_and_what_it_computes_of_one_is_none() -> None:
    assert keys("select number, mail from cards", (CARDS, 1), (CARDS, 2)) == [("public.people", (0,), "i")]
    assert keys("select twice from cards", (CARDS, 3)) == []
    assert keys("select id + 1 from people", (0, 0)) == []


def test_union_counts_for_the_table_of_each_branch() -> None:
    sql = "select id from people union all select a from lines union all select id from parcels"
    assert keys(sql, (PEOPLE, 1), extent="all") == [("public.people", (0,), "i"), ("public.parcels", (0,), "i")]


def test_column_without_origin_is_found_by_lineage() -> None:
    sql = "select id from people"
    assert told(of_rows(description(("id", 0, 0, INT4)), basis_of(sql))) == [("public.people", (0,), "i")]


def test_type_without_a_form_and_too_many_choices_are_said() -> None:
    body = description(("place", POINTS, 1, POINT))
    keyed = of_rows(body, basis_of("select place from points"))
    assert keyed is not None
    assert keyed.keys == ()
    assert keyed.unknown == (("public.points", "a type of its key is not one whose values are recorded"),)
    many = [("a", LINES, 1, INT4), ("b", LINES, 2, INT4)] * 5
    keyed = of_rows(description(*many), basis_of("select * from lines"))
    assert keyed is not None
    assert keyed.unknown == (("public.lines", "its key stands in the result too many times"),)


def copied(sql: str, unmask: tuple[str, ...] = ("*",)) -> Keyed | None:
    masks = basis_of(sql, unmask=unmask)
    plan = copy_out(masks.facts, masks)
    assert not isinstance(plan, Refused)
    return of_copy(plan, masks)


@pytest.mark.parametrize("unmask", [("*",), ()], ids=["clear", "masked"])
@pytest.mark.parametrize("form", ["text", "csv", "binary"])
def test_copy_of_a_table_and_of_a_query_hold_its_key(form: str, unmask: tuple[str, ...]) -> None:
    whole = copied(f"copy people to stdout (format {form})", unmask)
    assert told(whole) == [("public.people", (0,), "i")]
    assert whole is not None
    assert (whole.dialect is None) == (form == "binary")
    some = copied(f"copy (select email, id from people) to stdout (format {form})", unmask)
    assert told(some) == [("public.people", (1,), "i")]
    assert told(copied("copy (select number from cards) to stdout")) == [("public.people", (0,), "i")]


def test_copy_that_cannot_be_followed_says_so() -> None:
    for option in ("delimiter 'x'", "format binary, encoding 'LATIN1'"):
        strange = copied(f"copy people to stdout ({option})")
        assert strange is not None
        assert strange.unknown == (("public.people", "keys are not read in this format of COPY"),)
    untraced = copied("copy (select * from people) to stdout")
    assert untraced is None or told(untraced) or untraced.unknown
    assert copied("copy parcels to stdout") is None


def changing(sql: str, *rules: RecordKeys, extent: Extent = "off") -> MaskBasis:
    granted = replace(rights(["*"]), record_keys=rules)
    return basis(facts(sql), granted, CATALOG, accounting=replace(ACCOUNTING, extent=extent))


@pytest.mark.parametrize(
    ("rule", "sql", "tables"),
    [
        (RecordKeys(("people",)), "update people set boss = 1", ("public.people",)),
        (RecordKeys(("public.p*",)), "delete from parcels", ("public.parcels",)),
        (RecordKeys((), ("email",)), "insert into people (id) values (1)", ("public.people",)),
        (RecordKeys((), ("email",)), "update cards set mail = 'x'", ("public.people",)),
        (RecordKeys(("visits",)), "delete from visits_2026", ("public.visits",)),
        (RecordKeys(("staff",)), "delete from staff", ()),
        (RecordKeys((), ("email",)), "delete from parcels", ()),
        (RecordKeys(("people",)), "select id from people", ()),
    ],
)
def test_policy_names_tables_and_labels_whose_changes_count(rule: RecordKeys, sql: str, tables: tuple[str, ...]) -> None:
    assert changes(changing(sql, rule)) == tables
    assert changes(changing(sql)) == ()


def test_returned_keys_are_of_rows_changed_and_shown_as_far_as_each_is_wanted() -> None:
    sql, body = "update people set boss = 1 returning id", description(("id", PEOPLE, 1, INT4))
    rule = RecordKeys(("people",))
    wanted: list[tuple[Extent, tuple[RecordKeys, ...], tuple[bool, ...]]] = [
        ("labelled", (rule,), (False, True)),
        ("off", (rule,), (True,)),
        ("labelled", (), (False,)),
    ]
    for extent, rules, records in wanted:
        keyed = of_rows(body, changing(sql, *rules, extent=extent))
        assert keyed is not None
        assert [one.records for one in keyed.keys] == [records]
    assert of_rows(body, changing(sql)) is None
