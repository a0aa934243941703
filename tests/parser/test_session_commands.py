"""SET, RESET, SHOW, DISCARD and set_config."""

from parser.facts import Facts, Output, Setting
from parser.statements import read


def one(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    return facts


def test_settings_are_seen_wherever_they_are_made() -> None:
    assert one("SELECT a, (SELECT set_config('Role', 'x', true)) FROM t").settings == (Setting("role", "x", True),)
    assert one("SELECT set_config('ro' || 'le', 'x', false)").settings == (Setting("*", "x", False),)
    assert one("WITH a AS (SELECT set_config('x.y', $1, false)) SELECT 1").settings == (Setting("x.y", None),)
    assert not one("SELECT set_config('x.y', ssn, false) FROM t").complete



def test_names_of_settings_are_folded_whatever_their_spelling() -> None:
    for sql in ("SET ROLE x", 'SET "ROLE" TO x', "SET Role = 'x'", "SET SESSION ROLE x"):
        assert one(sql).settings == (Setting("role", "x"),)
    for sql in ("SET NAMES 'x'", "SET client_encoding = x", "SET SESSION Client_Encoding TO 'x'"):
        assert one(sql).settings == (Setting("client_encoding", "x"),)
    assert one("SET SCHEMA 'x'").settings == one("SET search_path = x").settings


def test_what_ends_all_settings_is_named_by_a_star() -> None:
    assert one("RESET ALL").settings == one("DISCARD ALL").settings == (Setting("*", None),)
    assert one("DISCARD TEMP").settings == ()


def test_settings_of_ones_own_may_hold_anything() -> None:
    assert one("SHOW search_path").outputs == (Output(),)
    assert one("SHOW my.thing").outputs == (Output(opaque=True),)


def test_a_set_without_a_value_is_not_understood() -> None:
    assert not one("SET x").complete
    assert not one("SET x y").complete
