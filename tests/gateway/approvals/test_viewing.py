"""From what is kept to what channels are given."""

from typing import Any

import msgspec
import pytest

from gateway.approvals import statements, telling, viewing
from gateway.approvals.requests import Asked, Request
from gateway.approvals.sealed import Shown
from gateway.approvals.statements import Given, Held
from gateway.approvals.view import Approver
from gateway.policy.access import Access, Approvers
from gateway.policy.access import Approvers as AccessApprovers
from gateway.policy.approving import Approval
from tests.gateway.approvals.views import SECRET

RULES = {
    "writes": Approval("writes", Approvers(groups=("dba",)), channels=("console", "slack:#dba")),
    "people": Approval(
        "people", Approvers(users=("carol",), groups=("dba",)), approvals_needed=2, channels=("slack:#dba", "email")
    ),
}
HELD = Held(
    id="h1", state="pending", binding=b"b", shape=b"s", session="1", user="ada", issuer="company", actors=("agent-7",),
    account="", token_id="t", model="", run="", database="prod", environment="production", role="app",
    statement="UPDATE customers SET city = $1", kinds=("UPDATE",), tables=("public.customers",), labels=("email",),
    rules=("broad updates",), words="it changes many rows", approvals=("writes", "people"), reason="repair", ticket="OPS-1",
    in_transaction=False, since=100.0, until=400.0, secret=b"sealed",
)  # fmt: skip


def test_a_statement_that_waits_is_told_in_all_channels_of_its_rules_without_literals() -> None:
    view = viewing.of_held(HELD, RULES, "https://c/h1")
    assert view.channels == ("console", "slack:#dba", "email")
    assert (view.approver_users, view.approver_groups) == (("carol",), ("dba",))
    assert (view.state, view.given, view.needed) == ("open", 0, 2)
    assert (view.statement, view.parameters, view.shape) == ("", (), "UPDATE customers SET city = $1")
    assert telling.headline(view) == "agent-7 for ada: UPDATE on public.customers on prod"


def test_literals_are_in_it_for_those_who_may_see_them() -> None:
    view = viewing.of_held(HELD, RULES, "", Shown(f"UPDATE … '{SECRET}'", ("1", None)))
    assert SECRET in view.statement
    assert view.parameters == ("1", "NULL")
    assert SECRET not in repr(view)


def test_words_given_so_far_are_counted() -> None:
    once = msgspec.structs.replace(HELD, given=(Given(("writes", "people"), "dora", "company", 1.0, "fine"),))
    view = viewing.of_held(once, RULES, "")
    assert (view.given, view.needed, view.decided_by) == (1, 2, "")


@pytest.mark.parametrize(
    ("changes", "state", "by", "words"),
    [
        (
            {"state": "approved", "given": (Given(("writes",), "dora", "company", 1.0, "fine"),)},
            "approved", "dora (company)", "fine",
        ),
        ({"state": "denied", "denied_by": "carol (company)", "decision": "no"}, "denied", "carol (company)", "no"),
        ({"state": "expired", "decision": "too late"}, "expired", "", "too late"),
        ({"state": "withdrawn", "decision": "cancelled"}, "withdrawn", "", "cancelled"),
    ],
)  # fmt: skip
def test_an_end_says_by_whom_and_why(changes: dict[str, Any], state: str, by: str, words: str) -> None:
    view = viewing.of_held(msgspec.structs.replace(HELD, **changes), RULES, "")
    assert (view.state, view.decided_by, view.decided_words) == (state, by, words)


def test_a_statement_whose_rules_are_gone_is_told_nowhere() -> None:
    assert viewing.of_held(HELD, {}, "").channels == ()


def test_access_is_told_with_what_it_gives_and_for_how_long() -> None:
    asked = Asked("prod", "production", ("read", "write"), 5400.0, "incident", ("email",))
    request = Request("r1", "access", "pending", "on call", "ada", "company", (), "t", asked, 100.0, 86_500.0)
    rule = Access("on call", ("write",), AccessApprovers(groups=("dba",)), channels=("slack",))
    view = viewing.of_access(request, rule, "https://c/r1")
    assert view.title == "access: read, write, email in clear for 1.5 h"
    assert (view.until, view.approver_groups, view.channels, view.state) == (86_500.0, ("dba",), ("slack",), "open")


    gone = viewing.of_access(request, None, "")
    assert (gone.channels, gone.approver_groups) == ((), ())


def test_whoever_a_channel_brings_is_judged_as_everybody_is() -> None:
    dora = viewing.principal(Approver("dora", "company", ("dba",), "slack"), 200.0)
    assert statements.counting(HELD, RULES, dora) == ("writes", "people")
    for user, actors in (("Ada", ()), ("dora", ("agent-9",)), ("agent-7", ("agent-7",))):
        approver = Approver(user, "company", ("dba",), "slack", actors)
        with pytest.raises(statements.Unfit):
            statements.counting(HELD, RULES, viewing.principal(approver, 200.0))
