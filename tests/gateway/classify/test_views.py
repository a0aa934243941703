"""Labels of views: what their columns are made of, in any order, and doubt that ends in "derived"."""

from collections.abc import Iterable, Mapping

import pytest

from gateway.classify.catalog import Catalog
from gateway.classify.draft import ColumnRow, RelationRow, ViewRow
from gateway.classify.snapshot import build
from parser.statements import read

TEXT = 25
BASE, FIRST, SECOND = 1000, 2000, 3000


def made(
    views: Mapping[int, tuple[str, list[str]]] | None = None,
    *,
    base: Iterable[str] = ("id", "email", "city"),
    corrections: Mapping[str, str] | None = None,
    relations: frozenset[int] = frozenset(),
    functions: frozenset[str] = frozenset(),
) -> Catalog:
    """`views`: query and column names by oid; they are named v<oid>."""
    views = views or {}
    return build(
        1,
        [
            RelationRow(BASE, "public", "base", "r"),
            *(RelationRow(oid, "public", f"v{oid}", "v") for oid in views),
        ],
        [
            *(ColumnRow(BASE, at, name, TEXT, False) for at, name in enumerate(base, 1)),
            *(
                ColumnRow(oid, at, name, TEXT, False)
                for oid, (_, names) in views.items()
                for at, name in enumerate(names, 1)
            ),
        ],
        [],
        [],
        [
            ViewRow(oid, query.encode(), relations or _read_by(query), functions)
            for oid, (query, _) in views.items()
        ],
        corrections or {},
        read,
    )


def _read_by(query: str) -> frozenset[int]:
    """As the server notes it."""
    return frozenset(oid for name, oid in (("v2000", FIRST), ("v3000", SECOND)) if f"public.{name}" in query)


def labels(catalog: Catalog, oid: int) -> list[str | None]:
    return [column.label for column in catalog.tables[oid].columns]


def test_views_are_labelled_after_what_they_are_made_of_in_any_order_of_rows() -> None:
    over = {
        FIRST: ("SELECT x, y FROM public.v3000", ["p", "q"]),
        SECOND: ("SELECT email AS x, city AS y FROM public.base", ["x", "y"]),
    }
    for views in (over, dict(reversed(over.items()))):
        catalog = made(views)
        assert labels(catalog, FIRST) == ["email", None]
        assert labels(catalog, SECOND) == ["email", None]


@pytest.mark.parametrize(
    ("query", "columns", "expected"),
    [
        ("SELECT email FROM public.base", ["e"], ["email"]),
        ("SELECT email AS city FROM public.base", ["city"], ["email"]),
        ("SELECT count(*), city FROM public.base GROUP BY city", ["n", "c"], [None, None]),
        ("SELECT nothing FROM public.base", ["n"], ["derived"]),
        ("SELECT a FROM public.unknown", ["a"], ["derived"]),
        ("SELECT public.f(id) FROM public.base", ["a"], ["derived"]),
        ("SELECT b::text FROM public.base b", ["a"], ["email"]),
        ("SELECT 1 AS a, 2 AS b", ["a"], [None]),
        ("SELECT query_to_xml('x', true, true, '') AS a", ["a"], ["derived"]),
        ("this is no query", ["a", "email"], ["derived", "derived"]),
        ("", ["a"], ["derived"]),
        ("SELECT 1 AS email", ["email"], ["email"]),
    ],
)
def test_view_columns(query: str, columns: list[str], expected: list[str | None]) -> None:
    assert labels(made({FIRST: (query, columns)}), FIRST) == expected


def test_view_whose_dependencies_the_parser_did_not_see_is_derived() -> None:
    view = {FIRST: ("SELECT city FROM public.base", ["c"])}
    assert labels(made(view, relations=frozenset({BASE})), FIRST) == [None]
    assert labels(made(view, relations=frozenset({BASE, 77})), FIRST) == ["derived"]
    assert labels(made(view, functions=frozenset({"hidden"})), FIRST) == ["derived"]


def test_views_in_a_circle_end_and_prove_nothing() -> None:
    circle = {
        FIRST: ("SELECT a FROM public.v3000", ["a"]),
        SECOND: ("SELECT a FROM public.v2000 UNION SELECT email FROM public.base", ["a"]),
    }
    catalog = made(circle)
    assert labels(catalog, FIRST) == ["derived"]
    assert labels(catalog, SECOND) == ["derived"]


def test_correction_of_a_view_column_stands_and_travels_up() -> None:
    views = {
        FIRST: ("SELECT email, city FROM public.base", ["e", "c"]),
        SECOND: ("SELECT e, c FROM public.v2000", ["e", "c"]),
    }
    catalog = made(views, corrections={"public.v2000.e": "none", "public.v2000.c": "geo"})
    assert labels(catalog, BASE) == [None, "email", None]
    assert labels(catalog, FIRST) == [None, "geo"]
    assert labels(catalog, SECOND) == [None, "geo"]
