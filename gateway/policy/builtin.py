"""The guardrails that hold in production with no configuration at all.

They bind every grant, also one that allows everything.
"""

from gateway.classify.catalog import Catalog
from gateway.policy.affected import broad, unquoted
from gateway.policy.guardrails import PLAIN, Finding, Said, spoken_kinds
from gateway.policy.kinds import fits
from gateway.policy.needs import Needs
from gateway.policy.rules import BUILT_IN
from parser.facts import Facts

# An UPDATE, DELETE, MERGE or upsert of this many rows by the planner's estimate is held.
BROAD_ROWS = 10_000

DEFAULT_DENY = f"{BUILT_IN}: deny by default"

_FILE_FUNCTIONS = ("pg_read_", "pg_ls_", "pg_stat_file", "lo_import", "lo_export", "pg_file_", "pg_logdir_ls")
_FILE_VIEWS = ("pg_hba_file_rules", "pg_ident_file_mappings", "pg_file_settings")  # the first two are functions too
_MORE_FILE_FUNCTIONS = (*_FILE_VIEWS, "pg_show_all_file_settings", "pg_current_logfile")


def speak(facts: Facts, needs: Needs, catalog: Catalog, estimated_rows: int | None = None) -> Said:
    """What the production defaults say of a statement, denials first."""
    kinds = spoken_kinds(facts, needs)
    said = Said()

    def say(effect: str, rule: str, hint: str, rows: int | None = None) -> None:
        finding = Finding(f"{BUILT_IN}: {rule} in production", effect, "", hint)
        said.add(finding, rows, estimated_rows)

    if needs.unread:
        say("deny", "nothing that cannot be read", PLAIN)
    if any(fits("DROP", kind) for kind in kinds):
        say("deny", "no DROP", "Leave the object in place; work in a temporary table if you need one.")
    if any(fits("TRUNCATE", kind) for kind in kinds):
        say("deny", "no TRUNCATE", "Delete the rows you mean with DELETE … WHERE.")
    if any(fits("REFRESH", kind) for kind in kinds) and unquoted(facts).endswith(" with no data"):
        say("deny", "no REFRESH that empties a view", "Leave WITH NO DATA out.")
    if facts.unfiltered and not needs.own:
        say("deny", "no UPDATE or DELETE of every row", "Add a WHERE that selects the rows you mean.")
    if any(fits("ALTER SYSTEM", kind) for kind in kinds):
        say("deny", "no ALTER SYSTEM", "Change the setting for your session with SET.")
    if "privilege" in facts.effects:
        say("deny", "no changes of roles and grants", "Leave changes of roles and grants out.")
    if facts.copy is not None and facts.copy.target in ("file", "program"):
        say("deny", "no COPY of files and programs", "Use COPY … FROM STDIN or TO STDOUT (psql: \\copy).")
    if _reaches_files(facts):
        say("deny", "no functions that reach the server's files", "Read from tables only.")
    if "ddl" in facts.effects and not needs.own:
        say("hold", "no DDL without approval", "Work with the tables as they are, or in a CREATE TEMP TABLE.")
    if broad(facts, catalog) and not needs.own:
        hint = "Narrow the WHERE, or change the rows in smaller steps."
        say("hold", "no broad UPDATE or DELETE without approval", hint, BROAD_ROWS)
    return said


def _reaches_files(facts: Facts) -> bool:
    if any(name.startswith(_FILE_FUNCTIONS) or name in _MORE_FILE_FUNCTIONS for _, name in facts.functions):
        return True
    return any(one.name in _FILE_VIEWS and one.schema in (None, "pg_catalog") for one in facts.reads)
