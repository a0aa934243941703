"""The search for canaries finds each form that it names, in pieces and in disguise, and nothing in an innocent stream."""

import json
from base64 import b64encode
from struct import pack
from urllib.parse import quote

import pytest

from tests.live.canary_forms import PLAIN, RAW, Received, found


def received(*messages: tuple[bytes, bytes]) -> Received:
    all_of_it = Received()
    for kind, body in messages:
        all_of_it.take(kind, body)
    return all_of_it


def row(*cells: bytes) -> tuple[bytes, bytes]:
    return b"D", pack("!h", len(cells)) + b"".join(pack("!i", len(one)) + one for one in cells)


@pytest.mark.parametrize("name", [*RAW, *PLAIN])
def test_each_form_is_found_wherever_it_stands(name: str) -> None:
    form = RAW.get(name) or PLAIN[name]
    error, notification = (b"E", b"M" + form + b"\0\0"), (b"A", b"\0\0\0\1c\0" + form + b"\0")
    for message in (row(b"\0" + form + b"\1"), error, notification, (b"d", form)):
        assert name in found(received(message))


@pytest.mark.parametrize(
    "rows",
    [
        [[one] for one in b"quaxil".decode()],
        [list("quaxil")],
        [[f"{n}", one] for n, one in enumerate("quaxil")],
        [["Q u-A_x.I|l"]],
        [["lixauq"]],
        [["731.46-91"]],
        [[str(ord(one))] for one in "quaxil"],
        [["".join(f"\\u{ord(one):04x}" for one in "quaxil")]],
        [["".join(f"\\{ord(one):03o}" for one in "quaxil")]],
        [["".join(f"&#{ord(one):x};" for one in "quaxil")]],
        [["".join(f"%{ord(one):02x}" for one in "quaxil")]],
        [[quote("quaxil@")]],
        [[json.dumps({"a": "quaxil"})]],
        *[[[b64encode(b"x" * n + b"quaxil and more").decode()]] for n in range(3)],
    ],
)
def test_pieces_and_disguises_are_seen_through(rows: list[list[str]]) -> None:
    assert found(received(*(row(*(cell.encode() for cell in one)) for one in rows)))


def test_innocent_streams_hold_none() -> None:
    innocent = received(row(b"Oslo", b"2026-01-01", pack("!q", 12345)), (b"C", b"SELECT 1\0"), (b"d", b"1\tLima\n"))
    assert found(innocent) == set()
