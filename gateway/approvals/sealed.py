"""What only those who decide may read of a statement that waits: its text with literals, and its parameters.

It is kept encrypted (AES-GCM, bound to the request) until the decision, and then no more.
"""

import struct
import uuid

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.approvals.outcomes import Sample
from parser import messages
from parser.errors import ProtocolError

NONCE_BYTES = 12
TEXT_CHARACTERS_MAX = 64 * 1024
VALUE_CHARACTERS_MAX = 1024
# Types whose binary form is told as people write it (pg_type.oid): bool, the integers, the floats.
_NUMBERS = {(16, 1): "!?", (21, 2): "!h", (23, 4): "!i", (20, 8): "!q", (700, 4): "!f", (701, 8): "!d", (26, 4): "!I"}
_TEXTS = frozenset((25, 1043, 1042, 18, 19, 114, 705))  # text, varchar, bpchar, char, name, json, unknown
_UUID = 2950


class Shown(msgspec.Struct, frozen=True):
    """A statement as people read it. Values are texts; those in a binary format are told in hexadecimal digits. `samples`:
    rows of its preview, masked."""

    text: str
    parameters: tuple[str | None, ...] = ()
    samples: tuple[Sample, ...] = ()


class Secret(msgspec.Struct, frozen=True, array_like=True):
    """A statement as it was sent; `values` of a Bind, behind both names."""

    text: bytes
    types: bytes | None = None
    values: bytes | None = None
    samples: tuple[Sample, ...] = ()


def seal(secret: Secret, request_id: str, key: bytes, nonce: bytes) -> bytes:
    """`nonce`: NONCE_BYTES, never used before."""
    return nonce + AESGCM(key).encrypt(nonce, msgspec.msgpack.encode(secret), request_id.encode())


def unseal(sealed: bytes, request_id: str, key: bytes) -> Secret:
    """Raises ValueError for what was not sealed so."""
    try:
        content = AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], request_id.encode())
    except InvalidTag:
        raise ValueError("it was not sealed under this key for this request") from None
    return msgspec.msgpack.decode(content, type=Secret)


def shown(secret: Secret) -> Shown:
    """For those who decide. What is cut says so."""
    text = secret.text.decode("utf-8", "replace")
    values = () if secret.values is None else _values(secret.values, _types(secret.types or b""))
    return Shown(_cut(text, TEXT_CHARACTERS_MAX), values, secret.samples)


def _types(types: bytes) -> tuple[int, ...]:
    """The parameters' types as Parse gives them; 0 where the server finds out."""
    count = len(types) // 4
    return struct.unpack_from(f"!{count}I", types, 2) if len(types) == 2 + 4 * count else ()


def _values(values: bytes, types: tuple[int, ...]) -> tuple[str | None, ...]:
    try:
        read = messages.read_bind(b"\0\0" + values)
    except ProtocolError:
        return ("(they cannot be read)",)
    return tuple(
        None if value is None else _value(value, types[place] if place < len(types) else 0, _format(read.formats, place))
        for place, value in enumerate(read.values)
    )


def _value(value: bytes, type_oid: int, binary: int) -> str:
    if not binary or type_oid in _TEXTS:
        return _cut(value.decode("utf-8", "replace"), VALUE_CHARACTERS_MAX)
    number = _NUMBERS.get((type_oid, len(value)))
    if number is not None:
        return str(struct.unpack(number, value)[0])
    if type_oid == _UUID and len(value) == 16:
        return str(uuid.UUID(bytes=value))
    return _cut("\\x" + value.hex(), VALUE_CHARACTERS_MAX)


def _format(formats: tuple[int, ...], place: int) -> int:
    """As the protocol has it: none for text, one for all, or one each."""
    if len(formats) == 1:
        return formats[0]
    return formats[place] if place < len(formats) else 0


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]}… ({len(text) - characters} characters more)"
