"""What comes in from other houses over HTTP, whatever serves it: bytes in, an answer out. And decisions that programs bring
in the form of Standard Webhooks, with the token of the person who decided."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final, Protocol

import msgspec

from gateway.approvals import callbacks, signatures
from gateway.approvals.signatures import Seen, Unproven
from gateway.approvals.view import Approver
from gateway.errors import Refusal
from workers.channels import NotTold, Requests

log = logging.getLogger("sluice.channels")
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: int
    body: bytes = b""
    kind: str = JSON


class Callback(Protocol):
    """One address that others call. `handle` is given names of headers in lower case and a body that is not too long."""

    path: str
    body_bytes_max: int

    async def handle(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Raises nothing."""


class Hook:
    """Decisions at /hooks/NAME. `prove`: who a token is of (raises Refusal); `groups`: where else somebody's groups are
    known, for tokens that say none (raises NotTold)."""

    body_bytes_max = callbacks.BODY_BYTES_MAX

    def __init__(
        self,
        name: str,
        secret: bytes,
        requests: Requests,
        prove: Callable[[str], Approver],
        clock: Callable[[], float],
        groups: Callable[[Approver], Awaitable[tuple[str, ...]]] | None = None,
    ) -> None:
        self.name = name
        self.path = f"/hooks/{name}"
        self._secret = secret
        self._requests = requests
        self._prove = prove
        self._clock = clock
        self._groups = groups
        self._seen = Seen()

    async def handle(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """See Callback. Who is not proven learns nothing of requests."""
        try:
            message = signatures.check(headers, body, self._secret, self._clock(), self._seen)
        except Unproven as error:
            log.warning("channel %s: a call-back was turned away: %s", self.name, error)
            return _no(HTTPStatus.UNAUTHORIZED, str(error))
        try:
            found = callbacks.read(body)
        except Unproven as error:
            return _no(HTTPStatus.BAD_REQUEST, str(error))
        try:
            approver = await self._approver(found.token)
        except Refusal as refusal:
            return _no(HTTPStatus.FORBIDDEN, refusal.refused.message)
        except NotTold as error:
            log.warning("channel %s: %s", self.name, error)
            return _no(HTTPStatus.SERVICE_UNAVAILABLE, "the approver's groups cannot be asked for now: send it anew")
        if approver.actors:
            return _no(HTTPStatus.FORBIDDEN, "an agent decides nothing: the token of the person himself is needed")
        evidence = {"channel": self.name, "message": message}
        outcome = await self._requests.decide(found.request, approver, found.approve, found.words, evidence)
        if not outcome.ok:
            return _no(HTTPStatus.CONFLICT, outcome.words)
        return Reply(HTTPStatus.OK, msgspec.json.encode({"ok": True, "words": outcome.words}))

    async def _approver(self, token: str) -> Approver:
        approver = self._prove(token)
        if not approver.groups and self._groups is not None:
            return replace(approver, groups=await self._groups(approver))
        return approver


def _no(status: HTTPStatus, why: str) -> Reply:
    return Reply(status, msgspec.json.encode({"ok": False, "error": why}))
