"""Which entries of a shared table have moved since somebody looked last, found without looking at each."""

from collections.abc import Iterator

_BLOCK_ENTRIES = 64


class Watch:
    """Of a table with entries of `width` words, the first of them the key."""

    def __init__(self, words: memoryview, width: int) -> None:
        self._bytes = words.cast("B")
        self._width = width
        self._block = _BLOCK_ENTRIES * width * 8
        self._before: list[bytes] = []
        self.forget()

    def forget(self) -> None:
        """Has all entries that there are count as moved."""
        lengths = (min(self._block, len(self._bytes) - begin) for begin in range(0, len(self._bytes), self._block))
        self._before = [bytes(length) for length in lengths]

    def moved(self) -> Iterator[int]:
        """The keys of those that have."""
        for index, before in enumerate(self._before):
            begin = index * self._block
            now = bytes(self._bytes[begin : begin + self._block])
            if now != before:
                self._before[index] = now
                yield from self._differing(memoryview(now).cast("Q"), memoryview(before).cast("Q"))

    def _differing(self, now: memoryview, before: memoryview) -> Iterator[int]:
        width = self._width
        for place in range(0, len(now), width):
            if now[place] and now[place : place + width] != before[place : place + width]:
                yield now[place]
