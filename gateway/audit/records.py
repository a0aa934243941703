"""What an audit segment holds: one msgspec Struct a frame type, the cards that definitions come from, and
their encoding.

Facts that repeat (who a session is, what a statement's shape was decided to be, which columns a result had)
are written once a segment as a *definition* with a number; intents and outcomes name the numbers. Structs are
arrays in MessagePack: a later version may append fields with defaults, never reorder. All times are
nanoseconds since the epoch, UTC, and stand in the frame.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

Status = Literal["ok", "error", "refused", "cancelled", "client-gone", "unresolved", "drained", "not-run"]
EventKind = Literal["session", "approval", "policy", "system"]
Tags = tuple[tuple[str, str], ...]

SESSION: Final = 1
RULING: Final = 2
COLUMNS: Final = 3
INTENT: Final = 4
OUTCOME: Final = 5
EVENT: Final = 6
CARRIED: Final = 7
LOST: Final = 8
CHECKPOINT: Final = 9
RECOVERED: Final = 10
CLOSED: Final = 11
ROWS: Final = 12
STATE: Final = 13

TEXT_LIMIT: Final = 64 * 1024  # characters of one text
LIST_LIMIT: Final = 4096  # entries of one list
PAYLOAD_LIMIT: Final = 255 * 1024  # bytes; with its header a frame stays below 256 KiB
TAGS_LIMIT: Final = 8 * 1024  # bytes of one intent's tags
_UNIT: Final = 3  # pairs and triples are never cut through
CUT: Final = "…"  # stands where a text or list was cut


class SessionInfo(msgspec.Struct, array_like=True, frozen=True):
    """Who acts, through what, on which database."""

    session: str
    user: str
    issuer: str = ""
    groups: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()  # RFC 8693 chain, outermost first
    address: str = ""
    application: str = ""
    database: str = ""
    environment: str = ""
    role: str = ""  # the upstream role
    token_id: str = ""
    model: str = ""  # which model the agent says it is, and which run or task it is on: from its token's claims
    run: str = ""
    account: str = ""  # the shared account whose session it is, where that works for the user
    method: str = ""  # how its user signed in (gateway.identity.principal.Method)
    weak: bool = False


class GrantInfo(msgspec.Struct, array_like=True, frozen=True):
    """The grant a statement ran under."""

    name: str
    granted_by: str = ""
    reason: str = ""


class RulingInfo(msgspec.Struct, array_like=True, frozen=True):
    """One statement shape under one policy, and the verdict. `statement` holds no literal. Tables are
    "schema.name", columns "schema.table.column", as far as known.
    """

    generation: int
    policy_hash: str
    statement: str
    fingerprint: str
    kinds: tuple[str, ...]
    tables: tuple[str, ...] = ()
    columns_read: tuple[str, ...] = ()
    columns_written: tuple[str, ...] = ()
    decision: str = "allow"
    rules: tuple[str, ...] = ()
    grant: GrantInfo | None = None
    labels: tuple[tuple[str, str], ...] = ()  # of the columns read and written: (column, label)


class ColumnsInfo(msgspec.Struct, array_like=True, frozen=True):
    """What a result showed: masked as (column, label, mask), and columns handed out in clear."""

    masked: tuple[tuple[str, str, str], ...] = ()
    clear: tuple[str, ...] = ()


class Definition(msgspec.Struct, array_like=True, frozen=True):
    """A numbered card; valid in its segment from here on."""

    number: int
    info: msgspec.Raw


class Declared(msgspec.Struct, array_like=True, frozen=True):
    """What somebody said a statement would do, before it did anything: in the session (`SET sluice.reason`), in the
    token, or in the statement's sqlcommenter comment. `effect` is read, write, ddl or admin, or empty where nothing
    was said.
    """

    reason: str = ""
    tables: tuple[str, ...] = ()
    effect: str = ""
    ticket: str = ""
    source: str = ""  # session | token | statement
    mismatch: tuple[str, ...] = ()  # how the facts differ, in words without any value


class Intent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Written before a statement is forwarded or refused. `literals` is 8 bytes of keyed digest for each literal and
    parameter, in their order: equal values have equal digests, and no value can be read from one.
    """

    session: int
    ruling: int
    tags: Tags | None = None
    approval: str = ""
    literals: bytes = b""
    declared: Declared | None = None


