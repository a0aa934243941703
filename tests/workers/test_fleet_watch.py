"""What moved in a table since somebody looked."""

import mmap

from workers.fleet_watch import Watch

WIDTH, ENTRIES = 3, 200


def table() -> memoryview:
    return memoryview(mmap.mmap(-1, 8 * WIDTH * ENTRIES)).cast("Q")


def test_only_what_moved_since_is_named() -> None:
    words = table()
    watch = Watch(words, WIDTH)
    assert not [*watch.moved()]
    for entry in (0, 63, 64, ENTRIES - 1):
        words[WIDTH * entry] = 1000 + entry
    assert sorted(watch.moved()) == [1000, 1063, 1064, 1199]
    assert not [*watch.moved()]
    words[WIDTH * 64 + 2] = 7
    assert [*watch.moved()] == [1064]
    words[WIDTH * 63] = 0
    assert not [*watch.moved()], "an entry that is free is nobody's"


def test_all_that_is_there_moves_again_for_one_who_forgot() -> None:
    words = table()
    watch = Watch(words, WIDTH)
    words[3] = 5
    assert [*watch.moved()] == [5]
    watch.forget()
    assert [*watch.moved()] == [5]
