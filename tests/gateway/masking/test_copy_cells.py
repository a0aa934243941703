"""COPY cells: a value written and cut again is the same value, and what is no row is refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking import copy_cells
from gateway.masking.copy_cells import Dialect
from parser.errors import ProtocolError

DIALECTS = [
    Dialect(False, b"\t", b"\\N", False),
    Dialect(False, b"|", b"NULL", False),
    Dialect(True, b",", b"", False),
    Dialect(True, b";", b"NULL", True),
]
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)


@given(st.sampled_from(DIALECTS), st.lists(st.text().map(str.encode).filter(bool), min_size=1, max_size=4))
def test_value_written_and_cut_again_is_the_same(how: Dialect, values: list[bytes]) -> None:
    line = how.delimiter.join(copy_cells.written(value, how) for value in values) + b"\n"
    cells = copy_cells.split(line, how)
    assert [copy_cells.plain(cell, how) for cell in cells] == values
    assert how.null not in cells or how.null == b"NULL"


@pytest.mark.parametrize("line", [b"a", b"a\nb\n", b'"a\n', b"a\\\n"])
@pytest.mark.parametrize("how", DIALECTS)
def test_what_is_not_one_row_is_refused(line: bytes, how: Dialect) -> None:
    if (b'"' in line and not how.csv) or (b"\\" in line and how.csv):
        return
    with pytest.raises(ProtocolError):
        copy_cells.split(line, how)


def test_binary_rows_are_cut_behind_their_header() -> None:
    row = HEADER + struct.pack(">hi", 2, 1) + b"a" + struct.pack(">i", -1)
    start = copy_cells.head_of_binary(row)
    assert start == len(HEADER)
    assert copy_cells.head_of_binary(row[start:]) == 0
    assert copy_cells.split_binary(row, start) == [(start + 6, 1), (start + 11, -1)]
    assert copy_cells.split_binary(b"\xff\xff", 0) is None


@pytest.mark.parametrize("row", [b"", b"\0", b"\0\1\0\0\0\2a", b"\0\1\xff\xff\xff\xfe", b"\0\0x", b"\xff\xfe"])
def test_malformed_binary_row_is_refused(row: bytes) -> None:
    with pytest.raises(ProtocolError):
        copy_cells.split_binary(row, 0)
    with pytest.raises(ProtocolError):
        copy_cells.head_of_binary(HEADER[:-1])
    with pytest.raises(ProtocolError):
        copy_cells.head_of_binary(HEADER[:-4] + b"\0\0\0\1")
