"""Builders and readers of PostgreSQL protocol 3 messages (manual, sections 55.7 and 55.8). No state.

A *frame* is a whole message: type byte, Int32 length, body. A *body* is what follows the length. Builders
give frames, readers take bodies. Names and texts are str in UTF-8 with surrogateescape, so that every byte
string survives the round trip; SQL and column values stay bytes.

Readers raise ProtocolError on bytes that are not exactly one message. Builders assert: their input was
checked before, and a length that wraps or a NUL inside a string would turn one message into several.
"""

from collections.abc import Iterable, Sequence
from struct import Struct, error
from typing import NamedTuple

from parser.errors import ProtocolError

BODY_BYTES_MAX = 2**31 - 5  # the length counts itself (4 bytes) and is a signed Int32
COUNT_MAX = 2**16 - 1  # counts are unsigned Int16 in the server's reader

PROTOCOL_MAJOR = 3
SSL_REQUEST_CODE = (1234 << 16) | 5679
GSSENC_REQUEST_CODE = (1234 << 16) | 5680
CANCEL_REQUEST_CODE = (1234 << 16) | 5678

_U16 = Struct(">H")
_I32 = Struct(">i")
_U32 = Struct(">I")
_FIELD = Struct(">IhIhih")  # table oid, column number, type oid, type length, type modifier, format


class Field(NamedTuple):
    """One column of a RowDescription. `table_oid` and `attnum` are 0 where it is no plain table column;
    `format` is 0 (text) or 1 (binary), always 0 in the answer to Describe of a statement."""

    name: str
    table_oid: int
    attnum: int
    type_oid: int
    typlen: int
    typmod: int
    format: int


class Parse(NamedTuple):
    """`types`: oids of the parameters whose type the client gives; 0 leaves it to the server."""

    name: str
    sql: bytes
    types: tuple[int, ...]


class Bind(NamedTuple):
    """`values` are the parameters (None: NULL); the formats are as sent: none, one for all, or one each."""

    portal: str
    statement: str
    formats: tuple[int, ...]
    values: tuple[bytes | None, ...]
    result_formats: tuple[int, ...]


def frame(kind: bytes, body: bytes = b"") -> bytes:
    """One message: type byte, length, body."""
    assert len(kind) == 1, "a type is one byte"
    assert len(body) <= BODY_BYTES_MAX, "the length would wrap"
    return kind + _U32.pack(len(body) + 4) + body


def _string(value: str | bytes) -> bytes:
    """The value as a String: NUL-terminated, without NUL inside."""
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)
    assert b"\0" not in raw, "a NUL would end the string early"
    return raw + b"\0"


def _count(values: Sequence[object]) -> bytes:
    assert len(values) <= COUNT_MAX, "the count would wrap"
    return _U16.pack(len(values))


def _int16s(values: Sequence[int]) -> bytes:
    return _count(values) + b"".join(_U16.pack(value) for value in values)


# --- frames of the server -----------------------------------------------------------------------------------


def authentication_ok() -> bytes:
    return frame(b"R", _U32.pack(0))


def authentication_cleartext() -> bytes:
    return frame(b"R", _U32.pack(3))


def parameter_status(name: str, value: str) -> bytes:
    return frame(b"S", _string(name) + _string(value))


def backend_key_data(pid: int, secret: bytes) -> bytes:
    """`secret` has 4 bytes in protocol 3.0 and 4 to 256 in 3.2."""
    assert 4 <= len(secret) <= 256, "a cancel key has 4 to 256 bytes"
    return frame(b"K", _U32.pack(pid) + secret)


def ready_for_query(status: bytes = b"I") -> bytes:
    """`status`: I idle, T in a transaction, E in a failed one."""
    assert status in (b"I", b"T", b"E"), "a transaction status is I, T or E"
    return frame(b"Z", status)


def error_response(severity: str, sqlstate: str, message: str, detail: str = "", hint: str = "") -> bytes:
    """`severity`: ERROR, FATAL or PANIC, not translated."""
    return frame(b"E", _report(severity, severity, sqlstate, message, detail, hint))


