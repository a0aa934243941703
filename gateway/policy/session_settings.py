"""Which session settings may be changed: by SET, set_config and the start-up packet alike.

Nearly all may: settings of a session reach nothing else. Four groups may not. Settings that change how the server reads
the statements' text would make it read another text than the gateway. Settings that only a superuser may change reach
the server's logs, files and libraries. `role` and `session_authorization` would leave the role of the grant. And who may
only read has a session that only reads, and keeps it so.
"""

from dataclasses import dataclass

from parser.facts import Setting

# Encodings in which no character has a byte below 0x80 but ASCII itself (manual, section 23.3.1), without punctuation.
_ASCII_SAFE = frozenset(
    """utf8 unicode sqlascii euccn eucjp euckr euctw eucjis2004 muleinternal abc alt koi8 koi8r koi8u tcvn tcvn5712
    vscii win866 win874 win win1250 win1251 win1252 win1253 win1254 win1255 win1256 win1257 win1258
    windows866 windows874 windows1250 windows1251 windows1252 windows1253 windows1254 windows1255 windows1256
    windows1257 windows1258 iso88591 iso88592 iso88593 iso88594 iso88595 iso88596 iso88597 iso88598 iso88599 iso885910
    iso885913 iso885914 iso885915 iso885916 latin1 latin2 latin3 latin4 latin5 latin6 latin7 latin8 latin9
    latin10""".split()  # noqa: SIM905 - a table to read
)
# pg_dump computes the name so that older servers, which lack restrict_nonsystem_relation_kind, see no error. The
# value fits no setting that is barred here.
_PG_DUMP_VALUE = "view, foreign-table"
_TRUE = ("true", "yes", "1")  # parse_bool takes any beginning of true and yes, and of "on" the whole
_LEXER = ("standard_conforming_strings", "client_encoding", "names")
_IDENTITY = ("role", "session_authorization")
READ_ONLY = "default_transaction_read_only"
_MODE = "transaction_read_only"  # of the transaction: its RESET is no way back to what the session began with

# Settings of superusers (pg_settings.context), and those of modules that watch or load code.
_SERVER = frozenset(
    """allow_in_place_tablespaces allow_system_table_mods backtrace_functions compute_query_id deadlock_timeout
    dynamic_library_path extension_control_path event_triggers ignore_checksum_failure ignore_invalid_pages
    ignore_system_indexes jit_debugging_support jit_dump_bitcode jit_profiling_support jit_provider lc_messages
    lo_compat_privileges local_preload_libraries max_stack_depth session_preload_libraries session_replication_role
    shared_preload_libraries ssl_renegotiation_limit temp_file_limit update_process_title wal_compression
    wal_consistency_checking wal_init_zero wal_recycle zero_damaged_pages krb_server_keyfile
    commit_delay""".split()  # noqa: SIM905 - a table to read
)
_SERVER_PREFIXES = (
    "log_", "debug_", "track_", "trace_", "archive_", "auto_explain.", "pg_stat_statements.", "pgaudit.", "plperl.",
    "pltcl.", "plpython", "plv8.", "set_user.", "supautils.", "anon.", "cron.", "pg_hint_plan.", "sepgsql.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Barred:
    """Why a setting may not be changed. `word` is what allows it; `what` names the rule, never a value."""

    word: str
    what: str
    hint: str


def barred(setting: Setting, role: str | None, *, reset: bool, reads_only: bool = False) -> Barred | None:
    """What stands against changing a setting, None for everyday traffic.

    `reset`: back to the value the session began with (RESET, DISCARD), which the gateway itself has looked at.
    `role`: the upstream role of the session. `reads_only`: see Rights. A value that is not a literal counts as the worst
    it could be.
    """
    name = setting.name.lower()
    if reads_only and (name == _MODE or (name == READ_ONLY and not reset)) and not _is_on(setting.value):
        return READ_WRITE
    if reset and not (name == "session_authorization" and role is not None):
        return None  # servers older than their releases of November 2024 leave the role with it (CVE-2024-10978)
    if name == "*":
        if setting.value == _PG_DUMP_VALUE:
            return None
        hint = "Name the setting in a literal: SELECT set_config('search_path', '', false)."
        return Barred("all", "a setting whose name is computed", hint)
    value = None if setting.value is None else setting.value.strip().lower()
    if name in _LEXER:
        return _lexer(name, value)
    if name in _IDENTITY:
        if role is not None and setting.value == role and name == "role":
            return None
        if role is None and name == "role" and value == "none":
            return None
        return Barred("admin", f"the setting {name}", "Stay in the role the session was opened with.")
    if name in _SERVER:
        return Barred("admin", f"the server's own setting {name}", "Leave the setting as it is.")
    prefix = next((one for one in _SERVER_PREFIXES if name.startswith(one)), None)
    if prefix is not None:
        return Barred("admin", f"the server's own settings {prefix}*", "Leave the setting as it is.")
    return None


READ_WRITE = Barred("write", "a transaction to read and write", "Leave READ WRITE out; this session only reads.")


def _is_on(value: str | None) -> bool:
    """As the server's parse_bool takes it."""
    word = (value or "").strip().lower()
    return word == "on" or any(word and full.startswith(word) for full in _TRUE)


def _lexer(name: str, value: str | None) -> Barred | None:
    if name == "standard_conforming_strings":
        if _is_on(value):
            return None
        hint = "Keep it on and write strings with backslashes as E'…'."
        return Barred("all", "switching standard_conforming_strings off", hint)
    plain = "".join(char for char in value or "" if char.isascii() and char.isalnum())
    if value is not None and plain in _ASCII_SAFE:
        return None
    hint = "Use UTF8: SET client_encoding = 'UTF8'."
    return Barred("all", "a client_encoding whose characters may hold ASCII bytes", hint)
