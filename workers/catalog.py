"""Reading a database's catalogue over the gateway's own connection (PostgreSQL 13 to 18), and a cheap mark of its state."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, Protocol

import trio

from gateway.classify.behind import BodyRow, Calling
from gateway.classify.catalog import Catalog, CatalogFunction
from gateway.classify.draft import ColumnRow, GeneratedRow, RelationRow, ViewRow
from gateway.classify.evidence import Told, sample_kind, spoken
from gateway.classify.learned import Learned
from gateway.classify.snapshot import build
from gateway.classify.verdicts import Findings
from gateway.errors import Unavailable
from gateway.policy.rules import Classify
from parser.known import Calls
from parser.plpgsql import plain
from parser.statements import read as read_statements
from workers.samples import FIRST_SECONDS, Samples, Table, Wanted

# One message is one transaction: what follows sees one state of the catalogue, whatever runs beside it. The first column
# tells which query a row belongs to. Domains are followed to their base type here.
_SNAPSHOT = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT 'r', c.oid, n.nspname, c.relname, c.relkind, c.relfilenode, c.relpages, c.reltuples::pg_catalog.int8,
       c.oid >= 16384 AND c.relkind = 'r' AND n.nspname !~ '^pg_' AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 't');
WITH RECURSIVE based (domain, base) AS (
  SELECT t.oid, t.typbasetype FROM pg_catalog.pg_type t WHERE t.typtype = 'd'
  UNION ALL
  SELECT b.domain, t.typbasetype FROM based b JOIN pg_catalog.pg_type t ON t.oid = b.base WHERE t.typtype = 'd'
), domains (domain, base) AS (
  SELECT b.domain, b.base FROM based b JOIN pg_catalog.pg_type t ON t.oid = b.base WHERE t.typtype <> 'd'
)
SELECT 'c', a.attrelid, a.attnum, a.attname, coalesce(d.base, a.atttypid), a.attgenerated <> '',
       a.atttypid::text || '/' || a.atttypmod::text,
       CASE WHEN c.oid >= 16384 THEN b.typname END, CASE WHEN c.oid >= 16384 THEN b.typcategory END,
       CASE WHEN d.domain IS NOT NULL THEN t.typname END, pg_catalog.substr(h.description, 1, 300)
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  LEFT JOIN domains d ON d.domain = a.atttypid
  LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_type b ON b.oid = coalesce(d.base, a.atttypid)
  LEFT JOIN pg_catalog.pg_description h ON c.oid >= 16384 AND h.objoid = c.oid AND h.objsubid = a.attnum
   AND h.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 't');
WITH parts AS (
  SELECT a.aggfnoid::oid AS aggregate, pg_catalog.max(p.provolatile::text) AS volatility,
         pg_catalog.bool_or(p.prosecdef) AS definer,
         pg_catalog.bool_and(l.lanname IN ('internal', 'c') AND p.provolatile = 'i') AS compiled
    FROM pg_catalog.pg_aggregate a
    JOIN pg_catalog.pg_proc p
      ON p.oid IN (a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn, a.aggcombinefn)
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
   WHERE a.aggfnoid::oid >= 16384
   GROUP BY a.aggfnoid
)
SELECT 'f', p.oid, n.nspname, p.proname, coalesce(x.volatility, p.provolatile::text),
       CASE WHEN x.compiled THEN 'internal' WHEN x.compiled IS NULL THEN l.lanname::text ELSE 'aggregate' END,
       coalesce(x.definer, p.prosecdef), p.proretset,
       CASE WHEN p.prokind = 'p' OR (t.typtype = 'd' AND b.typtype IN ('c', 'd')) THEN NULL
            WHEN t.typtype = 'c' THEN coalesce((
              SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum)::text FROM pg_catalog.pg_attribute a
               WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '[]')
            WHEN o.named IS NOT NULL AND (t.typname = 'record' OR t.typtype <> 'p') THEN o.named::text
            WHEN t.typname IN
              ('record', 'anyelement', 'anynonarray', 'anycompatible', 'anycompatiblenonarray') THEN NULL
            ELSE '[]' END,
       CASE WHEN l.lanname = 'plpgsql' THEN p.prosrc END
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang JOIN pg_catalog.pg_type t ON t.oid = p.prorettype
  LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype LEFT JOIN parts x ON x.aggregate = p.oid
  LEFT JOIN LATERAL (
    SELECT pg_catalog.json_agg(u.name ORDER BY u.place) AS named
      FROM ROWS FROM (pg_catalog.unnest(p.proargmodes), pg_catalog.unnest(p.proargnames))
           WITH ORDINALITY u (mode, name, place)
     WHERE u.mode IN ('o', 'b', 't')
  ) o ON p.proargmodes IS NOT NULL;
SELECT 'o', o.oprname, n.nspname, p.proname
  FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE o.oid >= 16384 AND l.lanname <> 'c' AND NOT (l.lanname = 'internal' AND p.provolatile = 'i');
SELECT 'k', t.typname, n.nspname, p.proname, c.castcontext
  FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_type t ON t.oid = c.casttarget JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE c.oid >= 16384 AND l.lanname <> 'c' AND NOT (l.lanname = 'internal' AND p.provolatile = 'i');
SELECT DISTINCT 'k', t.typname, n.nspname, p.proname, 'e'
  FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_type t ON t.oid = c.contypid
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid = c.oid
  LEFT JOIN pg_catalog.pg_operator o
    ON d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND o.oid = d.refobjid
  JOIN pg_catalog.pg_proc p
    ON p.oid = CASE WHEN d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass THEN d.refobjid ELSE o.oprcode::oid END
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE l.lanname <> 'c' AND NOT (l.lanname = 'internal' AND p.provolatile = 'i');
SELECT 's', pg_catalog.current_setting('server_version_num');
SELECT 'u', x.indrelid, pg_catalog.json_agg(a.attname)::text
  FROM pg_catalog.pg_index x CROSS JOIN LATERAL pg_catalog.generate_series(0, x.indnkeyatts - 1) AS k (place)
  JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k.place]
 WHERE x.indrelid >= 16384 AND x.indisunique AND x.indisvalid AND x.indimmediate AND x.indpred IS NULL AND x.indexprs IS NULL
 GROUP BY x.indexrelid, x.indrelid;
SELECT 'p', x.indrelid, x.indnkeyatts, x.indkey::pg_catalog.text
  FROM pg_catalog.pg_index x WHERE x.indrelid >= 16384 AND x.indisprimary;
SELECT 'x', c.conrelid, a.attname, c.confrelid, b.attname
  FROM pg_catalog.pg_constraint c
 CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(c.conkey), pg_catalog.unnest(c.confkey)) AS k (child, parent)
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.child
  JOIN pg_catalog.pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.parent
 WHERE c.contype = 'f';
SELECT 'i', i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
 WHERE c.relkind IN ('r', 'p', 'f')
"""

