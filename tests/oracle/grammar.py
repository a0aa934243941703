"""What PostgreSQL's own grammar says a statement is: its parse tree (libpg_query, through postgast) as our kinds."""

from collections.abc import Iterator
from typing import Any

import postgast

OBJECTS = {
    "OBJECT_ACCESS_METHOD": "ACCESS METHOD",
    "OBJECT_AGGREGATE": "AGGREGATE",
    "OBJECT_ATTRIBUTE": "TYPE",
    "OBJECT_CAST": "CAST",
    "OBJECT_COLLATION": "COLLATION",
    "OBJECT_CONVERSION": "CONVERSION",
    "OBJECT_DATABASE": "DATABASE",
    "OBJECT_DOMAIN": "DOMAIN",
    "OBJECT_DOMCONSTRAINT": "DOMAIN",
    "OBJECT_EVENT_TRIGGER": "EVENT TRIGGER",
    "OBJECT_EXTENSION": "EXTENSION",
    "OBJECT_FDW": "FOREIGN DATA WRAPPER",
    "OBJECT_FOREIGN_SERVER": "SERVER",
    "OBJECT_FOREIGN_TABLE": "FOREIGN TABLE",
    "OBJECT_FUNCTION": "FUNCTION",
    "OBJECT_INDEX": "INDEX",
    "OBJECT_LANGUAGE": "LANGUAGE",
    "OBJECT_LARGEOBJECT": "LARGE OBJECT",
    "OBJECT_MATVIEW": "MATERIALIZED VIEW",
    "OBJECT_OPCLASS": "OPERATOR CLASS",
    "OBJECT_OPERATOR": "OPERATOR",
    "OBJECT_OPFAMILY": "OPERATOR FAMILY",
    "OBJECT_POLICY": "POLICY",
    "OBJECT_PROCEDURE": "PROCEDURE",
    "OBJECT_PUBLICATION": "PUBLICATION",
    "OBJECT_ROLE": "ROLE",
    "OBJECT_ROUTINE": "ROUTINE",
    "OBJECT_RULE": "RULE",
    "OBJECT_SCHEMA": "SCHEMA",
    "OBJECT_SEQUENCE": "SEQUENCE",
    "OBJECT_STATISTIC_EXT": "STATISTICS",
    "OBJECT_SUBSCRIPTION": "SUBSCRIPTION",
    "OBJECT_TABCONSTRAINT": "TABLE",
    "OBJECT_TABLE": "TABLE",
    "OBJECT_TABLESPACE": "TABLESPACE",
    "OBJECT_TRANSFORM": "TRANSFORM",
    "OBJECT_TRIGGER": "TRIGGER",
    "OBJECT_TSCONFIGURATION": "TEXT SEARCH CONFIGURATION",
    "OBJECT_TSDICTIONARY": "TEXT SEARCH DICTIONARY",
    "OBJECT_TSPARSER": "TEXT SEARCH PARSER",
    "OBJECT_TSTEMPLATE": "TEXT SEARCH TEMPLATE",
    "OBJECT_TYPE": "TYPE",
    "OBJECT_USER_MAPPING": "USER MAPPING",
    "OBJECT_VIEW": "VIEW",
}

