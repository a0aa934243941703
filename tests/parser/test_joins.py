"""Joins of known relations: which columns USING and NATURAL make of two, in which order `*` gives them."""

import pytest

from tests.parser.knowing import Shown, facts, flow, flows


@pytest.mark.parametrize(
    ("sources", "star"),
    [
        ("a, b", "a.id | a.x | a.y | b.id | b.x | b.z"),
        ("a JOIN b ON a.id = b.id", "a.id | a.x | a.y | b.id | b.x | b.z"),
        ("a JOIN b USING (id)", "a.id b.id | a.x | a.y | b.x | b.z"),
        ("a FULL OUTER JOIN b USING (x, id)", "a.x b.x | a.id b.id | a.y | b.z"),
        ("a NATURAL JOIN b", "a.id b.id | a.x b.x | a.y | b.z"),
        ("a NATURAL LEFT JOIN c", "a.id | a.x | a.y | c.w"),
        ("a RIGHT JOIN c USING (id)", "c.id | a.x | a.y | c.w"),
        ("orders JOIN people USING (id)", "orders.id | orders.customer_id | orders.total | people.name"),
        ("a JOIN b USING (id) JOIN c USING (id)", "a.id b.id c.id | a.x | a.y | b.x | b.z | c.w"),
        ("c JOIN a JOIN b USING (x) ON c.id = y", "c.id | c.w | a.x b.x | a.id | a.y | b.id | b.z"),
        ("c CROSS JOIN a NATURAL JOIN b", None),  # two columns id on its left: the server refuses it
        ("c, a JOIN b USING (id)", "c.id | c.w | a.id b.id | a.x | a.y | b.x | b.z"),
        ("a JOIN b USING (id), c", "a.id b.id | a.x | a.y | b.x | b.z | c.id | c.w"),
        ("a JOIN (b JOIN c USING (id)) USING (id)", "a.id b.id c.id | a.x | a.y | b.x | b.z | c.w"),
        ("(a JOIN b USING (id)) AS j (k)", "a.id b.id | a.x | a.y | b.x | b.z"),
        ("a JOIN b USING (id) AS j", "a.id b.id | a.x | a.y | b.x | b.z"),
        ("(SELECT id, lower(y) FROM a) s NATURAL JOIN c", "a.id c.id | a.y | c.w"),
        ("(SELECT id, x + 1 FROM a) s NATURAL JOIN c", None),
        ("a NATURAL JOIN unheard_of", None),
        ("a JOIN b USING (nowhere)", None),
    ],
)
def test_star_gives_merged_columns_first_and_once(sources: str, star: str | None) -> None:
    found = flows(f"SELECT * FROM {sources}")
    assert (found if found is None else " | ".join(found)) == star


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        ("id", "a.id b.id"),
        ("a.id", "a.id"),
        ("b.id", "b.id"),
        ("y", "a.y"),
        ("j.id", "a.id b.id"),
        ("a.*::text", "a.*"),
        ("j::text", "a.id b.id"),
    ],
)
def test_merged_column_is_both_and_a_qualified_one_is_itself(selected: str, expected: str) -> None:
    assert flows(f"SELECT {selected} FROM a JOIN b USING (id) AS j") == [expected]


def test_merged_columns_count_as_read() -> None:
    read = {(c.relation.name, c.name) for c in facts("SELECT y FROM a JOIN b USING (id)").columns_read}
    assert read == {("a", "id"), ("b", "id"), ("a", "y")}


def test_columns_that_are_not_known_leave_every_candidate() -> None:
    (output,) = facts("SELECT id FROM a JOIN unheard_of USING (id)").outputs or ()
    assert flow(output) == "a.id unheard_of.id"
    (output,) = facts("SELECT id FROM a NATURAL JOIN b", Shown(made=frozenset({"b"}))).outputs or ()
    assert flow(output) == "a.id b.id"
