"""What the log says of each chain, entry after entry."""

from gateway.audit.heads import Alarm, Checkpoint, Head, Key, Pruned, Seal
from gateway.audit.signed import SignedTrail

ONE, TWO = b"1" * 16, b"2" * 16


def head(chain: bytes, segment: int, length: int = 100, closed: bool = False) -> Head:
    return Head(chain, segment, length, bytes(32), 9, 3, bytes(32), closed)


def test_a_seal_takes_the_place_of_the_heads_before_it() -> None:
    trail = SignedTrail()
    trail.add(1, Key(bytes(32)))
    trail.add(2, Checkpoint(bytes(32), (head(ONE, 0, 50), head(TWO, 0))))
    assert trail.chains[ONE].heads(0) == [head(ONE, 0, 50)]
    trail.add(3, Checkpoint(bytes(32), (head(ONE, 0, 70),)))
    assert trail.chains[ONE].heads(0) == [head(ONE, 0, 70)]
    assert trail.chains[ONE].last() == 0
    trail.add(4, Seal(head(ONE, 0, 90), 1, 2, 3))
    trail.add(5, Checkpoint(bytes(32), (head(ONE, 1),)))
    said = trail.chains[ONE]
    assert (said.heads(0), said.heads(1), said.heads(2)) == ([head(ONE, 0, 90)], [head(ONE, 1)], [])
    assert (said.last(), said.is_closed()) == (1, False)
    trail.add(6, Seal(head(ONE, 1, closed=True), 4, 5, 6))
    trail.add(7, Checkpoint(bytes(32), (head(ONE, 1, closed=True),)))
    assert said.is_closed()
    assert said.newest is None
    assert trail.chains[TWO].heads(0) == [head(TWO, 0)]


def test_alarms_and_what_was_pruned_are_kept() -> None:
    trail = SignedTrail()
    alarm, pruned = Alarm(ONE, 1, 2, "gone"), Pruned(TWO, 0, 3, 100, bytes(32), 90)
    trail.add(5, alarm)
    trail.add(6, pruned)
    assert trail.alarms == [(5, alarm)]
    assert trail.chains[TWO].pruned == pruned
    assert trail.chains[TWO].last() == -1
    assert ONE not in trail.chains


def test_only_a_log_of_some_minutes_can_tell_that_a_chain_is_not_in_it() -> None:
    trail = SignedTrail()
    for number in range(9):
        trail.add(100 + number, Checkpoint(bytes(32), ()))
    assert trail.settled_ns() == 0
    trail.add(109, Checkpoint(bytes(32), ()))
    trail.add(110, Checkpoint(bytes(32), ()))
    assert trail.settled_ns() == 101
