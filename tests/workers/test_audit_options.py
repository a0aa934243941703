"""Every condition reaches the question, and wrong ones are told in words."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from gateway.audit.filters import Filter
from gateway.audit.query import moment
from tests.gateway.audit.trail_rig import write_trail
from workers.audit_options import conditions, searching

got: list[Filter] = []


@click.command()
@conditions
def ask(asked: Filter) -> None:
    got.append(asked)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(ask, arguments)


@pytest.mark.parametrize(
    ("option", "value", "name", "expected"),
    [
        *((f"--{name.replace('_', '-')}", "x", name, "x") for name in ("user", "actor", "group", "issuer", "token")),
        *((f"--{name}", "x", name, "x") for name in ("model", "run", "session", "client", "application", "database")),
        *((f"--{name}", "x", name, "x") for name in ("environment", "role", "table", "column", "label", "rule")),
        *((f"--{name}", "x", name, "x") for name in ("grant", "fingerprint", "text", "approval", "ticket", "reason")),
        *((f"--{name}", "x", name, "x") for name in ("sqlstate", "masked", "clear")),
        ("--statement-kind", "DROP", "statement_kind", "DROP"),
        ("--kind", "intent", "kinds", ("intent",)),
        ("--decision", "deny", "decision", "deny"),
        ("--status", "unresolved", "status", "unresolved"),
        ("--min-rows", "7", "min_rows", 7),
        ("--policy", "3", "policy", 3),
        ("--tag", "route=/a=b", "tags", (("route", "/a=b"),)),
        ("--literal-digest", "00ff00ff00ff00ff", "literal", b"\x00\xff" * 4),
        ("--since", "2026-01-31", "since", moment("2026-01-31", 0)),
        ("--until", "2026-01-31", "until", moment("2026-01-31", 0)),
    ],
)
def test_a_condition_reaches_the_question(option: str, value: str, name: str, expected: object) -> None:
    assert run(option, value).exit_code == 0
    assert getattr(got[-1], name) == expected
    assert got[-1] == Filter(**{name: expected})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--since", "yesterday", "take 2026-01-31"),
        ("--tag", "route", "NAME=VALUE"),
        ("--literal-digest", "abc", "16 hexadecimal"),
        ("--literal-digest", "00", "16 hexadecimal"),
        ("--client", "10.0.0.0/99", "network"),
        ("--kind", "x", "is not one of"),
        ("--status", "x", "is not one of"),
        ("--min-rows", "-1", "not in the range"),
    ],
)
def test_a_wrong_condition_is_wrong_usage(option: str, value: str, why: str) -> None:
    result = run(option, value)
    assert result.exit_code == 2
    assert why in result.stderr


def test_a_search_in_a_pipe_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_trail(tmp_path, 1)
    with searching([tmp_path], Filter(user="alice"), prints=True) as search:
        assert list(search.entries())
    assert capfd.readouterr() == ("", "")
