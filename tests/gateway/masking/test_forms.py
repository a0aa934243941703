"""Forms: which types are scanned, and how each is read in both wire formats."""

import pytest

from gateway.masking.forms import Form, form_of


@pytest.mark.parametrize(
    ("oid", "text", "binary"),
    [
        (25, Form.TEXT, Form.TEXT),
        (1043, Form.TEXT, Form.TEXT),
        (114, Form.JSON, Form.JSON),
        (3802, Form.JSON, Form.JSONB_BINARY),
        (142, Form.XML, Form.XML),
        (17, Form.BYTEA_TEXT, Form.BYTEA),
        (1009, Form.NESTED, Form.NESTED_BINARY),
        (2249, Form.NESTED, Form.NESTED_BINARY),
        (3614, Form.NESTED, Form.TSVECTOR_BINARY),
        (16999, Form.NESTED, Form.NESTED_BINARY),
        (0, Form.NESTED, Form.NESTED_BINARY),
    ],
)
def test_type_that_can_hold_text_has_a_form(oid: int, text: Form, binary: Form) -> None:
    assert form_of(oid, 0) is text
    assert form_of(oid, 1) is binary


@pytest.mark.parametrize("oid", [16, 18, 20, 23, 700, 1700, 1082, 1114, 1184, 2950, 869, 1560, 1007, 3904, 600])
def test_type_that_cannot_is_never_asked(oid: int) -> None:
    assert form_of(oid, 0) is None
    assert form_of(oid, 1) is None
