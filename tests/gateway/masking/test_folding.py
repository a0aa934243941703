"""Folding: escapes and lookalikes read as what they mean, and every offset leads back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.folding import Folded


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("jane\\u0040example.com", "jane@example.com"),
        ("jane&#64;example.com", "jane@example.com"),
        ("jane&#x40;example.com", "jane@example.com"),
        ("jane&commat;example.com", "jane@example.com"),
        ("jane%40example.com", "jane@example.com"),
        ("\uff14\uff11\uff11\uff11", "4111"),
        ("4111\u00a01111\u20091111", "4111 1111 1111"),
        ("123\u201145\u20136789", "123-45-6789"),
        ("\u0660\u0661\u0662 \u06f3 \u096a", "012 3 4"),
        ("ja\u200bne", "jane"),
        ("030\\/123", "030/123"),
        ("say \\u0022 and \\\\", "say \\u0022 and \\\\"),
        ("stra\u00dfe \\ud83d", "stra\u00dfe \\ud83d"),
    ],
)
def test_text_is_read_as_it_is_meant(text: str, plain: str) -> None:
    assert Folded(text.encode()).plain.decode() == plain


pieces = st.one_of(
    st.sampled_from(["\\u0040", "&#64;", "%40", "\uff14", "\u00a0", "\u200b", "\\ud83d", "&#99999999;"]).map(str.encode),
    st.binary(max_size=6),
)


@given(st.lists(pieces, max_size=12).map(b"".join), st.data())
def test_offsets_lead_back_into_the_text_in_order(text: bytes, data: st.DataObject) -> None:
    folded = Folded(text)
    if not folded.plain:
        return
    begin = data.draw(st.integers(0, len(folded.plain) - 1))
    end = data.draw(st.integers(begin + 1, len(folded.plain)))
    a, b = folded.back(begin, end)
    assert 0 <= a < b <= len(text)
    if folded.plain == text:
        assert (a, b) == (begin, end)
