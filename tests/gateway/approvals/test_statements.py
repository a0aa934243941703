"""Who may decide about a statement that waits, and when enough people have."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.approvals.requests import Unfit, alike
from gateway.approvals.statements import Held, approved, counting, denied, ended, missing, named, remembers
from gateway.identity.principal import Principal
from gateway.policy.access import Approvers
from gateway.policy.approving import Approval

NOW = 1_800_000_000.0


def rule(name: str, *groups: str, needed: int = 1, users: tuple[str, ...] = ()) -> Approval:
    return Approval(name, Approvers(users, groups), approvals_needed=needed)


def held(*approvals: str, **facts: Any) -> Held:
    made = Held(
        id="h1", state="pending", binding=b"b", shape=b"s", session="s1", user="ann", issuer="okta", actors=(),
        account="", token_id="t", model="", run="", database="prod", environment="production", role="r",
        statement="update t set a = $1", kinds=("UPDATE",), tables=("t",), labels=(), rules=("g",), words="",
        approvals=approvals or ("dba",), reason="", ticket="", in_transaction=False, since=NOW, until=NOW + 300, secret=b"x",
    )  # fmt: skip
    return msgspec.structs.replace(made, **facts)


def who(user: str, *groups: str, issuer: str = "okta", actors: tuple[str, ...] = ()) -> Principal:
    return Principal(user, issuer, groups or ("dba",), actors, NOW + 3600, "t-1")


DBA = {"dba": rule("dba", "dba")}
TWO = {"dba": rule("dba", "dba", needed=2), "legal": rule("legal", "legal", users=("lee",))}


def test_one_word_is_enough_where_one_is_needed_and_the_literals_go_with_it() -> None:
    after = approved(held(), DBA, who("dora"), NOW + 1, "fine")
    assert (after.state, after.decided, after.secret, after.givers) == ("approved", NOW + 1, b"", ("dora (okta)",))
    assert after.given[0].words == "fine"
    assert missing(after, DBA) == {"dba": 0}


def test_every_rule_needs_its_number_of_people() -> None:
    one = held("dba", "legal")
    assert missing(one, TWO) == {"dba": 2, "legal": 1}
    for order in (("dora", "dan", "lee"), ("lee", "dora", "dan"), ("dora", "lee", "dan")):
        after = one
        for name in order:
            assert (after.state, after.secret) == ("pending", b"x")
            after = approved(after, TWO, who(name, "legal" if name == "lee" else "dba"), NOW, "")
        assert after.state == "approved"
        assert set(after.givers) == {"dora (okta)", "dan (okta)", "lee (okta)"}
    both = approved(one, TWO, who("lee", "dba"), NOW, "")
    assert both.given[0].rules == ("dba", "legal"), "one who is among both speaks for both"
    assert missing(both, TWO) == {"dba": 1, "legal": 0}


@pytest.mark.parametrize(
    ("name", "issuer"), [("dora", "okta"), ("Dora", "okta"), ("dora", "local"), ("ｄora", "okta"), ("do\u200bra", "x")]
)
def test_the_same_person_counts_once_in_whatever_spelling_and_by_whatever_issuer(name: str, issuer: str) -> None:
    rules = {"dba": rule("dba", "dba", needed=2)}
    once = approved(held(), rules, who("dora"), NOW, "")
    with pytest.raises(Unfit, match="you have approved it already"):
        approved(once, rules, who(name, issuer=issuer), NOW, "")


SELF = ["ann", "ANN", "ａnn", "Ánn", "a\u200bnn", "\u202eann", "a n n", "ann\u00ad"]


@pytest.mark.parametrize("name", SELF)
@pytest.mark.parametrize("facts", [{}, {"actors": ("bot",)}, {"user": "zoe", "account": "ann"}])
def test_nobody_decides_about_his_own_statement(name: str, facts: dict[str, Any]) -> None:
    for decide in (approved, denied):
        with pytest.raises(Unfit, match="nobody decides about what he"):
            decide(held(**facts), DBA, who(name, issuer="other"), NOW, "")


def test_agents_and_whoever_comes_through_an_account_decide_nothing() -> None:
    account = replace(who("dora"), account=who("app"))
    for one, why in ((who("dora", actors=("bot",)), "an agent"), (account, "through an account")):
        with pytest.raises(Unfit, match=why):
            counting(held(), DBA, one)
    with pytest.raises(Unfit, match="nobody decides"):
        counting(held(actors=("bot", "front")), DBA, who("Front"))


def test_only_those_whom_a_rule_names_decide() -> None:
    one = held("dba", "legal")
    for user, groups in (("eve", "others"), ("eve", "DBA"), ("Lee", "others")):
        assert not named(one, TWO, who(user, groups))
        with pytest.raises(Unfit, match="none of those who decide about dba and legal"):
            denied(one, TWO, who(user, groups), NOW, "")
    assert counting(one, TWO, who("lee", "others")) == ("legal",)
    assert named(one, TWO, who("ann")), "that she may not about this one is another matter"


def test_one_no_is_enough_also_after_a_yes() -> None:
    once = approved(held("dba", "legal"), TWO, who("dora"), NOW, "yes")
    after = denied(once, TWO, who("lee", "legal"), NOW + 2, "not today")
    assert (after.state, after.denied_by, after.decision, after.secret) == ("denied", "lee (okta)", "not today", b"")
    assert after.given == once.given


def test_a_rule_that_is_gone_can_be_satisfied_by_nobody() -> None:
    one = held("dba", "gone")
    after = approved(one, DBA, who("dora"), NOW, "")
    assert (after.state, missing(after, DBA)) == ("pending", {"dba": 0, "gone": -1})
    with pytest.raises(Unfit):
        approved(held("gone"), DBA, who("dora"), NOW, "")
    with pytest.raises(Unfit):
        approved(msgspec.structs.replace(one, approvals=()), DBA, who("dora"), NOW, "")
    assert not named(held("gone"), DBA, who("dora"))


def test_what_nobody_waits_for_any_more_keeps_no_literals() -> None:
    after = ended(held(), "withdrawn", NOW + 9, "cancelled")
    assert (after.state, after.decided, after.decision, after.secret) == ("withdrawn", NOW + 9, "cancelled", b"")


def test_an_approval_is_remembered_of_what_has_run_for_its_time_and_its_shape() -> None:
    ran = msgspec.structs.replace(approved(held(), DBA, who("dora"), NOW, ""), ran=True)
    assert remembers(ran, b"s", 60.0, NOW)
    assert remembers(ran, b"s", 60.0, NOW + 59.999)
    assert not remembers(ran, b"s", 60.0, NOW + 60)
    assert not remembers(ran, b"S", 60.0, NOW)
    assert not remembers(ran, b"s", 0.0, NOW)
    for change in ({"ran": False}, {"state": "withdrawn"}, {"state": "denied"}):
        assert not remembers(msgspec.structs.replace(ran, **change), b"s", 60.0, NOW)


def test_records_name_the_agents_and_the_account_of_who_asked() -> None:
    assert held(actors=("front", "bot"), account="app").by == "front for bot for ann (okta) through app"


NAMES = st.sampled_from([*SELF, "dora", "DORA", "dan", "lee", "bot", "ｌee"])
PEOPLE = st.builds(
    lambda user, groups, issuer, actors: who(user, *groups, issuer=issuer, actors=actors),
    NAMES,
    st.lists(st.sampled_from(["dba", "legal", "none"]), min_size=1, unique=True),
    st.sampled_from(["okta", "local"]),
    st.sampled_from([(), (), (), ("bot",)]),
)


@given(st.lists(PEOPLE, max_size=12), st.integers(1, 3), st.integers(1, 2), st.sampled_from([(), ("bot",)]))
def test_it_is_never_approved_without_enough_different_people_of_each_rule(
    people: list[Principal], dba: int, legal: int, actors: tuple[str, ...]
) -> None:
    rules = {"dba": rule("dba", "dba", needed=dba), "legal": rule("legal", "legal", needed=legal)}
    after = held("dba", "legal", actors=actors)
    said: list[Principal] = []
    for one in people:
        if after.state != "pending":
            break
        try:
            after = approved(after, rules, one, NOW, "")
        except Unfit:
            continue
        said.append(one)
    different = [one for place, one in enumerate(said) if not any(alike(one.user, each.user) for each in said[:place])]
    enough = all(
        sum(name in one.groups for one in different) >= needed for name, needed in (("dba", dba), ("legal", legal))
    )
    assert (after.state == "approved") == enough
    assert different == said
    assert not any(alike(one.user, "ann") or one.actors for one in said)
