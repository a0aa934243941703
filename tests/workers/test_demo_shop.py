"""The demo's world: its policy can be used, and its visitors come in by it."""

import pytest

from gateway.identity.principal import Principal
from gateway.policy import compile as policy_compile
from gateway.policy import rules
from gateway.policy.table import PolicyTable
from gateway.settings import Settings
from workers import demo_shop
from workers.demo_shop import ADMINISTRATOR, ANALYST, BATCH, Visitor


def test_a_chain_of_agents_is_said_from_its_outer_end() -> None:
    assert ANALYST.words == "ann"
    assert BATCH.words == "trainer for orchestrator for mia"


@pytest.mark.parametrize("visitor", [ANALYST, BATCH])
def test_whoever_plays_comes_in(visitor: Visitor) -> None:
    table = PolicyTable(policy_compile.compile([rules.load(demo_shop.POLICY, "policy.toml")], Settings()))
    who = Principal(visitor.user, "local", (visitor.groups,), visitor.actors, 9e9, "t1")
    assert table.rights(who, "shop", "production", 0.0, 1, None).role is None


def test_each_kind_of_outcome_is_played_and_who_decides_is_in_the_slack() -> None:
    assert {scene.outcome for scene in demo_shop.SCENES} == {"rows", "refused", "held"}
    assert ADMINISTRATOR in demo_shop.MEMBERS.values()
