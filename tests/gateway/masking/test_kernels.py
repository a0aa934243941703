"""Masking rows: the bulk path and the row-by-row path give the same bytes, and both give what a plain decoder expects."""

import struct
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.masking import kernels, rows
from gateway.masking.masks import REDACTED, CellMask, How
from parser.errors import ProtocolError
from parser.messages import data_row

Row = Sequence[bytes | None]

REDACT = CellMask(How.FIXED, REDACTED)
CONSTANT = CellMask(How.FIXED, REDACTED, nulls=False)
NULL = CellMask(How.FIXED, None)
PARTIAL = CellMask(How.PARTIAL, keep=4)
HASH = CellMask(How.HASH, label="email", key=b"0123456789abcdef")
MASKS = [REDACT, CONSTANT, NULL, CellMask(How.FIXED, b""), PARTIAL, CellMask(How.PARTIAL, keep=0), HASH]


def frame(row: Row) -> bytes:
    body = struct.pack(">H", len(row))
    for cell in row:
        body += struct.pack(">i", -1) if cell is None else struct.pack(">i", len(cell)) + cell
    return b"D" + struct.pack(">I", len(body) + 4) + body


def decode(frames: bytes) -> list[list[bytes | None]]:
    found, at = [], 0
    while at < len(frames):
        (length,) = struct.unpack_from(">I", frames, at + 1)
        assert frames[at : at + 1] == b"D"
        found.append(data_row(frames[at + 5 : at + 1 + length]))
        at += 1 + length
    return found


def expected(table: Sequence[Row], masks: Sequence[tuple[int, CellMask]]) -> list[list[bytes | None]]:
    chosen = dict(masks)
    return [[chosen[i].cell(cell) if i in chosen else cell for i, cell in enumerate(row)] for row in table]


# Cells that look like the heads of frames, so that a walk by candidates has something to stumble on.
cells = st.one_of(
    st.none(),
    st.just(b""),
    st.binary(max_size=30),
    st.sampled_from(
        [b"D", b"D\0\0\0\x0b\0\1", b"D\0\0\0\x0a\0\2xxxxxxx", b"\xff\xff\xff\xff", b"4111-1111-1111-1234"]
    ),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, list[Row], list[tuple[int, CellMask]]]:
    columns = draw(st.integers(1, 6))
    table = draw(st.lists(st.lists(cells, min_size=columns, max_size=columns), max_size=20))
    masked = draw(st.sets(st.integers(0, columns - 1), min_size=1))
    return columns, table, [(index, draw(st.sampled_from(MASKS))) for index in sorted(masked)]


def test_tokens_of_any_length_are_put_in_both_ways() -> None:
    table = [[b"x" * (n % 7), None if n % 5 == 0 else b"value" * (n % 24), b"tail"] for n in range(300)]
    frames = b"".join(map(frame, table))
    masks = [(1, HASH), (2, HASH)]
    assert kernels.bulk(frames, 3, masks) == rows.mask(frames, 3, masks)
    assert decode(kernels.bulk(frames, 3, masks)) == expected(table, masks)


@given(tables())
def test_both_ways_give_the_same_bytes_and_what_a_decoder_expects(
    case: tuple[int, list[Row], list[tuple[int, CellMask]]],
) -> None:
    columns, table, masks = case
    frames = b"".join(map(frame, table))
    bulk = kernels.bulk(frames, columns, masks)
    assert bulk == rows.mask(frames, columns, masks)
    assert decode(bulk) == expected(table, masks)


