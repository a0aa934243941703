"""The planner's estimate of the rows of a statement: EXPLAIN on connections of the gateway's own, never on the client's.

A few connections for each database and role are opened when they are needed and closed when they are not. Each question
is a read-only transaction with the session's settings and a time limit, and is rolled back. The text follows EXPLAIN in a
Parse of its own, of which the server takes one statement and no more; EXPLAIN without ANALYZE plans it and runs nothing.

The estimate is of the rows that a statement returns, or of those that it changes (the rows that reach a ModifyTable node)
where these are more. What cannot be had - the statement names what only its session knows, the planner takes too long, the
server cannot be reached - is ROWS_UNKNOWN, which is more than any limit.
"""

import logging
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec
import trio

from gateway.errors import Refusal
from gateway.session.inflight import ROWS_UNKNOWN, Wanted
from parser import messages
from parser.errors import ProtocolError
from workers.sockets import Closed
from workers.upstream import Target, Upstream, connect

log = logging.getLogger("sluice.estimates")

ANSWER_SECONDS = 5.0  # for all of it: a session waits
PLANNING_MS = 2000
CONNECTIONS_MAX = 2  # at once, for each database and role
IDLE_SECONDS = 60.0
KNOWN_MAX = 2048
KNOWN_SECONDS = 30.0
TEXT_BYTES_MAX = 16 << 20  # of a statement and of its values, each
_PLAN_BYTES_MAX = 4 << 20

# The settings that change what a text means, and so its plan.
_MEANING = frozenset(
    {
        "search_path",
        "client_encoding",
        "standard_conforming_strings",
        "datestyle",
        "intervalstyle",
        "timezone",
    }
)
_BEGIN = f"BEGIN READ ONLY; SET LOCAL statement_timeout = {PLANNING_MS}; SET LOCAL plan_cache_mode = force_generic_plan"
_EXPLAIN = b"EXPLAIN (FORMAT JSON) "
_SYNC = messages.frame(b"S")
_END = messages.query("ROLLBACK")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session's statements run. `settings` are its start-up parameters."""

    database: str
    target: Target
    role: str | None
    catalogue: int  # the version under which it was read
    settings: tuple[tuple[str, str], ...] = ()


class _Node(msgspec.Struct):
    """A node of a plan (EXPLAIN, FORMAT JSON)."""

    kind: str = msgspec.field(name="Node Type")
    rows: float = msgspec.field(name="Plan Rows")
    relationship: str = msgspec.field(name="Parent Relationship", default="")
    inputs: list["_Node"] = msgspec.field(name="Plans", default_factory=list)


class _Plan(msgspec.Struct):
    node: _Node = msgspec.field(name="Plan")


_plans = msgspec.json.Decoder(list[_Plan])


@dataclass(slots=True)
class _Pool:
    """The connections to one database in one role: who may use one, and those that nobody uses, with the time since."""

    limit: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(CONNECTIONS_MAX))
    idle: list[tuple[Upstream, float]] = field(default_factory=list)

    @property
    def unused(self) -> bool:
        return not self.idle and not self.limit.borrowed_tokens and not self.limit.statistics().tasks_waiting


class Estimates:
    """See the module; one for each worker. What was answered is known for KNOWN_SECONDS."""

    def __init__(self) -> None:
        self._pools: dict[tuple[str, str | None], _Pool] = {}
        self._known: OrderedDict[bytes, tuple[float, int]] = OrderedDict()  # digest of the question -> (until, rows)

    async def rows(self, place: Place, wanted: Wanted) -> int:
        """How many rows the planner expects, ROWS_UNKNOWN where it cannot be asked. Never raises, and takes ANSWER_SECONDS
        at most."""
        try:
            question = _question(place, wanted)
        except (ProtocolError, UnicodeEncodeError):
            return ROWS_UNKNOWN
        known = self._remembered(question.digest)
        if known is not None:
            return known
        rows = ROWS_UNKNOWN
        with trio.move_on_after(ANSWER_SECONDS):
            try:
                rows = await self._ask(place, question)
            except Refusal as refusal:
                log.warning("no estimates from %s: %s", place.database, refusal.refused.message)
            except AssertionError:
                raise
            except Exception as fault:  # what a server's bytes led to ends no worker; its text may quote a value
                log.warning("no estimate from %s: %s", place.database, type(fault).__name__)
        if rows < ROWS_UNKNOWN:
            self._known[question.digest] = (trio.current_time() + KNOWN_SECONDS, rows)
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        return rows

    def _remembered(self, key: bytes) -> int | None:
        until, rows = self._known.get(key, (0.0, 0))
        if until > trio.current_time():
            return rows
        self._known.pop(key, None)
        return None

    async def _ask(self, place: Place, question: "_Question") -> int:
        pool = self._pools.setdefault((place.database, place.role), _Pool())
        async with pool.limit:
            rows = self._remembered(question.digest)  # somebody may have asked the same meanwhile
            while rows is None:
                used = bool(pool.idle)
                connection = pool.idle.pop()[0] if used else await _connect(place)
                try:
                    rows = await question.ask(connection)
                    pool.idle.append((connection, trio.current_time()))
                except Closed:
                    connection.wire.close()
                    if not used:
                        raise
                except BaseException:
                    connection.wire.close()  # the rest of the answer would be taken for the next one's
                    raise
            return rows

    async def keep(self) -> None:
        """Closes for ever what nobody uses."""
        while True:
            await trio.sleep(IDLE_SECONDS / 4)
            await self._end_idle(trio.current_time() - IDLE_SECONDS)

    async def _end_idle(self, since: float) -> None:
        for key, pool in list(self._pools.items()):
            while pool.idle and pool.idle[0][1] <= since:  # those at the front are unused for longest
                await pool.idle.pop(0)[0].close()
            if pool.unused:
                del self._pools[key]

    async def close(self) -> None:
        """Ends the connections that nobody uses; for a worker that stops."""
        await self._end_idle(trio.current_time())


