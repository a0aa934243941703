"""How an approver says what is allowed besides."""

from typing import Any

import click
import pytest
from click.testing import CliRunner

from workers.allowance_cli import allowance, allowance_options


@click.command()
@allowance_options
def verb(**allowed: Any) -> None:
    """For the test."""
    click.echo(str(allowance(**allowed)))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 0, "{}"),
        (("--times", "3", "--rows", "9", "--for", "2h"), 0, "'seconds': 7200, 'scope': 'task'"),
        (("--times", "3", "--rows", "9", "--for", "5m", "--scope", "person"), 0, "'scope': 'person'"),
        (("--times", "3"), 2, "an allowance says --times, --rows and --for"),
        (("--scope", "person"), 2, "an allowance says"),
        (("--times", "0", "--rows", "9", "--for", "5m"), 2, "--times"),
    ],
)
def test_it_is_said_whole_or_not_at_all(words: tuple[str, ...], code: int, said: str) -> None:
    done = CliRunner().invoke(verb, words)
    assert (done.exit_code, said in done.output) == (code, True), done.output
