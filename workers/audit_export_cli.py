"""`sluice audit export`: the trail for other tools."""

import heapq
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import orjson
from rich.console import Console
from rich.progress import Progress

from gateway.audit import ocsf, syslog
from gateway.audit.query import Entry, moment, timestamp, to_json
from workers import audit_trail
from workers.audit_group import audit_directories, stop, unreadable
from workers.audit_trail import Follower
from workers.collector import Collector

_POLL_SECONDS: Final = 0.2
_SHOW_EVERY: Final = 5000  # records between two looks at the terminal
_KINDS: Final = ("session", "intent", "outcome", "approval", "policy", "system")
_MISSING: Final = "Parquet needs pyarrow: pip install 'sluice-gateway[audit]'"


@dataclass(frozen=True, slots=True)
class _Asked:
    since: int
    until: int  # 0: no end
    user: str
    database: str
    kind: str

    def matches(self, entry: Entry) -> bool:
        if entry.time_ns < self.since or (self.until and entry.time_ns >= self.until):
            return False
        if self.kind and entry.kind != self.kind:
            return False
        if not (self.user or self.database):
            return True
        who = entry.session
        return who is not None and self.user in ("", who.user) and self.database in ("", who.database)


@click.command("export")
@click.option("--format", "shape", required=True, type=click.Choice(["jsonl", "parquet", "ocsf", "syslog"]))
@click.option("--since", default="", help="2026-01-31, 2026-01-31T10:00:00Z, or an age: 15m, 2h, 7d.")
@click.option("--until", default="", help="As --since.")
@click.option("--user", default="", help="The person or machine.")
@click.option("--database", default="")
@click.option("--kind", default="", type=click.Choice(["", *_KINDS]))
@click.option("--out", metavar="PATH", type=click.Path(path_type=Path),
              help="A new file; for Parquet a directory, to which only what is new is added.")  # fmt: skip
@click.option("--to", "collector", metavar="URL", help="syslog: tcp://HOST:PORT, tls://HOST:PORT or udp://HOST:PORT.")
@click.option("--ca", metavar="FILE", type=click.Path(exists=True, dir_okay=False),
              help="tls: who signed the collector's certificate.")  # fmt: skip
@click.option("--enterprise", default=syslog.EXAMPLE_ENTERPRISE, show_default=True, type=click.IntRange(min=1),
              help="syslog: your private enterprise number; the default is that of examples (RFC 5612).")  # fmt: skip
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until interrupted.")
@click.pass_context
def export_verb(
    context: click.Context, shape: str, since: str, until: str, user: str, database: str, kind: str, out: Path | None,
    collector: str | None, ca: str | None, enterprise: int, follow: bool,
) -> None:  # fmt: skip
    """The trail as JSON lines, Parquet, OCSF 1.3 events or syslog (RFC 5424), to standard output, a file or a collector."""
    asked = _Asked(_moment(since), _moment(until), user, database, kind)
    if (collector or ca) and shape != "syslog":
        raise click.UsageError("--to and --ca belong to --format syslog")
    if collector and out:
        raise click.UsageError("--out and --to exclude each other")
    if follow and until:
        raise click.UsageError("--follow has no end; leave out --until")
    directories = audit_directories(context)
    if shape == "parquet":
        if out is None or user or database or kind or follow:
            raise click.UsageError("parquet needs --out DIR, and takes --since and --until alone: tables are searched later")
        _parquet(directories, out, asked)
        return
    try:
        with ExitStack() as opened:
            send, limit = _sink(opened, out, collector, ca, shape)
            _stream(_entries(directories, asked, follow), _encoder(shape, enterprise, limit), send)
    except KeyboardInterrupt:
        return
    except (OSError, ValueError) as error:
        unreadable(error)


def _moment(text: str) -> int:
    try:
        return moment(text, time.time_ns()) if text else 0
    except (ValueError, OverflowError):
        raise click.UsageError("--since and --until take 2026-01-31T10:00:00Z, 2026-01-31, 15m, 2h or 7d") from None


