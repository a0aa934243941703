"""Finding tables by the names that statements use."""

from gateway.classify.catalog import Catalog, CatalogColumn, CatalogTable


def table(oid: int, schema: str, name: str) -> CatalogTable:
    return CatalogTable(oid, schema, name, "r", (CatalogColumn(1, "id", 23),))


def test_name_without_a_schema_may_mean_the_table_of_any() -> None:
    ours, theirs = table(1, "public", "users"), table(2, "audit", "users")
    catalog = Catalog(1, {1: ours, 2: theirs}, {"users": (ours, theirs)}, {})
    assert catalog.find(None, "users") == (ours, theirs)
    assert catalog.find("audit", "users") == (theirs,)
    assert catalog.find("nowhere", "users") == ()
    assert catalog.find(None, "Users") == ()
