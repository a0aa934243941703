"""What operators do: see sessions and end them, stop agents, lock users, revoke tokens, and take that back."""

import unicodedata
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gateway.identity.barred import Bar, Full, Kind
from gateway.identity.claims import LIFE_SECONDS_MAX
from gateway.policy.operating import Operator, Owner
from workers.admin_bars import Keeper
from workers.admin_calls import Call, Operation, Turned, plain
from workers.admin_post import Replies
from workers.errands import Ended, EndSession, ListSessions
from workers.sessions_shown import SessionShown, unpack

Name = Annotated[str, Meta(min_length=1, max_length=512)]
Seconds = Annotated[float, Meta(ge=1, le=LIFE_SECONDS_MAX)]
VERBS: Final[dict[Kind, tuple[str, str]]] = {
    "actor": ("stop", "resume"), "user": ("lock", "unlock"), "token": ("revoke", "unrevoke"),
}  # fmt: skip
_NOT_RECORDED: Final = "the operation could not be put on record, and is not done"


class EndAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that ends a session."""

    reason: str = ""


class BarAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that bars somebody, or lifts that. `user` and `issuer` of an actor: whose agent; "" anybody's."""

    kind: Kind
    name: Name
    issuer: str = ""
    user: str = ""
    for_seconds: Seconds | None = None
    reason: str = ""


