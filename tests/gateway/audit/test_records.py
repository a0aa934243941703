"""Records: what goes in comes out, bounded, whatever the text."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import records
from gateway.audit.records import CUT, ColumnsInfo, RulingInfo, SessionInfo, encode_bounded

TEXT = st.text(st.characters(codec=None), max_size=40)  # lone surrogates included


def ruling(statement: str, tables: tuple[str, ...] = ()) -> RulingInfo:
    return RulingInfo(1, "hash", statement, "fp", ("SELECT",), tables)


def test_an_ordinary_ruling_comes_back_unchanged() -> None:
    info = ruling("SELECT $1::int", ("public.t",))
    assert msgspec.msgpack.decode(encode_bounded(info), type=RulingInfo) == info


def test_a_statement_longer_than_64_kib_is_cut_and_says_so() -> None:
    back = msgspec.msgpack.decode(encode_bounded(ruling("x" * 70_000)), type=RulingInfo)
    assert back.statement == "x" * 65536 + CUT


def test_a_ruling_over_a_thousand_wide_tables_still_fits_a_frame() -> None:
    columns = tuple(f"public.table_{n}.a_rather_long_column_name_{n}" for n in range(20_000))
    info = RulingInfo(1, "hash", "é" * 60_000, "fp", ("SELECT",), columns, columns, columns)
    data = encode_bounded(info)
    back = msgspec.msgpack.decode(data, type=RulingInfo)
    assert len(data) <= records.PAYLOAD_LIMIT
    assert back.tables[-1] == CUT
    assert back.tables[0] == columns[0]


@given(TEXT, st.lists(TEXT, max_size=5), st.dictionaries(TEXT, TEXT, max_size=4))
@settings(max_examples=200, deadline=None)
def test_any_text_encodes_and_decodes_to_its_own_type(
    text: str, many: list[str], pairs: dict[str, str]
) -> None:
    session = SessionInfo(text, text, groups=tuple(many))
    back = msgspec.msgpack.decode(encode_bounded(session), type=SessionInfo)
    assert len(back.groups) == len(many)
    assert back.user == text.encode("utf-8", "replace").decode()
    msgspec.msgpack.decode(encode_bounded(pairs), type=dict[str, str])


@given(st.integers(1, 2000), st.integers(128, 5000))
@settings(max_examples=50, deadline=None)
def test_the_limit_holds_and_the_columns_stay_triples(count: int, limit: int) -> None:
    info = ColumnsInfo(
        tuple((f"public.t.c{n}", "email", "redact") for n in range(count)), ("public.t.id",) * count
    )
    data = encode_bounded(info, limit)
    assert len(data) <= limit
    msgspec.msgpack.decode(data, type=ColumnsInfo)


def test_an_unknown_frame_type_and_a_wrong_payload_are_value_errors() -> None:
    with pytest.raises(ValueError, match="unknown"):
        records.decode(31, b"\x90")
    with pytest.raises(ValueError, match="array"):
        records.decode(records.INTENT, b"\xa1x")
