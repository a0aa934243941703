"""One write, tried on a connection: BEGIN, what it would lead to, the statement itself, rows counted, ROLLBACK.

The connection may be a session's own, so it must be afterwards what it was: whatever is in doubt raises Doubt, and whoever
lent it ends it. A row of another transaction that was deleted or replaced in the trial keeps its number in xmax after the
rollback, until somebody else changes it; so what was there before is read when no lock is held any more.
"""

import contextlib
import time
from dataclasses import dataclass, field
from typing import Final

from gateway.approvals.outcomes import SAMPLE_ROWS_MAX, Changed, Preview, Row, Sample, changed
from gateway.classify.catalog import CatalogTable
from gateway.errors import Refused
from gateway.session import previewing
from gateway.session.holding import Held
from gateway.session.previewing import Masks
from gateway.session.session import Session
from parser import messages
from parser.errors import ProtocolError
from workers import preview_reach
from workers.preview_reach import Reach
from workers.sockets import Closed, Wire

LOCK_MS: Final = 1000
SAMPLES_SECONDS: Final = 1.0  # for all of them
TABLES_SAMPLED_MAX: Final = 5
ROUNDS_MAX: Final = 8  # of looking up what code leads to
GRACE_SECONDS: Final = 5.0  # for the server to end what has run too long
FRAME_BYTES_MAX: Final = 1 << 20  # of a row in a sample; longer ones are passed over
_NAME: Final = "sluice_preview"
_SYNC: Final = messages.frame(b"S")
_COUNTS: Final = (
    "SELECT relid, schemaname, relname, n_tup_ins, n_tup_upd, n_tup_del, pg_catalog.current_setting('track_counts')"
    " FROM pg_catalog.pg_stat_xact_user_tables WHERE pg_catalog.int8larger(n_tup_ins,"
    " pg_catalog.int8larger(n_tup_upd, n_tup_del)) OPERATOR(pg_catalog.>) 0"
    " UNION ALL SELECT 0, '', '', 0, 0, 0, pg_catalog.current_setting('track_counts')"
)
_XID: Final = "SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.xid"
_MOVED: Final = "sequences that it takes numbers from have moved on"

Counts = dict[int, tuple[str, int, int, int]]  # by oid: the table, rows inserted, updated, deleted


class Doubt(Exception):
    """The connection is not known to be what it was."""


@dataclass(slots=True)
class Tried:
    """What came of it: a preview, or a refusal that spares people the question."""

    preview: Preview
    samples: tuple[Sample, ...] = ()
    refused: Refused | None = None


