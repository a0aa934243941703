"""What goes to the server in place of tokens, and what of the client's masks does not go at all."""

import struct

import pytest

from gateway.masking.tokens import mint
from parser.messages import (
    bind,
    command_complete,
    describe,
    execute,
    parameter_status,
    parse,
    query,
    read_bind,
    read_parse,
    read_query,
)
from tests.gateway.session.rig import (
    ALL,
    BOUND,
    CLEAR,
    MASK_KEY,
    PARSED,
    READ,
    READY,
    SECRET,
    SYNC,
    WRITE,
    Rig,
    cut,
    failure,
    field,
    kinds,
)

MASKS = '[[mask]]\nlabels = ["email"]\nwith = "hash"\n[[mask]]\nlabels = ["card"]\nwith = "partial"\n'
TOKEN = mint(MASK_KEY, "email").token(SECRET)
MINE = TOKEN.decode()
FIND = "select id from customers where email = "
RULE = 'denied by "built-in: no masked values written back"'


def sent(rig: Rig, text: str) -> bytes:
    """The text of the Query that goes to the server."""
    (out,) = rig.ask(query(text))
    return read_query(out[5:])


def refusal_of(rig: Rig, *frames: bytes) -> str:
    """Why the server got something that fails instead."""
    out = b"".join(rig.ask(*frames))
    assert b"sluice_refused" in out
    for item in list(rig.session.queue):
        if item.refused is not None:
            break
        rig.say(PARSED)
    (error, *_) = rig.say(failure("42601"))
    assert field("C", error) == "42501"
    return field("M", error)


def test_token_in_a_query_becomes_its_value_of_the_same_length() -> None:
    rig = Rig(READ + MASKS)
    text = sent(rig, f"{FIND}'{MINE}' and city = 'x'")
    assert text.startswith(FIND.encode() + b"'" + SECRET + b"'  ")
    assert len(text) == len(f"{FIND}'{MINE}' and city = 'x'")


@pytest.mark.parametrize(
    "text",
    [
        f"select '{MINE}'", f"select id, '{MINE}' from customers where city = '{MINE}'", f"explain {FIND}'{MINE}'",
        f"{FIND}lower('{MINE}')", f"select id from customers where name = '{MINE}'",
        "select '[redacted]', '****1234'", f"select id as tok_id from customers where email = '{MINE}x'",
    ],
)  # fmt: skip
def test_reading_text_passes_as_it_is_where_a_value_could_flow(text: str) -> None:
    assert sent(Rig(READ + MASKS), text) == text.encode()


def test_who_sees_the_column_sends_what_he_wrote() -> None:
    text = f"{FIND}'{MINE}'"
    assert sent(Rig(CLEAR + MASKS), text) == text.encode()


def test_audit_holds_neither_the_token_nor_the_value() -> None:
    rig = Rig(READ + MASKS)
    sent(rig, f"{FIND}'{MINE}'")
    rig.say(command_complete("SELECT 0"), READY)
    trail = rig.chain.header + rig.chain.take(rig.now)
    assert SECRET not in trail
    assert TOKEN not in trail


def test_prepared_text_is_known_by_what_the_client_wrote() -> None:
    rig = Rig(READ + MASKS)
    out = rig.ask(parse("p", f"{FIND}'{MINE}'", (25,)), bind("", "p"), describe("P", ""), execute(""), SYNC)
    said = read_parse(out[0][5:])
    assert (said.name, said.types) == ("p", (25,))
    assert SECRET in said.sql
    assert kinds(out) == b"PBDES"
    held = rig.session.names.statement(b"p", rig.session.epoch - 1)
    assert held is not None
    assert held.sql == f"{FIND}'{MINE}'".encode()


