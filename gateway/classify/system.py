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
    # Texts of statements: they hold what others wrote, and the values that the gateway put in place of tokens.
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
# The columns that hold them, by relation.
_TELLING_COLUMNS: dict[str, frozenset[str]] = {
    relation: frozenset(columns.split())
    for relation, columns in {
        "pg_views": "definition",
        "pg_matviews": "definition",
        "pg_rules": "definition",
        "pg_indexes": "indexdef",
        "pg_policies": "qual with_check",
        "pg_policy": "polqual polwithcheck",
        "pg_attrdef": "adbin",
        "pg_constraint": "conbin",
        "pg_rewrite": "ev_qual ev_action",
        "pg_index": "indexprs indpred",
        "pg_trigger": "tgqual tgargs",
        "pg_proc": "prosrc prosqlbody proargdefaults",
        "pg_type": "typdefault typdefaultbin",
        "pg_class": "relpartbound",
        "pg_partitioned_table": "partexprs",
        "pg_statistic_ext": "stxexprs",
        "pg_stats_ext": "exprs",
        "pg_stats_ext_exprs": "expr",
        "pg_publication_rel": "prqual",
        "pg_publication_tables": "rowfilter",
        "views": "view_definition",
        "columns": "column_default generation_expression",
        "check_constraints": "check_clause",
        "domains": "domain_default",
        "triggers": "action_condition action_statement",
        "routines": "routine_definition",
        "parameters": "parameter_default",
        "attributes": "attribute_default",
    }.items()
}


# Comments: texts of people's own, which are looked through as they pass.
COMMENTING = frozenset(("obj_description", "col_description", "shobj_description"))
_COMMENTS = frozenset((("pg_description", "description"), ("pg_shdescription", "description"), ("pg_seclabel", "label")))


def is_comment(schema: str, table: str, column: str) -> bool:
    """Whether a column of the server's own relations holds comments."""
    return schema == "pg_catalog" and (table, column) in _COMMENTS


def tells_definition(relation: str, column: str) -> bool:
    """Whether a column of the server's own relation, "*" for its whole row, holds the text of a definition."""
    columns = _TELLING_COLUMNS.get(relation)
    return columns is not None and (column == "*" or column in columns)


def tells_definitions(facts: Facts) -> bool:
    """Whether the statement's result may hold the text of a plan or a definition."""
    if facts.kinds[:1] == ("EXPLAIN",):
        return True
    if any(name in _TELLING for _, name in facts.functions):
        return True
    return any(
        tells_definition(one.relation.name, one.name)
        and (one.relation.schema is None or one.relation.schema in SYSTEM_SCHEMAS)
        for one in facts.columns_read
    )