# The node alone tells the kind.
FIXED = {
    "select_stmt": "SELECT",
    "insert_stmt": "INSERT",
    "update_stmt": "UPDATE",
    "delete_stmt": "DELETE",
    "merge_stmt": "MERGE",
    "create_schema_stmt": "CREATE SCHEMA",
    "alter_collation_stmt": "ALTER COLLATION",
    "alter_domain_stmt": "ALTER DOMAIN",
    "alter_default_privileges_stmt": "ALTER DEFAULT PRIVILEGES",
    "variable_show_stmt": "SHOW",
    "create_stmt": "CREATE TABLE",
    "create_table_space_stmt": "CREATE TABLESPACE",
    "drop_table_space_stmt": "DROP TABLESPACE",
    "alter_table_space_options_stmt": "ALTER TABLESPACE",
    "create_extension_stmt": "CREATE EXTENSION",
    "alter_extension_stmt": "ALTER EXTENSION",
    "alter_extension_contents_stmt": "ALTER EXTENSION",
    "create_fdw_stmt": "CREATE FOREIGN DATA WRAPPER",
    "alter_fdw_stmt": "ALTER FOREIGN DATA WRAPPER",
    "create_foreign_server_stmt": "CREATE SERVER",
    "alter_foreign_server_stmt": "ALTER SERVER",
    "create_foreign_table_stmt": "CREATE FOREIGN TABLE",
    "create_user_mapping_stmt": "CREATE USER MAPPING",
    "alter_user_mapping_stmt": "ALTER USER MAPPING",
    "drop_user_mapping_stmt": "DROP USER MAPPING",
    "import_foreign_schema_stmt": "IMPORT FOREIGN SCHEMA",
    "create_policy_stmt": "CREATE POLICY",
    "alter_policy_stmt": "ALTER POLICY",
    "create_am_stmt": "CREATE ACCESS METHOD",
    "create_trig_stmt": "CREATE TRIGGER",
    "create_event_trig_stmt": "CREATE EVENT TRIGGER",
    "alter_event_trig_stmt": "ALTER EVENT TRIGGER",
    "create_plang_stmt": "CREATE LANGUAGE",
    "create_role_stmt": "CREATE ROLE",
    "alter_role_stmt": "ALTER ROLE",
    "alter_role_set_stmt": "ALTER ROLE",
    "drop_role_stmt": "DROP ROLE",
    "create_seq_stmt": "CREATE SEQUENCE",
    "alter_seq_stmt": "ALTER SEQUENCE",
    "create_domain_stmt": "CREATE DOMAIN",
    "create_op_class_stmt": "CREATE OPERATOR CLASS",
    "create_op_family_stmt": "CREATE OPERATOR FAMILY",
    "alter_op_family_stmt": "ALTER OPERATOR FAMILY",
    "truncate_stmt": "TRUNCATE",
    "comment_stmt": "COMMENT",
    "sec_label_stmt": "SECURITY LABEL",
    "declare_cursor_stmt": "DECLARE",
    "close_portal_stmt": "CLOSE",
    "index_stmt": "CREATE INDEX",
    "create_stats_stmt": "CREATE STATISTICS",
    "alter_stats_stmt": "ALTER STATISTICS",
    "do_stmt": "DO",
    "call_stmt": "CALL",
    "alter_operator_stmt": "ALTER OPERATOR",
    "alter_type_stmt": "ALTER TYPE",
    "rule_stmt": "CREATE RULE",
    "notify_stmt": "NOTIFY",
    "listen_stmt": "LISTEN",
    "unlisten_stmt": "UNLISTEN",
    "composite_type_stmt": "CREATE TYPE",
    "create_enum_stmt": "CREATE TYPE",
    "create_range_stmt": "CREATE TYPE",
    "alter_enum_stmt": "ALTER TYPE",
    "view_stmt": "CREATE VIEW",
    "load_stmt": "LOAD",
    "createdb_stmt": "CREATE DATABASE",
    "alter_database_stmt": "ALTER DATABASE",
    "alter_database_refresh_coll_stmt": "ALTER DATABASE",
    "alter_database_set_stmt": "ALTER DATABASE",
    "dropdb_stmt": "DROP DATABASE",
    "alter_system_stmt": "ALTER SYSTEM",
    "cluster_stmt": "CLUSTER",
    "explain_stmt": "EXPLAIN",
    "refresh_mat_view_stmt": "REFRESH MATERIALIZED VIEW",
    "check_point_stmt": "CHECKPOINT",
    "discard_stmt": "DISCARD",
    "lock_stmt": "LOCK",
    "constraints_set_stmt": "SET CONSTRAINTS",
    "reindex_stmt": "REINDEX",
    "create_conversion_stmt": "CREATE CONVERSION",
    "create_cast_stmt": "CREATE CAST",
    "create_transform_stmt": "CREATE TRANSFORM",
    "prepare_stmt": "PREPARE",
    "execute_stmt": "EXECUTE",
    "deallocate_stmt": "DEALLOCATE",
    "drop_owned_stmt": "DROP OWNED",
    "reassign_owned_stmt": "REASSIGN OWNED",
    "alter_tsdictionary_stmt": "ALTER TEXT SEARCH DICTIONARY",
    "alter_tsconfiguration_stmt": "ALTER TEXT SEARCH CONFIGURATION",
    "create_publication_stmt": "CREATE PUBLICATION",
    "alter_publication_stmt": "ALTER PUBLICATION",
    "create_subscription_stmt": "CREATE SUBSCRIPTION",
    "alter_subscription_stmt": "ALTER SUBSCRIPTION",
    "drop_subscription_stmt": "DROP SUBSCRIPTION",
}

