"""What a client reads of its ticket."""

from gateway.policy.access import Approvers
from gateway.policy.approving import Approval
from gateway.policy.holds import Hold
from gateway.session.holding import Held
from workers.holds_link import Ticketed
from workers.ticket_answers import refusal, unanswered

HOLD = Hold(("updates wait",), "updates wait.", (Approval("dba", Approvers(("bo",)), use_within_seconds=60),))
HELD = Held(HOLD, b"", (), b"", None, None, False, 0, ticket=True)


def test_it_says_which_request_waits_for_whom_and_what_to_do() -> None:
    refused = refusal(HELD, Ticketed("h1", "h2", "pending", 1_800_000_000.0))
    assert refused is not None
    assert (refused.sqlstate, refused.rule) == ("42501", "updates wait")
    assert refused.message == 'held by updates wait: request h2 waits for "dba", until 2027-01-15 08:00:00Z'
    assert "sluice approvals wait h2" in refused.hint
    assert "exactly the same again within 60 s" in refused.hint


def test_a_denial_is_told_with_its_words_and_an_approval_is_no_refusal() -> None:
    refused = refusal(HELD, Ticketed("h1", "h2", "denied", 0.0, "bo (local)", "not this one"))
    assert refused is not None
    assert refused.message == "held by updates wait: request h2 was denied by bo (local): not this one"
    assert refusal(HELD, Ticketed("h1", "h2", "approved")) is None


def test_nobody_there_and_too_many_are_refusals_too() -> None:
    full = refusal(HELD, Ticketed("h1", "h1", "full"))
    assert full is not None
    assert "too many requests" in full.message
    assert "nobody can be asked" in unanswered(HELD).message
