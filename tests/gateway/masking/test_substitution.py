"""Values in place of tokens: only for the column's own label, and written so that the text means what it meant."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.basis import MaskBasis
from gateway.masking.substitution import filters, label_of, quoted, replaced, silent, spliced, value_of
from gateway.masking.tokens import VALUE_BYTES_MAX, mint
from gateway.policy.rules import Mask
from parser.facts import Column, Relation
from parser.tokenizer import tokenize
from parser.tokens import Kind
from tests.gateway.masking.shop import basis_of, facts

KEY = b"k" * 32
HASHED = (Mask(labels=("email", "name", "salary"), method="hash"), Mask(labels=("card",), method="partial", keep_last=4))
EMAIL, NAME = (Column(Relation("public", "customers"), name) for name in ("email", "name"))
MAIL = mint(KEY, "email").token(b"ann@shop.example")


def hashed(sql: str = "select id from customers", unmask: tuple[str, ...] = ()) -> MaskBasis:
    return basis_of(sql, unmask, HASHED, key=KEY)


@pytest.mark.parametrize(
    ("column", "label"),
    [("email", "email"), ("name", "name"), ("salary", None), ("card_number", None), ("city", None), ("nosuch", None)],
)
def test_only_hidden_columns_of_text_that_are_hashed_show_tokens(column: str, label: str | None) -> None:
    assert label_of(Column(Relation(None, "customers"), column), hashed()) == label
    assert label_of(Column(Relation(None, "unknown"), column), hashed()) is None


def test_who_sees_the_column_or_everything_reads_no_tokens() -> None:
    assert label_of(EMAIL, hashed(unmask=("email",))) is None
    assert label_of(EMAIL, hashed(unmask=("*",))) is None
    assert label_of(EMAIL, basis_of("select 1", (), HASHED)) is None, "without a key there are none"


def test_token_is_replaced_beside_columns_of_its_label_alone() -> None:
    basis = hashed()
    assert value_of(MAIL, [EMAIL], basis) == value_of(MAIL.upper(), [EMAIL, EMAIL], basis) == b"ann@shop.example"
    assert value_of(MAIL, [NAME], basis) is None
    assert value_of(MAIL, [EMAIL, NAME], basis) is None
    assert value_of(MAIL, [], basis) is None
    assert value_of(b"x" + MAIL, [EMAIL], basis) is None
    assert value_of(mint(KEY, "email").token(b"\xff"), [EMAIL], basis) is None, "no text of UTF-8"
    assert value_of(mint(KEY, "email").token(b"a\0b"), [EMAIL], basis) is None, "would end the message's text"


def test_arrays_keep_their_other_elements() -> None:
    array = b'{nothing, "a,b",' + MAIL + b', "' + MAIL + b'",NULL}'
    out = replaced(array, [(EMAIL, True)], hashed())
    assert out == b'{nothing, "a,b","ann@shop.example","ann@shop.example",NULL}'
    odd = mint(KEY, "email").token(b'say "no"\\,{}')
    assert replaced(b"{" + odd + b"}", [(EMAIL, True)], hashed()) == b'{"say \\"no\\"\\\\,{}"}'
    for other in (b"{}", b"{a}", b"{%b,}", b"{{%b}}", b"[1:1]={%b}", b"%b", b'{"\\"",%b}'):
        assert replaced(other.replace(b"%b", MAIL), [(EMAIL, True)], hashed()) is None


def test_arrays_in_binary_keep_their_other_elements() -> None:
    def array(*cells: bytes | None) -> bytes:
        out = struct.pack(">iiIii", 1, 1, 25, len(cells), 1)
        return out + b"".join(struct.pack(">i", -1) if one is None else struct.pack(">i", len(one)) + one for one in cells)

    out = replaced(array(b"x", None, MAIL), [(EMAIL, True)], hashed(), binary=True)
    assert out == array(b"x", None, b"ann@shop.example")
    assert replaced(array(b"x"), [(EMAIL, True)], hashed(), binary=True) is None
    assert replaced(array(MAIL)[:30], [(EMAIL, True)], hashed(), binary=True) is None
    assert replaced(b"", [(EMAIL, True)], hashed(), binary=True) is None
    assert replaced(struct.pack(">iiI", 0, 0, 25), [(EMAIL, True)], hashed(), binary=True) is None


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=60)


@given(texts, st.sampled_from(["'{}'", "E'{}'", "$${}$$", "U&'{}'"]))
def test_replaced_literal_reads_as_the_value_and_moves_nothing(value: str, form: str) -> None:
    raw = value.encode()
    if len(raw) > VALUE_BYTES_MAX:
        return
    literal = form.format(mint(KEY, "email").token(raw).decode()).encode()
    written = quoted(raw, literal)
    if written is None:
        assert value.count("'") > len(value) // 2
        return
    sql = b"select id from p where email = %b and city = 'x'" % literal
    at = sql.index(literal)
    new = spliced(sql, {(at, at + len(literal)): written})
    assert len(new.decode()) == len(sql.decode())
    tokens = tokenize(new)
    assert [one.text for one in tokens if one.kind is Kind.STRING] == [value, "x"]
    assert [(one.kind, one.text) for one in tokens if one.kind is not Kind.STRING] == [
        (one.kind, one.text) for one in tokenize(sql) if one.kind is not Kind.STRING
    ]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select id from customers", True),
        ("select upper(city) from customers", True),
        ("select current_query() from customers", False),
        ("select peek() from customers", False),
        ("select query_to_xml('select 1', true, true, '')", False),
        ("nonsense", False),
    ],
)
def test_text_that_could_show_itself_is_not_silent(sql: str, expected: bool) -> None:
    assert silent(facts(sql), hashed(sql)) is expected


def test_explain_and_definitions_take_no_values() -> None:
    assert filters(facts("select 1"))
    assert filters(facts("create table t as select 1"))
    for sql in ("explain select 1", "create view v as select 1", "create materialized view v as select 1"):
        assert not filters(facts(sql))
