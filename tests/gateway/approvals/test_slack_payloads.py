"""What Slack sends, and what it would not."""

import json
from typing import Any

import pytest

from gateway.approvals.signatures import Unproven
from gateway.approvals.slack_payloads import Click, Submitted, email_of, read

CLICK: dict[str, Any] = {
    "type": "block_actions",
    "user": {"id": "U1", "username": "carol", "team_id": "T1"},
    "api_app_id": "A1",
    "trigger_id": "12.34.ab",
    "team": {"id": "T1", "domain": "acme"},
    "channel": {"id": "C1", "name": "dba"},
    "message": {"ts": "1.2", "text": "…"},
    "actions": [{"type": "button", "action_id": "sluice_approve", "block_id": "b", "value": "h1.mac", "action_ts": "1"}],
}
SENT: dict[str, Any] = {
    "type": "view_submission",
    "user": {"id": "U1"},
    "team": {"id": "T1"},
    "view": {
        "callback_id": "sluice_decide",
        "private_metadata": "{}",
        "state": {"values": {"sluice_words": {"sluice_words": {"type": "plain_text_input", "value": "fine"}}}},
    },
}
USER: dict[str, Any] = {
    "id": "U1", "team_id": "T1", "deleted": False, "is_bot": False, "is_restricted": False, "is_ultra_restricted": False,
    "is_email_confirmed": True, "profile": {"email": "carol@example.com"},
}  # fmt: skip


def raw(payload: Any) -> bytes:
    return json.dumps(payload).encode()


def test_a_click_and_a_dialog_are_read() -> None:
    assert read(raw(CLICK)) == Click("U1", "T1", True, "h1.mac", "C1", "1.2", "12.34.ab")
    assert read(raw(SENT)) == Submitted("U1", "T1", "{}", "fine")
    empty = SENT | {"view": SENT["view"] | {"state": {"values": {"sluice_words": {"sluice_words": {"value": None}}}}}}
    assert read(raw(empty)) == Submitted("U1", "T1", "{}", "")


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "shortcut"},
        {"type": "view_closed"},
        {},
        CLICK | {"actions": [{"action_id": "sluice_open", "type": "button"}]},
        CLICK | {"actions": []},
        SENT | {"view": SENT["view"] | {"callback_id": "other"}},
    ],
)
def test_what_is_no_decision_is_passed_over(payload: dict[str, Any]) -> None:
    assert read(raw(payload)) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"[" * 100_000, b"\xff",
        raw(CLICK | {"user": "U1"}),
        raw(CLICK | {"user": {"id": 1}}),
        raw({name: value for name, value in CLICK.items() if name != "message"}),
        raw({name: value for name, value in CLICK.items() if name != "team"}),
        raw(CLICK | {"actions": CLICK["actions"] * 2}),
        raw(CLICK | {"actions": {"action_id": "sluice_approve"}}),
        raw(SENT | {"view": {"callback_id": "sluice_decide"}}),
    ],
)  # fmt: skip
def test_what_slack_would_not_send_is_refused(payload: bytes) -> None:
    with pytest.raises(Unproven, match="cannot be read"):
        read(payload)


def test_an_ordinary_member_has_his_confirmed_address() -> None:
    assert email_of(USER, "U1", "T1") == "carol@example.com"


@pytest.mark.parametrize(
    ("user", "why"),
    [
        (None, "does not know"),
        (USER | {"id": "U2"}, "does not know"),
        (USER | {"team_id": "T2"}, "another workspace"),
        ({name: value for name, value in USER.items() if name != "team_id"}, "another workspace"),
        *[(USER | {word: True}, "do not decide") for word in (
            "deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger", "is_app_user", "is_invited_user",
        )],
        (USER | {"is_email_confirmed": False}, "no confirmed"),
        ({name: value for name, value in USER.items() if name != "is_email_confirmed"}, "no confirmed"),
        (USER | {"profile": {}}, "no confirmed"),
        (USER | {"profile": {"email": ""}}, "no confirmed"),
        (USER | {"profile": None}, "no confirmed"),
    ],
)  # fmt: skip
def test_everybody_else_is_nobody(user: Any, why: str) -> None:
    with pytest.raises(Unproven, match=why):
        email_of(user, "U1", "T1")
