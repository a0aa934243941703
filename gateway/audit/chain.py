"""One worker's records as bytes: numbering, definitions, hash chain, and what happens to records that could
not be written.

Pure: the owner of the files (workers.audit_log) writes `header` and then every `take()`, and answers with
`committed()` or `failed()`; after a failure the next thing to be taken is what `again()` gathers. Nothing is
promised before `committed()`. A sequence number is never used twice, so a record's id is unique for ever.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import google_crc32c
import msgspec

from gateway.audit import records
from gateway.audit.defined import Card, ColumnsCard, Open, RulingCard, SessionCard
from gateway.audit.packing import Packer
from gateway.audit.records import Declared, Tags
from gateway.audit.segment import BODY, Header, encode_header, label

CHECKPOINT_RECORDS: Final = 1000
CHECKPOINT_NS: Final = 1_000_000_000
HELD_ROWS: Final = 1000  # records of rows shown that are kept while nothing can be written; more are counted as events
HELD_EVENTS: Final = 1000  # events kept while nothing can be written; more are counted
HELD_STATES: Final = 64
_NO_HASH: Final = bytes(32)

_crc = google_crc32c.value
_body = BODY.pack
_encode = msgspec.msgpack.Encoder().encode
_INTENT = records.INTENT
_OUTCOME = records.OUTCOME
_Intent = records.Intent
_Outcome = records.Outcome
_LITERALS_MAX: Final = 255  # bytes of digests in an intent that is packed here
_TEXT_MAX: Final = 31


class Position(NamedTuple):
    """What a writer has promised: SHA-256 over the first `length` bytes of a segment, `seq` of the last frame in them."""

    chain: bytes
    segment: int
    length: int
    seq: int
    digest: bytes


class Chain:
    """The audit of one worker incarnation: `chain_id` is 16 bytes never used before. `worker` is -1 for
    recovery chains.
    """

    def __init__(
        self,
        host: str,
        worker: int,
        chain_id: bytes,
        *,
        boot: str = "",
        mode: str = "process",
        now_ns: int = 0,
    ) -> None:
        self.host, self.worker, self.chain_id, self.boot, self.mode = host, worker, chain_id, boot, mode
        self.label = label(host, worker, chain_id)
        self.seq = 0  # the last one given out
        self.segment = 0
        self.header = b""  # the current segment's first bytes
        self.length = 0  # promised bytes of the current segment, its header included
        self.began_ns = now_ns
        self._hash = hashlib.sha256()
        self._trial = self._hash
        self._taken = 0
        self._mark: object = None
        self._numbers = 0
        self._parts: list[bytes] = []
        self._packer = Packer()
        self._open: dict[int, Open] = {}
        self._intents: list[int] = []  # of the batch
        self._answered: list[tuple[Any, ...]] = []  # outcomes of the batch, to be said again if it fails
        self._events: list[tuple[Any, ...]] = []
        self._rows: list[tuple[Any, ...]] = []  # of the batch, to be said again if it fails
        self._dropped = 0
        self._states: list[tuple[int, records.State]] = []
        self._lost: tuple[int, int] | None = None  # intents, events dropped; until a Lost frame is committed
        self._cause = ("", False)  # of the loss: SQLSTATE, and whether the statements ran all the same
        self._everything_synced = mode == "power"
        self.synced = 0  # bytes of the current segment that are known to be on disk
        self._promised = 0  # frames up to here are written
        self._proven = 0  # frames up to here are under a checkpoint
        self._proven_ns = now_ns
        self._proving_ns = 0  # when the taken batch ends in a checkpoint
        self._begin(_NO_HASH, 0, now_ns, -1)

    def _begin(self, previous: bytes, previous_length: int, now_ns: int, synced: int) -> None:
        self.header = encode_header(
            Header(
                1,
                self.chain_id,
                self.segment,
                previous,
                previous_length,
                self.host,
                self.boot,
                self.worker,
                self.mode,
                now_ns,
                synced,
            )
        )
        self._hash = hashlib.sha256(self.header)
        self.length = len(self.header)
        self.synced = 0
        self.began_ns = now_ns
        self._mark, self._numbers = object(), 0

    @property
    def buffered(self) -> bool:
        """Whether frames wait for `take`."""
        return bool(self._parts)

    @property
    def asks(self) -> bool:
        """Whether a statement waits for its intent to be written."""
        return bool(self._intents)

    @property
    def owes(self) -> bool:
        """Whether outcomes of statements that ran, or states, wait to be written."""
        return bool(self._answered or self._states)

    @property
    def lost(self) -> bool:
        """Whether the last batch was not written: `again()` comes before the next `take()`."""
        return self._lost is not None

    @property
    def open_intents(self) -> int:
        """Intents that still need their outcome."""
        return len(self._open)

    def position(self) -> Position:
        """How far the chain is promised."""
        return Position(self.chain_id, self.segment, self.length, self._promised, self._hash.digest())

    def record_id(self, seq: int) -> str:
        """A record's name, unique over workers, restarts and hosts."""
        return f"{self.label}-{seq}"

    def intent(
        self,
        now_ns: int,
        session: SessionCard,
        ruling: RulingCard,
        tags: Tags | None = None,
        approval: str = "",
        literals: bytes = b"",
        declared: Declared | None = None,
    ) -> int:
        """A statement about to be forwarded or refused; returns its sequence number for `outcome`."""
        mark = self._mark
        if session.mark is not mark:
            self._define(records.SESSION, session, session.info, now_ns)
        if ruling.mark is not mark:
            self._define(records.RULING, ruling, ruling.info, now_ns)
        seq = self.seq + 1
        if tags or approval or declared is not None or len(literals) > _LITERALS_MAX:
            tags = _bounded(tags) if tags else None
            said = _Intent(session.number, ruling.number, tags, approval, literals, declared)
            self._put(_INTENT, now_ns, _encode(said))
        else:
            tags = None
            body = self._packer.intent(seq, now_ns, session.number, ruling.number, literals)
            self.seq = seq
            self._frame(body)
        self._open[seq] = Open(now_ns, session, ruling, tags, approval, "", literals, declared)
        self._intents.append(seq)
        return seq

    def outcome(
        self,
        now_ns: int,
        intent: int,
        status: records.Status,
        rows: int,
        nbytes: int,
        columns: ColumnsCard | None,
        command: str,
        sqlstate: str,
        duration_us: int,
        affected: tuple[tuple[str, int], ...] | None = None,
    ) -> int:
        """What became of `intent`; returns its own sequence number. `command` is the CommandComplete tag's
        words without counts where the caller has them, `affected` the rows changed by table. 0, and nothing
        written, where the intent has an outcome already or was itself lost.
        """
        opened = self._open.get(intent)
        if opened is None:
            return 0
        number = 0
        if columns is not None:
            if columns.mark is not self._mark:
                self._define(records.COLUMNS, columns, columns.info, now_ns)
            number = columns.number
        if affected is None and command.isascii() and len(command) <= _TEXT_MAX:
            seq = self.seq + 1
            body = self._packer.outcome(
                seq, now_ns, intent, status, rows, nbytes, number, command, sqlstate, duration_us
            )
            self.seq = seq
            self._frame(body)
        else:
            said = _Outcome(intent, status, rows, nbytes, number, command, sqlstate, duration_us, affected)
            seq = self._put(_OUTCOME, now_ns, _encoded(said))
        del self._open[intent]  # only now: what cannot be packed leaves the intent open, and no number unused
        answer = (opened, now_ns, intent, status, rows, nbytes, columns, command, sqlstate, duration_us, affected)
        self._answered.append(answer)
        return seq

    def rows(self, now_ns: int, intent: int, table: str, changed: bool, count: int, digests: bytes) -> int:
        """Which rows of a table an intent's result shows, or (`changed`) which it changes: before its outcome, and
        before they are delivered. `digests` and `count` are a set of gateway.masking.key_sets. 0 where the intent
        is not open.
        """
        if intent not in self._open:
            return 0
        if len(self._rows) < HELD_ROWS:
            self._rows.append((now_ns, intent, table, changed, count, digests))
        else:
            self._dropped += 1
        said = records.Rows(intent, table, changed, count, digests)
        return self._put(records.ROWS, now_ns, _encode(said))

    def event(
        self,
        now_ns: int,
        kind: records.EventKind,
        data: Mapping[str, Any],
        session: SessionCard | None = None,
    ) -> int:
        """Anything else worth a record: `data` says `what` and a few facts (texts, numbers, lists), never a
        sensitive value.
        """
        if session is not None and session.mark is not self._mark:
            self._define(records.SESSION, session, session.info, now_ns)
        number = session.number if session is not None else 0
        if len(self._events) < HELD_EVENTS:
            self._events.append((now_ns, kind, data, session))
        else:
            self._dropped += 1
        return self._put(records.EVENT, now_ns, records.encode_bounded((kind, number, dict(data))))

    def carry(self, now_ns: int, intent: int, opened: Open) -> None:
        """Repeats an open intent in this segment. Recovery sets `opened.origin` and then gives it an outcome
        here.
        """
        session, ruling = opened.session, opened.ruling
        if session.mark is not self._mark:
            self._define(records.SESSION, session, session.info, now_ns)
        if ruling.mark is not self._mark:
            self._define(records.RULING, ruling, ruling.info, now_ns)
        carried = records.Carried(
            intent,
            opened.time_ns,
            session.number,
            ruling.number,
            opened.tags,
            opened.approval,
            opened.origin,
            opened.literals,
            opened.declared,
        )
        self._open[intent] = opened
        self._put(records.CARRIED, now_ns, _encode(carried))

    def recovered(self, now_ns: int, record: records.Recovered) -> int:
        """States how another chain was found."""
        return self._put(records.RECOVERED, now_ns, _encode(record))

    def state(self, now_ns: int, record: records.State) -> int:
        """States how the audit itself fares; said again until it is written."""
        if len(self._states) < HELD_STATES:
            self._states.append((now_ns, record))
        return self._put(records.STATE, now_ns, _encode(record))

    def due(self, now_ns: int) -> bool:
        """Whether `take` would have something: frames, or a checkpoint over frames that have none for a
        second.
        """
        return bool(self._parts) or (
            self.seq != self._proven and now_ns - self._proven_ns >= CHECKPOINT_NS and self._lost is None
        )

    def take(self, now_ns: int, end: Literal["", "segment", "chain"] = "") -> bytes:
        """The buffered frames, to be appended in one piece after what was committed; with a checkpoint when
        one is due, and as the segment's or chain's last frame.
        """
        if end == "chain":
            self.answer_all(now_ns)
        trial = self._hash.copy()
        batch = b"".join(self._parts)
        trial.update(batch)
        if end or self.seq - self._proven >= CHECKPOINT_RECORDS or now_ns - self._proven_ns >= CHECKPOINT_NS:
            if end == "chain":
                self._put(records.CLOSED, now_ns, _encode(records.Closed(trial.digest(), self.seq)))
            else:
                said = records.Checkpoint(trial.digest(), self.seq, end == "segment", self.synced)
                self._put(records.CHECKPOINT, now_ns, _encode(said))
            trial.update(self._parts[-1])
            batch += self._parts[-1]
            self._proving_ns = now_ns
        self._trial, self._taken = trial, len(batch)
        return batch

    def committed(self) -> None:
        """The bytes of the last `take` are where the mode wants them: they are promised now."""
        self._hash = self._trial
        self.length += self._taken
        self._promised = self.seq
        if self._everything_synced:
            self.synced = self.length
        if self._proving_ns:
            self._proven, self._proven_ns = self.seq, self._proving_ns
        self._taken = self._proving_ns = 0
        self._parts.clear()
        self._intents.clear()
        self._answered.clear()
        self._events.clear()
        self._rows.clear()
        self._states.clear()
        self._dropped = 0
        self._lost = None

    def next_segment(self, now_ns: int, synced: int = -1) -> None:
        """The next batch belongs to a new file, which begins with the open intents. Only while nothing is buffered: after a
        committed `take(end="segment")` or any other. `synced`: bytes of the old segment that
        are known to be on disk, -1 for all.
        """
        self._next(now_ns, synced)
        self.carry_open(now_ns)

    def failed(
        self, now_ns: int, sqlstate: str, *, abandon: bool, continued: bool = False, synced: int = -1
    ) -> int:
        """The batch was not written, or shall not be. Its intents are withdrawn (their number is returned) and
        never heard of again; its outcomes, events and states are held for `again()`.

        `abandon`: bytes of it may stand in the file, so the segment ends at what was promised and a new one
        begins; `synced` as in `next_segment`.
        """
        withdrawn = set(self._intents)
        intents, dropped = self._lost or (0, 0)
        self._lost = (intents + len(withdrawn), dropped + self._dropped)
        self._cause = (sqlstate, continued)
        for each in withdrawn:
            self._open.pop(each, None)
        self._answered = [each for each in self._answered if each[2] not in withdrawn]
        self._rows = [each for each in self._rows if each[1] not in withdrawn]
        self._states = [each for each in self._states if each[1].state != "resumed"]  # it was not
        self._parts.clear()
        self._intents.clear()
        self._dropped = self._taken = self._proving_ns = 0
        if abandon:
            self._next(now_ns, synced)
        else:
            self._mark = object()  # the batch's definitions are lost too
        return len(withdrawn)

    def again(self, now_ns: int) -> None:
        """Gathers what a failure held back: a Lost frame that accounts for the numbers used up, then states, open
        intents where the segment is new, events and outcomes.
        """
        intents, dropped = self._lost or (0, 0)
        answered, events, states = self._answered, self._events, self._states
        rows = self._rows
        self._answered, self._events, self._states, self._rows = [], [], [], []
        self._parts.clear()
        self._mark = object()
        for kept in answered:
            self._open[kept[2]] = kept[0]
        if self.seq > self._promised:
            lost = records.Lost(self._promised + 1, self.seq, intents, dropped + self._dropped, *self._cause)
            self._put(records.LOST, now_ns, _encode(lost))
        self._lost, self._dropped = (intents, dropped + self._dropped), 0
        for state in states:
            self.state(*state)
        if self.length == len(self.header):
            self.carry_open(now_ns)
        for event in events:
            self.event(*event)
        for shown in rows:
            self.rows(*shown)
        for kept in answered:
            self.outcome(*kept[1:])

    def carry_open(self, now_ns: int) -> None:
        """Repeats all open intents: a segment's first batch does, so that it can be read alone."""
        for seq, opened in list(self._open.items()):
            self.carry(now_ns, seq, opened)

    def _next(self, now_ns: int, synced: int) -> None:
        self.segment += 1
        self._begin(self._hash.digest(), self.length, now_ns, synced)

    def answer_all(self, now_ns: int) -> None:
        """What is open gets the outcome `unresolved`: nobody will hear what became of it."""
        for intent in list(self._open):
            self.outcome(now_ns, intent, "unresolved", 0, 0, None, "", "", 0)

    def _define(self, kind: int, card: Card, info: object, now_ns: int) -> None:
        if not card.encoded:
            card.encoded = records.encode_bounded(info)
        self._numbers += 1
        card.mark, card.number = self._mark, self._numbers
        self._put(kind, now_ns, b"\x92" + _encode(card.number) + card.encoded)

    def _put(self, kind: int, now_ns: int, payload: bytes) -> int:
        self.seq = seq = self.seq + 1
        self._frame(_body(len(payload), kind, seq, now_ns) + payload)
        return seq

    def _frame(self, body: bytes) -> None:
        self._parts.append(self._packer.checked(_crc(body), body))


def _encoded(said: records.Outcome) -> bytes:
    try:
        return _encode(said)
    except UnicodeEncodeError:  # a server's command tag that is not UTF-8
        return records.encode_bounded(said)


def _bounded(tags: Tags) -> Tags:
    bounded = records.encode_bounded(tags, records.TAGS_LIMIT)
    return msgspec.msgpack.decode(bounded, type=Tags)
