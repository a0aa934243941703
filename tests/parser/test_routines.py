"""What is known of the server's functions by name."""

from parser.keywords import SYNTAX_CALLS
from parser.routines import ABOUT_DEFINITIONS, COUNTING, EFFECTS, PURE, TAKES_ROWS

HARMLESS_EFFECTS = {"session", "write"}


def test_no_function_with_a_reach_is_called_pure() -> None:
    for name in PURE | ABOUT_DEFINITIONS | COUNTING:
        assert set(EFFECTS.get(name, ())) <= HARMLESS_EFFECTS, name


def test_functions_that_read_files_processes_or_run_text_have_effects() -> None:
    for name in ("pg_read_file", "pg_ls_dir", "lo_import", "lo_export", "pg_terminate_backend", "dblink_exec"):
        assert EFFECTS[name] == {"unsafe-io"}
    for name in ("query_to_xml", "table_to_xml", "ts_stat"):
        assert EFFECTS[name] == {"procedural"}
    assert EFFECTS["set_config"] == {"session"}
    assert EFFECTS["setval"] == {"write"}


def test_what_can_carry_a_row_is_known_to_the_rest() -> None:
    assert PURE | {"record_out"} >= TAKES_ROWS
    assert not COUNTING & SYNTAX_CALLS
