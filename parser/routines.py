"""What is known of PostgreSQL's own functions by name: which only compute, and which reach out of the statement.

Names count where they are written without a schema or with pg_catalog. A function of the same name elsewhere in the
search path is the gateway's business: `Facts.functions` names every call.
"""

from parser.facts import Effect
from parser.keywords import word_set

# The result is made of the arguments alone (or of the clock, chance, or who the session is): no stored data comes in.
PURE = word_set(
    """
    abs acos acosd acosh age any_value array_agg array_append array_cat array_dims array_fill array_length
    array_lower array_ndims array_position array_positions array_prepend array_remove array_replace
    array_reverse array_sample array_shuffle array_sort array_to_json array_to_string array_to_tsvector
    array_upper ascii asin asind asinh atan atan2 atan2d atand atanh avg backend_pid bit_and bit_count
    bit_length bit_or bit_xor bool bool_and bool_or box bpchar btrim cardinality casefold cbrt ceil ceiling
    center char char_length character_length chr circle clock_timestamp coalesce concat concat_ws convert
    convert_from convert_to corr cos cosd cosh cot cotd covar_pop covar_samp cume_dist currval date date_add
    date_bin date_part date_subtract date_trunc decode degrees dense_rank diameter div encode erf erfc every exp
    extract factorial family first_value float4 float8 floor format format_type gcd gen_random_uuid
    hashtext hashtextextended hashint4 hashint8 hash_array
    generate_series generate_subscripts get_bit get_byte greatest height host hostmask inet int2 int4 int8
    inet_merge inet_same_family initcap interval isclosed isempty isfinite isopen json_agg json_agg_strict
    json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each
    json_each_text json_extract_path json_extract_path_text json_object_agg json_object_keys
    json_populate_record json_populate_recordset json_strip_nulls json_to_record json_to_recordset json_typeof
    jsonb jsonb_agg jsonb_agg_strict jsonb_array_elements jsonb_array_elements_text jsonb_array_length
    jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text
    jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists jsonb_path_match
    jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_populate_record
    jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record
    jsonb_to_recordset jsonb_typeof justify_days justify_hours justify_interval lag last_value lastval lcm lead
    least left length line ln log log10 lower lower_inc lower_inf lpad lseg ltrim macaddr make_date
    make_interval make_time make_timestamp make_timestamptz masklen max md5 min min_scale mod mode multirange
    name netmask network nextval normalize now npoints nth_value ntile nullif num_nonnulls num_nulls numeric
    numnode octet_length oid overlay parse_ident path pclose percent_rank percentile_cont percentile_disc
    pg_backend_pid pg_char_to_encoding pg_client_encoding pg_column_size pg_encoding_to_char pg_is_in_recovery
    pg_postmaster_start_time pg_sleep pg_sleep_for pg_sleep_until pg_table_is_visible pg_trigger_depth pg_typeof
    phraseto_tsquery pi plainto_tsquery point polygon popen position power pow quote_ident quote_literal
    quote_nullable radians radius random random_normal range_agg range_intersect_agg range_merge rank
    regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array
    regexp_split_to_table regexp_substr regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope
    regr_sxx regr_sxy regr_syy repeat replace reverse right round row_number row_to_json rpad rtrim scale
    set_bit set_byte set_masklen setseed sha224 sha256 sha384 sha512 sign sin sind sinh slope split_part sqrt
    starts_with statement_timestamp stddev stddev_pop stddev_samp string_agg string_to_array string_to_table
    strip strpos substr substring sum tan tand tanh text time timeofday timestamp timestamptz timetz timezone
    to_ascii to_bin to_char to_date to_hex to_json to_jsonb to_number to_oct to_timestamp to_tsquery to_tsvector
    transaction_timestamp translate trim trim_array trim_scale trunc ts_headline ts_rank ts_rank_cd
    tsvector_to_array unistr unnest upper upper_inc upper_inf uuidv4 uuidv7 uuid_extract_timestamp
    uuid_extract_version var_pop var_samp varchar variance version websearch_to_tsquery width width_bucket xml
    xmlagg xml_is_well_formed xpath xpath_exists cast treat grouping row array exists any some all in not and or
    values rollup cube sets bit current_schema current_schemas current_database merge_action cidr
    int4range int8range numrange daterange tsrange tstzrange has_table_privilege has_schema_privilege
    has_column_privilege has_database_privilege has_function_privilege has_any_column_privilege pg_has_role
    pg_function_is_visible pg_type_is_visible pg_get_userbyid overlaps like ilike set_config pg_notify
    pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared
    pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared
    pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared setval
    anytextcat textanycat array_in array_out record_in record_out enum_first enum_last enum_range in_range
    get_current_ts_config getpgusername interval_pl_timestamptz timestamptz_pl_interval timestamptz_mi_interval
    json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict json_to_tsvector jsonb_to_tsvector
    jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_tz jsonb_path_query_array_tz
    jsonb_path_query_first_tz jsonb_populate_record_valid money mxid_age pg_input_error_info pg_input_is_valid
    ts_debug ts_match_tq ts_match_tt ts_parse ts_token_type txid_status pg_xact_status pg_xact_commit_timestamp
    pg_last_xact_replay_timestamp pg_jit_available pg_export_snapshot pg_control_checkpoint pg_control_init
    pg_control_recovery
    pg_control_system pg_notification_queue_usage pg_listening_channels
    """
)

