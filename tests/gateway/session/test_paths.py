"""The search_path: asked for where the server does not report it, never trusted where something may have moved it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.session.paths import path
from parser.messages import bind, command_complete, execute, frame, parse, query
from parser.messages import parameter_status as told
from tests.gateway.masking.shop import data_row
from tests.gateway.session.rig import (
    ALL,
    BOUND,
    CLOSED,
    DONE,
    IN_TRANSACTION,
    PARSED,
    READ,
    READY,
    SYNC,
    VALUE,
    Rig,
    failure,
    kinds,
)  # fmt: skip

SET = command_complete("SET")
SELECT = query("select 1")


def answer(path: bytes) -> list[bytes]:
    return [PARSED, BOUND, data_row(path), command_complete("SHOW"), CLOSED, CLOSED, READY]


def test_first_text_waits_until_the_server_has_said_what_its_path_is() -> None:
    rig = Rig(READ, tells_path=False)
    assert kinds(rig.ask(SELECT)) == b"PBECCS"
    assert rig.say(*answer(b'"$user", public')) == []
    assert rig.session.search_path == ("app", "public")
    assert rig.again() == [SELECT]
    assert kinds(rig.say(VALUE, DONE, READY)) == b"TCZ"
    assert rig.ask(SELECT) == [SELECT]


def test_server_that_fails_to_answer_leaves_the_path_unknown() -> None:
    rig = Rig(READ, tells_path=False)
    rig.ask(SELECT)
    assert rig.say(failure("42P05"), READY) == []
    assert rig.again() == [SELECT]
    assert rig.session.search_path is None


def test_moved_path_is_asked_for_before_the_next_text() -> None:
    rig = Rig(READ, tells_path=False)
    rig.ask(SELECT)
    rig.say(*answer(b"public"))
    rig.again()
    rig.say(VALUE, DONE, READY)
    rig.ask(query("set search_path to hr"))
    rig.say(SET, READY)
    assert kinds(rig.ask(SELECT)) == b"PBECCS"
    rig.say(*answer(b"hr"))
    assert rig.session.search_path == ("hr",)


def test_text_behind_one_that_moves_the_path_is_not_read_before_the_answer() -> None:
    rig = Rig(READ)
    assert rig.ask(query("set search_path to hr"), SELECT) == [query("set search_path to hr")]
    rig.say(SET, told("search_path", "hr"), READY)
    assert rig.again() == [SELECT]
    assert rig.session.search_path == ("hr",)


def test_path_is_not_asked_for_inside_an_open_pipeline() -> None:
    rig = Rig(READ, tells_path=False)
    rig.ask(SELECT)
    rig.say(*answer(b"public"))
    rig.again()
    rig.say(VALUE, DONE, READY)
    sent = rig.ask(parse("", "set search_path to hr"), bind("", ""), execute(""), parse("", "select 1"))
    assert kinds(sent) == b"PBEH"
    rig.say(PARSED, BOUND, SET)
    assert kinds(rig.again()) == b"P"
    assert rig.session.search_path is None


def in_hr() -> Rig:
    """A session in a transaction that has moved its path, and has been told so; a SELECT waits."""
    rig = Rig(ALL, tells_path=False)
    rig.ask(query("begin"))
    rig.say(*answer(b"public"))
    rig.again()
    rig.say(command_complete("BEGIN"), IN_TRANSACTION)
    rig.ask(query("set local search_path to hr"))
    rig.say(SET, IN_TRANSACTION)
    rig.ask(SELECT)
    rig.say(*answer(b"hr")[:-1], IN_TRANSACTION)
    return rig


def test_rollback_takes_the_path_back() -> None:
    rig = in_hr()
    assert rig.session.search_path == ("hr",)
    rig.again()
    rig.say(VALUE, DONE, IN_TRANSACTION)
    assert rig.ask(query("rollback"), SELECT) == [query("rollback")]
    rig.say(command_complete("ROLLBACK"), READY)
    assert rig.session.search_path is None
    assert kinds(rig.again()) == b"PBECCS"


def test_path_of_set_local_ends_with_the_commit() -> None:
    rig = in_hr()
    rig.again()
    rig.say(VALUE, DONE, IN_TRANSACTION)
    rig.ask(query("commit"))
    rig.say(command_complete("COMMIT"), READY)
    assert b"SHOW search_path" in rig.ask(SELECT)[0]


def test_what_the_server_reports_is_believed_without_asking() -> None:
    rig = Rig(READ)
    assert rig.session.search_path == ("public",)
    rig.ask(query("reset all"))
    rig.say(command_complete("RESET"), told("search_path", "a, b"), READY)
    assert rig.session.search_path == ("a", "b")
    assert rig.ask(SELECT) == [SELECT]


def test_own_question_leaves_no_trace_in_the_audit() -> None:
    rig = Rig(READ, tells_path=False)
    rig.ask(SELECT)
    rig.say(*answer(b"public"))
    rig.again()
    rig.say(VALUE, DONE, READY)
    assert [kind for kind, _, _ in rig.outcomes()] == ["SELECT"]
    assert rig.intents() == 1


def test_session_that_ends_while_the_server_is_asked_ends_quietly() -> None:
    rig = Rig(READ, tells_path=False)
    rig.ask(SELECT, SYNC)
    rig.close()
    assert rig.outcomes() == []


@pytest.mark.parametrize(
    ("text", "schemas"),
    [
        ("", ()),
        ("public", ("public",)),
        ('"$user", public', ("ann", "public")),
        ("Foo,bar", ("foo", "bar")),
        ('"My ""own""", x', ('My "own"', "x")),
        (' a ,  "b,c" ', ("a", "b,c")),
        ('"open', None),
        ("a b", None),
        ("a,", None),
        ("a,,b", None),
        ('"a"b', None),
        ("straße", None),
        ("a" * 64, None),
    ],
)
def test_path_is_read_as_the_server_splits_it(text: str, schemas: tuple[str, ...] | None) -> None:
    assert path(text, "ann") == schemas


def test_changed_role_leaves_user_unknown() -> None:
    assert path('"$user", public', None) is None
    assert path("public", None) == ("public",)


@given(st.lists(st.text(min_size=1, max_size=8), max_size=5))
def test_quoted_names_come_back_as_they_were(names: list[str]) -> None:
    text = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    assert path(text, "$user") == tuple(names)


@given(st.text(alphabet='ab",$ \t', max_size=20))
def test_any_text_is_read_or_left_unknown(text: str) -> None:
    found = path(text, "ann")
    if found is not None:
        assert path(", ".join('"' + name.replace('"', '""') + '"' for name in found), "ann") == found


def test_row_that_is_no_single_value_ends_the_session() -> None:
    rig = Rig(READ, tells_path=False)
    rig.ask(SELECT)
    said = rig.say(PARSED, BOUND, frame(b"D", b"\0\2" + b"\0\0\0\1a" * 2))
    assert kinds(said) == b"E"
    assert rig.session.ending
