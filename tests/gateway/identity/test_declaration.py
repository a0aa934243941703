"""What people and agents declare, from texts, comments and claims."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity.declaration import (
    TABLES_MAX,
    TEXT_BYTES_MAX,
    Declaration,
    combined,
    following,
    of_claim,
    of_tags,
    read_text,
)
from parser.statements import read

TOKEN = Declaration("from the token", ("public.orders",), "read", "T-1", "token")


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("clean up old orders", Declaration("clean up old orders", source="session")),
        (
            "tables=public.orders,public.customers effect=read ticket=T-12 look at late orders",
            Declaration("look at late orders", ("public.orders", "public.customers"), "read", "T-12", "session"),
        ),
        ("effect=WRITE", Declaration(effect="write", source="session")),
        ("effect=delete all of it", Declaration("effect=delete all of it", source="session")),
        ("effect=read effect=write", Declaration("effect=write", effect="read", source="session")),
        ("see ticket=T-12", Declaration("see ticket=T-12", source="session")),
        ("tables=a,,a, ,b", Declaration(",b", ("a",), source="session")),
        ("two\nlines\ttabbed", Declaration("two lines tabbed", source="session")),
        ("", None),
        ("   ", None),
        ("tables=,", None),
    ],
)
def test_text_begins_with_words_and_goes_on_with_the_reason(text: str, declared: Declaration | None) -> None:
    assert read_text(text) == declared


def test_comment_declares_with_four_keys() -> None:
    (facts,) = read(
        b"select 1 "
        b"/*app='shop',sluice_effect='read',sluice_reason='why%20not',sluice_tables='public.a,b',sluice_ticket='T'*/"
    )
    assert of_tags(facts.tags) == Declaration("why not", ("public.a", "b"), "read", "T", "statement")
    assert of_tags((("app", "shop"),)) is None
    assert of_tags((("sluice_other", "x"),)) is None


@pytest.mark.parametrize(
    ("claim", "declared"),
    [
        (None, None),
        ("effect=read why", Declaration("why", effect="read", source="token")),
        ({"reason": "why", "tables": ["a", "b"]}, Declaration("why", ("a", "b"), source="token")),
        ({"tables": "a,b", "effect": "Write", "ticket": "T"}, Declaration("", ("a", "b"), "write", "T", "token")),
        ({}, None),
        ({"more": 1}, None),
    ],
)
def test_claim_is_a_text_or_an_object(claim: object, declared: Declaration | None) -> None:
    assert of_claim(claim) == declared


@pytest.mark.parametrize(
    "claim", [7, True, ["a"], {"reason": 7}, {"tables": [1]}, {"tables": {"a": 1}}, {"effect": "delete"}, {"effect": []}]
)
def test_claim_of_another_form_is_refused(claim: object) -> None:
    with pytest.raises(ValueError, match="it"):
        of_claim(claim)


def test_stronger_word_counts_field_by_field() -> None:
    said = combined(Declaration("why", effect="write", source="session"), TOKEN)
    assert said == Declaration("why", ("public.orders",), "write", "T-1", "session", TOKEN)
    assert combined(None, TOKEN) is TOKEN
    assert combined(TOKEN, None) is TOKEN
    assert combined(None, None) is None


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("set sluice.reason = 'new'", "new"),
        ("set local sluice.reason to 'new'", "new"),
        ("select set_config('sluice.reason', 'new', false)", "new"),
        ("reset sluice.reason", "from the token"),
        ("set sluice.reason = default", "from the token"),
        ("discard all", "from the token"),
        ("reset all", "from the token"),
        ("discard plans", "old"),
        ("set search_path = x", "old"),
        ("create function f() returns int language sql set sluice.reason = 'new' as 'select 1'", "old"),
        ("alter role r set sluice.reason = 'new'", "old"),
    ],
)
def test_statement_leaves_the_next_one_of_its_text_with_what_it_set(sql: str, reason: str) -> None:
    before = combined(Declaration("old", effect="write", source="session"), TOKEN)
    (facts,) = read(sql.encode())
    after = following(facts, before)
    assert after is not None
    assert after.reason == reason
    assert after.effect == ("write" if reason == "old" else "read")
    nothing = following(facts, None)
    assert (nothing.reason if nothing is not None else "") == ("new" if reason == "new" else "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(("reason", "tables", "effect", "x")), inner),
    max_leaves=8,
)


@given(JSON | st.text(min_size=900, max_size=3000))
def test_declarations_are_bounded_and_printable_whatever_comes(value: object) -> None:
    try:
        said = of_claim(value)
    except ValueError:
        return
    if said is None:
        return
    assert len(said.tables) <= TABLES_MAX
    for text in (said.reason, said.ticket, *said.tables):
        assert len(text.encode()) <= TEXT_BYTES_MAX
        assert text.isprintable()
