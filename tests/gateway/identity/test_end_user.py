"""How a text names the person behind a shared account, and which texts may not hold a token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.identity import end_user
from gateway.identity.end_user import Named, blanked, misplaced, named
from parser.statements import read

TOKEN = "eyJh.eyJz.AQAB"


def of(text: str) -> Named | Refused | None:
    return named(text.encode(), read(text.encode(), standard_conforming_strings=True))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"SET sluice.user_token = '{TOKEN}'", Named(TOKEN, False)),
        (f"set session sluice.user_token to '{TOKEN}';", Named(TOKEN, False)),
        (f'SET "sluice"."user_token" = \'{TOKEN}\'', Named(TOKEN, False)),
        ("RESET sluice.user_token", Named("", False)),
        ("SET sluice.user_token = ''", Named("", False)),
        ("SET sluice.user_token TO DEFAULT", Named("", False)),
        (f"select 1 /*sluice_user_token='{TOKEN}'*/", Named(TOKEN, True)),
        (f"/*app='x',sluice_user_token='{TOKEN}',sluice_reason='y'*/ update t set a = 1", Named(TOKEN, True)),
        ("select 1", None),
        ("SET sluice.reason = 'x'", None),
        ("SET sluice.user_token = '*****'", None),
    ],
)
def test_a_text_names_one_person_or_nobody(text: str, found: Named | None) -> None:
    assert of(text) == found


@pytest.mark.parametrize(
    "text",
    [
        f"SET LOCAL sluice.user_token = '{TOKEN}'",
        f"SET sluice.user_token = '{TOKEN}'; SELECT 1",
        f"SELECT set_config('sluice.user_token', '{TOKEN}', false)",
        f"SELECT 1 /*sluice_user_token='{TOKEN}'*/; SELECT 2",
        f"SELECT 1 /*sluice_user_token='{TOKEN}'*/ /*sluice_user_token='other'*/",
        f"SELECT 1 /*sluice_user_token='{TOKEN}',sluice_user_token='{TOKEN}'*/",
        f"SET sluice.user_token = '{TOKEN}' /*sluice_user_token='{TOKEN}'*/",
        f"SELECT 1 -- sluice_user_token='{TOKEN}'",
        f"SELECT 1 /* see sluice_user_token='{TOKEN}' */",
        f"SELECT $$sluice_user_token='{TOKEN}'$$",
        "SELECT 1 /*sluice_user_token=''*/",
        "SELECT 1 /*" + ",".join(f"k{n}='v'" for n in range(40)) + f",sluice_user_token='{TOKEN}'*/",
        f"CREATE FUNCTION f() RETURNS int LANGUAGE sql SET sluice.user_token = '{TOKEN}' AS 'select 1'",
    ],
)
def test_a_token_in_another_place_is_not_followed_and_not_ignored(text: str) -> None:
    assert of(text) == end_user.MISPLACED


def test_a_long_token_is_the_text_s_and_not_the_remembered_part() -> None:
    token = "a" * 4000
    assert of(f"select 1 /*sluice_user_token='{token}'*/") == Named(token, True)


def test_a_token_is_no_part_of_what_is_printed() -> None:
    assert TOKEN not in repr(Named(TOKEN, True))


@given(st.text(alphabet="abc.DEF-_019", min_size=1, max_size=60), st.booleans())
def test_what_goes_on_has_the_same_length_and_no_token(token: str, once: bool) -> None:
    text = f"select 1 /*sluice_user_token='{token}'*/" if once else f"SET sluice.user_token = '{token}'"
    sent = blanked(text.encode(), token)
    assert sent is not None
    assert len(sent) == len(text)
    assert f"'{token}'".encode() not in sent
    (facts,) = read(sent, standard_conforming_strings=True)
    assert misplaced(facts) is None


def test_a_token_that_is_spelled_otherwise_is_not_blanked() -> None:
    text = "SET sluice.user_token = E'\\x61bc'"
    assert of(text) == Named("abc", False)
    assert blanked(text.encode(), "abc") is None


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (f"SET sluice.user_token = '{TOKEN}'", True),
        (f"SELECT 1 /*sluice_user_token='{TOKEN}'*/", True),
        (f"SELECT set_config('sluice.user_token', '{TOKEN}', true)", True),
        ("SELECT set_config('sluice.user_token', $1, true)", True),
        ("SET sluice.user_token = '****'", False),
        ("SELECT 1 /*sluice_user_token='***'*/", False),
        ("RESET sluice.user_token", False),
        ("RESET ALL", False),
        ("SELECT 1", False),
    ],
)
def test_no_session_passes_a_token_on(text: str, refused: bool) -> None:
    (facts,) = read(text.encode(), standard_conforming_strings=True)
    assert (misplaced(facts) is not None) is refused