def notice_response(severity: str, sqlstate: str, message: str, detail: str = "", hint: str = "") -> bytes:
    """`severity`: WARNING, NOTICE, DEBUG, INFO or LOG, not translated."""
    return frame(b"N", _report(severity, severity, sqlstate, message, detail, hint))


def replace_error(body: bytes, sqlstate: str, message: str, detail: str = "", hint: str = "") -> bytes:
    """The frame of an ErrorResponse as severe as the server's `body` says, with our words for all others.

    The severity stays the server's, because the client's idea of the session depends on it.
    """
    fields = read_error_fields(body)
    plain = fields.get("V") or "ERROR"
    return frame(b"E", _report(fields.get("S") or plain, plain, sqlstate, message, detail, hint))


def _report(translated: str, severity: str, sqlstate: str, message: str, detail: str, hint: str) -> bytes:
    fields = [(b"S", translated), (b"V", severity), (b"C", sqlstate), (b"M", message)]
    if detail:
        fields.append((b"D", detail))
    if hint:
        fields.append((b"H", hint))
    return b"".join(letter + _string(value) for letter, value in fields) + b"\0"


def negotiate_protocol_version(minor: int, unrecognised: Sequence[str]) -> bytes:
    """Protocol 3.`minor` is the newest spoken here; `unrecognised` are the `_pq_.` options not known.

    The manual says that the minor version is sent; server and libpq both use the whole version number.
    """
    body = _U32.pack((PROTOCOL_MAJOR << 16) | minor) + _U32.pack(len(unrecognised))
    return frame(b"v", body + b"".join(map(_string, unrecognised)))


def command_complete(tag: str) -> bytes:
    return frame(b"C", _string(tag))


def copy_in_response(columns: int, format: int = 0) -> bytes:
    """`columns` columns, all text (0) or all binary (1)."""
    assert 0 <= columns <= COUNT_MAX, "the count would wrap"
    return frame(b"G", bytes((format,)) + _U16.pack(columns) + _U16.pack(format) * columns)


# --- frames of the client -----------------------------------------------------------------------------------

SYNC = frame(b"S")
FLUSH = frame(b"H")
TERMINATE = frame(b"X")
SSL_REQUEST = _U32.pack(8) + _U32.pack(SSL_REQUEST_CODE)


def startup_message(pairs: Iterable[tuple[str, str]], minor: int = 0) -> bytes:
    """The first packet, which has no type byte. `pairs` in the order given, `user` among them."""
    texts = b"".join(_string(name) + _string(value) for name, value in pairs)
    return _untyped(_U32.pack((PROTOCOL_MAJOR << 16) | minor) + texts + b"\0")


def cancel_request(pid: int, secret: bytes) -> bytes:
    assert 4 <= len(secret) <= 256, "a cancel key has 4 to 256 bytes"
    return _untyped(_U32.pack(CANCEL_REQUEST_CODE) + _U32.pack(pid) + secret)


def _untyped(body: bytes) -> bytes:
    assert len(body) <= BODY_BYTES_MAX, "the length would wrap"
    return _U32.pack(len(body) + 4) + body


def query(sql: str | bytes) -> bytes:
    return frame(b"Q", _string(sql))


def parse(name: str, sql: str | bytes, types: Sequence[int] = ()) -> bytes:
    return frame(b"P", _string(name) + _string(sql) + _count(types) + b"".join(map(_U32.pack, types)))


def bind(
    portal: str,
    statement: str,
    values: Sequence[bytes | None] = (),
    formats: Sequence[int] = (),
    result_formats: Sequence[int] = (),
) -> bytes:
    parts = [_string(portal), _string(statement), _int16s(formats), _count(values)]
    for value in values:
        if value is None:
            parts.append(_I32.pack(-1))
        else:
            assert len(value) <= BODY_BYTES_MAX, "the length would wrap"
            parts += (_U32.pack(len(value)), value)
    parts.append(_int16s(result_formats))
    return frame(b"B", b"".join(parts))


def describe(kind: str, name: str) -> bytes:
    """`kind`: S for a statement, P for a portal."""
    assert kind in ("S", "P"), "only statements and portals can be described"
    return frame(b"D", kind.encode() + _string(name))