TRANSACTIONS = {
    "TRANS_STMT_BEGIN": "BEGIN",
    "TRANS_STMT_START": "START TRANSACTION",
    "TRANS_STMT_COMMIT": "COMMIT",
    "TRANS_STMT_ROLLBACK": "ROLLBACK",
    "TRANS_STMT_SAVEPOINT": "SAVEPOINT",
    "TRANS_STMT_RELEASE": "RELEASE",
    "TRANS_STMT_ROLLBACK_TO": "ROLLBACK TO",
    "TRANS_STMT_PREPARE": "PREPARE TRANSACTION",
    "TRANS_STMT_COMMIT_PREPARED": "COMMIT PREPARED",
    "TRANS_STMT_ROLLBACK_PREPARED": "ROLLBACK PREPARED",
}

# Inside of another statement only, or of psql and PL/pgSQL alone.
NOT_STATEMENTS = {"raw_stmt", "set_operation_stmt", "return_stmt", "plassign_stmt", "replica_identity_stmt"}

ACTIONS = {
    "AT_AddColumn": "ADD COLUMN",
    "AT_ColumnDefault": "ALTER COLUMN",
    "AT_DropNotNull": "ALTER COLUMN",
    "AT_SetNotNull": "ALTER COLUMN",
    "AT_SetExpression": "ALTER COLUMN",
    "AT_DropExpression": "ALTER COLUMN",
    "AT_SetStatistics": "ALTER COLUMN",
    "AT_SetOptions": "ALTER COLUMN",
    "AT_ResetOptions": "ALTER COLUMN",
    "AT_SetStorage": "ALTER COLUMN",
    "AT_SetCompression": "ALTER COLUMN",
    "AT_AddIdentity": "ALTER COLUMN",
    "AT_SetIdentity": "ALTER COLUMN",
    "AT_DropIdentity": "ALTER COLUMN",
    "AT_AlterColumnType": "ALTER COLUMN",
    "AT_AlterColumnGenericOptions": "ALTER COLUMN",
    "AT_DropColumn": "DROP COLUMN",
    "AT_AddConstraint": "ADD CONSTRAINT",
    "AT_AlterConstraint": "ALTER CONSTRAINT",
    "AT_ValidateConstraint": "VALIDATE CONSTRAINT",
    "AT_DropConstraint": "DROP CONSTRAINT",
    "AT_ChangeOwner": "OWNER TO",
    "AT_ClusterOn": "CLUSTER ON",
    "AT_DropCluster": "SET WITHOUT",
    "AT_SetLogged": "SET LOGGED",
    "AT_SetUnLogged": "SET UNLOGGED",
    "AT_DropOids": "SET WITHOUT",
    "AT_SetAccessMethod": "SET ACCESS METHOD",
    "AT_SetTableSpace": "SET TABLESPACE",
    "AT_SetRelOptions": "SET",
    "AT_ResetRelOptions": "RESET",
    "AT_EnableTrig": "ENABLE TRIGGER",
    "AT_EnableAlwaysTrig": "ENABLE ALWAYS",
    "AT_EnableReplicaTrig": "ENABLE REPLICA",
    "AT_DisableTrig": "DISABLE TRIGGER",
    "AT_EnableTrigAll": "ENABLE TRIGGER",
    "AT_DisableTrigAll": "DISABLE TRIGGER",
    "AT_EnableTrigUser": "ENABLE TRIGGER",
    "AT_DisableTrigUser": "DISABLE TRIGGER",
    "AT_EnableRule": "ENABLE RULE",
    "AT_EnableAlwaysRule": "ENABLE ALWAYS",
    "AT_EnableReplicaRule": "ENABLE REPLICA",
    "AT_DisableRule": "DISABLE RULE",
    "AT_AddInherit": "INHERIT",
    "AT_DropInherit": "NO INHERIT",
    "AT_AddOf": "OF",
    "AT_DropOf": "NOT OF",
    "AT_ReplicaIdentity": "REPLICA IDENTITY",
    "AT_EnableRowSecurity": "ENABLE ROW LEVEL SECURITY",
    "AT_DisableRowSecurity": "DISABLE ROW LEVEL SECURITY",
    "AT_ForceRowSecurity": "FORCE ROW LEVEL SECURITY",
    "AT_NoForceRowSecurity": "NO FORCE ROW LEVEL SECURITY",
    "AT_GenericOptions": "OPTIONS",
    "AT_AttachPartition": "ATTACH PARTITION",
    "AT_DetachPartition": "DETACH PARTITION",
    "AT_DetachPartitionFinalize": "DETACH PARTITION",
}
LOCKS = {
    "LCS_FORKEYSHARE": "SELECT FOR KEY SHARE",
    "LCS_FORSHARE": "SELECT FOR SHARE",
    "LCS_FORNOKEYUPDATE": "SELECT FOR NO KEY UPDATE",
    "LCS_FORUPDATE": "SELECT FOR UPDATE",
}
_CHANGES = {"InsertStmt": "INSERT", "UpdateStmt": "UPDATE", "DeleteStmt": "DELETE", "MergeStmt": "MERGE"}


