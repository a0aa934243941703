"""Who may ask for what, who may answer, and the grant that an answer is."""

from dataclasses import replace

import msgspec
import pytest

from gateway.approvals.requests import Asked, Unfit, active, alike, decided, grant, made, may_decide, rule_for
from gateway.identity.principal import Principal
from gateway.policy import compile as policy_compile
from gateway.policy.access import Access, Approvers
from gateway.policy.compile import with_grants
from gateway.policy.table import PolicyTable
from gateway.settings import Settings

NOW = 1_800_000_000.0
DBA = Approvers(groups=("dba",))
RULE = Access(
    name="production, read", allow=("read",), approvers=DBA, groups=("devs",), databases=("prod",), unmask=("email",),
    max_seconds=3600, role="app_ro",
)  # fmt: skip
GLASS = Access(
    name="z emergency", allow=("all",), groups=("oncall",), environments=("production",), break_glass=True,
    review_by=Approvers(groups=("security",)),
)  # fmt: skip
ASKED = Asked("prod", "production", ("read",), 600.0, "TICKET-1")


def who(user: str = "ann", *groups: str, actors: tuple[str, ...] = (), issuer: str = "okta") -> Principal:
    return Principal(user, issuer, groups or ("devs",), actors, NOW + 3600, "t-1")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, None),
        ({"unmask": ("email",)}, None),
        ({"database": "dev", "environment": ""}, "no rule lets you ask"),
        ({"database": "*"}, "nobody and nothing"),
        ({"allow": ("write",)}, "lets you ask for: read"),
        ({"allow": ("read", "all")}, "lets you ask for: read"),
        ({"unmask": ("ssn",)}, "in clear: email"),
        ({"unmask": ("*",)}, "in clear: email"),
        ({"seconds": 3601.0}, "at most 3600 seconds"),
        ({"break_glass": True}, "has to be approved"),
    ],
)
def test_only_what_a_rule_offers_may_be_asked_for(change: dict[str, object], why: str | None) -> None:
    asked = msgspec.structs.replace(ASKED, **change)
    if why is None:
        assert rule_for([RULE], who(), asked) is RULE
        return
    with pytest.raises(Unfit, match=why):
        rule_for([RULE, GLASS], who(), asked)


def test_only_those_may_ask_whom_a_rule_names() -> None:
    for one in (who("ann", "others"), who(actors=("bot",)), who("*"), who(actors=("*",))):
        with pytest.raises(Unfit):
            rule_for([RULE], one, ASKED)
    agents = msgspec.structs.replace(RULE, actors=("bot", "front"))
    assert rule_for([agents], who(actors=("front", "bot")), ASKED) is agents
    assert rule_for([agents], who(), ASKED) is agents
    with pytest.raises(Unfit):
        rule_for([agents], who(actors=("front", "other")), ASKED)
    with pytest.raises(Unfit, match="emergencies"):
        rule_for([GLASS], who("ann", "oncall"), ASKED)
    with pytest.raises(Unfit, match="no access"):
        rule_for([], who(), ASKED)


SAME = ["ann", "Ann", "ANN", "ａｎｎ", "a\u200bnn", "ann\u00ad", "\u202eann", "a n n", "Ánn", "ann\u0301"]


@pytest.mark.parametrize("name", SAME)
def test_nobody_approves_his_own_request_in_whatever_spelling(name: str) -> None:
    request = made("r1", RULE, who(), ASKED, NOW)
    for issuer in ("okta", "other"):
        with pytest.raises(Unfit, match="nobody decides what he"):
            may_decide(request, DBA, who(name, "dba", issuer=issuer))
    assert alike(name, "ann")
    assert not alike(name, "anna")


def test_an_approver_is_a_person_whom_the_rule_names() -> None:
    request = made("r1", RULE, who(), ASKED, NOW)
    may_decide(request, DBA, who("dora", "dba"))
    may_decide(request, Approvers(users=("dora",)), who("dora", "devs"))
    account = replace(who("dora", "dba"), account=who("app"))
    for one in (who("dora", "devs"), who("dora", "DBA"), who("dora", "dba", actors=("bot",)), account):
        with pytest.raises(Unfit):
            may_decide(request, DBA, one)
    by_agent = made("r2", RULE, who(actors=("bot",)), ASKED, NOW)
    with pytest.raises(Unfit, match="agent of his"):
        may_decide(by_agent, DBA, who("ann", "dba"))


def test_an_approval_is_a_grant_with_an_end_a_giver_and_a_reason() -> None:
    request = decided(made("r1", RULE, who(), ASKED, NOW), who("dora", "dba"), NOW + 5, "fine", approve=True)
    given = grant(request, RULE)
    assert (given.name, given.granted_by, given.reason, given.role) == ("access r1", "dora (okta)", "TICKET-1", "app_ro")
    table = PolicyTable(with_grants(policy_compile.compile([], Settings()), [given]))
    assert table.rights(who(), "prod", "production", NOW + 6, 1).allow == {"read"}
    for one, database, now in (
        (who(), "dev", NOW + 6), (who(), "prod", NOW + 605), (who(), "prod", NOW + 4), (who("bob"), "prod", NOW + 6),
        (who(issuer="other"), "prod", NOW + 6), (who(actors=("bot",)), "prod", NOW + 6),
    ):  # fmt: skip
        with pytest.raises(Exception, match="no grant"):
            table.rights(one, database, "production", now, 1)


def test_an_approval_counts_while_its_rule_would_still_allow_it() -> None:
    request = decided(made("r1", RULE, who(), ASKED, NOW), who("dora", "dba"), NOW, "", approve=True)
    assert active(request, [RULE], NOW)
    assert not active(request, [RULE], NOW + 600)
    assert not active(request, [], NOW)
    for change in ({"databases": ("dev",)}, {"allow": ("write",)}, {"environments": ("test",)}):
        assert not active(request, [msgspec.structs.replace(RULE, **change)], NOW)
    denied = decided(made("r1", RULE, who(), ASKED, NOW), who("dora", "dba"), NOW, "no", approve=False)
    assert (denied.state, active(denied, [RULE], NOW)) == ("denied", False)


def test_what_is_broken_open_is_in_force_at_once_and_to_be_reviewed() -> None:
    asked = msgspec.structs.replace(ASKED, break_glass=True, allow=("admin",))
    rule = rule_for([RULE, GLASS], who("ann", "oncall"), asked)
    request = made("r9", rule, who("ann", "oncall"), asked, NOW)
    assert (request.state, request.review, request.decided_by) == ("approved", "open", "break-glass by ann (okta)")
    assert active(request, [GLASS], NOW + 1)
    with pytest.raises(Unfit):
        may_decide(request, GLASS.review_by, who("ann", "security"))
    may_decide(request, GLASS.review_by, who("sue", "security"))
