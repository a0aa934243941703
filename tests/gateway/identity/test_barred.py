"""Tokens, users and agents that are kept out."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import State
from gateway.identity import barred
from gateway.identity.barred import Bar, Bars, Full, refusal
from gateway.identity.principal import Principal

NOW = 1_800_000_000.0


def who(user: str = "ann", issuer: str = "okta", actors: tuple[str, ...] = (), token_id: str = "t-1") -> Principal:
    return Principal(user, issuer, (), actors, NOW + 3600, token_id)


CASES = [
    (Bar("token", "t-1"), {}, True),
    (Bar("token", "t-1", issuer="okta"), {}, True),
    (Bar("token", "t-1", issuer="other"), {}, False),
    (Bar("token", "T-1"), {}, False),
    (Bar("user", "ann"), {}, True),
    (Bar("user", "ann", issuer="okta"), {}, True),
    (Bar("user", "ann", issuer="other"), {}, False),
    (Bar("user", "Ann"), {}, False),
    (Bar("actor", "ann"), {}, False),
    (Bar("user", "bot"), {"actors": ("bot",)}, False),
    (Bar("actor", "bot"), {"actors": ("bot",)}, True),
    (Bar("actor", "bot"), {"actors": ("front", "middle", "bot")}, True),
    (Bar("actor", "bot", user="ann"), {"actors": ("bot",)}, True),
    (Bar("actor", "bot", user="bob"), {"actors": ("bot",)}, False),
    (Bar("actor", "bot", issuer="okta", user="ann"), {"actors": ("bot",)}, True),
    (Bar("actor", "bot", issuer="other", user="ann"), {"actors": ("bot",)}, False),
]


@pytest.mark.parametrize(("bar", "principal", "met"), CASES)
def test_a_bar_meets_whom_it_names_and_nobody_else(bar: Bar, principal: dict[str, tuple[str, ...]], met: bool) -> None:
    assert (Bars([bar]).of(who(**principal), NOW) is bar) is met  # type: ignore[arg-type]


def test_a_bar_ends_with_its_time_and_leaves() -> None:
    bars = Bars([Bar("user", "ann", until=NOW + 10), Bar("user", "bob")])
    assert bars.of(who(), NOW + 9.9)
    assert bars.of(who(), NOW + 10) is None
    assert (bars.expire(NOW + 10), len(bars)) == (1, 1)


def test_a_bar_that_is_lifted_keeps_nobody_out() -> None:
    bar = Bar("user", "ann")
    bars = Bars([bar])
    assert bars.lift(bar.key) is bar
    assert bars.lift(bar.key) is None
    assert bars.of(who(), NOW) is None


def test_there_are_never_more_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barred, "BARS_MAX", 3)
    bars = Bars()
    for number in range(3):
        bars.put(Bar("token", str(number), until=NOW + number), NOW - 1)
    with pytest.raises(Full):
        bars.put(Bar("token", "more"), NOW - 1)
    bars.put(Bar("token", "2", reason="again"), NOW - 1)
    bars.put(Bar("token", "more"), NOW + 1)
    assert {bar.name for bar in bars} == {"2", "more"}


def test_the_refusal_says_what_kind_of_bar_it_is_and_its_reason() -> None:
    said = [refusal(Bar(kind, "it", reason="INC-1")) for kind in ("token", "user", "actor")]  # type: ignore[arg-type]
    assert [one.message for one in said] == [
        "the token was revoked: INC-1", 'user "it" is locked: INC-1', 'agent "it" is stopped: INC-1',
    ]  # fmt: skip
    assert {one.sqlstate for one in said} == {State.NOT_SIGNED_IN}


NAMES = st.sampled_from(["a", "b", ""])


@given(st.lists(st.builds(Bar, st.sampled_from(["token", "user", "actor"]), NAMES, NAMES, NAMES), max_size=6))
def test_looking_a_principal_up_finds_what_comparing_with_every_bar_finds(bars: list[Bar]) -> None:
    kept = Bars(bars)

    def meets(bar: Bar, one: Principal) -> bool:
        if bar.kind == "actor":
            whose = (not bar.user and not bar.issuer) or (bar.user == one.user and bar.issuer in ("", one.issuer))
            return bar.name in one.actors and whose
        name = one.token_id if bar.kind == "token" else one.user
        return bar.name == name and bar.issuer in ("", one.issuer) and not bar.user

    for user, issuer, actor, token_id in product("ab", repeat=4):
        one = who(user, issuer, (actor,), token_id)
        assert (kept.of(one, NOW) is not None) == any(meets(bar, one) for bar in bars)
