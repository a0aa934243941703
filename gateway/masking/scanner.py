"""What personal data stands in a text: one pass of the gates over the whole buffer, then an exact look at the places
they name.

All gates are one hyperscan database; only end offsets are asked of it (start offsets cost a factor of ten).
"""

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate

import hyperscan

from gateway.masking import numbers
from gateway.masking.folding import Folded
from gateway.masking.gates import DIGITS_REACH, ESCAPED, GATES, MANY_DIGITS, Group
from gateway.masking.numbers import Span

PIECE_BYTES = 262144  # so much is scanned at once, so that the places found in it stay few
PIECE_OVERLAP_BYTES = 1024  # longer than what any gate matches
SPANS_MAX = 4096  # a text with more is personal as a whole,
PLACES_MAX = 16384  # and so is one with more places than this

Places = list[tuple[int, int]]  # where a gate's match ended, and which gate it was

_BEFORE, _AHEAD = DIGITS_REACH
_ESCAPED = GATES.index(ESCAPED)


class _Database:
    """The compiled gates of one group."""

    def __init__(self, group: Group) -> None:
        gates = [(index, gate) for index, gate in enumerate(GATES) if gate.group is group]
        self._gate = [index for index, gate in gates for _ in gate.expressions]
        expressions = [expression for _, gate in gates for expression in gate.expressions]
        self._compiled = _compiled(
            expressions,
            [
                hyperscan.HS_FLAG_CASELESS if gate.any_case else 0
                for _, gate in gates
                for _ in gate.expressions
            ],
        )

    def scan(self, buffer: bytes, found: Places) -> None:
        gate = self._gate

        def note(expression: int, _begin: int, end: int, _flags: int, _context: object) -> None:
            found.append((end, gate[expression]))

        self._compiled.scan(buffer, match_event_handler=note)


def _compiled(expressions: list[bytes], flags: list[int]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=expressions, ids=list(range(len(expressions))), flags=flags)
    return database


