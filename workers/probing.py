"""Open addressing in a shared table of 8-byte words: where the entry of a key may be, and where it is."""

from collections.abc import Iterable, Iterator

ELSEWHERE = 2  # the table of what other hosts of a fleet used has so many times as many entries as a worker's
PROBES = 64  # an entry is found within so many steps from its home, or not at all


def home(size: int, key: int, width: int) -> int:
    """The first word at which an entry of `width` words is looked for, in a table of `size` words."""
    return key * width % size


def places(size: int, key: int, width: int) -> Iterable[int]:
    """Where an entry of this key may be, in the order in which it is looked for."""
    begin = home(size, key, width)
    end = begin + PROBES * width
    if end <= size:
        return range(begin, end, width)
    return [place % size for place in range(begin, min(end, begin + size), width)]


def find(words: memoryview, key: int, width: int) -> int:
    """The place of the key's entry, -1 where it has none."""
    for place in places(len(words), key, width):
        found = words[place]
        if found == key:
            return place
        if not found:
            break
    return -1


def sizes(slots: int, entries: int, fleet: bool) -> list[int]:
    """How many entries the tables have: one for each slot, and in a fleet one of what other hosts used."""
    return [entries] * slots + ([ELSEWHERE * entries] if fleet else [])


def cut(words: memoryview, widths: Iterable[int]) -> Iterator[memoryview]:
    """Pieces of so many words, one behind the other."""
    begin = 0
    for width in widths:
        yield words[begin : begin + width]
        begin += width
