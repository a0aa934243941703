"""`sluice audit`: the group of its verbs, and which directories they read."""

import importlib
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from gateway import settings as sluice_toml
from gateway.errors import ConfigError
from workers import configuration

_VERBS = {  # verb: module, its command, what `sluice audit --help` says of it
    "disclosed": ("workers.audit_disclosed_cli", "disclosed", "Who was shown, or changed, one row of a table."),
    "check-receipt": ("workers.audit_receipt_cli", "check_verb", "Check a receipt, a tree head or an extension."),
    "extends": ("workers.audit_receipt_cli", "extends_verb", "Prove that the trail goes on from an earlier tree head."),
    "head": ("workers.audit_receipt_cli", "head_verb", "The newest signed tree head, to be kept elsewhere."),
    "receipt": ("workers.audit_receipt_cli", "receipt_verb", "Write the proof that a record is in the trail."),
    "compress": ("workers.audit_keeping_cli", "compress", "Compress segments that are complete."),
    "export": ("workers.audit_export_cli", "export", "The trail as JSON lines, Parquet, OCSF events or syslog."),
    "query": ("workers.audit_query_cli", "query", "Records that meet all the given conditions, by time."),
    "report": ("workers.audit_report_cli", "report_verb", "A page for auditors, by the controls of a framework."),
    "rotate-key": ("workers.audit_keeping_cli", "rotate_key", "A new key that signs the trail, vouched for by the old one."),
    "session": ("workers.audit_session_cli", "session", "One session as a story, statement by statement."),
    "ship": ("workers.audit_ship_cli", "ship", "Write the trail to object storage, create-only."),
    "show": ("workers.audit_cli", "show", "A record in full, with its intent or outcome."),
    "tail": ("workers.audit_cli", "tail", "The last records, and the next ones."),
    "verify": ("workers.audit_verify_cli", "verify", "Prove that nothing was changed, removed or added."),
    "what-moved": ("workers.audit_questions_cli", "what_moved", "Which columns went out, masked or clear; what came in."),
    "who-granted": ("workers.audit_questions_cli", "who_granted", "By whose grant a session could do what it did."),
    "who-touched": ("workers.audit_questions_cli", "who_touched", "Who touched an environment, database or table."),
}


class _Verbs(click.Group):
    """Verbs whose modules are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module, attribute, _ = _VERBS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted((name, text) for name, (_, _, text) in _VERBS.items()))


@click.group(cls=_Verbs)
@click.option("--config", metavar="FILE", help="sluice.toml, whose [audit] dir is read.")
@click.option(
    "--dir", "directories", metavar="DIR", multiple=True, help="An audit directory itself; more for several hosts."
)
@click.pass_context
def audit(context: click.Context, config: str | None, directories: tuple[str, ...]) -> None:
    """The trail: who did what, under which rule, and what came back."""
    context.obj = (config, directories)


def audit_directories(context: click.Context) -> list[Path]:
    """The directories that a verb of the group reads: those of `--dir`, else the one of sluice.toml. Ends the process with
    exit code 2 where there is none.
    """
    config, directories = context.obj
    if not directories:
        try:
            file = configuration.find(config, os.environ)
            text = file.read_text(encoding="utf-8")
            directories = (file.parent / sluice_toml.load(text, str(file), os.environ).audit.dir,)
        except ConfigError as error:
            stop(str(error), 2)
        except (OSError, UnicodeDecodeError):
            stop(f"{file}: cannot be read; name it with --config, or the audit's directory with --dir", 2)
    found = [Path(each) for each in directories]
    for path in found:
        if not path.is_dir():
            stop(f"{path}: no audit directory; start the gateway first or name one with --dir", 2)
    return found


def audit_directory(context: click.Context) -> Path:
    """The one directory of a verb that reads one. Ends the process with exit code 2 where several are named."""
    first, *others = audit_directories(context)
    if others:
        stop("this reads one audit directory; name it with one --dir", 2)
    return first


def digest_key(context: click.Context) -> bytes:
    """The key of digests in the trail, from the mask.key of `--config`. Ends the process with exit code 2 where it cannot be
    read."""
    config, _ = context.obj
    try:
        return configuration.load_digest_key(configuration.find(config, os.environ), os.environ)
    except ConfigError as error:
        stop(str(error), 2)


def stop(why: str, code: int) -> NoReturn:
    """One line on standard error, and the exit code."""
    click.echo(why, err=True)
    sys.exit(code)


def unreadable(error: Exception) -> NoReturn:
    """The end of a verb that could not read the trail, or whose reader has left."""
    if isinstance(error, BrokenPipeError):  # the reader of our output left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    stop(f"the audit cannot be read: {error}; run `sluice audit verify`", 3)
