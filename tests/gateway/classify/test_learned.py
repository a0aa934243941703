"""Learned labels: which columns they mean, now and after renames, drops and new tables of the name."""

from collections.abc import Iterable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.classify.catalog import Catalog
from gateway.classify.draft import ColumnRow, GeneratedRow, RelationRow, ViewRow
from gateway.classify.learned import (
    EVERY,
    Labels,
    Learned,
    bindings,
    carried,
    label_of,
    merged,
    of_value,
    renames,
    together,
)
from gateway.classify.snapshot import build
from parser.facts import Output
from parser.statements import read
from tests.gateway.masking.shop import facts

TEXT = 25


def made(
    tables: Sequence[tuple[int, str, Sequence[str]]],
    learned: Iterable[Learned] = (),
    *,
    inherits: Sequence[tuple[int, int]] = (),
    views: Sequence[ViewRow] = (),
    corrections: dict[str, str] | None = None,
    generated: Sequence[GeneratedRow] = (),
    computed: Sequence[str] = (),
) -> Catalog:
    """`tables`: oid, name and columns; those in `views` are views, columns named in `computed` are generated."""
    kinds = {view.oid: "v" for view in views}
    return build(
        1,
        [RelationRow(oid, "public", name, kinds.get(oid, "r")) for oid, name, _ in tables],
        [
            ColumnRow(oid, at, name, TEXT, name in computed)
            for oid, _, names in tables
            for at, name in enumerate(names, 1)
        ],
        [],
        inherits,
        views,
        corrections or {},
        read,
        generated=generated,
        learned=learned,
    )


def labels(catalog: Catalog, oid: int) -> dict[str, str | None]:
    return {column.name: column.label for column in catalog.tables[oid].columns}


def copied(table: str, column: str, label: str = "ssn", **more: object) -> Learned:
    return msgspec.structs.replace(Learned("public", table, column, label, "copied"), **more)


def held(lines: Iterable[Learned]) -> Labels:
    found = Labels()
    for one in lines:
        found.add(one)
    return found


def test_label_by_name_falls_on_the_column_and_on_no_other() -> None:
    tables = [(1, "t", ["a", "b"]), (2, "u", ["a"])]
    catalog = made(tables, [copied("t", "a")])
    assert labels(catalog, 1) == {"a": "ssn", "b": None}
    assert labels(catalog, 2) == {"a": None}
    assert labels(made(tables, [copied("t", EVERY)]), 1) == {"a": "ssn", "b": "ssn"}


def test_label_of_another_schema_is_not_meant_and_an_unknown_schema_means_all() -> None:
    assert labels(made([(1, "t", ["a"])], [copied("t", "a", schema="other")]), 1) == {"a": None}
    assert labels(made([(1, "t", ["a"])], [copied("t", "a", schema="")]), 1) == {"a": "ssn"}


def test_bound_label_follows_its_column_whatever_it_is_called() -> None:
    bound = copied("t", "a", oid=1, number=1)
    assert labels(made([(1, "t", ["z", "b"])], [bound]), 1) == {"z": "ssn", "b": None}
    assert labels(made([(1, "elsewhere", ["a"])], [bound]), 1) == {"a": "ssn"}


def test_bound_label_ends_with_its_table() -> None:
    assert labels(made([(2, "t", ["a"])], [copied("t", "a", oid=1, number=1)]), 2) == {"a": None}


def test_new_table_is_not_the_one_that_had_the_name_before() -> None:
    """DROP and CREATE TABLE AS in one transaction: the old table stays to be seen until it commits."""
    one = copied("t", "a", before=(1,))
    assert labels(made([(1, "t", ["a"])], [one]), 1) == {"a": None}
    assert labels(made([(2, "t", ["a"])], [one]), 2) == {"a": "ssn"}
    assert bindings([one], made([(1, "t", ["a"])])) == ()


