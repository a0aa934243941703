"""COPY … TO STDOUT: cells masked in place, whatever they hold; what cannot be cut with certainty is refused or ends."""

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused, State
from gateway.masking.plan import CopyPlan, copy_out
from gateway.policy.rules import Mask
from parser.errors import ProtocolError
from parser.messages import frame
from tests.gateway.masking.shop import CUSTOMERS, JSONB, basis_of, catalog, facts


def planned(sql: str, unmask: tuple[str, ...] = (), masks: tuple[Mask, ...] = ()) -> CopyPlan | Refused:
    return copy_out(facts(sql), basis_of(sql, unmask, masks, key=b"k" * 32))


def plan_of(sql: str, unmask: tuple[str, ...] = (), masks: tuple[Mask, ...] = ()) -> CopyPlan:
    plan = planned(sql, unmask, masks)
    assert isinstance(plan, CopyPlan)
    return plan


def masked(plan: CopyPlan, *lines: bytes) -> bytes:
    """The lines after masking, each in a frame of its own, as the server sends them."""
    out = plan.mask(b"".join(frame(b"d", line) for line in lines))
    found, at = b"", 0
    while at < len(out):
        end = at + 1 + int.from_bytes(out[at + 1 : at + 5], "big")
        found += out[at + 5 : end]
        at = end
    return found


ROW = b"1\tAnn\ta@b.c\tBonn\t10.5\t1990-01-01\t4111111111111234\n"
MASKED = b"1\t[redacted]\t[redacted]\tBonn\t\\N\t\\N\t[redacted]\n"


def test_whole_table_is_masked_by_place_and_type() -> None:
    plan = plan_of("copy customers to stdout")
    assert masked(plan, ROW, ROW) == MASKED * 2
    assert [(name, mask) for name, _, mask in plan.masked] == [
        ("public.customers.name", "redact"),
        ("public.customers.email", "redact"),
        ("public.customers.salary", "null"),
        ("public.customers.birth_date", "null"),
        ("public.customers.card_number", "redact"),
    ]


def test_null_stays_null() -> None:
    row = b"1\t\\N\t\\N\tBonn\t\\N\t\\N\t\\N\n"
    assert masked(plan_of("copy customers to stdout"), row) == row


def test_columns_follow_the_list_of_the_statement() -> None:
    plan = plan_of("copy customers (email, id) to stdout")
    assert masked(plan, b"a@b.c\t1\n") == b"[redacted]\t1\n"


def test_csv_with_quotes_breaks_and_empty_strings() -> None:
    plan = plan_of("copy customers (id, name, city) to stdout (format csv)")
    row = b'1,"O""Neil, Ann\nsecond line","a ""b"", c\n"\n'
    assert masked(plan, row) == b'1,[redacted],"a ""b"", c\n"\n'
    assert masked(plan, b'1,"",\n') == b"1,[redacted],\n"
    assert masked(plan, b"1,,x\n") == b"1,,x\n"


def test_header_passes_and_a_row_that_only_repeats_it_tells_nothing() -> None:
    plan = plan_of("copy customers (id, email) to stdout (format csv, header)")
    assert masked(plan, b"id,email\n", b"1,a@b.c\n") == b"id,email\n1,[redacted]\n"
    without = plan_of("copy customers (id, email) to stdout (format csv, header false)")
    assert masked(without, b"1,email\n") == b"1,[redacted]\n"


def test_delimiters_inside_cells_are_not_taken_for_ends() -> None:
    plan = plan_of("copy customers (name, city) to stdout (delimiter '|')")
    assert masked(plan, b"An\\|n|Bo\\|nn\n") == b"[redacted]|Bo\\|nn\n"
    assert masked(plan, b"An\\\\|Bonn\n") == b"[redacted]|Bonn\n"


def test_partial_and_hash_see_the_value_not_its_escapes() -> None:
    masks = (Mask(labels=("card",), method="partial", keep_last=4), Mask(labels=("name",), method="hash"))
    text = plan_of("copy customers (card_number, name) to stdout", masks=masks)
    comma = plan_of("copy customers (card_number, name) to stdout csv", masks=masks)
    out = masked(text, b"4111\\t1111\\\\1234\tA\\nb\n")
    assert out.startswith(b"****1234\ttok_name_")
    assert masked(comma, b'"4111\t1111\\1234","A\nb"\n').split(b",")[1] == out.split(b"\t")[1]


def test_constant_with_quotes_is_written_as_csv_writes_it() -> None:
    known = catalog()
    table = known.tables[CUSTOMERS]
    json = replace(table.by_name["email"], type_oid=JSONB)
    known.tables[CUSTOMERS] = replace(table, by_name=table.by_name | {"email": json})
    known.names["customers"] = (known.tables[CUSTOMERS],)
    for sql, expected in (
        ("copy customers (id, email) to stdout csv", b'1,"""[redacted]"""\n'),
        ("copy customers (id, email) to stdout (delimiter ',')", b'1,"[redacted]"\n'),
    ):
        plan = copy_out(facts(sql), basis_of(sql, known=known))
        assert isinstance(plan, CopyPlan)
        assert masked(plan, b"1,{}\n") == expected
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)


def packed(*cells: bytes | None) -> bytes:
    """A tuple of the binary format."""
    lengths = [b"\xff" * 4 if cell is None else len(cell).to_bytes(4, "big") + cell for cell in cells]
    return len(cells).to_bytes(2, "big") + b"".join(lengths)


