"""Cells joined to one text: each place where a gate matched is found in the cell, and at the offset, where it is alone."""

import random

from gateway.masking.forms import Form
from gateway.masking.scanner import PIECE_BYTES, scanner
from gateway.masking.sheet import CELL_BYTES_MIN, Candidate, Sheet

MAIL = b"jane@example.com"


def candidates(*cells: tuple[bytes, Form]) -> list[Candidate]:
    sheet = Sheet()
    for cell, form in cells:
        sheet.add(cell, form)
    assert sheet.count == len(cells)
    return sheet.candidates(scanner())


def test_cells_are_judged_together_as_each_alone() -> None:
    draw = random.Random(7)
    pieces = [MAIL, b"lamp", b"", b"a", b"4111 1111 1111 1111", b"words without anything", b"10.20.30.40", b"\xff\n\xfe"]
    cells = [b" ".join(draw.choices(pieces, k=draw.randint(0, 3))) for _ in range(400)]
    alone = [(at, candidates((cell, Form.TEXT))) for at, cell in enumerate(cells)]
    expected = [(at, sorted(found[0][1])) for at, found in alone if found]
    together = candidates(*((cell, Form.TEXT) for cell in cells))
    assert [(at, sorted(places)) for at, places in together] == expected
    assert len(expected) > 100


def test_cells_too_short_for_anything_have_their_number_and_nothing_else() -> None:
    short = b"a@b.c"[: CELL_BYTES_MIN - 1]
    assert [at for at, _ in candidates((short, Form.TEXT), (b"", Form.TEXT), (MAIL, Form.TEXT))] == [2]


def test_documents_and_nested_values_are_taken_apart_whatever_the_gates_say() -> None:
    found = candidates(
        (b'{"first_name": "Jo"}', Form.JSON),
        (b'{"colour": "blue"}', Form.JSON),
        (b'{"first_name": "Jo"}', Form.TEXT),
        (b'a "quoted"" b', Form.NESTED),
        (b"<a>Jo</a>", Form.XML),
        (b"", Form.XML),
        (b"plain", Form.NESTED),
    )
    assert [at for at, _ in found] == [0, 2, 3, 4]


def test_long_cell_is_looked_at_by_itself_and_in_its_place() -> None:
    long = b"word " * (PIECE_BYTES // 2) + MAIL
    found = candidates((MAIL, Form.TEXT), (long, Form.TEXT), (b"x " + MAIL, Form.TEXT))
    assert [at for at, _ in found] == [0, 1, 2]
    assert max(end for end, _ in found[1][1]) > len(long) - len(MAIL)
    assert max(end for end, _ in found[2][1]) <= len(MAIL) + 2


def test_sheet_is_full_after_a_piece() -> None:
    sheet = Sheet()
    while not sheet.full():
        sheet.add(b"words " * 100, Form.TEXT)
    assert PIECE_BYTES // 600 <= sheet.count <= PIECE_BYTES // 600 + 1


def test_empty_sheet_has_no_candidates() -> None:
    assert Sheet().candidates(scanner()) == []
