"""The server's own relations: values, passwords and other people's statements in them are labelled, definitions are not."""

import pytest

from gateway.classify.system import system_label


@pytest.mark.parametrize(
    ("schema", "table", "column", "expected"),
    [
        ("pg_catalog", "pg_stats", "histogram_bounds", "derived"),
        ("pg_catalog", "pg_statistic", "stavalues5", "derived"),
        ("pg_catalog", "pg_stats_ext_exprs", "most_common_vals", "derived"),
        ("pg_catalog", "pg_largeobject", "data", "derived"),
        ("pg_catalog", "pg_shadow", "passwd", "secret"),
        ("pg_catalog", "pg_user_mappings", "umoptions", "secret"),
        ("information_schema", "user_mapping_options", "option_value", "secret"),
        ("pg_catalog", "pg_stat_activity", "query", "derived"),
        ("monitoring", "pg_stat_statements", "query", "derived"),
        ("pg_catalog", "pg_stats", "null_frac", None),
        ("pg_catalog", "pg_stat_activity", "pid", None),
        ("pg_catalog", "pg_prepared_statements", "statement", "derived"),
        ("public", "pg_shadow", "passwd", None),
    ],
)
def test_built_in_label(schema: str, table: str, column: str, expected: str | None) -> None:
    assert system_label(schema, table, column) == expected
