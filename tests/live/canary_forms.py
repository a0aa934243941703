"""The canaries in every form in which a value could come out, and the search for them in what a client received."""

import re
import struct
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from hashlib import md5, sha256
from ipaddress import ip_address
from urllib.parse import unquote_to_bytes

WORD = "quaxil"  # in every text of the database that is sensitive
DIGITS = "7314691"  # in every number, whatever stands between the digits
BORN = date(1891, 7, 31)

_ROT13 = bytes.maketrans(
    bytes(range(97, 123)) + bytes(range(65, 91)),
    bytes(range(110, 123)) + bytes(range(97, 110)) + bytes(range(78, 91)) + bytes(range(65, 78)),
)
_MAILS = tuple(f"quaxil.{n}@example.com".encode() for n in range(1, 7))
_NUMBERS = tuple(f"731-46-91{10 + n}".encode() for n in range(1, 7))


def _base64(word: bytes) -> Iterable[bytes]:
    """What stands in base64 wherever the word begins in its group of three bytes."""
    for skipped, cut in ((0, 0), (1, 2), (2, 3)):
        whole = (skipped + len(word)) * 8 // 6
        yield b64encode(b"\0" * skipped + word)[cut:whole]


def _numeric(*digits: int) -> bytes:
    return struct.pack(f"!{len(digits)}h", *digits)


_DAYS = struct.pack("!i", (BORN - date(2000, 1, 1)).days)
_WORDS = tuple(form.encode() for form in (WORD, WORD.upper(), WORD.capitalize()))
# In the bytes as they came.
RAW: dict[str, bytes] = {
    **{f"base64 {n}": form for n, form in enumerate(form for word in _WORDS for form in _base64(word))},
    **{f"base64 of digits {n}": form for n, form in enumerate(_base64(b"731-46-91"))},
    "numeric": _numeric(7, 3146, 9100),
    "bigint": struct.pack("!q", 7314691000001)[:6],
    "double": struct.pack("!d", 73146.91),
    "point": struct.pack("!d", 73.14691),
    "date": b"\0\0\0\4" + _DAYS,
    "days since 1970": str((BORN - date(1970, 1, 1)).days).encode(),
    "timestamp": struct.pack("!q", (BORN - date(2000, 1, 1)).days * 86_400_000_000 + 27_106_910_000),
    "inet": ip_address("73.146.91.7").packed,
    "macaddr": bytes.fromhex("7314691abcde"),
    "bits": bytes.fromhex("7314691a"),
    **{f"md5 {n}": md5(one).digest() for n, one in enumerate((*_MAILS, *_NUMBERS))},
    **{f"sha256 {n}": sha256(one).digest() for n, one in enumerate((*_MAILS, *_NUMBERS))},
}
# Among letters and digits alone, in lower case: whatever stood between them.
PLAIN: dict[str, bytes] = {
    "word": WORD.encode(),
    "reversed": WORD[::-1].encode(),
    "rot13": WORD.encode().translate(_ROT13),
    "hex": WORD.encode().hex().encode(),
    "hex of capitals": WORD.upper().encode().hex().encode(),
    "hex of a name": WORD.capitalize().encode().hex().encode(),
    "utf-16": WORD.encode("utf-16-be").hex().encode(),
    "characters as numbers": "".join(str(ord(one)) for one in WORD).encode(),
    "characters in bits": "".join(f"{ord(one):08b}" for one in WORD).encode(),
    "bits of bytes": "".join(f"{ord(one):08b}"[::-1] for one in WORD).encode(),
    "digits": DIGITS.encode(),
    "digits reversed": DIGITS[::-1].encode(),
    "digits as hex": f"{7314691000001:x}".encode()[:8],
    "bit string": f"{0x7314691A:032b}".encode(),
    "number of bits": str(0x7314691A).encode(),
    "birth": b"18910731",
    "birth in another order": b"31071891",
    "birth in American": b"07311891",
    "birth in words": b"jul311891",
    "inet in hex": ip_address("73.146.91.7").packed.hex().encode(),
    **{f"md5 in hex {n}": md5(one).hexdigest().encode() for n, one in enumerate((*_MAILS, *_NUMBERS))},
    **{f"sha256 in hex {n}": sha256(one).hexdigest().encode() for n, one in enumerate((*_MAILS, *_NUMBERS))},
}
_RAW = re.compile(b"|".join(re.escape(form) for form in dict.fromkeys(RAW.values())), re.DOTALL)
_PLAIN = re.compile(b"|".join(dict.fromkeys(PLAIN.values())))
_OTHERS = bytes(one for one in range(256) if not chr(one).isalnum() or one > 127)
_LOWER = bytes(ord(chr(one).lower()) if one < 128 else one for one in range(256))
_ESCAPED = re.compile(rb"\\u00([0-9a-fA-F]{2})|\\([0-7]{3})|&#x?([0-9a-fA-F]{2,3});")


@dataclass(slots=True)
class Received:
    """All that a client got. `columns`: the cells of each result column, one after the other, so that a value in pieces is
    whole again; `messages`: everything else as it came."""

    messages: bytearray = field(default_factory=bytearray)
    columns: list[bytearray] = field(default_factory=list)
    copied: bytearray = field(default_factory=bytearray)

    def take(self, kind: bytes, body: bytes) -> None:
        """One message of the server."""
        self.messages += body + b"\n"
        if kind == b"d":
            self.copied += body
        elif kind == b"T":
            self.columns.append(bytearray())
        elif kind == b"D":
            at, count = 2, struct.unpack_from("!h", body)[0]
            while len(self.columns) < count + 1:
                self.columns.append(bytearray())
            for n in range(count):
                size = struct.unpack_from("!i", body, at)[0]
                cell = body[at + 4 : at + 4 + max(size, 0)]
                at += 4 + max(size, 0)
                self.columns[n + 1] += cell
                self.columns[0] += cell  # the row's cells side by side
            self.columns[0] += b"\n"

    def streams(self) -> Iterable[bytes]:
        """Every reading of what came."""
        yield bytes(self.messages)
        yield bytes(self.copied)
        yield from (bytes(column) for column in self.columns)


def found(received: Received) -> set[str]:
    """The forms of canaries in it."""
    hits: set[str] = set()
    for stream in received.streams():
        readings = [stream]
        if b"\\" in stream or b"&#" in stream:
            readings.append(_ESCAPED.sub(_unescaped, stream))
        if b"%" in stream:
            readings.append(unquote_to_bytes(stream))
        for reading in readings:
            if _RAW.search(reading):
                hits.update(name for name, form in RAW.items() if form in reading)
            letters = reading.translate(_LOWER, _OTHERS)
            if _PLAIN.search(letters):
                hits.update(name for name, form in PLAIN.items() if form in letters)
    return hits


def _unescaped(escape: re.Match[bytes]) -> bytes:
    if escape[2]:
        return bytes([int(escape[2], 8) & 255])
    return bytes([int(escape[1] or escape[3], 16) & 255])
