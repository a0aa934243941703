"""In what form a result column's cells may carry personal data, by type and wire format."""

from enum import IntEnum

REDACTED_HEX = b"\\x" + b"[redacted]".hex().encode()

_FIRST_NORMAL_OID = (
    16384  # types made by users and extensions begin here: enums, citext, hstore, composites, ranges …
)

_TEXT = frozenset({25, 1043, 1042, 19, 705, 1790, 2275, 4072, 194})
_JSON, _JSONB, _XML, _BYTEA, _TSVECTOR = 114, 3802, 142, 17, 3614
_JSONPATH = 4072
_NESTED = frozenset(
    # text[] varchar[] bpchar[] name[] cstring[] json[] jsonb[] xml[] bytea[] jsonpath[] tsvector[], record, record[]
    {1009, 1015, 1014, 1003, 1263, 199, 3807, 143, 1001, 4073, 3643, 2249, 2287, 3615, 3645}
)


class Form(IntEnum):
    """How a cell is read: the wire format and the family of its type."""

    TEXT = 1  # any string is a value; the binary form is the same bytes
    JSON = 2
    JSONB_BINARY = 3  # a byte for the version, then as JSON
    XML = 4
    BYTEA = 5
    BYTEA_TEXT = 6  # \\x and hexadecimal digits, or escapes
    NESTED = 7  # arrays, records, ranges, hstore and types that are not known, as text
    NESTED_BINARY = 8  # the same in binary
    TSVECTOR_BINARY = 9


def form_of(type_oid: int, format_code: int) -> Form | None:
    """The form of a column's cells by pg_type's oid and the wire format (0 text, 1 binary); None: such a value cannot
    hold what is looked for. A domain comes with its base type's oid; a type that is not known may hold anything."""
    binary = format_code == 1
    if type_oid == _JSON:
        return Form.JSON
    if type_oid == _JSONB:
        return Form.JSONB_BINARY if binary else Form.JSON
    if type_oid == _XML:
        return Form.XML
    if type_oid == _BYTEA:
        return Form.BYTEA if binary else Form.BYTEA_TEXT
    if type_oid == _TSVECTOR:
        return Form.TSVECTOR_BINARY if binary else Form.NESTED
    if type_oid in _TEXT:
        return Form.NESTED_BINARY if binary and type_oid == _JSONPATH else Form.TEXT
    if type_oid in _NESTED or type_oid >= _FIRST_NORMAL_OID or type_oid == 0:
        return Form.NESTED_BINARY if binary else Form.NESTED
    return None
