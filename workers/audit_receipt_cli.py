"""`sluice audit receipt`, `check-receipt`, `head` and `extends`: proofs that travel."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from gateway.audit import receipt
from gateway.audit.receipt import Broken, Document, KeptHead, Proven
from workers.audit_group import audit_directory, stop
from workers.audit_receipts import NoProof, Prover, public_key
from workers.notary_log import verify

_SHOWN = (
    "id",
    "time",
    "kind",
    "user",
    "actor",
    "database",
    "decision",
    "statement",
    "status",
    "rows",
    "sqlstate",
    "event",
)
out_option = click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path), help="Write it there, not to standard output."
)


@click.command("receipt")
@click.argument("record")
@out_option
@click.pass_context
def receipt_verb(context: click.Context, record: str, out: Path | None) -> None:
    """A self-contained proof that RECORD is in the trail; `sluice audit check-receipt` checks it anywhere."""
    _make(context, out, lambda prover: prover.record(record))


@click.command("head")
@out_option
@click.option("--json", "as_json", is_flag=True, help="The same on one line.")
@click.pass_context
def head_verb(context: click.Context, out: Path | None, as_json: bool) -> None:
    """The newest signed tree head: kept elsewhere, it proves later that nothing before it was changed."""
    _make(context, out, lambda prover: prover.newest(), indent=-1 if as_json else 1)


@click.command("extends")
@click.argument("head", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@out_option
@click.pass_context
def extends_verb(context: click.Context, head: Path, out: Path | None) -> None:
    """The proof that today's trail goes on from HEAD, a file that `sluice audit head` wrote earlier."""

    def make(prover: Prover) -> Document:
        older = receipt.read(head.read_bytes())
        if not isinstance(older, KeptHead):
            raise NoProof(f"{head} is no tree head; `sluice audit head` writes one")
        return prover.extension(older)

    _make(context, out, make)


@click.command("check-receipt")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--pub", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="audit.pub of the gateway, got from somebody you trust.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One object a file.")
def check_verb(files: tuple[Path, ...], pub: Path | None, as_json: bool) -> None:
    """Check what `receipt`, `head` or `extends` wrote: the files and the public key are all it takes. Of several files it is
    also compared whether they show one and the same log.
    """
    try:
        trusted = public_key(pub) if pub else None
    except NoProof as fault:
        stop(str(fault), 2)
    results = [_check_file(file, trusted) for file in files]
    for n, (file, result) in enumerate(zip(files, results, strict=True)):
        if as_json:
            click.echo(orjson.dumps(_as_json(file, result, pub is not None)))
            continue
        if len(files) > 1:
            click.echo(f"{chr(10) * bool(n)}{file}:")
        if isinstance(result, str):
            click.echo(f"NOT proven: {result}", err=True)
        else:
            _tell(result, pub is not None)
    proven = [each for each in results if not isinstance(each, str)]
    if faces := receipt.split_view(proven):
        one, other = faces
        why = (
            f"SPLIT VIEW: log {one.log} of {one.size} entries was signed with root {one.root} and with root {other.root}: "
            "its owner shows different logs to different people"
        )
        stop(why, 1)
    sys.exit(0 if len(proven) == len(files) else 1)


def _check_file(file: Path, trusted: bytes | None) -> Proven | str:
    """What a file proves, or why it does not."""
    try:
        return receipt.check(receipt.read(file.read_bytes()), verify, trusted)
    except Broken as fault:
        return str(fault)
    except OSError as fault:
        return f"{file}: {fault.strerror}"


def _make(
    context: click.Context, out: Path | None, make: Callable[[Prover], Document], indent: int = 1
) -> None:
    try:
        data = receipt.encode(make(Prover(audit_directory(context))), indent)
        if out is not None:
            out.write_bytes(data)
        else:
            sys.stdout.buffer.write(data)
    except (NoProof, Broken) as fault:
        stop(str(fault), 1)
    except OSError as fault:
        stop(f"{fault.filename or 'the trail'}: {fault.strerror}", 1)


def _moment(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _as_json(file: Path, proven: Proven | str, compared: bool) -> dict[str, Any]:
    if isinstance(proven, str):
        return {"file": str(file), "result": "broken", "why": proven}
    head = proven.tree_head
    return {
        "file": str(file),
        "result": "proven",
        "record": proven.record or None,
        "stated_by": proven.by or None,
        "stated": _moment(proven.stated_ns) if proven.by else None,
        "older": proven.older and {"size": proven.older.size, "signed": _moment(proven.older.time_ns)},
        "log": head.log,
        "size": head.size,
        "signed": _moment(head.time_ns),
        "key": head.key,
        "key_compared": compared,
    }


def _tell(proven: Proven, compared: bool) -> None:
    from workers.audit_cli import visible

    for name in _SHOWN:
        if proven.record.get(name) not in (None, "", [], {}):
            click.echo(f"{name:10} {visible(str(proven.record[name]))}")
    head = proven.tree_head
    whose = "yours" if compared else "NOT compared with a key of yours: name it with --pub"
    if proven.older is not None:
        click.echo(
            f"proven: log {head.log} of {head.size} entries begins with the one of {proven.older.size} entries"
        )
        click.echo(f"older      signed {_moment(proven.older.time_ns)}")
    elif proven.by:
        click.echo(
            f"proven: the record is in log {head.log}, by a {proven.by} of {_moment(proven.stated_ns)}"
        )
    else:
        click.echo(f"proven: the tree head of log {head.log} is signed")
    click.echo(f"tree head  of {head.size} entries, signed {_moment(head.time_ns)}")
    click.echo(f"key        {head.key} ({whose})")
