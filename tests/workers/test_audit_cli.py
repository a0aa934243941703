"""`sluice audit` as a user types it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from gateway.audit.defined import RulingCard, SessionCard
from gateway.audit.literals import Literals
from gateway.audit.records import RulingInfo, SessionInfo
from workers.audit_cli import visible
from workers.audit_group import audit
from workers.audit_log import AuditLog
from workers.configuration import Secrets

MAIN = "from workers.audit_group import audit; audit()"


def write(log: AuditLog, user: str, statement: str, decision: str = "allow") -> list[str]:
    who = SessionCard(
        SessionInfo("s-" + user, user, actors=("agent-7",), database="prod", environment="production")
    )
    what = RulingCard(RulingInfo(1, "abc", statement, "ff", ("SELECT",), ("public.t",), decision=decision))
    chain = log.chain
    now = 1_700_000_000_000_000_000 + chain.seq * 10**9
    intent = chain.intent(now, who, what)
    state, code = ("refused", "42501") if decision == "deny" else ("ok", "")
    outcome = chain.outcome(now + 500_000, intent, state, 3, 9, None, "SELECT", code, 500)  # type: ignore[arg-type]
    log.commit()
    return [chain.record_id(intent), chain.record_id(outcome)]


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "var" / "audit", "db1", 0)


def run(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(audit, ["--dir", str(directory), *arguments])


def lines(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [orjson.loads(line) for line in result.stdout.splitlines()]


def test_tail_prints_the_last_records_one_a_line(log: AuditLog) -> None:
    ids = write(log, "alice", "SELECT $1::int") + write(log, "bob", "DROP TABLE t", "deny")
    shown = run(log.path.parent, "tail", "-n", "3").stdout.splitlines()
    assert [line.split()[-1] for line in shown] == ids[1:]
    assert "intent:deny bob>agent-7 prod DROP TABLE t" in shown[1]
    assert "outcome:refused bob>agent-7 prod SELECT 42501" in shown[2]
    assert [each["id"] for each in lines(run(log.path.parent, "tail", "--json"))] == ids
    log.close()


def test_tail_shows_what_is_asked_for_of_several_hosts(log: AuditLog, tmp_path: Path) -> None:
    other = AuditLog(tmp_path / "other", "db2", 0)
    first = write(log, "alice", "SELECT $1::int") + write(log, "bob", "DROP TABLE t", "deny")
    second = write(other, "alice", "SELECT $1::text")
    named = ["--dir", str(log.path.parent), "--dir", str(other.path.parent), "tail", "--json"]

    def shown(*arguments: str) -> list[object]:
        return [each["id"] for each in lines(CliRunner().invoke(audit, [*named, *arguments]))]

    assert sorted(map(str, shown())) == sorted(first + second)
    assert sorted(map(str, shown("--user", "alice", "-n", "9"))) == sorted(first[:2] + second)
    assert shown("--decision", "deny", "-n", "1") == first[3:]
    assert shown("--user", "alice", "-n", "0") == []
    log.close()
    other.close()


def test_query_finds_the_statements_that_named_a_value(log: AuditLog) -> None:
    folder = log.path.parent.parent.parent
    (folder / "sluice.toml").write_text("")
    (folder / "mask.key").write_bytes(b"m" * 32 + b"\n")
    (folder / "mask.key").chmod(0o600)
    who, what = SessionCard(SessionInfo("s", "ann")), RulingCard(RulingInfo(1, "", "SELECT $1", "ff", ("SELECT",)))
    digests = Literals(Secrets(b"m" * 32, {}).digest_key)
    for values in (["4711", "x"], ["x"], []):
        log.chain.intent(1_700_000_000_000_000_000, who, what, literals=digests.of(values))
    log.commit()
    asked = ["--config", str(folder / "sluice.toml"), "--dir", str(log.path.parent), "query", "--json", "--literal"]
    for value, count in (("4711", 1), ("x", 2), ("", 0), ("471", 0)):
        assert len(lines(CliRunner().invoke(audit, [*asked, value]))) == count
    (folder / "mask.key").unlink()
    refused = CliRunner().invoke(audit, [*asked, "4711"])
    assert refused.exit_code == 2
    assert "mask.key" in refused.output
    log.close()


def test_query_filters_and_limits(log: AuditLog) -> None:
    ids = write(log, "alice", "SELECT $1::int") + write(log, "bob", "DROP TABLE t", "deny")
    log.close()

    def found(*arguments: str) -> list[object]:
        return [each["id"] for each in lines(run(log.path.parent, "query", "--json", *arguments))]

    assert found() == ids
    assert found("--user", "bob") == ids[2:]
    assert found("--decision", "deny", "--actor", "agent-7", "--table", "t") == ids[2:]
    assert found("--text", "select") == ids[:2]
    assert found("--session", "s-alice", "--limit", "1") == ids[:1]
    assert found("--since", "2023-11-14T22:13:20.000500Z") == ids[1:]
    assert found("--until", "2023-11-14") == []
    assert found("--since", "15m") == []


def test_wrong_usage_and_missing_places_exit_2_with_one_line(tmp_path: Path) -> None:
    assert run(tmp_path, "query", "--since", "yesterday").exit_code == 2
    assert run(tmp_path, "query", "--decision", "maybe").exit_code == 2
    gone = run(tmp_path / "gone", "tail")
    assert gone.exit_code == 2
    assert "no audit directory" in gone.stderr


def test_show_gives_all_fields_of_a_record_and_its_counterpart(log: AuditLog) -> None:
    intent, outcome = write(log, "alice", "SELECT $1::int")
    log.close()
    text = run(log.path.parent, "show", outcome).stdout
    assert re.search(r"^statement +SELECT \$1::int$", text, re.MULTILINE)
    assert re.search(r"^duration_us +500$", text, re.MULTILINE)
    assert [each["id"] for each in lines(run(log.path.parent, "show", intent, "--json"))] == [intent, outcome]
    assert run(log.path.parent, "show", "db1-0.00000000-1").exit_code == 1


def test_the_directory_is_found_through_the_configuration(log: AuditLog, tmp_path: Path) -> None:
    ids = write(log, "alice", "SELECT $1::int")
    log.close()
    config = tmp_path / "sluice.toml"
    config.write_text(
        '[audit]\ndir = "var/audit"\n'
        '[[issuer]]\nname = "local"\nissuer = "https://sluice.local"\naudience = "sluice"\nkey_file = "k.pub"\n'
        '[[database]]\nname = "prod"\nhost = "127.0.0.1"\nuser = "sluice"\n'
    )
    result = CliRunner().invoke(audit, ["--config", str(config), "tail", "--json"])
    assert [each["id"] for each in lines(result)] == ids
    result = CliRunner().invoke(audit, ["tail", "--json"], env={"SLUICE_CONFIG": str(config)})
    assert [each["id"] for each in lines(result)] == ids
    config.write_text("[audit]\nfolder = 1\n")
    wrong = CliRunner().invoke(audit, ["--config", str(config), "tail"])
    assert wrong.exit_code == 2
    assert len(wrong.stderr.splitlines()) == 1
    assert CliRunner().invoke(audit, ["--config", str(tmp_path / "none.toml"), "tail"]).exit_code == 2


@pytest.mark.parametrize("asked", [[], ["--actor", "agent-7", "--min-rows", "0"]], ids=["all", "some"])
def test_following_prints_what_is_written_and_ends_quietly_on_interrupt(log: AuditLog, asked: list[str]) -> None:
    first = write(log, "alice", "SELECT $1::int")
    command = [sys.executable, "-c", MAIN, "--dir", str(log.path.parent), "tail", "-f", "--json", *asked]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert follower.stderr is not None
        assert [orjson.loads(follower.stdout.readline())["id"] for _ in range(2)] == first
        second = write(log, "bob", "SELECT $1::text")
        assert [orjson.loads(follower.stdout.readline())["id"] for _ in range(2)] == second
        os.kill(follower.pid, signal.SIGINT)
        assert follower.wait() == 0
        assert follower.stderr.read() == ""
    log.close()


def test_a_reader_that_leaves_early_is_no_error(log: AuditLog) -> None:
    for _ in range(600):
        write(log, "alice", "SELECT $1::int")
    log.close()
    command = [sys.executable, "-c", MAIN, "--dir", str(log.path.parent), "query", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as query:
        assert query.stdout is not None
        assert query.stderr is not None
        query.stdout.readline()
        query.stdout.close()
        assert query.stderr.read() == b""
        assert query.wait() == 0


def test_nothing_in_a_record_can_act_on_the_terminal(log: AuditLog) -> None:
    write(log, "al\u202eice\x1b[2J", "SELECT \x07 \u200b[red]x[/red]")
    log.close()
    (ident,) = [each["id"] for each in lines(run(log.path.parent, "tail", "-n", "1", "--json"))]
    for shown in (
        run(log.path.parent, "tail"),
        run(log.path.parent, "query"),
        run(log.path.parent, "show", str(ident)),
    ):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u200b\u202e]", shown.stdout)
        assert "\\u{1b}[2J" in shown.stdout
    assert "[red]x[/red]" in run(log.path.parent, "tail").stdout
    assert visible("grüße 日本") == "grüße 日本"