class IntentNumbers(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The first fields of an Intent, for whoever looks for more only where these are of interest."""

    session: int
    ruling: int


class Outcome(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What became of an intent. `columns` is a definition's number, or 0."""

    intent: int
    status: Status
    rows: int
    nbytes: int
    columns: int
    command: str
    sqlstate: str
    duration_us: int
    affected: tuple[tuple[str, int], ...] | None = None  # rows changed by table, as far as the server told them apart


class OutcomeNumber(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The first field of an Outcome."""

    intent: int


class Rows(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Which rows of a table an intent's result showed (or, `changed`, which it changed), by keyed digests of their
    primary key. Written before the outcome, in as many parts as it takes; `digests` is a set
    of gateway.masking.key_sets; a `count` of 0 says that not all keys are known, and it says why.
    """

    intent: int
    table: str
    changed: bool
    count: int  # digests in this part
    digests: bytes


class State(msgspec.Struct, array_like=True, frozen=True):
    """The audit tells of itself: it could not be written, runs on its reserve, or can be written again."""

    state: str  # failed | full | resumed | unsynced
    sqlstate: str = ""
    segment: int = 0  # unsynced: from this byte of this segment on, what was written may not survive a power loss
    offset: int = 0


class Event(msgspec.Struct, array_like=True, frozen=True):
    """Anything that is no statement. `session` is a definition's number, or 0."""

    kind: EventKind
    session: int
    data: dict[str, Any]


class Carried(msgspec.Struct, array_like=True, frozen=True):
    """An intent without outcome when its segment ended, repeated so that each segment can be read alone.

    `origin` is the prefix of the intent's id where it belongs to another chain (recovery), else empty.
    """

    intent: int
    time_ns: int
    session: int
    ruling: int
    tags: Tags | None = None
    approval: str = ""
    origin: str = ""
    literals: bytes = b""
    declared: Declared | None = None


class Lost(msgspec.Struct, array_like=True, frozen=True):
    """Sequence numbers `first` to `last` could not be written and were never promised; this frame's own
    number follows `last`.

    `intents` of them were statements: refused, or (`continued`) run without a record.
    """

    first: int
    last: int
    intents: int
    events: int  # events dropped because too many waited
    sqlstate: str
    continued: bool = False


class Checkpoint(msgspec.Struct, array_like=True, frozen=True):
    """SHA-256 over the segment's bytes before this frame (the header names the segment before it, so it
    covers the whole chain).
    """

    digest: bytes
    records: int  # frames of the chain before this one
    final: bool = False  # the segment ends here
    synced: int = 0  # bytes of the segment that were on disk by then: no loss of power takes them


class Recovered(msgspec.Struct, array_like=True, frozen=True):
    """A chain that ended without `closed`, as it was found: nothing in it was changed.

    `digest` is SHA-256 over the last segment's `length` readable bytes; `tail` bytes after them, of SHA-256
    `tail_digest`, could not be read.
    """

    chain: bytes
    segment: int
    length: int
    digest: bytes
    tail: int
    tail_digest: bytes
    records: int
    open_intents: int
    same_boot: bool = False  # the host has run on since: whatever the kernel was handed is there
    damage: str = ""  # why reading stopped, where it was not for want of bytes
    synced: bool = True  # what was found is on disk: nothing of it can change any more by itself
    beyond: int = 0  # whole records found behind that; their intents count among the open ones too


class Closed(msgspec.Struct, array_like=True, frozen=True):
    """The chain's end, written by its own worker; the digest is a checkpoint's."""

    digest: bytes
    records: int


_TYPES: Final[dict[int, type[Any]]] = {
    SESSION: Definition,
    RULING: Definition,
    COLUMNS: Definition,
    INTENT: Intent,
    OUTCOME: Outcome,
    EVENT: Event,
    CARRIED: Carried,
    LOST: Lost,
    CHECKPOINT: Checkpoint,
    RECOVERED: Recovered,
    CLOSED: Closed,
    ROWS: Rows,
    STATE: State,
}
_DECODERS: Final = {kind: msgspec.msgpack.Decoder(of) for kind, of in _TYPES.items()}
_INFOS: Final[dict[int, msgspec.msgpack.Decoder[Any]]] = {
    SESSION: msgspec.msgpack.Decoder(SessionInfo),
    RULING: msgspec.msgpack.Decoder(RulingInfo),
    COLUMNS: msgspec.msgpack.Decoder(ColumnsInfo),
}
_encode = msgspec.msgpack.Encoder().encode


def decode(kind: int, payload: bytes) -> Any:
    """The Struct of a frame. Raises ValueError (msgspec's DecodeError is one) when the payload is not of its
    type.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise ValueError(f"frame type {kind} is unknown")
    return decoder.decode(payload)


def decode_info(kind: int, definition: Definition) -> Any:
    """The SessionInfo, RulingInfo or ColumnsInfo of a definition. Raises ValueError."""
    return _INFOS[kind].decode(definition.info)


def encode_bounded(value: object, limit: int = PAYLOAD_LIMIT) -> bytes:
    """The value's MessagePack of at most `limit` bytes: texts and lists too long are cut and end in CUT.
    Text that is not Unicode (lone surrogates) is replaced. Raises ValueError for what no cutting makes fit.
    """
    chars, items = TEXT_LIMIT, LIST_LIMIT
    try:
        data = _encode(value) if not _oversized(value) else b""
    except UnicodeEncodeError:
        data = b""
    while not data or len(data) > limit:
        if not chars and data:
            raise ValueError(f"a record of {len(data)} bytes cannot be cut to {limit}")
        data = _encode(_cut(value, chars, items))
        chars, items = chars // 2, items // 2
    return data


def _oversized(value: object) -> bool:
    return isinstance(value, RulingInfo) and len(value.statement) > TEXT_LIMIT


def _cut(value: Any, chars: int, items: int) -> Any:
    if isinstance(value, str):
        text = value if len(value) <= chars else value[:chars] + CUT
        return text.encode("utf-8", "replace").decode()
    if isinstance(value, msgspec.Struct):
        return [_cut(getattr(value, name), chars, items) for name in value.__struct_fields__]
    if isinstance(value, Mapping):
        pairs = list(value.items())[: items + 1]
        return {_cut(key, chars, items): _cut(each, chars, items) for key, each in pairs}
    if isinstance(value, (tuple, list)):
        items = max(items, _UNIT)
        kept = [_cut(each, chars, items) for each in value[:items]]
        if len(value) > items and all(isinstance(each, str) for each in value):
            kept.append(CUT)
        return kept
    return value