class Operations:
    """The handlers, over one keeper of bars."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def all(self) -> list[Operation]:
        """As the application takes them."""
        return [
            Operation("GET", "/v1/sessions", self.sessions),
            Operation("POST", "/v1/sessions/{id}/end", self.end),
            Operation("GET", "/v1/barred", self.barred),
            Operation("POST", "/v1/barred", self.bar),
            Operation("POST", "/v1/barred/lift", self.lift),
        ]

    async def sessions(self, call: Call) -> dict[str, Any]:
        """Those that the caller may see."""
        operator = await call.operator("list sessions")
        found, replies = await _sessions(call)
        seen = [one for one in found if operator.may_end(_owner(one))]
        seen.sort(key=lambda one: (one.since, one.id))
        await call.record("list sessions", shown=len(seen), live=len(found))
        return {"sessions": seen, "workers": replies.workers, "missing_workers": sorted(replies.missing)}

    async def end(self, call: Call) -> dict[str, Any]:
        """One session."""
        wanted, reason = call.path["id"], plain(call.read(EndAsked).reason, "the reason")
        operator = await call.operator("end session", session=wanted[:200])
        found, replies = await _sessions(call)
        one = next((each for each in found if each.id == wanted), None)
        if one is None:
            missing = f"; {len(replies.missing)} workers did not answer" if replies.missing else ""
            raise Turned(HTTPStatus.NOT_FOUND, f"no such session{missing}", "See `sluice sessions list`.")
        if not operator.may_end(_owner(one)):
            why = f'the session is not yours, and you have no "admin" right in database "{one.database}"'
            await call.refuse("end session", why, "Ask who operates that database.", session=one.id, of=one.user)
        facts = {"session": one.id, "of": one.user, "database": one.database, "reason": reason}
        recorded = await call.record("end session", **facts)
        done = await call.desk.post.ask(EndSession(one.id, call.by, reason))
        return {"session": one.id, "recorded": recorded, **_ended(done)}

    async def barred(self, call: Call) -> dict[str, Any]:
        """Everything, to who operates the gateway; else what the caller has barred himself, and what bars his agents."""
        operator = await call.operator("list barred")
        seen = [one for one in call.desk.bars if not one.over(call.now) and (operator.everywhere or _of(call, one))]
        return {"barred": sorted(seen, key=lambda one: (one.kind, one.name, one.user))}

    async def bar(self, call: Call) -> dict[str, Any]:
        """Keeps somebody out."""
        bar, operator = await self._asked(call, verb=0)
        before = next((one for one in call.desk.bars if one.key == bar.key and not one.over(call.now)), None)
        verb = VERBS[bar.kind][0]
        if before is not None and before.by != call.by and not operator.everywhere:
            raise Turned(HTTPStatus.CONFLICT, f"that is so already, by {before.by}", "It stays as it is.")
        recorded = await call.record(verb, **_facts(bar))
        try:
            replies, kept = await self._keeper.move(put=(bar,))
        except Full as full:
            raise Turned(HTTPStatus.INSUFFICIENT_STORAGE, str(full)) from None
        return {"barred": bar, "recorded": recorded, "kept": kept, **_ended(replies)}

    async def lift(self, call: Call) -> dict[str, Any]:
        """Lets somebody come again. What cannot be recorded is not done: it gives something."""
        bar, operator = await self._asked(call, verb=1)
        before = next((one for one in call.desk.bars if one.key == bar.key), None)
        verb = VERBS[bar.kind][1]
        if before is None:
            raise Turned(HTTPStatus.NOT_FOUND, "nothing of the kind is barred", "See `sluice barred list`.")
        if before.by != call.by and not operator.everywhere:
            why = f"it was barred by {before.by}"
            await call.refuse(verb, why, "Ask who operates the gateway.", **_facts(before))
        if not await call.record(verb, **_facts(before)):
            raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_RECORDED, "Look at `sluice status`.")
        replies, kept = await self._keeper.move(lift=(bar.key,))
        return {"lifted": before, "recorded": True, "kept": kept, **_ended(replies)}

    async def _asked(self, call: Call, verb: int) -> tuple[Bar, Operator]:
        """The bar that is meant: who does not operate the gateway may stop agents of his own, and revoke his token."""
        asked = call.read(BarAsked)
        name, user = (unicodedata.normalize("NFC", plain(each, "the name", 512)) for each in (asked.name, asked.user))
        reason, issuer = plain(asked.reason, "the reason"), plain(asked.issuer, "the issuer", 512)
        operation = VERBS[asked.kind][verb]
        operator = await call.operator(operation, name=name)
        if asked.kind != "actor" and user:
            raise Turned(HTTPStatus.BAD_REQUEST, "`user` belongs to an actor", "Give the user as the name.")
        if asked.kind == "actor" and issuer and not user:
            raise Turned(HTTPStatus.BAD_REQUEST, "an issuer is of a user", "Give the user too.")
        if not operator.everywhere:
            if asked.kind == "actor" and user in ("", call.who.user):
                user, issuer = call.who.user, call.who.issuer
            elif asked.kind != "token" or name != call.who.token_id:
                why = 'this is for those who have "admin" in every configured database'
                await call.refuse(operation, why, "You may stop agents of your own, and end your sessions.", name=name)
        seconds = asked.for_seconds or (LIFE_SECONDS_MAX if asked.kind == "token" else None)
        until = call.now + seconds if seconds else 0.0
        return Bar(asked.kind, name, issuer, user, call.by, reason, call.now, until), operator


async def _sessions(call: Call) -> tuple[list[SessionShown], Replies]:
    replies = await call.desk.post.ask(ListSessions())
    return [one for answered in replies.answers if answered.content for one in unpack(answered.content)], replies


def _owner(one: SessionShown) -> Owner:
    return Owner(one.user, one.issuer, one.database, one.environment)


def _of(call: Call, bar: Bar) -> bool:
    return bar.by == call.by or (bar.user == call.who.user and bar.issuer in ("", call.who.issuer))


def _facts(bar: Bar) -> dict[str, Any]:
    facts = {"kind": bar.kind, "name": bar.name, "reason": bar.reason, "until": bar.until}
    return facts | {key: value for key, value in (("of", bar.user), ("of_issuer", bar.issuer)) if value}


def _ended(replies: Replies) -> dict[str, Any]:
    answers = [one.answer for one in replies.answers if isinstance(one.answer, Ended)]
    return {
        "sessions": sum(one.ended for one in answers),
        "sessions_left": sum(one.left for one in answers),
        "workers": len(answers),
        "missing_workers": sorted(replies.missing),
    }
