"""What calling a function may do, from the database's catalogue and from what is known of PostgreSQL's own functions.

`parser.routines.EFFECTS` names the built-in functions that reach out; the parser has already put those effects into the
facts. Here the catalogue judges all others. A body that was read counts as what it does; what is not volatile cannot change
anything (manual, section 36.7), unless it is opaque PL/pgSQL, which may call what does; what is volatile and not listed as
harmless counts as the worst it may do: a body in any language can run any statement.
"""

from collections.abc import Iterable
from typing import Literal

from gateway.classify.catalog import Catalog, CatalogFunction
from parser.facts import Effect
from parser.keywords import SYNTAX_CALLS
from parser.plpgsql import Plain
from parser.routines import EFFECTS

# How a call counts: "code" runs a text or an owner's rights, "unknown" is in no catalogue.
Power = Literal["read", "write", "admin", "code", "unknown"]

_RANK: dict[Power, int] = {"read": 0, "write": 1, "admin": 2, "code": 3, "unknown": 4}
# What calling PostgreSQL's own functions by these effects takes.
_TOLD: dict[Effect, Power] = {
    "read": "read", "session": "read", "write": "write", "ddl": "code", "privilege": "admin", "unsafe-io": "admin",
    "procedural": "code",
}  # fmt: skip
_COMPILED = frozenset(("c", "internal"))

# Volatile in pg_proc, and yet they only read, wait, roll dice or tell of the session.
HARMLESS = frozenset(
    """array_sample array_shuffle bernoulli clock_timestamp current_query currtid2 currval gen_random_uuid lastval
    lo_close lo_get lo_lseek lo_lseek64 lo_tell lo_tell64 loread pg_available_wal_summaries pg_blocking_pids
    pg_collation_actual_version pg_control_checkpoint pg_control_init pg_control_recovery pg_control_system
    pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn pg_database_collation_actual_version
    pg_database_size pg_export_snapshot pg_get_multixact_members pg_get_sequence_data pg_get_wait_events
    pg_get_wal_replay_pause_state pg_get_wal_resource_managers pg_indexes_size pg_is_in_recovery
    pg_is_wal_replay_paused pg_isolation_test_session_is_blocked pg_jit_available pg_last_committed_xact
    pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_lock_status
    pg_notification_queue_usage pg_partition_ancestors pg_partition_tree pg_prepared_xact pg_relation_size
    pg_safe_snapshot_blocking_pids pg_sequence_last_value pg_show_replication_origin_status pg_sleep pg_sleep_for
    pg_sleep_until pg_stat_clear_snapshot pg_stat_force_next_flush pg_stat_get_backend_io pg_stat_get_backend_wal
    pg_stat_get_io pg_stat_get_recovery_prefetch pg_stat_have_stats pg_table_size pg_tablespace_size
    pg_total_relation_size pg_xact_commit_timestamp pg_xact_commit_timestamp_origin pg_xact_status random
    random_normal set_config setseed system timeofday txid_status uuidv4 uuidv7
    pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit pg_stat_get_xact_function_calls
    pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time pg_stat_get_xact_numscans
    pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched pg_stat_get_xact_tuples_hot_updated
    pg_stat_get_xact_tuples_inserted pg_stat_get_xact_tuples_newpage_updated pg_stat_get_xact_tuples_returned
    pg_stat_get_xact_tuples_updated""".split()  # noqa: SIM905 - a table to read
)
# The same for functions in C that come with PostgreSQL's own extensions (uuid-ossp, pgcrypto, pg_stat_statements).
_HARMLESS_EXTENSIONS = frozenset(
    """uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 gen_random_bytes gen_salt pgp_sym_encrypt
    pgp_sym_encrypt_bytea pgp_pub_encrypt pgp_pub_encrypt_bytea pg_stat_statements pg_stat_statements_info
    gen_random_uuid""".split()  # noqa: SIM905 - a table to read
)
# Types that are written like calls and have no function of that name: text(x) has one, uuid(x) casts.
_TYPES = frozenset(
    ("box2d", "bytea", "hstore", "int2", "int4", "int8", "json", "jsonb", "tid", "tsquery", "tsvector", "uuid", "xid")
)


def power(schema: str | None, name: str, catalog: Catalog) -> Power:
    """What a call may do at worst; without a schema any function of the name may be meant.

    Functions whose effects the parser knows by name are "read" here unless a user's own function shares the name. A body
    that was read counts as what it does and all that it calls.
    """
    return _follow({(schema, name)}, catalog)[0]


def called(functions: Iterable[tuple[str | None, str]], catalog: Catalog) -> frozenset[str]:
    """The names of all functions that run where these are called, as far as bodies were read."""
    return frozenset(name for _, name in _follow(set(functions), catalog)[1])


def _follow(
    waiting: set[tuple[str | None, str]], catalog: Catalog
) -> tuple[Power, set[tuple[str | None, str]]]:
    """What calling these may do at worst, and all that is called then."""
    found: set[Power] = {"read"}
    met: set[tuple[str | None, str]] = set()
    while waiting:
        call = waiting.pop()
        met.add(call)
        known = _meant(call, catalog)
        if not known:
            found.add(_unlisted(*call))
        for one in known:
            if one.body is not None and _followed(one):
                found.add(_worst(one.body.effects))
                waiting |= one.body.functions - met
            elif one.plain is not None and _followed(one):
                found.add(_worst(one.plain.effects))
                inner = _of_plain(one.plain, catalog)
                found |= {_TOLD[effect] for _, each in inner for effect in EFFECTS.get(each, ())}
                found |= {"code" for _, each in inner if each == "set_config"}
                waiting |= {each for each in inner if _meant(each, catalog)} - met
            else:
                found.add(_power(one))
    return max(found, key=_RANK.__getitem__), met


def _of_plain(body: Plain, catalog: Catalog) -> set[tuple[str | None, str]]:
    """What may be called in a body of which the words alone were read. A name that no function has is a field or a type."""
    found: set[tuple[str | None, str]] = set(body.calls)
    found.update(catalog.implicit)
    for symbol in body.operators:
        found.update(catalog.operators.get(symbol, ()))
    for name in body.names:
        found.update(catalog.casts.get(name, ()))
    return found


def _worst(effects: frozenset[Effect]) -> Power:
    if effects <= {"read"}:
        return "read"
    return "write" if effects <= {"read", "write"} else "code"


def _meant(call: tuple[str | None, str], catalog: Catalog) -> tuple[CatalogFunction, ...]:
    schema, name = call
    known = catalog.functions.get(name, ())
    return known if schema is None else tuple(one for one in known if one.schema == schema)


def _unlisted(schema: str | None, name: str) -> Power:
    unqualified = schema is None and (name in SYNTAX_CALLS or name in _TYPES)
    told = name in EFFECTS and schema in (None, "pg_catalog")
    return "read" if unqualified or told else "unknown"


def _followed(function: CatalogFunction) -> bool:
    """Whether what its body says is all: a volatile one with its owner's rights is not the caller's business alone."""
    return not function.builtin and (function.volatility != "v" or not function.security_definer)


def _power(function: CatalogFunction) -> Power:
    name, compiled = function.name, function.language in _COMPILED
    if name in EFFECTS and (function.builtin or compiled):
        return "read"  # beside the effect that the parser has told
    if function.builtin:
        return "read" if function.volatility != "v" or name in HARMLESS else "admin"
    if function.language == "plpgsql":
        return "code"  # opaque; one that says stable may call others that are not
    if function.volatility != "v":
        return "read"
    return "read" if compiled and name in _HARMLESS_EXTENSIONS else "code"
