"""What statements that have gone through change in the session."""

import pytest

from gateway.session.changing import changed_by
from parser.statements import read
from tests.gateway.session.rig import ALL, CLEAR, Rig


def done(rig: Rig, text: str) -> None:
    (facts,) = read(text.encode(), standard_conforming_strings=True)
    changed_by(rig.session, facts)


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("create table t (a int)", True),
        ("create temp table t (a int)", False),
        ("create temp table t (a int references orders)", False),
        ("drop table t", True),
        ("do $$ begin execute 'drop table t'; end $$", True),
        ("select 1", False),
        ("update orders set total = 1 where id = 1", False),
    ],
)
def test_definitions_that_others_may_meet_have_the_catalogue_read_anew(text: str, moved: bool) -> None:
    rig = Rig(ALL)
    done(rig, text)
    assert rig.session.catalog_moved is moved


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("set standard_conforming_strings = off", True),
        ("set standard_conforming_strings = on", False),
        ("set names 'SJIS'", True),
        ("set client_encoding = 'UTF8'", False),
        ("set search_path = public", False),
        ("reset all", True),
    ],
)
def test_settings_that_may_change_how_text_is_read_are_doubted(text: str, doubt: bool) -> None:
    rig = Rig(ALL)
    done(rig, text)
    assert rig.session.lexing_doubt is doubt


def test_names_of_its_own_making_are_remembered_where_something_may_be_hidden() -> None:
    hidden, clear = Rig(ALL), Rig(CLEAR)
    for rig in (hidden, clear):
        done(rig, "create temp table customers as select 1")
        done(rig, "alter table orders rename to customers2")
    assert "customers" in hidden.session.made
    assert "customers2" in hidden.session.moved
    assert not clear.session.made
    assert not clear.session.moved
