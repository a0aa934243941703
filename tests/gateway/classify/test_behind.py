"""What stands behind views and functions, followed down to tables however they are nested."""

from gateway.classify.behind import BodyRow, Calling, base_columns
from gateway.classify.catalog import Catalog, CatalogFunction
from gateway.classify.draft import ColumnRow, RelationRow, ViewRow
from gateway.classify.snapshot import build
from parser.facts import Column, Output, Relation
from parser.statements import read

TEXT = 25
TABLE, FIRST, SECOND, SYSTEM = 1000, 2000, 3000, 4000
BASE = Relation("public", "base")


def made(
    views: dict[int, tuple[str, list[str]]],
    bodies: tuple[tuple[str, str], ...] = (),
    *,
    calls: Calling | None = None,
    bound: bool = False,
) -> Catalog:
    """Views are named v<oid>; `bodies`: functions in public with one parameter p."""
    rows = [
        BodyRow(CatalogFunction("public", name, "v", "sql", False, False), sql.encode(), ("p",), bound, None)
        for name, sql in bodies
    ]
    return build(
        1,
        [
            RelationRow(TABLE, "public", "base", "r"),
            RelationRow(SYSTEM, "pg_catalog", "pg_stats", "v"),
            *(RelationRow(oid, "public", f"v{oid}", "v") for oid in views),
        ],
        [
            *(ColumnRow(TABLE, at, name, TEXT, False) for at, name in enumerate(("id", "email", "city"), 1)),
            ColumnRow(SYSTEM, 1, "tablename", 19, False),
            *(
                ColumnRow(oid, at, name, TEXT, False)
                for oid, (_, names) in views.items()
                for at, name in enumerate(names, 1)
            ),
        ],
        [CatalogFunction("pg_catalog", "lower", "i", "internal", False, True)],
        [],
        [
            ViewRow(oid, query.encode(), frozenset(below for below in views if f".v{below}" in query), frozenset())
            for oid, (query, _) in views.items()
        ],
        {},
        read,
        bodies=rows,
        calls=calls or Calling(),
    )


def bases(catalog: Catalog, oid: int) -> list[set[str] | None]:
    return [
        None if column.bases is None else {f"{one.relation.name}.{one.name}" for one in column.bases}
        for column in catalog.tables[oid].columns
    ]


def test_views_over_views_name_the_tables_and_columns_at_the_bottom() -> None:
    catalog = made(
        {
            FIRST: ("SELECT e || c AS joined, 1 AS one FROM public.v3000", ["joined", "one"]),
            SECOND: ("SELECT email AS e, city AS c FROM public.base", ["e", "c"]),
        }
    )
    assert bases(catalog, FIRST) == [{"base.email", "base.city"}, set()]
    assert bases(catalog, SECOND) == [{"base.email"}, {"base.city"}]
    assert catalog.tables[FIRST].behind == {BASE}
    assert catalog.tables[TABLE].behind == frozenset()
    assert bases(catalog, TABLE) == [set(), set(), set()]


def test_whole_rows_and_stars_name_every_column() -> None:
    catalog = made({FIRST: ("SELECT b::text, * FROM public.base b", ["row", "id", "email", "city"])})
    assert bases(catalog, FIRST) == [
        {"base.id", "base.email", "base.city"}, {"base.id"}, {"base.email"}, {"base.city"}
    ]  # fmt: skip


def test_what_is_not_read_is_not_known() -> None:
    catalog = made(
        {
            FIRST: ("SELECT a FROM public.unheard_of", ["a"]),
            SECOND: ("SELECT a FROM public.v2000", ["a"]),
        }
    )
    for oid in (FIRST, SECOND):
        assert catalog.tables[oid].behind is None
        assert bases(catalog, oid) == [None]
    broken = made({FIRST: ("this is no query", ["a"])})
    assert broken.tables[FIRST].behind is None
    assert bases(broken, FIRST) == [None]


def test_views_of_the_server_stand_for_themselves() -> None:
    catalog = made({FIRST: ("SELECT tablename FROM pg_stats", ["t"])})
    assert bases(catalog, FIRST) == [{"pg_stats.tablename"}]
    assert catalog.tables[SYSTEM].behind == frozenset()


def test_functions_are_followed_through_each_other_and_into_views() -> None:
    catalog = made(
        {FIRST: ("SELECT public.outer_one(city) AS seen FROM public.base", ["seen"])},
        (("outer_one", "SELECT public.inner_one(1) || p"), ("inner_one", "SELECT email FROM public.base")),
    )
    (outer,) = catalog.functions["outer_one"]
    assert outer.body is not None
    assert outer.body.reads == (BASE,)
    assert outer.body.outputs[0].columns == {Column(BASE, "email")}
    assert not outer.body.outputs[0].opaque
    assert bases(catalog, FIRST) == [{"base.email", "base.city"}]


def test_functions_that_call_themselves_end_and_stay_opaque() -> None:
    catalog = made(
        {}, (("here", "SELECT public.there(p)"), ("there", "SELECT public.here(p)"), ("alone", "SELECT alone(p)"))
    )
    for name in ("here", "there", "alone"):
        (one,) = catalog.functions[name]
        assert one.body is not None
        assert one.body.outputs[0].opaque


def test_deep_chain_of_functions_ends() -> None:
    chain = tuple((f"f{number}", f"SELECT public.f{number + 1}(p)") for number in range(300))
    (first,) = made({}, chain).functions["f0"]
    assert first.body is not None
    assert first.body.outputs[0].opaque


def test_bodies_as_the_server_prints_them_are_read() -> None:
    texts = (
        ("several", "BEGIN ATOMIC\n SELECT 1;\n SELECT base.email FROM public.base;\nEND"),
        ("valued", "RETURN (p || 'x'::text)"),
        ("odd", "SELECT 1"),
    )
    functions = made({}, texts, bound=True).functions
    (several,), (valued,), (odd,) = (functions[name] for name, _ in texts)
    assert several.body is not None
    assert several.body.outputs[0].columns == {Column(BASE, "email")}
    assert valued.body is not None
    assert valued.body.outputs == (Output(),)
    assert odd.body is None


def test_functions_behind_operators_and_casts_are_followed() -> None:
    calls = Calling({"|#|": (("public", "peek"),)}, {"mytype": (("public", "peek"),)})
    catalog = made(
        {FIRST: ("SELECT city OPERATOR(public.|#|) 1 AS a, city::public.mytype AS b FROM public.base", ["a", "b"])},
        (("peek", "SELECT email FROM public.base"),),
        calls=calls,
    )
    assert bases(catalog, FIRST) == [{"base.email", "base.city"}] * 2
    assert catalog.operators == calls.operators


def test_base_columns_of_an_output() -> None:
    known = {BASE: {"id": frozenset({Column(BASE, "id")}), "x": None}}
    assert base_columns(Output(frozenset({Column(BASE, "id")})), known) == {Column(BASE, "id")}
    assert base_columns(Output(frozenset({Column(BASE, "ctid")})), known) == frozenset()
    assert base_columns(Output(frozenset({Column(BASE, "x")})), known) is None
    assert base_columns(Output(frozenset({Column(BASE, "gone")})), known) is None
    assert base_columns(Output(frozenset({Column(BASE, "*")})), known) is None
    assert base_columns(Output(frozenset({Column(Relation(None, "base"), "id")})), known) is None
    assert base_columns(Output(opaque=True), known) is None
