"""Rows masked one by one: only what is masked changes, and lengths say so."""

import struct

import pytest

from gateway.masking import rows
from gateway.masking.masks import REDACTED, CellMask, How
from parser.errors import ProtocolError
from tests.gateway.masking.shop import data_row

REDACT = CellMask(How.FIXED, REDACTED)
NULL = CellMask(How.FIXED, None)


def test_masked_cells_change_and_all_else_stays_to_the_byte() -> None:
    frames = data_row(b"1", b"ann", None, b"\x00\xff") + data_row(b"2", None, b"", b"")
    out = rows.mask(frames, 4, [(1, REDACT), (3, NULL)])
    assert out == data_row(b"1", b"[redacted]", None, None) + data_row(b"2", None, b"", None)


def test_constant_replaces_null_where_told() -> None:
    always = CellMask(How.FIXED, REDACTED, nulls=False)
    assert rows.mask(data_row(None, b"x"), 2, [(0, always)]) == data_row(b"[redacted]", b"x")
    never = CellMask(How.FIXED, None, nulls=False)
    assert rows.mask(data_row(None, b"x"), 2, [(0, never), (1, never)]) == data_row(None, None)


def test_what_follows_the_last_masked_cell_goes_out_as_it_came() -> None:
    odd = b"D" + struct.pack(">IH", 4 + 2 + 5 + 3, 2) + struct.pack(">i", 1) + b"a" + b"???"
    assert rows.mask(odd, 2, [(0, NULL)])[-3:] == b"???"


@pytest.mark.parametrize("cut", range(1, 20))
def test_row_cut_anywhere_is_a_protocol_error(cut: int) -> None:
    whole = data_row(b"abc", b"de")
    with pytest.raises(ProtocolError):
        rows.mask(whole[: len(whole) - min(cut, len(whole) - 1)], 2, [(1, REDACT)])
