"""`sluice audit verify`: the trail proven, with what is wrong and where."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from gateway.audit import receipt
from gateway.audit.query import timestamp
from gateway.audit.receipt import Broken, KeptHead
from gateway.audit.verify import Grade
from gateway.errors import ConfigError
from workers import audit_verify, configuration, notary_key
from workers.audit_cli import visible
from workers.audit_group import audit_directories, stop, unreadable
from workers.audit_receipts import NoProof, public_key
from workers.audit_verify import Place, Proof, Trust

_EXIT: dict[Grade, int] = {"tampered": 1, "gap": 2, "unreadable": 3}
_WORST: tuple[Grade, ...] = ("tampered", "unreadable", "gap")
_REFRESH_SECONDS = 0.1
_NOT_SIGNED = "not signed: that no chain's end was cut off and no whole chain removed is not proven"
_NOT_COMPARED = "the signatures were not compared with a key of yours (--pub FILE)"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The result as one object.")
@click.option(
    "--pub", metavar="FILE", help="The public key that must have signed; else audit.pub beside sluice.toml."
)
@click.option(
    "--head",
    "kept",
    metavar="FILE",
    multiple=True,
    help="A tree head kept elsewhere, which the log must go on from.",
)
@click.option(
    "--processes", type=click.IntRange(min=1), help="How many check side by side; else one a processor."
)
@click.pass_context
def verify(
    context: click.Context, as_json: bool, pub: str | None, kept: tuple[str, ...], processes: int | None
) -> None:
    """Proves all chains, and that they are what was signed. Exits 0 good, 1 tampered or missing, 2 an explained gap, 3
    unreadable."""
    directories = audit_directories(context)
    trust = _trust(context.obj[0], context.obj[1], pub, kept)
    begun = time.perf_counter()
    try:
        proofs = [_prove(each, trust, processes or audit_verify.usable_processes()) for each in directories]
    except OSError as error:
        unreadable(error)
    _judge_kept(proofs, trust.kept)
    summary = _summary(proofs, time.perf_counter() - begun)
    if as_json:
        click.echo(orjson.dumps(summary))
    else:
        _print_summary(summary)
    sys.exit(_EXIT.get(summary["result"], 0))


def _prove(directory: Path, trust: Trust, processes: int) -> Proof:
    """One directory. What is found wrong while somebody writes may have happened between two looks (segments whose time is
    up are deleted): it must be found twice.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    quiet = not console.is_terminal
    with Progress(  # without a thread of its own: processes are forked meanwhile
        *columns, transient=True, console=console, disable=quiet, auto_refresh=False
    ) as progress:
        task: TaskID = progress.add_task("verifying")

        def begin(total: int) -> None:
            progress.reset(task, total=total)

        shown = time.monotonic()

        def step(done: int) -> None:
            nonlocal shown
            progress.advance(task, done)
            if time.monotonic() - shown >= _REFRESH_SECONDS:
                shown = time.monotonic()
                progress.refresh()

        proof = audit_verify.prove(directory, trust, processes, begin, step)
        if proof.tampered and proof.live:
            proof = audit_verify.prove(directory, trust, processes, begin, step)
    return proof


def _trust(config: str | None, directories: tuple[str, ...], pub: str | None, kept: tuple[str, ...]) -> Trust:
    """What the user holds; ends the process with exit code 2 where a file is not what it should be."""
    heads = tuple(_kept_head(each) for each in kept)
    try:
        if pub is not None:
            return Trust(public_key(Path(pub)), (), heads, named=True)
        if directories:
            return Trust(kept=heads)
        folder = configuration.find(config, os.environ).parent
        path = configuration.key_path(folder, notary_key.PUBLIC_FILE, os.environ)
        key = public_key(path) if path.exists() else None
        return Trust(key, tuple(notary_key.rotations(folder, os.environ)), heads)
    except (NoProof, ConfigError) as error:
        stop(str(error), 2)


def _kept_head(name: str) -> KeptHead:
    try:
        said = receipt.read(Path(name).read_bytes())
        if isinstance(said, KeptHead):
            receipt.tree_head(said)
            return said
    except (OSError, Broken) as error:
        stop(f"{name}: {error}", 2)
    stop(f"{name} is no tree head; `sluice audit head` writes one", 2)


def _judge_kept(proofs: list[Proof], kept: tuple[KeptHead, ...]) -> None:
    """A tree head that was kept has to be of a log that is there."""
    there = {proof.log.check.log.hex() for proof in proofs if proof.log is not None}
    for each in kept:
        if each.log not in there:
            why = f"the log {each.log}, of which a tree head was kept, is not here"
            proofs[0].places.append(Place("tampered", proofs[0].directory / "heads", None, "", why))


def _summary(proofs: list[Proof], seconds: float) -> dict[str, Any]:
    places = [place for proof in proofs for place in proof.places]
    grades = {each.grade for each in places}
    checks = [check for proof in proofs for check in proof.checks]
    total = sum(check.count for check in checks)
    return {
        "result": next((grade for grade in _WORST if grade in grades), "good"),
        "chains": len(checks),
        "records": total,
        "intents": sum(check.intents for check in checks),
        "uncovered": sum(check.uncovered for check in checks),
        "signed": [_signature(each) for each in proofs],
        "records_per_second": round(total / seconds) if seconds else 0,
        "findings": [_finding(each) for each in places],
    }


def _signature(proof: Proof) -> dict[str, Any]:
    """What is signed of a directory; `log` is null where nothing is."""
    out: dict[str, Any] = {"directory": str(proof.directory), "log": None}
    log = proof.log
    if log is None or log.check.tree_head is None:
        return out
    head = log.check.tree_head
    return out | {
        "log": log.check.log.hex(),
        "size": head.size,
        "root": head.root.hex(),
        "time": timestamp(head.time_ns),
        "key": head.key.hex(),
        "compared": log.compared,
        "unsigned": sum(check.unsigned for check in proof.checks),
    }


def _finding(found: Place) -> dict[str, Any]:
    out: dict[str, Any] = {"grade": found.grade, "file": str(found.file)}
    if found.offset is not None:
        out |= {"offset": found.offset, "record": found.record}
    return out | {"why": found.why}


def _print_summary(summary: dict[str, Any]) -> None:
    for each in summary["findings"]:
        place = f"{each['file']}:{each['offset']}" if "offset" in each else each["file"]
        record = f" record {each['record']}" if each.get("record") else ""
        click.echo(visible(f"{each['grade']}: {place}:{record} {each['why']}"))
    for each in summary["signed"]:
        click.echo(visible(_signature_line(each, len(summary["signed"]) > 1)))
    click.echo(
        f"{summary['result']}: {summary['chains']} chains, {summary['records']} records, {summary['intents']} intents, "
        f"{summary['uncovered']} records not yet under a checkpoint; {summary['records_per_second']} records/s"
    )


def _signature_line(signed: dict[str, Any], several: bool) -> str:
    which = f"{signed['directory']}: " if several else ""
    if signed["log"] is None:
        return which + _NOT_SIGNED
    mine = "by the key you hold" if signed["compared"] else f"by key {signed['key'][:16]}…; {_NOT_COMPARED}"
    return f"{which}signed until {signed['time']} {mine}; {signed['unsigned']} records are not signed yet"
