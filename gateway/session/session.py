"""The state of one signed-in session, and the doors through which the relay drives it.

The relay calls `client` and `server` with the bytes it received, takes `to_server` and `to_client`, and in between
commits the audit: what `client` appended to `to_server` may leave only after the intents it buffered in the chain are
on record; when they cannot be recorded, `refuse_staged` replaces every statement of the turn by one that fails.
"""

from collections import deque
from collections.abc import Callable, Sequence

from gateway.audit.chain import Chain
from gateway.audit.defined import SessionCard
from gateway.audit.records import Status
from gateway.classify.learned import Learned
from gateway.errors import Refusal, Refused, State
from gateway.masking.basis import MaskBasis
from gateway.masking.written_back import CopyWatch
from gateway.policy.decision import Budget, Limit
from gateway.scope import Ruling, Scope, Script
from gateway.session import answers, bounds, disclosing, failures, holding, paths, understand
from gateway.session.acting import Acting, People
from gateway.session.budgets import Crowds, Purse, Purses
from gateway.session.declaring import Said
from gateway.session.holding import Held
from gateway.session.inflight import NOTHING, Item, Wanted
from gateway.session.lengths import limits
from gateway.session.lent import Lent
from gateway.session.loops import Loops
from gateway.session.names import Names
from gateway.session.returning import Permits
from gateway.session.temporaries import Temporaries
from parser.errors import ProtocolError
from parser.messages import error_response, notice_response

