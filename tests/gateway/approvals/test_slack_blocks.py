"""What Slack is given: within its limits, without markup, and without literals where they do not belong."""

import json
from typing import Any

import pytest

from gateway.approvals import slack_blocks
from gateway.approvals.slack_blocks import button_key, button_value, request_of
from tests.gateway.approvals.views import SECRET, a_view, decided

KEY = button_key(b"xoxb-1")


def all_of(made: Any, kind: str) -> list[dict[str, Any]]:
    """Every object of a type, however deep."""
    found: list[dict[str, Any]] = []
    if isinstance(made, dict):
        found += [made] if made.get("type") == kind else []
        made = list(made.values())
    if isinstance(made, list):
        for one in made:
            found += all_of(one, kind)
    return found


def test_a_message_shows_the_shape_and_buttons_and_hides_literals() -> None:
    made = slack_blocks.message(a_view(), False, KEY)
    text = json.dumps(made)
    assert SECRET not in text
    assert "secret-41" not in text
    assert "WHERE email = $3" in text
    assert [one["text"]["text"] for one in all_of(made, "button")] == ["Approve", "Deny", "Open"]
    assert "behind Approve and Deny" in text


def test_a_message_for_approvers_alone_may_show_them_until_it_is_decided() -> None:
    text = json.dumps(slack_blocks.message(a_view(), True, KEY))
    assert SECRET in text
    assert "$1 = secret-41" in text
    after = slack_blocks.message(decided(), True, KEY)
    assert SECRET not in json.dumps(after)
    assert all_of(after, "button") == []
    assert all_of(after, "actions") == []


def test_the_dialog_shows_them_to_those_who_may_look() -> None:
    assert SECRET in json.dumps(slack_blocks.modal(a_view(), True, True, "m"))
    assert SECRET not in json.dumps(slack_blocks.modal(a_view(), True, False, "m"))
    assert all_of(slack_blocks.modal(a_view(), False, True, "m"), "input")[0]["optional"] is False


def test_nothing_of_a_request_is_markup_for_slack() -> None:
    evil = "<!channel> *b* <https://evil.example|ok> ``` & :tada:"
    view = a_view(title=evil, reason=evil, user=evil, statement=evil, shape=evil, words=evil, actors=())
    made = slack_blocks.message(view, True, KEY)
    assert all_of(made, "mrkdwn") == []
    assert all(one["emoji"] is False for one in all_of(made, "plain_text"))
    assert "<" not in made["text"]
    assert all(set(one) == {"type", "text"} for one in all_of(all_of(made, "rich_text_preformatted"), "text"))


@pytest.mark.parametrize("literals", [True, False])
def test_slacks_limits_hold_for_the_longest_request(literals: bool) -> None:
    long = "x" * 100_000
    view = a_view(
        title=long, reason=long, ticket=long, statement=long, shape=long, user=long, words=long, risk_why=long,
        tables=(long,) * 50, labels=(long,) * 50, rules=(long,) * 50, parameters=(long,) * 500, url="https://e/" + long,
        approver_groups=(long,) * 9, needed=3, in_transaction=True,
    )  # fmt: skip
    made = slack_blocks.message(view, literals, KEY)
    assert len(made["blocks"]) <= 50
    assert len(made["text"]) <= 4000
    assert len(all_of(made, "header")[0]["text"]["text"]) <= 150
    for section in all_of(made, "section"):
        assert len(section["fields"]) <= 10
        assert all(0 < len(one["text"]) <= 2000 for one in section["fields"])
    for one in all_of(made, "rich_text_preformatted"):
        assert len(one["elements"][0]["text"]) <= 3000
    assert all(len(one.get("url", "")) <= 3000 and len(one.get("value", "")) <= 2000 for one in all_of(made, "button"))
    modal = slack_blocks.modal(view, True, literals, "m")
    assert max(len(modal[key]["text"]) for key in ("title", "submit", "close")) <= 24
    assert len(json.dumps(made)) < 13_000


def test_a_message_without_buttons_leads_to_the_console() -> None:
    made = slack_blocks.message(a_view(), False, None)
    assert [one["action_id"] for one in all_of(made, "button")] == [slack_blocks.OPEN]


def test_a_buttons_value_names_one_request_and_one_answer() -> None:
    value = button_value("h1", True, KEY)
    assert request_of(value, True, KEY) == "h1"
    assert request_of(value, False, KEY) is None
    assert request_of(value, True, button_key(b"xoxb-2")) is None
    for other in ("", "h1", "h1.", "h2" + value[2:], value[:-1], value + "0", "é.ü"):
        assert request_of(other, True, KEY) is None
