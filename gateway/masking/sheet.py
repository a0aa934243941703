"""Cells one below the other as one text, so that the gates are passed once for many; and in which of them they matched.

Written for the compiler (setup.py): where cells begin is packed, and nothing is made of a cell but its line.
"""

from typing import Final, final

from librt.strings import BytesWriter, read_i64_le, write_i64_le
from mypy_extensions import i64

from gateway.masking import cells, documents
from gateway.masking.forms import Form
from gateway.masking.scanner import PIECE_BYTES, Places, Scanner

# Nothing that a gate looks for is shorter; shorter cells are not looked at unless they are taken apart for what they are.
CELL_BYTES_MIN: Final = 5

_TEXT: Final = Form.TEXT
_JSON: Final = Form.JSON
_JSONB_BINARY: Final = Form.JSONB_BINARY
_NESTED: Final = Form.NESTED
_BYTEA: Final = Form.BYTEA
_BYTEA_TEXT: Final = Form.BYTEA_TEXT
_NESTED_MARKS: Final = (b'":', b'"=>', b"\\x", b'""')
_LINE: Final = b"\n"

Candidate = tuple[int, Places]  # a cell's number, and the places in its view where gates matched


@final
class Sheet:
    """Some cells, numbered as they were added."""

    def __init__(self) -> None:
        self._text = BytesWriter()
        self._text.write(_LINE)
        self._begins = BytesWriter()  # of the cells in the text, Int64 each
        self.count = 0
        self._apart: list[int] = []  # cells that must be taken apart whatever the gates say
        self._long: dict[int, bytes] = {}  # the views of those that are scanned by themselves

    def full(self) -> bool:
        """Whether it is time to look at what was added."""
        return len(self._text) >= PIECE_BYTES

    def add(self, cell: bytes, form: Form) -> None:
        """A cell that is not NULL."""
        text = self._text
        write_i64_le(self._begins, len(text))
        number = self.count
        self.count = number + 1
        size = len(cell)
        view = cell
        if form is _TEXT or form is _JSON or form is _JSONB_BINARY:
            if size < CELL_BYTES_MIN:
                return
            if form is _TEXT:
                first = cell[0]
                if first == 0x5C:
                    if cell[1] == 0x78:
                        self._apart.append(number)
                elif (first == 0x7B or first == 0x5B) and documents.telling_document(cell):
                    self._apart.append(number)
            elif documents.telling_document(cell):
                self._apart.append(number)
        elif form is _BYTEA or form is _BYTEA_TEXT:
            view = cells.view(cell, form)
        elif form is _NESTED:
            for mark in _NESTED_MARKS:
                if mark in cell:
                    self._apart.append(number)
                    break
        elif size:
            self._apart.append(number)
        if len(text) + len(view) > 2 * PIECE_BYTES:
            self._long[number] = view
        else:
            text.write(view)
        text.write(_LINE)

    def candidates(self, scanner: Scanner) -> list[Candidate]:
        """The cells that something may be in, ascending."""
        found = self._matched(scanner.places(self._text.getvalue())) if self.count else []
        if not self._apart and not self._long:
            return found
        known = dict(found)
        for number, view in self._long.items():
            places = scanner.places_of_long(view)
            if places:
                known[number] = places
        for number in self._apart:
            if number not in known:
                known[number] = []
        return sorted(known.items())

    def _matched(self, places: Places) -> list[Candidate]:
        """Ascending places in the text, by the cell that each lies in."""
        found: list[Candidate] = []
        if not places:
            return found
        begins = self._begins.getvalue()
        after: i64 = 0  # where the cell of the latest place is over
        begin: i64 = 0
        number: i64 = -1
        count: i64 = self.count
        mine: Places = []
        for place, gate in places:
            end: i64 = place
            if end > after:
                low: i64 = number + 1
                high: i64 = count
                while low < high:  # the first cell that begins at the place or behind it
                    middle = (low + high) // 2
                    if read_i64_le(begins, middle * 8) < end:
                        low = middle + 1
                    else:
                        high = middle
                number = low - 1
                begin = read_i64_le(begins, number * 8)
                after = read_i64_le(begins, low * 8) if low < count else len(self._text)
                mine = []
                found.append((number, mine))
            mine.append((end - begin, gate))
        return found
