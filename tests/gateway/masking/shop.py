"""What the tests of masking share: a small catalogue, rights, facts read by the parser, and messages."""

import struct
from collections.abc import Mapping, Sequence

from gateway.classify.catalog import Catalog, CatalogFunction
from gateway.classify.content import Finding
from gateway.classify.draft import ColumnRow, RelationRow, ViewRow
from gateway.classify.snapshot import build
from gateway.masking.basis import MaskBasis, basis
from gateway.policy.rails import Rails
from gateway.policy.rights import Rights
from gateway.policy.rules import Mask
from parser.facts import Facts
from parser.messages import data_row as cells_of
from parser.messages import frame
from parser.routines import ABOUT_DEFINITIONS, COUNTING, PURE
from parser.statements import read

INT4, TEXT, VARCHAR, DATE, NUMERIC, JSONB = 23, 25, 1043, 1082, 1700, 3802
CUSTOMERS, ORDERS, CONTACTS, PG_CLASS, PG_STATS, INVOICES = 1000, 2000, 3000, 1259, 4000, 5000
GENERATED = "check_digits"  # a generated column

_COLUMNS: dict[int, tuple[str, str, str, list[tuple[str, int]]]] = {
    CUSTOMERS: (
        "public", "customers", "r",
        [("id", INT4), ("name", TEXT), ("email", VARCHAR), ("city", TEXT), ("salary", NUMERIC), ("birth_date", DATE),
         ("card_number", TEXT)],
    ),
    ORDERS: ("public", "orders", "r", [("id", INT4), ("customer_id", INT4), ("total", NUMERIC), ("item", TEXT)]),
    CONTACTS: ("public", "contacts", "v", [("who", TEXT), ("place", TEXT)]),
    INVOICES: ("public", "invoices", "r", [("id", INT4), (GENERATED, TEXT), ("iban", TEXT)]),
    PG_CLASS: ("pg_catalog", "pg_class", "r", [("oid", 26), ("relname", 19)]),
    PG_STATS: ("pg_catalog", "pg_stats", "v", [("attname", 19), ("most_common_vals", 2277)]),
}  # fmt: skip
# PostgreSQL's own functions that only compute.
COMPUTING = PURE | COUNTING | ABOUT_DEFINITIONS
_FUNCTIONS = [
    CatalogFunction("pg_catalog", name, "i", "internal", False, True)
    for name in sorted(COMPUTING | {"query_to_xml"})
] + [
    CatalogFunction("public", "peek", "v", "sql", False, False),
    CatalogFunction("public", "max", "i", "c", False, False),
]


# What a sample would have shown.
_CLEAN = Finding(clean=True)
_FINDINGS = {CUSTOMERS: {"city": _CLEAN}, ORDERS: {"item": _CLEAN}}


def catalog(corrections: Mapping[str, str] | None = None, *, shadow: str | None = None, sampled: bool = True) -> Catalog:
    """`shadow`: a function of this name that somebody made in public. `sampled`: what holds nothing personal is known to."""
    functions = list(_FUNCTIONS)
    if shadow is not None:
        functions.append(CatalogFunction("public", shadow, "v", "plpgsql", False, False))
    return build(
        1,
        [RelationRow(oid, schema, name, kind) for oid, (schema, name, kind, _) in _COLUMNS.items()],
        [
            ColumnRow(oid, number, name, type_oid, name == GENERATED)
            for oid, (_, _, _, columns) in _COLUMNS.items()
            for number, (name, type_oid) in enumerate(columns, 1)
        ],
        functions,
        [],
        [
            ViewRow(
                CONTACTS,
                b"SELECT name AS who, city AS place FROM public.customers",
                frozenset({CUSTOMERS}),
                frozenset(),
            )
        ],
        corrections or {},
        read,
        findings=_FINDINGS if sampled else None,
        primary=[(CUSTOMERS, (1,)), (ORDERS, (1,))],
    )


def rights(unmask: Sequence[str] = (), masks: Sequence[Mask] = ()) -> Rights:
    return Rights(
        key=("k",),
        role=None,
        allow=frozenset({"read"}),
        unmask=frozenset(unmask),
        unmask_as=frozenset(),
        sides=((),),
        guardrails=Rails(()),
        masks={label: mask for mask in masks for label in mask.labels},
        classify=(),
        until=float("inf"),
        database="prod",
        environment="production",
        generation=1,
        lasting=frozenset({"read"}),
    )


def facts(sql: str) -> Facts:
    (found,) = read(sql.encode())
    return found


def basis_of(
    sql: str,
    unmask: Sequence[str] = (),
    masks: Sequence[Mask] = (),
    *,
    key: bytes = b"",
    made: frozenset[str] = frozenset(),
    known: Catalog | None = None,
) -> MaskBasis:
    return basis(facts(sql), rights(unmask, masks), known or catalog(), key=key, made=made)


def description(*fields: tuple[str, int, int, int]) -> bytes:
    """The body of a RowDescription of (name, table oid, column number, type oid)."""
    body = struct.pack(">H", len(fields))
    for name, table, number, type_oid in fields:
        body += name.encode() + b"\0" + struct.pack(">IhIhih", table, number, type_oid, -1, -1, 0)
    return body


def data_row(*cells: bytes | None) -> bytes:
    body = struct.pack(">H", len(cells))
    for cell in cells:
        body += struct.pack(">i", -1) if cell is None else struct.pack(">i", len(cell)) + cell
    return frame(b"D", body)


def decoded(frames: bytes) -> list[list[bytes | None]]:
    """The cells of DataRow frames, row by row."""
    found, at = [], 0
    while at < len(frames):
        assert frames[at : at + 1] == b"D"
        (length,) = struct.unpack_from(">I", frames, at + 1)
        found.append(cells_of(frames[at + 5 : at + 1 + length]))
        at += 1 + length
    return found
