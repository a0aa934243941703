"""The address of what gateways share: read whole, never with a password in it, and verified off this machine."""

import pytest

from gateway.errors import ConfigError
from gateway.settings import Settings, load
from gateway.store_settings import address


def settings(lines: str, **environ: str) -> Settings:
    return load(f"[approvals]\n{lines}\n", "sluice.toml", environ)


def fault(lines: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as told:
        settings(lines, **environ)
    return str(told.value)


def test_without_a_word_it_is_the_own_file() -> None:
    assert not load("", "sluice.toml", {}).approvals.shared
    assert not settings('store = "sqlite"').approvals.shared


def test_an_address_is_read_whole() -> None:
    one = address("postgresql://sluice%40a@db1.example.com,[fd00::1]:5433,db3:5434/what%20waits")
    assert one.hosts == (("db1.example.com", 5432), ("fd00::1", 5433), ("db3", 5434))
    assert (one.user, one.dbname, one.local) == ("sluice@a", "what waits", False)
    assert address("postgres://u@%2Frun%2Fpostgresql/db").hosts == (("/run/postgresql", 5432),)


@pytest.mark.parametrize(
    ("store", "why"),
    [
        ("mysql://u@h/db", "not an address of PostgreSQL"),
        ("postgres", "not an address of PostgreSQL"),
        ("postgres://h/db", "does not name user, host and database"),
        ("postgres://u@h", "does not name user, host and database"),
        ("postgres://u@/db", "does not name user, host and database"),
        ("postgres://u@h/db?sslmode=disable", "it has parameters"),
        ("postgres://u@h:0/db", "a port is not one"),
        ("postgres://u@h:99999/db", "a port is not one"),
        ("postgres://u@h:x/db", "a host is not one"),
        ("postgres://u@a,,b/db", "a host is not one"),
        ("postgres://u@[::1/db", "it is not an address"),
        ("postgres://u%00@h/db", "a NUL character"),
        ("postgres://u:canary@h/db", "the password itself is never written here"),
    ],
)
def test_a_mistake_is_told_and_nothing_of_it_quoted(store: str, why: str) -> None:
    told = fault(f'store = "{store}"')
    assert "sluice.toml:2: approvals.store: " in told
    assert why in told
    assert "canary" not in told


def test_off_this_machine_the_server_is_verified_unless_told_otherwise() -> None:
    assert settings('store = "postgres://u@127.0.0.1/db"').approvals.sslmode == "prefer"
    assert settings('store = "postgres://u@%2Frun/db"').approvals.sslmode == "prefer"
    assert settings('store = "postgres://u@localhost,db2/db"').approvals.sslmode == "verify-full"
    assert settings('store = "postgres://u@db/db"\nsslmode = "require"').approvals.sslmode == "require"


def test_the_password_comes_from_one_place_that_is_there() -> None:
    store = 'store = "postgres://u@h/db"'
    assert settings(f'{store}\npassword_env = "STORE"', STORE="x").approvals.password_env == "STORE"
    assert 'did you mean "STORE"?' in fault(f'{store}\npassword_env = "STORES"', STORE="x")
    assert "set it in the environment" in fault(f'{store}\npassword_env = "STORE"')
    assert "password_file is there too" in fault(f'{store}\npassword_env = "STORE"\npassword_file = "x"', STORE="x")
    assert "unknown key" in fault(f'{store}\npassword = "x"')
    assert "it belongs to a store in PostgreSQL" in fault('password_file = "x"')


def test_what_a_fleet_shares_is_a_postgresql_or_nothing() -> None:
    assert not load("", "sluice.toml", {}).fleet.shared
    named = load('[fleet]\nstore = "postgres://u@db/db"', "sluice.toml", {}).fleet
    assert (named.shared, named.sslmode) == (True, "verify-full")
    with pytest.raises(ConfigError, match=r"fleet\.store: it is not an address of PostgreSQL"):
        load('[fleet]\nstore = "sqlite"', "sluice.toml", {})
