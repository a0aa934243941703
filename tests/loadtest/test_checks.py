"""What the load users take for right: a leak, a missing mask or a wrong count is a failure, and says which."""

import struct

import pytest
from checks import Wrong, between, many, much, people
from destination import Table, destination
from messages import Answer


@pytest.fixture(scope="module")
def table() -> Table:
    return destination({"SLUICE_DSN": "user=ann", "SLUICE_TOKEN": "t", "SLUICE_LOAD_MASKED": "name,ssn"}).table


def answered(*rows: tuple[bytes | None, ...]) -> Answer:
    raw = []
    for row in rows:
        parts = [struct.pack("!i", -1) if each is None else struct.pack("!i", len(each)) + each for each in row]
        raw.append(struct.pack("!h", len(row)) + b"".join(parts))
    return Answer(b"D", raw, f"SELECT {len(rows)}")


TOKEN = b"tok_ssn_k7nhsw52jtauhp"


def test_masked_people_are_right(table: Table) -> None:
    people(table, ["1", "2"])(
        answered((b"1", b"[redacted]", TOKEN, b"Oslo"), (b"2", b"[redacted]", None, None))
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((b"1", b"Ada", TOKEN, b"Oslo"), "name is not masked"),
        ((b"1", b"[redacted] Ada", TOKEN, b"Oslo"), "name is not masked"),
        ((b"1", b"[redacted]", b"123-45-6789", b"Oslo"), "LEAK"),
        ((b"1", b"[redacted]", TOKEN, b"123-45-6789"), "LEAK"),
        ((b"1", b"[redacted]", TOKEN, b"[redacted]"), "city is masked"),
        ((b"2", b"[redacted]", TOKEN, b"Oslo"), "1 rows came for 1 keys, or others"),
        ((b"1", b"[redacted]", TOKEN), "3 columns"),
    ],
)
def test_row_that_is_not_as_it_must_be_says_why(table: Table, row: tuple[bytes, ...], said: str) -> None:
    with pytest.raises(Wrong, match=said):
        people(table, ["1"])(answered(row))


def test_leak_is_told_without_what_leaked(table: Table) -> None:
    with pytest.raises(Wrong) as told:
        people(table, ["1"])(answered((b"1", b"[redacted]", b"123-45-6789", b"Oslo")))
    assert "123-45" not in str(told.value)


def test_missing_row_is_wrong(table: Table) -> None:
    with pytest.raises(Wrong, match="1 rows came for 2 keys"):
        people(table, ["1", "2"])(answered((b"1", b"[redacted]", TOKEN, b"Oslo")))


def test_large_answers_are_looked_through(table: Table) -> None:
    row = (b"1", b"[redacted]", TOKEN, None)
    line = b"1\t[redacted]\t" + TOKEN + b"\t\\N\n"
    much(table, 300, "SELECT")(answered(*[row] * 300))
    much(table, 300, "COPY")(Answer(b"d", [line] * 300, "COPY 300"))
    for wrong in (
        Answer(b"d", [line] * 299, "COPY 299"),
        Answer(b"d", [line] * 300, "COPY 301"),
        Answer(b"d", [line.replace(b"[redacted]", b"Ada")] * 300, "COPY 300"),
        Answer(b"d", [*[line] * 299, line.replace(b"[redacted]", b"a@mail.example")], "COPY 300"),
    ):
        with pytest.raises(Wrong):
            much(table, 300, "COPY")(wrong)


def test_statements_are_made_for_the_table(table: Table) -> None:
    assert between(table, ["a'b", "c"]) == "id between 'a''b' and 'c'"
    assert many(table, 9) == (
        "select id, name, ssn, city from customers cross join generate_series(1, 9) again limit 9"
    )