@dataclass(frozen=True, slots=True)
class _Question:
    """One estimate as it is asked for. `values` None: of a plan for any values. Its `digest` is the same for what has the
    same answer, and tells nothing of it."""

    digest: bytes
    opening: bytes
    sql: bytes
    types: tuple[int, ...]
    values: messages.Bind | None

    async def ask(self, connection: Upstream) -> int:
        """Raises Closed or ProtocolError; the connection can then not be used any more."""
        return _rows(await (self._generic(connection) if self.values is None else self._exact(connection, self.values)))

    async def _exact(self, connection: Upstream, values: messages.Bind) -> bytes | None:
        """The plan for these values: EXPLAIN takes the statement's parameters for its own."""
        await connection.wire.write_all(
            self.opening
            + messages.parse("", _EXPLAIN + self.sql, self.types)
            + messages.bind("", "", values.values, values.formats)
            + messages.execute("")
            + _SYNC
            + _END
        )
        _, plan, _ = [await _answer(connection) for _ in range(3)]
        return plan.cell

    async def _generic(self, connection: Upstream) -> bytes | None:
        """The plan for any values. EXECUTE knows what Parse made; how many parameters that has, the server says.

        No text can know the name: one that executes itself would send the server's EXPLAIN down without an end.
        """
        name = f"sluice_{secrets.token_hex(16)}"
        prepare = messages.parse(name, self.sql, self.types) + messages.describe("S", name) + _SYNC
        await connection.wire.write_all(self.opening + prepare)
        _, prepared = [await _answer(connection) for _ in range(2)]
        nulls = f"({', '.join(['NULL'] * prepared.parameters)})" if prepared.parameters else ""
        explain = messages.query(_EXPLAIN + f"EXECUTE {name}{nulls}".encode())
        await connection.wire.write_all(explain + _END + messages.close("S", name) + _SYNC)
        plan, _, _ = [await _answer(connection) for _ in range(3)]
        return plan.cell


@dataclass(slots=True)
class _Answer:
    """What came up to a ReadyForQuery. `cell` is the last row's first one, None where there was none or an error came."""

    cell: bytes | None = None
    parameters: int = 0


async def _answer(connection: Upstream) -> _Answer:
    answer, failed = _Answer(), False
    while True:
        kind, body = await connection.wire.read_frame(_PLAN_BYTES_MAX)
        if kind == b"D":
            answer.cell = (messages.data_row(body) or [None])[0]
        elif kind == b"t":
            answer.parameters = int.from_bytes(body[:2], "big")
        elif kind == b"E":
            failed = True
        elif kind == b"Z":
            return _Answer() if failed else answer


def _question(place: Place, wanted: Wanted) -> _Question:
    """Raises ProtocolError and UnicodeEncodeError for what cannot be asked."""
    if len(wanted.sql) > TEXT_BYTES_MAX or len(wanted.values or b"") > TEXT_BYTES_MAX:
        raise ProtocolError("a statement is too long to be asked for")
    types: tuple[int, ...] = ()
    values: messages.Bind | None = messages.Bind("", "", (), (), ())
    if wanted.types is not None:
        types = messages.read_parse(b"\0\0" + wanted.types).types
        values = messages.read_bind(b"\0\0" + wanted.values) if wanted.values is not None else None
    opening = _opening(place, wanted)
    said = (place.database, place.role, place.catalogue, opening, wanted.sql, wanted.types, wanted.values)
    digest = blake2b(msgspec.msgpack.encode(said), digest_size=16).digest()
    return _Question(digest, messages.query(opening), wanted.sql, types, values)


def _opening(place: Place, wanted: Wanted) -> bytes:
    settings = {
        name.lower(): value
        for name, value in (*place.settings, *wanted.settings)
        if name.lower() in _MEANING
    }
    calls = ", ".join(f"pg_catalog.set_config('{name}', {_quoted(value)}, true)" for name, value in settings.items())
    return f"{_BEGIN}; SELECT {calls}".encode() if calls else _BEGIN.encode()


def _quoted(value: str) -> str:
    """A literal that reads the same whatever standard_conforming_strings is."""
    if "\0" in value:
        raise ProtocolError("a setting holds a NUL character")
    doubled = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{doubled}'"


def _rows(plan: bytes | None) -> int:
    if plan is None:
        return ROWS_UNKNOWN
    try:
        # The keys and numbers are ASCII in every encoding, and nothing else is looked at.
        plans = _plans.decode(plan.decode("latin-1"))
    except (msgspec.DecodeError, RecursionError):
        return ROWS_UNKNOWN
    if not plans:
        return ROWS_UNKNOWN
    nodes = [plan.node for plan in plans]  # a rule of the table may have made several
    returned, changed = sum(node.rows for node in nodes), 0.0
    while nodes:
        node = nodes.pop()
        nodes += node.inputs
        if node.kind == "ModifyTable":
            # Before version 14 there is an input for each partition.
            changed += sum(each.rows for each in node.inputs if each.relationship in ("Outer", "Member"))
    return int(min(max(returned, changed), ROWS_UNKNOWN))


async def _connect(place: Place) -> Upstream:
    """A connection like the sessions' own."""
    parameters = [("application_name", "sluice"), ("client_encoding", "UTF8")]
    if place.role is not None:
        parameters.append(("role", place.role))
    return await connect(place.target, parameters)
