"""Rights to decide that are lent: whose they are, when they count, and for how many people."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.approvals.delegation import LONGEST_SECONDS, Delegation, instead, lendable, made
from gateway.approvals.requests import Unfit, alike
from gateway.approvals.statements import approved, as_of, denied, missing, named, right
from gateway.identity.principal import Principal
from gateway.policy.access import Access, Approvers, Step
from gateway.policy.approving import Approval
from tests.gateway.approvals.test_statements import DBA, NOW, SELF, TWO, held, rule, who

DAY = 86_400.0


def lend(user: str, *groups: str, to: str = "bo", rules: tuple[str, ...] = ("dba", "legal"), **facts: Any) -> Delegation:
    lent = Delegation(
        "g1", user, "okta", groups or ("dba",), "t-ann", to, "okta", rules, NOW - 1, NOW + DAY, NOW - 1, "holiday"
    )
    return msgspec.structs.replace(lent, **facts)


def outsider(name: str = "bo") -> Principal:
    return who(name, "none")


def test_who_decides_in_anothers_stead_is_named_with_him() -> None:
    lent = [lend("dora")]
    with pytest.raises(Unfit):
        right(held(), DBA, outsider())
    after = approved(held(), DBA, outsider(), NOW, "", lent)
    assert (after.state, after.givers) == ("approved", ("bo (okta) for dora (okta)",))
    assert denied(held(), DBA, outsider(), NOW, "", lent).denied_by == "bo (okta) for dora (okta)"
    assert named(held(), DBA, outsider(), lent)
    assert not named(held(), DBA, outsider())


def test_who_has_a_right_of_his_own_decides_by_it() -> None:
    after = approved(held(), DBA, who("bo"), NOW, "", [lend("dora")])
    assert (after.givers, after.given[0].people("dba")) == (("bo (okta)",), ("bo",))
    both = approved(held("dba", "legal"), TWO, who("bo"), NOW, "", [lend("lee", "none")])
    assert both.given[0].people("legal") == ("bo", "lee"), "by a rule that does not name him he speaks for another"
    assert missing(both, TWO) == {"dba": 1, "legal": 0}


@pytest.mark.parametrize("order", [("dora", "bo"), ("bo", "dora")])
def test_giver_and_deputy_are_one_person(order: tuple[str, str]) -> None:
    rules, lent = {"dba": rule("dba", "dba", needed=2)}, [lend("dora")]
    people = {"dora": (who("dora"), []), "bo": (outsider(), lent)}
    once = approved(held(), rules, people[order[0]][0], NOW, "", people[order[0]][1])
    with pytest.raises(Unfit):
        approved(once, rules, people[order[1]][0], NOW, "", people[order[1]][1])
    assert approved(once, rules, who("dan"), NOW, "").state == "approved"


@pytest.mark.parametrize("name", SELF)
def test_the_requester_decides_through_nobody_and_for_nobody(name: str) -> None:
    for user, lent in ((outsider(name), [lend("dora", to=name)]), (outsider(), [lend(name)])):
        with pytest.raises(Unfit):
            right(held(), DBA, user, lent)
    with pytest.raises(Unfit):
        right(held(user="zoe", account="ann"), DBA, outsider(), [lend(name)])


def test_a_right_that_the_giver_has_no_longer_counts_for_nothing() -> None:
    for changed in (
        {}, {"dba": rule("dba", "others")}, {"dba": rule("dba", users=("lee",))},
    ):  # fmt: skip
        with pytest.raises(Unfit):
            right(held(), changed, outsider(), [lend("dora")])
    with pytest.raises(Unfit):
        right(held(), DBA, outsider(), [lend("dora", rules=("legal",))])
    with pytest.raises(Unfit):
        right(held(), DBA, replace(outsider(), actors=("bot",)), [lend("dora")])


def test_a_delegation_holds_in_its_time_until_it_is_revoked() -> None:
    one = lend("dora")
    assert [one.holds(at) for at in (NOW - 2, NOW - 1, NOW + DAY - 1, NOW + DAY)] == [False, True, True, False]
    assert not msgspec.structs.replace(one, revoked=NOW).holds(NOW)
    assert not one.over(NOW - 9)
    assert one.over(NOW + DAY)
    assert one.is_for(who("bo"))
    assert not one.is_for(who("bo", issuer="local"))
    assert not one.is_for(who("Bo"))


def test_what_is_lent_is_ones_own_by_the_rules_of_now() -> None:
    later = Approval("later", Approvers(("zed",)), escalate=(Step(60, Approvers(groups=("dba",))),))
    rules = {**TWO, "later": later}
    assert lendable(who("dora"), rules) == ("dba", "later")
    period = (NOW, NOW + DAY)
    one = made("g1", who("dora"), rules, ("bo", "okta"), period, NOW, "holiday")
    assert (one.rules, one.groups, one.token_id, one.by) == (("dba", "later"), ("dba",), "t-1", "dora (okta)")
    assert made("g1", who("dora"), rules, ("bo", "okta"), period, NOW, "", "later").rules == ("later",)
    asked: list[tuple[Principal, tuple[str, str], tuple[float, float], str, str]] = [
        (who("dora", actors=("bot",)), ("bo", "okta"), period, "", "an agent"),
        (replace(who("dora"), account=who("app")), ("bo", "okta"), period, "", "an agent"),
        (who("dora"), ("DORA", "local"), period, "", "to himself"),
        (who("dora"), ("bo", "okta"), period, "legal", "none of those"),
        (who("eve", "none"), ("bo", "okta"), period, "", "no rule names you"),
        (who("dora"), ("bo", "okta"), (NOW + 2, NOW + 1), "", "before it begins"),
        (who("dora"), ("bo", "okta"), (NOW - 9, NOW), "", "before it begins"),
        (who("dora"), ("bo", "okta"), (NOW, NOW + LONGEST_SECONDS + 1), "", "days"),
    ]
    for giver, to, when, only, why in asked:
        with pytest.raises(Unfit, match=why):
            made("g1", giver, rules, to, when, NOW, "", only)


def test_what_is_lent_is_of_rules_of_access_too() -> None:
    access = [Access("on request", ("read",), Approvers(groups=("dba",)))]
    assert lendable(who("dora"), TWO, access) == ("dba", "on request")
    lent = [lend("ann", rules=("on request",)), lend("dora", rules=("on request",))]
    found = instead(lent, "on request", access[0].approvers, "ANN")
    assert found == lent[1], "ann lends nothing over what she has asked for"
    assert instead(lent, "other", access[0].approvers, "zed") is None
    assert instead(lent, "on request", Approvers(("lee",)), "zed") is None


def test_what_is_lent_is_not_lent_on() -> None:
    chain = [lend("dora", to="bo"), lend("bo", "none", to="cy")]
    with pytest.raises(Unfit):
        right(held(), DBA, outsider("cy"), [one for one in chain if one.is_for(outsider("cy"))])


NAMES = st.sampled_from([*SELF[:3], "dora", "DORA", "dan", "lee", "bo", "cy", "bot"])
GROUPS = st.lists(st.sampled_from(["dba", "legal", "lead", "none"]), min_size=1, unique=True).map(tuple)
WORDS = st.tuples(NAMES, GROUPS, st.lists(st.tuples(NAMES, GROUPS), max_size=3), st.sampled_from([0.0, 70.0, 130.0]))


@given(st.lists(WORDS, max_size=8), st.integers(1, 3), st.integers(1, 2), st.sampled_from([(), ("bot",)]))
def test_nobody_decides_about_his_own_and_no_quorum_counts_one_human_twice(
    words: list[tuple[str, tuple[str, ...], list[tuple[str, tuple[str, ...]]], float]],
    dba: int,
    legal: int,
    actors: tuple[str, ...],
) -> None:
    steps = (Step(60, Approvers(groups=("lead",))), Step(120, Approvers(users=("ann", "cy"))))
    rules = {
        "dba": Approval("dba", Approvers((), ("dba",)), approvals_needed=dba, escalate=steps),
        "legal": rule("legal", "legal", needed=legal),
    }
    after = held("dba", "legal", actors=actors)
    for user, groups, lent, waited in words:
        if after.state != "pending":
            break
        now = NOW + waited
        delegations = [lend(giver, *theirs, to=user) for giver, theirs in lent]
        try:
            after = approved(after, as_of(rules, after, now), who(user, *groups), now, "", delegations)
        except Unfit:
            continue
    for name, needed in (("dba", dba), ("legal", legal)):
        counted = [one.people(name) for one in after.given if name in one.rules]
        people = [person for each in counted for person in each]
        mine = ("ann", *actors)
        assert not any(alike(one, own) for one in people for own in mine)
        for place, one in enumerate(counted):
            assert not any(alike(mine, theirs) for other in counted[:place] for mine in one for theirs in other)
        assert after.state != "approved" or len(counted) >= needed