# Read the catalogue, not the tables: definitions, sizes, names. Stored data does not come out of them.
# Settings are here because no value of a masked column gets into one (a computed set_config is not read).
ABOUT_DEFINITIONS = word_set(
    """
    current_setting pg_get_expr pg_get_viewdef pg_get_indexdef pg_get_constraintdef pg_get_triggerdef pg_get_ruledef
    pg_get_functiondef pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result
    pg_get_function_sqlbody pg_get_partkeydef pg_get_partition_constraintdef pg_get_serial_sequence
    pg_get_statisticsobjdef pg_get_statisticsobjdef_columns pg_get_keywords pg_get_publication_tables
    obj_description col_description shobj_description pg_relation_size pg_table_size pg_indexes_size
    pg_total_relation_size pg_database_size pg_tablespace_size pg_size_pretty pg_size_bytes pg_relation_filenode
    pg_tablespace_location pg_options_to_table pg_describe_object pg_identify_object
    pg_index_column_has_property pg_index_has_property pg_indexam_has_property pg_relation_is_publishable
    pg_partition_tree pg_partition_ancestors pg_partition_root pg_sequence_parameters pg_collation_is_visible
    pg_operator_is_visible pg_opclass_is_visible pg_opfamily_is_visible pg_ts_config_is_visible
    pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible pg_conversion_is_visible
    pg_statistics_obj_is_visible pg_collation_for pg_my_temp_schema pg_is_other_temp_schema
    pg_relation_is_updatable pg_column_is_updatable to_regclass to_regtype to_regtypemod to_regnamespace
    to_regproc to_regprocedure to_regrole to_regoper to_regoperator to_regcollation aclexplode acldefault
    makeaclitem has_any_column_privilege has_foreign_data_wrapper_privilege has_language_privilege
    has_sequence_privilege has_server_privilege has_tablespace_privilege has_type_privilege
    has_parameter_privilege row_security_active pg_timezone_names pg_timezone_abbrevs pg_available_extensions
    pg_extension_config_dump pg_encoding_max_length pg_conf_load_time txid_current txid_current_if_assigned
    pg_current_xact_id pg_current_xact_id_if_assigned pg_current_snapshot txid_current_snapshot pg_snapshot_xmin
    txid_snapshot_xmin pg_blocking_pids pg_is_wal_replay_paused pg_current_wal_lsn pg_last_wal_replay_lsn
    pg_last_wal_receive_lsn pg_wal_lsn_diff inet_server_addr inet_server_port inet_client_addr inet_client_port
    getdatabaseencoding information_schema _pg_expandarray _pg_truetypid _pg_truetypmod _pg_char_max_length age
    has_largeobject_privilege pg_basetype pg_column_compression pg_column_toast_chunk_id pg_filenode_relation
    pg_get_acl pg_get_function_arg_default pg_get_object_address pg_get_replica_identity_index
    pg_get_statisticsobjdef_expressions pg_identify_object_as_address pg_relation_filepath
    pg_settings_get_flags pg_tablespace_databases pg_collation_actual_version pg_extension_update_paths
    pg_available_extension_versions pg_get_catalog_foreign_keys pg_sequence_last_value pg_get_sequence_data
    pg_safe_snapshot_blocking_pids pg_get_multixact_members pg_get_wait_events pg_get_backend_memory_contexts
    pg_stat_get_numscans pg_stat_get_tuples_inserted pg_stat_get_tuples_updated pg_stat_get_tuples_deleted
    pg_stat_get_tuples_returned pg_stat_get_live_tuples pg_stat_get_dead_tuples pg_stat_get_backend_pid
    pg_stat_get_function_calls pg_stat_get_xact_function_calls pg_stat_have_stats pg_stat_get_snapshot_timestamp
    array_to_string oidvectortypes regclass regtype regproc regprocedure regnamespace regrole
    """
)

# Say nothing of the values that they are given: their number or type alone.
COUNTING = frozenset(("count", "pg_typeof"))