def _sink(
    opened: ExitStack, out: Path | None, collector: str | None, ca: str | None, shape: str
) -> tuple[Callable[[bytes], None], int]:
    """Where messages go, and how long one may be (0: any length)."""
    try:
        if collector:
            remote = opened.enter_context(Collector(collector, ca))
            return remote.send, remote.limit
        file: BinaryIO = sys.stdout.buffer
        if out is not None:
            file = opened.enter_context(open(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"))  # noqa: SIM115
    except FileExistsError:
        stop(f"{out}: is there already, and nothing is overwritten; name another file", 1)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        stop(f"{collector or out}: {error.strerror or error}", 1)
    opened.callback(file.flush)
    return (lambda line: _line(file, line)), 0


def _line(file: BinaryIO, line: bytes) -> None:
    file.write(line)
    file.write(b"\n")


def _encoder(shape: str, enterprise: int, limit: int) -> Callable[[Entry], bytes | None]:
    if shape == "syslog":
        return lambda entry: syslog.message(entry, enterprise, limit)
    if shape == "ocsf":
        ours = version("sluice-gateway")

        def event(entry: Entry) -> bytes | None:
            made = ocsf.to_ocsf(entry, ours)
            return None if made is None else orjson.dumps(made)

        return event
    return lambda entry: orjson.dumps(to_json(entry))


def _stream(
    entries: Iterator[Entry | None], encode: Callable[[Entry], bytes | None], send: Callable[[bytes], None]
) -> None:
    """Sends every entry on; None among them is a pause in which what was written is flushed."""
    console = Console(stderr=True)
    count, last = 0, None
    with Progress(transient=True, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("exporting", total=None)
        for entry in entries:
            if entry is None:
                sys.stdout.buffer.flush()
                continue
            made = encode(entry)
            if made is None:
                continue
            try:
                send(made)
            except BrokenPipeError:
                raise
            except OSError as error:
                upto = f"; sent up to {last.id}: go on with --since {timestamp(last.time_ns)}" if last is not None else ""
                stop(f"the export ended: {error.strerror or error}{upto}", 1)
            count, last = count + 1, entry
            if count % _SHOW_EVERY == 0:
                progress.update(task, description=f"exported {count:,} records")


def _entries(directories: Sequence[Path], asked: _Asked, follow: bool) -> Iterator[Entry | None]:
    """What is asked for, by time; with `follow` then what is written from now on, each record once."""
    followers = [Follower(each) for each in directories] if follow else []
    for each in followers:
        each.start(0)
    seen: dict[str, int] = {}  # by chain: the last record that was read as history
    trails = [audit_trail.read_all(each, asked.since, asked.until) for each in directories]
    for entry in heapq.merge(*trails, key=lambda one: one.time_ns):
        if follow:
            seen[entry.label] = max(entry.seq, seen.get(entry.label, -1))
        if asked.matches(entry):
            yield entry
    while follow:
        yield None
        time.sleep(_POLL_SECONDS)
        for each in followers:
            for entry in each.poll():
                if entry.seq > seen.get(entry.label, -1) and asked.matches(entry):
                    yield entry


def _parquet(directories: Sequence[Path], out: Path, asked: _Asked) -> None:
    try:
        parquet: Any = importlib.import_module("workers.audit_parquet")
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        stop(_MISSING, 1)
    console = Console(stderr=True)
    files = records = skipped = 0
    with Progress(transient=True, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("exporting", total=None)

        def tell(so_far: Any) -> None:
            progress.update(task, description=f"exported {records + so_far.records:,} records")

        for directory in directories:
            try:
                written = parquet.export(directory, out, asked.since, asked.until, tell)
            except BlockingIOError:
                stop(f"{out}: another export writes there", 1)
            except parquet.Conflict as error:
                stop(str(error), 1)
            except (OSError, ValueError) as error:
                unreadable(error)
            files, records, skipped = files + written.files, records + written.records, skipped + written.skipped
    click.echo(f"{files:,} new files with {records:,} records in {out}; {skipped:,} segments were there already", err=True)
