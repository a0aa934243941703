"""Verbs ask the running gateway over its operators' interface, as the one who is signed in."""

import os
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final, NoReturn
from urllib.parse import quote, urlsplit

import httpx2
import orjson

from gateway.settings import is_local, split_address
from workers import caller, configuration
from workers.cli import fail

VARIABLE: Final = "SLUICE_ADMIN"
TIMEOUT_SECONDS: Final = 15.0


class Refused(Exception):
    """The gateway's own words: status, error and hint."""

    def __init__(self, status: int, error: str, hint: str) -> None:
        super().__init__(f"{error}; {hint}" if hint else error)
        self.status = status


def address(config: str | None, environ: Mapping[str, str]) -> str:
    """The interface's URL: SLUICE_ADMIN, else what sluice.toml says. Raises ConfigError, and ValueError for what a token
    must not be sent to."""
    given = environ.get(VARIABLE, "").strip().rstrip("/")
    if given:
        parts = urlsplit(given)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f'{VARIABLE} is not a URL: write it as "https://gateway.example.com:6480"')
        if parts.scheme == "http" and not is_local(parts.hostname):
            raise ValueError(f"{VARIABLE}: a token is not sent in clear: write https://")
        return given
    settings = configuration.load_policy_settings(configuration.find(config, environ), environ)
    host, _ = split_address(settings.gateway.admin)
    return f"{'http' if is_local(host) else 'https'}://{settings.gateway.admin}"


def ask(config: str | None, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """The gateway's answer; ends the command where there is none."""
    try:
        return asked(address(config, os.environ), caller.token(os.environ, time.time()), method, path, body)
    except (ValueError, caller.NotSignedIn) as error:
        fail(str(error), 2)
    except Refused as refused:
        fail(str(refused), 1)


def asked(url: str, token: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """As `ask`. Raises Refused, and ValueError for a token that no header can carry."""
    if not token.isascii() or not token.isprintable():
        raise ValueError("the token is not one: it holds characters that none has")
    headers = {"Authorization": f"Bearer {token}"}
    content = orjson.dumps(body) if body is not None else None
    try:
        with httpx2.Client(
            timeout=TIMEOUT_SECONDS, trust_env=False, verify=ssl.create_default_context(), follow_redirects=False
        ) as client:
            answer = client.request(method, url + path, content=content, headers=headers)
    except httpx2.HTTPError as error:
        _unreachable(url, error)
    try:
        said = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        raise Refused(answer.status_code, f"{url} does not answer as a gateway does", f"Look at {VARIABLE}.") from None
    if answer.status_code != httpx2.codes.OK:
        raise Refused(answer.status_code, str(said.get("error")), str(said.get("hint", "")))
    return said


def part(text: str) -> str:
    """A text as a part of a path."""
    return quote(text, safe="")


def _unreachable(url: str, error: Exception) -> NoReturn:
    raise Refused(0, f"no gateway answers at {url} ({type(error).__name__})", f"Is it running? {VARIABLE} tells where.")
