"""The corpus of dangerous and harmless statements as entries: files of tests/corpus/dangerous and tests/corpus/harmless.

A file is TOML: `about`, defaults for its entries under `[default]`, and one `[[entry]]` a case:

    reason   why it is dangerous, or who sends it although it looks dangerous
    as       who sends it: a group of POLICY in tests/live/test_corpus.py (reader, writer, careful, ddl, all); "reader"
    database "prod" (production, the default) or "dev"
    sql      the text, or a list of texts sent one after the other in one session
    params   parameters in text form for a text of the extended protocol, or a list of them for each text; false for NULL
    data     what COPY … FROM STDIN is given
    sent     "simple", "extended" or "both" (the default)
    then     dangerous: "denied" (the default: refused with 42501, and no effect), "masked" (an answer is fine as long as no
             canary is in it) or "either"
    masked   harmless: names of the result columns that come back masked
    compare  harmless: "rows" (the default) or "shape" (rows differ from run to run: only their number and names count)
    pending  the bug that keeps it from passing; such entries are run, counted and printed, and hold nothing
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg

CORPUS = Path(__file__).parents[1] / "corpus"
DATABASE = CORPUS / "database.sql"
KEYS = {"reason", "as", "database", "sql", "params", "data", "sent", "then", "masked", "compare", "pending"}


@dataclass(frozen=True, slots=True)
class Entry:
    """See the module."""

    file: str
    reason: str
    group: str
    database: str
    texts: tuple[str, ...]
    params: tuple[tuple[str | None, ...], ...]  # for each text
    data: str
    sent: tuple[Literal["simple", "extended"], ...]
    then: str
    masked: frozenset[str]
    compare: str
    pending: str

    def __str__(self) -> str:
        return f"{self.file}: {' ⏎ '.join(self.texts)[:200]} ({self.reason})"


def entries(folder: str) -> dict[str, tuple[Entry, ...]]:
    """The entries of tests/corpus/<folder> by file."""
    return {file.stem: tuple(_entries(file)) for file in sorted((CORPUS / folder).glob("*.toml"))}


def _entries(file: Path) -> list[Entry]:
    content = tomllib.loads(file.read_text())
    assert set(content) <= {"about", "default", "entry"}, f"{file}: {set(content)}"
    assert content["about"], file
    return [_entry(file.stem, content.get("default", {}) | one) for one in content["entry"]]


def _entry(file: str, one: dict[str, Any]) -> Entry:
    assert set(one) <= KEYS, f"{file}: {set(one) - KEYS}"
    assert one["reason"], f"{file}: {one['sql']}"
    texts = (one["sql"],) if isinstance(one["sql"], str) else tuple(one["sql"])
    sent = one.get("sent", "both")
    return Entry(
        file=file,
        reason=one["reason"],
        group=one.get("as", "reader"),
        database=one.get("database", "prod"),
        texts=texts,
        params=_params(one.get("params", []), len(texts)),
        data=one.get("data", ""),
        sent=("simple", "extended") if sent == "both" else (sent,),
        then=one.get("then", "denied"),
        masked=frozenset(one.get("masked", ())),
        compare=one.get("compare", "rows"),
        pending=one.get("pending", ""),
    )


def _params(given: Sequence[Any], texts: int) -> tuple[tuple[str | None, ...], ...]:
    """Parameters for each text; those of a single text may stand alone."""
    each = given if given and isinstance(given[0], list) else [given] * texts
    assert len(each) == texts
    return tuple(
        tuple(value or None if value is False else str(value) for value in values) for values in each
    )


_OIDS = """
SELECT 'oid of ' || oid::regclass, oid FROM pg_class WHERE relkind <> 't' AND oid >= 16384
UNION ALL SELECT 'oid of type ' || oid::regtype, oid FROM pg_type WHERE oid >= 16384
UNION ALL SELECT 'oid of routine ' || oid::regprocedure, oid FROM pg_proc WHERE oid >= 16384
UNION ALL SELECT 'oid of operator ' || oid::regoperator, oid FROM pg_operator WHERE oid >= 16384
UNION ALL SELECT 'oid of schema ' || nspname, oid FROM pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_'
UNION ALL SELECT 'oid of constraint ' || conname, min(oid) FROM pg_constraint WHERE oid >= 16384 GROUP BY conname
UNION ALL SELECT 'oid of database ' || datname, oid FROM pg_database WHERE datname = 'corpus'
"""


def oids(connection: psycopg.Connection) -> dict[str, str]:
    """What stands in braces in recorded entries, and the number that the database has for it."""
    return {str(words): str(oid) for words, oid in connection.execute(_OIDS)}
