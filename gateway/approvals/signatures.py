"""Messages from outside that may decide something: signed, fresh, and taken once.

Slack signs with its v0 scheme, everybody else with Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature).
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

WINDOW_SECONDS: Final = 300
SECRET_BYTES_MIN: Final = 24
_SEEN_MAX: Final = 100_000
_SIGNATURES_MAX: Final = 16
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_ID = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,256}")  # printable, without the dot that parts what is signed
_PREFIX: Final = "whsec_"


class Unproven(Exception):
    """Not signed, or not now, or taken already. The words quote nothing of the message."""


class Seen:
    """What was taken within the window, so that it is taken once. Names stay for twice the window: a clock that is ahead
    may make a message young for so long."""

    def __init__(self, limit: int = _SEEN_MAX) -> None:
        self._limit = limit
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def take(self, name: bytes, now: float) -> None:
        """Raises Unproven where it was taken before, and where so much came that nothing can be said of it."""
        while self._until and next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)
        if name in self._until:
            raise Unproven("the message was taken already")
        if len(self._until) >= self._limit:
            raise Unproven("too many messages at once")
        self._until[name] = now + 2 * WINDOW_SECONDS


def check_slack(headers: Mapping[str, str], body: bytes, secret: bytes, now: float, seen: Seen) -> None:
    """A request that Slack signed (names of headers in lower case). Raises Unproven."""
    stamp = headers.get("x-slack-request-timestamp", "")
    given = headers.get("x-slack-signature", "")
    _fresh(stamp, now)
    made = "v0=" + hmac.new(secret, b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(made.encode(), given.encode("utf-8", "surrogateescape")):
        raise Unproven("the signature does not verify")
    seen.take(made.encode(), now)


def secret_of(text: str) -> bytes:
    """The key of a Standard Webhooks secret, "whsec_" and base64. Raises ValueError."""
    try:
        key = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError('it is not base64 behind "whsec_"') from None
    if len(key) < SECRET_BYTES_MIN:
        raise ValueError(f"it has fewer than {SECRET_BYTES_MIN} bytes")
    return key


def sign(name: str, body: bytes, secret: bytes, now: float) -> dict[str, str]:
    """The headers of a message of this id."""
    stamp = str(int(now))
    return {
        "webhook-id": name,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + _standard(name, stamp, body, secret),
    }


def check(headers: Mapping[str, str], body: bytes, secret: bytes, now: float, seen: Seen) -> str:
    """The id of a message of the Standard Webhooks (names of headers in lower case). Raises Unproven."""
    name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not _ID.fullmatch(name):
        raise Unproven("webhook-id is missing or no id")
    _fresh(stamp, now)
    made = f"v1,{_standard(name, stamp, body, secret)}".encode()
    given = headers.get("webhook-signature", "").split(" ")[:_SIGNATURES_MAX]
    matches = [hmac.compare_digest(made, one.encode("utf-8", "surrogateescape")) for one in given]  # all of them, always
    if not any(matches):
        raise Unproven("the signature does not verify")
    seen.take(name.encode(), now)
    return name


def _standard(name: str, stamp: str, body: bytes, secret: bytes) -> str:
    signed = f"{name}.{stamp}.".encode() + body
    return base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def _fresh(stamp: str, now: float) -> None:
    if not _SECONDS.fullmatch(stamp):
        raise Unproven("the timestamp is missing or no number")
    if abs(now - int(stamp)) > WINDOW_SECONDS:
        raise Unproven("the timestamp is too far from now")
