"""Constants in plans and definitions: those beside a hidden column go, and those that identify somebody; the rest stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.definitions import Definitions, beyond_definitions, definitions
from gateway.masking.plan import rows
from parser.messages import Field
from tests.gateway.masking.shop import INT4, JSONB, TEXT, basis_of, data_row, description

ONE = Definitions((0,), frozenset({b"email", b"salary"}), by_line=False)
BOUND = ONE.__class__((0,), ONE.hidden, by_line=True)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"CHECK ((email <> 'ann'::text))", b"CHECK ((email <> '[redacted]'::text))"),
        (b"CHECK ((salary > 91111.11))", b"CHECK ((salary > 0))"),
        (b"CHECK ((email <> ''::text))", b"CHECK ((email <> ''::text))"),
        (b"CHECK ((state = ANY (ARRAY['new'::text, 'paid'::text])))", None),
        (b"nextval('users_email_seq'::regclass)", None),
        (b"to_tsvector('english'::regconfig, email)", None),
        (b"'ann@example.com'::text", b"'[redacted]'::text"),
        (b"'901-11-1111'::text", b"'[redacted]'::text"),
        (b"FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')", None),
        (b"FOR VALUES FROM ('2026-01-01 00:00:00+00') TO (MAXVALUE)", None),
        (b"'it''s ann@example.com'::text", b"'[redacted]'::text"),
        (b"'00000000-0000-0000-0000-000000000000'::uuid", None),
        (b"{CONST :constvalue 9 [ 36 0 0 0 97 110 110 ]}", b"{CONST :constvalue 0 [ ]}"),
        (b"SELECT id FROM t WHERE (n > 1234567)", None),
        (b"((city <> 'Nowhere') AND (email <> 'ann'))", b"((city <> 'Nowhere') AND (email <> '[redacted]'))"),
        (b"(email ~~ 'a and b' OR city = 'x and email')", b"(email ~~ '[redacted]' OR city = '[redacted]')"),
        (b"", None),
    ],
)
def test_constants_that_tell_go(text: bytes, shown: bytes | None) -> None:
    assert ONE.cell(text) == (text if shown is None else shown)


def test_each_line_of_a_plan_stands_alone() -> None:
    plan = b"Filter: (email = 'ann')\n  Index Cond: (city = 'Oslo')  (cost=0.00..12345.67 rows=99999)"
    assert BOUND.cell(plan) == plan.replace(b"'ann'", b"'[redacted]'")


def test_costs_beside_a_hidden_column_stay() -> None:
    line = b"Index Scan using email on t  (cost=0.00..12345.67 rows=99999 width=36)"
    assert BOUND.cell(line) == line


def test_rows_keep_their_other_cells_and_their_nulls() -> None:
    two = Definitions((1,), ONE.hidden, by_line=False)
    frames = data_row(b"'ann@example.com'", b"'ann@example.com'") + data_row(None, None)
    assert two.mask(frames) == data_row(b"'ann@example.com'", b"'[redacted]'") + data_row(None, None)


@pytest.mark.parametrize(
    ("sql", "looked_into"),
    [
        ("select pg_get_viewdef(1)", True),
        ("select definition from pg_views", True),
        ("select view_definition from information_schema.views", True),
        ("select relname from pg_class", False),
        ("select item from orders", False),
        ("explain select item from orders", True),
    ],
)
def test_only_what_tells_definitions_is_looked_into(sql: str, looked_into: bool) -> None:
    field = Field("x", 0, 0, TEXT, -1, -1, 0)
    assert (definitions([field], (), basis_of(sql)) is not None) is looked_into
    assert definitions([field], (), basis_of(sql, ["*"])) is None
    assert definitions([field], (0,), basis_of(sql)) is None, "masked whole already"


def test_definition_in_a_value_of_another_type_is_masked_whole() -> None:
    basis = basis_of("select row(pg_get_viewdef(1))")
    assert beyond_definitions(Field("x", 0, 0, 2249, -1, -1, 0), basis)
    assert not beyond_definitions(Field("x", 0, 0, INT4, -1, -1, 0), basis)
    assert not beyond_definitions(Field("x", 0, 0, JSONB, -1, -1, 0), basis), "looked into"
    assert [index for index, _ in rows(description(("x", 0, 0, 2249)), basis).masks] == [0]


@given(st.binary(max_size=80))
def test_any_text_is_looked_into_and_twice_is_once(text: bytes) -> None:
    once = ONE.cell(text)
    assert ONE.cell(once) == once