# Printing an expression locks its table for reading, as printing a view does.
_GENERATED = """
SET TRANSACTION READ ONLY;
SET LOCAL lock_timeout = '1s';
SELECT a.attrelid, a.attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attgenerated <> '' AND NOT a.attisdropped
"""

_IDENTITY = """
SELECT s.system_identifier, d.oid FROM pg_catalog.pg_control_system() s CROSS JOIN pg_catalog.pg_database d
 WHERE d.datname = pg_catalog.current_database()
"""

# Printing a view locks the tables in it for reading: behind somebody's ALTER TABLE this must not wait for long.
_VIEWS = """
SET TRANSACTION READ ONLY;
SET LOCAL lock_timeout = '1s';
SET LOCAL search_path = '';
WITH rules AS (
  SELECT c.oid AS view, d.refclassid, d.refobjid
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid AND r.rulename = '_RETURN'
    LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
   WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
), calls AS (
  SELECT u.view, p.proname
    FROM rules u
    LEFT JOIN pg_catalog.pg_operator o
      ON u.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND o.oid = u.refobjid
    JOIN pg_catalog.pg_proc p
      ON p.oid = CASE WHEN u.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass THEN u.refobjid ELSE o.oprcode::oid END
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
   WHERE l.lanname NOT IN ('internal', 'c')
)
SELECT v.view, pg_catalog.pg_get_viewdef(v.view),
       (SELECT pg_catalog.string_agg(DISTINCT u.refobjid::text, ' ') FROM rules u
         WHERE u.view = v.view AND u.refobjid <> v.view AND u.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass),
       (SELECT pg_catalog.string_agg(DISTINCT k.proname::text, ' ') FROM calls k WHERE k.view = v.view)
  FROM (SELECT DISTINCT u.view FROM rules u) v
"""
_VIEW_NAMES = """
SELECT c.oid, NULL, NULL, NULL
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""

# What functions LANGUAGE sql and plpgsql do. BODY stands for the body, and whether it was read when the function was
# made: from PostgreSQL 14 on there are such.
_BODIES = """
SET TRANSACTION READ ONLY;
SET LOCAL lock_timeout = '1s';
SET LOCAL search_path = '';
SELECT p.oid, BODY,
       (SELECT pg_catalog.json_agg(u.name)
          FROM ROWS FROM (pg_catalog.unnest(p.proargnames), pg_catalog.unnest(p.proargmodes)) u (name, mode)
         WHERE u.name <> '' AND coalesce(u.mode, 'i') IN ('i', 'b', 'v')),
       (SELECT pg_catalog.substr(s.setting, 13) FROM pg_catalog.unnest(p.proconfig) s (setting)
         WHERE s.setting LIKE 'search_path=%')
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE l.lanname IN ('sql', 'plpgsql') AND p.prokind = 'f' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
_BODY_OLD = "p.prosrc, false"
_BODY = """
       CASE WHEN p.prosqlbody IS NULL THEN p.prosrc ELSE pg_catalog.pg_get_function_sqlbody(p.oid) END,
       p.prosqlbody IS NOT NULL
"""
_WITH_BODIES = 140000  # server_version_num of the first that has prosqlbody

