"""`sluice audit session` as a user types it."""

import re
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from gateway.audit.defined import ColumnsCard, RulingCard, SessionCard
from gateway.audit.records import ColumnsInfo, GrantInfo, RulingInfo, SessionInfo
from workers.audit_group import audit
from workers.audit_log import AuditLog

T = 1_700_000_000_000_000_000
SHOWN = ColumnsInfo((("public.c.email", "email", "redact"),), ("public.c.id",))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A session of a hundred statements, some of them refused."""
    log = AuditLog(tmp_path, "db1", 0)
    who = ("s1", "alice\x1b[2J", "idp", ("analysts",), ("agent-7", "agent-9"), "10.0.0.9:5000", "psql")
    card = SessionCard(SessionInfo(*who, "prod", "production", "app", "jti-1", "m-1", "run-4"))
    read = RulingCard(RulingInfo(4, "abc", "SELECT [red]email[/red]", "ff", ("SELECT",), grant=GrantInfo("readers")))
    drop = RulingCard(RulingInfo(4, "abc", "DROP TABLE c", "fd", ("DROP TABLE",), decision="deny", rules=("no drops",)))
    chain = log.chain
    chain.event(T, "session", {"what": "session opened"}, card)
    for number in range(100):
        now = T + (number + 1) * 10**9
        refused = number % 20 == 10
        intent = chain.intent(now, card, drop if refused else read, None, "A-1" if number == 1 else "")
        if refused:
            chain.outcome(now + 500, intent, "refused", 0, 0, None, "", "42501", 0)
        else:
            chain.outcome(now + 500, intent, "ok", 3, 120, ColumnsCard(SHOWN), "SELECT", "", 1500)
    chain.event(T + 200 * 10**9, "session", {"what": "session closed", "statements": 100}, card)
    log.close()
    return tmp_path


def run(place: Path, *arguments: str) -> Result:
    return CliRunner().invoke(audit, ["--dir", str(place), "session", *arguments])


def test_a_session_fits_on_a_screen(place: Path) -> None:
    result = run(place, "s1")
    assert result.exit_code == 0
    text = result.stdout
    assert "alice\\u{1b}[2J (analysts)" in text
    assert "agent-7 > agent-9 (model m-1, run run-4)" in text
    assert "token jti-1 of idp" in re.sub(" +", " ", text)
    assert "prod (production) as app" in text
    first = r"^1 +22:13:21\.000 +ok +SELECT \[red\]email\[/red\] +3 +1\.5 +grant readers; masked c\.email"
    assert re.search(first, text, re.M)
    assert text.count("deny: refused 42501") == 5
    assert "rule no drops" in text
    assert "approval A-1" in text
    assert len(text.splitlines()) < 90
    assert re.search(r"\(\d+ more steps between them: --all shows them\)", text)
    assert "100 statements (5 ddl, 95 read): 5 refused, 0 failed, 0 without an outcome; 285 rows, 11400 bytes" in text
    assert "ended 2023-11-14T22:16:40.000000Z after 200.0 s" in text


def test_all_shows_every_step_and_json_too(place: Path) -> None:
    assert run(place, "s1", "--all").stdout.count("grant readers") == 95
    steps = [orjson.loads(line) for line in run(place, "s1", "--json").stdout.splitlines()]
    assert [step["step"] for step in steps] == ["session", "event", *["statement"] * 100, "event", "end"]
    assert [step["number"] for step in steps if step["step"] == "statement"] == list(range(1, 101))
    assert steps[3]["approval"] == "A-1"
    assert steps[0]["user"] == "alice\x1b[2J"


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_an_unknown_session_is_told(place: Path, how: tuple[str, ...]) -> None:
    result = run(place, "s2", *how)
    assert result.exit_code == 1
    assert result.stderr == "no session has this id\n"
