"""A request as PagerDuty's event, as an Adaptive Card of Microsoft Teams, and as JSON for programs."""

from typing import Any, Final

import msgspec

from gateway.approvals import telling
from gateway.approvals.view import View, plain

_SUMMARY_MAX: Final = 1024
_SHAPE_MAX: Final = 4000
_CARD_CODE_MAX: Final = 2000


def event(view: View, routing_key: str, severity: str) -> dict[str, Any]:
    """For the Events API v2: the first triggers an incident, the last resolves it."""
    name = f"sluice/{view.id}"
    if view.state != "open":
        return {"routing_key": routing_key, "event_action": "resolve", "dedup_key": name}
    made: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": name,
        "client": "Sluice",
        "payload": {
            "summary": plain(telling.headline(view), _SUMMARY_MAX),
            "source": plain(view.database, 255),
            "severity": severity,
            "component": plain(view.environment, 255) or "database",
            "class": view.kind,
            "custom_details": dict(telling.lines(view)) | {"Statement": telling.shape(view, _SHAPE_MAX)},
        },
    }
    if view.url:
        made["client_url"] = view.url
        made["links"] = [{"href": view.url, "text": "Open the request"}]
    return made


def card(view: View) -> dict[str, Any]:
    """For a Teams workflow that was started by a webhook. TextRuns are no markdown."""
    facts = [{"title": name, "value": text} for name, text in telling.lines(view)]
    body: list[dict[str, Any]] = [_rich(telling.headline(view), weight="Bolder", size="Medium"), _facts(facts)]
    if sql := telling.shape(view, _CARD_CODE_MAX):
        body.append(_rich(sql, fontType="Monospace"))
    content: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if view.url and view.state == "open":
        content["actions"] = [{"type": "Action.OpenUrl", "title": "Open the request", "url": view.url}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}


def data(view: View, what: str, literals: bool) -> dict[str, Any]:
    """For a program: `what` is "request.opened", "request.closed" or what has changed."""
    shown = view if literals and view.state == "open" else view.without_values()
    return {"type": what, "data": msgspec.to_builtins(shown)}


def _rich(text: str, **how: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **how}]}


def _facts(facts: list[dict[str, str]]) -> dict[str, Any]:
    """Facts are markdown, so what would be markup there is escaped."""
    return {"type": "FactSet", "facts": [{name: _unmarked(text) for name, text in one.items()} for one in facts]}


def _unmarked(text: str) -> str:
    return "".join(f"\\{char}" if char in "\\`*_[]()<>#!|~" else char for char in text)
