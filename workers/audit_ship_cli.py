"""`sluice audit ship`: the trail goes where the gateway's host cannot change it."""

import socket
import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from workers import audit_parquet, audit_ship
from workers.audit_group import audit_directories, stop
from workers.audit_ship import Differs, Shipper
from workers.audit_trail import chains

_MINUTE = 60.0


@click.command()
@click.option("--to", "url", required=True, metavar="URL", help="s3://bucket/prefix, or file:///folder.")
@click.option("--parquet", metavar="DIR", type=click.Path(path_type=Path),
              help="Parquet too, made below DIR (kept there, so that it is made once).")  # fmt: skip
@click.option("--follow", is_flag=True, help="Each minute, until interrupted.")
@click.pass_context
def ship(context: click.Context, url: str, parquet: Path | None, follow: bool) -> None:
    """Write complete segments and signed heads to object storage. What is there is never overwritten."""
    directories = audit_directories(context)
    try:
        shipper = Shipper(url)
    except (audit_ship.NotInstalled, ValueError) as fault:
        stop(str(fault), 2)
    while True:
        try:
            _once(shipper, directories, parquet)
        except KeyboardInterrupt:
            return
        except (Differs, OSError, ValueError, audit_parquet.NotInstalled) as fault:
            stop(f"not shipped: {fault}", 1)
        except shipper.failure as fault:
            why = str(fault).splitlines()[0]
            if not follow:
                stop(f"not shipped: {why}", 1)
            click.echo(f"not shipped, tried again in a minute: {why}", err=True)
        if not follow:
            return
        try:
            time.sleep(_MINUTE)
        except KeyboardInterrupt:
            return


def _once(shipper: Shipper, directories: list[Path], parquet: Path | None) -> None:
    count = size = 0
    with Progress(transient=True, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("shipping", total=None)
        for directory in directories:
            sources = [shipper.trail(directory, host_of(directory))]
            if parquet is not None:
                for _ in audit_parquet.export(directory, parquet):
                    pass
                sources.append(shipper.tree(parquet, "parquet"))
            for source in sources:
                for each in source:
                    count, size = count + 1, size + each.size
                    progress.update(task, description=f"{count} objects, {size / 1e6:.1f} MB")
    click.echo(f"{count} new objects, {size} bytes", err=True)


def host_of(directory: Path) -> str:
    """Whose trail it is: the host of its first chain that says so."""
    for chain in chains(directory):
        header = chain.first()
        if header is not None:
            return header.host
    return socket.gethostname()