@pytest.mark.parametrize("formats", [(), (0,), (1,), (0, 1)])
def test_parameter_that_only_filters_becomes_its_value(formats: tuple[int, ...]) -> None:
    rig = Rig(READ + MASKS)
    ask = [parse("", FIND + "$1 and city = $2"), bind("", "", (TOKEN, TOKEN), formats, (1,)), SYNC]
    said = read_bind(rig.ask(*ask)[1][5:])
    assert said.values == (SECRET, TOKEN), "city is not of the label"
    assert (said.formats, said.result_formats) == (formats, (1,))


def test_arrays_of_parameters_are_read_by_their_format() -> None:
    binary = struct.pack(">iiIiii", 1, 0, 25, 1, 1, len(TOKEN)) + TOKEN
    text = b"{a," + TOKEN + b"}"
    statement = "select id from customers where email = any($1) or email = any($2)"
    out = Rig(READ + MASKS).ask(parse("", statement), bind("", "", (text, binary), (0, 1)), SYNC)
    said = read_bind(out[1][5:])
    assert said.values == (
        b'{a,"' + SECRET + b'"}',
        struct.pack(">iiIiii", 1, 0, 25, 1, 1, len(SECRET)) + SECRET,
    )


@pytest.mark.parametrize(
    "statement",
    [
        "select $1::text from customers where email = $1", "select id from customers where email = $1 or lower($1) = 'x'",
        f"explain {FIND}$1", "select id from customers where name = $1", "select id from nowhere where email = $1",
    ],
)  # fmt: skip
def test_parameter_stays_where_its_value_could_flow(statement: str) -> None:
    out = Rig(READ + MASKS).ask(parse("", statement), bind("", "", (TOKEN,)), SYNC)
    assert read_bind(out[1][5:]).values == (TOKEN,)


def test_array_of_which_a_token_is_left_changes_nothing() -> None:
    other = mint(MASK_KEY, "name").token(b"Ann").decode()
    update = "update customers set city = 'x' where email <> all("
    assert refusal_of(Rig(WRITE + MASKS), query(f"{update}'{{{MINE},{other}}}')")).startswith(RULE)
    ask = [parse("", update + "$1)"), bind("", "", (f"{{{MINE},{other}}}".encode(),)), SYNC]
    assert "parameter 1" in refusal_of(Rig(WRITE + MASKS), *ask)
    assert SECRET in sent(Rig(READ + MASKS), f"select id from customers where email <> all('{{{MINE},{other}}}')")


def test_text_that_the_server_read_in_another_way_takes_no_values() -> None:
    rig = Rig(ALL + MASKS)
    rig.ask(parse("p", FIND + "$1"), SYNC)
    rig.say(PARSED, READY)
    rig.say(parameter_status("standard_conforming_strings", "off"))
    assert sent(rig, f"{FIND}'{MINE}'") == f"{FIND}'{MINE}'".encode()
    rig.say(command_complete("SELECT 0"), READY)
    assert read_bind(rig.ask(bind("", "p", (TOKEN,)), SYNC)[0][5:]).values == (TOKEN,)


def test_argument_of_execute_becomes_the_value() -> None:
    rig = Rig(READ + MASKS)
    rig.ask(query(f"prepare p(text) as {FIND}$1"))
    rig.say(command_complete("PREPARE"), READY)
    assert b"'" + SECRET + b"'" in sent(rig, f"execute p('{MINE}')")
    rig.say(command_complete("SELECT 1"), READY)
    rig.ask(query("prepare q(text) as select $1, id from customers where email = $1"))
    rig.say(command_complete("PREPARE"), READY)
    assert SECRET not in sent(rig, f"execute q('{MINE}')")


@pytest.mark.parametrize("value", [MINE, f"mail: {MINE}", MINE.upper(), "[redacted]", "****1234"])
@pytest.mark.parametrize(
    "text",
    [
        "update customers set city = '{}' where id = 1", "insert into orders (item) values (E'{}')",
        "insert into orders (item) select $${}$$ from customers", "select 1; update orders set item = '{}' where id = 1",
        "prepare p as update orders set item = '{}' where id = 1",
    ],
)  # fmt: skip
def test_mask_in_a_text_that_writes_is_refused(text: str, value: str) -> None:
    told = refusal_of(Rig(WRITE + MASKS), query(text.format(value)))
    assert told.startswith(RULE)
    assert value not in told
    assert refusal_of(Rig(WRITE + MASKS), parse("", text.format(value).replace("select 1;", "")), SYNC).startswith(RULE)