def test_label_is_bound_once_and_a_later_table_of_the_name_is_clean() -> None:
    lines = [copied("t", "a")]
    first = made([(1, "t", ["a"])], lines)
    lines += bindings(held(lines), first)
    assert len(lines) == 2
    assert bindings(held(lines), first) == (), "nothing more to say"
    assert labels(made([(2, "t", ["a"])], held(lines)), 2) == {"a": None}
    again = [*lines, copied("t", "a")]
    assert labels(made([(2, "t", ["a"])], held(again)), 2) == {"a": "ssn"}, "it was learned anew"


def test_labels_of_tables_that_are_gone_are_let_go_when_the_name_is_used_again() -> None:
    lines: list[Learned] = []
    for oid in (1, 2, 3):
        lines.append(copied("t", "a"))
        lines += bindings(held(lines), made([(oid, "t", ["a"])], held(lines)))
    assert [one.oid for one in held(lines)] == [3]


def test_label_that_may_mean_an_old_or_a_new_table_holds_for_both_for_ever() -> None:
    unsure = copied("t", "a", oid=1, number=1).unsure()
    lines = [unsure, *bindings([unsure], made([(1, "t", ["a"])]))]
    assert [one.oid for one in held(lines)] == [0, 1]
    assert labels(made([(2, "t", ["a"])], held(lines)), 2) == {"a": "ssn"}
    assert labels(made([(1, "moved", ["x"])], held(lines)), 1) == {"x": "ssn"}


def test_column_that_is_not_there_yet_is_bound_within_its_table() -> None:
    table = made([(1, "t", ["a"])]).tables[1]
    later = label_of(table, "b", "email", "renamed")
    assert (later.oid, later.number) == (1, 0)
    (bound,) = bindings([later], made([(1, "t", ["a", "b"])]))
    assert (bound.oid, bound.number) == (1, 2)
    assert list(held([later, bound])) == [bound]


def test_corrections_win_and_a_learned_label_never_lowers_one() -> None:
    learned = [copied("t", "a"), copied("t", "email"), copied("t", "c"), copied("t", "c", "iban")]
    catalog = made([(1, "t", ["a", "email", "c"])], learned, corrections={"public.t.a": "none"})
    assert labels(catalog, 1) == {"a": None, "email": "derived", "c": "derived"}
    assert labels(merged(made([(1, "t", ["a", "email", "c"])], corrections={"public.t.a": "none"}), learned, 2), 1) == {
        "a": None,
        "email": "derived",
        "c": "derived",
    }


def test_parents_children_views_and_computed_columns_follow_whichever_way_the_label_came() -> None:
    tables = [(1, "parent", ["a", "g"]), (2, "child", ["a", "g"]), (3, "v", ["x", "y"])]
    views = [ViewRow(3, b"SELECT a AS x, count(*) AS y FROM public.parent GROUP BY a", frozenset({1}), frozenset())]
    generated = [GeneratedRow(1, "g", b"upper(a)"), GeneratedRow(2, "g", b"length(a)")]
    arguments = {"inherits": [(2, 1)], "views": views, "generated": generated, "computed": ["g"]}
    learned = [copied("child", "a", oid=2, number=1)]
    expected = {"a": "ssn", "g": "derived"}
    before = made(tables, **arguments)  # type: ignore[arg-type]
    for catalog in (made(tables, learned, **arguments), merged(before, learned, 2)):  # type: ignore[arg-type]
        assert labels(catalog, 1) == labels(catalog, 2) == expected
        assert labels(catalog, 3) == {"x": "ssn", "y": None}
        assert catalog.find("public", "child") == (catalog.tables[2],)
    assert labels(before, 1) == {"a": None, "g": None}, "the old catalogue is left as it was"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (b"email", "email"),
        (b"lower(email)", "email"),
        (b'"left"(email, 3)', "derived"),
        (b"city", None),
        (b"(", "derived"),
    ],
)
def test_generated_column_holds_what_its_expression_makes(expression: bytes, expected: str | None) -> None:
    rows = [GeneratedRow(1, "g", expression)]
    assert labels(made([(1, "t", ["email", "city", "g"])], generated=rows, computed=["g"]), 1)["g"] == expected


def test_generated_column_of_unknown_expression_may_hold_anything_beside_it() -> None:
    assert labels(made([(1, "t", ["email", "g"])], computed=["g"]), 1)["g"] == "derived"
    assert labels(made([(1, "t", ["city", "g"])], computed=["g"]), 1)["g"] is None


