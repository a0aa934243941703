"""The bodies of the two frames that every statement has, packed as msgspec would pack records.Intent and records.Outcome,
byte for byte, without making these objects: a third of the time (a test holds the two together).

Written for the compiler (setup.py). MessagePack: https://github.com/msgpack/msgpack/blob/master/spec.md.
"""

from typing import Final

import msgspec
from librt.strings import BytesWriter, write_i16_be, write_i32_be, write_i32_le, write_i64_be, write_i64_le
from mypy_extensions import i16, i32, i64, u8

from gateway.audit.records import INTENT, OUTCOME

TEXTS_MAX: Final = 1024  # packed texts that are remembered; full, the memory starts anew
_INTENT: Final = INTENT
_OUTCOME: Final = OUTCOME
_encode = msgspec.msgpack.Encoder().encode
_NOTHING: Final = 0xC0


class Packer:
    """Has its own buffer; used from one thread."""

    def __init__(self) -> None:
        self._out = BytesWriter()
        self._texts: dict[str, bytes] = {}

    def intent(self, seq: int, now_ns: int, session: int, ruling: int, literals: bytes) -> bytes:
        """The body of an intent without tags, approval and declaration: what stands in its frame behind the checksum.
        `session` and `ruling`: the numbers of their definitions; `literals`: fewer than 256 bytes."""
        out = self._out
        self._begin(_INTENT, seq, now_ns)
        out.append(0x96)
        self._number(session)
        self._number(ruling)
        out.append(_NOTHING)
        out.append(0xA0)
        out.append(0xC4)
        out.append(len(literals))
        out.write(literals)
        out.append(_NOTHING)
        return self._end()

    def outcome(
        self,
        seq: int,
        now_ns: int,
        intent: int,
        status: str,
        rows: int,
        nbytes: int,
        columns: int,
        command: str,
        sqlstate: str,
        duration_us: int,
    ) -> bytes:
        """The body of an outcome that changed no rows. Raises UnicodeEncodeError for texts that are not Unicode."""
        out = self._out
        self._begin(_OUTCOME, seq, now_ns)
        out.append(0x99)
        self._number(intent)
        out.write(self._text(status))
        self._number(rows)
        self._number(nbytes)
        self._number(columns)
        out.write(self._text(command))
        out.write(self._text(sqlstate))
        self._number(duration_us)
        out.append(_NOTHING)
        return self._end()

    def checked(self, crc: int, body: bytes) -> bytes:
        """The frame: the body behind its checksum."""
        out = self._out
        out.truncate(0)
        word: i64 = crc
        write_i32_le(out, i32(word if word < 0x80000000 else word - 0x100000000))
        out.write(body)
        return out.getvalue()

    def _begin(self, kind: int, seq: int, now_ns: int) -> None:
        out = self._out
        out.truncate(0)
        write_i32_le(out, 0)  # the length, known at the end
        out.append(kind)
        write_i64_le(out, i64(seq))
        write_i64_le(out, i64(now_ns))

    def _end(self) -> bytes:
        out = self._out
        length: i64 = len(out) - 21
        out[0] = u8(length & 0xFF)
        out[1] = u8(length >> 8)
        return out.getvalue()

    def _number(self, value: int) -> None:
        out = self._out
        number: i64 = value
        if number < 0:
            out.write(_encode(value))
        elif number < 0x80:
            out.append(value)
        elif number < 0x100:
            out.append(0xCC)
            out.append(value)
        elif number < 0x10000:
            out.append(0xCD)
            write_i16_be(out, i16(number if number < 0x8000 else number - 0x10000))
        elif number < 0x100000000:
            out.append(0xCE)
            write_i32_be(out, i32(number if number < 0x80000000 else number - 0x100000000))
        else:
            out.append(0xCF)
            write_i64_be(out, number)

    def _text(self, text: str) -> bytes:
        packed = self._texts.get(text)
        if packed is None:
            packed = _encode(text)
            if len(self._texts) >= TEXTS_MAX:
                self._texts.clear()
            self._texts[text] = packed
        return packed
