"""A Slack of the tests' own: the methods that are used, checked as the documents say, members, messages and clicks."""

import hashlib
import hmac
import itertools
import json
import time
from typing import Any
from urllib.parse import urlencode

from tests.workers.issuer_rig import Reply, as_json
from tests.workers.vendor_rig import Asked, Vendor

BOT, APP, SIGNING = "xoxb-bot-token", "xapp-app-token", "signing-secret"
TEAM = "T1"
API = "/api"
_BLOCKS = {"header", "section", "rich_text", "context", "actions", "input"}


def member(user: str, email: str, **more: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {"id": user, "team_id": TEAM, "deleted": False, "is_bot": False, "is_email_confirmed": True}
    return usual | {"is_restricted": False, "is_ultra_restricted": False, "profile": {"email": email}} | more


class SlackServer:
    """`messages` by channel and time stamp; `said` to one person; `modals` that are open, by trigger."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.users = {one["id"]: one for one in (
            member("UCAROL", "Carol@example.com"),
            member("UADA", "ada@example.com"),
            member("UERIN", "erin@example.com"),
            member("UNOBODY", "nobody@example.com"),
            member("UGUEST", "carol@example.com", is_restricted=True),
            member("USTRANGER", "carol@example.com", team_id="T2"),
            member("UUNCONFIRMED", "carol@example.com", is_email_confirmed=False),
        )}  # fmt: skip
        self.channels = {"#dba": "C1", "#prod": "C2"}
        self.messages: dict[tuple[str, str], dict[str, Any]] = {}
        self.history: list[str] = []  # all that was ever posted, as text
        self.said: list[tuple[str, str]] = []
        self.modals: dict[str, dict[str, Any]] = {}
        self.socket_url = ""
        self._numbers = itertools.count(1)
        for method in ("chat.postMessage", "chat.update", "chat.postEphemeral", "views.open", "users.info", "auth.test",
                       "apps.connections.open"):  # fmt: skip
            vendor.routes[f"{API}/{method}"] = getattr(self, "_" + method.replace(".", "_"))

    @property
    def url(self) -> str:
        return self.vendor.url + API

    def asked(self, method: str) -> list[Asked]:
        return self.vendor.of(f"{API}/{method}")

    def next(self, method: str) -> Any:
        return self.vendor.next[f"{API}/{method}"]

    def button(self, action: str, place: str = "C1") -> dict[str, Any]:
        """Of the newest message there."""
        key = max(one for one in self.messages if one[0] == place)
        elements = next(one["elements"] for one in self.messages[key]["blocks"] if one["type"] == "actions")
        return {"key": key, **next(one for one in elements if one["action_id"] == action)}

    def click(self, button: dict[str, Any], user: str = "UCAROL", team: str = TEAM, **more: Any) -> dict[str, Any]:
        """The payload of a press of it; `trigger_id` names the dialog that it may open."""
        channel, stamp = button["key"]
        return {
            "type": "block_actions",
            "user": {"id": user, "username": "x", "team_id": team},
            "api_app_id": "A1",
            "team": {"id": team, "domain": "acme"},
            "channel": {"id": channel, "name": "dba"},
            "message": {"ts": stamp, "type": "message"},
            "container": {"type": "message", "channel_id": channel, "message_ts": stamp},
            "trigger_id": f"trigger.{next(self._numbers)}",
            "response_url": f"{self.vendor.url}/actions/x",
            "actions": [{name: button[name] for name in ("type", "action_id", "value") if name in button}],
        } | more

    def submit(self, trigger: str, words: str | None, user: str = "UCAROL", team: str = TEAM) -> dict[str, Any]:
        """The payload of the dialog that this trigger opened."""
        modal = self.modals[trigger]
        return {
            "type": "view_submission",
            "user": {"id": user},
            "team": {"id": team},
            "view": {
                "id": f"V.{trigger}",
                "callback_id": modal["callback_id"],
                "private_metadata": modal["private_metadata"],
                "state": {"values": {"sluice_words": {"sluice_words": {"type": "plain_text_input", "value": words}}}},
            },
        }

    @staticmethod
    def signed(payload: dict[str, Any] | bytes, at: float | None = None, key: str = SIGNING) -> tuple[dict[str, str], bytes]:
        """Headers and body as Slack sends them."""
        body = payload if isinstance(payload, bytes) else urlencode({"payload": json.dumps(payload)}).encode()
        stamp = str(int(time.time() if at is None else at))
        made = hmac.new(key.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        headers = {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={made}"}
        return headers | {"content-type": "application/x-www-form-urlencoded"}, body

    def _known(self, asked: Asked, token: str = BOT) -> Reply | None:
        assert asked.method == "POST"
        if asked.headers.get("authorization") != f"Bearer {token}":
            return as_json({"ok": False, "error": "invalid_auth"})
        return None

    def _shown(self, given: dict[str, Any]) -> Reply | None:
        assert isinstance(given["text"], str)
        kinds = [one["type"] for one in given["blocks"]]
        if not kinds or len(kinds) > 50 or not set(kinds) <= _BLOCKS or "mrkdwn" in json.dumps(given):
            return as_json({"ok": False, "error": "invalid_blocks"})
        self.history.append(json.dumps(given))
        return None

    def _chat_postMessage(self, asked: Asked) -> Reply:
        given = asked.json()
        channel = self.channels.get(given["channel"])
        if error := self._known(asked) or self._shown(given):
            return error
        if channel is None:
            return as_json({"ok": False, "error": "channel_not_found"})
        stamp = f"17900000{next(self._numbers):02}.000100"
        self.messages[channel, stamp] = given
        return as_json({"ok": True, "channel": channel, "ts": stamp, "message": {"text": given["text"]}})

    def _chat_update(self, asked: Asked) -> Reply:
        given = asked.json()
        if error := self._known(asked) or self._shown(given):
            return error
        if (given["channel"], given["ts"]) not in self.messages:
            return as_json({"ok": False, "error": "message_not_found"})
        self.messages[given["channel"], given["ts"]] = given
        return as_json({"ok": True, "channel": given["channel"], "ts": given["ts"]})

    def _chat_postEphemeral(self, asked: Asked) -> Reply:
        given = asked.json()
        if error := self._known(asked) or self._shown(given):
            return error
        self.said.append((given["user"], given["text"]))
        return as_json({"ok": True, "message_ts": "1.1"})

    def _views_open(self, asked: Asked) -> Reply:
        given = asked.json()
        if error := self._known(asked) or self._shown({"text": "", **given["view"]}):
            return error
        assert given["view"]["type"] == "modal"
        self.modals[given["trigger_id"]] = given["view"]
        return as_json({"ok": True, "view": {"id": f"V.{given['trigger_id']}"}})

    def _users_info(self, asked: Asked) -> Reply:
        user = asked.form()["user"]  # this method reads no JSON
        if error := self._known(asked):
            return error
        if user not in self.users:
            return as_json({"ok": False, "error": "user_not_found"})
        return as_json({"ok": True, "user": self.users[user]})

    def _auth_test(self, asked: Asked) -> Reply:
        return self._known(asked) or as_json({"ok": True, "team_id": TEAM, "user_id": "UBOT", "bot_id": "B1"})

    def _apps_connections_open(self, asked: Asked) -> Reply:
        return self._known(asked, APP) or as_json({"ok": True, "url": self.socket_url})
