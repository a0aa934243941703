"""SIGTERM: idle sessions end at once, open transactions may end in time, and then nothing of ours is left."""

import signal
import time
from collections.abc import Callable

import psycopg
import pytest

from tests.live.rig import Gateway
from tests.live.wire import Wire, error_fields, query

LIMIT_SECONDS = 3


def test_idle_sessions_hear_why_they_end(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(drain_seconds=LIMIT_SECONDS)
    wires = [Wire(gateway.port) for _ in range(6)]
    for wire in wires:
        wire.sign_in(gateway.token("olga", ("owners",)), {"user": "olga", "database": "dev"})
    started = time.monotonic()
    gateway.process.send_signal(signal.SIGTERM)
    for wire in wires:
        kind, body = wire.reply()
        assert (kind, error_fields(body)["C"]) == (b"E", "57P01")
        assert wire.reply() == (b"", b"")
        wire.close()
    assert gateway.stop() == 0
    assert time.monotonic() - started < LIMIT_SECONDS, "nobody had to be waited for"


@pytest.mark.parametrize("turn", range(6))  # a newcomer may knock in the very moment the drain begins
def test_open_transaction_ends_in_peace_and_newcomers_are_turned_away(
    make_gateway: Callable[..., Gateway], turn: int
) -> None:
    gateway = make_gateway(drain_seconds=30)
    connection = gateway.connect("dev")
    connection.execute("begin")
    connection.execute("create temp table drained (n int) on commit drop")
    gateway.process.send_signal(signal.SIGTERM)
    for n in range(10):
        connection.execute("insert into drained values (%s)", (n,))
    assert connection.execute("select count(*) from drained").fetchone() == (10,)
    with pytest.raises(psycopg.OperationalError):
        gateway.connect("dev")
    assert connection.execute("commit").statusmessage == "COMMIT"
    connection.close()
    started = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - started < 10, "it waits for the transaction, not for the limit"


def test_drain_ends_at_its_limit(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(drain_seconds=LIMIT_SECONDS)
    connection = gateway.connect("dev")
    connection.execute("begin")
    connection.execute("select 1 as never_finished")
    started = time.monotonic()
    assert gateway.stop() == 0
    took = time.monotonic() - started
    assert LIMIT_SECONDS - 0.5 <= took <= LIMIT_SECONDS + 2.5
    with pytest.raises(psycopg.OperationalError):
        connection.execute("select 1")
    connection.close()


def test_running_statement_is_cut_at_the_limit_and_has_an_outcome(
    make_gateway: Callable[..., Gateway],
) -> None:
    gateway = make_gateway(drain_seconds=1)
    with Wire(gateway.port) as wire:
        wire.sign_in(gateway.token("olga", ("owners",)), {"user": "olga", "database": "dev"})
        wire.send(query("select pg_sleep(60) as cut_by_drain"))
        gateway.process.send_signal(signal.SIGTERM)
        kinds = [kind for kind, _ in wire.replies(b"")]
    assert b"D" not in kinds
    assert gateway.stop() == 0
    records = gateway.audit()
    intents = [
        entry for entry in records if entry["kind"] == "intent" and "cut_by_drain" in entry["statement"]
    ]
    assert len(intents) <= 1, "it may have been turned away before it ran"
    outcomes = [entry for entry in records if entry["kind"] == "outcome"]
    for intent in intents:
        assert [entry for entry in outcomes if entry["intent"] == intent["id"]]
    assert gateway.verify().returncode == 0


def test_second_gateway_in_the_same_place_does_not_start(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    second = gateway.sluice("serve", "--config", str(gateway.config), seconds=20)
    assert second.returncode in (1, 2)
    assert len(second.stderr.strip().splitlines()) == 1, second.stderr
    with gateway.connect("dev") as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_gateway_starts_again_in_the_same_place(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway()
    with gateway.connect("dev") as connection:
        connection.execute("select 1 as first_life")
    assert gateway.stop() == 0
    gateway.start()
    with gateway.connect("dev") as connection:
        connection.execute("select 1 as second_life")
    texts = " ".join(entry["statement"] for entry in gateway.audit() if entry["kind"] == "intent")
    assert "first_life" in texts
    assert "second_life" in texts
    assert gateway.verify().returncode == 0


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("sluice.toml", "[gateway]\nlisten = 5\n", "listen"),
        ("sluice.toml", "[gatway]\n", "gatway"),
        ("policy.toml", '[[grant]]\nname = "x"\nalow = ["read"]\n', "alow"),
    ],
)
def test_gateway_that_cannot_start_says_why_in_one_line(
    make_gateway: Callable[..., Gateway], file: str, text: str, named: str
) -> None:
    gateway = make_gateway()
    gateway.stop()
    (gateway.folder / file).write_text(text)
    ended = gateway.sluice("serve", "--config", str(gateway.config), seconds=20)
    assert ended.returncode == 2
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    assert file in lines[0]
    assert named in lines[0]
