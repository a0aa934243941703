"""What a listener who does not see everything may read of a payload: ids and names, never a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.basis import MaskBasis
from gateway.masking.notifications import Listening
from parser.messages import frame
from tests.gateway.masking.shop import GENERATED, basis_of

GUARDED = Listening(basis_of("select 1"))


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"42", b"orders", b"orders:42", b"done", b"INSERT", b"job_ready", b"12,13,14",
        b"0190e0a1-7f00-7c4e-9d6e-2f1c8f6d0b1a", b'{"table": "orders", "action": "UPDATE", "id": 5, "new": null}',
        b"customers/42/updated", b"refresh item",
    ],
)  # fmt: skip
def test_queues_caches_and_change_feeds_keep_working(payload: bytes) -> None:
    assert GUARDED.passable(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"ann@example.com", b"Ann", b"ann smith", b"901-11-1111", b"901111111", b"1981-01-11", b"19810111", b"10.0.0.1",
        b"91111.11", b"+1 555 010 1111", b'{"id": 5, "salary": 91111}', b'{"id": 5, "item": "Ann"}', b"4111111111111111",
        "Zo\u00eb".encode(), b"x" * 8001, b"email", b"0190e0a1-7f00-7c4e-9d6e-2f1c8f6d0b1a@x.org",
    ],
)  # fmt: skip
def test_what_may_be_a_row_is_masked(payload: bytes) -> None:
    assert not GUARDED.passable(payload)


def notified(channel: bytes, payload: bytes) -> bytes:
    return frame(b"A", b"\0\0\0\7" + channel + b"\0" + payload + b"\0")


def test_masked_payload_keeps_process_and_channel() -> None:
    assert GUARDED.heard(notified(b"jobs", b"5")) is None
    assert GUARDED.heard(notified(b"jobs", b"ann@example.com")) == notified(b"jobs", b"[redacted]")


ALL_LABELS = ["email", "name", "salary", "dob", "card", "iban", f"public.invoices.{GENERATED}"]


@pytest.mark.parametrize("basis", [basis_of("select 1", ["*"]), basis_of("select 1", ALL_LABELS)])
def test_who_sees_all_hears_all(basis: MaskBasis) -> None:
    assert Listening(basis).heard(notified(b"c", b"ann@example.com")) is None


@given(st.binary(max_size=60))
def test_any_bytes_are_judged(payload: bytes) -> None:
    heard = GUARDED.heard(notified(b"c", payload.replace(b"\0", b"")))
    assert heard is None or heard == notified(b"c", b"[redacted]")
