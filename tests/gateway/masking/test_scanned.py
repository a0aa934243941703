"""Scanned rows: both ways give the same bytes, frames stay whole, and what was seen is counted."""

import random
from collections.abc import Sequence
from itertools import starmap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.masking import cells
from gateway.masking.forms import Form
from gateway.masking.scanned import ColumnCounts, scan_rows, scan_text, verdict
from gateway.masking.scanner import scanner
from parser.errors import ProtocolError
from tests.gateway.masking.shop import data_row, decoded

Row = Sequence[bytes | None]
MAIL = b"jane@example.com"
R = b"[redacted]"


def expected(table: Sequence[Row], scans: Sequence[tuple[int, Form]]) -> list[list[bytes | None]]:
    chosen = dict(scans)
    new: list[list[bytes | None]] = []
    for row in table:
        new.append(list(row))
        for index, form in chosen.items():
            cell = row[index]
            found = cells.mask(scanner(), cell, form) if cell else None
            if found is not None:
                new[-1][index] = found.new
    return new


values = st.one_of(
    st.none(),
    st.just(b""),
    st.sampled_from([MAIL, b"to " + MAIL, b"D\0\0\0\x0b\0\1", b'{"email": "x"}', b"words", b"4111 1111 1111 1111",
    b"\xff\0"]), st.binary(max_size=12),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, list[Row], list[tuple[int, Form]]]:
    columns = draw(st.integers(1, 4))
    table = draw(st.lists(st.lists(values, min_size=columns, max_size=columns), max_size=12))
    chosen = draw(st.sets(st.integers(0, columns - 1), min_size=1))
    return columns, table, [(index, draw(st.sampled_from(Form))) for index in sorted(chosen)]


@settings(max_examples=60)
@given(tables(), st.integers(1, 4))
def test_rows_come_out_masked_and_whole_however_many(
    case: tuple[int, list[Row], list[tuple[int, Form]]], times: int
) -> None:
    columns, table, scans = case
    table = table * times ** 2  # few rows are found one by one, more of them at once
    frames = b"".join(starmap(data_row, table))
    result = scan_rows(scanner(), frames, columns, scans)
    assert decoded(result.frames) == expected(table, scans)
    for (index, _), count in zip(scans, result.counts, strict=True):
        assert count.cells == sum(row[index] is not None for row in table)


def test_thousands_of_rows_are_masked_as_one_by_one() -> None:
    chance = random.Random(1)
    planted = [MAIL, b"+49 30 1234567", b"10.20.30.40", b"123-45-6789", b"Dear Jane Smith"]
    table: list[Row] = []
    for number in range(3000):
        said = [bytes(chance.choices(b"abcdefgh D0", k=8)) for _ in range(chance.randrange(40))]
        if number % 20 == 0:
            said.append(chance.choice(planted))
        table.append((b"%d" % number, b" ".join(said) if number % 7 else None, MAIL, b'{"id": %d}' % number))
    frames = b"".join(starmap(data_row, table))
    scans = [(1, Form.TEXT), (3, Form.JSON)]
    result = scan_rows(scanner(), frames, 4, scans)
    assert decoded(result.frames) == expected(table, scans)
    one_by_one = [scan_rows(scanner(), data_row(*row), 4, scans) for row in table]
    assert b"".join(one.frames for one in one_by_one) == result.frames
    together = ColumnCounts()
    for one in one_by_one:
        together.add(one.counts[0])
    assert together == result.counts[0]
    assert result.counts[0].hits["email"] > 5


def test_nothing_found_gives_the_very_frames_that_came() -> None:
    for count in (1, 1000):
        frames = data_row(b"1", b"only words") * count
        assert scan_rows(scanner(), frames, 2, [(1, Form.TEXT)]).frames is frames
    assert scan_rows(scanner(), b"", 2, [(1, Form.TEXT)]).frames == b""


def test_second_scan_finds_nothing_more() -> None:
    table: list[Row] = [(MAIL, b"password: hunter2"), (b"Dear Jane Smith", b"tel. +49 30 1234567, 10.20.30.40")] * 40
    once = scan_rows(scanner(), b"".join(starmap(data_row, table)), 2, [(0, Form.TEXT), (1, Form.TEXT)]).frames
    assert scan_rows(scanner(), once, 2, [(0, Form.TEXT), (1, Form.TEXT)]).frames is once


def test_cell_longer_than_a_piece_is_scanned_too() -> None:
    frames = data_row(b"word " * 100_000 + MAIL) + data_row(b"words") * 3
    result = scan_rows(scanner(), frames, 1, [(0, Form.TEXT)])
    assert decoded(result.frames)[0] == [b"word " * 100_000 + R]


@pytest.mark.parametrize("times", [1, 40])
@pytest.mark.parametrize(
    "frames",
    [
        data_row(b"a")[:-1],
        data_row(b"a", b"b", b"c"),
        b"D\0\0\0\x0a\0\2\xff\xff\xff\xfe",
        data_row(b"a", b"b")[:-5] + b"\0\0\0\2b",
        b"C" + data_row(b"a", b"b")[1:],
        b"D\0\0\0\4",
    ],
)
def test_malformed_rows_are_the_servers_fault(frames: bytes, times: int) -> None:
    with pytest.raises(ProtocolError):
        scan_rows(scanner(), data_row(b"a", b"b") * (times - 1) + frames, 2, [(1, Form.TEXT)])


@given(st.binary(max_size=60), st.integers(1, 3))
def test_any_bytes_are_rows_or_a_protocol_error(frames: bytes, columns: int) -> None:
    try:
        result = scan_rows(scanner(), frames, columns, [(0, Form.NESTED_BINARY)])
    except ProtocolError:
        return
    decoded(result.frames)


def test_column_of_nothing_else_gets_its_label_and_no_other_does() -> None:
    table: list[Row] = [(MAIL, b"to " + MAIL)] * 30
    mails, texts = scan_rows(scanner(), b"".join(starmap(data_row, table)), 2, [(0, Form.TEXT), (1, Form.TEXT)]).counts
    assert verdict(mails) == "email"
    assert verdict(texts) is None
    assert texts.hits == {"email": 30}
    assert verdict(ColumnCounts(19, {"email": 19}, {"email": 19})) is None
    assert verdict(ColumnCounts(100, {"email": 49}, {"email": 49})) is None
    assert verdict(ColumnCounts(100, {"email": 50}, {"email": 50})) == "email"
    assert verdict(ColumnCounts()) is None


def test_single_text_is_masked() -> None:
    assert scan_text(scanner(), b"mail " + MAIL) == b"mail " + R
    words = b"only words"
    assert scan_text(scanner(), words) is words
