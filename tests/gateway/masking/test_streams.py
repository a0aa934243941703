"""COPY text and csv: what a reader of the format finds is the masked table, whatever the cells hold."""

import csv
import io
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking import copy_cells, streams
from gateway.masking.copy_cells import Dialect
from gateway.masking.masks import REDACTED, CellMask, How
from gateway.masking.streams import Place
from parser.errors import ProtocolError
from parser.messages import frame

TEXT = Dialect(False, b"\t", b"\\N", False)
CSV = Dialect(True, b",", b"", False)
MASKS = [
    CellMask(How.FIXED, REDACTED),
    CellMask(How.FIXED, REDACTED, nulls=False),
    CellMask(How.FIXED, None),
    CellMask(How.FIXED, b'a,b"c\td\\e|\n\r\x08'),
    CellMask(How.PARTIAL, keep=3),
    CellMask(How.HASH, label="email", key=b"0123456789abcdef"),
]

dialects = st.builds(
    Dialect,
    st.booleans(),
    st.sampled_from([b"\t", b",", b";", b"|", b":"]),
    st.sampled_from([b"\\N", b"", b"NULL", b"null"]),
    st.booleans(),
)
values = st.one_of(
    st.none(),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8).map(str.encode),
    st.text('\\"\t,;|:\n\r\x08\x0c\x0bNab', max_size=8).map(str.encode),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Dialect, int, list[list[bytes | None]], tuple[Place, ...]]:
    dialect = draw(dialects)
    columns = draw(st.integers(1, 5))
    table = draw(st.lists(st.lists(values, min_size=columns, max_size=columns), max_size=8))
    masked = sorted(draw(st.sets(st.integers(0, columns - 1), min_size=1)))
    return dialect, columns, table, tuple(Place(index, draw(st.sampled_from(MASKS)), None) for index in masked)


def server_text(value: bytes | None, dialect: Dialect) -> bytes:
    """A cell as copyto.c writes it in the text format (CopyAttributeOutText)."""
    if value is None:
        return dialect.null
    letters = {8: b"\\b", 12: b"\\f", 10: b"\\n", 13: b"\\r", 9: b"\\t", 11: b"\\v", 92: b"\\\\"}
    plain = {dialect.delimiter[0]: b"\\" + dialect.delimiter} | letters
    return b"".join(plain.get(byte, bytes([byte])) for byte in value)


def server_csv(value: bytes | None, dialect: Dialect) -> bytes:
    """A cell as copyto.c writes it in csv (CopyAttributeOutCSV)."""
    if value is None:
        return dialect.null
    if value == dialect.null or any(letter in value for letter in (dialect.delimiter, b'"', b"\n", b"\r")):
        return b'"' + value.replace(b'"', b'""') + b'"'
    return value


def lines(table: Sequence[Sequence[bytes | None]], dialect: Dialect) -> bytes:
    cell = server_csv if dialect.csv else server_text
    rows = (dialect.delimiter.join(cell(value, dialect) for value in row) + b"\n" for row in table)
    return b"".join(frame(b"d", row) for row in rows)


def said(value: bytes | None, dialect: Dialect) -> bytes | None:
    """What a reader takes the server's cell for: text has no way to tell a value that is spelled as NULL."""
    return None if not dialect.csv and server_text(value, dialect) == dialect.null else value


@given(tables())
def test_stream_is_as_the_server_would_have_written_the_masked_table(
    case: tuple[Dialect, int, list[list[bytes | None]], tuple[Place, ...]],
) -> None:
    dialect, columns, table, places = case
    chosen = {place.index: place.mask for place in places}
    expected = [
        [chosen[i].cell(said(value, dialect)) if i in chosen else value for i, value in enumerate(row)] for row in table
    ]
    assert streams.mask(lines(table, dialect), columns, places, dialect) == lines(expected, dialect)


@given(values.filter(lambda value: value is not None), dialects)
def test_what_is_written_is_what_the_server_writes_and_is_read_again(value: bytes, dialect: Dialect) -> None:
    cell = copy_cells.written(value, dialect)
    assert cell == (server_csv if dialect.csv else server_text)(value, dialect)
    assert copy_cells.plain(cell, dialect) == value


def test_csv_is_read_alike_by_the_standard_library() -> None:
    table = [[b"1", b'a "quoted", \n cell', b"x"], [b"2", b"b", b'","']]
    out = streams.mask(lines(table, CSV), 3, (Place(1, MASKS[3], None),), CSV)
    text = b"".join(out[at + 5 : at + 1 + size] for at, size in spans(out)).decode()
    assert [row[0::2] for row in csv.reader(io.StringIO(text, newline=""))] == [["1", "x"], ["2", '","']]


def spans(frames: bytes) -> list[tuple[int, int]]:
    found, at = [], 0
    while at < len(frames):
        (size,) = struct.unpack_from(">I", frames, at + 1)
        found.append((at, size))
        at += 1 + size
    return found


@given(st.binary(max_size=40), st.integers(0, 2), st.sampled_from([TEXT, CSV]))
def test_noise_never_lets_a_first_cell_through(noise: bytes, good: int, dialect: Dialect) -> None:
    """Whatever a message holds, either it is refused or its first cell and nothing else was replaced."""
    row = lines([[b"first", b"second"]], dialect)
    try:
        out = streams.mask(row * good + frame(b"d", noise), 2, (Place(0, MASKS[1], None),), dialect)
    except ProtocolError:
        return
    kept = noise[-(len(spans(out)) and spans(out)[-1][1] - 4 - len(REDACTED)) :]
    assert out.count(b"first") == noise.count(b"first")
    assert out.endswith(REDACTED + kept)
    assert kept.startswith(dialect.delimiter)


@pytest.mark.parametrize("dialect", [TEXT, CSV], ids=["text", "csv"])
@pytest.mark.parametrize("cut", range(1, 12))
def test_stream_cut_anywhere_is_a_protocol_error(dialect: Dialect, cut: int) -> None:
    whole = lines([[b"abc", b"de"]], dialect)
    with pytest.raises(ProtocolError):
        streams.mask(whole[:-cut], 2, (Place(1, MASKS[0], None),), dialect)
