"""`sluice audit ship`: copies of the trail where nobody of this host can change them."""

import importlib
import os
import time
from pathlib import Path
from typing import Any, Final

import click
import orjson
from rich.console import Console
from rich.progress import Progress

from workers.audit_group import audit_directory, stop, unreadable
from workers.audit_shipping import Shipped, Shipping

_EVERY_SECONDS: Final = 60.0
_EXTRAS: Final = {"obstore": "s3", "pyarrow": "audit"}


@click.command("ship")
@click.option("--to", "url", required=True, metavar="URL", help="s3://BUCKET/PREFIX or file:///DIRECTORY.")
@click.option("--parquet", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
              help="Export to this directory first, as `export --format parquet` does, and ship that too.")  # fmt: skip
@click.option("--follow", is_flag=True, help="Each minute again, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="The result as one object a run.")
@click.pass_context
def ship_verb(context: click.Context, url: str, parquet: Path | None, follow: bool, as_json: bool) -> None:
    """Copy segments that are complete, and the signed log of heads, to object storage or a directory. Objects are only ever
    created: what is there is compared, and never overwritten. Credentials and endpoint are taken from AWS's environment.
    """
    directory = audit_directory(context)
    stores: Any = _module("workers.audit_store")
    os.umask(0o077)  # copies below a directory are for their owner alone
    try:
        shipping = Shipping(directory, stores.Store(url), parquet)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except (stores.StoreError, OSError) as error:
        stop(f"{url}: {error}", 1)
    try:
        while True:
            try:
                _run(shipping, directory, url, as_json)
            except stores.Conflict as error:
                stop(f"{url}: {error}", 1)
            except stores.StoreError as error:
                if not follow:
                    stop(f"{url}: {error}", 1)
                click.echo(f"{url}: {error}; tried again in a minute", err=True)
            if not follow:
                return
            time.sleep(_EVERY_SECONDS)
    except KeyboardInterrupt:
        return
    except (OSError, ValueError) as error:
        unreadable(error)


def _run(shipping: Shipping, directory: Path, url: str, as_json: bool) -> None:
    if shipping.parquet is not None:
        exporter: Any = _module("workers.audit_parquet")
        try:
            exporter.export(directory, shipping.parquet)
        except BlockingIOError:
            stop(f"{shipping.parquet}: another export writes there", 1)
        except exporter.Conflict as error:
            stop(str(error), 1)
    console = Console(stderr=True)
    with Progress(transient=True, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("shipping", total=None)

        def tell(done: Shipped) -> None:
            text = f"shipped {done.objects:,} objects, {done.octets / 1e6:,.1f} MB; {done.there:,} were there"
            progress.update(task, description=text)

        done = shipping.run(tell)
    if as_json:
        click.echo(orjson.dumps({"to": url, "objects": done.objects, "bytes": done.octets, "there": done.there}))
    else:
        click.echo(f"shipped {done.objects:,} objects, {done.octets:,} bytes; {done.there:,} were there already")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        stop(f"this needs {error.name}: pip install 'sluice-gateway[{extra}]'", 1)
