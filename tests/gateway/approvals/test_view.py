"""What a view gives away, and to whom."""

from gateway.approvals.view import cut, plain
from tests.gateway.approvals.views import SECRET, a_view


def test_no_literal_is_in_a_repr_or_in_the_view_without_values() -> None:
    view = a_view()
    for text in (repr(view), repr([view]), f"{view}", repr(view.without_values().statement)):
        assert SECRET not in text
        assert "secret-41" not in text
    assert view.without_values().shape == view.shape


def test_the_requester_is_told_with_his_agents_and_his_account() -> None:
    assert a_view().who == "agent-7 for ada"
    assert a_view(actors=(), account="metabase").who == "ada (through metabase)"


def test_plain_text_is_one_line_without_tricks() -> None:
    assert plain("a\n\tb\x00\u202ec", 100) == "a b c"
    assert cut("x" * 50, 30) == "x" * 13 + "… (50 characters)"
    assert len(plain("y" * 5000, 150)) <= 150
