"""Labels, their reasons and what is scanned, in catalogues made of rows: foreign keys, partitions, views, corrections."""

from gateway.classify.catalog import Catalog, CatalogColumn
from gateway.classify.content import Finding
from gateway.classify.draft import ColumnRow, RelationRow, ViewRow
from gateway.classify.snapshot import build
from parser.statements import read

TEXT, INT4 = 25, 23
RELATIONS = [
    RelationRow(1, "public", "accounts", "r"),
    RelationRow(2, "public", "visits", "r"),
    RelationRow(3, "public", "log", "p"),
    RelationRow(4, "public", "log_1", "r"),
    RelationRow(5, "public", "log_2", "r"),
    RelationRow(6, "public", "seen", "v"),
    RelationRow(7, "pg_catalog", "pg_authid", "r"),
]
COLUMNS = [
    ColumnRow(1, 1, "mail", TEXT, False),
    ColumnRow(1, 2, "city", TEXT, False),
    ColumnRow(1, 3, "plan", TEXT, False),
    ColumnRow(2, 1, "who", TEXT, False),
    ColumnRow(2, 2, "of_whom", TEXT, False),
    *(ColumnRow(oid, 1, "line", TEXT, False) for oid in (3, 4, 5)),
    *(ColumnRow(oid, 2, "extra", TEXT, False) for oid in (3, 4, 5)),
    ColumnRow(6, 1, "city", TEXT, False),
    ColumnRow(6, 2, "plan", TEXT, False),
    ColumnRow(6, 3, "mail", TEXT, False),
    ColumnRow(7, 1, "rolpassword", TEXT, False),
    ColumnRow(7, 2, "rolname", TEXT, False),
]
VIEW = ViewRow(6, b"SELECT city, plan, mail FROM public.accounts", frozenset({1}), frozenset())
CLEAN = Finding(clean=True)
FINDINGS = {
    1: {"plan": CLEAN, "city": Finding()},
    4: {"line": CLEAN, "extra": Finding("email", 0.95, ("seen",))},
}


def catalog(corrections: dict[str, str] | None = None) -> Catalog:
    return build(
        1,
        RELATIONS,
        COLUMNS,
        [],
        [(4, 3), (5, 3)],
        [VIEW],
        corrections or {},
        read,
        references=[((2, "who"), (1, "mail")), ((2, "of_whom"), (2, "who")), ((1, "mail"), (99, "gone"))],
        findings=FINDINGS,
    )


def column(found: Catalog, oid: int, name: str) -> CatalogColumn:
    return found.tables[oid].by_name[name]


def test_foreign_keys_carry_the_label_of_what_they_refer_to() -> None:
    found = catalog()
    who = column(found, 2, "who")
    assert (who.label, who.evidence) == ("email", ("refers to accounts.mail",))
    assert column(found, 2, "of_whom").label == "email"
    assert 0.5 < column(found, 2, "of_whom").confidence < who.confidence < column(found, 1, "mail").confidence


def test_partitions_are_one_table_for_labels_and_for_what_is_clean() -> None:
    found = catalog()
    assert [column(found, oid, "line").scan for oid in (3, 4, 5)] == [False, False, False]
    assert [column(found, oid, "extra").label for oid in (3, 4, 5)] == ["email"] * 3
    assert column(found, 4, "extra").evidence == ("seen",)
    assert column(found, 5, "extra").evidence == ("as in log_1",)


def test_views_are_scanned_where_their_tables_are() -> None:
    found = catalog()
    assert column(found, 1, "city").scan
    assert not column(found, 1, "plan").scan
    assert column(found, 6, "city").scan
    assert not column(found, 6, "plan").scan
    assert (column(found, 6, "mail").label, column(found, 6, "mail").scan) == ("email", False)


def test_the_server_s_own_tables_have_their_labels_and_are_not_scanned() -> None:
    found = catalog()
    password = column(found, 7, "rolpassword")
    assert (password.label, password.confidence, password.evidence) == ("secret", 1.0, ("system",))
    assert not column(found, 7, "rolname").scan


def test_the_policy_has_the_last_word() -> None:
    found = catalog({"public.accounts.mail": "none", "public.accounts.city": "none", "public.log.line": "health"})
    assert column(found, 1, "mail").label is None
    assert not column(found, 1, "mail").scan
    assert not column(found, 1, "city").scan
    assert not column(found, 6, "city").scan
    assert column(found, 2, "who").label is None
    assert [column(found, oid, "line").label for oid in (3, 4, 5)] == ["health"] * 3
    line = column(found, 3, "line")
    assert (line.confidence, line.evidence) == (1.0, ("policy",))