# Take any value, a whole row too: `t.row_to_json` is `row_to_json(t)`.
TAKES_ROWS = word_set(
    """
    row_to_json to_json to_jsonb quote_literal quote_nullable json_agg jsonb_agg array_agg json_build_array
    jsonb_build_array concat num_nulls num_nonnulls any_value max min json_agg_strict jsonb_agg_strict
    record_out
    """
)

_UNSAFE: frozenset[Effect] = frozenset(("unsafe-io",))
_WRITE: frozenset[Effect] = frozenset(("write",))
_CODE: frozenset[Effect] = frozenset(("procedural",))
_SESSION: frozenset[Effect] = frozenset(("session",))


def _table() -> dict[str, frozenset[Effect]]:
    effects: dict[str, frozenset[Effect]] = {}
    for name in word_set(
        """
        pg_read_file pg_read_binary_file pg_stat_file pg_ls_dir pg_ls_logdir pg_ls_waldir pg_ls_tmpdir
        pg_ls_archive_statusdir pg_ls_logicalmapdir pg_ls_logicalsnapdir pg_ls_replslotdir pg_ls_summariesdir
        pg_read_file_old pg_read_file_v2 pg_logdir_ls pg_file_read pg_file_write pg_file_rename pg_file_unlink
        pg_file_sync pg_file_length pg_current_logfile lo_import lo_export pg_terminate_backend pg_cancel_backend
        pg_reload_conf pg_rotate_logfile pg_rotate_logfile_old pg_logfile_rotate pg_switch_wal
        pg_create_restore_point pg_backup_start pg_backup_stop pg_start_backup pg_stop_backup pg_promote
        pg_wal_replay_pause pg_wal_replay_resume pg_log_backend_memory_contexts pg_hba_file_rules
        pg_ident_file_mappings pg_show_all_file_settings pg_config pg_create_physical_replication_slot
        pg_create_logical_replication_slot pg_drop_replication_slot pg_copy_physical_replication_slot
        pg_copy_logical_replication_slot pg_replication_slot_advance pg_sync_replication_slots
        pg_logical_slot_get_changes pg_logical_slot_get_binary_changes pg_logical_slot_peek_changes
        pg_logical_slot_peek_binary_changes pg_logical_emit_message pg_replication_origin_create
        pg_replication_origin_drop pg_replication_origin_session_setup pg_replication_origin_session_reset
        pg_replication_origin_xact_setup pg_replication_origin_xact_reset pg_replication_origin_advance
        pg_stat_reset pg_stat_reset_shared pg_stat_reset_slru pg_stat_reset_single_table_counters
        pg_stat_reset_single_function_counters pg_stat_reset_replication_slot pg_stat_reset_subscription_stats
        pg_stat_reset_backend_stats pg_stat_statements_reset pg_restore_relation_stats pg_restore_attribute_stats
        pg_clear_relation_stats pg_clear_attribute_stats pg_import_system_collations dblink dblink_exec
        dblink_connect dblink_connect_u dblink_open dblink_fetch dblink_send_query dblink_get_result
        dblink_get_connections dblink_disconnect dblink_close dblink_cancel_query get_raw_page pg_read_wal
        binary_upgrade_set_missing_value heap_force_kill heap_force_freeze pg_truncate_visibility_map
        postgres_fdw_disconnect postgres_fdw_disconnect_all pg_prewarm autoprewarm_start_worker http http_get
        http_post http_put http_delete plpgsql_call_handler pg_walinspect pg_get_wal_records_info
        pg_get_wal_record_info
        """
    ):
        effects[name] = _UNSAFE
    for name in word_set(
        """
        nextval setval lo_create lo_creat lo_unlink lowrite lo_put lo_from_bytea lo_truncate lo_truncate64 lo_open
        brin_summarize_new_values brin_summarize_range brin_desummarize_range gin_clean_pending_list lo_manage
        """
    ):
        effects[name] = _WRITE
    for name in word_set(
        """
        query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema table_to_xml
        table_to_xmlschema table_to_xml_and_xmlschema schema_to_xml schema_to_xmlschema schema_to_xml_and_xmlschema
        database_to_xml database_to_xmlschema database_to_xml_and_xmlschema ts_stat ts_rewrite crosstab crosstab2
        crosstab3 crosstab4 crosstabn connectby normal_rand xpath_table execute_sql
        """
    ):
        effects[name] = _CODE
    for name in word_set(
        """
        set_config pg_notify pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all
        pg_advisory_unlock_shared pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_lock
        pg_try_advisory_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared
        """
    ):
        effects[name] = _SESSION
    return effects


EFFECTS = _table()
