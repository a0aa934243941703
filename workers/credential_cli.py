"""`sluice credential`: passwords for clients that know nothing else, each printed once and kept as a verifier alone."""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from gateway.identity import credential_changes, credentials
from gateway.identity.credential_changes import NotPossible
from gateway.identity.credentials import Credential, CredentialFile
from gateway.identity.scram import SALT_BYTES
from gateway.settings import Settings
from workers import configuration, notary_link
from workers.cli import Duration, config_option, fail, words

_PASSWORD_BYTES = 24
_AGAIN = "kill -HUP the gateway to have it read again"
_user_option = click.option("--user", required=True, help="The name that signs in.")
_ttl_option = click.option("--ttl", default="90d", show_default=True, type=Duration(), help="How long it lasts.")


@click.group("credential")
def credential_verbs() -> None:
    """Static passwords (SCRAM) for clients that can do nothing else."""


@credential_verbs.command("add")
@config_option
@_user_option
@click.option("--groups", default="", metavar="A,B", help="The groups of the user.")
@_ttl_option
def add_verb(config: str | None, user: str, groups: str, ttl: int) -> None:
    """Make a credential and print its password, alone on its line."""
    password, salt, now, life = _fresh(ttl)
    _change(
        config,
        "add",
        user,
        lambda file: credential_changes.add(file, user, words(groups), password, salt, now, life),
        {"groups": groups, "ttl": ttl},
    )
    click.echo(password)


@credential_verbs.command("rotate")
@config_option
@_user_option
@_ttl_option
@click.option("--grace", default="7d", show_default=True, type=Duration(), help="How long the old password counts too.")
@click.option("--at-once", is_flag=True, help="The old password counts no longer.")
def rotate_verb(config: str | None, user: str, ttl: int, grace: int, at_once: bool) -> None:
    """Print a new password; the old one counts for a while."""
    password, salt, now, life = _fresh(ttl)
    kept = timedelta() if at_once else timedelta(seconds=grace)
    _change(
        config,
        "rotate",
        user,
        lambda file: credential_changes.rotate(file, user, password, salt, now, life, kept),
        {"grace": int(kept.total_seconds()), "ttl": ttl},
    )
    click.echo(password)


@credential_verbs.command("remove")
@config_option
@_user_option
def remove_verb(config: str | None, user: str) -> None:
    """Take a credential out."""
    _change(config, "remove", user, lambda file: credential_changes.remove(file, user), {})


@credential_verbs.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_verb(config: str | None, as_json: bool) -> None:
    """Show whose credentials there are and when they end; nothing that proves one."""
    _, _, path = _place(config)
    rows = [_shown(one, datetime.now(UTC)) for one in _load(path).credentials]
    if as_json:
        for row in rows:
            click.echo(orjson.dumps(row))
        return
    table = Table("user", "groups", "created", "expires", "old password until", "state", box=None)
    for row in rows:
        table.add_row(row["user"], ", ".join(row["groups"]), *(row[key] or "" for key in ("created", "expires", "grace")),
                      row["state"])  # fmt: skip
    Console(highlight=False, soft_wrap=True, markup=False).print(table)


def _shown(one: Credential, now: datetime) -> dict[str, Any]:
    rotating = one.grace is not None and now < one.grace
    state = "expired" if now >= one.expires else "rotating" if rotating else "good"
    moments = {"created": one.created, "expires": one.expires, "grace": one.grace if rotating else None}
    told = {name: when and f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for name, when in moments.items()}
    return {"user": one.user, "groups": list(one.groups), **told, "state": state}


def _fresh(ttl: int) -> tuple[str, bytes, datetime, timedelta]:
    now = datetime.now(UTC).replace(microsecond=0)
    return secrets.token_urlsafe(_PASSWORD_BYTES), secrets.token_bytes(SALT_BYTES), now, timedelta(seconds=ttl)


def _place(config: str | None) -> tuple[Path, Settings, Path]:
    """sluice.toml, what it says, and the file of credentials."""
    file = configuration.find(config, os.environ)
    settings = configuration.load_policy_settings(file, os.environ)
    if not settings.gateway.credentials:
        fail(f"{file} names no file of credentials; set gateway.credentials and gateway.scram_users", 2)
    return file, settings, file.parent / settings.gateway.credentials


def _load(path: Path) -> CredentialFile:
    if not path.exists():
        return CredentialFile()
    return credentials.load(configuration.secret(path, "gateway.credentials").decode(), str(path))


def _change(
    config: str | None,
    what: str,
    user: str,
    change: Callable[[CredentialFile], CredentialFile],
    facts: dict[str, str | int],
) -> None:
    file, settings, path = _place(config)
    with _alone(path.parent):
        try:
            text = credential_changes.dump(change(_load(path)))
        except NotPossible as error:
            fail(str(error), 1)
        credentials.read(text, str(path), settings.gateway.scram_users, b"")  # as the gateway will
        try:
            _replace(path, text)
        except OSError as error:
            fail(f"{path}: {error.strerror}", 1)
    told = notary_link.tell(configuration.run_dir(file, settings), f"credential {what}", {"user": user, **facts})
    if told:
        click.echo(_AGAIN, err=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two commands at a time would undo each other."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _replace(path: Path, text: str) -> None:
    """All of it or nothing, and readable by nobody else for a moment."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
