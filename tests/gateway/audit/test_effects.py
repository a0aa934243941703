"""What a statement did, by its kinds."""

import pytest

from gateway.audit.effects import effect, ran, rows_changed, rows_out
from gateway.audit.query import Entry
from gateway.audit.records import ColumnsInfo, Outcome, RulingInfo, Status

SHOWN = ColumnsInfo((), ("public.t.id",))


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("SELECT",), "read"),
        (("COPY TO",), "read"),
        (("SELECT", "DELETE"), "write"),
        (("COPY FROM",), "write"),
        (("COPY FROM PROGRAM",), "write"),
        (("TRUNCATE",), "write"),
        (("INSERT ON CONFLICT",), "write"),
        (("EXPLAIN", "SELECT"), "read"),
        (("EXECUTE", "UPDATE"), "write"),
        (("CREATE TABLE AS", "SELECT"), "ddl"),
        (("ALTER TABLE", "ALTER TABLE DROP COLUMN"), "ddl"),
        (("DROP DATABASE",), "admin"),
        (("CREATE ROLE",), "admin"),
        (("ALTER SYSTEM",), "admin"),
        (("GRANT",), "admin"),
        (("BEGIN",), "session"),
        (("SET",), "session"),
        (("SOMETHING NEW",), "admin"),
        ((), "session"),
    ],
)
def test_the_gravest_kind_counts(kinds: tuple[str, ...], expected: str) -> None:
    assert effect(kinds) == expected


def outcome(
    kinds: tuple[str, ...],
    status: Status = "ok",
    columns: ColumnsInfo | None = None,
    affected: tuple[tuple[str, int], ...] | None = None,
) -> Entry:
    said = Outcome(1, status, 5, 10, 0, "X", "", 1, affected)
    return Entry("db", 2, 9, "outcome", ruling=RulingInfo(1, "a", "s", "f", kinds), outcome=said, columns=columns)


def test_rows_of_a_read_go_out_and_rows_of_a_write_are_changed() -> None:
    assert (rows_out(outcome(("SELECT",))), rows_changed(outcome(("SELECT",)))) == (5, 0)
    assert (rows_out(outcome(("UPDATE",))), rows_changed(outcome(("UPDATE",)))) == (0, 5)
    returning = outcome(("DELETE",), columns=SHOWN)
    assert (rows_out(returning), rows_changed(returning)) == (5, 5)
    assert (rows_out(outcome(("EXECUTE", "SELECT"))), rows_changed(outcome(("SELECT", "UPDATE")))) == (5, 0)


def test_what_the_server_told_by_table_counts_before_the_tag() -> None:
    assert rows_changed(outcome(("INSERT",), affected=(("t", 3), ("u", -1)))) == 3
    assert rows_changed(outcome(("INSERT",), "error")) == 0


def test_only_what_reached_the_server_ran() -> None:
    assert [ran(outcome(("SELECT",), each)) for each in ("ok", "error", "unresolved", "refused", "not-run")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert not ran(Entry("db", 2, 9, "system"))
    assert rows_out(Entry("db", 2, 9, "system")) == rows_changed(Entry("db", 2, 9, "system")) == 0
