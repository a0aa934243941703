"""Rules are chosen by the names of a principal that rules mention, and remembered by them."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.principal import Principal
from gateway.policy import choosing
from gateway.policy.choosing import Choice, listed
from gateway.policy.rules import Grant
from gateway.policy.table import _selects
from tests.gateway.policy.grants import who

some = st.lists(st.sampled_from(("a", "b", "c", "*")), max_size=2).map(tuple)
rules = st.builds(Grant, name=st.just("g"), allow=st.just(("read",)), users=some, groups=some, actors=some, issuers=some)
names = st.lists(st.sampled_from("abcd"), max_size=3)
people = st.builds(
    lambda user, groups, actors, issuer: who(user, " ".join(groups), " ".join(actors), issuer),
    st.sampled_from("abcd"), names, names, st.sampled_from("abcd"),
)  # fmt: skip


@given(st.lists(rules, max_size=5), st.lists(people, max_size=6))
def test_a_choice_is_what_asking_each_rule_gives(grants: list[Grant], asking: list[Principal]) -> None:
    choice = Choice(grants, _selects)
    for person in (*asking, *asking):
        assert choice.of(person) == tuple(one for one in grants if _selects(one, person))


def test_those_whom_no_rule_tells_apart_are_asked_about_once() -> None:
    asked: list[str] = []

    def fits(rule: Grant, person: Principal) -> bool:
        asked.append(person.user)
        return listed(person.groups, rule.groups)

    choice = Choice([Grant("g", ("read",), groups=("dev",)), Grant("h", ("read",), groups=("ops",))], fits)
    for person in (who("ann", "dev staff"), who("bob", "staff dev"), who("cy", "dev")):
        assert [one.name for one in choice.of(person)] == ["g"]
    assert asked == ["ann"]  # and of one rule alone: the other names groups that she is not in


def test_the_memory_is_bounded(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(choosing, "KINDS_MAX", 2)
    grants = [Grant(user, ("read",), users=(user,)) for user in "abc"]
    choice = Choice(grants, _selects)
    for user in "abcabc":
        assert [one.name for one in choice.of(who(user))] == [user]
        assert len(choice._known) <= 2
