"""Documents: what is masked in JSON, XML and hstore leaves a document of the same kind."""

import json
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.masking import documents
from gateway.masking.scanner import scanner

R = "[redacted]"


def masked_json(value: object) -> object:
    text = json.dumps(value).encode()
    found = documents.mask_json(text, scanner().find(text))
    return value if found is None else json.loads(found[0])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"id": 1, "email": "x"}, {"id": 1, "email": R}),
        ({"salary": 5, "ok": True, "n": None}, {"salary": R, "ok": True, "n": None}),
        ({"phones": ["a", 2, {"k": "b"}], "z": "c"}, {"phones": [R, R, {"k": R}], "z": "c"}),
        ({"customer": {"name": "Jane"}, "product": {"name": "Saw"}}, {"customer": {"name": R}, "product": {"name": "Saw"}}),
        ({"a": "to jane@example.com now"}, {"a": f"to {R} now"}),
        ({"a": [1, 4111111111111111]}, {"a": [1, R]}),
        ({"jane@example.com": 1}, {R: 1}),
        ({"a": "line\njane@example.com"}, {"a": f"line\n{R}"}),
        ({"a": "j\u00fcrgen@example.com"}, {"a": R}),
        ({"e\u006dail": "x"}, {"email": R}),
        ({"notes": "hello", "first_name": ""}, {"notes": "hello", "first_name": ""}),
        ([], []),
        ("plain", "plain"),
    ],
)
def test_json_stays_json_without_what_is_personal(value: object, expected: object) -> None:
    assert masked_json(value) == expected


def test_key_written_with_escapes_tells_as_well() -> None:
    found = documents.mask_json(b'{"\\u0065mail": "x"}', [])
    assert found is not None
    assert json.loads(found[0]) == {"email": R}
    assert documents.telling_keys(b'{"\\u0065mail": "x"}')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
    | st.sampled_from(["jane@example.com", "\\ 4111 1111 1111 1111\n", '"Dear Jane Smith"', "a\u0040b.example"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["email", "id", "name", "customer", "k\"ey", "notes", "\u00fc"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=40)
@given(json_values, st.booleans())
def test_any_json_stays_json_and_is_done_at_once(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = documents.mask_json(text, scanner().find(text))
    if found is not None:
        json.loads(found[0])
        assert found[1]
        assert documents.mask_json(found[0], scanner().find(found[0])) is None


@settings(max_examples=40)
@given(json_values)
def test_keys_are_seen_from_outside_as_they_are_from_inside(value: object) -> None:
    text = json.dumps(value).encode()
    if documents.mask_json(text, []) is not None:
        assert documents.telling_keys(text)
        assert documents.telling_document(text)


@pytest.mark.parametrize("text", [b"", b"{", b"{}}", b'{"a" 1', b"nonsense", b'"open', b"[1,2", b"]", b","])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any
        documents.mask_json(text, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p><email>x</email><a>y</a></p>", f"<p><email>{R}</email><a>y</a></p>"),
        ('<p phone="1" id="2"/>', f'<p phone="{R}" id="2"/>'),
        ("<p>to jane@example.com &amp; all</p>", f"<p>to {R} &amp; all</p>"),
        ("<p>jane&#64;example.com</p>", f"<p>{R}</p>"),
        ("<p><![CDATA[jane@example.com]]></p>", f"<p><![CDATA[{R}]]></p>"),
        ("<p><!-- jane@example.com --></p>", f"<p><!-- {R} --></p>"),
        ("<x:address xmlns:x='u'><b>c</b></x:address>", f"<x:address xmlns:x='u'><b>{R}</b></x:address>"),
        ("just jane@example.com", f"just {R}"),
    ],
)
def test_xml_stays_well_formed_without_what_is_personal(text: str, expected: str) -> None:
    raw = text.encode()
    found = documents.mask_xml(raw, scanner().find(raw))
    assert found is not None
    assert found[0].decode() == expected
    ElementTree.fromstring(b"<r>" + found[0] + b"</r>")


@pytest.mark.parametrize("text", [b"<a>", b"</a>", b"<a b=c>x</a>", b"<"])
def test_what_is_no_xml_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any
        documents.mask_xml(text, [])


def test_hstore_is_masked_by_key_and_by_content() -> None:
    text = b'"id"=>"1", "email"=>"x", "k"=>"jane@example.com", "n"=>NULL'
    found = documents.mask_hstore(text, scanner().find(text))
    assert found is not None
    assert found[0] == b'"id"=>"1", "email"=>"[redacted]", "k"=>"[redacted]", "n"=>NULL'
    with pytest.raises(ValueError, match="fill"):
        documents.mask_hstore(text + b"x", [])
