"""In what form a key's cell comes, by type and wire format, and the canonical forms of those that take work.

Where equal values may be written in several ways (a timestamp in any time zone, 1.50 and 1.5) they are brought to one.
Text in a DateStyle other than ISO is not read: such keys count as not known, and that is said.
"""

import re
from datetime import date, datetime, timedelta
from struct import Struct, error
from typing import Final

AS_IT_IS: Final = 0
BLANK_PADDED: Final = 1
INT2_BINARY: Final = 2
INT4_BINARY: Final = 3
INT8_BINARY: Final = 4
UUID_TEXT: Final = 5
BOOL_BINARY: Final = 6
OTHER_TEXT: Final = 7
OTHER_BINARY: Final = 8

_FAMILIES: Final = {
    16: "b", 20: "i", 21: "i", 23: "i", 26: "i", 25: "t", 19: "t", 1043: "t", 1042: "c",
    2950: "u", 1082: "d", 1114: "s", 1184: "z", 1700: "n",
}  # fmt: skip
_BINARY: Final = {
    16: BOOL_BINARY, 20: INT8_BINARY, 21: INT2_BINARY, 23: INT4_BINARY, 25: AS_IT_IS, 19: AS_IT_IS, 1043: AS_IT_IS,
    1042: BLANK_PADDED, 2950: AS_IT_IS,
}  # fmt: skip
_TEXT: Final = {1042: BLANK_PADDED, 2950: UUID_TEXT, 1082: OTHER_TEXT, 1114: OTHER_TEXT, 1184: OTHER_TEXT, 1700: OTHER_TEXT}

_EPOCH: Final = datetime(2000, 1, 1)  # PostgreSQL's own, without a zone as `timestamp` is
_DATE: Final = re.compile(rb"\d{4,7}-\d\d-\d\d(?: BC)?|-?infinity")
_MOMENT: Final = re.compile(
    rb"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d(?::\d\d(?::\d\d)?)?)?"
)
_NUMBER: Final = re.compile(rb"(-?)0*(\d+)(?:\.(\d*?)0*)?")
_U32: Final = Struct(">I").unpack
_I32: Final = Struct(">i").unpack
_I64: Final = Struct(">q").unpack
_NUMERIC: Final = Struct(">hhHh")
_NEGATIVE: Final = 0x4000


def family_of(type_oid: int) -> str | None:
    """The family's letter (see key_cells) of a pg_type oid, domains by their base type; None: it has no canonical form."""
    return _FAMILIES.get(type_oid)


def form_of(type_oid: int, *, binary: bool) -> int:
    """In what form cells of a type that has a family come."""
    return _BINARY.get(type_oid, OTHER_BINARY) if binary else _TEXT.get(type_oid, AS_IT_IS)


def slow(cell: bytes, form: int, family: str) -> bytes | None:
    """The canonical form of a cell of the families d, s, z and n, and of a binary oid; None where it is none."""
    try:
        return _of_binary(cell, family) if form == OTHER_BINARY else _of_text(cell, family)
    except (error, OverflowError, ValueError):
        return None


def given(text: str, family: str) -> bytes:
    """The canonical form of a value that somebody typed. Raises ValueError where it is none of the family."""
    if family == "i":
        return str(int(text)).encode()
    if family == "u":
        raw = bytes.fromhex(text.strip().strip("{}").replace("-", ""))
        if len(raw) != 16:
            raise ValueError("a uuid has 32 hexadecimal digits")
        return raw
    if family == "b":
        if text.lower() not in ("t", "f", "true", "false"):
            raise ValueError("a boolean is true or false")
        return text[:1].lower().encode()
    if family == "c":
        return text.rstrip(" ").encode()
    if family == "t":
        return text.encode()
    form = _of_text(text.strip().encode(), family)
    if form is None:
        raise ValueError("not a value of the column's type")
    return form


def _of_text(cell: bytes, family: str) -> bytes | None:
    if family == "n":
        found = _NUMBER.fullmatch(cell)
        if found is None:
            return cell if cell in (b"NaN", b"Infinity", b"-Infinity") else None
        sign, whole, fraction = found.groups()
        value = whole + b"." + fraction if fraction else whole
        return value if value == b"0" else sign + value
    if family == "d":
        return cell if _DATE.fullmatch(cell) else None
    if cell in (b"infinity", b"-infinity"):
        return cell
    found = _MOMENT.fullmatch(cell)
    if found is None:
        return None
    *parts, micro, zone = found.groups()
    moment = datetime(*[int(part) for part in parts], microsecond=int((micro or b"0").ljust(6, b"0")))  # type: ignore[misc,arg-type]
    if (zone is not None) != (family == "z"):
        return None
    return _written(moment - _offset(zone), family)


def _offset(zone: bytes | None) -> timedelta:
    if zone is None or zone == b"Z":
        return timedelta()
    hours, minutes, seconds = [*[int(part) for part in zone[1:].split(b":")], 0, 0][:3]
    ahead = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return -ahead if zone[:1] == b"-" else ahead


def _written(moment: datetime, family: str) -> bytes:
    return moment.isoformat(" ", "microseconds").encode() + (b"Z" if family == "z" else b"")


def _of_binary(cell: bytes, family: str) -> bytes | None:
    if family == "i":  # oid; the others have forms of their own
        return str(_U32(cell)[0]).encode()
    if family == "n":
        return _numeric(cell)
    if family == "d":
        days = int(_I32(cell)[0])
        if days in (2**31 - 1, -(2**31)):
            return b"infinity" if days > 0 else b"-infinity"
        return (date(2000, 1, 1) + timedelta(days)).isoformat().encode()
    micros = int(_I64(cell)[0])
    if micros in (2**63 - 1, -(2**63)):
        return b"infinity" if micros > 0 else b"-infinity"
    return _written(_EPOCH + timedelta(microseconds=micros), family)


def _numeric(cell: bytes) -> bytes | None:
    """numeric_send (numeric.c): how many digits of base 10,000, the power of the first, sign, scale, the digits."""
    count, weight, sign, _ = _NUMERIC.unpack_from(cell)
    digits = Struct(f">{count}h").unpack(cell[_NUMERIC.size :])
    if sign not in (0, _NEGATIVE):
        return {0xC000: b"NaN", 0xD000: b"Infinity", 0xF000: b"-Infinity"}.get(sign)
    places = [f"{digits[at] if 0 <= at < count else 0:04d}" for at in range(weight + 1)]
    below = ["0000"] * max(0, -weight - 1) + [f"{digit:04d}" for digit in digits[max(0, weight + 1) :]]
    text = ("-" if sign else "") + ("".join(places) or "0") + "." + ("".join(below) or "0")
    return _of_text(text.encode(), "n")
