"""What is packed by hand is what msgspec packs."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import packing, records
from gateway.audit.packing import Packer
from gateway.audit.segment import BODY

EDGES = st.one_of(
    st.sampled_from(
        [edge + step for bits in (7, 8, 15, 16, 31, 32, 33, 62) for edge in (2**bits,) for step in (-1, 0, 1)]
    ),
    st.integers(0, 2**62),
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
SIGNED = st.one_of(EDGES, st.integers(-(2**40), 0))
PACKER = Packer()  # one for all: nothing of a record stays behind for the next


def body(kind: int, seq: int, now: int, record: object) -> bytes:
    payload = msgspec.msgpack.encode(record)
    return BODY.pack(len(payload), kind, seq, now) + payload


@given(EDGES, EDGES, EDGES, EDGES, st.binary(max_size=255))
def test_intents_are_those_of_msgspec(seq: int, now: int, session: int, ruling: int, literals: bytes) -> None:
    record = records.Intent(session, ruling, literals=literals)
    assert PACKER.intent(seq, now, session, ruling, literals) == body(records.INTENT, seq, now, record)


@given(EDGES, EDGES, st.tuples(EDGES, EDGES, EDGES, EDGES), TEXTS, TEXTS, TEXTS, SIGNED)
def test_outcomes_are_those_of_msgspec(
    seq: int,
    now: int,
    numbers: tuple[int, int, int, int],
    status: str,
    command: str,
    sqlstate: str,
    took: int,
) -> None:
    intent, rows, nbytes, columns = numbers
    record = records.Outcome(intent, status, rows, nbytes, columns, command, sqlstate, took)  # type: ignore[arg-type]
    packed = PACKER.outcome(seq, now, intent, status, rows, nbytes, columns, command, sqlstate, took)
    assert packed == body(records.OUTCOME, seq, now, record)


def test_texts_that_are_remembered_are_bounded() -> None:
    packer = Packer()
    for number in range(2 * packing.TEXTS_MAX):
        packer.outcome(1, 1, 1, "ok", 0, 0, 0, f"TAG {number}", "", 0)
    assert len(packer._texts) <= packing.TEXTS_MAX