# Every change writes rows that carry its transaction's number: any insert, update or delete moves the count or the sum of
# the hashes. (Statistics are updated in place and move nothing.)
_MARKER_OF = """
SELECT 'TABLE', pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashint8extended(t.xmin::text::int8, 0))
  FROM pg_catalog.TABLE t
"""
_MARKED = (
    "pg_class", "pg_attribute", "pg_proc", "pg_rewrite", "pg_inherits", "pg_namespace", "pg_type", "pg_operator", "pg_cast",
    "pg_aggregate", "pg_constraint",
)  # fmt: skip
_MARKER = " UNION ALL ".join(_MARKER_OF.replace("TABLE", table) for table in _MARKED)

Row = list[bytes | None]


class Connection(Protocol):
    """The gateway's own session with a database."""

    async def query(self, sql: str) -> list[Row]:
        """The rows of all statements, in text format. Raises Unavailable."""


async def read(
    connection: Connection,
    version: int,
    corrections: Iterable[Classify],
    learned: Iterable[Learned] = (),
    samples: Samples | None = None,
    sample_seconds: float = FIRST_SECONDS,
) -> Catalog:
    """The catalogue as it is now, with the labels that its columns learned. Raises Unavailable. With `samples` the rows of
    tables that the samples do not know yet are looked at too, for so long.

    Views whose tables are locked by somebody's DDL are taken as derived from everything, and functions LANGUAGE sql over
    them as opaque; when the lock goes with a change, the marker moves and they are read again.
    """
    rows = await connection.query(_SNAPSHOT)
    try:
        views = await connection.query(_VIEWS)
    except Unavailable:
        views = await connection.query(_VIEW_NAMES)
    try:
        version_of = next(int(row[1] or b"0") for row in rows if row[0] == b"s")
        bodies = await connection.query(_BODIES.replace("BODY", _BODY if version_of >= _WITH_BODIES else _BODY_OLD))
    except Unavailable:
        bodies = []
    generated: list[Row] = []
    if any(row[0] == b"c" and row[5] == b"t" for row in rows):
        with suppress(Unavailable):  # they then count as made of anything beside them
            generated = await connection.query(_GENERATED)
    # A large catalogue takes a second to work through: the relay's turns go on meanwhile.
    by_kind = await trio.to_thread.run_sync(_by_kind, rows)
    findings: Findings = {}
    if samples is not None:
        findings = await samples.look(connection, await trio.to_thread.run_sync(_tables, by_kind), sample_seconds)
    answers = _Answers(by_kind, views, bodies, generated)
    return await trio.to_thread.run_sync(_catalog, version, answers, corrections, tuple(learned), findings)


async def catalog_marker(connection: Connection) -> tuple[bytes, ...]:
    """Changes when any relation, column, function, view, schema or type was made, changed or dropped. Raises Unavailable."""
    return tuple(sorted(b" ".join(cell or b"" for cell in row) for row in await connection.query(_MARKER)))


async def identity(connection: Connection) -> str:
    """A name for server and database that no other has, replicas apart; "" where the server does not tell. Raises
    Unavailable."""
    try:
        rows = await connection.query(_IDENTITY)
    except Unavailable:
        await connection.query("SELECT 1")  # it is the question that failed, not the connection
        return ""
    return "-".join(_text(cell) for cell in rows[0])


class _Answers(NamedTuple):
    """What the catalogue queries gave."""

    by_kind: dict[str, list[list[str]]]
    views: list[Row]
    bodies: list[Row]
    generated: list[Row]


def _by_kind(rows: list[Row]) -> dict[str, list[list[str]]]:
    by_kind: dict[str, list[list[str]]] = {kind: [] for kind in "rcfiokpsux"}
    for row in rows:
        texts = [_text(cell) for cell in row]
        by_kind[texts[0]].append(texts[1:])
    return by_kind