class Scanner:
    """Finds personal data in texts, but for what is `shown`. Holds compiled expressions and scratch memory, which the
    scanners of a process share; not for threads."""

    def __init__(self, shown: frozenset[str] = frozenset(), like: "Scanner | None" = None) -> None:
        self.shown = shown
        if like is None:
            self._always = _Database(Group.ALWAYS)
            self._digits = [_Database(group) for group in Group if Group.DIGITS <= group < Group.TOLD]
            self._told = _Database(Group.TOLD)
            self._many_digits = _compiled(list(MANY_DIGITS), [hyperscan.HS_FLAG_CASELESS] * len(MANY_DIGITS))
            self._telling = _compiled([numbers.TELLING_WORDS], [hyperscan.HS_FLAG_CASELESS])
        else:
            self._always, self._digits, self._told = like._always, like._digits, like._told
            self._many_digits, self._telling = like._many_digits, like._telling

    def places(self, buffer: bytes) -> Places:
        """Where gates matched, ascending. `buffer` begins and ends with a line break; cells in it are parted by line
        breaks."""
        found: Places = []
        self._always.scan(buffer, found)
        stretches = self._with_digits(buffer)
        if stretches:
            self._digit_places(buffer, stretches, found)
        found.sort()
        return found

    def _with_digits(self, buffer: bytes) -> list[tuple[int, int]]:
        """Begin and end of what lies around many digits, each within a line: all other gates of numbers match in
        these stretches alone."""
        stretches: list[tuple[int, int]] = []
        reached = 0

        def note(_expression: int, _begin: int, end: int, _flags: int, _context: object) -> None:
            nonlocal reached
            if end + _AHEAD <= reached:
                return
            begin = max(buffer.rfind(b"\n", 0, end - 1) + 1, end - _BEFORE)
            reached = end + 2 * _AHEAD  # more than needed, so that the next match may be there already
            stop = buffer.find(b"\n", end - 1, reached)
            if stop >= 0:
                reached = stop + _AHEAD + 1
            else:
                stop = min(reached, len(buffer) - 1)
            if stretches and begin <= stretches[-1][1]:
                begin = stretches.pop()[0]
            stretches.append((begin, stop))

        self._many_digits.scan(buffer, match_event_handler=note)
        return stretches

    def _digit_places(self, buffer: bytes, stretches: list[tuple[int, int]], found: Places) -> None:
        """Adds the places of the gates of numbers in these stretches."""
        if 4 * sum(end - begin for begin, end in stretches) > 3 * len(buffer):
            self._numbers(buffer, found)
            return
        inside: Places = []
        self._numbers(b"\n" + b"\n".join([buffer[begin:end] for begin, end in stretches]) + b"\n", inside)
        if inside:
            begins = list(accumulate((end - begin + 1 for begin, end in stretches), initial=1))
            for end, gate in inside:
                at = bisect_right(begins, end - 1) - 1
                found.append((end - begins[at] + stretches[at][0], gate))

    def _numbers(self, buffer: bytes, found: Places) -> None:
        """Adds the places of the gates of numbers: of numbers that only words before them tell, those behind such words."""
        for database in self._digits:
            database.scan(buffer, found)
        words: list[int] = []

        def note(_expression: int, _begin: int, end: int, _flags: int, _context: object) -> None:
            words.append(end)

        self._telling.scan(buffer, match_event_handler=note)
        if not words:
            return
        told: Places = []
        self._told.scan(buffer, told)
        for end, gate in told:
            before = bisect_right(words, end)
            if before and words[before - 1] >= end - numbers.TELLING_BYTES:
                found.append((end, gate))

    def places_of_long(self, text: bytes) -> Places:
        """As `places`, for one text of any length, in pieces; relative to the text. No more of them than a look will use."""
        found: Places = []
        for at in range(0, len(text), PIECE_BYTES):
            begin = max(0, at - PIECE_OVERLAP_BYTES)
            piece = b"\n" + text[begin : at + PIECE_BYTES] + b"\n"
            found += ((end - 1 + begin, gate) for end, gate in self.places(piece))
            if len(found) > PLACES_MAX:
                break
        return found

    def find(self, text: bytes) -> list[Span]:
        """(begin, end, label) of the personal data in a text of any bytes; ascending, apart from one another, not empty."""
        if len(text) > PIECE_BYTES:
            return self.spans(text, self.places_of_long(text))
        return self.spans(text, [(end - 1, gate) for end, gate in self.places(b"\n" + text + b"\n")])

    def spans(self, text: bytes, places: Places) -> list[Span]:
        """As `find`, where the gates have been passed already: `places` are theirs, relative to the text."""
        if len(places) > PLACES_MAX:
            return [(0, len(text), "derived")]
        found: list[Span] = []
        runs: list[int] = []
        reached: dict[int, int] = {}
        escaped = False
        for end, gate in places:
            look = GATES[gate].look
            if look is not None:
                if end > reached.get(gate, 0):  # else it lies in what this gate has led to already
                    count = len(found)
                    found += look(text, end)
                    if len(found) > count:
                        reached[gate] = found[-1][1]
            elif gate == _ESCAPED:
                escaped = True
            else:
                runs.append(end - 1)
            if len(found) > 4 * SPANS_MAX:
                return [(0, len(text), found[0][2])]
        done = 0
        for at in runs:
            if (at > done or not done) and not _covered(found, at):
                start, done = numbers.run_around(text, done, min(at, len(text)))
                found += numbers.personal(text, start, done)
        if escaped:
            found += self._folded(text)
        spans = _apart(found, len(text))
        return [span for span in spans if span[2] not in self.shown] if self.shown else spans

    def _folded(self, text: bytes) -> list[Span]:
        folded = Folded(text)
        places = self.places(b"\n" + folded.plain + b"\n")
        spans = self.spans(folded.plain, [(end - 1, gate) for end, gate in places if gate != _ESCAPED])
        return [(*folded.back(begin, end), label) for begin, end, label in spans]


@lru_cache(maxsize=64)
def scanner(shown: frozenset[str] = frozenset()) -> Scanner:
    """The process's scanner for people who may see these labels; made when first asked for."""
    return Scanner(shown, scanner()) if shown else Scanner()


def _covered(spans: list[Span], at: int) -> bool:
    """Whether one of the latest spans reaches over a place."""
    return any(begin < at <= end for begin, end, _ in spans[-8:])


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