def test_binary_is_masked_by_place_and_what_is_no_text_becomes_null() -> None:
    masks = (Mask(labels=("card",), method="partial", keep_last=4), Mask(labels=("name",), method="hash"))
    plan = plan_of("copy customers to stdout (format binary)", masks=masks)
    row = packed(b"\0\0\0\1", b"Ann", b"a@b.c", b"Bonn", b"\0\1\0\0", b"\0\0\x0e\x10", b"4111111111111234")
    out = masked(plan, SIGNATURE + row, row, b"\xff\xff")
    token = out[out.index(b"tok_name_") :].partition(b"\0")[0]
    new = packed(b"\0\0\0\1", token, b"[redacted]", b"Bonn", None, None, b"****1234")
    assert out == SIGNATURE + new * 2 + b"\xff\xff"
    assert [mask for _, _, mask in plan.masked] == ["hash", "redact", "null", "null", "partial"]


def test_binary_expressions_of_no_known_type_become_null_and_never_tell_of_a_null() -> None:
    plan = plan_of("copy (select id, upper(name) from customers) to stdout binary")
    assert masked(plan, packed(b"1", b"ANN"), packed(b"2", None)) == packed(b"1", None) + packed(b"2", None)


def test_query_is_masked_by_lineage() -> None:
    plan = plan_of("copy (select id, email, upper(name), city from customers) to stdout")
    assert masked(plan, b"1\ta\tB\tc\n") == b"1\t[redacted]\t\\N\tc\n"
    assert masked(plan, b"1\t\\N\t\\N\tc\n") == b"1\t\\N\t\\N\tc\n"


@pytest.mark.parametrize(
    ("sql", "unmask"),
    [
        ("copy orders to stdout", ()),
        ("copy customers (id, city) to stdout", ()),
        ("copy (select count(*) from customers) to stdout (format binary)", ()),
        ("copy customers to stdout", ("*",)),
        ("copy (select * from customers) to stdout (format binary)", ("*",)),
        ("copy customers (email) to stdout (format binary)", ("email",)),
    ],
)
def test_where_nothing_is_masked_the_stream_passes_as_it_is(sql: str, unmask: tuple[str, ...]) -> None:
    plan = plan_of(sql, unmask)
    assert plan.clear
    assert plan.mask(b"anything") == b"anything"


@pytest.mark.parametrize(
    "sql",
    [
        "copy customers to stdout (format binary, header)",
        "copy customers to stdout (delimiter '*')",
        "copy customers to stdout (null 'a@b.c')",
        "copy customers to stdout (format csv, quote '''')",
        "copy customers to stdout (format csv, escape '!')",
        "copy customers to stdout (encoding 'sjis')",
        "copy customers (nosuch) to stdout",
        "copy unknown_table to stdout",
        "copy (select * from customers) to stdout",
    ],
)
def test_what_cannot_be_masked_is_refused_with_a_mend(sql: str) -> None:
    refused = planned(sql)
    assert isinstance(refused, Refused)
    assert refused.sqlstate == State.DENIED
    assert refused.hint
    assert "a@b.c" not in refused.message + refused.hint


def test_unmask_of_one_column_is_noted_as_shown() -> None:
    plan = plan_of("copy customers (email, name) to stdout", ("email",))
    assert plan.cleared == ("public.customers.email",)
    assert masked(plan, b"a\tb\n") == b"a\t[redacted]\n"


def test_generated_columns_are_not_in_the_stream_of_a_table() -> None:
    plan = plan_of("copy invoices to stdout")
    assert masked(plan, b"1\tDE89\n") == b"1\t[redacted]\n"


@pytest.mark.parametrize(
    "data",
    [
        frame(b"d", b"1\tx\n")[:-1],
        frame(b"d", b"1\tx"),
        frame(b"d", b"1\n"),
        frame(b"d", b"1\tx\ty\n"),
        frame(b"d", b"1\tx\n2\ty\n"),
        frame(b"d", b""),
        frame(b"c", b""),
        b"d\0\0",
        b"d\0\0\0\1",
    ],
)
def test_frame_that_is_not_one_row_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        plan_of("copy customers (id, email) to stdout").mask(data)


@pytest.mark.parametrize("line", [b'1,"open\n', b'1,a"b\n', b'1,"a"b\n', b"1,a\nb\n"])
def test_csv_that_is_not_one_row_is_a_protocol_error(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        plan_of("copy customers (id, email) to stdout csv").mask(frame(b"d", line))


@given(
    st.lists(
        st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\r"), max_size=12),
        min_size=3,
        max_size=3,
    )
)
def test_every_csv_row_keeps_its_other_cells(values: list[str]) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(values)
    plan = plan_of("copy customers (id, email, city) to stdout csv")
    out = masked(plan, written.getvalue().encode())
    assert next(csv.reader(io.StringIO(out.decode(), newline=""))) == [values[0], "[redacted]", values[2]]


@given(
    st.lists(
        st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=12),
        min_size=3,
        max_size=3,
    )
)
def test_every_text_row_keeps_its_other_cells(values: list[str]) -> None:
    escapes = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b", "\f": "\\f", "\v": "\\v"}
    cells = ["".join(escapes.get(letter, letter) for letter in value).encode() for value in values]
    plan = plan_of("copy customers (id, email, city) to stdout")
    assert masked(plan, b"\t".join(cells) + b"\n") == b"\t".join([cells[0], b"[redacted]", cells[2]]) + b"\n"
