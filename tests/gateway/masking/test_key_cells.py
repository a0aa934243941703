"""Keys taken out of rows: the same canonical bytes from every door, and a ProtocolError for what is no row."""

import struct
import uuid
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.copy_cells import Dialect, written
from gateway.masking.key_cells import BLOCK, Keys
from gateway.masking.key_forms import form_of
from parser.errors import ProtocolError
from parser.messages import frame
from tests.gateway.masking.shop import data_row

TEXT_DIALECT = Dialect(False, b"\t", b"\\N", False)
CSV_DIALECT = Dialect(True, b",", b"", False)
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)


def found(keys: Keys) -> list[bytes]:
    """The canonical keys, those of 16 bytes and the long ones last."""
    short, exact = keys.short.getvalue(), keys.exact.getvalue()
    blocks = [short[at : at + BLOCK] for at in range(0, len(short), BLOCK)]
    assert all(not any(block[1 + block[0] :]) for block in blocks)
    first = [block[1 : 1 + block[0]] for block in blocks]
    return [*first, *(exact[at : at + BLOCK] for at in range(0, len(exact), BLOCK)), *keys.long]


def rows(data: bytes, *columns: tuple[int, int, str], binary: bool = False) -> list[bytes]:
    """Keys of (index, type oid, family) columns in DataRow or CopyData frames."""
    forms = [form_of(oid, binary=binary) for _, oid, _ in columns]
    keys = Keys([index for index, _, _ in columns], forms, "".join(family for _, _, family in columns))
    keys.rows(data, 0, len(data))
    return found(keys)


def lines(data: bytes, dialect: Dialect, *indexes: int) -> list[bytes]:
    keys = Keys(indexes, [0] * len(indexes), "t" * len(indexes))
    keys.lines(data, 0, len(data), dialect)
    return found(keys)


@given(st.integers(-(2**31), 2**31 - 1))
def test_integer_is_the_same_in_text_and_in_every_binary_width(number: int) -> None:
    text = rows(data_row(b"x", str(number).encode()), (1, 23, "i"))
    assert text == [str(number).encode()]
    assert rows(data_row(b"x", struct.pack(">i", number)), (1, 23, "i"), binary=True) == text
    assert rows(data_row(b"x", struct.pack(">q", number)), (1, 20, "i"), binary=True) == text
    if -(2**15) <= number < 2**15:
        assert rows(data_row(b"x", struct.pack(">h", number)), (1, 21, "i"), binary=True) == text


@given(st.uuids())
def test_uuid_is_its_sixteen_bytes_from_text_and_binary(value: uuid.UUID) -> None:
    assert rows(data_row(str(value).encode()), (0, 2950, "u")) == [value.bytes]
    assert rows(data_row(value.bytes), (0, 2950, "u"), binary=True) == [value.bytes]


def test_blanks_at_the_end_of_char_and_the_formats_of_boolean_do_not_matter() -> None:
    assert rows(data_row(b"AT  "), (0, 1042, "c")) == rows(data_row(b"AT"), (0, 1042, "c"), binary=True) == [b"AT"]
    assert rows(data_row(b"t"), (0, 16, "b")) == rows(data_row(b"\1"), (0, 16, "b"), binary=True) == [b"t"]


@given(st.lists(st.binary(max_size=20), min_size=2, max_size=2, unique=True))
def test_keys_of_two_columns_never_run_into_each_other(pair: list[bytes]) -> None:
    left, right = pair
    columns = ((0, 25, "t"), (1, 25, "t"))
    one, other = rows(data_row(left, right), *columns), rows(data_row(right, left), *columns)
    assert one != other
    assert rows(data_row(left + right, b""), *columns) != one or not right


def test_columns_of_a_key_stand_in_its_own_order_whatever_that_of_the_result() -> None:
    data = data_row(b"7", b"x", b"2026")
    one = rows(data, (2, 23, "i"), (0, 23, "i"))
    assert one == [b"\0\0042026\0\0017"]
    assert rows(data_row(b"2026", b"7"), (0, 23, "i"), (1, 23, "i")) == one


def test_null_in_any_column_is_no_key() -> None:
    assert rows(data_row(None, b"1") + data_row(b"2", None) + data_row(b"3", b"4"), (0, 23, "i")) == [b"2", b"3"]
    assert len(rows(data_row(None, b"1") + data_row(b"2", b"3"), (0, 23, "i"), (1, 23, "i"))) == 1


def test_cell_that_is_none_of_its_type_counts_as_unread() -> None:
    keys = Keys([0], [form_of(1082, binary=False)], "d")
    data = data_row(b"11/28/2026") + data_row(b"2026-11-28")
    keys.rows(data, 0, len(data))
    assert (found(keys), keys.unread) == ([b"2026-11-28"], 1)


def test_binary_copy_is_read_from_its_signature_to_its_trailer() -> None:
    first = struct.pack(">hi", 2, 1) + b"x" + struct.pack(">ii", 4, 4711)
    second = struct.pack(">hi", 2, -1) + struct.pack(">ii", 4, 4712)
    stream = frame(b"d", SIGNATURE + first) + frame(b"d", second) + frame(b"d", b"\xff\xff")
    assert rows(stream, (1, 23, "i"), binary=True) == [b"4711", b"4712"]


_CELLS = st.lists(st.one_of(st.none(), st.text("ab,\t\"\\\n\r'é", max_size=6)), min_size=3, max_size=3)


@pytest.mark.parametrize("dialect", [TEXT_DIALECT, CSV_DIALECT], ids=["text", "csv"])
@given(table=st.lists(_CELLS, max_size=4), index=st.integers(0, 2))
def test_cells_of_a_copy_are_those_of_the_rows(dialect: Dialect, table: list[list[str | None]], index: int) -> None:
    def cell(value: str | None) -> bytes:
        return dialect.null if value is None else written(value.encode(), dialect)

    stream = b"".join(frame(b"d", dialect.delimiter.join(map(cell, row)) + b"\n") for row in table)
    wanted = [row[index].encode() for row in table if row[index] is not None]  # type: ignore[union-attr]
    assert sorted(lines(stream, dialect, index)) == sorted(wanted)


def test_two_columns_of_a_copy_are_one_key() -> None:
    stream = frame(b"d", b"a\tb\\tc\td\n")
    assert lines(stream, TEXT_DIALECT, 2, 1) == [b"\0\1d\0\3b\tc"]


@pytest.mark.parametrize(
    "read",
    [
        lambda data: rows(data, (1, 23, "i")),
        lambda data: rows(data, (0, 23, "i"), (1, 23, "i"), binary=True),
        lambda data: lines(data, TEXT_DIALECT, 1),
        lambda data: lines(data, CSV_DIALECT, 1),
    ],
    ids=["rows", "binary", "text", "csv"],
)
def test_bytes_that_are_no_rows_are_a_protocol_error_and_nothing_else(read: Callable[[bytes], object]) -> None:
    whole = data_row(b"12", b"345") + frame(b"d", b'"a,b"\t1\n') + frame(b"d", SIGNATURE + b"\0\1\0\0\0\1x")
    random = Random(14)
    samples = [whole[:cut] for cut in range(len(whole))]
    samples += [bytes(random.choice(whole) for _ in range(random.randrange(60))) for _ in range(2000)]
    for at, _ in pairwise(range(len(whole))):
        samples.append(whole[:at] + bytes((random.randrange(256),)) + whole[at + 1 :])
    for sample in samples:
        try:
            read(sample)
        except ProtocolError:
            continue
