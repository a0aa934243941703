"""What docs/audit-lake.md says of DuckDB, run."""

import re
from pathlib import Path

import duckdb
import pytest

from tests.workers import report_trail
from workers.audit_parquet import SCHEMA, export

DOCUMENT = (Path(__file__).parents[2] / "docs" / "audit-lake.md").read_text()
VIEW, *QUERIES = re.findall(r"^```sql\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    folder = tmp_path_factory.mktemp("lake")
    report_trail.write(folder / "audit")
    export(folder / "audit", folder / "lake")
    connection = duckdb.connect()
    connection.execute(VIEW.replace("/srv/lake", str(folder / "lake")))
    return connection


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_each_query_of_the_document_runs_and_finds_something(lake: duckdb.DuckDBPyConnection, query: str) -> None:
    found = lake.execute(query).fetchall()
    assert found or "anti join" in query


def test_queries_find_what_is_in_the_trail(lake: duckdb.DuckDBPyConnection) -> None:
    refused = next(each for each in QUERIES if "rules" in each)
    assert sum(row[2] for row in lake.execute(refused).fetchall()) == 10
    masked = next(each for each in QUERIES if "columns_masked" in each)
    assert lake.execute(masked).fetchall() == [("public.customers.email", "email", "redact", 15)]


def test_tables_of_the_document_have_every_column() -> None:
    for table in re.findall(r"^create (?:external )?table .*?^```", DOCUMENT, re.MULTILINE | re.DOTALL):
        for name in SCHEMA.names:
            assert re.search(rf'[\s("`]{name}["`]? [a-z]', table), name
