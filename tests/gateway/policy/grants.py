"""Principals and small policies, and the rights that come of them."""

import datetime

import pytest

from gateway.errors import Refusal
from gateway.identity.principal import Principal
from gateway.policy.compile import compile
from gateway.policy.rules import load
from gateway.policy.table import PolicyTable, Rights
from gateway.settings import load as load_settings

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC).timestamp()
SETTINGS = load_settings(
    '[[database]]\nname = "prod"\nenvironment = "production"\nuser = "u"\n'
    '[[database]]\nname = "dev"\nenvironment = "dev"\nuser = "u"\n',
    "s",
    {},
)
ALLOW = 'allow = ["read"]\n'


def who(user: str = "alice", groups: str = "", actors: str = "", issuer: str = "local") -> Principal:
    return Principal(user, issuer, tuple(groups.split()), tuple(actors.split()), NOW + 60, "t")


def table(text: str) -> PolicyTable:
    return PolicyTable(compile([load(text, "p")], SETTINGS))


def grants(*bodies: str) -> str:
    return "".join(
        f'[[grant]]\nname = "g{number}"\n{"" if "allow" in body else ALLOW}{body}\n'
        for number, body in enumerate(bodies)
    )


def rights(text: str, person: Principal | None = None, role: str | None = None, database: str = "prod") -> Rights:
    environment = "production" if database == "prod" else database
    return table(text).rights(person or who(), database, environment, NOW, 1, role)


def refused(text: str, person: Principal | None = None, role: str | None = None) -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        rights(text, person, role)
    return caught.value.refused.sqlstate, caught.value.refused.message
