"""A statement that waits is told in Slack, and a click there lets it run: real processes, a client, a Slack of our own."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.live.rig import Gateway, Postgres, serving, standard_entries, wait_for
from tests.workers.slack_rig import BOT, SIGNING, SlackServer
from tests.workers.vendor_rig import vendor

POLICY = """
[[grant]]
name = "owners"
groups = ["owners"]
databases = ["dev"]
allow = ["all"]
unmask = ["*"]
[[guardrail]]
name = "changes wait"
effect = "hold"
statements = ["UPDATE"]
tables = ["told_*"]
[[approval]]
name = "the shop"
approvers = { groups = ["dba"] }
databases = ["dev"]
channels = ["console", "slack:#dba", "pager"]
wait_seconds = 60
"""
PEOPLE = """
[[person]]
email = "carol@example.com"
user = "carol"
issuer = "local"
groups = ["dba"]
[[person]]
email = "ada@example.com"
user = "ada"
issuer = "local"
groups = ["dba"]
"""
VALUE = "canary-4711"


@pytest.fixture(scope="module")
def slack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackServer]:
    with vendor(tmp_path_factory.mktemp("slack")) as made:
        yield SlackServer(made)


@pytest.fixture(scope="module")
def gateway(postgres: Postgres, slack: SlackServer) -> Iterator[Gateway]:
    made = Gateway(standard_entries(postgres), POLICY)
    for name, content in {"bot": BOT, "signing": SIGNING, "people.toml": PEOPLE, "routing": "R" * 32}.items():
        (made.folder / name).write_text(content)
        (made.folder / name).chmod(0o600)
    channels = (
        f'\n[[channel]]\nname = "slack"\nkind = "slack"\ntoken_file = "bot"\napi_url = "{slack.url}"\n'
        f'ca_file = "{slack.vendor.ca_file}"\nsigning_secret_file = "signing"\npeople_file = "people.toml"\n'
        '[[channel]]\nname = "pager"\nkind = "pagerduty"\nrouting_key_file = "routing"\nurl = "http://127.0.0.1:1/"\n'
    )
    made.config.write_text(made.config.read_text() + channels)
    yield from serving(made)


def send(gateway: Gateway, payload: dict[str, Any], **how: Any) -> int:
    headers, body = SlackServer.signed(payload, **how)
    request = urllib.request.Request(f"http://127.0.0.1:{gateway.admin_port}/slack/slack", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_click_in_slack_lets_a_statement_run_and_everybody_else_is_told_why_not(
    gateway: Gateway, slack: SlackServer
) -> None:
    with gateway.connect("dev", "ada", ("owners",)) as connection, ThreadPoolExecutor(1) as pool:
        connection.execute("create table told_slack (id int, note text)")
        connection.execute("insert into told_slack values (1, 'a')")
        done = pool.submit(connection.execute, "update told_slack set note = %s where id = 1", (VALUE,))
        wait_for("a message", lambda: slack.messages or None)
        assert "UPDATE" in str(slack.messages)
        assert VALUE not in str(slack.messages)
        button = slack.button("sluice_approve")

        assert send(gateway, slack.click(button), key="forged") == 401
        own = slack.click(button, "UADA")
        assert send(gateway, own) == 200
        modal = wait_for("a dialog", lambda: slack.modals.get(own["trigger_id"]))
        assert VALUE not in json.dumps(modal), "the requester is shown nothing that he did not have"
        assert send(gateway, slack.submit(own["trigger_id"], "mine", "UADA")) == 200
        wait_for("a refusal", lambda: [one for who, one in slack.said if who == "UADA" and "Nobody decides" in one] or None)
        assert not done.done()

        click = slack.click(button)
        assert send(gateway, click) == 200
        modal = wait_for("a dialog", lambda: slack.modals.get(click["trigger_id"]))
        assert VALUE in json.dumps(modal), "the approver sees what he releases"
        assert send(gateway, slack.submit(click["trigger_id"], "seen")) == 200
        assert done.result(10).rowcount == 1
        assert connection.execute("select note from told_slack").fetchone() == (VALUE,)
    wait_for("an end", lambda: "approved by carol (local)" in str(slack.messages) or None)
    assert "sluice_approve" not in str(slack.messages)

    def fares() -> dict[str, Any] | None:
        told = {one["name"]: one for one in json.loads(gateway.sluice("status", "--json").stdout)["channels"]}
        return told if told and told["slack"]["told"] == 2 and told["pager"]["why"] else None

    channels = wait_for("the channels' health", fares)
    assert channels["slack"]["why"] == ""
    assert "refused" in channels["pager"]["why"]
    assert "refused" in gateway.sluice("status").stdout

    request = button["value"].partition(".")[0]
    events = [one["event"] for one in gateway.audit("--approval", request) if one["kind"] == "approval"]
    approved = next(one for one in events if one["what"] == "statement approved")
    assert (approved["user"], approved["decision"]) == ("carol", "seen")
    assert "slack_user=UCAROL" in approved["address"]
    assert VALUE not in json.dumps(events)


def test_a_statement_that_is_withdrawn_takes_its_buttons_with_it(gateway: Gateway, slack: SlackServer) -> None:
    slack.messages.clear()
    with gateway.connect("dev", "ada", ("owners",)) as connection, ThreadPoolExecutor(1) as pool:
        connection.execute("create table told_late (id int)")
        done = pool.submit(connection.execute, "update told_late set id = 1")
        wait_for("a message", lambda: slack.messages or None)
        late = slack.click(slack.button("sluice_approve"))
        connection.cancel_safe()
        with pytest.raises(Exception, match="withdrawn"):
            done.result(10)
    wait_for("an end", lambda: "sluice_approve" not in str(slack.messages) or None)
    assert send(gateway, late) == 200
    wait_for("a word", lambda: [one for _, one in slack.said if "is over: nothing happened" in one] or None)
