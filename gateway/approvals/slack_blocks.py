"""What Slack shows of a request, as Block Kit. Nothing of a request is ever markup: texts are plain_text and preformatted
text of rich_text, in which <!channel>, links and fences are only characters. Sizes are Slack's limits."""

import hashlib
import hmac
from typing import Any, Final

from gateway.approvals import telling
from gateway.approvals.view import View, cut, plain

APPROVE: Final = "sluice_approve"
DENY: Final = "sluice_deny"
OPEN: Final = "sluice_open"
DECIDE: Final = "sluice_decide"  # the modal
WORDS: Final = "sluice_words"  # its field
_HEADER_MAX: Final = 150
_FIELD_MAX: Final = 2000
_FIELDS_MAX: Final = 10
_CODE_MAX: Final = 2900  # of 3000
_URL_MAX: Final = 3000
_PARAMETERS_SHOWN: Final = 20
_MAC_CHARACTERS: Final = 32
Block = dict[str, Any]


def button_key(token: bytes) -> bytes:
    """The key that marks our buttons, so that a value of other make names no request."""
    return hmac.new(token, b"sluice buttons", hashlib.sha256).digest()


def button_value(request: str, approve: bool, key: bytes) -> str:
    """What a button of this request carries."""
    word = b"approve" if approve else b"deny"
    mac = hmac.new(key, word + b" " + request.encode(), hashlib.sha256).hexdigest()[:_MAC_CHARACTERS]
    return f"{request}.{mac}"


def request_of(value: str, approve: bool, key: bytes) -> str | None:
    """The request of such a button of ours; None: it is none."""
    request, dot, _ = value.rpartition(".")
    made = button_value(request, approve, key)
    return request if dot and hmac.compare_digest(made.encode(), value.encode()) else None


def message(view: View, literals: bool, key: bytes | None) -> dict[str, Any]:
    """The text and blocks of a request. `key`: of its buttons, None for no buttons. Once it is decided there are neither
    buttons nor literals."""
    waits = view.state == "open"
    blocks: list[Block] = [{"type": "header", "text": _text(telling.headline(view), _HEADER_MAX)}]
    fields = [_text(f"{name}: {text}", _FIELD_MAX) for name, text in telling.lines(view)]
    blocks += [{"type": "section", "fields": fields[at : at + _FIELDS_MAX]} for at in range(0, len(fields), _FIELDS_MAX)]
    sql = _sql(view) if literals and waits else telling.shape(view, _CODE_MAX)
    if sql:
        blocks.append(_code(sql))
    if waits:
        blocks += _deciding(view, key, hidden=not literals and bool(view.statement))
    return {"text": _escaped(telling.headline(view)), "blocks": blocks}


def modal(view: View, approve: bool, looks: bool, metadata: str) -> dict[str, Any]:
    """The dialog for the reason. `looks`: whoever opened it may see literals."""
    blocks: list[Block] = [{"type": "section", "text": _text(telling.headline(view), _FIELD_MAX)}]
    sql = _sql(view) if looks else telling.shape(view, _CODE_MAX)
    if sql:
        blocks.append(_code(sql))
    blocks.append(
        {
            "type": "input",
            "block_id": WORDS,
            "optional": approve,
            "label": _text("Reason", 24),
            "element": {"type": "plain_text_input", "action_id": WORDS, "multiline": True, "max_length": 1000},
        }
    )
    return {
        "type": "modal",
        "callback_id": DECIDE,
        "private_metadata": metadata,
        "title": _text("Approve request" if approve else "Deny request", 24),
        "submit": _text("Approve" if approve else "Deny", 24),
        "close": _text("Cancel", 24),
        "blocks": blocks,
    }


def over(words: str) -> dict[str, Any]:
    """A message of which nothing is known any more."""
    return {"text": _escaped(words), "blocks": [{"type": "section", "text": _text(words, _FIELD_MAX)}]}


def _deciding(view: View, key: bytes | None, hidden: bool) -> list[Block]:
    elements: list[Block] = []
    if key is not None:
        elements.append(_button("Approve", APPROVE, button_value(view.id, True, key), "primary"))
        elements.append(_button("Deny", DENY, button_value(view.id, False, key), "danger"))
    if view.url and len(view.url) <= _URL_MAX:
        elements.append({"type": "button", "action_id": OPEN, "text": _text("Open", 24), "url": view.url})
    blocks: list[Block] = []
    if hidden and key is not None:
        note = "Approvers see the statement's values behind Approve and Deny."
        blocks.append({"type": "context", "elements": [_text(note, 200)]})
    return [*blocks, {"type": "actions", "elements": elements}] if elements else blocks


def _button(label: str, action: str, value: str, style: str) -> Block:
    return {"type": "button", "action_id": action, "text": _text(label, 24), "value": value, "style": style}


def _sql(view: View) -> str:
    """With its values."""
    shown = [f"${at} = {one}" for at, one in enumerate(view.parameters[:_PARAMETERS_SHOWN], 1)]
    if len(view.parameters) > _PARAMETERS_SHOWN:
        shown.append(f"… {len(view.parameters)} parameters")
    shown += view.samples
    tail = telling.code("\n".join(shown), _CODE_MAX // 2)
    head = telling.code(view.statement, _CODE_MAX - len(tail) - 2)
    return f"{head}\n\n{tail}" if tail else head


def _code(sql: str) -> Block:
    element = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": sql}]}
    return {"type": "rich_text", "elements": [element]}


def _text(text: str, characters_max: int) -> Block:
    return {"type": "plain_text", "text": plain(text, characters_max) or " ", "emoji": False}


def _escaped(text: str) -> str:
    """For the one place that Slack reads as markup: the text of notifications."""
    return cut(text, 300).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