def named(message: Any, field: str) -> str:
    """The name of an enumeration's value."""
    kind = message.DESCRIPTOR.fields_by_name[field].enum_type
    return str(kind.values_by_number[getattr(message, field)].name)


def node(raw: Any) -> str:
    """The statement's node in the grammar, "drop_stmt"."""
    return str(raw.stmt.WhichOneof("node"))


def kind(raw: Any) -> str:
    """The kind that `Facts.kinds` must begin with."""
    return kind_of(node(raw), getattr(raw.stmt, node(raw)))


def kind_of(name: str, stmt: Any) -> str:
    if name in FIXED:
        return FIXED[name]
    if name == "transaction_stmt":
        return TRANSACTIONS[named(stmt, "kind")]
    special = {
        "grant_stmt": lambda: "GRANT" if stmt.is_grant else "REVOKE",
        "grant_role_stmt": lambda: "GRANT ROLE" if stmt.is_grant else "REVOKE ROLE",
        "copy_stmt": lambda: f"COPY {'FROM' if stmt.is_from else 'TO'}{' PROGRAM' if stmt.is_program else ''}",
        "fetch_stmt": lambda: "MOVE" if stmt.ismove else "FETCH",
        "vacuum_stmt": lambda: "VACUUM" if stmt.is_vacuumcmd else "ANALYZE",
        "create_function_stmt": lambda: "CREATE PROCEDURE" if stmt.is_procedure else "CREATE FUNCTION",
        "create_table_as_stmt": lambda: (
            "CREATE MATERIALIZED VIEW" if named(stmt, "objtype") == "OBJECT_MATVIEW" else "CREATE TABLE AS"
        ),
        "variable_set_stmt": lambda: _setting(stmt),
        "define_stmt": lambda: f"CREATE {OBJECTS[named(stmt, 'kind')]}",
        "drop_stmt": lambda: f"DROP {OBJECTS[named(stmt, 'remove_type')]}",
        "rename_stmt": lambda: f"ALTER {_renamed(stmt)}",
        "alter_table_stmt": lambda: f"ALTER {OBJECTS[named(stmt, 'objtype')]}",
        "alter_table_move_all_stmt": lambda: f"ALTER {OBJECTS[named(stmt, 'objtype')]}",
        "alter_function_stmt": lambda: f"ALTER {OBJECTS[named(stmt, 'objtype')]}",
        "alter_object_depends_stmt": lambda: f"ALTER {OBJECTS[named(stmt, 'object_type')]}",
        "alter_object_schema_stmt": lambda: f"ALTER {OBJECTS[named(stmt, 'object_type')]}",
        "alter_owner_stmt": lambda: f"ALTER {OBJECTS[named(stmt, 'object_type')]}",
    }
    return special[name]()


