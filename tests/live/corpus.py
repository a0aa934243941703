"""The corpus of dangerous and harmless statements as entries: files of tests/corpus/dangerous and tests/corpus/harmless.

A file is TOML: `about`, defaults for its entries under `[default]`, and one `[[entry]]` a case:

    reason   why it is dangerous, or who sends it although it looks dangerous
    as       who sends it: a group of POLICY in tests/live/test_corpus.py (reader, writer, careful, ddl, all); "reader"
    database "prod" (production, the default) or "dev"
    sql      the text, or a list of texts sent one after the other in one session
    params   parameters in text form for a single text of the extended protocol; null is not needed here
    data     what COPY … FROM STDIN is given
    sent     "simple", "extended" or "both" (the default)
    then     dangerous: "denied" (the default: refused with 42501, and no effect), "masked" (an answer is fine as long as no
             canary is in it) or "either"
    masked   harmless: names of the result columns that come back masked
    compare  harmless: "rows" (the default) or "shape" (rows differ from run to run: only their number and names count)
    pending  the bug that keeps it from passing; such entries are run, counted and printed, and hold nothing
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
    params: tuple[str, ...]
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
        params=tuple(one.get("params", ())),
        data=one.get("data", ""),
        sent=("simple", "extended") if sent == "both" else (sent,),
        then=one.get("then", "denied"),
        masked=frozenset(one.get("masked", ())),
        compare=one.get("compare", "rows"),
        pending=one.get("pending", ""),
    )