def _tables(by_kind: dict[str, list[list[str]]]) -> list[Table]:
    """The tables whose rows may be looked at, with the columns that may tell something."""
    names = {row[0]: row[2] for row in by_kind["r"] if row[7] == "t"}
    columns: dict[str, list[Wanted]] = {}
    for oid, _, name, type_oid, _, _, type_name, category, domain, comment in by_kind["c"]:
        if oid in names:
            told = Told(names[oid], name, int(type_oid), type_name, category, domain, comment)
            kind = sample_kind(told)
            if kind is not None:
                columns.setdefault(oid, []).append(Wanted(name, kind, spoken(told).label))
    return [
        Table(int(oid), schema, name, int(filenode), int(pages), int(rows), tuple(columns[oid]))
        for oid, schema, name, _, filenode, pages, rows, _ in by_kind["r"]
        if oid in columns
    ]


def _catalog(
    version: int,
    answers: _Answers,
    corrections: Iterable[Classify],
    learned: Iterable[Learned],
    findings: Findings,
) -> Catalog:
    by_kind, views, bodies, generated = answers
    functions = {texts[0]: _function(*texts[1:]) for texts in by_kind["f"]}
    followed = []
    for oid, row in ((_text(row[0]), row) for row in bodies):
        if oid in functions and functions[oid].language == "plpgsql":
            functions[oid] = replace(functions[oid], plain=plain(row[1] or b""))
        elif oid in functions:
            followed.append(_body(functions.pop(oid), row))
    calls = Calling(
        operators=_behind((symbol, (schema, name)) for symbol, schema, name in by_kind["o"]),
        casts=_behind((target, (schema, name)) for target, schema, name, _ in by_kind["k"]),
        implicit=tuple({(schema, name): None for _, schema, name, when in by_kind["k"] if when == "i"}),
        assigning=tuple({(schema, name): None for _, schema, name, when in by_kind["k"] if when in ("i", "a")}),
    )
    return build(
        version,
        [RelationRow(int(oid), schema, name, kind) for oid, schema, name, kind, *_ in by_kind["r"]],
        [
            ColumnRow(int(oid), int(no), name, int(kind), gen == "t", declared, *told)
            for oid, no, name, kind, gen, declared, *told in by_kind["c"]
        ],
        functions.values(),
        [(int(child), int(parent)) for child, parent in by_kind["i"]],
        [_view(row) for row in views],
        _labels(corrections),
        read_statements,
        bodies=followed,
        calls=calls,
        keys=[(int(oid), frozenset(json.loads(columns))) for oid, columns in by_kind["u"]],
        references=[((int(oid), name), (int(of), key)) for oid, name, of, key in by_kind["x"]],
        findings=findings,
        generated=[GeneratedRow(int(oid or b"0"), _text(name), text or b"") for oid, name, text in generated],
        learned=learned,
        primary=[(int(oid), tuple(map(int, numbers.split()[: int(count)]))) for oid, count, numbers in by_kind["p"]],
    )


def _behind(calls: Iterable[tuple[str, tuple[str, str]]]) -> Calls:
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for key, call in calls:
        found[key] = (*found.get(key, ()), call)
    return found


def _text(cell: bytes | None) -> str:
    return "" if cell is None else cell.decode("utf-8", "surrogateescape")


def _function(
    schema: str,
    name: str,
    volatility: str,
    language: str,
    definer: str,
    returns_set: str,
    columns: str,
    source: str,
) -> CatalogFunction:
    return CatalogFunction(
        schema,
        name,
        volatility,
        language,
        definer == "t",
        schema == "pg_catalog",
        returns_set == "t",
        _named(json.loads(columns)) if columns else None,
        plain=plain(source.encode("utf-8", "surrogateescape")) if language == "plpgsql" else None,
    )


def _named(columns: list[str]) -> tuple[str, ...]:
    """The columns of a function's result by the names that the server gives to those without one."""
    if columns == [""]:
        return ()
    return tuple(name or f"column{at}" for at, name in enumerate(columns, 1))


def _body(function: CatalogFunction, row: Row) -> BodyRow:
    _, sql, bound, parameters, path = row
    names = tuple(json.loads(parameters)) if parameters else ()
    return BodyRow(function, sql or b"", names, bound == b"t", _schemas(_text(path)))


def _schemas(path: str) -> tuple[str, ...] | None:
    """The schemas of a function's own search_path; None where it has none, or one that depends on the role."""
    if not path or "$user" in path:
        return None
    return tuple(part.strip().strip('"').replace('""', '"') for part in path.split(","))


def _view(row: Row) -> ViewRow:
    oid, definition, relations, functions = row
    used = frozenset(int(one) for one in (relations or b"").split())
    return ViewRow(int(oid or b"0"), definition or b"", used, frozenset(_text(functions).split()))


def _labels(corrections: Iterable[Classify]) -> dict[str, str]:
    """Label by column. Of several corrections of one column a label beats "none", then the alphabet decides."""
    found: dict[str, str] = {}
    for rule in sorted(corrections, key=lambda rule: (rule.label != "none", rule.label)):
        for column in rule.columns:
            found[column] = rule.label
    return found
