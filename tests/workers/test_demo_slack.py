"""The demo's Slack: it speaks as the channel expects, and its members press and send as Slack tells of it."""

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from gateway.approvals import slack_blocks, slack_payloads
from gateway.approvals.signatures import Seen, check_slack
from gateway.approvals.slack_payloads import Click, Submitted
from tests.gateway.approvals.views import a_view
from workers.demo_slack import TEAM, LocalSlack

KEY = b"k" * 32


class Gateway:
    """Stands where the gateway's door is: checks what comes as it does, opens the dialog, and answers what it holds."""

    def __init__(self, slack: LocalSlack, opens: bool = True) -> None:
        self.heard: list[Click | Submitted] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                stamp = float(headers["x-slack-request-timestamp"])
                check_slack(headers, body, slack.signing_secret.encode(), stamp, Seen())
                found = slack_payloads.read(parse_qs(body.decode())["payload"][0].encode())
                assert found is not None
                gateway.heard.append(found)
                self.send_response(200)
                self.end_headers()
                if isinstance(found, Click) and opens:
                    view = slack_blocks.modal(a_view(), True, False, f"about {found.value}")
                    call(slack, "views.open", {"trigger_id": found.trigger, "view": view})
                else:
                    call(slack, "chat.postEphemeral", {"user": found.user, "channel": "#c", "text": "Taken."})

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/slack/slack"


def call(slack: LocalSlack, method: str, given: dict[str, Any], token: str = "", form: bool = False) -> dict[str, Any]:
    where = urlsplit(slack.url)
    line = HTTPConnection(str(where.hostname), where.port, timeout=10)
    body = urlencode(given) if form else json.dumps(given)
    kind = "application/x-www-form-urlencoded" if form else "application/json; charset=utf-8"
    headers = {"Authorization": f"Bearer {token or slack.token}", "Content-Type": kind}
    line.request("POST", f"{where.path}/{method}", body, headers)
    answer: dict[str, Any] = json.loads(line.getresponse().read())
    line.close()
    return answer


@pytest.fixture
def slack() -> Iterator[LocalSlack]:
    with LocalSlack({"UBO": "bo@shop.example"}).running() as made:
        yield made


def serving(gateway: Gateway) -> threading.Thread:
    thread = threading.Thread(target=gateway.server.serve_forever, args=(0.02,))
    thread.start()
    return thread


@pytest.mark.parametrize("opens", [True, False], ids=["a dialog opens", "the click is refused"])
def test_a_member_decides_and_reads_what_came_of_it(slack: LocalSlack, opens: bool) -> None:
    posted = {"channel": "#c", **slack_blocks.message(a_view(), False, KEY)}
    assert call(slack, "chat.postMessage", posted)["ok"]
    gateway = Gateway(slack, opens)
    thread = serving(gateway)
    try:
        assert slack.decide(gateway.url, "UBO", True, "fine") == "Taken."
    finally:
        gateway.server.shutdown()
        gateway.server.server_close()
        thread.join()
    click, *rest = gateway.heard
    assert isinstance(click, Click)
    assert (click.user, click.team, click.approve) == ("UBO", TEAM, True)
    assert slack_blocks.request_of(click.value, True, KEY) == a_view().id
    words = [one.words for one in rest if isinstance(one, Submitted)]
    assert words == (["fine"] if opens else [])


def test_people_read_what_was_posted_and_what_became_of_it(slack: LocalSlack) -> None:
    said = call(slack, "chat.postMessage", {"channel": "#c", **slack_blocks.message(a_view(), False, KEY)})
    lines = slack.message()
    assert a_view().shape.splitlines()[0] in lines
    assert any(line.startswith("Requester: ") for line in lines)
    assert "Approve" not in lines, "buttons are not read"
    assert call(slack, "chat.update", {"channel": "#c", "ts": said["ts"], **slack_blocks.over("It is over.")})["ok"]
    assert slack.message() == ["It is over."]


def test_calls_without_its_token_or_of_what_it_has_not_are_refused(slack: LocalSlack) -> None:
    assert call(slack, "auth.test", {}, "xoxb-other") == {"ok": False, "error": "invalid_auth"}
    assert call(slack, "files.upload", {}) == {"ok": False, "error": "unknown_method"}
    assert call(slack, "users.info", {"user": "UWHO"}, form=True) == {"ok": False, "error": "user_not_found"}
    assert call(slack, "users.info", {"user": "UBO"}, form=True)["user"]["profile"] == {"email": "bo@shop.example"}
    assert call(slack, "chat.update", {"channel": "#c", "ts": "1"})["error"] == "message_not_found"