# Encodings whose characters may end in a byte that looks like ASCII (manual, section 23.3.1): the server would read
# other tokens than we do.
_UNSAFE_ENCODINGS = frozenset({"SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "MULE_INTERNAL"})

_OWN_TEXT = frozenset({"UTF8", "SQL_ASCII"})


class Session:
    """One client session and its upstream session, without their sockets. See the module."""

    __slots__ = (
        "acting", "answered", "approval", "asked",
        "behind",
        "bounded",
        "cancelling",
        "card",
        "catalog_moved",
        "chain",
        "client_need",
        "client_pass",
        "client_rest",
        "conforming",
        "copy_both", "copy_ended_early", "copy_in",
        "copy_open",
        "copy_sync_dropped",
        "counted", "crowd_of",
        "drop_pass",
        "encoding_safe",
        "ending", "epoch", "estimate", "expects",
        "flushed",
        "foreign_text",
        "held",
        "lasting",
        "late",
        "learns", "lent",
        "lexing_doubt", "lexing_moved", "limits", "loops",
        "made", "moved", "names", "now",
        "objection", "open_epoch",
        "own",
        "passes", "path_doubt", "path_moved", "path_reported", "paused", "peeks",
        "permits",
        "purse_of", "purses",
        "queue",
        "refusals",
        "replicates",
        "reported",
        "rescope", "rows",
        "said",
        "scope",
        "search_path",
        "seen",
        "server_need",
        "server_pass",
        "server_rest",
        "server_said_last",
        "skipping",
        "staged",
        "statements",
        "status",
        "tainted",
        "temporaries",
        "to_client",
        "to_server",
        "unsettled",
        "until",
        "user_schema",
        "waiting",
        "wanted",
        "wants_cancel",
        "watch",
    )  # fmt: skip

    def __init__(
        self,
        scope: Scope,
        rescope: Callable[["Session"], Scope],
        chain: Chain,
        card: SessionCard,
        parameters: Sequence[tuple[str, str]],
        frame_bytes_max: int,
        purse_of: Purses,
        crowd_of: Crowds,
        said: Said | None = None,
        *,
        replicates: bool = False,
        people: People | None = None,
        loops: Loops | None = None,
    ) -> None:
        self.scope = scope
        self.rescope = rescope  # a scope for the policy and catalogue of now; raises Refusal when the right is gone
        self.chain = chain
        self.card = card
        self.acting = Acting(people) if people is not None else None  # it may work for others
        self.limits = limits(frame_bytes_max)
        self.names = Names()
        self.queue: deque[Item] = deque()
        self.staged: list[tuple[Item, int]] = []  # intents of this turn: the item, its frame's place in to_server or -1
        self.to_server: list[bytes] = []
        self.to_client: list[bytes] = []
        self.client_rest = bytearray()  # the beginning of a frame, or frames that wait
        self.client_need = self.server_need = 0  # bytes of the rest below which looking again is useless
        self.client_pass = 0  # bytes of a long CopyData still to be handed on as they come
        self.drop_pass = False  # … or dropped, as its head was
        self.server_rest = bytearray()
        self.server_pass = 0
        self.now = 0  # POSIX nanoseconds of this turn
        self.epoch = 0  # counts resynchronisation points sent
        self.status = ord("I")  # as ReadyForQuery last said
        self.skipping = False  # after an error: the server discards until Sync
        self.copy_in = self.copy_open = False  # COPY data of the client is handed on; the server has said that it takes it
        self.copy_ended_early = 0  # ends of COPY data sent before the server said so
        self.copy_both = self.copy_sync_dropped = False
        self.watch: CopyWatch | None = None  # looks for masks in it
        self.late: Item | None = None  # a refused COPY FROM STDIN whose data is being swallowed
        self.until = 1 << 63  # POSIX nanoseconds at which the right must be asked again
        self.held = False  # the relay wants the client's next statements to wait (a catalogue is being read)
        self.behind = False  # … those alone that copy or rename what no catalogue shows yet
        self.waiting = False  # client_rest holds a frame that depends on an outstanding answer
        self.unsettled = self.flushed = False  # an outstanding statement may change how later ones are read; Flush was sent
        self.learns: list[Learned] = []  # labels that must be in force before what is staged may leave
        self.seen: list[Learned] = []  # labels of columns in whose cells they were seen; the relay takes and clears them
        self.ending = self.server_said_last = False  # close once what is buffered has gone
        self.purse_of, self.crowd_of, self.loops = purse_of, crowd_of, loops
        self.purses: dict[Budget, Purse] = {}
        self.said = said if said is not None else Said()
        self.replicates = replicates  # it may be a walsender, which knows no extended messages
        self._begin(scope)
        for name, value in parameters:
            self.parameter(name, value)
        self.reported.clear()
        self.lexing_moved = False  # what it said at sign-in is where it began

    def _begin(self, scope: Scope) -> None:
        """How texts are read and what holds them back, before anything was said."""
        self.lasting = False  # the server's session may keep something of it that DISCARD ALL does not take back
        self.reported: dict[str, str] = {}  # ParameterStatus since it began
        self.conforming = True
        self.encoding_safe = True
        self.foreign_text = False  # what the client reads is not UTF-8, and may be more than ASCII
        self.lexing_doubt = False
        self.made = scope.made  # temporary relations it made: the catalogue may know another of the name
        self.moved = scope.moved  # what it defined or changed since the catalogue was read
        self.temporaries = Temporaries()
        self.permits = Permits()
        self.own = scope.own  # its temporary relations, as the next text finds them
        self.catalog_moved = False  # DDL went through; the relay takes and clears it
        self.tainted: MaskBasis | None = None  # of the transaction's last statement that touched masked columns
        self.statements = self.rows = 0
        self.refusals = 0
        # The server came to read text in another way and may come back with a transaction's end: no text is read while an
        # answer is outstanding.
        self.lexing_moved = False
        self.search_path: tuple[str, ...] | None = None  # None: not known
        self.path_doubt = True  # it is to be asked for
        self.path_moved = False  # since the transaction began
        self.path_reported: str | None = None
        self.user_schema: str | None = self.card.info.role  # what "$user" stands for
        self.open_epoch = -1  # the epoch in which extended messages were sent last
        self.bounded = False  # nothing may be sent before the outstanding statement's rows are known
        self.wants_cancel = False  # what runs is to be cancelled; the relay takes and clears it
        self.cancelling = False  # … and has not said yet that it is done
        self.wanted: Wanted | Held | None = None  # the client's next frame waits for this; the relay takes it
        self.estimate: int | None = None  # of the client's next frame
        self.paused = False  # … which was held back already, as what goes round in circles is
        self.counted: Limit | None = None  # on the rows that it changes, in place of an estimate
        self.objection: Refused | None = None  # to the text that is being read
        self.asked: Held | None = None  # what waits for people, or was answered and is to run now
        self.approval = ""  # under which the next execution runs
        self.expects: Limit | None = None  # the rows that it was approved to come to
        self.peeks = self.passes = False  # the next frame is held: what is behind it is to be looked at; it may go on
        self.lent: Lent | None = None  # the connection of now, where it has one for a transaction at a time
        self.answered = 0  # POSIX nanoseconds of the last completed statement

    @property
    def sees_all(self) -> bool:
        """Whether nothing is ever hidden from whoever reads its results."""
        return self.acting is None and "*" in self.scope.rights.unmask

    @property
    def idle(self) -> bool:
        """Between transactions, with nothing outstanding."""
        return not self.queue and self.status == 73 and not self.client_rest and self.late is None

    def client(self, data: bytes, now: int) -> None:
        """Bytes from the client, or b"" to look again at those that waited. Faults of the peer end the session."""
        self.now = now
        try:
            understand.feed(self, data)
            while self.peeks:
                self.peeks = False
                if holding.peek(self):
                    understand.feed(self, b"")
        except ProtocolError as fault:
            self.end(Refused(State.PROTOCOL, str(fault)))
        except Refusal as refusal:
            self.end(refusal.refused)

    def server(self, data: bytes, now: int) -> None:
        """Bytes from the upstream."""
        self.now = now
        try:
            answers.feed(self, data)
        except ProtocolError as fault:
            self.end(Refused(State.PROTOCOL, f"the database's answer cannot be followed: {fault}"))

    def server_gone(self, now: int) -> None:
        """The upstream closed its side."""
        self.now = now
        if not self.server_said_last:
            self.end(Refused(State.UNREACHABLE, "the database closed the connection"))
        self.ending = True

    def estimated(self, wanted: Wanted, rows: int) -> None:
        """The planner's answer to what was wanted, or the end of a pause; the relay looks at the session again."""
        if self.wanted is wanted:
            self.wanted = None
            if not wanted.pause_seconds:
                self.estimate = rows

    def overdue(self, now: int) -> bool:
        """Whether the server works on something for longer than it may: the relay then asks it to cancel that."""
        known = self.queue[0].overdue if self.queue else None
        if self.cancelling or not bounds.overdue(self, now):
            return False
        item = self.queue[0]
        if known is None and item.overdue is not None:
            self.now = now
            failures.on_record(self, "statement cancelled", item.overdue, item)
        self.cancelling = True
        return True

    def cancel_sent(self) -> None:
        """The server has got the cancel that was asked for: it can hit nothing later any more."""
        self.cancelling = False

    def end(self, refused: Refused) -> None:
        """Tells the client why its session ends."""
        if not self.ending:
            if not self.server_pass:  # else it would stand in the middle of a message
                self.to_client.append(error_response("FATAL", refused.sqlstate, refused.message, "", refused.hint))
            self.ending = True
            self.client_rest.clear()
            failures.on_record(self, "session ended", refused)

    def close(self, status: Status, now: int) -> None:
        """Gives every outstanding intent its outcome; nothing may be called afterwards."""
        self.now = now
        for item in self.queue:
            self.settle_failure(item, "refused" if item.refused is not None else status, "")
        if self.late is not None:
            self.settle_failure(self.late, "refused", "")
        if self.asked is not None:
            holding.dropped(self.asked)
        self.queue.clear()

    def warn(self, text: str) -> None:
        """A NOTICE from the policy."""
        self.to_client.append(notice_response("WARNING", "01000", text))

    def refuse_staged(self, refused: Refused) -> None:
        """The turn's intents could not be recorded: none of its statements may leave."""
        for item, place in self.staged:
            item.intents = (0,) * len(item.intents)
            if place >= 0:
                item.refused = refused
                self.to_server[place] = understand.failing_frame(item.ask)
        self.staged.clear()

    def parameter(self, name: str, value: str) -> None:
        """ParameterStatus: the server's word on how it reads text."""
        self.reported[name] = value
        if name == "standard_conforming_strings":
            self.conforming = value == "on"  # the next statement asks for a scope of that reading
            self.lexing_moved = True
        elif name == "client_encoding":
            self.foreign_text = value.upper() not in _OWN_TEXT
            safe, self.encoding_safe = self.encoding_safe, value.upper() not in _UNSAFE_ENCODINGS
            self.lexing_moved = self.lexing_moved or safe is not self.encoding_safe
        elif name == "search_path":
            self.path_reported = value
            self.search_path = None
            if not self.queue:
                paths.settled(self)

    def catalog_read(self) -> None:
        """The catalogue is that of after its last transaction."""
        self.held = self.behind = False
        self.moved = frozenset()

    def ask(self, kind: int) -> Item:
        """A new outstanding message."""
        item = Item(kind, self.epoch, self.now)
        self.open_epoch = self.epoch
        self.queue.append(item)
        return item

    def record(
        self, item: Item, rulings: tuple[Ruling, ...], refused: Refused | None, literals: tuple[bytes, ...] = ()
    ) -> None:
        """Buffers the intents of an execution. `literals`: the digests of each statement's, () where none are kept."""
        item.rulings = rulings
        self.statements += len(rulings)
        approval, self.approval = self.approval, ""
        if self.asked is not None and self.asked.answered:
            holding.taken(self.asked, item, approval)
            self.asked = None  # once
        intents: list[int] = []
        for ruling in rulings:
            digests = literals[len(intents)] if literals else b""
            intents.append(
                self.chain.intent(self.now, self.card, ruling.card, ruling.tags, approval, digests, ruling.declared)
            )
            if not ruling.basis.inert or (ruling.basis.unproven and self.tainted is None):
                self.tainted = ruling.basis
            if refused is None:
                self.lasting = self.lasting or ruling.lasting
                if not ruling.plain and ruling.decision.limits.budgets:
                    bounds.meter(self, item, ruling)
                if self.temporaries.own.clean and "write" in ruling.facts.effects:
                    self.temporaries.sent(ruling)
                if ruling.learns:
                    self._learn(ruling)
        item.intents = intents
        if refused is not None:
            item.refused = refused
            self.expects = None
            self.refusals += 1
            self.staged.append((item, -1))

    def _learn(self, ruling: Ruling) -> None:
        """Labels follow what the statement copies: its own session's at once, those of everybody before it leaves."""
        for one in ruling.learns:
            if one.schema == "pg_temp":
                self.temporaries.carry(one)
            else:
                self.learns.append(one)

    def copies_blindly(self, script: Script) -> bool:
        """Whether the text must wait for the catalogue: without it labels would fall on whole tables, or be lost."""
        self.held = any(ruling.blind for ruling in script.rulings)
        return self.held

    def refuse_unlearned(self, refused: Refused) -> None:
        """Labels could not be written down: no statement of the turn may leave. Their intents stay, with that outcome."""
        self.learns.clear()
        for item, place in self.staged:
            if place >= 0:
                item.refused = refused
                self.to_server[place] = understand.failing_frame(item.ask)

    def settle_success(self, item: Item, command: str, rows: int) -> None:
        """The server completed the item's current statement."""
        index = item.index
        intent = item.intents[index]
        if intent:
            ruling = item.rulings[index]
            if ruling.owes_keys:
                disclosing.changed(self, item, ruling, command, rows)
            result = ruling.copy if item.plan is None else item.plan
            card = result.card_with(item.found) if result is not None else None
            duration = (self.now - item.started) // 1000
            affected = ruling.affected(rows) if ruling.changes else None
            self.chain.outcome(self.now, intent, "ok", rows, item.nbytes, card, command, "", duration, affected)
        if item.use is not None:
            item.use.settle(rows)
        self.rows += rows
        item.index = index + 1
        item.nbytes = item.rows_seen = 0
        item.plan, item.found = None, NOTHING
        self.answered = self.now

    def settle_failure(self, item: Item, status: Status, sqlstate: str) -> None:
        """The item's current statement failed so; those after it did not run."""
        if item.use is not None:
            bounds.unused(item, status)
        for index in range(item.index, len(item.intents)):
            intent = item.intents[index]
            if intent:
                duration = (self.now - item.started) // 1000
                seen = item.rows_seen
                self.chain.outcome(self.now, intent, status, seen, item.nbytes, None, "", sqlstate, duration)
                item.rows_seen = 0
            if status in ("error", "cancelled"):
                status = "not-run"
        item.index = len(item.intents)
        item.nbytes = 0