@pytest.mark.parametrize("columns", [1, 2, 17, 500])
@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: mask.name)
def test_thousands_of_rows_of_any_width_are_masked_alike(columns: int, mask: CellMask) -> None:
    chance = np.random.default_rng(columns)
    table: list[Row] = [
        [None if cell < 3 else b"x@y.z D\0\0\0"[: cell % 11] for cell in chance.integers(0, 30, columns)]
        for _ in range(9_000 // columns)
    ]
    masks = [(index, mask) for index in sorted({0, columns // 2, columns - 1})]
    frames = b"".join(map(frame, table))
    out = kernels.mask(frames, columns, masks)
    assert out == rows.mask(frames, columns, masks) == kernels.bulk(frames, columns, masks)
    assert decode(out) == expected(table, masks)


@pytest.fixture(params=["compiled", "interpreted"])
def installed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both choices of the way, on whichever build the tests run."""
    monkeypatch.setattr(kernels, "NATIVE", request.param == "compiled")
    return str(request.param)


def test_the_faster_way_is_taken_by_build_rows_and_width(installed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    bulk = kernels.bulk
    monkeypatch.setattr(kernels, "bulk", lambda *given: taken.append("bulk") or bulk(*given))  # type: ignore[func-returns-value]
    kernels.mask(frame([b"a", b"b"]) * 10, 2, [(0, REDACT)])
    assert taken == []
    kernels.mask(frame([b"a" * 5000, b"b"]) * 200, 2, [(0, REDACT)])
    assert taken == []
    kernels.mask(frame([b"a", b"b"]) * 200, 2, [(0, REDACT)])
    assert taken == (["bulk"] if installed == "interpreted" else [])


def test_no_rows_and_no_columns_are_no_trouble() -> None:
    assert kernels.mask(b"", 3, [(1, REDACT)]) == b""
    assert kernels.bulk(b"", 3, [(1, REDACT)]) == b""
    empty = frame([]) * 500
    assert kernels.mask(empty, 0, []) == empty


GOOD = frame([b"abc", b"defg"])
BAD = {
    "cut short": GOOD[:-1],
    "another type": b"C" + GOOD[1:],
    "too few cells": frame([b"abc"]),
    "too many cells": frame([b"abc", b"d", b"e"]),
    "negative length": GOOD[:7] + struct.pack(">i", -2) + GOOD[11:],
    "cell past the row": GOOD[:7] + struct.pack(">i", 99) + GOOD[11:],
    "last cell too short": GOOD[:14] + struct.pack(">i", 2) + GOOD[18:],
    "frame shorter than its head": b"D\0\0\0\5" + GOOD[5:],
    "a stray byte": b"D",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("before", [0, 3000])
def test_malformed_rows_are_protocol_errors_in_both_ways(
    bad: bytes, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = GOOD * before + bad
    with pytest.raises(ProtocolError):
        rows.mask(frames, 2, [(0, REDACT), (1, REDACT)])
    with pytest.raises(ProtocolError):
        kernels.bulk(frames, 2, [(0, REDACT), (1, REDACT)])
    for native in (True, False):
        monkeypatch.setattr(kernels, "NATIVE", native)
        with pytest.raises(ProtocolError):
            kernels.mask(frames, 2, [(0, REDACT), (1, REDACT)])


@given(st.binary(max_size=60), st.integers(0, 3))
def test_any_bytes_are_masked_alike_or_refused_alike(noise: bytes, good: int) -> None:
    outcomes = []
    for way in (rows.mask, kernels.bulk):
        try:
            outcomes.append(way(GOOD * good + noise, 2, [(0, REDACT)]))
        except ProtocolError:
            outcomes.append(b"refused")
    assert outcomes[0] == outcomes[1]


def slow_end(buffer: bytes, start: int) -> int:
    at = start
    while len(buffer) - at >= 5 and buffer[at] == 0x44:
        end = at + 1 + struct.unpack_from(">I", buffer, at + 1)[0]
        if end > len(buffer):
            break
        at = end
    return at


@settings(max_examples=60)
@given(
    st.lists(st.lists(cells, min_size=2, max_size=3), max_size=8),
    st.integers(0, 40),
    st.binary(max_size=9),
    st.integers(0, 2000),
)
def test_end_of_a_run_of_rows_is_found_wherever_it_is_cut(
    table: list[Row], cut: int, tail: bytes, repeat: int
) -> None:
    block = b"".join(map(frame, table))
    buffer = b"Z\0\0\0\5I" + block * min(repeat, 1 + 40_000 // max(1, len(block))) + block
    buffer = buffer[: max(6, len(buffer) - cut)] + b"C\0\0\0" + tail
    for native in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "NATIVE", native)
            assert kernels.data_rows_end(buffer, 6) == slow_end(buffer, 6)


def test_end_of_a_run_stops_at_another_message_and_at_a_half_row(installed: str) -> None:
    run = GOOD * 3000
    other = b"C\0\0\0\x0bSELECT\0"
    assert kernels.data_rows_end(run + other + run, 0) == len(run)
    assert kernels.data_rows_end(run + GOOD[:-1], 0) == len(run)
    assert kernels.data_rows_end(other + run, len(other)) == len(other) + len(run)
    assert kernels.data_rows_end(other, 0) == 0
    assert kernels.data_rows_end(b"", 0) == 0
    with pytest.raises(ProtocolError):
        kernels.data_rows_end(run + b"D\0\0\0\5\0\0", 0)
