"""PagerDuty's events, cards of Teams, and JSON for programs."""

import json

from gateway.approvals import cards
from tests.gateway.approvals.views import SECRET, a_view, decided


def test_an_event_triggers_and_resolves_the_same_incident() -> None:
    opened = cards.event(a_view(), "R" * 32, "critical")
    assert (opened["event_action"], opened["payload"]["severity"]) == ("trigger", "critical")
    assert opened["payload"]["source"] == "prod"
    assert opened["payload"]["custom_details"]["Ticket"] == "OPS-17"
    assert SECRET not in json.dumps(opened)
    closed = cards.event(decided(), "R" * 32, "critical")
    assert closed == {"routing_key": "R" * 32, "event_action": "resolve", "dedup_key": opened["dedup_key"]}
    assert len(cards.event(a_view(title="x" * 9000), "R", "info")["payload"]["summary"]) <= 1024


def test_a_card_is_small_has_no_literal_and_no_markdown_of_the_requests() -> None:
    card = cards.card(a_view(reason="[click](https://evil.example) **now**", shape="x" * 99_999))
    text = json.dumps(card)
    assert SECRET not in text
    assert len(text) < 28_000
    content = card["attachments"][0]["content"]
    reason = next(one["value"] for one in content["body"][1]["facts"] if one["title"] == "Reason")
    assert reason == "\\[click\\]\\(https://evil.example\\) \\*\\*now\\*\\*"
    assert content["actions"][0]["url"].startswith("https://sluice.example.com/")
    assert "actions" not in cards.card(decided())["attachments"][0]["content"]


def test_a_program_gets_literals_only_where_that_is_configured_and_only_while_it_waits() -> None:
    assert SECRET not in json.dumps(cards.data(a_view(), "request.opened", literals=False))
    assert cards.data(a_view(), "request.opened", literals=True)["data"]["parameters"] == ("secret-41",)
    assert SECRET not in json.dumps(cards.data(decided(), "request.closed", literals=True))