@pytest.mark.parametrize("value", [TOKEN, b"mail: " + TOKEN, b"[redacted]", b"****1234"])
def test_mask_in_a_parameter_that_is_written_is_refused_by_number(value: bytes) -> None:
    rig = Rig(WRITE + MASKS)
    statement = "update customers set city = $2 where id = $1"
    told = refusal_of(rig, parse("", statement), bind("", "", (b"1", value)), SYNC)
    assert told == f"{RULE}: parameter 2 holds what a masked column showed in place of its value"
    rig.say(READY)
    assert rig.outcomes() == [("UPDATE", "refused", 0)]


def test_write_that_filters_by_a_token_is_sent_with_the_value() -> None:
    assert SECRET in sent(Rig(WRITE + MASKS), f"update customers set city = 'x' where email = '{MINE}'")
    update = "update customers set city = $2 where email = $1"
    out = Rig(WRITE + MASKS).ask(parse("", update), bind("", "", (TOKEN, b"x")), SYNC)
    assert read_bind(out[1][5:]).values == (SECRET, b"x")


def test_token_that_cannot_be_replaced_in_a_write_is_refused_and_a_constant_there_is_not() -> None:
    refusal_of(Rig(WRITE + MASKS), query(f"update customers set city = 'x' where lower(email) = '{MINE}'"))
    refusal_of(Rig(WRITE + MASKS), query(f"update customers set city = 'x' where name <> '{MINE}'"))
    update = "update customers set city = 'x' where name = $1"
    refusal_of(Rig(WRITE + MASKS), parse("", update), bind("", "", (TOKEN,)), SYNC)
    text = "update customers set city = 'x' where name = '[redacted]'"
    assert sent(Rig(WRITE + MASKS), text) == text.encode()
    out = Rig(WRITE + MASKS).ask(parse("", update), bind("", "", (b"[redacted]",)), SYNC)
    assert kinds(out) == b"PBS"


def test_who_sees_everything_may_write_constants_and_no_tokens() -> None:
    text = "insert into orders (item) values ('[redacted]')"
    assert sent(Rig(CLEAR + MASKS), text) == text.encode()
    refusal_of(Rig(CLEAR + MASKS), query(f"insert into orders (item) values ('{MINE}')"))


def test_function_called_by_number_takes_no_token() -> None:
    body = struct.pack(">ihhi", 1598, 0, 1, len(TOKEN)) + TOKEN + struct.pack(">h", 0)
    call = b"F" + struct.pack(">i", len(body) + 4) + body
    assert refusal_of(Rig(CLEAR + MASKS), call).startswith(RULE)
    assert kinds(Rig(CLEAR + MASKS).ask(call.replace(TOKEN, b"x" * len(TOKEN)))) == b"F"


def test_text_too_long_to_be_looked_at_is_refused_where_it_writes() -> None:
    rows = ", ".join(["(1, 'x')"] * 45_000)
    rig = Rig(WRITE + MASKS, frame_bytes_max=1 << 24)
    assert "the statement holds" in refusal_of(rig, query(f"insert into orders (id, item) values {rows}, (2, '{MINE}')"))


def test_ordinary_frames_are_not_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(WRITE + MASKS)
    monkeypatch.setattr("gateway.session.masked_input.masks", lambda s: pytest.fail("nothing points at a mask"))
    rig.ask(query("select id from customers"))
    rig.say(command_complete("SELECT 0"), READY)
    rig.ask(parse("", "update orders set item = $1 where id = 1"), bind("", "", (b"x",)), SYNC)
    rig.say(PARSED, BOUND, READY)
    assert cut(rig.to_client)[-1] == READY