def close(kind: str, name: str) -> bytes:
    """`kind`: S for a statement, P for a portal."""
    assert kind in ("S", "P"), "only statements and portals can be closed"
    return frame(b"C", kind.encode() + _string(name))


def execute(portal: str, max_rows: int = 0) -> bytes:
    """`max_rows` 0: all rows."""
    return frame(b"E", _string(portal) + _I32.pack(max_rows))


def password_message(password: str | bytes) -> bytes:
    return frame(b"p", _string(password))


def sasl_initial(mechanism: str, response: bytes) -> bytes:
    return frame(b"p", _string(mechanism) + _U32.pack(len(response)) + response)


def sasl_response(response: bytes) -> bytes:
    return frame(b"p", response)


# --- bodies, read -------------------------------------------------------------------------------------------


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _end(body: bytes, start: int) -> int:
    """Where the String that starts at `start` ends: the offset of its NUL."""
    end = body.find(0, start)
    if end < 0:
        raise ProtocolError("a string has no terminator")
    return end


def _strings(body: bytes, count: int) -> list[str]:
    """`body` as exactly `count` Strings."""
    parts = body.split(b"\0")
    if len(parts) != count + 1 or parts[-1]:
        raise ProtocolError(f"a message does not hold exactly {count} strings")
    return [_text(part) for part in parts[:-1]]


def _read_int16s(body: bytes, at: int) -> tuple[tuple[int, ...], int]:
    """A counted list of Int16 at `at`, and the offset behind it."""
    (count,) = _U16.unpack_from(body, at)
    at += 2
    end = at + 2 * count
    if end > len(body):
        raise ProtocolError("a message is shorter than its count says")
    return Struct(f">{count}H").unpack_from(body, at), end


def read_query(body: bytes) -> bytes:
    """The text of a Query, without its terminator."""
    if _end(body, 0) != len(body) - 1:
        raise ProtocolError("a query does not end with its terminator")
    return body[:-1]


def read_parse(body: bytes) -> Parse:
    name_end = _end(body, 0)
    sql_end = _end(body, name_end + 1)
    if sql_end + 3 > len(body):
        raise ProtocolError("a Parse message has no parameter count")
    (count,) = _U16.unpack_from(body, sql_end + 1)
    if sql_end + 3 + 4 * count != len(body):
        raise ProtocolError("a Parse message's length and parameter count disagree")
    types = Struct(f">{count}I").unpack_from(body, sql_end + 3)
    return Parse(_text(body[:name_end]), body[name_end + 1 : sql_end], types)


def read_bind(body: bytes) -> Bind:
    portal_end = _end(body, 0)
    statement_end = _end(body, portal_end + 1)
    try:
        formats, at = _read_int16s(body, statement_end + 1)
        (count,) = _U16.unpack_from(body, at)
        at += 2
        values: list[bytes | None] = []
        for _ in range(count):
            (length,) = _I32.unpack_from(body, at)
            at += 4
            if length == -1:
                values.append(None)
                continue
            if length < 0 or at + length > len(body):
                raise ProtocolError("a Bind message's parameter has a bad length")
            values.append(body[at : at + length])
            at += length
        result_formats, at = _read_int16s(body, at)
    except error:
        raise ProtocolError("a Bind message is too short") from None
    if at != len(body):
        raise ProtocolError("a Bind message is too long")
    portal, statement = _text(body[:portal_end]), _text(body[portal_end + 1 : statement_end])
    return Bind(portal, statement, formats, tuple(values), result_formats)


def read_named(body: bytes) -> tuple[str, str]:
    """Describe or Close: (kind, name), the kind S for a statement and P for a portal."""
    if body[:1] not in (b"S", b"P"):
        raise ProtocolError("neither a statement nor a portal is named")
    (name,) = _strings(body[1:], 1)
    return chr(body[0]), name


def read_execute(body: bytes) -> tuple[str, int]:
    """(portal, max rows); 0 or less means all."""
    end = _end(body, 0)
    if end + 5 != len(body):
        raise ProtocolError("an Execute message has a bad length")
    return _text(body[:end]), _I32.unpack_from(body, end + 1)[0]


