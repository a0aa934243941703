"""How a ticket stands, for whoever sends its statement again."""

import msgspec
import pytest

from gateway.approvals import tickets
from gateway.approvals.statements import State
from gateway.approvals.tickets import decided, key, owner, standing, unused, used
from gateway.policy.access import Approvers
from gateway.policy.approving import Approval
from tests.gateway.approvals.test_statements import NOW, held

RULES = {
    "dba": Approval("dba", Approvers(("bo",)), use_within_seconds=60),
    "legal": Approval("legal", Approvers(("lee",)), use_within_seconds=30),
}


@pytest.mark.parametrize(
    ("state", "ran", "after", "stands"),
    [
        ("pending", False, 299, "pending"),
        ("pending", False, 300, None),
        ("approved", False, 299, "approved"),
        ("approved", False, 300, None),
        ("approved", True, 1, None),
        ("denied", False, 299, "denied"),
        ("denied", False, 300, None),
        ("expired", False, 1, None),
        ("withdrawn", False, 1, None),
    ],
)
def test_it_stands_for_as_long_as_it_is_worth_something(state: State, ran: bool, after: int, stands: str | None) -> None:
    assert standing(held(state=state, ran=ran, on_hold="ticket"), "h2", NOW + after) == stands


def test_used_it_is_there_for_the_one_who_used_it_alone() -> None:
    after = used(held(state="approved", on_hold="ticket"), "h2")
    assert (standing(after, "h2", NOW), standing(after, "h3", NOW)) == ("approved", None)


def test_approved_it_is_to_be_used_within_the_shortest_time_of_its_rules() -> None:
    approved = held("dba", "legal", state="approved", on_hold="ticket")
    assert decided(approved, RULES, NOW + 100).until == NOW + 130
    assert decided(held(state="approved"), RULES, NOW + 100).until == NOW + 300
    assert decided(held(state="denied", on_hold="ticket"), RULES, NOW + 100).until == NOW + 300, "a denial stands"
    assert unused(decided(approved, RULES, NOW), NOW + 30)
    assert not unused(used(approved, "h2"), NOW + 999)


def test_two_tickets_are_one_where_statement_and_task_are() -> None:
    pairs = [(b"a" * 32, ""), (b"a" * 32, "r"), (b"b" * 32, ""), (b"b" * 32, "\udcff")]
    assert len({key(*one) for one in pairs}) == len(pairs)
    assert key(*pairs[1]) == key(*pairs[1])


def test_everybody_has_his_own() -> None:
    one = held()
    others = [msgspec.structs.replace(one, **change) for change in (
        {"user": "bo"}, {"issuer": "other"}, {"actors": ("bot",)}, {"account": "app"},
    )]  # fmt: skip
    assert len({owner(each) for each in (one, *others)}) == 5
    assert tickets.PENDING_MAX > 1
