"""Masks that come back: what a client read in place of a value must not be stored as if it were one.

Tokens, the constants and what `partial` makes are told from values by their form. A NULL that stands for a hidden value
cannot be told from any other. Those who see everything are never given a constant or stars, and may mean them (an erasure
that writes "[redacted]"): of them only tokens are refused.
"""

import re
from functools import lru_cache
from typing import Final

from mypy_extensions import i64

from gateway.classify.catalog import Catalog
from gateway.errors import Refused, State
from gateway.masking.masks import STARS
from gateway.masking.tokens import SHAPE, TOKEN_BYTES_MAX
from gateway.policy.needs import needs
from gateway.policy.rights import Rights
from gateway.policy.rules import Mask
from parser.facts import Facts

RULE = "built-in: no masked values written back"
_CONSTANT = rb"\[redacted\]|<redacted/>"
_EDGE = rb"[\t\n\r,;|:\"]"  # what a cell of COPY's text and csv formats begins and ends at
COMPILED: Final = not __file__.endswith(".py")
_UNDERSCORE, _BRACKET, _ANGLE, _STAR = b"_[<*"
_BATCH_BYTES = 32768  # of small messages, looked at together
_SMALL_BYTES: Final = 512  # in which a look at each byte is quicker than several searches


def suspicious(data: bytes) -> bool:
    """Whether a closer look is worth it: for most messages a few hundred nanoseconds. One byte is looked for ten times as
    fast as several, and `find` does half the work of `in`; compiled, a small message is looked through at once."""
    if COMPILED and len(data) <= _SMALL_BYTES:
        return _in_one_pass(data)
    find = data.find
    return (
        (_UNDERSCORE in data and (find(b"tok_") >= 0 or find(b"TOK_") >= 0))
        or ((_BRACKET in data or _ANGLE in data) and find(b"redacted") >= 0)
        or (_STAR in data and find(b"****") >= 0)
    )


def _in_one_pass(data: bytes) -> bool:
    size: i64 = len(data)
    for at in range(size):
        byte = i64(data[at])
        if byte > 95 or byte < 42:
            continue
        if byte == 95:
            if at >= 3 and i64(data[at - 1]) | 32 == 107 and data[at - 3 : at] in (b"tok", b"TOK"):
                return True
        elif byte == 42:
            if data[at : at + 4] == b"****":
                return True
        elif byte in (60, 91) and data.find(b"redacted", at) >= 0:
            return True
    return False


class Masks:
    """What counts as a mask for one principal."""

    __slots__ = ("_cells", "_inside", "_texts", "_whole")

    def __init__(self, everything: bool, stars: int) -> None:
        """`everything`: nothing is hidden from the principal. `stars`: the longest tail that a partial mask of the policy
        leaves, -1 where it has none."""
        tail = rb"[0-9A-Za-z*]{0,%d}" % max(stars, 0)
        whole = re.escape(STARS) + tail
        hidden, partial = not everything, not everything and stars >= 0
        inside = SHAPE.pattern + (b"|" + _CONSTANT if hidden else b"")
        self._inside = re.compile(inside)
        self._whole = re.compile(whole) if partial else None
        texts, cells = inside, inside
        if partial:
            texts += rb"|['$]" + whole + rb"['$]"
            cells += rb"|" + _EDGE + whole + rb"(?=" + _EDGE + rb")"
            for kept in range(stars + 1):  # in binary, behind the length of the cell
                cells += rb"|\0\0\0" + re.escape(bytes((4 + kept,)) + STARS) + rb"[0-9A-Za-z*]{%d}" % kept
        self._texts = re.compile(texts)
        self._cells = re.compile(cells)

    def in_value(self, value: bytes) -> bool:
        """Whether a value is a mask, or has a token or a constant in it."""
        return self._inside.search(value) is not None or (
            self._whole is not None and self._whole.fullmatch(value) is not None
        )

    def has_token(self, value: bytes) -> bool:
        """Whether a token is in it."""
        return SHAPE.search(value) is not None

    def in_text(self, sql: bytes) -> bool:
        """Whether a literal of this text may hold one."""
        return self._texts.search(sql) is not None

    def in_copy(self, data: bytes) -> int:
        """The offset of the first mask in data of COPY, -1 for none."""
        found = self._cells.search(data)
        return -1 if found is None else found.start()


@lru_cache(maxsize=64)
def masks_of(everything: bool, rules: tuple[Mask, ...]) -> Masks:
    """What the masks of this policy look like to a principal."""
    tails = [rule.keep_last or 0 for rule in rules if rule.method == "partial"]
    return Masks(everything, max(tails, default=-1))


def writes(facts: Facts, rights: Rights, catalog: Catalog) -> bool:
    """Whether the statement may store what it is given, by itself or in a function it calls."""
    return any(need.word != "read" for need in needs(facts, rights, catalog).wanted)


def refusal(where: str) -> Refused:
    """The refusal of a mask that stands there."""
    return Refused(
        State.DENIED,
        f'denied by "{RULE}": {where} holds what a masked column showed in place of its value',
        "Leave the column out of the statement, or write the real value.",
        RULE,
    )


class CopyWatch:
    """Looks for masks in the data of one COPY … FROM STDIN as it passes, wherever it is cut."""

    __slots__ = ("_masks", "_pending", "_size", "_tail", "ended", "found", "lines")

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._pending: list[bytes] = []
        self._size = 0
        self._tail = b"\n"  # a first cell has an edge before it like any other
        self.lines = 1
        self.found = False  # `lines` is the line it stands in
        self.ended = False  # the gateway has ended this COPY; what still comes is dropped

    def take(self, data: bytes) -> bool:
        """More of the data. Whether a mask was seen: what is small may be looked at a little later."""
        self._pending.append(data)
        self._size += len(data)
        return self._look(b"") if self._size >= _BATCH_BYTES else self.found

    def close(self) -> bool:
        """The data ends here. Whether there was a mask in it."""
        return self._look(b"\n")

    def _look(self, behind: bytes) -> bool:
        if self.found:
            return True
        data = b"".join((self._tail, *self._pending, behind))
        self._pending.clear()
        self._size = 0
        at = self._masks.in_copy(data) if suspicious(data) else -1
        if at >= 0:
            self.found = True
            self.lines += data.count(b"\n", len(self._tail), at + 1)
            return True
        self.lines += data.count(b"\n", len(self._tail))
        self._tail = data[-TOKEN_BYTES_MAX:]
        return False

    def where(self) -> str:
        """Where the mask stands, for people to read."""
        return f"COPY line {self.lines}"
