"""What personal data stands in a text: one pass of the gates over the whole buffer, then an exact look at the places they name.

All gates are one hyperscan database; only end offsets are asked of it (start offsets cost a factor of ten).
"""

from functools import cache

import hyperscan

from gateway.masking import numbers
from gateway.masking.folding import Folded
from gateway.masking.gates import ESCAPED_GATE, GATES, NUMBER_GATE, TOLD_GATE
from gateway.masking.numbers import Span

PIECE_BYTES = 262144  # so much is scanned at once, so that the places found in it stay few
PIECE_OVERLAP_BYTES = 1024  # longer than what any gate matches
SPANS_MAX = 4096  # a text with more is personal as a whole

Places = list[tuple[int, int]]  # where a gate's match ended, and which gate it was

_NUMBERS, _ESCAPED = len(GATES), len(GATES) + 1  # the gates that are looked at together


class Scanner:
    """Finds personal data in texts. Holds compiled expressions and scratch memory: one a process is enough, not for threads."""

    def __init__(self) -> None:
        expressions: list[bytes] = []
        self._flags: list[int] = []
        self._gate: list[int] = []
        for index, gate in enumerate(GATES):
            self._add(expressions, gate.expressions, index, gate.any_case)
        self._add(expressions, NUMBER_GATE, _NUMBERS, False)
        self._add(expressions, TOLD_GATE, _NUMBERS, True)
        self._add(expressions, ESCAPED_GATE, _ESCAPED, True)
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(expressions=expressions, ids=list(range(len(expressions))), flags=self._flags)

    def _add(self, to: list[bytes], expressions: tuple[bytes, ...], gate: int, any_case: bool) -> None:
        to.extend(expressions)
        self._gate.extend([gate] * len(expressions))
        self._flags.extend([hyperscan.HS_FLAG_CASELESS if any_case else 0] * len(expressions))

    def places(self, buffer: bytes) -> Places:
        """Where gates matched, ascending. `buffer` begins and ends with a line break; cells in it are parted by line breaks."""
        found: Places = []
        gate = self._gate

        def note(expression: int, _begin: int, end: int, _flags: int, _context: object) -> None:
            found.append((end, gate[expression]))

        self._database.scan(buffer, match_event_handler=note)
        found.sort()
        return found

    def find(self, text: bytes) -> list[Span]:
        """(begin, end, label) of the personal data in a text of any bytes; ascending, apart from one another, not empty."""
        if len(text) <= PIECE_BYTES:
            return self.spans(text, [(end - 1, gate) for end, gate in self.places(b"\n" + text + b"\n")])
        spans: list[Span] = []
        for at in range(0, len(text), PIECE_BYTES):
            begin = max(0, at - PIECE_OVERLAP_BYTES)
            piece = text[begin : at + PIECE_BYTES + PIECE_OVERLAP_BYTES]
            spans += ((a + begin, b + begin, label) for a, b, label in self.find_piece(piece))
            if len(spans) > SPANS_MAX:
                break
        return _apart(spans, len(text))

    def find_piece(self, piece: bytes) -> list[Span]:
        """As `find`, in one scan."""
        return self.spans(piece, [(end - 1, gate) for end, gate in self.places(b"\n" + piece + b"\n")])

    def spans(self, text: bytes, places: Places) -> list[Span]:
        """As `find`, where the gates have been passed already: `places` are theirs, relative to the text."""
        found: list[Span] = []
        done = 0
        escaped = False
        for end, gate in places:
            if gate < _NUMBERS:
                found += GATES[gate].look(text, end)
            elif gate == _ESCAPED:
                escaped = True
            elif end - 1 > done or not done:
                start, done = numbers.run_around(text, done, min(end - 1, len(text)))
                found += numbers.personal(text, start, done)
            if len(found) > 4 * SPANS_MAX:
                return [(0, len(text), found[0][2])]
        if escaped:
            found += self._folded(text)
        return _apart(found, len(text))

    def _folded(self, text: bytes) -> list[Span]:
        folded = Folded(text)
        places = self.places(b"\n" + folded.plain + b"\n")
        spans = self.spans(folded.plain, [(end - 1, gate) for end, gate in places if gate != _ESCAPED])
        return [(*folded.back(begin, end), label) for begin, end, label in spans]


@cache
def scanner() -> Scanner:
    """The process's scanner; made when first asked for."""
    return Scanner()


def _apart(spans: list[Span], size: int) -> list[Span]:
    """The spans ascending, those that overlap made one under the longest one's label."""
    if len(spans) > SPANS_MAX:
        return [(0, size, spans[0][2])]
    if len(spans) < 2:
        return spans
    spans.sort(key=lambda span: (span[0], -span[1]))
    found = [spans[0]]
    longest = spans[0][1] - spans[0][0]
    for begin, end, label in spans[1:]:
        first, last, kept = found[-1]
        if begin >= last:
            found.append((begin, end, label))
            longest = end - begin
            continue
        if end - begin > longest:
            longest, kept = end - begin, label
        found[-1] = (first, max(last, end), kept)
    return found
