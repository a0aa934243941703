"""A request in plain words."""

from gateway.approvals import telling
from tests.gateway.approvals.views import SECRET, a_view, decided


def test_everything_an_approver_asks_is_told_and_no_literal() -> None:
    lines = dict(telling.lines(a_view(in_transaction=True, needed=2, given=1)))
    assert lines["Requester"] == "agent-7 for ada (company)"
    assert lines["Database"] == "prod (production)"
    assert lines["Approvers"] == "carol, group dba"
    assert lines["Approvals"] == "1 of 2 given"
    assert lines["Locks"]
    assert lines["Until"] == "2026-09-21 14:18:20 UTC"
    assert lines["Risk"] == "high: it meets 40000 rows"
    for text in (str(lines), telling.headline(a_view()), telling.shape(a_view(), 9999)):
        assert SECRET not in text
        assert "secret-41" not in text


def test_what_is_empty_is_left_out() -> None:
    assert not {"Ticket", "Risk", "Locks", "Approvals"} & dict(telling.lines(a_view(ticket="", risk="", risk_why=""))).keys()


def test_an_end_is_told_with_who_and_why() -> None:
    assert telling.headline(decided()).startswith("approved by carol - agent-7 for ada")
    assert dict(telling.lines(decided()))["Words"] == "fine"
    assert telling.state(a_view(state="expired")) == "expired: nobody decided in time"
    assert telling.state(a_view(given=1, needed=2)) == "1 of 2 approvals given"


def test_code_keeps_its_lines_and_loses_what_plays_tricks() -> None:
    assert telling.code("SELECT 1\n\t, 2 \u202e\x1b[2J", 100) == "SELECT 1\n\t, 2 \ufffd\ufffd[2J"
