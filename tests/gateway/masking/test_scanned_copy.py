"""Scanned COPY: text, csv and binary rows are masked where they must be and stay rows of their format."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.copy_cells import Dialect, plain, split
from gateway.masking.forms import Form
from gateway.masking.scanned_copy import scan_copy
from gateway.masking.scanner import scanner
from parser.errors import ProtocolError

MAIL = b"jane@example.com"
R = b"[redacted]"
TEXT = Dialect(False, b"\t", b"\\N", False)
CSV = Dialect(True, b",", b"", False)
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)


def frames(*lines: bytes) -> bytes:
    return b"".join(b"d" + struct.pack(">I", len(line) + 4) + line for line in lines)


def binary(*cells: bytes | None) -> bytes:
    row = struct.pack(">h", len(cells))
    for cell in cells:
        row += struct.pack(">i", -1) if cell is None else struct.pack(">i", len(cell)) + cell
    return row


@pytest.mark.parametrize(
    ("how", "form", "line", "expected"),
    [
        (TEXT, Form.TEXT, b"1\tto " + MAIL + b"\n", b"1\tto " + R + b"\n"),
        (TEXT, Form.TEXT, b"1\ta\\n" + MAIL + b"\\t\n", b"1\ta\\n" + R + b"\\t\n"),
        (TEXT, Form.TEXT, b"1\t\\n4111111111111111\n", b"1\t\\n" + R + b"\n"),
        (TEXT, Form.JSON, b'1\t{"email": "a\\\\"b"}\n', b'1\t{"email": "[redacted]"}\n'),
        (TEXT, Form.BYTEA_TEXT, b"1\t\\\\x" + MAIL.hex().encode() + b"\n", b"1\t\\\\x" + R.hex().encode() + b"\n"),
        (CSV, Form.TEXT, b'1,"a, ""' + MAIL + b'"""\n', b'1,"a, ""' + R + b'"""\n'),
        (CSV, Form.JSON, b'1,"{""email"": ""x""}"\n', b'1,"{""email"": ""[redacted]""}"\n'),
        (None, Form.TEXT, HEADER + binary(b"1", b"to " + MAIL), HEADER + binary(b"1", b"to " + R)),
        (None, Form.JSONB_BINARY, binary(b"1", b'\1{"email": 1}'), binary(b"1", b'\1{"email": "[redacted]"}')),
        (None, Form.NESTED_BINARY, binary(b"1", b"\0\0" + MAIL), binary(b"1", None)),
    ],
)
def test_row_is_masked_in_its_own_format(how: Dialect | None, form: Form, line: bytes, expected: bytes) -> None:
    result = scan_copy(scanner(), frames(line), 2, [(1, form)], how)
    assert result.frames == frames(expected)
    assert result.counts[0].cells == 1
    assert scan_copy(scanner(), result.frames, 2, [(1, form)], how).frames is result.frames


def test_only_rows_that_change_are_written_anew() -> None:
    lines = [b"1\t\\N\n", b"2\t" + MAIL + b"\n", b"3\twords\n"] * 4000
    result = scan_copy(scanner(), frames(*lines), 2, [(1, Form.TEXT)], TEXT)
    assert result.frames == frames(*[b"2\t" + R + b"\n" if MAIL in line else line for line in lines])
    assert (result.counts[0].cells, result.counts[0].wholes) == (8000, {"email": 4000})


def test_binary_header_and_end_alone_are_let_through() -> None:
    stream = frames(HEADER, binary(b"1", b"a"), b"\xff\xff")
    assert scan_copy(scanner(), stream, 2, [(1, Form.TEXT)], None).frames is stream


cells = st.sampled_from([MAIL, b"a,b", b'"', b"\\", b"line\nbreak", b"x\ty", b"Dear Jane Smith"])


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6), st.booleans())
def test_other_cells_keep_their_bytes(rows: list[tuple[bytes, bytes]], csv: bool) -> None:
    how = CSV if csv else TEXT
    raw = [
        b'"' + b.replace(b'"', b'""') + b'"' if csv else b.replace(b"\\", b"\\\\").replace(b"\n",
        b"\\n").replace(b"\t", b"\\t") for row in rows
        for b in row
    ]  # fmt: skip
    lines = [how.delimiter.join(raw[at : at + 2]) + b"\n" for at in range(0, len(raw), 2)]
    result = scan_copy(scanner(), frames(*lines), 2, [(1, Form.TEXT)], how).frames
    at = 0
    for row in rows:
        (length,) = struct.unpack_from(">I", result, at + 1)
        first, second = split(result[at + 5 : at + 1 + length], how)
        assert plain(first, how) == row[0]
        assert plain(second, how) == {MAIL: R, b"Dear Jane Smith": b"Dear " + R}.get(row[1], row[1])
        at += 1 + length


@pytest.mark.parametrize("how", [TEXT, CSV, None])
@pytest.mark.parametrize("stream", [b"d", b"c\0\0\0\4", b"d\0\0\0\3", b"d\0\0\0\x09a\n", frames(b"a\n"),
frames(b"\0\1"), frames(b"")])
def test_malformed_stream_is_the_servers_fault(stream: bytes, how: Dialect | None) -> None:
    with pytest.raises(ProtocolError):
        scan_copy(scanner(), stream, 2, [(1, Form.TEXT)], how)


@given(st.binary(max_size=40), st.sampled_from([TEXT, CSV, None]))
def test_any_row_is_scanned_or_a_protocol_error(line: bytes, how: Dialect | None) -> None:
    try:
        scan_copy(scanner(), frames(line), 1, [(0, Form.TEXT)], how)
    except ProtocolError:
        return
