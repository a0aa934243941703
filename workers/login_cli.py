"""`sluice login` and `sluice logout`: a sign-in at the identity provider, kept for the verbs and clients of its owner."""

import os
import sys
import time
import webbrowser
from pathlib import Path
from typing import Any

import click
import msgspec
import orjson
import trio

from gateway.issuers import Issuer
from gateway.settings import Settings, split_address
from workers import browser_login, configuration, discovery, oauth, token_cache
from workers.cli import config_option, fail, words
from workers.http_out import NotReached
from workers.oauth import Provider, SignInFailed
from workers.token_cache import KeptSignIn, Unusable


@click.command("login")
@config_option
@click.option("--issuer", metavar="NAME|URL", help="The issuer's name in sluice.toml, or its own address.")
@click.option("--client-id", metavar="ID", help="As which application; default: the only one of client_ids.")
@click.option("--client-secret-file", type=click.Path(exists=True, dir_okay=False), help="Where the provider wants one.")
@click.option("--scope", default="", metavar="A,B", help="More scopes to ask for.")
@click.option("--id-token", is_flag=True, help="The gateway wants the ID token (default with Google).")
@click.option("--user-claim", metavar="CLAIM", help="Which claim is the user; default: as in sluice.toml, else sub.")
@click.option("--ca-file", default="", type=click.Path(dir_okay=False), help="The provider's certificate authorities.")
@click.option("--browser", is_flag=True, help="Sign in with a browser on this machine, not with a code.")
@click.option("--max-age", type=click.IntRange(0, 86_400), metavar="SECONDS", help="Sign in anew if longer ago (--browser).")
@click.option("--acr-values", default="", metavar="A B", help="… in one of these classes.")
@click.option("--redirect-uri", default=browser_login.REDIRECT_URI, show_default=True, help="Where it comes back to.")
@click.option("--host", default="", help="The gateway's host, for `sluice connect`.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="… and its port.")
@click.option("--status", "only_status", is_flag=True, help="Say who is signed in, and for how long.")
@click.option("--json", "as_json", is_flag=True, help="Print that as JSON.")
def login_verb(
    only_status: bool, as_json: bool, browser: bool, max_age: int | None, acr_values: str, redirect_uri: str, **options: Any
) -> None:
    """Sign in at the identity provider; the token is kept for you alone."""
    if only_status:
        return _status(as_json)
    more = browser_login.fresh(max_age, acr_values)
    if more and not browser:
        fail("--max-age and --acr-values need --browser", 2)
    try:
        provider, host, port = _provider(options)
        kept = trio.run(_sign_in, provider, redirect_uri if browser else "", more)
        file = token_cache.write(msgspec.structs.replace(kept, host=host, port=port), os.environ)
    except (NotReached, SignInFailed, Unusable, OSError) as error:
        fail(str(error), 1)
    click.echo(f"signed in as {_who(kept)} for {lasts(kept.expires - time.time())}; kept in {file}", err=True)


@click.command("logout")
def logout_verb() -> None:
    """Forget the kept sign-in, and tell the provider."""
    try:
        kept = token_cache.read(os.environ)
    except Unusable:
        kept = None  # it is not to be used, and goes
    there = token_cache.remove(os.environ)
    if kept is not None:
        try:
            trio.run(oauth.revoke, kept)
        except NotReached as error:
            click.echo(f"sluice: the provider was not told: {error}", err=True)
    click.echo("signed out" if there else "nobody was signed in", err=True)


async def _sign_in(provider: Provider, redirect_uri: str, more: dict[str, str]) -> KeptSignIn:
    if redirect_uri:
        return await browser_login.by_browser(provider, _open_browser, redirect_uri, more)
    return await oauth.by_device(provider, lambda where, code: click.echo(f"Open {where} and enter {code}", err=True))


def _open_browser(url: str) -> None:
    click.echo(f"If no browser opens, open {url}", err=True)
    webbrowser.open(url)


def _provider(options: dict[str, Any]) -> tuple[Provider, str, int]:
    """Where to sign in as what, and the gateway's address as far as it is known. Raises NotReached and Unusable."""
    settings, folder = _settings(options["config"])
    issuer = _issuer(options["issuer"], settings)
    host, port = options["host"], options["port"]
    if settings is not None and not host:
        host, port = gateway_address(settings)
    own = [one for one in issuer.client_ids if one != issuer.console_client_id]
    client_id = options["client_id"] or (own[0] if len(own) == 1 else "")
    if not client_id:
        fail("--client-id: say as which application of the provider to sign in", 2)
    ca_file = options["ca_file"] or (str(folder / issuer.ca_file) if issuer.ca_file else "")
    where = issuer.discovery or issuer.issuer.rstrip("/") + discovery.WELL_KNOWN
    metadata = trio.run(discovery.document, where, issuer.issuer, ca_file)
    secret = options["client_secret_file"]
    provider = Provider(
        issuer=issuer.issuer,
        client_id=client_id,
        metadata=metadata,
        client_secret=Path(secret).read_text().strip() if secret else "",
        ca_file=str(Path(ca_file).absolute()) if ca_file else "",
        scope=oauth.scope_of(metadata, (*issuer.scope.split(), *issuer.scopes, *words(options["scope"]))),
        id_token=options["id_token"] or issuer.kind == "google",
        user_claim=options["user_claim"] or issuer.user_claim,
    )
    return provider, host, port


def _settings(config: str | None) -> tuple[Settings | None, Path]:
    """sluice.toml, where there is one: people's machines have none."""
    file = configuration.find(config, os.environ)
    if config is None and not file.exists():
        return None, file.parent
    return configuration.load_policy_settings(file, os.environ), file.parent


def _issuer(wanted: str | None, settings: Settings | None) -> Issuer:
    """By name or address; without either the only one that can be signed in at, or the one of the last sign-in."""
    known = [one for one in settings.issuers if not (one.key_file or one.jwks_file)] if settings is not None else []
    if wanted is None and len(known) == 1:
        return known[0]
    if wanted is None and not known:
        last = token_cache.read(os.environ)
        wanted = last.issuer if last is not None else None
    if wanted is None:
        fail(f"--issuer: say where to sign in: {', '.join(one.name for one in known) or 'the address of the provider'}", 2)
    for one in settings.issuers if settings is not None else ():
        if wanted in (one.name, one.issuer):
            return one
    if "://" not in wanted:
        fail(f'--issuer: sluice.toml has no issuer "{wanted}"', 2)
    return Issuer(name=wanted, issuer=wanted, audience="-")


def gateway_address(settings: Settings) -> tuple[str, int]:
    """Where clients of this machine find the gateway."""
    host, port = split_address(settings.gateway.listen)
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 - not to listen there


def _status(as_json: bool) -> None:
    try:
        kept = token_cache.read(os.environ)
    except Unusable as error:
        fail(str(error), 1)
    left = kept.expires - time.time() if kept is not None else 0.0
    good = kept is not None and (left > 0 or bool(kept.refresh_token))
    if as_json:
        told: dict[str, Any] = {"signed_in": good}
        if kept is not None:
            told |= {"user": kept.user, "issuer": kept.issuer, "seconds": round(left), "renewable": bool(kept.refresh_token)}
            told |= {"client_id": kept.client_id, "host": kept.host, "port": kept.port}
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    elif kept is None:
        click.echo("nobody is signed in")
    else:
        state = f"for {lasts(left)}" if left > 0 else "until a while ago"
        renews = ", renewed when needed" if kept.refresh_token else ""
        click.echo(f"{_who(kept)} at {kept.issuer}, {state}{renews}")
    sys.exit(0 if good else 1)


def _who(kept: KeptSignIn) -> str:
    return kept.user or "somebody whom the token does not name"


def lasts(seconds: float) -> str:
    """A length of time in words."""
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"
