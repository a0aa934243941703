"""What is taken for a mask that comes back, and what is not."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.tokens import mint
from gateway.masking.written_back import CopyWatch, Masks, _in_one_pass, masks_of, refusal, suspicious, writes
from gateway.policy.rules import Mask
from tests.gateway.masking.shop import catalog, facts, rights

TOKEN = mint(b"k" * 32, "ssn").token(b"123-45-6789")
HIDDEN, EVERYTHING = Masks(False, 4), Masks(True, 4)
MASKED = [TOKEN, TOKEN.upper(), b"contact: " + TOKEN + b".", b"[redacted]", b'{"a": "[redacted]"}', b"<redacted/>"]
WHOLE = [b"****", b"****1234", b"****12*4"]
CLEAR = [b"****12345", b"x****1234", b"***", b"tok_visa", b"redacted", b"", b"rating: ****"]


@pytest.mark.parametrize("value", MASKED + WHOLE)
def test_masks_are_known_by_their_form(value: bytes) -> None:
    assert suspicious(b"select '" + value + b"'")
    assert HIDDEN.in_value(value)
    assert HIDDEN.in_text(b"select '" + value + b"'")
    assert EVERYTHING.in_value(value) is (b"tok" in value.lower())


PIECES = st.sampled_from(
    (*MASKED, *WHOLE, *CLEAR, b"tok", b"_", b"TOK_", b"Tok_", b"*", b"**", b"[", b"<", b"redacted", b"'", b"\0", b"\xff")
)


@given(st.lists(PIECES, max_size=6).map(b"".join))
def test_each_way_of_looking_finds_the_same(data: bytes) -> None:
    small, long = data[:500], data + b" " * 600  # the second is too long to be looked through byte by byte
    bracket = min((at for at in (small.find(b"["), small.find(b"<")) if at >= 0), default=len(small))
    named = small.find(b"redacted", bracket) >= 0
    assert _in_one_pass(small) is (b"tok_" in small or b"TOK_" in small or b"****" in small or named)
    assert suspicious(long) or not _in_one_pass(data)


@pytest.mark.parametrize("value", CLEAR)
def test_what_only_looks_a_little_like_a_mask_is_none(value: bytes) -> None:
    assert not HIDDEN.in_value(value)


def test_stars_are_masks_where_the_policy_makes_them() -> None:
    partial = masks_of(False, (Mask(labels=("card",), method="partial", keep_last=6),))
    assert partial.in_value(b"****123456")
    none = masks_of(False, (Mask(labels=("card",), method="hash"),))
    assert not none.in_value(b"****1234")
    assert not none.in_text(b"select '****1234'")
    assert none.in_value(b"[redacted]")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 'x'", False), ("explain select 1", False), ("set application_name = 'x'", False),
        ("insert into orders values (1)", True), ("update orders set item = 'x' where id = 1", True),
        ("create table t as select 1", True), ("select peek()", True),
        ("comment on table orders is 'x'", True), ("select lower('x')", False), ("nonsense", True),
    ],
)  # fmt: skip
def test_statement_that_may_store_what_it_is_given_writes(sql: str, expected: bool) -> None:
    assert writes(facts(sql), rights(), catalog()) is expected


def test_refusal_says_where_and_how_to_mend_the_statement() -> None:
    refused = refusal("parameter 2")
    assert "parameter 2" in refused.message
    assert refused.rule in refused.message
    assert "real value" in refused.hint


ROWS = b"1\tann\n2\tbo\n"


def watched(data: bytes, size: int, masks: Masks = HIDDEN) -> CopyWatch:
    watch = CopyWatch(masks)
    for at in range(0, len(data), size):
        watch.take(data[at : at + size])
    watch.close()
    return watch


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("value", MASKED + WHOLE)
@pytest.mark.parametrize("form", ["3\t%b\n", '3,"%b"\n', "%b\t3\n"])
def test_copy_data_with_a_mask_is_seen_however_it_is_cut(value: bytes, form: str, size: int) -> None:
    watch = watched(ROWS + form.encode() % value + ROWS, size)
    assert watch.found
    assert watch.where() == "COPY line 3"


@pytest.mark.parametrize("size", [1, 1000])
def test_first_and_last_cells_of_copy_data_are_cells_too(size: int) -> None:
    assert watched(b"****1234\tx\n", size).found
    assert watched(b"x\t****1234", size).found


@pytest.mark.parametrize("value", CLEAR)
def test_clear_copy_data_passes(value: bytes) -> None:
    for size in (1, 7, 1000):
        assert not watched(ROWS + b"3\t" + value + b"\n" + ROWS, size).found


def test_constants_are_data_to_those_who_see_everything() -> None:
    assert not watched(b"1\t[redacted]\n2\t****1234\n", 5, EVERYTHING).found
    assert watched(b"1\t" + TOKEN + b"\n", 5, EVERYTHING).found


def test_stars_are_seen_in_binary_behind_their_length() -> None:
    def row(cell: bytes) -> bytes:
        return b"\0\2" + struct.pack(">i", 1) + b"1" + struct.pack(">i", len(cell)) + cell

    assert watched(row(b"****1234") + b"\xff\xff", 4).found
    assert watched(row(b"****") + b"\xff\xff", 4).found
    assert not watched(row(b"****1234x") + b"\xff\xff", 4).found


@given(st.lists(st.integers(1, 40000), min_size=1, max_size=6), st.integers(0, 90_000))
def test_mask_is_found_across_every_cut_of_long_data(sizes: list[int], at: int) -> None:
    line = b"some text of a row that is clear\n"
    data = (line * (90_000 // len(line)))[:at] + b"\t" + TOKEN + b"\n" + line * 500
    watch = CopyWatch(HIDDEN)
    begin = turn = 0
    while begin < len(data):
        size = sizes[turn % len(sizes)] + 500
        watch.take(data[begin : begin + size])
        begin, turn = begin + size, turn + 1
    assert watch.close()
    assert watch.lines == data[: data.index(TOKEN)].count(b"\n") + 1
