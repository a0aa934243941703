"""The server's own relations that hold values of tables, passwords or others' statements (manual, chapters 53, 54)."""

from parser.facts import Facts

# A value that came out of columns whose labels cannot be told one by one.
DERIVED = "derived"

SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema"})

_SAMPLES = (
    "most_common_vals",
    "histogram_bounds",
    "most_common_elems",
    "range_bounds_histogram",
    "range_length_histogram",
)

# (relation, column): label. In pg_catalog and information_schema, and for the extensions' views in any schema.
_LABELS: dict[tuple[str, str], str] = {
    **{("pg_stats", column): DERIVED for column in _SAMPLES},
    **{("pg_stats_ext_exprs", column): DERIVED for column in _SAMPLES},
    **{("pg_statistic", f"stavalues{slot}"): DERIVED for slot in range(1, 6)},
    ("pg_stats_ext", "most_common_vals"): DERIVED,
    ("pg_statistic_ext_data", "stxdmcv"): DERIVED,
    ("pg_statistic_ext_data", "stxdexpr"): DERIVED,
    ("pg_attribute", "attmissingval"): DERIVED,
    ("pg_largeobject", "data"): DERIVED,
    ("pg_stat_activity", "query"): DERIVED,
    ("pg_stat_statements", "query"): DERIVED,
    ("pg_prepared_statements", "statement"): DERIVED,
    ("pg_cursors", "statement"): DERIVED,
    ("pg_authid", "rolpassword"): "secret",
    ("pg_shadow", "passwd"): "secret",
    ("pg_user_mapping", "umoptions"): "secret",
    ("pg_user_mappings", "umoptions"): "secret",
    ("pg_subscription", "subconninfo"): "secret",
    ("pg_stat_wal_receiver", "conninfo"): "secret",
    ("_pg_user_mappings", "umoptions"): "secret",
    ("user_mapping_options", "option_value"): "secret",
}
_EXTENSIONS = frozenset({"pg_stat_statements"})


def system_label(schema: str, table: str, column: str) -> str | None:
    """The built-in label of a column of the server's own relations, or of an extension's view of statements."""
    if schema in SYSTEM_SCHEMAS or table in _EXTENSIONS:
        return _LABELS.get((table, column))
    return None


# --- definitions ---

_TELLING = frozenset(
    (
        *("pg_get_expr", "pg_get_viewdef", "pg_get_indexdef", "pg_get_constraintdef", "pg_get_triggerdef", "pg_get_ruledef"),
        *("pg_get_functiondef", "pg_get_function_arguments", "pg_get_function_sqlbody", "pg_get_function_arg_default"),
        *("pg_get_partkeydef", "pg_get_partition_constraintdef", "pg_get_statisticsobjdef", "pg_get_publication_tables"),
        *("pg_get_statisticsobjdef_expressions", "pg_get_statisticsobjdef_columns"),
    )
)
_TELLING_RELATIONS = frozenset(
    (
        *("pg_views", "pg_matviews", "pg_rules", "pg_indexes", "pg_policies", "pg_policy", "pg_attrdef", "pg_constraint"),
        *("pg_rewrite", "pg_index", "pg_trigger", "pg_proc", "pg_statistic_ext", "pg_stats_ext", "pg_stats_ext_exprs"),
        *("pg_publication_rel", "pg_publication_tables", "pg_class", "views", "columns", "check_constraints", "domains"),
        *("triggers", "routines", "parameters", "attributes", "element_types"),
    )
)


def tells_definitions(facts: Facts) -> bool:
    """Whether the statement's result may hold the text of a plan or a definition."""
    if facts.kinds[:1] == ("EXPLAIN",):
        return True
    if any(name in _TELLING for _, name in facts.functions):
        return True
    return any(
        one.name in _TELLING_RELATIONS and (one.schema in SYSTEM_SCHEMAS or (one.schema is None and one.name.startswith("pg_")))
        for one in facts.reads
    )
