"""A request to the operators' interface: who calls is verified as at sign-in; what is refused is said, and on record."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from gateway.errors import Refusal
from gateway.identity import barred, claims
from gateway.identity.principal import Principal
from gateway.policy.operating import Operator
from gateway.policy.table import PolicyTable
from workers.admin_process import Desk

REASON_CHARACTERS_MAX: Final = 500
_SIGN_IN: Final = "Sign in again: `sluice login`, or set SLUICE_TOKEN."
T = TypeVar("T", bound=msgspec.Struct)


class Turned(Exception):
    """The request is not done: an HTTP status, why, what to do; and how to sign in for it (WWW-Authenticate), where that
    would help."""

    def __init__(self, status: int, error: str, hint: str = "", challenge: str = "") -> None:
        super().__init__(error)
        self.status, self.error, self.hint, self.challenge = status, error, hint, challenge


class Tables:
    """The policy of the files as a table, made again when it is another."""

    def __init__(self) -> None:
        self._made: tuple[bytes, PolicyTable] | None = None

    def of(self, policy: bytes) -> PolicyTable:
        """The table of these bytes."""
        if self._made is None or self._made[0] is not policy:
            self._made = policy, PolicyTable(policy)
        return self._made[1]


@dataclass
class Call:
    """One request of a verified caller."""

    desk: Desk
    table: PolicyTable
    who: Principal
    address: str
    body: bytes = b""
    path: Mapping[str, str] = field(default_factory=dict)
    now: float = field(default_factory=time.time)
    how: str = "token"  # how it came in: by the operators' interface, or by a channel's kind

    @property
    def by(self) -> str:
        """The caller as records name him."""
        return f"{self.who.user} ({self.who.issuer})"

    def read(self, shape: type[T]) -> T:
        """The body. Raises Turned."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=shape)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            why = str(error) if isinstance(error, msgspec.ValidationError) else "the body is not JSON"
            raise Turned(HTTPStatus.BAD_REQUEST, why, "Send one JSON object, as the documentation shows it.") from None

    async def operator(self, operation: str, **facts: Any) -> Operator:
        """The caller, who is no agent. Raises Turned."""
        if self.who.actors:
            await self.refuse(operation, "an agent may not operate the gateway", "Ask a person to do it.", **facts)
        return Operator(self.who, self.table, self.desk.loaded.settings, self.now)

    async def record(self, operation: str, **facts: Any) -> bool:
        """On record, before it takes effect; whether it is there."""
        return await self.desk.post.record("system", "operation", operation=operation, **facts, **self.signature())

    async def refuse(self, operation: str, error: str, hint: str, **facts: Any) -> NoReturn:
        """403, on record. Raises Turned."""
        said = self.signature()
        await self.desk.post.record("system", "operation refused", operation=operation, why=error, **facts, **said)
        raise Turned(HTTPStatus.FORBIDDEN, error, hint)

    def signature(self) -> dict[str, Any]:
        """Who it was, for the record."""
        who = self.who
        said = {"user": who.user, "issuer": who.issuer, "token_id": who.token_id, "address": self.address}
        return {**said, "actors": list(who.actors)} if who.actors else said


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method and path, and what answers it."""

    method: str
    path: str
    handler: Handler


def caller(desk: Desk, authorization: list[bytes], now: float) -> Principal:
    """Who the one Authorization header says it is, verified. Raises Turned (401)."""
    if len(authorization) != 1:
        raise Turned(HTTPStatus.UNAUTHORIZED, "give one token, as Authorization: Bearer", _SIGN_IN)
    scheme, _, token = authorization[0].partition(b" ")
    if scheme.lower() != b"bearer":
        raise Turned(HTTPStatus.UNAUTHORIZED, "give the token as Authorization: Bearer", _SIGN_IN)
    return who_is(desk, token.decode("ascii", "replace"), now)


def who_is(desk: Desk, token: str, now: float) -> Principal:
    """Who a token is of, who is not barred. Raises Turned (401)."""
    try:
        who = claims.verify(token, None, desk.loaded.keys, now)
    except Refusal as refusal:
        raise Turned(HTTPStatus.UNAUTHORIZED, refusal.refused.message, _SIGN_IN) from None
    bar = desk.bars.of(who, now)
    if bar is not None:
        raise Turned(HTTPStatus.UNAUTHORIZED, barred.refusal(bar).message, barred.refusal(bar).hint)
    return who


def plain(text: str, what: str, characters: int = REASON_CHARACTERS_MAX) -> str:
    """A text of a request that may stand in records and on terminals. Raises Turned."""
    if len(text) > characters or not text.isprintable():
        raise Turned(HTTPStatus.BAD_REQUEST, f"{what} is not one plain line of up to {characters} characters")
    return text
