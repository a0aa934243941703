"""Patterns of names."""

import pytest

from gateway.wildcards import fits, fits_path


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("svc-a", "svc-*", True),
        ("svc-", "svc-*", True),
        ("asvc-a", "svc-*", False),
        ("SVC-a", "svc-*", False),
        ("svc-a\n", "svc-*", True),
        ("svc-a", "svc-a", True),
        ("svc-ab", "svc-a", False),
        ("a.b", "a?b", False),
        ("axb", "a.b", False),
        ("a[b]c", "a[b]c", True),
        ("one/two/three", "one/*/three", True),
        ("one/a/b/three", "one/*/three", True),
        ("", "*", True),
    ],
)
def test_a_star_is_any_text_and_nothing_else_is(text: str, pattern: str, expected: bool) -> None:
    assert fits(text, pattern) is expected


def test_a_star_of_a_path_ends_at_a_slash() -> None:
    assert fits_path("spiffe://a/agent/7", "spiffe://a/agent/*")
    assert not fits_path("spiffe://a/agent/7/root", "spiffe://a/agent/*")
    assert not fits_path("spiffe://a/agent/", "spiffe://a/agent/*/x")