def test_view_that_was_not_understood_is_masked_once_anything_is_learned_of_what_it_may_read() -> None:
    views = [ViewRow(3, b"SELECT * FROM public.t", frozenset({1}), frozenset())]
    catalog = made([(1, "t", ["a"]), (3, "v", ["x"])], views=views)
    assert labels(merged(catalog, [copied("t", "a")], 2), 3) == {"x": "ssn"}
    table = catalog.tables[3]
    blind = msgspec.structs.replace(copied("t", "a"))
    column = table.columns[0]
    object.__setattr__(column, "bases", None)
    assert labels(merged(catalog, [blind], 2), 3) == {"x": "derived"}


def test_names_that_told_are_remembered_when_they_change() -> None:
    old = made([(1, "customers", ["name", "email", "city"])])
    new = made([(1, "archive", ["name", "c2", "city"])])
    assert labels(new, 1) == {"name": None, "c2": None, "city": None}
    found = renames(old, new)
    assert labels(merged(new, found, 2), 1) == {"name": "name", "c2": "email", "city": None}
    assert renames(merged(new, found, 2), new) == (), "no name changed, so nothing is kept"


def test_names_alone_tell_of_tables_that_no_catalogue_shows() -> None:
    assert carried([copied("t", "a"), copied("t", "a", "iban"), copied("u", "b", oid=4, number=1)]) == {
        "t": {"a": frozenset({"ssn", "iban"})}
    }


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select email from customers", "email"),
        ("select upper(email) from customers", "email"),
        ("select email || 'x' from customers", "email"),
        ("select left(email, 2) from customers", "derived"),
        ("select email::varchar(2) from customers", "derived"),
        ("select cast(email as varchar(2)) from customers", "derived"),
        ("select trim(both 'c' from email) from customers", "derived"),
        ("select (array[email])[1] from customers", "derived"),
        ("select email -> 'x' from customers", "derived"),
    ],
)
def test_piece_of_a_value_has_not_the_label_of_the_whole(sql: str, expected: str) -> None:
    found = facts(sql)
    assert found.outputs is not None
    assert of_value({"email"}, found.outputs[0], found) == expected


def test_text_keeps_its_label_only_as_it_is() -> None:
    found = facts("select notes, notes || 'x' from t")
    assert of_value({"free_text"}, Output(plain=True), found) == "free_text"
    assert of_value({"free_text"}, Output(), found) == "derived"
    assert of_value(set(), Output(), found) is None


some = st.sampled_from(["ssn", "email", "derived"])


@given(st.one_of(st.none(), some), st.sets(some))
def test_label_together_with_others_is_never_less_than_any(label: str | None, learned: set[str]) -> None:
    found = together(label, learned)
    assert (found is None) == (label is None and not learned)
    assert found == "derived" or {found} >= learned | ({label} - {None})


tables_of_time = st.lists(
    st.tuples(st.sampled_from(["t", "u"]), st.sampled_from(["create", "rename", "look"])), min_size=1, max_size=12
)


@given(tables_of_time)
def test_whatever_is_made_renamed_and_looked_at_the_copy_stays_labelled(steps: list[tuple[str, str]]) -> None:
    """A model of one database: `create` replaces the table of the name by a copy of ssn, `rename` swaps both names."""
    lines: list[Learned] = []
    tables: dict[str, int] = {}
    oid = 0
    for name, step in steps:
        if step == "create":
            before = (tables[name],) if name in tables else ()
            lines.append(copied(name, "a", before=before))
            oid += 1
            tables[name] = oid
        catalog = made([(number, table, ["a"]) for table, number in tables.items()], held(lines))
        if step != "create":
            lines += bindings(held(lines), catalog)
        if step == "rename":
            lines += [label_of(catalog.tables[number], "a", "ssn", "renamed") for number in tables.values()]
            tables = {"tu".replace(table, ""): number for table, number in tables.items()}
            catalog = made([(number, table, ["a"]) for table, number in tables.items()], held(lines))
        assert all(labels(catalog, number) == {"a": "ssn"} for number in tables.values())
