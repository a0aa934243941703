"""Operators and the running gateway: sessions seen and ended, agents stopped, users locked, tokens revoked."""

import base64
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import psycopg
import pytest

from tests.live.rig import POLICY, Gateway, Postgres, serving, standard_entries, wait_for

ADMINS = """
[[grant]]
name = "the operators' rights"
groups = ["dba"]
allow = ["all"]

[[grant]]
name = "people of production"
groups = ["shop-admins"]
databases = ["shop"]
allow = ["read", "admin"]

[[grant]]
name = "readers of development"
groups = ["readers"]
databases = ["dev"]
allow = ["read"]

[[grant]]
name = "their agents"
groups = ["readers"]
actors = ["*"]
databases = ["dev"]
allow = ["read"]

[[guardrail]]
name = "no circles"
actors = ["looper"]
databases = ["dev"]
loop = "denied"
after = 3
effect = "stop"

[[access]]
name = "production on request"
groups = ["devs"]
actors = ["*"]
databases = ["shop"]
allow = ["read"]
unmask = ["email"]
role = "app_ro"
max_seconds = 3600
approvers = { groups = ["leads"] }

[[access]]
name = "production in an emergency"
groups = ["oncall"]
databases = ["shop"]
allow = ["read", "write"]
unmask = ["*"]
max_seconds = 3600
break_glass = true
review_by = { groups = ["security"] }
"""


@pytest.fixture(scope="module")
def gateway(postgres: Postgres) -> Iterator[Gateway]:
    yield from serving(Gateway(standard_entries(postgres), POLICY + ADMINS))


