"""Messages that a reader of RFC 5424 takes apart again, whatever the record holds."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.query import Entry
from gateway.audit.records import RulingInfo, SessionInfo
from gateway.audit.syslog import framed, line
from tests.gateway.audit.trail_rig import T

HEAD = re.compile(
    rb"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([!-~]{1,255}) sluice - ([!-~]{1,32}) "
    rb'\[sluice@(\d+)((?: [!-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\] \xef\xbb\xbf(.*)',
    re.DOTALL,
)
TEXT = st.text(max_size=30)


@given(TEXT, TEXT, TEXT, st.sampled_from(["allow", "deny", "hold", "warn"]), TEXT)
def test_message_can_be_taken_apart_whatever_it_holds(user: str, app: str, sql: str, decision: str, host: str) -> None:
    info = SessionInfo("s1", user, application=app, database="prod")
    entry = Entry("db1-0.aa", 1, T, "intent", info, RulingInfo(1, "h", sql, "f", ("SELECT",), (sql,), decision=decision))
    message = line(entry, host, 99)
    found = HEAD.fullmatch(message)
    assert found is not None
    assert b"\n" not in message
    assert int(found[1]) == 13 * 8 + (6 if decision == "allow" else 4)
    assert found[5] == b"99"
    assert json.loads(found[7])["user"] == user
    if user and user.isprintable():
        shown = re.search(rb' user="((?:[^"\\\]]|\\["\\\]])*)"', found[6])
        assert shown is not None
        assert re.sub(rb"\\(.)", rb"\1", shown[1]).decode() == user


def test_alarm_is_an_alert() -> None:
    message = line(Entry("db1-s.aa", 1, T, "system", data={"what": "audit alarm"}), "db1")
    assert message.startswith(b"<105>1 ")
    assert b"sluice@32473" in message


def test_frame_says_its_length() -> None:
    assert framed("<1>ü".encode()) == b"5 <1>\xc3\xbc"
