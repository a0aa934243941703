"""The demo's Slack, on this machine: the methods that the channel calls, and members who press buttons and send dialogs as
Slack tells of it (docs.slack.dev: chat.postMessage, chat.update, views.open, users.info, signed requests)."""

import hashlib
import hmac
import itertools
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

API: Final = "/api"
TEAM: Final = "TDEMO"
PATIENCE_SECONDS: Final = 20.0
_FORM: Final = "application/x-www-form-urlencoded"
Answer = dict[str, Any]


class LocalSlack:
    """`members`: e-mail addresses by user id. What it knows is guarded by `_changed`."""

    def __init__(self, members: dict[str, str]) -> None:
        self.token = f"xoxb-{secrets.token_hex(16)}"
        self.signing_secret = secrets.token_hex(16)
        self._members = members
        self._changed = threading.Condition()
        self._messages: dict[str, Answer] = {}  # by time stamp
        self._modals: dict[str, Answer] = {}  # by trigger
        self._said: list[tuple[str, str]] = []  # to one person: who, and what
        self._numbers = itertools.count(1)
        self._methods: dict[str, Callable[[Answer], Answer]] = {
            "auth.test": lambda given: {"team_id": TEAM, "user_id": "UBOT"},
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.postEphemeral": self._say,
            "views.open": self._open,
            "users.info": self._user,
        }
        self.url = ""

    @contextmanager
    def running(self) -> Iterator["LocalSlack"]:
        """Serves at `url` within the `with`."""
        handler = type("Handler", (_Handler,), {"slack": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_address[1]}{API}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, method: str, token: str, given: Answer) -> Answer:
        """What the Web API says to a call."""
        if token != self.token:
            return {"ok": False, "error": "invalid_auth"}
        if method not in self._methods:
            return {"ok": False, "error": "unknown_method"}
        with self._changed:
            found = self._methods[method](given)
            self._changed.notify_all()
        return {"ok": "error" not in found, **found}

    # -- what people see and do

    def message(self, ready: Callable[[str], bool] = bool) -> list[str]:
        """The lines of the newest message, as soon as its text is `ready`; [] where that takes too long."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._messages) and ready("\n".join(self._newest())), PATIENCE_SECONDS)
            return self._newest() if self._messages else []

    def decide(self, door: str, user: str, approve: bool, words: str) -> str:
        """A member presses a button of the newest message and sends the dialog with these words; what he then reads.
        `door`: the address at which the gateway hears Slack."""
        wanted = "sluice_approve" if approve else "sluice_deny"
        with self._changed:
            stamp, message = max(self._messages.items())
            pressed = next(one for one in _elements(message["blocks"]) if one.get("action_id") == wanted)
            trigger, before = f"trigger.{next(self._numbers)}", len(self._said)
        who = {"user": {"id": user}, "team": {"id": TEAM}, "trigger_id": trigger}
        action = {name: pressed[name] for name in ("type", "action_id", "value")}
        place = {"channel": {"id": message["channel"]}, "message": {"ts": stamp}}
        self._tell(door, {"type": "block_actions", **who, **place, "actions": [action]})
        with self._changed:
            self._changed.wait_for(lambda: trigger in self._modals or len(self._said) > before, PATIENCE_SECONDS)
            modal = self._modals.get(trigger)
        if modal is not None:
            state = {"values": {"sluice_words": {"sluice_words": {"type": "plain_text_input", "value": words}}}}
            view = {"callback_id": modal["callback_id"], "private_metadata": modal["private_metadata"], "state": state}
            self._tell(door, {"type": "view_submission", **who, "view": view})
        with self._changed:
            self._changed.wait_for(lambda: len(self._said) > before, PATIENCE_SECONDS)
            return " ".join(text for to, text in self._said[before:] if to == user)

    def _tell(self, door: str, payload: Answer) -> None:
        body = urlencode({"payload": json.dumps(payload)})
        stamp = str(int(time.time()))
        made = hmac.new(self.signing_secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={made}", "Content-Type": _FORM}
        where = urlsplit(door)
        line = HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE_SECONDS)
        try:
            line.request("POST", where.path, body, headers)
            line.getresponse().read()
        finally:
            line.close()

    def _newest(self) -> list[str]:
        return _lines(self._messages[max(self._messages)]["blocks"])

    # -- the methods

    def _post(self, given: Answer) -> Answer:
        stamp = f"17900000{next(self._numbers):02}.000100"
        self._messages[stamp] = given
        return {"channel": given["channel"], "ts": stamp}

    def _update(self, given: Answer) -> Answer:
        if given["ts"] not in self._messages:
            return {"error": "message_not_found"}
        self._messages[given["ts"]] = given
        return {"channel": given["channel"], "ts": given["ts"]}

    def _say(self, given: Answer) -> Answer:
        self._said.append((given["user"], given["text"]))
        return {"message_ts": "1.1"}

    def _open(self, given: Answer) -> Answer:
        self._modals[given["trigger_id"]] = given["view"]
        return {"view": {"id": f"V{given['trigger_id']}"}}

    def _user(self, given: Answer) -> Answer:
        email = self._members.get(given["user"])
        if email is None:
            return {"error": "user_not_found"}
        member = {"id": given["user"], "team_id": TEAM, "is_email_confirmed": True, "profile": {"email": email}}
        return {"user": member}


class _Handler(BaseHTTPRequestHandler):
    slack: LocalSlack
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Type", "") == _FORM:
            given = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        else:
            given = json.loads(body or b"{}")
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        content = json.dumps(self.slack.answer(self.path.removeprefix(f"{API}/"), token, given)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the demo tells what happens."""


def _elements(blocks: Sequence[Answer]) -> Iterator[Answer]:
    for block in blocks:
        yield from block.get("elements", ())


def _lines(blocks: Sequence[Answer]) -> list[str]:
    """What of a message people read, but for its buttons."""
    found: list[str] = []

    def walk(one: Any) -> None:
        if isinstance(one, list):
            for each in one:
                walk(each)
        elif isinstance(one, dict) and isinstance(one.get("text"), str):
            found.append(one["text"])
        elif isinstance(one, dict):
            for each in one.values():
                walk(each)

    walk([one for one in blocks if one.get("type") != "actions"])
    return [line for text in found for line in text.splitlines() if line.strip()]
