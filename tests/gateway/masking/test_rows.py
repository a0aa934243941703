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


SIGNATURE = b"PGCOPY\n\xff\r\n\0"
ROW = data_row(b"abc", b"de")[5:]


def copied(*messages: bytes) -> bytes:
    return b"".join(b"d" + struct.pack(">I", len(message) + 4) + message for message in messages)


@pytest.mark.parametrize("extension", [b"", b"\0\2later"])
def test_tuples_are_masked_behind_the_signature_and_before_the_trailer(extension: bytes) -> None:
    head = SIGNATURE + bytes(4) + struct.pack(">I", len(extension)) + extension
    out = rows.mask_tuples(copied(head + ROW, ROW, b"\xff\xff"), 2, [(0, NULL)])
    assert out == copied(head + data_row(None, b"de")[5:], data_row(None, b"de")[5:], b"\xff\xff")
    empty = copied(head + b"\xff\xff")
    assert rows.mask_tuples(empty, 2, [(0, NULL)]) == empty
    assert rows.mask_tuples(copied(head), 2, [(0, NULL)]) == copied(head)


@pytest.mark.parametrize(
    "message",
    [
        ROW + ROW,
        ROW + b"\xff\xff",
        ROW[:-1],
        data_row(b"abc")[5:],
        data_row(b"abc", b"de", b"f")[5:],
        b"",
        b"\0",
        b"\xff\xfe",
        SIGNATURE,
        SIGNATURE + bytes(7),
        SIGNATURE + b"\0\1\0\0" + bytes(4) + ROW,  # with object identifiers, as old servers could
        SIGNATURE + bytes(4) + b"\xff\xff\xff\xff" + ROW,
        SIGNATURE + bytes(4) + b"\0\0\0\x63" + ROW,
    ],
)
def test_binary_message_that_is_not_one_tuple_is_a_protocol_error(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        rows.mask_tuples(copied(ROW, message), 2, [(0, REDACT)])


def test_runs_of_frames_are_counted_and_end_at_another_type_or_a_half_frame() -> None:
    run = copied(b"a\n", b"", b"bc\n")
    assert rows.run_end(run + b"c\0\0\0\4", 0, ord("d"), 4) == len(run)
    assert rows.run_end(run + run[:-1], 0, ord("d"), 4) == 2 * len(run) - 8
    assert rows.count(run, 0, len(run)) == 3
    with pytest.raises(ProtocolError):
        rows.run_end(run + b"d\0\0\0\3", 0, ord("d"), 4)
    with pytest.raises(ProtocolError):
        rows.run_end(b"d\xff\xff\xff\xff", 0, ord("d"), 4)