class _Failed(Exception):
    """The server said no; `body`: of its ErrorResponse."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body


@dataclass(slots=True)
class _Answer:
    """What came up to ReadyForQuery."""

    rows: list[bytes] = field(default_factory=list, repr=False)  # bodies of DataRow
    described: bytes = b""
    tag: bytes = b""
    status: bytes = b""


class Trial:
    """One of them. `passed_on`: messages that the server sent to the session meanwhile. `wanted` False: nobody waits for it
    any more."""

    def __init__(self, wire: Wire, session: Session, held: Held) -> None:
        self._wire = wire
        self._session = session
        self._held = held
        self._seconds = held.hold.preview_seconds
        self.passed_on: list[bytes] = []
        self.wanted = True

    async def run(self) -> Tried:
        """Raises Doubt."""
        began = time.monotonic()
        try:
            return await self._run(began)
        except (Closed, ProtocolError) as error:
            raise Doubt from error

    async def _run(self, began: float) -> Tried:
        masks = Masks(self._session.scope, self._held.rulings[0])
        samples: list[Sample] = []
        try:
            before = await self._open()
            objection = await self._objection()
            if objection:
                return Tried(Preview(objection))
            answer = await self._statement()
            await self._ask("SET CONSTRAINTS ALL IMMEDIATE")
            counts, counted = _counts(await self._ask(_COUNTS))
            tables = _since(before, counts)
            seconds = time.monotonic() - began
            xid = messages.data_row((await self._ask(_XID)).rows[0])[0]
            if xid is not None and self.wanted:
                with contextlib.suppress(_Failed):
                    await self._after(masks, tables, xid.decode(), samples)
        except _Failed as failed:
            return self._failure(failed.body)
        finally:
            await self._roll_back()
        command, rows = messages.command_rows(answer.tag)
        told = changed([Changed(*one) for one in tables.values()]) if counted else None
        unseen = [name for oid, (name, *_) in tables.items() if masks.table(oid) is None]
        preview = Preview("", command, rows or 0, told, round(seconds, 3), self._notes(unseen))
        refused = previewing.beyond(self._held, preview.rows)
        if xid is not None and self.wanted and refused is None:
            try:
                samples = await self._before(masks, tables, xid.decode(), samples)
            except _Failed as failed:
                raise Doubt from failed
        return Tried(preview, tuple(one for one in samples if one.before or one.after), refused)

    def _failure(self, body: bytes) -> Tried:
        if not self.wanted:
            return Tried(Preview("nobody waits for it any more"))
        meant = previewing.failure(self._session, self._held, body)
        return Tried(Preview(), refused=meant) if isinstance(meant, Refused) else Tried(Preview(meant))

    def _notes(self, unseen: list[str]) -> tuple[str, ...]:
        inserts = any(kind in ("INSERT", "MERGE") for kind in self._held.rulings[0].facts.kinds)
        told = [f"rows of {name} cannot be masked yet and are not shown" for name in unseen[:TABLES_SAMPLED_MAX]]
        return (*((_MOVED,) if inserts else ()), *told)

    # -- the transaction

    async def _open(self) -> Counts:
        most = int(self._seconds * 1000)
        settings = {
            "statement_timeout": most, "lock_timeout": min(LOCK_MS, most),
            "idle_in_transaction_session_timeout": most + int(GRACE_SECONDS * 1000),
        }  # fmt: skip
        texts = [f"SET LOCAL {name} = {value}" for name, value in settings.items()]
        answer = await self._ask("; ".join(("BEGIN", *texts, _COUNTS)))
        if answer.status != b"T":
            raise Doubt
        return _counts(answer)[0]

    async def _objection(self) -> str:
        catalog, facts = self._session.scope.catalog, self._held.rulings[0].facts
        reach = Reach(facts.writes, catalog)
        for _ in range(ROUNDS_MAX):
            answer = await self._ask(preview_reach.query(reach.next))
            objection = reach.take([messages.data_row(body) for body in answer.rows])
            if objection or not reach.next:
                return objection
        return "it leads too far"

    async def _statement(self) -> _Answer:
        """The statement with its values, as its client has them; its rows are of no interest."""
        held = self._held
        name = _NAME.encode() + b"\0"
        types = held.types if held.types is not None else b"\0\0"
        values = held.values if held.values is not None else bytes(6)
        return await self._say(
            messages.frame(b"P", name + held.sql + b"\0" + types)
            + messages.frame(b"B", name + name + values)
            + messages.execute(_NAME)
            + messages.close("P", _NAME)
            + messages.close("S", _NAME)
            + _SYNC,
            rows=False,
        )

    async def _roll_back(self) -> None:
        """Whatever has happened. A prepared statement outlives it."""
        try:
            answer = await self._say(messages.query("ROLLBACK") + messages.close("S", _NAME) + _SYNC, ready=2)
        except _Failed as failed:
            raise Doubt from failed
        if answer.status != b"I":
            raise Doubt

    # -- samples

    async def _after(self, masks: Masks, tables: Counts, xid: str, samples: list[Sample]) -> None:
        """Adds the rows that the transaction has made."""
        end = time.monotonic() + SAMPLES_SECONDS
        for oid, (name, inserted, updated, _) in list(tables.items())[:TABLES_SAMPLED_MAX]:
            table = masks.table(oid)
            if table is None:
                continue
            sql, columns = masks.text(table, f"xmin {preview_reach.EQUAL} '{xid}'::pg_catalog.xid")
            sample = Sample(name, columns)
            if inserted or updated:
                answer = await self._look("SAVEPOINT sluice_preview", sql, end, "ROLLBACK TO SAVEPOINT sluice_preview")
                sample = Sample(name, columns, after=_shown(masks, table, sql, answer, new=True))
            samples.append(sample)

    async def _before(self, masks: Masks, tables: Counts, xid: str, samples: list[Sample]) -> list[Sample]:
        """With those that it has replaced or deleted."""
        end = time.monotonic() + SAMPLES_SECONDS
        of = {name: (oid, updated + deleted) for oid, (name, _, updated, deleted) in tables.items()}
        found = []
        for one in samples:
            oid, gone = of[one.table]
            table = masks.table(oid)
            if gone and table is not None:
                sql, columns = masks.text(table, f"xmax {preview_reach.EQUAL} '{xid}'::pg_catalog.xid")
                answer = await self._look("BEGIN READ ONLY", sql, end, "ROLLBACK")
                one = Sample(one.table, columns, _shown(masks, table, sql, answer, new=False), one.after)
            found.append(one)
        return found

    async def _look(self, opening: str, sql: str, end: float, closing: str) -> _Answer | None:
        """The answer to a query for samples; None where there is none to be had in time."""
        left = int((end - time.monotonic()) * 1000)
        if left <= 0 or not self.wanted:
            return None
        answer = None
        try:
            limits = f"SET LOCAL statement_timeout = {left}; SET LOCAL lock_timeout = {min(left, LOCK_MS)}"
            await self._ask(f"{opening}; {limits}")
            answer = await self._ask(f"{sql} LIMIT {SAMPLE_ROWS_MAX}")
        except _Failed:  # the role may not read it, or it takes too long
            answer = None
        await self._ask(closing)
        return answer

    # -- the wire

    async def _ask(self, sql: str) -> _Answer:
        return await self._say(messages.query(sql))

    async def _say(self, data: bytes, *, rows: bool = True, ready: int = 1) -> _Answer:
        """Raises _Failed once the server is ready again, so many times."""
        await self._wire.write_all(data)
        answer, error = _Answer(), None
        while ready:
            kind, body = await self._frame()
            if kind == b"D":
                if rows and len(body) <= FRAME_BYTES_MAX:
                    answer.rows.append(body)
            elif kind == b"T":
                answer.described = body
            elif kind == b"C":
                answer.tag = body
            elif kind == b"E":
                error = body
            elif kind == b"Z":
                answer.status = messages.read_ready_for_query(body)
                ready -= 1
            elif kind in (b"A", b"S"):
                self.passed_on.append(messages.frame(kind, body))
            elif kind not in (b"N", b"1", b"2", b"3", b"n", b"s", b"I"):
                raise ProtocolError("a message has no place in a preview's answer")
        if error is not None:
            raise _Failed(error)
        return answer

    async def _frame(self) -> tuple[bytes, bytes]:
        """The next message. Of a row that is too long to be shown nothing is kept."""
        head = await self._wire.read_exactly(5)
        left = int.from_bytes(head[1:], "big") - 4
        if left < 0:
            raise ProtocolError("invalid message length")
        kind = head[:1]
        if left <= FRAME_BYTES_MAX:
            return kind, await self._wire.read_exactly(left)
        if kind not in (b"D", b"N", b"E", b"A"):
            raise ProtocolError("a message is too long")
        kept = b""
        while left:
            part = await self._wire.read(min(left, 65536))
            if not part:
                raise Closed("the stream ended")
            left -= len(part)
        if kind == b"E":
            raise Closed("an error is too long to be read")
        return b"N", kept


def _counts(answer: _Answer) -> tuple[Counts, bool]:
    """The rows changed so far by table, as the session's statistics have them; whether the server counts."""
    found: Counts = {}
    counted = False
    for body in answer.rows:
        oid, schema, name, *numbers, track = [(cell or b"").decode("utf-8", "replace") for cell in messages.data_row(body)]
        counted = track == "on"
        if int(oid):
            inserted, updated, deleted = map(int, numbers)
            found[int(oid)] = f"{schema}.{name}", inserted, updated, deleted
    return found, counted


def _since(before: Counts, after: Counts) -> Counts:
    """What came after `before`: the statistics of earlier transactions may not have been handed in yet."""
    found: Counts = {}
    for oid, (name, *numbers) in after.items():
        earlier = before.get(oid, (name, 0, 0, 0))[1:]
        inserted, updated, deleted = (max(0, now - then) for now, then in zip(numbers, earlier, strict=True))
        if inserted or updated or deleted:
            found[oid] = name, inserted, updated, deleted
    return found


def _shown(masks: Masks, table: CatalogTable, sql: str, answer: _Answer | None, *, new: bool) -> tuple[Row, ...]:
    """None where they cannot be masked."""
    if answer is None:
        return ()
    frames = [messages.frame(b"D", body) for body in answer.rows]
    try:
        return masks.rows(table, sql, answer.described, frames, new=new)
    except ProtocolError:
        return ()
