"""Sheets: cells are scanned together as they would be one by one, and none is left out that must be taken apart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.masking import sheet
from gateway.masking.forms import Form
from gateway.masking.scanner import PIECE_BYTES, scanner
from gateway.masking.sheet import Candidate, Sheet

MAIL = b"jane@example.com"


def candidates(cells: list[bytes], form: Form) -> list[Candidate]:
    page = Sheet()
    for cell in cells:
        page.add(cell, form)
    return page.candidates(scanner())


pieces = st.sampled_from([MAIL, b"10.20.30.40", b"tel. 030 1234567", b"\n", b"", b"a", b"words and", b"Dear Jane Smith"])
texts = st.lists(st.lists(pieces, max_size=4).map(b" ".join), max_size=8)


@settings(max_examples=60)
@given(texts)
def test_in_cells_together_is_found_what_is_in_each_alone(cells: list[bytes]) -> None:
    together = [(i, scanner().spans(cells[i], places)) for i, places in candidates(cells, Form.TEXT)]
    alone = [(i, scanner().find(cell)) for i, cell in enumerate(cells)]
    assert [one for one in together if one[1]] == [one for one in alone if one[1]]


@given(st.text("a@.:/0123456789+( \nüDrMs=-", max_size=sheet.CELL_BYTES_MIN - 1))
def test_nothing_is_found_in_cells_that_are_too_short(text: str) -> None:
    cell = text.encode()[: sheet.CELL_BYTES_MIN - 1]
    assert scanner().find(cell) == []


@pytest.mark.parametrize(
    ("form", "cell", "apart"),
    [
        (Form.TEXT, b'{"email": 1}', True),
        (Form.TEXT, b'["a", {"email" : 1}]', True),
        (Form.TEXT, b'{"colour": 1}', False),
        (Form.TEXT, b'of {"email": 1}', False),
        (Form.TEXT, b"\\x6a616e65", True),
        (Form.JSON, b'{"email": 1}', True),
        (Form.JSONB_BINARY, b'\1{"email": 1}', True),
        (Form.NESTED, b'"email"=>"1"', True),
        (Form.NESTED, b"{a,b}", False),
        (Form.NESTED_BINARY, b"\0", True),
        (Form.XML, b"<a", True),
        (Form.XML, b"", False),
        (Form.BYTEA, b'{"email": 1}', False),
    ],
)
def test_cells_that_gates_do_not_judge_are_taken_apart(form: Form, cell: bytes, apart: bool) -> None:
    assert candidates([b"", cell], form) == ([(1, [])] if apart else [])


def test_cell_longer_than_all_the_rest_is_scanned_by_itself() -> None:
    long = b"words " * (PIECE_BYTES // 2) + MAIL
    found = candidates([MAIL, long, b"words", MAIL], Form.TEXT)
    assert [(number, len(places)) for number, places in found] == [(0, 1), (1, 1), (3, 1)]
    assert scanner().spans(long, found[1][1]) == [(len(long) - len(MAIL), len(long), "email")]


def test_sheet_is_full_when_it_holds_a_piece() -> None:
    page = Sheet()
    assert not page.full()
    page.add(b"a" * PIECE_BYTES, Form.TEXT)
    assert page.full()
    assert (page.count, page.candidates(scanner())) == (1, [])
