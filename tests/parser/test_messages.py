"""Messages: what is built reads back the same, what is malformed is a ProtocolError and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parser import messages
from parser.errors import ProtocolError
from parser.messages import Bind, Field, Parse

NAMES = st.binary(max_size=70).map(lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape"))
SQL = st.binary(max_size=100).map(lambda raw: raw.replace(b"\0", b" "))
CODES = st.lists(st.sampled_from([0, 1]), max_size=5).map(tuple)
VALUES = st.lists(st.none() | st.binary(max_size=20), max_size=6).map(tuple)
OIDS = st.lists(st.integers(0, 2**32 - 1), max_size=6).map(tuple)
KEYS = st.binary(min_size=4, max_size=256)
PIDS = st.integers(0, 2**32 - 1)

READERS: list[Callable[[bytes], Any]] = [
    messages.read_query,
    messages.read_parse,
    messages.read_bind,
    messages.read_named,
    messages.read_execute,
    messages.read_function_call,
    messages.read_password,
    messages.read_authentication,
    messages.read_parameter_status,
    messages.read_backend_key_data,
    messages.read_notification,
    messages.read_ready_for_query,
    messages.read_negotiation,
    messages.row_description,
    messages.data_row,
    messages.command_rows,
]


def body(frame: bytes) -> bytes:
    assert int.from_bytes(frame[1:5], "big") == len(frame) - 1
    return frame[5:]


@given(NAMES, SQL, OIDS)
def test_parse_reads_back(name: str, sql: bytes, types: tuple[int, ...]) -> None:
    assert messages.read_parse(body(messages.parse(name, sql, types))) == Parse(name, sql, types)


@given(NAMES, NAMES, VALUES, CODES, CODES)
def test_bind_reads_back(
    portal: str,
    statement: str,
    values: tuple[bytes | None, ...],
    formats: tuple[int, ...],
    results: tuple[int, ...],
) -> None:
    built = messages.bind(portal, statement, values, formats, results)
    assert messages.read_bind(body(built)) == Bind(portal, statement, formats, values, results)


@given(NAMES, st.sampled_from(["S", "P"]), st.integers(-(2**31), 2**31 - 1))
def test_describe_close_and_execute_read_back(name: str, kind: str, rows: int) -> None:
    assert messages.read_named(body(messages.describe(kind, name))) == (kind, name)
    assert messages.read_named(body(messages.close(kind, name))) == (kind, name)
    assert messages.read_execute(body(messages.execute(name, rows))) == (name, rows)


@given(NAMES, NAMES, SQL, PIDS, KEYS)
def test_strings_and_keys_read_back(name: str, value: str, sql: bytes, pid: int, key: bytes) -> None:
    assert messages.read_parameter_status(body(messages.parameter_status(name, value))) == (name, value)
    assert messages.read_password(body(messages.password_message(value))) == value
    assert messages.read_query(body(messages.query(sql))) == sql
    assert messages.read_backend_key_data(body(messages.backend_key_data(pid, key))) == (pid, key)


@given(st.integers(0, 9999), st.lists(NAMES.filter(bool), max_size=4))
def test_negotiation_reads_back(minor: int, unknown: list[str]) -> None:
    assert messages.read_negotiation(body(messages.negotiate_protocol_version(minor, unknown))) == (
        minor,
        unknown,
    )


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_readers_raise_nothing_but_protocol_errors(reader: Callable[[bytes], Any]) -> None:
    @given(st.binary(max_size=60))
    def any_bytes(raw: bytes) -> None:
        try:
            reader(raw)
        except ProtocolError:
            return

    any_bytes()


GOOD: list[tuple[Callable[[bytes], Any], bytes]] = [
    (messages.read_query, messages.query("select 1")),
    (messages.read_parse, messages.parse("s", "select $1", [23, 0])),
    (messages.read_bind, messages.bind("p", "s", [b"1", None, b""], [0, 1, 0], [1])),
    (messages.read_named, messages.describe("P", "p")),
    (messages.read_execute, messages.execute("p", 5)),
    (messages.read_password, messages.password_message("token")),
    (messages.read_parameter_status, messages.parameter_status("a", "b")),
    (messages.read_ready_for_query, messages.ready_for_query(b"T")),
    (messages.row_description, messages.frame(b"T", b"\0\1id\0" + bytes(18))),
    (messages.data_row, messages.frame(b"D", b"\0\2\0\0\0\1x\xff\xff\xff\xff")),
    (messages.command_rows, messages.command_complete("SELECT 1")),
    (messages.read_notification, messages.frame(b"A", b"\0\0\0\1channel\0payload\0")),
]


@pytest.mark.parametrize(("reader", "frame"), GOOD, ids=lambda value: getattr(value, "__name__", ""))
def test_every_cut_and_every_tail_is_refused(reader: Callable[[bytes], Any], frame: bytes) -> None:
    whole = body(frame)
    reader(whole)
    for end in range(len(whole)):
        with pytest.raises(ProtocolError):
            reader(whole[:end])
    for tail in (b"\0", b"x", b"\0\0\0\0"):
        with pytest.raises(ProtocolError):
            reader(whole + tail)


def test_counts_reach_65535_and_no_further() -> None:
    most = [None] * 65_535
    assert len(messages.read_bind(body(messages.bind("", "", most))).values) == 65_535
    assert len(messages.read_parse(body(messages.parse("", "", [0] * 65_535))).types) == 65_535
    for build in (
        lambda: messages.bind("", "", [None] * 65_536),
        lambda: messages.bind("", "", [], [0] * 65_536),
        lambda: messages.bind("", "", [], [], [0] * 65_536),
        lambda: messages.parse("", "", [0] * 65_536),
        lambda: messages.copy_in_response(65_536),
    ):
        with pytest.raises(AssertionError):
            build()


class Long(bytes):
    """Bytes that claim a length, so that no test needs gigabytes."""

    def __len__(self) -> int:
        return 2**31 - 4


def test_a_length_that_would_wrap_is_never_built() -> None:
    for build in (
        lambda: messages.frame(b"d", Long()),
        lambda: messages.bind("", "", [Long()]),
    ):
        with pytest.raises(AssertionError):
            build()


@pytest.mark.parametrize(
    "build",
    [
        lambda: messages.query("select 1\0; drop table t"),
        lambda: messages.parse("a\0b", "select 1"),
        lambda: messages.parse("a", b"select\0 1"),
        lambda: messages.bind("a\0", "b"),
        lambda: messages.execute("\0"),
        lambda: messages.parameter_status("a\0b", "c"),
        lambda: messages.error_response("ERROR", "42501", "a\0Mb"),
        lambda: messages.startup_message([("user", "a\0database")]),
        lambda: messages.password_message("a\0"),
        lambda: messages.negotiate_protocol_version(2, ["a\0b"]),
        lambda: messages.backend_key_data(1, b"123"),
        lambda: messages.backend_key_data(1, bytes(257)),
        lambda: messages.ready_for_query(b"X"),
        lambda: messages.describe("X", ""),
        lambda: messages.close("", ""),
        lambda: messages.frame(b"", b""),
    ],
)
def test_builders_refuse_what_would_become_another_message(build: Callable[[], bytes]) -> None:
    with pytest.raises(AssertionError):
        build()


def test_the_frames_of_the_manual() -> None:
    assert messages.authentication_ok() == b"R\0\0\0\x08\0\0\0\0"
    assert messages.authentication_cleartext() == b"R\0\0\0\x08\0\0\0\x03"
    assert messages.ready_for_query() == b"Z\0\0\0\x05I"
    assert messages.copy_in_response(2) == b"G\0\0\0\x0b\0\0\2\0\0\0\0"
    assert messages.SSL_REQUEST == b"\0\0\0\x08\x04\xd2\x16\x2f"
    assert messages.cancel_request(1, b"abcd") == b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01abcd"
    assert messages.startup_message([("user", "a")]) == b"\0\0\0\x10\0\x03\0\0user\0a\0\0"
    assert messages.SYNC + messages.FLUSH + messages.TERMINATE == b"S\0\0\0\4H\0\0\0\4X\0\0\0\4"
    assert messages.sasl_initial("M", b"xy") == b"p\0\0\0\x0cM\0\0\0\0\x02xy"
    assert messages.sasl_response(b"xy") == b"p\0\0\0\x06xy"
    assert messages.command_complete("SET") == b"C\0\0\0\x08SET\0"


def test_an_error_carries_its_fields_and_nothing_empty() -> None:
    built = messages.error_response("FATAL", "28000", "no", hint="try")
    assert built[:1] == b"E"
    expected = {"S": "FATAL", "V": "FATAL", "C": "28000", "M": "no", "H": "try"}
    assert messages.read_error_fields(body(built)) == expected
    notice = messages.notice_response("NOTICE", "00000", "so", "because")
    assert notice[:1] == b"N"
    assert messages.read_error_fields(body(notice))["D"] == "because"


def test_a_replaced_error_keeps_the_severity_and_no_other_word_of_the_server() -> None:
    server = b"SFEHLER\0VERROR\0C26000\0Mprepared statement canary does not exist\0P7\0Fpg.c\0Wcanary\0\0"
    fields = messages.read_error_fields(body(messages.replace_error(server, "42501", "denied", hint="ask")))
    assert fields == {"S": "FEHLER", "V": "ERROR", "C": "42501", "M": "denied", "H": "ask"}
    bare = messages.read_error_fields(body(messages.replace_error(b"", "42501", "denied")))
    assert (bare["S"], bare["V"]) == ("ERROR", "ERROR")


@given(st.binary(max_size=80))
def test_error_fields_take_any_bytes_and_their_replacement_is_whole(raw: bytes) -> None:
    assert messages.read_error_fields(raw) is not None
    fields = messages.read_error_fields(body(messages.replace_error(raw, "42501", "denied")))
    assert (fields["C"], fields["M"]) == ("42501", "denied")


def test_a_row_description_gives_signed_and_unsigned_numbers() -> None:
    raw = (
        b"\0\2id\0"
        + b"\xff\xff\xff\xff"
        + b"\xff\xf9"
        + b"\0\0\0\x17"
        + b"\0\4"
        + b"\xff\xff\xff\xff"
        + b"\0\0"
        b"\xc3\xa4\xff\0" + bytes(4) + b"\0\0" + b"\0\0\0\x19" + b"\xff\xff" + b"\0\0\0\5" + b"\0\1"
    )
    assert messages.row_description(raw) == [
        Field("id", 4_294_967_295, -7, 23, 4, -1, 0),
        Field("ä\udcff", 0, 0, 25, -1, 5, 1),
    ]


@pytest.mark.parametrize(
    ("tag", "command", "rows"),
    [
        ("INSERT 0 5", "INSERT", 5),
        ("SELECT 12", "SELECT", 12),
        ("COPY 3", "COPY", 3),
        ("CREATE TABLE", "CREATE TABLE", None),
        ("BEGIN", "BEGIN", None),
        ("FETCH 0", "FETCH", 0),
        ("", "", None),
        ("7", "7", None),
        ("SELECT " + "9" * 5000, "SELECT " + "9" * 5000, None),
        ("SELECT ٣", "SELECT ٣", None),
    ],
)
def test_command_tags_give_command_and_rows(tag: str, command: str, rows: int | None) -> None:
    assert messages.command_rows(tag.encode() + b"\0") == (command, rows)


def test_function_calls_authentication_and_notifications_are_read() -> None:
    assert messages.read_function_call(b"\0\0\4\xd2rest") == 1234
    assert messages.read_authentication(b"\0\0\0\x05salt") == (5, b"salt")
    assert messages.read_notification(b"\0\0\0\7ch\0pay\0") == (7, "ch", "pay")


def test_error_texts_quote_no_value() -> None:
    lenient = (messages.read_function_call, messages.read_authentication)
    for reader in set(READERS) - set(lenient):
        with pytest.raises(ProtocolError) as caught:
            reader(b"canary" * 60)
        assert "canary" not in str(caught.value)
