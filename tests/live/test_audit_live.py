"""What the trail says of real sessions: one intent and one outcome per execution, no value, and nothing unsaid."""

import json
import os
import shutil
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.live.rig import Gateway, wait_for
from tests.live.wire import Wire, message, query

SECRET = "961-77-4242"


def of(gateway: Gateway, tag: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Intents whose statement holds `tag`, and their outcomes, in order."""
    records = gateway.audit()
    intents = [entry for entry in records if entry["kind"] == "intent" and tag in entry["statement"]]
    ids = [entry["id"] for entry in intents]
    return intents, [entry for entry in records if entry["kind"] == "outcome" and entry["intent"] in ids]


def test_record_says_who_what_and_what_came_of_it(gateway: Gateway) -> None:
    with gateway.connect("shop", "ann", ("analysts",), "agent-7", application_name="report 7") as connection:
        pid = connection.info.backend_pid
        connection.execute("select id, email, city as recorded_city from customers where id < 3").fetchall()
    (intent,), (outcome,) = of(gateway, "recorded_city")
    assert pid > 0
    assert intent["user"] == "ann"
    assert intent["groups"] == ["analysts"]
    assert intent["actor"] in ("agent-7", ["agent-7"])
    assert intent["issuer"] == "local"
    assert intent["database"] == "shop"
    assert intent["environment"] == "production"
    assert intent["role"] == "app_ro"
    assert intent["decision"] == "allow"
    assert intent["statement_kind"] == "SELECT"
    assert "agents read production for analysts" in json.dumps(intent["grant"])
    assert any("customers" in table for table in intent["tables"])
    assert any("email" in column for column in intent["columns_read"])
    assert len(intent["fingerprint"]) == 16
    assert "report 7" in json.dumps(intent)
    assert outcome["rows"] == 2
    assert outcome["bytes"] > 0
    assert outcome["command"].startswith("SELECT")
    assert outcome["duration_us"] > 0
    assert not outcome["sqlstate"] or outcome["sqlstate"] == "00000"
    assert "email" in json.dumps(outcome["columns_masked"])
    assert intent["time"] <= outcome["time"]


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_literals_and_parameters_are_never_recorded(gateway: Gateway, prepare: bool) -> None:
    with gateway.connect("dev") as connection:
        connection.execute("select %s as secret_tag", (SECRET,), prepare=prepare)
        connection.execute(
            f"select '{SECRET}' as secret_tag, E'{SECRET}', $q${SECRET}$q$, {SECRET.replace('-', '')} -- {SECRET}"
        )
        with pytest.raises(psycopg.Error):
            connection.execute(f"select '{SECRET}'::int as secret_tag")
    intents, outcomes = of(gateway, "secret_tag")
    assert len(intents) == len(outcomes) >= 3
    everything = json.dumps(gateway.audit())
    assert SECRET not in everything
    assert SECRET.replace("-", "") not in everything
    trail = b"".join(
        file.read_bytes() for file in (gateway.folder / "var/audit").rglob("*") if file.is_file()
    )
    assert len(trail) > 1000
    assert SECRET.encode() not in trail


def test_every_statement_and_every_execute_has_its_own_records(gateway: Gateway) -> None:
    with gateway.connect("dev") as connection:
        connection.execute("select 1 as many_a; select 2 as many_b; select 3 as many_c")
        for n in range(7):
            connection.execute("select %s::int as many_p", (n,), prepare=True)
        with connection.pipeline():
            for n in range(5):
                connection.execute("select %s::int as many_q", (n,))
    for tag, count in (("many_a", 1), ("many_b", 1), ("many_c", 1), ("many_p", 7), ("many_q", 5)):
        intents, outcomes = of(gateway, tag)
        assert (len(intents), len(outcomes)) == (count, count), tag


def test_failures_and_refusals_have_their_sqlstate(gateway: Gateway) -> None:
    with gateway.connect("shop", "ann", ("analysts",)) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("select 1/(id - id) as failing_tag from orders")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from orders where id = 1 and 'refused_tag' = city_tag")
    _, (failed,) = of(gateway, "failing_tag")
    assert failed["sqlstate"] == "22012"
    (refused,), outcomes = of(gateway, "city_tag")
    assert refused["decision"] == "deny"
    assert refused["rules"]
    assert all(outcome["sqlstate"] == "42501" for outcome in outcomes)


def test_partial_execute_counts_every_row_once(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.sign_in(gateway.token("olga", ("owners",)), {"user": "olga", "database": "dev"})
        wire.send(
            message(b"P", b"\0select g as partial_tag from generate_series(1, 10) g\0\0\0")
            + message(b"B", b"\0\0\0\0\0\0\0\0")
            + message(b"E", b"\0\0\0\0\x04") * 2
            + message(b"E", b"\0\0\0\0\0")
            + message(b"S")
        )
        kinds = [kind for kind, _ in wire.replies()]
        assert kinds.count(b"D") == 10
        assert kinds.count(b"s") == 2
    intents, outcomes = of(gateway, "partial_tag")
    assert len(intents) == len(outcomes)
    assert sum(outcome["rows"] for outcome in outcomes) == 10


def test_filters_find_what_they_name(gateway: Gateway) -> None:
    with gateway.connect("shop", "filter-fay", ("analysts",)) as connection:
        connection.execute("select city as filter_tag from customers")
    mine = gateway.audit("--user", "filter-fay")
    assert mine
    assert {entry["user"] for entry in mine} == {"filter-fay"}
    session = next(entry["session"] for entry in mine if entry["kind"] == "intent")
    assert gateway.audit("--session", session)
    assert gateway.audit("--user", "filter-fay", "--database", "dev") == []
    assert gateway.audit("--user", "filter-fay", "--table", "public.customers")
    assert gateway.audit("--user", "filter-fay", "--since", "2999-01-01T00:00:00Z") == []
    identifier = mine[-1]["id"]
    shown = gateway.sluice("audit", "show", identifier, "--json")
    assert identifier in [json.loads(line)["id"] for line in shown.stdout.splitlines()]


def test_sqlcommenter_tags_are_kept(gateway: Gateway) -> None:
    with gateway.connect("dev") as connection:
        connection.execute("select 1 as commented_tag /*route='%2Forders',client.agent.id='agent-7'*/")
    (intent,), _ = of(gateway, "commented_tag")
    assert "/orders" in json.dumps(intent["tags"])


def test_copy_is_recorded_with_its_rows(gateway: Gateway) -> None:
    with gateway.connect("dev") as connection:
        connection.execute("create temp table copy_tag (n int)")
        with connection.cursor().copy("copy copy_tag from stdin") as copy:
            for n in range(25):
                copy.write_row((n,))
        with connection.cursor().copy("copy copy_tag to stdout") as copy:
            assert len(list(copy)) == 25
    intents, outcomes = of(gateway, "copy_tag")
    commands = [outcome["command"] for outcome in outcomes]
    assert len(intents) == 3
    assert commands.count("COPY 25") == 2 or [outcome["rows"] for outcome in outcomes].count(25) == 2


def test_statement_without_an_end_is_unresolved_never_forgotten(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    wire = Wire(gateway.port)
    wire.sign_in(gateway.token("olga", ("owners",)), {"user": "olga", "database": "dev"})
    wire.send(query("select pg_sleep(30) as unresolved_tag"))
    wait_for("the intent", lambda: of(gateway, "unresolved_tag")[0])
    wire.close()
    assert gateway.stop() == 0
    (intent,), (outcome,) = of(gateway, "unresolved_tag")
    assert intent["decision"] == "allow"
    assert outcome["rows"] == 0


def test_trail_verifies_and_an_edit_is_found(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    with gateway.connect("dev") as connection:
        for n in range(30):
            connection.execute(f"select {n} as verified_tag")
    assert gateway.stop() == 0
    verified = gateway.verify()
    assert verified.returncode == 0, verified.stdout + verified.stderr
    folder = gateway.folder / "var/audit"
    segments = [file for file in folder.rglob("*") if file.is_file() and b"verified_tag" in file.read_bytes()]
    assert segments
    for segment in segments:
        original = segment.read_bytes()
        place = original.index(b"verified_tag")
        segment.chmod(0o600)
        segment.write_bytes(original[:place] + b"V" + original[place + 1 :])
        assert gateway.verify().returncode == 1, "one changed byte"
        segment.write_bytes(original)
    assert gateway.verify().returncode == 0


def test_no_record_no_statement(make_gateway: Callable[..., Gateway]) -> None:
    """The audit's directory is gone and a file stands in its way: statements are refused, sign-ins too."""
    gateway = make_gateway()
    gateway.stop()
    folder = gateway.folder / "var/audit"
    shutil.rmtree(folder)
    folder.touch()
    ended = gateway.sluice("serve", "--config", str(gateway.config), seconds=20)
    assert ended.returncode in (1, 2)
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    os.unlink(folder)


def test_follow_prints_records_as_they_come(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    with gateway.connect("dev") as connection:
        connection.execute("select 1 as tailed_tag")
    done = gateway.sluice("audit", "tail", "--json")
    assert "tailed_tag" in done.stdout
