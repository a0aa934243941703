"""The state of a reading: lists, searches and limits."""

import pytest

from parser.lineage import Scope, Source
from parser.reading import LOOK_UPS_MAX, Reading, Unread, Words
from parser.statements import read
from parser.tokenizer import tokenize
from parser.tokens import Kind


def reading(sql: str) -> Reading:
    tokens = tokenize(sql.encode())
    texts = [token.text for token in tokens] + [""] * 6
    opened: list[int] = []
    match = {}
    for at, text in enumerate(texts):
        if text == "(":
            opened.append(at)
        elif text == ")":
            match[opened.pop()] = at
    kinds = [token.kind for token in tokens] + [Kind.SELF] * 6
    words = Words(texts, texts, kinds, match, tokens)
    return Reading(words, lambda *_: [], lambda *_: [], lambda *_: read(b"SELECT 1")[0])


def test_a_list_is_split_at_its_own_commas() -> None:
    assert reading("a, f(b, c), d").split(0, 10) == [(0, 1), (2, 8), (9, 10)]
    assert reading("a").split(0, 0) == []


def test_a_keyword_is_found_outside_of_brackets_and_not_as_a_label() -> None:
    found = reading("( from ) x as from , t . from from")
    assert found.find(frozenset(("from",)), 0, 11) == 10
    assert found.find(frozenset(("where",)), 0, 11) == 11


def test_names_keep_their_last_two_parts() -> None:
    relation, behind = reading("a.b.c d").relation(0)
    assert (relation.schema, relation.name, behind) == ("b", "c", 5)
    with pytest.raises(Unread):
        reading("1").relation(0)


def test_brackets_hold_a_query_or_not() -> None:
    for sql, expected in (
        ("(select 1)", True),
        ("((select 1))", True),
        ("((select 1) union select 2)", True),
        ("((select 1) + 2)", False),
        ("(values (1))", True),
        ("(values)", False),
        ("(a)", False),
    ):
        assert reading(sql).words.is_query(0) is expected, sql


def test_too_much_looking_up_is_refused() -> None:
    scope = Scope()
    for _ in range(100):
        scope.add(Source("a"))
    found = reading("a")
    with pytest.raises(Unread):
        for _ in range(LOOK_UPS_MAX):
            found.look_up(scope)
