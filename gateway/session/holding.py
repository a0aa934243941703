"""A statement that waits for people: kept on the wire until they have decided, and then run exactly as it was, or refused.

Nothing of it leaves while it waits, so it takes no lock. A client of the extended protocol sends Parse, Bind and Execute
together: they wait together, with the parameters. Only where it asked for an answer in between (Flush, Describe and Sync)
the server has seen the statement's text, and what of it waits is the Execute.

What was approved is bound to its bytes, its parameters, whoever asks, the rules and what names mean: what differs by the
time it runs is another statement, and is held again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from gateway.errors import Refused, State
from gateway.identity import on_hold
from gateway.policy.decision import Limit
from gateway.policy.holds import Hold
from gateway.session import bounds
from gateway.session.inflight import Statement
from gateway.session.meaning import meant
from gateway.session.names import name_end
from gateway.session.rulings import script_of, wants_estimate
from parser.messages import notice_response

if TYPE_CHECKING:
    from gateway.approvals.outcomes import Preview, Sample
    from gateway.scope import Ruling
    from gateway.session.inflight import Item, Portal
    from gateway.session.session import Session
    from gateway.session.uses import Use

TICKET_ANSWER_SECONDS: Final = 5.0  # whoever does not wait for people waits so long for his ticket
TEXT_BYTES_MAX: Final = 64 * 1024  # of what waits: as much as those who decide are shown (gateway.approvals.sealed)
VALUES_BYTES_MAX: Final = 1024 * 1024
NOT_EXECUTED: Final = b"not executed"
_PARSE, _BIND, _EXECUTE = b"PBE"
_ANSWERED: Final = b"SHQFX"  # what brings an answer, or the end
_OPEN: Final = b"TE"  # ReadyForQuery: in a transaction


class Held:
    """What waits. `sql` and `values` (of a Bind, behind both names) hold literals: they are for those who decide alone."""

    __slots__ = (
        "answered", "binding", "hold", "id", "in_transaction", "preview", "refused", "rulings", "samples", "sql", "ticket",
        "types", "until", "use", "values",
    )  # fmt: skip

    def __init__(
        self,
        hold: Hold,
        binding: bytes,
        rulings: tuple[Ruling, ...],
        sql: bytes,
        types: bytes | None,
        values: bytes | None,
        in_transaction: bool,
        until: int,
        *,
        ticket: bool = False,
    ) -> None:
        self.hold = hold
        self.binding = binding
        self.rulings = rulings
        self.sql, self.types, self.values = sql, types, values
        self.in_transaction = in_transaction
        self.until = until  # POSIX nanoseconds
        self.ticket = ticket  # its client does not wait: it is refused at once, unless it was approved before
        self.id = ""  # given by whoever asks the people
        self.answered = False
        self.refused: Refused | None = None  # the answer, where it is no
        self.use: Use | None = None  # of an allowance, where it passes under one
        self.preview: Preview | None = None  # what it would do, as those who decide are told,
        self.samples: tuple[Sample, ...] = ()  # with rows, masked

    def stale(self, now: int) -> bool:
        """Whether it was approved, and not used in its time."""
        return self.answered and self.refused is None and now >= self.until


def held(rulings: tuple[Ruling, ...], refused: Refused | None) -> bool:
    """Whether this refusal is one that people may lift."""
    return refused is not None and any(one.decision.hold is not None and one.refused is refused for one in rulings)


def waits(
    s: Session, rulings: tuple[Ruling, ...], sql: bytes, types: bytes | None = None, values: bytes | None = None
) -> bool:
    """Whether the frame must wait for people, who are asked once. After that `verdict` has what they said."""
    if s.behind:  # a catalogue is on its way that may say otherwise of what is asked
        s.held = True
        return True
    binding = _binding(s, rulings, sql, types, values)
    known = s.asked
    if known is not None and known.binding == binding and not known.stale(s.now):
        return not known.answered
    if known is not None:
        dropped(known)
    hold = _hold(rulings)
    open_now = s.status in _OPEN or s.open_epoch == s.epoch
    ticket = on_hold.wants_ticket(s.said.on_hold, [one.facts for one in rulings])
    until = s.now + int((TICKET_ANSWER_SECONDS if ticket else hold.wait_seconds) * 1e9)
    s.asked = Held(hold, binding, rulings, sql, types, values, open_now, until, ticket=ticket)
    locks = open_now and hold.refuses_in_transaction and not ticket
    refused = _in_transaction(hold) if locks else _too_long(hold, sql, values) or bounds.exhausted(s, rulings)
    if refused is not None:  # nobody is asked about what could not run
        s.asked.answered, s.asked.refused = True, refused
        return False
    s.wanted = s.asked
    return True


def verdict(s: Session) -> Refused | None:
    """What was said of the frame that waited; None: it may run, this once. It is forgotten with the record of that."""
    known = s.asked
    assert known is not None
    assert known.answered
    if known.refused is None:
        s.approval = known.id
        if known.use is not None:
            s.counted = _least(s.counted, Limit(f"allowance {known.use.allowance}", known.use.rows_most))
        if known.preview is not None and known.preview.known:
            s.expects = Limit(known.hold.approvals[0].name, known.preview.rows, exactly=True)
    return known.refused


def _least(one: Limit | None, other: Limit) -> Limit:
    return other if one is None or other.most <= one.most else one


def taken(held: Held, item: Item, approval: str) -> None:
    """What was answered is forgotten with the record of an execution, which uses its allowance where it is its own."""
    if approval:
        item.use = held.use
    else:
        dropped(held)


def dropped(held: Held) -> None:
    """It does not run any more."""
    if held.use is not None:
        held.use.settle(0)


def again(s: Session, portal: Portal) -> Refused | None:
    """As `verdict`, for a portal: what is fetched of it later belongs to the same execution."""
    if portal.approval:
        s.approval = portal.approval
        return None
    refused = verdict(s)
    portal.approval = s.approval
    return refused


def needs_values(rulings: tuple[Ruling, ...]) -> bool:
    """Whether what is said of an execution may depend on its parameters."""
    if wants_estimate(rulings) or bounds.counts_entries(rulings):
        return True
    return any(one.decision.hold is not None for one in rulings)


def answered(s: Session, held: Held, refused: Refused | None) -> None:
    """People have decided, or nobody did in time."""
    if s.wanted is held:
        s.wanted = None
    held.answered, held.refused = True, refused


def tell(s: Session, held: Held, who: str) -> None:
    """The first word to the client: what waits, why, for whom and until when."""
    held_for = int((held.until - s.now) / 1e9)
    locks = "; its transaction keeps its locks meanwhile" if held.in_transaction else ""
    tried = held.hold.preview_seconds
    trial = f"; it is tried first and rolled back, for {tried:g} s at most" if tried and held.preview is None else ""
    waits = f"it waits for {who}, at most {held_for} s (request {held.id})"
    text = f"held by {held.hold.words.rstrip('.')}; {waits}{trial}{locks}"
    s.to_client.append(notice_response("NOTICE", "00000", text, hint="Cancel the statement to withdraw the request."))


def remind(s: Session, held: Held) -> None:
    """A sign of life, so that nobody in between takes the connection for dead."""
    left = max(0, int((held.until - s.now) / 1e9))
    s.to_client.append(notice_response("NOTICE", "00000", f"request {held.id} is still waiting, {left} s more at most"))


def note(s: Session, held: Held, words: str) -> None:
    """Something to know meanwhile."""
    s.to_client.append(notice_response("NOTICE", "00000", f"request {held.id}: {words}"))


def peek(s: Session) -> bool:
    """A Parse or Bind of what is held is the client's next frame: whether it is to be looked at again at once. It waits for
    people where an Execute is behind it; it passes where none is before the next answer; else more is to come."""
    if s.acting is not None:  # whoever stands behind it may be named in the text, which is read in his name alone
        s.passes = True
        return True
    frames = _frames(s.client_rest)
    first = next(frames)
    end = name_end(first, 5)
    behind = name_end(first, end + 1)
    if first[0] == _PARSE:
        executed = _executed(frames, {}, first[5:end])
    else:
        executed = _executed(frames, {first[5:end]: first[behind + 1 :]}, None)
    s.passes = executed is NOT_EXECUTED
    if executed is None or s.passes:
        return s.passes
    if first[0] == _PARSE:
        sql = first[end + 1 : behind]
        waits(s, script_of(s, sql).rulings, sql, first[behind + 1 :], executed)
    else:
        name = first[end + 1 : behind]
        statement = s.names.statement(name, s.epoch)
        if statement is None:  # SQL's own PREPARE made it
            facts = s.names.prepared(name.decode("utf-8", "replace"), s.scope)
            assert facts is not None, "it was looked up a moment ago"
            statement = Statement.of_facts(facts, s.scope)
        waits(s, statement.in_scope(s.scope).rulings, statement.sql, statement.types, executed)
    bounds.wait(s)
    return True


def at_first_sight(s: Session, rulings: tuple[Ruling, ...], refused: Refused | None) -> tuple[bool, Refused | None]:
    """For a Parse or Bind of what is held: whether it must wait, and else what refuses it."""
    if not held(rulings, refused):
        return False, refused
    if s.passes:
        s.passes = False
        return False, None
    known = s.asked
    if known is None or known.stale(s.now):
        s.peeks = True
        return True, None
    return not known.answered, known.refused


def _executed(
    frames: Iterator[bytes], portals: dict[bytes, bytes], name: bytes | None
) -> bytes | None:
    """The values with which a statement of this name, or one of these portals, is executed by what follows; NOT_EXECUTED
    where an answer comes first, None where more is to come."""
    for frame in frames:
        kind = frame[0]
        if kind == _BIND and name is not None:
            portal_end = name_end(frame, 5)
            end = name_end(frame, portal_end + 1)
            if portal_end < 0 or end < 0:
                return NOT_EXECUTED
            if frame[portal_end + 1 : end] == name:
                portals[frame[5:portal_end]] = frame[end + 1 :]
        elif kind == _EXECUTE:
            end = name_end(frame, 5)
            values = portals.get(frame[5:end]) if end > 0 else None
            if values is not None:
                return values
        elif kind in _ANSWERED:
            return NOT_EXECUTED
    return None


def _frames(data: bytearray) -> Iterator[bytes]:
    """The whole frames at the beginning."""
    at = 0
    while at + 5 <= len(data):
        end = at + 1 + int.from_bytes(data[at + 1 : at + 5], "big")
        if end > len(data) or end < at + 5:
            return
        yield bytes(data[at:end])
        at = end


def _hold(rulings: tuple[Ruling, ...]) -> Hold:
    """All that is held of a text."""
    holds = [one.decision.hold for one in rulings if one.decision.hold is not None]
    rules = dict.fromkeys(rule for one in holds for rule in one.rules)
    words = dict.fromkeys(one.words for one in holds)
    approvals = dict.fromkeys(rule for one in holds for rule in one.approvals)
    return Hold(tuple(rules), "; ".join(words), tuple(approvals))


def _binding(
    s: Session, rulings: tuple[Ruling, ...], sql: bytes, types: bytes | None, values: bytes | None
) -> bytes:
    """The SHA-256 of all that must be the same when it runs."""
    scope, who = s.scope, s.card.info
    names = [who.user, who.issuer, who.account, who.database, who.role, scope.policy_hash, repr(scope.rights.key)]
    names += ["actors", *who.actors, "groups", *who.groups, "path", *(s.search_path or ("?",))]
    names += [f"conforming {scope.strings_conform}", *meant(scope.catalog, [one.facts for one in rulings])]
    parts = [one.encode("utf-8", "surrogatepass") for one in names]
    parts += [one.facts.text for one in rulings]  # of what it runs by name
    digest = hashlib.sha256()
    for part in (sql, types or b"", values or b"", *parts):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def _too_long(hold: Hold, sql: bytes, values: bytes | None) -> Refused | None:
    """Nobody is asked to release what he is not shown, nor are requests kept that only fill the store."""
    if len(sql) <= TEXT_BYTES_MAX and len(values or b"") <= VALUES_BYTES_MAX:
        return None
    most = f"{TEXT_BYTES_MAX // 1024} KiB of text and {VALUES_BYTES_MAX // 1024} KiB of parameters"
    why = f"held by {hold.words.rstrip('.')}: nobody can look through so much, {most} are the most"
    return Refused(State.DENIED, why, "Send it as several smaller statements.", hold.rules[0])


def _in_transaction(hold: Hold) -> Refused:
    return Refused(
        State.DENIED,
        f"held by {hold.words.rstrip('.')}: it may not wait for an approval while its transaction keeps locks",
        "Send it outside of a transaction, or first in one.",
        hold.rules[0],
    )
