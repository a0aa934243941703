"""Texts cut into statements, brackets matched."""

import pytest

from parser.cutting import columns, cut, terms
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


@pytest.mark.parametrize(
    ("sql", "by", "expected"),
    [
        ("a and b or c", ("and", "or"), ["a", "b", "c"]),
        ("a and b or c", ("or",), ["a and b", "c"]),
        ("a between 1 and 2 and b", ("and",), ["a between 1 and 2", "b"]),
        ("a between 1 and 2 or b between 3 and 4", ("and", "or"), ["a between 1 and 2", "b between 3 and 4"]),
        ("case when a and b then c end or d", ("and", "or"), ["case when a and b then c end", "d"]),
        ("case when a between 1 and 2 then b end and c", ("and",), ["case when a between 1 and 2 then b end", "c"]),
        ("( a or b ) and c [ 1 or 2 ]", ("and", "or"), ["( a or b )", "c [ 1 or 2 ]"]),
        ("a", ("and", "or"), ["a"]),
    ],
)
def test_terms_are_cut_outside_of_brackets_case_and_between(sql: str, by: tuple[str, ...], expected: list[str]) -> None:
    words = columns(tokenize(sql.encode(), standard_conforming_strings=True, comments=False))
    found = terms(words, 0, len(words.tokens), by)
    assert [" ".join(words.text[start:end]) for start, end in found] == expected
