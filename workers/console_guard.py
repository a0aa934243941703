"""What keeps others out of the console: the names it answers to, who may post, what its pages may do, and its cookies.

A page that somebody else's site opens in the browser of an approver must not be able to decide. So a request that changes
something comes from a page of this very origin (Origin, Sec-Fetch-Site) and carries what only such a page knows (the
session's CSRF token); and a name that is not ours is not answered, so that no other site can pretend to be this origin (DNS
rebinding).
"""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gateway.issuers import is_loopback

RawHeaders = Iterable[tuple[bytes, bytes]]
_CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PATH: Final = re.compile(r"/(approvals/[A-Za-z0-9-]{1,64})?")
_NETLOC: Final = re.compile(r"(?P<host>\[[0-9a-f:]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Site:
    """The origin by which a browser has reached us."""

    origin: str

    @property
    def secure(self) -> bool:
        """Whether it is https."""
        return self.origin.startswith("https:")

    def headers(self) -> dict[str, str]:
        """Of every answer."""
        lasting = {"Strict-Transport-Security": "max-age=31536000"} if self.secure else {}
        return {**_HEADERS, **lasting}

    def cookie_name(self, name: str) -> str:
        """A cookie of https that no other host or path can have set, nor a page over http."""
        return f"__Host-{name}" if self.secure else name

    def cookie(self, name: str, value: str, seconds: int | None = None) -> str:
        """A Set-Cookie header's value; 0 seconds: it is taken back. Lax, so that a link in a message finds its reader signed
        in; what changes something is guarded by more."""
        life = "" if seconds is None else f"; Max-Age={seconds}"
        secure = "; Secure" if self.secure else ""
        return f"{self.cookie_name(name)}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{life}"

    def cookie_of(self, headers: RawHeaders, name: str) -> str:
        """The cookie's value; "" where there is none, or two: one of them somebody else has set."""
        wanted = self.cookie_name(name)
        found = []
        for value in every(headers, b"cookie"):
            for part in value.split(";"):
                key, equals, content = part.strip().partition("=")
                if equals and key == wanted:
                    found.append(content)
        return found[0] if len(found) == 1 else ""

    def sent_this(self, headers: RawHeaders) -> bool:
        """Whether a page of ours sent this request. Browsers that say no Sec-Fetch-Site say an Origin with every POST; the
        others say "null" there, because our pages send no referrer."""
        origin, fetched = every(headers, b"origin"), every(headers, b"sec-fetch-site")
        if len(origin) > 1 or len(fetched) > 1:
            return False
        if fetched and fetched != ["same-origin"]:
            return False
        return origin == [self.origin] or (bool(fetched) and origin in ([], ["null"]))


def site_of(headers: RawHeaders, scheme: str, console: str, admin: str) -> Site | None:
    """By the one Host header: the console's own address, that of `admin`, or this machine's, through whatever tunnel. None
    for other names."""
    hosts = every(headers, b"host")
    if len(hosts) != 1:
        return None
    host = hosts[0].lower()
    if host == urlsplit(console).netloc:
        return Site(console)
    found = _NETLOC.fullmatch(host)
    if found is not None and (host == admin.lower() or is_loopback(found["host"].strip("[]"))):
        return Site(f"{scheme}://{host}")
    return None


def every(headers: RawHeaders, name: bytes) -> list[str]:
    """All values of this name."""
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]


def equal(given: str, wanted: str) -> bool:
    """Without telling by the time it takes where they differ."""
    return hmac.compare_digest(given.encode(errors="surrogatepass"), wanted.encode())


def own_path(path: str) -> str:
    """Where to go after a sign-in: a page of ours, or the queue."""
    return path if _PATH.fullmatch(path) else "/"
