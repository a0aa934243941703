"""Texts cut into statements, brackets matched."""

import pytest

from parser.cutting import columns, cut
from parser.reading import BRACKETS_MAX, Unread
from parser.tokenizer import tokenize


def pieces(sql: str) -> list[str]:
    words = columns(tokenize(sql.encode(), standard_conforming_strings=True, comments=False))
    return [" ".join(words.text[start:end]) for start, end in cut(words)]


def test_semicolons_cut_but_not_in_brackets_strings_and_names() -> None:
    assert pieces("a;b") == ["a", "b"]
    assert pieces(";;a;;") == ["a"]
    assert pieces("create rule r as on update to t do (a; b); c") == ["create rule r as on update to t do ( a ; b )", "c"]
    assert pieces("select ';', \"x;y\", $$;$$; b") == ["select ; , x;y , ;", "b"]


def test_a_body_of_sql_is_one_piece_with_its_definition() -> None:
    body = "begin atomic select case when a then 1 end ; delete from t ; end"
    for head in ("create function f ( )", "create or replace procedure f ( )"):
        assert pieces(f"{head} {body}; x") == [f"{head} {body}", "x"]
        assert pieces(f"{head} begin atomic end; x") == [f"{head} begin atomic end", "x"]


@pytest.mark.parametrize(
    "sql",
    [
        "begin; atomic; end",
        "select 1 begin atomic; x; end",
        "create view begin atomic; x; end",
        "create function f (begin atomic); x; end",
        'create function f ( ) "begin" atomic; x; end',
        'create function f ( ) begin "atomic"; x; end',
        '"create" function f ( ) begin atomic; x; end',
    ],
)
def test_begin_atomic_elsewhere_is_no_body(sql: str) -> None:
    assert len(pieces(sql)) == 3


def test_brackets_that_do_not_pair_or_nest_too_deep_are_refused() -> None:
    for sql in ("(", ")", "(]", "[)", "([)]", "(" * (BRACKETS_MAX + 1) + ")" * (BRACKETS_MAX + 1)):
        with pytest.raises(Unread):
            pieces(sql)
    assert pieces("(" * BRACKETS_MAX + ")" * BRACKETS_MAX)


def test_each_bracket_knows_its_partner() -> None:
    words = columns(tokenize(b"a (b [1] (c)) d", standard_conforming_strings=True, comments=False))
    assert words.match == {1: 9, 3: 5, 6: 8}