def call(
    gateway: Gateway, method: str, path: str, body: Any = None, user: str = "dora", groups: tuple[str, ...] = ("dba",),
    actor: str = "", token: str | None = None,
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    """A request to the interface, and its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.admin_port, timeout=10)
    token = gateway.token(user, groups, actor) if token is None else token
    sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    try:
        connection.request(method, path, sent, {"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def verb(gateway: Gateway, *arguments: str, groups: tuple[str, ...] = ("dba",), user: str = "dora") -> dict[str, Any]:
    """A verb of the command line, as this user; what it prints as JSON."""
    done = gateway.sluice(*arguments, "--json", SLUICE_TOKEN=gateway.token(user, groups))
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def sessions(gateway: Gateway, **who: Any) -> list[dict[str, Any]]:
    status, answer = call(gateway, "GET", "/v1/sessions", **who)
    assert status == 200, answer
    found: list[dict[str, Any]] = answer["sessions"]
    return found


def last_words(connection: psycopg.Connection[Any], sql: str = "select 1") -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        while True:
            connection.execute(sql)
    connection.close()  # libpq may not have read the end that follows
    return caught.value


def test_an_operator_sees_who_does_what_without_any_value(gateway: Gateway) -> None:
    with (
        gateway.connect("dev", "olga", application_name="desk") as idle,
        gateway.connect("dev", "rob", ("readers",), actor="bot-1") as through,
        gateway.connect("dev", "olga", autocommit=False) as open_one,
    ):
        idle.execute("select n from generate_series(1, 7) n")
        open_one.execute("select 1")
        held = "select city, pg_sleep(60), 'secret' from customers limit 1"
        runs = threading.Thread(target=last_words, args=(through, held))
        runs.start()
        mine = {"rob", "olga"}

        def seen() -> list[dict[str, Any]] | None:
            found = [one for one in sessions(gateway) if one["user"] in mine]
            return found if any(one["state"] == "running" for one in found) else None

        found = wait_for("the running statement to be seen", seen)
        by_state = {one["state"]: one for one in found}
        assert set(by_state) == {"idle", "in transaction", "running"}
        assert by_state["idle"]["rows"] == 7
        assert by_state["idle"]["application"] == "desk"
        assert by_state["idle"]["grants"] == ["owners own development"]
        running = by_state["running"]
        assert (running["user"], running["actors"], running["tables"]) == ("rob", ["bot-1"], ["public.customers"])
        assert "secret" not in json.dumps(found)
        assert "$1" in running["statement"]
        assert 0 <= time.time() - running["running_since"] < 10
        through.cancel_safe()
        runs.join()


def test_a_killed_session_is_told_and_its_statement_cancelled_and_on_record(gateway: Gateway, postgres: Postgres) -> None:
    victim = gateway.connect("dev", "olga", application_name="victim")
    failed: list[psycopg.Error] = []

    def run() -> None:
        try:
            victim.execute("select pg_sleep(55)")
        except psycopg.Error as error:
            failed.append(error)

    runs = threading.Thread(target=run)
    runs.start()
    (one,) = wait_for(
        "the statement", lambda: [s for s in sessions(gateway) if s["application"] == "victim" and s["running_since"]]
    )
    done = verb(gateway, "sessions", "kill", one["id"], "--reason", "INC-7")
    runs.join(5)
    victim.close()
    assert (done["sessions"], done["sessions_left"], done["missing_workers"], done["recorded"]) == (1, 0, [], True)
    assert (failed[0].sqlstate, "ended by an operator" in str(failed[0])) == ("57P01", True)
    with postgres.connect() as admin:
        cancelled = "select 1 from pg_stat_activity where query = 'select pg_sleep(55)' and state = 'active'"
        wait_for("the server to have cancelled it", lambda: not admin.execute(cancelled).fetchall())
    records = gateway.audit("--session", one["id"])
    assert [r["status"] for r in records if r["kind"] == "outcome"] == ["cancelled"]
    (by,) = [r["event"] for r in records if r.get("event", {}).get("what") == "session ended by"]
    assert (by["by"], by["why"]) == ("dora (local)", "INC-7")
    told = [r["event"] for r in gateway.audit() if r.get("event", {}).get("operation") == "end session"]
    assert [(e["session"], e["user"], e["of"]) for e in told] == [(one["id"], "dora", "olga")]
    assert call(gateway, "POST", f"/v1/sessions/{one['id']}/end")[0] == 404


MAY_END = [  # who, with which groups, through which agent: may end olga's session in dev, rob's in shop
    ("dora", ("dba",), "", 200, 200),
    ("sam", ("shop-admins",), "", 403, 200),
    ("olga", (), "", 200, 403),
    ("Olga", ("owners",), "", 200, 403),  # not her, but may administer that database
    ("OLGA", (), "", 403, 403),
    ("nobody", (), "", 403, 403),
    ("dora", ("dba",), "bot", 403, 403),
]


def test_only_who_administers_a_database_or_owns_a_session_ends_it(gateway: Gateway) -> None:
    for user, groups, actor, dev, shop in MAY_END:
        caller: dict[str, Any] = {"user": user, "groups": groups, "actor": actor}
        with gateway.connect("dev", "olga") as one, gateway.connect("shop", "rob", ("analysts",)) as other:
            ids = {each["database"]: each["id"] for each in sessions(gateway)}
            for session, database, status in ((one, "dev", dev), (other, "shop", shop)):
                got, answer = call(gateway, "POST", f"/v1/sessions/{ids[database]}/end", {}, **caller)
                assert got == status, (user, answer)
                if status == 403:
                    assert session.execute("select 1").fetchone() == (1,)
                    assert "agent" in answer["error"] or "admin" in answer["error"]
                else:
                    assert last_words(session).sqlstate == "57P01"
            seen, listed = call(gateway, "GET", "/v1/sessions", **caller)
            assert seen == (403 if actor else 200)
            allowed = {name for name, status in (("dev", dev), ("shop", shop)) if status == 200}
            assert actor or {each["database"] for each in listed["sessions"]} <= allowed
    refused = [r["event"] for r in gateway.audit() if r.get("event", {}).get("what") == "operation refused"]
    for user, _, _, dev, shop in MAY_END[1:]:
        count = len([e for e in refused if (e["user"], e["operation"]) == (user, "end session")])
        assert count >= [dev, shop].count(403)


# --- bars -------------------------------------------------------------------------------------------


def refused(gateway: Gateway, *who: Any, **more: Any) -> str:
    with pytest.raises(psycopg.OperationalError) as caught:
        gateway.connect(*who, **more)
    return str(caught.value)


def stop(gateway: Gateway, actor: str) -> None:
    assert call(gateway, "POST", "/v1/barred", {"kind": "actor", "name": actor, "for_seconds": 3600})[0] == 200


def resume(gateway: Gateway, actor: str) -> None:
    assert call(gateway, "POST", "/v1/barred/lift", {"kind": "actor", "name": actor})[0] == 200


def test_stopping_an_agent_ends_all_its_sessions_on_all_workers_and_keeps_it_out(gateway: Gateway) -> None:
    """200 sessions on two workers, some of which work."""
    gateway.token("rob", ("readers",), "bot-7")
    stopped = [gateway.connect("dev", "rob", ("readers",), actor="bot-7") for _ in range(200)]
    others = [gateway.connect("dev", "rob", ("readers",), actor="bot-8"), gateway.connect("dev", "rob", ("readers",))]
    ended: list[str | None] = []

    def run(session: psycopg.Connection[Any]) -> None:
        try:
            session.execute("select pg_sleep(50)")
        except psycopg.Error as error:
            ended.append(error.sqlstate)
        session.close()

    running = [threading.Thread(target=run, args=(session,)) for session in stopped[:20]]
    for thread in running:
        thread.start()
    wait_for("twenty to run", lambda: sum(s["running_since"] is not None for s in sessions(gateway)) == 20)
    began = time.monotonic()
    status, answer = call(gateway, "POST", "/v1/barred", {"kind": "actor", "name": "bot-7", "reason": "INC-9"})
    took = time.monotonic() - began
    print(f"stop: {answer['sessions']} sessions on {answer['workers']} workers in {took:.3f} s")
    assert (status, answer["sessions"], answer["workers"], answer["sessions_left"]) == (200, 200, 2, 0)
    assert (answer["recorded"], answer["kept"], answer["missing_workers"]) == (True, True, [])
    assert took < 1.0
    for thread in running:
        thread.join(5)
    assert ended == ["28000"] * 20
    assert {last_words(session).sqlstate for session in stopped[20:]} == {"28000"}
    for session in others:
        assert session.execute("select 1").fetchone() == (1,)
        session.close()
    assert 'agent "bot-7" is stopped: INC-9' in refused(gateway, "dev", "rob", ("readers",), "bot-7")
    (kept,) = (gateway.folder / "var/state").glob("barred")
    assert kept.stat().st_mode & 0o777 == 0o600
    listed = verb(gateway, "barred", "list")["barred"]
    assert [(one["name"], one["by"], one["reason"]) for one in listed] == [("bot-7", "dora (local)", "INC-9")]
    assert verb(gateway, "resume", "--actor", "bot-7")["recorded"]
    gateway.connect("dev", "rob", ("readers",), actor="bot-7").close()


def test_a_dead_worker_is_not_waited_for_and_its_successor_knows_who_is_barred(gateway: Gateway) -> None:
    stop(gateway, "bot-5")
    before = gateway.workers()
    for pid in before:
        psutil.Process(pid).kill()
    wait_for("successors", lambda: len(set(gateway.workers()) - set(before)) == 2)
    wait_for("them to let people in", lambda: "ready" in gateway.sluice("status").stdout)
    for _ in range(4):
        assert "is stopped" in refused(gateway, "dev", "rob", ("readers",), "bot-5")
    resume(gateway, "bot-5")


def test_a_locked_user_and_a_revoked_token_end_at_once_and_stay_out(gateway: Gateway) -> None:
    user, agent = gateway.connect("dev", "rob", ("readers",)), gateway.connect("dev", "rob", ("readers",), actor="bot-1")
    assert verb(gateway, "lock", "--user", "rob", "--reason", "left", "--for", "1h")["sessions"] == 2
    assert [last_words(each).sqlstate for each in (user, agent)] == ["28000", "28000"]
    assert 'user "rob" is locked: left' in refused(gateway, "dev", "rob", ("readers",))
    assert call(gateway, "GET", "/v1/sessions", user="rob", groups=("dba",))[0] == 401, "nor does he operate anything"
    verb(gateway, "unlock", "--user", "rob")
    session = gateway.connect("dev", "rob", ("readers",))
    token = gateway.token("rob", ("readers",))
    done = gateway.sluice("revoke", "--token", said=token + "\n", SLUICE_TOKEN=gateway.token("dora", ("dba",)))
    assert (done.returncode, "1 sessions ended on 2 workers" in done.stdout) == (0, True), done.stderr
    assert last_words(session).sqlstate == "28000"
    assert "the token was revoked" in refused(gateway, "dev", "rob", ("readers",))
    assert token not in json.dumps(gateway.audit()) + gateway.errors()
    gateway._tokens.clear()
    gateway.connect("dev", "rob", ("readers",)).close()


def test_an_agent_that_goes_round_in_circles_is_stopped_on_all_workers(gateway: Gateway) -> None:
    first, *others = [gateway.connect("dev", "rob", ("readers",), actor="looper") for _ in range(6)]
    with pytest.raises(psycopg.Error) as ended:
        while True:
            try:
                first.execute("delete from orders")
            except psycopg.errors.InsufficientPrivilege:
                continue
    assert "no circles" in str(ended.value)
    first.close()
    for session in others:
        assert last_words_in_time(session).sqlstate == "28000"
    assert 'agent "looper" is stopped: rule "no circles"' in refused(gateway, "dev", "rob", ("readers",), "looper")
    bot = {"kind": "actor", "name": "looper"}
    assert call(gateway, "POST", "/v1/barred/lift", bot, user="rob", groups=("readers",))[0] == 403, "a rule's word stands"
    assert call(gateway, "POST", "/v1/barred/lift", {**bot, "user": "rob", "issuer": "local"})[0] == 200
    gateway.connect("dev", "rob", ("readers",), actor="looper").close()


def test_a_person_stops_his_own_agents_and_nobody_elses(gateway: Gateway) -> None:
    mine = gateway.connect("dev", "rob", ("readers",), actor="bot-1")
    theirs = gateway.connect("dev", "ria", ("readers",), actor="bot-1")
    rob: dict[str, Any] = {"user": "rob", "groups": ("readers",)}
    status, answer = call(gateway, "POST", "/v1/barred", {"kind": "actor", "name": "bot-1"}, **rob)
    assert (status, answer["sessions"], answer["barred"]["user"]) == (200, 1, "rob")
    assert last_words(mine).sqlstate == "28000"
    assert theirs.execute("select 1").fetchone() == (1,)
    bot = {"kind": "actor", "name": "bot-1"}
    for body in ({**bot, "user": "ria"}, {"kind": "user", "name": "ria"}, {"kind": "token", "name": "of-somebody"}):
        assert call(gateway, "POST", "/v1/barred", body, **rob)[0] == 403
    assert [one["name"] for one in call(gateway, "GET", "/v1/barred", **rob)[1]["barred"]] == ["bot-1"]
    assert call(gateway, "GET", "/v1/barred", user="ria", groups=("readers",))[1]["barred"] == []
    assert call(gateway, "POST", "/v1/barred/lift", bot, **rob)[0] == 200
    stopped = {**bot, "user": "rob", "issuer": "local"}
    assert call(gateway, "POST", "/v1/barred", stopped)[0] == 200
    assert call(gateway, "POST", "/v1/barred", bot, **rob)[0] == 409, "his word does not take the operator's place"
    assert call(gateway, "POST", "/v1/barred/lift", bot, **rob)[0] == 403
    assert call(gateway, "POST", "/v1/barred/lift", stopped)[0] == 200
    theirs.close()


# --- the interface itself -----------------------------------------------------------------------------


def bad_tokens(gateway: Gateway) -> list[str]:
    good = gateway.token("dora", ("dba",))
    head, body, signature = good.split(".")
    return ["", "x", good[:-4] + "AAAA", f"{head}.{body}.", f"{head}.{body[:-2]}.{signature}", good + ".x", "a" * 9000]


def test_whatever_is_no_token_is_nobody(gateway: Gateway) -> None:
    for token in bad_tokens(gateway):
        status, answer = call(gateway, "GET", "/v1/sessions", token=token)
        assert (status, answer["hint"].startswith("Sign in again")) == (401, True), token[:20]
    assert call(gateway, "POST", "/v1/barred", b"not json", token="x")[0] == 401, "who it is comes first"


GOOD = {"kind": "actor", "name": "bot"}
BAD_REQUESTS: list[tuple[str, str, Any, int]] = [
    ("POST", "/v1/barred", b"{", 400),
    ("POST", "/v1/barred", b"[]", 400),
    ("POST", "/v1/barred", b"\xff\xfe", 400),
    ("POST", "/v1/barred", b"[" * 9000, 400),
    ("POST", "/v1/barred", {}, 400),
    ("POST", "/v1/barred", {**GOOD, "kind": "database"}, 400),
    ("POST", "/v1/barred", {**GOOD, "name": ""}, 400),
    ("POST", "/v1/barred", {**GOOD, "name": "a\u0000b"}, 400),
    ("POST", "/v1/barred", {**GOOD, "name": "a" * 513}, 400),
    ("POST", "/v1/barred", {**GOOD, "reason": "two\nlines"}, 400),
    ("POST", "/v1/barred", {**GOOD, "more": 1}, 400),
    ("POST", "/v1/barred", {**GOOD, "for_seconds": -1}, 400),
    ("POST", "/v1/barred", {**GOOD, "for_seconds": 1e300}, 400),
    ("POST", "/v1/barred", {**GOOD, "reason": "x" * 20000}, 413),
    ("GET", "/v1/barred/lift", None, 405),
    ("DELETE", "/v1/sessions", None, 405),
    ("PUT", "/v1/sessions", None, 405),
    ("GET", "/v1/other", None, 404),
    ("GET", "/elsewhere", None, 404),
    ("POST", "/v1/sessions/none/end", {}, 404),
    ("POST", "/v1/barred/lift", {**GOOD, "name": "nobody"}, 404),
]


def test_what_cannot_be_understood_is_refused_and_said(gateway: Gateway) -> None:
    for method, path, body, wanted in BAD_REQUESTS:
        status, answer = call(gateway, method, path, body)
        assert (status, bool(answer["error"])) == (wanted, True), (method, path, body)


def test_strangers_of_every_sort_do_not_keep_operators_waiting(gateway: Gateway) -> None:
    """500 connections that say nothing, bodies that do not come, garbage, and a change of protocols."""
    token = gateway.token("dora", ("dba",))
    head = b"POST /v1/barred HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token.encode() + b"\r\n"
    garbage = [
        b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 100, b"GET /" + b"a" * 70000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nx",
        head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        head + b"Content-Length: 100\r\n\r\n{",
        head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        head + b"Authorization: Bearer x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ]  # fmt: skip
    idle = [socket.create_connection(("127.0.0.1", gateway.admin_port)) for _ in range(500)]
    began = time.monotonic()
    for sent in garbage:
        connection = socket.create_connection(("127.0.0.1", gateway.admin_port))
        connection.sendall(sent)
        idle.append(connection)
    for _ in range(5):
        assert call(gateway, "GET", "/v1/barred")[0] == 200
    print(f"five answers beside them in {time.monotonic() - began:.2f} s")
    assert time.monotonic() - began < 3.0
    for connection in idle:
        connection.close()
    assert "Traceback" not in gateway.errors()
    assert token not in gateway.errors()


def test_the_admin_process_may_die_and_come_back(gateway: Gateway) -> None:
    stop(gateway, "bot-6")
    (admin,) = gateway._children(lambda name: name == "sluice-admin")
    psutil.Process(admin).kill()
    assert "is stopped" in refused(gateway, "dev", "rob", ("readers",), "bot-6")
    wait_for("its successor", lambda: gateway._children(lambda name: name == "sluice-admin") not in ([], [admin]))

    def answers() -> bool:
        try:
            return "bot-6" in [one["name"] for one in call(gateway, "GET", "/v1/barred")[1]["barred"]]
        except OSError:
            return False

    wait_for("it to answer", answers)
    resume(gateway, "bot-6")


# --- access on request ------------------------------------------------------------------------------------

ASK = {"database": "shop", "allow": ["read"], "seconds": 600, "reason": "TICKET-7", "unmask": ["email"]}


def ask(gateway: Gateway, body: dict[str, Any] | None = None, **who: Any) -> dict[str, Any]:
    status, answer = call(gateway, "POST", "/v1/approvals", {**ASK, **(body or {})}, **who)
    assert status == 200, answer
    asked: dict[str, Any] = answer["approval"]
    return asked


def answer(gateway: Gateway, one: str, verb: str, **who: Any) -> int:
    return call(gateway, "POST", f"/v1/approvals/{one}/{verb}", {}, **who)[0]


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


DEV: dict[str, Any] = {"user": "dave", "groups": ("devs",)}
LEAD: dict[str, Any] = {"user": "lena", "groups": ("leads",)}


def test_what_somebody_else_approves_is_in_force_at_once_named_in_records_and_ended_early(gateway: Gateway) -> None:
    assert "no grant" in refused(gateway, "shop", "dave", ("devs",))
    environ = {"SLUICE_TOKEN": gateway.token("dave", ("devs",))}
    words = ("--database", "shop", "--unmask", "email", "--for", "10m", "--reason", "TICKET-7")
    said: list[Any] = []
    waits = threading.Thread(target=lambda: said.append(gateway.sluice("request", *words, "--wait", **environ)))
    waits.start()
    (waiting,) = wait_for("the request", lambda: call(gateway, "GET", "/v1/approvals", **LEAD)[1]["approvals"])
    done = gateway.sluice("request", *words, **environ)
    assert done.returncode == 0, done.stderr
    one = done.stdout.strip()
    assert one == waiting["id"], "the same again is one"
    approved = verb(gateway, "approvals", "approve", one, "--reason", "go on", user="lena", groups=("leads",))
    assert (approved["in_force"], approved["approval"]["state"]) == (True, "approved")
    waits.join(15)
    assert (said[0].returncode, said[0].stdout) == (0, f"{one}: approved by lena (local): go on\n")
    with gateway.connect("shop", "dave", ("devs",)) as session:
        row = session.execute("select email, phone from customers where id = 1").fetchone()
        assert row is not None
        assert (row[0], "555" in str(row[1])) == ("canary.ada@example.com", False)
        with pytest.raises(psycopg.Error):
            session.execute("update orders set total = 1 where id = 1")
        assert gateway.sluice("access", "revoke", one, **environ).returncode == 0
        assert last_words(session).sqlstate == "28000"
    assert "no grant" in refused(gateway, "shop", "dave", ("devs",))
    intents = [r for r in gateway.audit("--user", "dave", "--database", "shop") if r.get("decision") == "allow"]
    assert {(r["grant"]["name"], r["grant"]["granted_by"], r["grant"]["reason"]) for r in intents} == {
        (f"access {one}", "lena (local)", "TICKET-7")
    }
    events = [r["event"] for r in gateway.audit() if r["kind"] == "approval" and r["event"].get("approval") == one]
    assert [e["what"] for e in events] == ["access requested", "access approved", "access revoked"]
    assert [e["user"] for e in events] == ["dave", "lena", "dave"]


MAY_NOT = [  # who tries to approve dave's request, and what comes of it
    (DEV, 403),
    ({"user": "dave", "groups": ("leads",)}, 403),
    ({"user": "DAVE", "groups": ("leads",)}, 403),
    ({"user": "Dave", "groups": ("leads",)}, 403),
    ({"user": "ｄａｖｅ", "groups": ("leads",)}, 403),
    ({"user": "davé", "groups": ("leads",)}, 403),
    ({**DEV, "groups": ("devs", "leads"), "actor": "bot"}, 403),
    ({**LEAD, "actor": "bot"}, 403),
    ({"user": "lena", "groups": ("LEADS",)}, 404),
    ({"user": "lena", "groups": ()}, 404),
    ({"user": "dora", "groups": ("dba",)}, 403),  # she operates the gateway, and decides nothing here
]


def test_nobody_else_than_a_named_approver_answers(gateway: Gateway) -> None:
    one = ask(gateway, **DEV)["id"]
    for who, wanted in MAY_NOT:
        for word in ("approve", "deny"):
            assert answer(gateway, one, word, **who) == wanted, (who, word)
    assert answer(gateway, one[:-1] + ("0" if one[-1] != "0" else "1"), "approve", **LEAD) == 404
    assert answer(gateway, one + "%00", "approve", **LEAD) == 404
    assert answer(gateway, one.upper(), "approve", **LEAD) == 404
    assert answer(gateway, one, "review", **LEAD) in (403, 409)
    by_agent = ask(gateway, {"reason": "by the agent"}, **DEV, actor="bot")
    assert by_agent["actors"] == ["bot"]
    assert answer(gateway, by_agent["id"], "approve", user="dave", groups=("leads",)) == 403
    lost = {"user": "lost", "groups": ("leads",)}
    call(gateway, "POST", "/v1/barred", {"kind": "token", "name": claims_of(gateway.token(**lost))["jti"]})
    assert answer(gateway, one, "approve", **lost) == 401, "a token that was revoked approves nothing"
    assert answer(gateway, one, "deny", **LEAD) == 200
    assert answer(gateway, one, "approve", **LEAD) == 409
    assert answer(gateway, one, "deny", **LEAD) == 409
    assert "no grant" in refused(gateway, "shop", "dave", ("devs",))
    others: dict[str, Any] = {"user": "nina", "groups": ("devs",)}
    assert call(gateway, "GET", f"/v1/approvals/{one}", **others)[0] == 404
    assert call(gateway, "GET", "/v1/approvals", **others)[1]["approvals"] == []


def test_a_request_asks_for_what_a_rule_offers(gateway: Gateway) -> None:
    for body, who in (
        ({"allow": ["write"]}, DEV), ({"allow": ["all"]}, DEV), ({"unmask": ["ssn"]}, DEV), ({"unmask": ["*"]}, DEV),
        ({"seconds": 3601}, DEV), ({"database": "bench"}, DEV), ({"database": "nowhere"}, DEV), ({"database": "*"}, DEV),
        ({"break_glass": True}, DEV), ({}, {"user": "zed", "groups": ("others",)}),
    ):  # fmt: skip
        status, said = call(gateway, "POST", "/v1/approvals", {**ASK, **body}, **who)
        assert (status, bool(said["error"])) == (403, True), body
    for body in ({"seconds": 1}, {"reason": ""}, {"reason": "a\nb"}, {"allow": []}, {"allow": ["drop"]}, {"more": 1}):
        assert call(gateway, "POST", "/v1/approvals", {**ASK, **body}, **DEV)[0] == 400, body


def test_many_approvers_at_once_give_one_answer(gateway: Gateway) -> None:
    one = ask(gateway, {"reason": "a race"}, **DEV)["id"]
    gateway.token("lena", ("leads",)), gateway.token("lars", ("leads",))
    got: list[int] = []

    def run(user: str, word: str) -> None:
        got.append(answer(gateway, one, word, user=user, groups=("leads",)))

    words = [(user, word) for user in ("lena", "lars") for word in ("approve", "deny", "approve")]
    runs = [threading.Thread(target=run, args=each) for each in words]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert sorted(got) == [200, 409, 409, 409, 409, 409]
    answer(gateway, one, "revoke", **DEV)


def test_broken_glass_is_in_force_at_once_alarmed_and_reviewed_by_somebody_else(gateway: Gateway) -> None:
    oncall: dict[str, Any] = {"user": "otto", "groups": ("oncall",)}
    status, said = call(gateway, "POST", "/v1/approvals", {**ASK, "allow": ["read", "write"], "break_glass": True}, **oncall)
    assert (status, said["in_force"]) == (200, True), said
    one = said["approval"]["id"]
    with gateway.connect("shop", "otto", ("oncall",)) as session:
        session.execute("update orders set total = total where id = 1")
    assert f"alarm: otto (local) broke the glass ({one})" in gateway.errors()
    assert "1 break-glass access to be reviewed" in gateway.sluice("status").stdout
    assert answer(gateway, one, "review", **{**oncall, "groups": ("oncall", "security")}) == 403
    assert answer(gateway, one, "review", user="sue", groups=("security",)) == 200
    assert answer(gateway, one, "review", user="sue", groups=("security",)) == 409
    assert "to be reviewed" not in gateway.sluice("status").stdout
    intents = [r for r in gateway.audit("--user", "otto") if r["kind"] == "intent"]
    assert {r["grant"]["granted_by"] for r in intents} == {"break-glass by otto (local)"}


def test_bars_and_approvals_outlive_a_restart_and_an_access_ends_with_its_rule(gateway: Gateway) -> None:
    one = ask(gateway, {"reason": "over a restart"}, **DEV)["id"]
    assert answer(gateway, one, "approve", **LEAD) == 200
    stop(gateway, "bot-9")
    gateway.stop()
    gateway.start()

    def comes_in() -> psycopg.Connection[Any] | None:
        try:
            return gateway.connect("shop", "dave", ("devs",))
        except psycopg.OperationalError:
            return None

    assert 'agent "bot-9" is stopped' in refused(gateway, "dev", "rob", ("readers",), "bot-9"), "from the first moment on"
    with wait_for("the grant to be there again", comes_in) as session:
        gateway.reload(POLICY + ADMINS.replace('name = "production on request"', 'name = "another rule"'))
        assert last_words_in_time(session).sqlstate == "28000"
    gateway.reload(POLICY + ADMINS)
    resume(gateway, "bot-9")


def last_words_in_time(connection: psycopg.Connection[Any]) -> psycopg.Error:
    def ended() -> psycopg.Error | None:
        try:
            connection.execute("select 1")
        except psycopg.Error as error:
            return error
        return None

    error: psycopg.Error = wait_for("the session to end", ended, 8)
    connection.close()
    return error
