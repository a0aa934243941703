"""`sluice audit rotate-key` and `compress`: the verbs that change what lies on the disk."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from rich.console import Console
from rich.progress import track

from gateway.audit import heads
from gateway.errors import ConfigError
from workers import configuration, notary_keeping, notary_key, notary_link, status
from workers.audit_group import audit_directories, stop
from workers.audit_trail import ChainFiles, chains
from workers.notary_key import KEY_FILE, PUBLIC_FILE, ROTATIONS_FILE, NoKey
from workers.notary_log import LogBroken, Signer, log_id

_PATIENCE_SECONDS = 3.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@click.command("rotate-key")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def rotate_key(context: click.Context, as_json: bool) -> None:
    """Make a new key that signs the trail, vouched for by the old one, which is kept as audit-<date>.key. A running gateway
    goes on with the new one at once."""
    config, directories = context.obj
    if directories:
        stop("the key lies beside sluice.toml: name that with --config, not a directory with --dir", 2)
    file = configuration.find(config, os.environ)
    try:
        settings = configuration.load_policy_settings(file, os.environ)
    except ConfigError as error:
        stop(str(error), 2)
    folder, directory = file.parent, configuration.audit_dir(file, settings)
    if configuration.key_path(folder, KEY_FILE, os.environ) != folder / KEY_FILE:
        stop(
            "the key is a credential of the service manager: run this without CREDENTIALS_DIRECTORY, at its source",
            2,
        )
    try:
        old = notary_key.load(folder, {})
        log = log_id(directory)
        kept, fresh = _rotate(folder, old, log)
    except (NoKey, LogBroken) as error:
        stop(f"the key cannot be rotated: {error}", 1)
    except OSError as error:
        stop(f"the key cannot be rotated: {error.strerror}: {error.filename}", 1)
    facts = {"old": old.public.hex(), "new": fresh.public.hex()}
    run_dir = configuration.run_dir(file, settings)
    told = notary_link.tell(run_dir, "audit rotate-key", facts)
    signs = told and _signs(run_dir, fresh)
    if as_json:
        click.echo(orjson.dumps({**facts, "kept": str(kept), "gateway_signs": signs}))
        return
    click.echo(f"the trail's new public key: {fresh.public.hex()}  ({folder / PUBLIC_FILE})")
    click.echo(f"the old key is kept as {kept}; give {PUBLIC_FILE} to whoever verifies")
    if signs:
        click.echo("the running gateway signs with it from now on")
    else:
        click.echo("the running gateway goes on with the old one until it is restarted" if told else "no gateway runs")


def _signs(run_dir: Path, key: Signer) -> bool:
    """Whether the running gateway has taken the key up: it does within a second, unless its key is a credential, which
    the service manager hands out at the start alone.
    """
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < give_up:
        try:
            if status.ask(run_dir)["audit"].get("key") == key.public.hex():
                return True
        except status.NotRunning:
            return False
        time.sleep(0.05)
    return False


def _rotate(folder: Path, old: Signer, log: bytes) -> tuple[Path, Signer]:
    """The kept file of the old key and the new key. What was said of the new key is on disk before it is there."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    fresh = Signer(pem)
    kept = folder / f"audit-{datetime.now(UTC):%Y%m%dT%H%M%S}.key"
    if log:  # without a log there is nobody who trusts the old key
        endorsed = old.sign(heads.endorsement(log, fresh.public))
        rotations = folder / ROTATIONS_FILE
        said = rotations.read_bytes() if rotations.exists() else b""
        notary_key.write(rotations, said + f"{fresh.public.hex()} {endorsed.hex()}\n".encode(), 0o644)
    os.link(folder / KEY_FILE, kept)
    notary_key.write(folder / PUBLIC_FILE, public, 0o644)
    notary_key.write(folder / KEY_FILE, pem, 0o600)
    return kept, fresh


@click.command()
@click.option(
    "--older-than", "age", default="0s", metavar="AGE", help="Only segments written before: 12h, 1d, …"
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def compress(context: click.Context, age: str, as_json: bool) -> None:
    """Compress segments that are complete (zstd). Every verb reads them as before; nothing of what is signed changes."""
    before_ns = time.time_ns() - _seconds(age) * 1_000_000_000
    directories = audit_directories(context)
    count = before = after = 0
    try:
        due = [each for one in directories for chain in chains(one) for each in _complete(chain, before_ns)]
        terminal = Console(stderr=True)
        for chain, number in track(
            due, "compressing", console=terminal, disable=not terminal.is_terminal, transient=True
        ):
            sizes = notary_keeping.compress(chain, number)
            if sizes is not None:
                count, before, after = count + 1, before + sizes[0], after + sizes[1]
    except OSError as error:
        stop(f"a segment cannot be compressed, and is as it was: {error}", 1)
    if count:
        _tell(context, {"segments": count, "bytes_before": before, "bytes_after": after})
    if as_json:
        click.echo(orjson.dumps({"segments": count, "bytes_before": before, "bytes_after": after}))
    else:
        click.echo(f"{count} segments, {before:,} bytes before, {after:,} after")


def _complete(chain: ChainFiles, before_ns: int) -> list[tuple[ChainFiles, int]]:
    """Segments that nobody writes any more: another follows, or the chain is closed."""
    numbers = chain.segments()
    if not (chain.is_closed() and not chain.is_live()):
        numbers = [each for each in numbers if chain.header(each + 1) is not None]
    return [(chain, each) for each in numbers if 0 < chain.written_ns(each) < before_ns]


def _tell(context: click.Context, facts: dict[str, int]) -> None:
    """Puts it on record where the directory is that of a gateway that runs here."""
    config, directories = context.obj
    if directories:
        return
    file = configuration.find(config, os.environ)
    settings = configuration.load_policy_settings(file, os.environ)
    notary_link.tell(configuration.run_dir(file, settings), "audit compress", facts)


def _seconds(age: str) -> int:
    number, unit = age[:-1], age[-1:]
    if not (number.isascii() and number.isdigit() and unit in _UNITS):
        stop(f"--older-than {age}: say a number and s, m, h or d, as in 1d", 2)
    return int(number) * _UNITS[unit]