SPECIAL = {
    *("transaction_stmt", "grant_stmt", "grant_role_stmt", "copy_stmt", "fetch_stmt", "vacuum_stmt", "define_stmt"),
    *("create_function_stmt", "create_table_as_stmt", "variable_set_stmt", "drop_stmt", "rename_stmt"),
    *("alter_table_stmt", "alter_table_move_all_stmt", "alter_function_stmt", "alter_object_depends_stmt"),
    *("alter_object_schema_stmt", "alter_owner_stmt"),
}


def _renamed(stmt: Any) -> str:
    what = named(stmt, "rename_type")
    return OBJECTS[named(stmt, "relation_type") if what == "OBJECT_COLUMN" else what]


def _setting(stmt: Any) -> str:
    how = named(stmt, "kind")
    if how == "VAR_SET_MULTI":
        return {
            "TRANSACTION": "SET TRANSACTION",
            "SESSION CHARACTERISTICS": "SET SESSION CHARACTERISTICS",
            "TRANSACTION SNAPSHOT": "SET TRANSACTION",
        }[stmt.name]
    if how in ("VAR_RESET", "VAR_RESET_ALL"):
        return "RESET"
    return {"role": "SET ROLE", "session_authorization": "SET SESSION AUTHORIZATION"}.get(stmt.name, "SET")


def inside(raw: Any) -> set[str]:
    """Every kind that must stand in `Facts.kinds` of the statement or of its inner one."""
    found = {kind(raw)}
    for _, part in postgast.walk(raw):
        name = type(part).__name__
        if name in _CHANGES:
            found.add(_CHANGES[name])
        elif name == "SelectStmt":
            found |= set(_of_select(part))
        elif name == "MergeWhenClause":
            command = named(part, "command_type")
            found |= {command.removeprefix("CMD_")} - {"NOTHING"}
        elif name == "AlterTableStmt" and named(part, "objtype") not in ("OBJECT_TYPE", "OBJECT_SEQUENCE"):
            prefix = f"ALTER {OBJECTS[named(part, 'objtype')]}"
            for command in part.cmds:
                found.add(f"{prefix} {ACTIONS[named(command.alter_table_cmd, 'subtype')]}")
        elif name in ("CreateStmt", "IndexStmt", "CreateSeqStmt", "ViewStmt", "GrantStmt", "CreateTrigStmt"):
            found.add(kind_of({"IndexStmt": "index_stmt", "CreateTrigStmt": "create_trig_stmt"}.get(
                name, {"CreateStmt": "create_stmt", "CreateSeqStmt": "create_seq_stmt", "ViewStmt": "view_stmt",
                       "GrantStmt": "grant_stmt"}.get(name, "")), part))  # fmt: skip
    if "CREATE FOREIGN TABLE" in found:
        found.discard("CREATE TABLE")  # it is built on one
    return found


def _of_select(select: Any) -> Iterator[str]:
    if not select.values_lists:
        yield "SELECT"
    if select.HasField("into_clause"):
        yield "SELECT INTO"
    for lock in select.locking_clause:
        yield LOCKS[named(lock.locking_clause, "strength")]
