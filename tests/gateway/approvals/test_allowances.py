"""What may be allowed with one decision, and for what it is."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.approvals import allowances
from gateway.approvals.allowed import Allowance, Wanted
from gateway.approvals.requests import Unfit
from gateway.approvals.statements import approved, remembers
from gateway.policy.access import Approvers
from gateway.policy.allowances import MaxAllowance
from gateway.policy.approving import Approval
from tests.gateway.approvals.test_statements import NOW, held, who

MOST = MaxAllowance(100, 1000, 3600)
RULES = {"dba": Approval("dba", Approvers((), ("dba",)), approvals_needed=2, max_allowance=MOST)}
WANTED = Wanted(5, 50, 600)


def test_it_is_within_what_every_rule_allows() -> None:
    assert allowances.given(WANTED, held(repeatable=True), RULES, NOW) == Allowance(5, 50, NOW + 600, "task")
    rules = RULES | {"legal": Approval("legal", Approvers(("lee",)), max_allowance=MaxAllowance(5, 49, 600))}
    with pytest.raises(Unfit, match='"legal" allows at most 49 rows'):
        allowances.given(WANTED, held("dba", "legal", repeatable=True), rules, NOW)
    with pytest.raises(Unfit, match='"none" gives no allowances'):
        allowances.given(WANTED, held("dba", "none", repeatable=True), RULES, NOW)
    with pytest.raises(Unfit, match="approved once alone"):
        allowances.given(WANTED, held(), RULES, NOW)


WORDS = st.none() | st.builds(
    Wanted, st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.sampled_from(("task", "person"))
)


@given(WORDS, WORDS)
def test_of_several_people_what_all_of_them_allow_counts(first: Wanted | None, second: Wanted | None) -> None:
    said = approved(held(repeatable=True), RULES, who("dora"), NOW, "")
    one = allowances.added(said, first, RULES, NOW)
    assert one.allowance is None, "it is not approved yet"
    both = allowances.added(approved(one, RULES, who("bo"), NOW + 1, ""), second, RULES, NOW + 1)
    assert both.state == "approved"
    if first is None or second is None:
        assert both.allowance is None
        return
    assert both.allowance is not None
    assert both.allowance.times == min(first.times, second.times)
    assert both.allowance.rows == min(first.rows, second.rows)
    assert both.allowance.until == min(NOW + first.seconds, NOW + 1 + second.seconds)
    assert (both.allowance.scope == "person") is (first.scope == second.scope == "person")


def test_it_is_for_the_shape_and_the_task() -> None:
    one = held(run="nightly")
    same = msgspec.structs.replace(one, token_id="another", binding=b"other", id="h2")
    assert allowances.key(one, "task") == allowances.key(same, "task")
    for change in ({"shape": b"other"}, {"run": "weekly"}, {"run": ""}):
        assert allowances.key(msgspec.structs.replace(one, **change), "task") != allowances.key(one, "task")
    assert allowances.key(held(token_id="a"), "task") != allowances.key(held(token_id="b"), "task")
    assert allowances.key(held(token_id="a"), "person") == allowances.key(held(token_id="b"), "person")
    assert allowances.key(held(token_id="nightly"), "task") != allowances.key(one, "task")


def test_what_passes_names_who_allowed_it_and_is_remembered_by_nothing_else() -> None:
    rules = {"dba": msgspec.structs.replace(RULES["dba"], approvals_needed=1)}
    under = allowances.added(approved(held(repeatable=True), rules, who("dora"), NOW, ""), Wanted(2, 2, 9), rules, NOW)
    passed = allowances.passed(held(id="h2"), under)
    assert (passed.state, passed.givers, passed.under, passed.secret) == ("approved", ("dora (okta)",), "h1", b"")
    for one in (under, passed):
        assert not remembers(msgspec.structs.replace(one, ran=True), one.shape, 3600, NOW)


def test_what_is_kept_of_it_is_believed_within_what_was_given() -> None:
    rules = {"dba": msgspec.structs.replace(RULES["dba"], approvals_needed=1)}
    said = approved(held(repeatable=True), rules, who("dora"), NOW, "")
    under = allowances.added(said, Wanted(2, 2, 9), rules, NOW)
    assert allowances.covers(under, held(id="h2"), 2, NOW + 9)
    assert not allowances.covers(under, held(id="h2"), 3, NOW + 9)
    assert not allowances.covers(under, held(id="h2"), 2, NOW + 10)
    assert not allowances.covers(under, held(id="h2", shape=b"other"), 2, NOW + 9)
    assert not allowances.covers(said, held(id="h2"), 2, NOW + 9)
