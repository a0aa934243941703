"""COPY … FROM STDIN with a mask in its data fails in our words, wherever its frames and pieces are cut."""

import pytest

from gateway.masking.tokens import mint
from parser.messages import (
    bind,
    command_complete,
    copy_in_response,
    error_response,
    execute,
    frame,
    parse,
    query,
)
from tests.gateway.session.rig import (
    BOUND,
    CLEAR,
    COPY_DONE,
    MASK_KEY,
    NO_DATA,
    PARSED,
    READY,
    SYNC,
    WRITE,
    Rig,
    cut,
    failure,
    field,
    kinds,
)

COPY = query("copy orders (id, item) from stdin")
TOKEN = mint(MASK_KEY, "email").token(b"ann@shop.example")
ROWS = b"1\tx\n2\ty\n"
ENDED = error_response("ERROR", "57014", "COPY from stdin failed: a masked value")
GOING = command_complete("COPY 3")


def copying(policy: str = WRITE) -> Rig:
    rig = Rig(policy)
    rig.ask(COPY)
    rig.say(copy_in_response(2))
    return rig


def told(rig: Rig) -> str:
    """Our words for the server's error; the session is as before the COPY."""
    error, ready = rig.say(ENDED, READY)
    assert ready == READY
    assert field("C", error) == "42501"
    assert rig.ask(query("select 1")) == [query("select 1")]
    return field("M", error)


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_copy_with_a_token_is_ended_as_failed(size: int) -> None:
    rig = copying()
    data = ROWS + b"3\t" + TOKEN + b"\n" + ROWS
    frames = [frame(b"d", data[at : at + size]) for at in range(0, len(data), size)]
    out = rig.ask(*frames, COPY_DONE)
    assert kinds(out).endswith(b"f")
    assert b"c" not in kinds(out)
    assert told(rig).endswith("COPY line 3 holds what a masked column showed in place of its value")
    assert ("COPY FROM", "refused", 0) in rig.outcomes()


@pytest.mark.parametrize("size", [1, 7, 64])
def test_mask_in_a_long_frame_that_comes_in_pieces_ends_the_copy_behind_the_frame(size: int) -> None:
    rig = copying()
    whole = frame(b"d", ROWS + b"3\t" + TOKEN + b"\n" + ROWS * 10_000)
    stream = whole + COPY_DONE
    for at in range(0, 200, size):
        rig.ask(stream[at : at + size])
    rig.ask(stream[at + size :])
    sent = rig.to_server[len(COPY) :]
    assert sent.startswith(whole[:5])
    assert kinds(cut(sent)) == b"df"
    assert "COPY line 3" in told(rig)


def test_what_comes_behind_a_mask_is_dropped() -> None:
    rig = copying()
    big = frame(b"d", (b"3\t" + TOKEN + b"\n") * 1000)
    assert kinds(rig.ask(big)) == b"df"
    assert rig.ask(frame(b"d", ROWS), frame(b"d", b"x" * 100)[:50]) == []
    assert rig.ask(b"x" * 55) == []
    assert rig.ask(COPY_DONE) == []
    told(rig)


def test_error_that_comes_before_the_client_has_ended_leaves_the_rest_dropped() -> None:
    rig = copying()
    rig.ask(frame(b"d", (b"3\t" + TOKEN + b"\n") * 1000))
    error, ready = rig.say(ENDED, READY)
    assert (field("C", error), ready) == ("42501", READY)
    assert rig.ask(frame(b"d", ROWS), COPY_DONE) == []
    assert rig.ask(query("select 1")) == [query("select 1")]


def test_data_sent_before_the_server_takes_it_is_looked_at_too() -> None:
    rig = Rig(WRITE)
    out = rig.ask(COPY, frame(b"d", b"1\t" + TOKEN + b"\n"), COPY_DONE)
    assert kinds(out) == b"Qdf"
    assert kinds(rig.say(copy_in_response(2), ENDED, READY)) == b"GEZ"
    assert rig.ask(query("select 1")) == [query("select 1")]


def test_copy_by_execute_fails_up_to_its_sync() -> None:
    rig = Rig(WRITE)
    rig.ask(parse("", "copy orders (id, item) from stdin"), bind("", ""), execute(""), SYNC)
    rig.say(PARSED, BOUND, NO_DATA, copy_in_response(2))
    out = rig.ask(frame(b"d", b"1\t" + TOKEN + b"\n"), COPY_DONE, SYNC)
    assert kinds(out) == b"dfS"
    assert kinds(rig.say(ENDED, READY)) == b"EZ"
    assert rig.ask(query("select 1")) == [query("select 1")]


def test_client_that_gives_up_itself_is_told_of_the_mask() -> None:
    rig = copying()
    assert kinds(rig.ask(frame(b"d", b"1\t" + TOKEN + b"\n"), frame(b"f", b"never mind\0"))) == b"df"
    told(rig)


def test_clear_data_passes_byte_for_byte_and_each_copy_is_looked_at_anew() -> None:
    rig = copying()
    data = [frame(b"d", ROWS), frame(b"d", b"3\tnot a tok_en\n")]
    assert rig.ask(*data, COPY_DONE) == [*data, COPY_DONE]
    rig.say(GOING, READY)
    rig.ask(COPY)
    rig.say(copy_in_response(2))
    assert kinds(rig.ask(frame(b"d", ROWS), frame(b"d", b"3\t" + TOKEN + b"\n"), COPY_DONE)) == b"ddf"
    assert "COPY line 3" in told(rig)


def test_constants_are_data_to_those_who_see_everything() -> None:
    rig = copying(CLEAR)
    data = frame(b"d", b"1\t[redacted]\n")
    assert rig.ask(data, COPY_DONE) == [data, COPY_DONE]
    assert kinds(copying(WRITE).ask(data, COPY_DONE)) == b"df"


def test_servers_own_failure_during_a_copy_stays_its_own() -> None:
    rig = copying()
    rig.ask(frame(b"d", ROWS))
    error, _ = rig.say(failure("22P04"), READY)
    assert field("C", error) == "22P04"
    assert rig.ask(COPY_DONE) == []