def read_function_call(body: bytes) -> int:
    """The oid of the function; the arguments are not looked at."""
    if len(body) < 4:
        raise ProtocolError("a FunctionCall message is too short")
    oid: int = _U32.unpack_from(body)[0]
    return oid


def read_password(body: bytes) -> str:
    (password,) = _strings(body, 1)
    return password


def read_authentication(body: bytes) -> tuple[int, bytes]:
    """(code, data). Codes: 0 ok, 3 cleartext password, 5 MD5 with its salt, 10 to 12 SASL."""
    if len(body) < 4:
        raise ProtocolError("an authentication message is too short")
    return _U32.unpack_from(body)[0], body[4:]


def read_parameter_status(body: bytes) -> tuple[str, str]:
    name, value = _strings(body, 2)
    return name, value


def read_backend_key_data(body: bytes) -> tuple[int, bytes]:
    """(process id, secret of 4 to 256 bytes)."""
    if not 8 <= len(body) <= 260:
        raise ProtocolError("a cancel key has a bad length")
    return _U32.unpack_from(body)[0], body[4:]


def read_notification(body: bytes) -> tuple[int, str, str]:
    """(process id, channel, payload)."""
    if len(body) < 4:
        raise ProtocolError("a notification is too short")
    channel, payload = _strings(body[4:], 2)
    return _U32.unpack_from(body)[0], channel, payload


def read_ready_for_query(body: bytes) -> bytes:
    """I, T or E."""
    if body not in (b"I", b"T", b"E"):
        raise ProtocolError("a transaction status is none of I, T and E")
    return body


def read_negotiation(body: bytes) -> tuple[int, list[str]]:
    """NegotiateProtocolVersion: (newest minor version spoken there, `_pq_.` options not known there)."""
    if len(body) < 8:
        raise ProtocolError("a protocol negotiation is too short")
    version, count = _U32.unpack_from(body)[0], _U32.unpack_from(body, 4)[0]
    if version >> 16 not in (0, PROTOCOL_MAJOR):
        raise ProtocolError("a protocol negotiation names another major version")
    return version & 0xFFFF, _strings(body[8:], count)


def read_error_fields(body: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse or NoticeResponse by their letter. Takes anything: servers and poolers
    send reports without a SQLSTATE, without a terminator or empty, and none of that may end a session."""
    fields: dict[str, str] = {}
    for part in body.split(b"\0"):
        if not part:
            break
        fields.setdefault(chr(part[0]), _text(part[1:]))
    return fields


def row_description(body: bytes) -> list[Field]:
    """The columns of a RowDescription."""
    if len(body) < 2:
        raise ProtocolError("a RowDescription is too short")
    (count,) = _U16.unpack_from(body)
    fields, at, size = [], 2, _FIELD.size
    for _ in range(count):
        end = _end(body, at)
        if end + 1 + size > len(body):
            raise ProtocolError("a RowDescription is too short")
        fields.append(Field(_text(body[at:end]), *_FIELD.unpack_from(body, end + 1)))
        at = end + 1 + size
    if at != len(body):
        raise ProtocolError("a RowDescription is too long")
    return fields


def data_row(body: bytes) -> list[bytes | None]:
    """The values of a DataRow, None for NULL."""
    values: list[bytes | None] = []
    try:
        (count,) = _U16.unpack_from(body)
        at = 2
        for _ in range(count):
            (length,) = _I32.unpack_from(body, at)
            at += 4
            if length < -1 or at + length > len(body):
                raise ProtocolError("a DataRow's column has a bad length")
            values.append(None if length == -1 else body[at : at + length])
            at += max(length, 0)
    except error:
        raise ProtocolError("a DataRow is too short") from None
    if at != len(body):
        raise ProtocolError("a DataRow is too long")
    return values


def command_rows(body: bytes) -> tuple[str, int | None]:
    """The command of a CommandComplete and its rows: `INSERT 0 5` gives ("INSERT", 5), without rows None."""
    (tag,) = _strings(body, 1)
    words = tag.split(" ")
    rows = None
    while len(words) > 1 and len(words[-1]) <= 20 and words[-1].isascii() and words[-1].isdigit():
        number = int(words.pop())
        rows = number if rows is None else rows
    return " ".join(words), rows
