"""Syslog messages read back by the grammar of RFC 5424, whatever the records hold."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.query import Entry, to_json
from gateway.audit.records import SessionInfo
from gateway.audit.syslog import counted, message, severity
from tests.gateway.audit.report_rig import MONDAY_NOON, event, intent, outcome, ruling, who

GRAMMAR = re.compile(
    rb"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) "
    rb'\[([!-<>-\\^-~]{1,32})((?: [a-z]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\](?: \xef\xbb\xbf(.*))?',
    re.DOTALL,
)


def parsed(one: bytes) -> tuple[dict[str, str], bytes | None, tuple[bytes, ...]]:
    found = GRAMMAR.fullmatch(one)
    assert found, one
    pairs = re.findall(rb' ([a-z]+)="((?:[^"\\\]]|\\.)*)"', found[8])
    values = {name.decode(): re.sub(r"\\(.)", r"\1", value.decode()) for name, value in pairs}
    return values, found[9], found.groups()[:7]


def test_a_message_has_its_header_its_parameters_and_the_record() -> None:
    entry = outcome(2, MONDAY_NOON, who("bob", "agent-7"), ruling(), 5)
    values, body, header = parsed(message(entry))
    assert header == (b"110", b"2024-01-01T12:00:00.000000Z", b"db1", b"sluice", b"0.aabbccdd", b"outcome", b"sluice@32473")
    assert values["id"] == entry.id
    assert (values["user"], values["actor"], values["status"], values["rows"]) == ("bob", "agent-7", "ok", "5")
    assert body is not None
    assert json.loads(body) == to_json(entry)


def test_the_enterprise_number_is_the_senders() -> None:
    assert b"[sluice@99 " in message(event(1, MONDAY_NOON, "system", what="gateway started"), 99)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (event(1, 0, "system", what="audit failed"), 3),
        (outcome(2, 0, who(), ruling(), status="unresolved"), 3),
        (intent(1, 0, who(), ruling(decision="deny")), 4),
        (event(1, 0, "session", who(), what="sign-in refused"), 4),
        (event(1, 0, "policy", what="policy published"), 5),
        (intent(1, 0, who(), ruling()), 6),
    ],
)
def test_severity_tells_trouble_refusals_notices_and_the_rest_apart(entry: Entry, expected: int) -> None:
    assert severity(entry) == expected


@given(st.text(max_size=300), st.text(max_size=60))
def test_hostile_text_stays_within_its_parameter(user: str, host: str) -> None:
    entry = intent(1, MONDAY_NOON, SessionInfo("s", user, database=user), ruling())
    entry.label = f"{host}-0.aabbccdd"
    values, body, _ = parsed(message(entry))
    assert values["id"]
    assert set(values) <= {"id", "session", "user", "database", "decision", "fingerprint"}
    if user.isprintable() and user:
        assert values["user"] == user[:255]
    assert body is not None


def test_a_message_too_long_for_a_datagram_ends_before_the_record_and_says_so() -> None:
    long = intent(1, MONDAY_NOON, who(), ruling("SELECT " + "x" * 100_000))
    values, body, _ = parsed(message(long, limit=8192))
    assert (values["cut"], body) == ("true", None)
    assert len(message(long, limit=8192)) <= 8192
    assert parsed(message(long))[1] is not None


def test_octets_are_counted_not_characters() -> None:
    assert counted("é".encode()) == b"2 \xc3\xa9"
