"""Who may end whose sessions: role by database, a table."""

import pytest

from gateway.identity.principal import Principal
from gateway.policy import compile as policy_compile
from gateway.policy import rules
from gateway.policy.operating import Operator, Owner
from gateway.policy.table import PolicyTable
from gateway.settings import load

NOW = 1_800_000_000.0
SETTINGS = load(
    """
[[issuer]]
name = "local"
issuer = "https://local"
audience = "sluice"
key_file = "k"
[[database]]
name = "prod"
environment = "production"
user = "u"
[[database]]
name = "dev"
environment = "development"
user = "u"
[[database]]
name = "*"
user = "u"
""",
    "sluice.toml",
    {},
)
POLICY = """
[[grant]]
name = "everywhere"
groups = ["dba"]
allow = ["all"]
[[grant]]
name = "prod"
groups = ["prod-admins"]
databases = ["prod"]
allow = ["read", "admin"]
[[grant]]
name = "named ones"
groups = ["named"]
databases = ["prod", "dev"]
allow = ["admin"]
[[grant]]
name = "writers"
groups = ["writers"]
allow = ["read", "write", "ddl"]
[[grant]]
name = "over"
groups = ["former"]
allow = ["all"]
expires = 2020-01-01T00:00:00Z
"""
TABLE = PolicyTable(policy_compile.compile([rules.load(POLICY, "policy.toml")], SETTINGS))


def operator(*groups: str, user: str = "ann", issuer: str = "local") -> Operator:
    return Operator(Principal(user, issuer, groups, (), NOW + 60, "t"), TABLE, SETTINGS, NOW)


@pytest.mark.parametrize(
    ("group", "everywhere", "prod", "dev", "other"),
    [
        ("dba", True, True, True, True),
        ("prod-admins", False, True, False, False),
        ("named", False, True, True, False),
        ("writers", False, False, False, False),
        ("former", False, False, False, False),
        ("nobody", False, False, False, False),
    ],
)
def test_admin_rights_in_a_database_are_rights_over_its_sessions(
    group: str, everywhere: bool, prod: bool, dev: bool, other: bool
) -> None:
    one = operator(group)
    assert one.everywhere is everywhere
    places = [("prod", "production"), ("dev", "development"), ("any", "")]
    assert [one.may_end(Owner("bob", "local", *place)) for place in places] == [prod, dev, other]


def test_ones_own_sessions_are_those_of_the_same_user_of_the_same_issuer() -> None:
    one = operator()
    assert one.may_end(Owner("ann", "local", "prod", "production"))
    for user, issuer in (("Ann", "local"), ("ann", "other"), ("ann ", "local"), ("", "local")):
        assert not one.may_end(Owner(user, issuer, "prod", "production"))


def test_agents_operate_nothing() -> None:
    with pytest.raises(AssertionError):
        Operator(Principal("ann", "local", ("dba",), ("bot",), NOW + 60, "t"), TABLE, SETTINGS, NOW)
