"""`sluice audit export`: the trail in other tools' formats."""

import os
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click
import orjson
from rich.console import Console
from rich.progress import Progress

from gateway.audit import ocsf, syslog
from gateway.audit.filters import Filter
from gateway.audit.query import Entry, to_json
from workers import audit_parquet
from workers.audit_group import audit_directories, stop, unreadable
from workers.audit_options import conditions, searching
from workers.audit_trail import Follower

_POLL_SECONDS = 0.5
_DATAGRAM_BYTES = 65_000
_PORTS = {"tcp": 601, "udp": 514, "tls": 6514}  # RFC 6587, 5426, 5425


@click.command()
@click.option("--format", "form", required=True, type=click.Choice(["jsonl", "parquet", "ocsf", "syslog"]))
@conditions
@click.option("--out", metavar="PATH", type=click.Path(path_type=Path), help="A new file; for Parquet a folder.")
@click.option("--to", "collector", metavar="URL", help="tcp://, tls:// or udp://host:port of a syslog collector.")
@click.option("--follow", is_flag=True, help="Go on with what is written, until interrupted.")
@click.option("--enterprise", default=syslog.DOCUMENTATION_ENTERPRISE, show_default=True,
              help="The private enterprise number of syslog's structured data.")  # fmt: skip
@click.pass_context
def export(
    context: click.Context,
    /,
    asked: Filter,
    form: str,
    out: Path | None,
    collector: str | None,
    follow: bool,
    enterprise: int,
) -> None:
    """The trail as JSON lines, Parquet, OCSF events or syslog messages, oldest first.

    Parquet takes complete segments only, in Hive's layout below --out, and leaves alone what is there already.
    """
    directories = audit_directories(context)
    try:
        if form == "parquet":
            _parquet(directories, out, asked, follow or collector is not None)
            return
        if collector and form != "syslog":
            raise click.UsageError("--to takes syslog; write the others with --out")
        host = socket.gethostname()
        shapes: dict[str, Callable[[Entry], bytes]] = {
            "jsonl": lambda entry: orjson.dumps(to_json(entry)) + b"\n",
            "ocsf": lambda entry: orjson.dumps(ocsf.to_ocsf(entry)) + b"\n",
            "syslog": lambda entry: syslog.line(entry, host, enterprise) + (b"" if collector else b"\n"),
        }
        with _sink(out, collector) as write:
            for entry in _entries(directories, asked, follow):
                write(shapes[form](entry))
    except KeyboardInterrupt:
        return
    except (OSError, ValueError) as error:
        unreadable(error)


def _entries(directories: list[Path], asked: Filter, follow: bool) -> Iterator[Entry]:
    if not follow:
        with searching(directories, asked, prints=True) as search:
            yield from search.entries()
        return
    followers = [Follower(each) for each in directories]
    while True:  # the first poll is everything there is
        new = sorted((entry for each in followers for entry in each.poll()), key=lambda entry: entry.time_ns)
        yield from (entry for entry in new if asked.matches(entry))
        if not new:
            time.sleep(_POLL_SECONDS)


@contextmanager
def _sink(out: Path | None, collector: str | None) -> Iterator[Callable[[bytes], object]]:
    if collector:
        with _collector(collector) as send:
            yield send
    elif out is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
    else:
        try:
            file = out.open("xb")
        except FileExistsError:
            stop(f"{out} is there already; name another file", 2)
        with file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def _collector(url: str) -> Iterator[Callable[[bytes], object]]:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise click.UsageError("--to takes tcp://host:port, tls://host:port or udp://host:port")
    address = (parts.hostname, parts.port or _PORTS[parts.scheme])
    if parts.scheme == "udp":
        with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            yield lambda message: datagrams.sendto(message[:_DATAGRAM_BYTES], address)
        return
    with socket.create_connection(address, timeout=30) as plain:
        if parts.scheme == "tcp":
            yield lambda message: plain.sendall(syslog.framed(message))
            return
        context = ssl.create_default_context()
        with context.wrap_socket(plain, server_hostname=address[0]) as secret:
            yield lambda message: secret.sendall(syslog.framed(message))


def _parquet(directories: list[Path], out: Path | None, asked: Filter, other: bool) -> None:
    if out is None or other:
        raise click.UsageError("Parquet goes below a folder: --out DIR, without --to and --follow")
    if asked != Filter(since=asked.since, until=asked.until):
        raise click.UsageError("Parquet takes whole segments: only --since and --until choose among them")
    files = records = 0
    console = Console(stderr=True)
    with Progress(transient=True, console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("segments", total=None)
        try:
            for directory in directories:
                for _, count in audit_parquet.export(directory, out, asked.since, asked.until):
                    files, records = files + 1, records + count
                    progress.update(task, description=f"{files} files, {records} records")
        except audit_parquet.NotInstalled as missing:
            stop(str(missing), 2)
    told = f"{files} new files, {records} records, below {out}"
    click.echo(f"{told}; what is still being written follows when its segment is complete", err=True)
