"""What was approved before, as far as it is remembered."""

from typing import Any

import msgspec

from gateway.approvals.history import History
from gateway.approvals.statements import Held
from tests.gateway.approvals.test_statements import NOW, held


def decided(after: float = 1.0, **facts: Any) -> Held:
    return msgspec.structs.replace(held(**facts), state="approved", decided=NOW + after)


def test_the_last_of_a_shape_is_found_and_else_the_last_about_the_same_tables() -> None:
    history = History()
    history.learn(decided(id="h1", shape=b"x"))
    history.learn(decided(id="h2", shape=b"y", after=5.0))
    history.learn(decided(id="h0", shape=b"x", after=0.5))
    for shape, found in ((b"x", "h1"), (b"z", "h2")):
        last = history.last(held(id="h9", shape=shape))
        assert last is not None
        assert (last.id, last.statement) == (found, "")
    for other in ({"user": "eve"}, {"tables": ("u",)}, {"database": "dev"}, {"issuer": "local"}):
        assert history.last(held(id="h9", shape=b"z", **other)) is None
    assert history.last(held(id="h1", shape=b"x")) is None, "it is not its own past"


def test_what_was_never_approved_of_somebody_is_new_to_him() -> None:
    history = History()
    one = held(labels=("email",))
    assert history.new(one) == ("t", "email")
    history.learn(msgspec.structs.replace(one, state="denied"))
    assert history.new(one) == ("t", "email")
    history.learn(decided(labels=("email",)))
    assert history.new(one) == ()
    assert history.new(held(labels=("email", "iban"))) == ("iban",)
    assert history.new(held(actors=("bot",))) == ("t",), "of his agent nothing was"


def test_it_is_bounded_and_forgets_what_was_not_needed_for_longest() -> None:
    history = History(most=3)
    for number in range(50):
        history.learn(decided(id=f"h{number}", user=f"u{number}", shape=b"%d" % number))
    assert history.new(held(user="u49")) == ()
    assert history.new(held(user="u1")) == ("t",)
    assert history.last(held(user="u1", shape=b"1")) is None
