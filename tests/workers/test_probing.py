"""Entries of a shared table are found where they were put, also across its end."""

from workers.probing import PROBES, find, home, places

WIDTH = 3


def table(entries: int) -> memoryview:
    return memoryview(bytearray(8 * WIDTH * entries)).cast("Q")


def test_places_begin_at_home_and_go_round() -> None:
    for entries in (1, 5, PROBES, PROBES + 9):
        for key in (1, 7, PROBES + 8, 1 << 63):
            found = list(places(WIDTH * entries, key, WIDTH))
            assert found[0] == home(WIDTH * entries, key, WIDTH)
            assert len(set(found)) == len(found) == min(PROBES, entries)
            assert all(place % WIDTH == 0 for place in found)


def test_what_was_put_is_found_and_nothing_else() -> None:
    words = table(8)
    for key in (3, 11, 19, 6):  # three of one home
        place = next(place for place in places(len(words), key, WIDTH) if not words[place])
        words[place] = key
    assert [words[find(words, key, WIDTH)] for key in (3, 11, 19, 6)] == [3, 11, 19, 6]
    assert find(words, 27, WIDTH) == -1


def test_a_full_table_is_searched_once_round() -> None:
    words = table(4)
    for place in range(0, len(words), WIDTH):
        words[place] = place + 100
    assert find(words, 5, WIDTH) == -1
