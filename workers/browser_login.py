"""Signing in through a browser on this machine: an authorization code with PKCE, brought back to a socket on loopback.

RFC 8252 (native apps), RFC 7636 (PKCE, S256 alone), RFC 9207 (the answer names its issuer). The state ties the answer to
this sign-in, the nonce the ID token, and the verifier the code.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import trio

from gateway.settings import is_local
from workers import oauth
from workers.oauth import Provider, SignInFailed
from workers.token_cache import KeptSignIn

REDIRECT_URI: Final = "http://127.0.0.1/callback"  # with a port of the moment; providers pass over it (RFC 8252, 7.3)
WAIT_SECONDS: Final = 300.0
HEAD_BYTES_MAX: Final = 16_384
_DONE: Final = "You are signed in. You may close this window."
_NOT: Final = "The sign-in failed; the terminal says why. You may close this window."


@dataclass(slots=True)
class _Answer:
    """What the browser brought, once it has."""

    there: trio.Event = field(default_factory=trio.Event)
    pairs: Mapping[str, str] = field(default_factory=dict)


async def by_browser(
    provider: Provider, show: Callable[[str], None], redirect_uri: str = REDIRECT_URI, more: Mapping[str, str] | None = None
) -> KeptSignIn:
    """Signs in whoever says yes in the browser that `show` opens at an address; it runs in a thread of its own. `more`: how
    (`fresh`). Raises SignInFailed and NotReached."""
    parts = urlsplit(redirect_uri)
    if parts.scheme != "http" or not is_local(parts.hostname or ""):
        raise SignInFailed("--redirect-uri must be http and on this machine, as http://127.0.0.1/callback is")
    try:
        listener = (await trio.open_tcp_listeners(parts.port or 0, host=parts.hostname))[0]
    except OSError as error:
        raise SignInFailed(f"port {parts.port} cannot be listened on: {error.strerror or error}") from error
    port = listener.socket.getsockname()[1]
    here = parts._replace(netloc=f"{_bracketed(parts.hostname or '')}:{port}").geturl()
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    answer = _Answer()

    async def hear(stream: trio.SocketStream) -> None:
        await _hear(stream, parts.path or "/", state, answer)

    async with listener:
        url = question(provider, here, state, nonce, verifier, more or {})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, hear, [listener])
            nursery.start_soon(_open, show, url)
            with trio.move_on_after(WAIT_SECONDS):
                await answer.there.wait()
            nursery.cancel_scope.cancel()
    if not answer.pairs:
        raise SignInFailed("nobody has signed in in the browser in time; run `sluice login` again")
    code = code_of(provider, answer.pairs, state)
    return await oauth.by_code(provider, code, verifier, here, nonce)


async def _open(show: Callable[[str], None], url: str) -> None:
    await trio.to_thread.run_sync(show, url, abandon_on_cancel=True)


def fresh(max_age_seconds: int | None, acr_values: str) -> dict[str, str]:
    """What to ask the issuer for where a sign-in must be fresh or strong (RFC 9470, 5); nothing where it need not be."""
    asked = {} if max_age_seconds is None else {"max_age": str(max_age_seconds)}
    return asked | ({"acr_values": acr_values} if acr_values else {})


def question(
    provider: Provider, redirect_uri: str, state: str, nonce: str, verifier: str, more: Mapping[str, str]
) -> str:
    """The address at which the provider asks whoever is at the browser. Raises NotReached."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": provider.scope,
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **more,
    }
    where = provider.endpoint("authorization_endpoint")
    return f"{where}{'&' if urlsplit(where).query else '?'}{urlencode(asked)}"


def code_of(provider: Provider, pairs: Mapping[str, str], state: str) -> str:
    """The code of the answer that is to our question, of the issuer that was asked. Raises SignInFailed."""
    if not secrets.compare_digest(pairs.get("state", "").encode(), state.encode()):
        raise SignInFailed("the browser brought the answer to another sign-in (state); begin again")
    must = provider.metadata.get("authorization_response_iss_parameter_supported") is True
    if ("iss" in pairs or must) and pairs.get("iss") != provider.issuer:
        raise SignInFailed("the browser brought the answer of another issuer (iss); begin again")
    if "error" in pairs:
        why = "it was denied" if pairs["error"] == "access_denied" else "the provider did not let it pass"
        raise SignInFailed(f"{why}; begin again")
    if not pairs.get("code"):
        raise SignInFailed("the provider's answer has no code")
    return pairs["code"]


async def _hear(stream: trio.SocketStream, path: str, state: str, answer: _Answer) -> None:
    """One request. The first one for our path is the answer; browsers also ask for icons."""
    head = b""
    async with stream:
        with trio.move_on_after(5):
            while b"\r\n\r\n" not in head and len(head) < HEAD_BYTES_MAX:
                part = await stream.receive_some(4096)
                if not part:
                    return
                head += part
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        target = urlsplit(rest.partition(" ")[0])
        pairs = dict(parse_qsl(target.query, keep_blank_values=True))
        if method != "GET" or target.path != path or not pairs or answer.there.is_set():
            return await stream.send_all(_page("404 Not Found", "There is nothing here."))
        good = "error" not in pairs and pairs.get("state") == state
        await stream.send_all(_page("200 OK", _DONE if good else _NOT))
    answer.pairs = pairs
    answer.there.set()


def _page(status: str, text: str) -> bytes:
    body = f"<!doctype html><meta charset=utf-8><title>Sluice</title><p>{text}</p>".encode()
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {len(body)}\r\n"
        "cache-control: no-store\r\nreferrer-policy: no-referrer\r\ncontent-security-policy: default-src 'none'\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
