"""Cells of any form: parts are masked, lengths are right, and the value is still one of its type."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking import cells
from gateway.masking.forms import Form
from gateway.masking.scanner import scanner

MAIL = b"jane@example.com"
R = b"[redacted]"


def masked(cell: bytes, form: Form) -> bytes | None:
    found = cells.mask(scanner(), cell, form)
    return cell if found is None else found.new


def part(value: bytes | None) -> bytes:
    return struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value


def array(oid: int, *values: bytes | None) -> bytes:
    return struct.pack(">iiIii", 1, 0, oid, len(values), 1) + b"".join(map(part, values))


def record(*fields: tuple[int, bytes | None]) -> bytes:
    return struct.pack(">i", len(fields)) + b"".join(struct.pack(">I", oid) + part(value) for oid, value in fields)


@pytest.mark.parametrize(
    ("form", "cell", "expected"),
    [
        (Form.TEXT, b"to " + MAIL + b" now", b"to " + R + b" now"),
        (Form.TEXT, b'{"email": "x"}', b'{"email": "[redacted]"}'),
        (Form.TEXT, b"{not json " + MAIL + b"}", b"{not json " + R + b"}"),
        (Form.TEXT, b"\\x" + MAIL.hex().encode(), b"\\x" + R.hex().encode()),
        (Form.JSON, b'{"a": "' + MAIL + b'"}', b'{"a": "[redacted]"}'),
        (Form.JSON, b"{" + MAIL, b'"[redacted]"'),
        (Form.JSONB_BINARY, b'\x01{"a": "' + MAIL + b'"}', b'\x01{"a": "[redacted]"}'),
        (Form.XML, b"<a>" + MAIL + b"</a>", b"<a>[redacted]</a>"),
        (Form.XML, b"<a>" + MAIL, R),
        (Form.BYTEA, b"\x00\x01" + MAIL + b"\xff", R),
        (Form.BYTEA_TEXT, b"\\x00" + MAIL.hex().encode() + b"ff", b"\\x" + R.hex().encode()),
        (Form.BYTEA_TEXT, MAIL + b"\\001", b"\\x" + R.hex().encode()),
        (Form.NESTED, b"{a," + MAIL + b',"b c"}', b'{a,"[redacted]","b c"}'),
        (Form.NESTED, b'{"{\\"email\\": \\"x\\"}"}', b'{"{\\"email\\": \\"[redacted]\\"}"}'),
        (Form.NESTED, b'(1,"a ""b"" ' + MAIL + b'",)', b'(1,"a \\"b\\" [redacted]",)'),
        (Form.NESTED, b'["' + MAIL + b'",z)', b'["[redacted]",z)'),
        (Form.NESTED, b"'" + MAIL + b"':1,2 'it''s':3", b"'[redacted]':1,2 'it''s':3"),
        (Form.NESTED, b'"email"=>"x"', b'"email"=>"[redacted]"'),
        (Form.NESTED, MAIL, R),
        (Form.NESTED, b'{"(1,\\"' + MAIL + b'\\")"}', b'{"(1,\\"[redacted]\\")"}'),
        (Form.NESTED_BINARY, array(25, b"a", MAIL, None), array(25, b"a", R, None)),
        (Form.NESTED_BINARY, array(3802, b'\x01{"email":"x"}'), array(3802, b'\x01{"email":"[redacted]"}')),
        (Form.NESTED_BINARY, record((23, b"\0\0\0\1"), (25, MAIL), (25, None)), record((23, b"\0\0\0\1"), (25, R),
        (25, None))), (Form.NESTED_BINARY, record((1009, array(25, MAIL))), record((1009, array(25, R)))),
        (Form.NESTED_BINARY, b"\x02" + part(MAIL) + part(b"z"), b"\x02" + part(R) + part(b"z")),
        (Form.NESTED_BINARY, struct.pack(">i", 1) + part(b"email") + part(b"x"), struct.pack(">i", 1) + part(b"email")
        + part(R)), (Form.NESTED_BINARY, MAIL, R),
        (Form.NESTED_BINARY, b"\0\0" + MAIL + b"\0", None),
        (Form.TSVECTOR_BINARY, b"\0\0\0\1" + MAIL + b"\0\0\1\0\5", b"\0\0\0\1" + R + b"\0\0\1\0\5"),
        (Form.TSVECTOR_BINARY, b"\0\0\0\2" + MAIL, None),
    ],
)  # fmt: skip
def test_personal_part_is_masked_and_the_value_keeps_its_type(form: Form, cell: bytes, expected: bytes | None) -> None:
    assert masked(cell, form) == expected
    if expected is not None:
        assert masked(expected, form) == expected


@pytest.mark.parametrize(
    ("form", "cell"),
    [
        (Form.TEXT, b"nothing here"),
        (Form.JSON, b'{"a": [1, "b"]}'),
        (Form.XML, b"<a b='c'>d</a>"),
        (Form.BYTEA, bytes(range(256))),
        (Form.BYTEA_TEXT, b"\\x0001ff"),
        (Form.NESTED, b'{a,"b \\"c\\"",NULL}'),
        (Form.NESTED_BINARY, array(23, b"\0\0\0\1", None)),
        (Form.NESTED_BINARY, record((25, b"a"), (16, b"\1"))),
        (Form.NESTED_BINARY, b"\x01"),
        (Form.TSVECTOR_BINARY, b"\0\0\0\1cat\0\0\1\0\5"),
    ],
)
def test_value_without_personal_data_goes_out_as_it_is(form: Form, cell: bytes) -> None:
    assert cells.mask(scanner(), cell, form) is None


def test_value_that_is_nothing_else_is_told_so() -> None:
    assert cells.mask(scanner(), b" " + MAIL, Form.TEXT) == cells.MaskedCell(b" " + R, ("email",), True)
    found = cells.mask(scanner(), b"to " + MAIL, Form.TEXT)
    assert found is not None
    assert not found.whole


@given(st.sampled_from(Form), st.lists(st.sampled_from([MAIL, b"\0\0\0\1", b"{", b'"', b"(", b",", b"\\", b"'", b"=>",
b"<a>", b"x"]) | st.binary(max_size=6), max_size=12).map(b"".join))  # fmt: skip
def test_no_bytes_make_it_fail_or_let_the_address_out(form: Form, cell: bytes) -> None:
    found = cells.mask(scanner(), cell, form)
    if found is not None and found.new is not None and form is Form.JSON:
        json.loads(found.new.decode("utf-8", "replace"))


def test_values_inside_values_end_somewhere() -> None:
    cell = MAIL
    for _ in range(40):
        cell = array(2287, record((1009, cell)))
    found = cells.mask(scanner(), cell, Form.NESTED_BINARY)
    assert found is not None
    assert MAIL not in (found.new or b"")
