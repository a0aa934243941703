"""What can be told of an operand from its tokens."""

from decimal import Decimal

import pytest

from parser.cutting import columns
from parser.facts import Relation
from parser.lineage import Scope, Source
from parser.operands import Operands
from parser.reading import Reading
from parser.tokenizer import tokenize

OWN = ("id", "name", "a", "b", "ctid", "flag")


def operands(sql: str, alias: str | None = "t") -> tuple[Operands, int, int]:
    """The operands of a text in which the names of OWN, and the alias, are the target's."""
    words = columns(tokenize(sql.encode(), standard_conforming_strings=True, comments=False))
    reading = Reading(words, lambda *_: [], lambda *_: [], lambda *_: pytest.fail("a statement inside"))
    names = [at for at in range(len(words.tokens)) if words.named[at] and words.word[at - 1] != "."]
    reading.hits = {at for at in names if words.text[at] in (*OWN, alias) and words.word[at + 1] != "("}
    scope = Scope(None, [Source(alias, Relation(None, "t"), target=True)])
    end = len(words.tokens)
    return Operands.of(reading, 0, end, scope), 0, end


def test_columns_are_named_without_their_table() -> None:
    o, start, end = operands("t.id + s.t.a - lower(name) || (t).b || x.y || 'id'")
    assert o.columns(start, end) >= {"id", "name", "b"}
    assert o.hit(start, end)
    assert not operands("x + 5")[0].hit(0, 3)


def test_text_is_the_same_however_it_is_written() -> None:
    texts = {o.text(start, end) for o, start, end in map(operands, ["t.id", "id", "((id))", "T.Id", '"t"."id"', "(t.id)"])}
    assert len(texts) == 1
    different = ["'id'", "id + 1", "x.id", "name", "1", "id(1)"]
    assert len({o.text(start, end) for o, start, end in map(operands, different)}) == len(different)


def test_marks_are_what_makes_tests_outside_of_brackets_and_case() -> None:
    o, start, end = operands("CASE WHEN a = b THEN (a < b) END || x -> 'y' >= 5 AND name NOT LIKE 'x' IS TRUE")
    assert [o.r.words.word[at] for at in o.marks(start, end)] == [">=", "like", "is"]


def test_literals_are_read() -> None:
    for text, number in {"5": 5, "-5": -5, "(+2.5)": 2.5, "7::bigint": 7, "a": None, "'5'": None, "1 + 1": None}.items():
        o, start, end = operands(text)
        assert o.number(start, end) == (None if number is None else Decimal(str(number)))
    for text, said in {"true": True, "(false)": False, "'t'": None, "a": None}.items():
        o, start, end = operands(text)
        assert o.boolean(start, end) is said


@pytest.mark.parametrize(
    ("method", "yes", "no"),
    [
        ("positive", "length(name)|abs(a)|a * a|(SELECT count(*) FROM u)",
         "a|a * b|length(name) + a|sign(a)|(SELECT max(x))"),
        ("never_null", "ctid|t|concat(a)|coalesce(a, 1)|((t))", "a|coalesce(a, b)|lower(name)|a + 1"),
        ("always_null", "nullif(a, a)|nullif(t.a, (a))", "nullif(a, b)|a"),
        ("vanishes", "a - a|t.a - a|a / a|a * 0|0 * a|a % 1|a ^ 0|left(name, 0)|(a + b) - (a + b)|abs(a) - abs(a)|b + a - a",
         "a - b|a * 2|a % 10|a ^ 2|left(name, 1)|a - 1|-a|abs(a) - abs(b)"),
    ],
)  # fmt: skip
def test_what_an_operand_is_known_to_be(method: str, yes: str, no: str) -> None:
    for texts, known in ((yes, True), (no, False)):
        for text in texts.split("|"):
            o, start, end = operands(text)
            assert getattr(o, method)(start, end) is known, text


def test_a_pattern_that_anything_fits_is_told() -> None:
    o, _, _ = operands("a")
    for op, pattern in (("like", "%"), ("like", "%%"), ("~", ""), ("~", ".*"), ("~", "^"), ("~", "^(.*)$"), ("~", ".?")):
        assert o.fits_all(op, pattern), pattern
    for op, pattern in (("like", ""), ("like", "_"), ("like", "%a"), ("~", "."), ("~", "a*"), ("~", ".+b")):
        assert not o.fits_all(op, pattern), pattern


def test_a_case_comes_apart_in_its_branches_alone() -> None:
    o, start, end = operands("CASE a WHEN 1 THEN CASE WHEN b THEN 2 ELSE 3 END WHEN (2) THEN 4 ELSE 5 END")
    subject, arms, otherwise = o.case(start, end)
    words = o.r.words.text
    assert subject == (1, 2)
    assert [" ".join(words[low:high]) for pair in arms for low, high in pair] == [
        "1", "case when b then 2 else 3 end", "( 2 )", "4",
    ]  # fmt: skip
    assert otherwise is not None
    assert words[otherwise[0]] == "5"


def test_mending_a_value_is_told_from_comparing_a_row_with_itself() -> None:
    for text in ("name <> trim(lower(name))", "lower(name) <> name", "a <> coalesce(b, a)"):
        o, start, end = operands(text)
        at = o.marks(start, end)[0]
        assert o.corrects((start, at), (at + 1, end)), text
    for text in ("name <> md5(name)", "a <> a + 1", "name <> name || 'x'", "lower(a) <> upper(a)", "a <> lower(a || 'x')"):
        o, start, end = operands(text)
        at = o.marks(start, end)[0]
        assert not o.corrects((start, at), (at + 1, end)), text
