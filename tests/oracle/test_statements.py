"""The reader of statements against PostgreSQL 18's own grammar (libpg_query, through postgast).

Compared are: which texts are statements at all, where a message is cut, the kind of each statement, the tables and the
functions that stand in it. Where the two differ on purpose:

- Names of WITH queries are tables there; the reader leaves them out where they are in scope.
- The grammar gives functions to constructs that are no calls (`a LIKE b ESCAPE c`, `extract`, `AT TIME ZONE`); only what
  is written with brackets is compared: every function the reader must not miss.
"""

from pathlib import Path

import postgast
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parser.facts import Facts
from parser.statements import read

CORPUS = Path(__file__).parent.parent / "corpus" / "statements"
STATEMENTS = [
    line.split("\t")[0] for line in (CORPUS / "facts.tsv").read_text().splitlines() if not line.startswith("# ")
]
NOT_WRITTEN = {"xmlconcat", "like_escape", "similar_to_escape", "int4"}  # for ESCAPE and TREAT … AS int
NODES = {
    "select_stmt": ("SELECT",),
    "insert_stmt": ("INSERT",),
    "update_stmt": ("UPDATE",),
    "delete_stmt": ("DELETE",),
    "merge_stmt": ("MERGE",),
    "copy_stmt": ("COPY FROM", "COPY TO", "COPY FROM PROGRAM", "COPY TO PROGRAM"),
    "explain_stmt": ("EXPLAIN",),
    "prepare_stmt": ("PREPARE",),
    "execute_stmt": ("EXECUTE",),
    "deallocate_stmt": ("DEALLOCATE",),
    "declare_cursor_stmt": ("DECLARE",),
    "fetch_stmt": ("FETCH", "MOVE"),
    "close_portal_stmt": ("CLOSE",),
    "do_stmt": ("DO",),
    "call_stmt": ("CALL",),
    "truncate_stmt": ("TRUNCATE",),
    "lock_stmt": ("LOCK",),
    "variable_set_stmt": ("SET", "SET ROLE", "SET TRANSACTION", "SET SESSION AUTHORIZATION", "RESET",
                          "SET SESSION CHARACTERISTICS"),
    "variable_show_stmt": ("SHOW",),
    "constraints_set_stmt": ("SET CONSTRAINTS",),
    "discard_stmt": ("DISCARD",),
    "vacuum_stmt": ("VACUUM", "ANALYZE"),
    "grant_stmt": ("GRANT", "REVOKE"),
    "grant_role_stmt": ("GRANT ROLE", "REVOKE ROLE"),
    "create_table_as_stmt": ("CREATE TABLE AS", "CREATE MATERIALIZED VIEW"),
}  # fmt: skip


def node(statement: object) -> str:
    return str(statement.stmt.WhichOneof("node"))  # type: ignore[attr-defined]


def agreed(name: str, facts: Facts) -> bool:
    """Whether the grammar's node and the reader's kind mean the same."""
    if name in NODES:
        return facts.kinds[0] in NODES[name]
    verbs = {"create": "CREATE", "alter": "ALTER", "drop": "DROP"}
    first = name.split("_")[0]
    if name in ("index_stmt", "rule_stmt", "view_stmt", "define_stmt", "comp_type_stmt"):
        first = "create"
    if name in ("rename_stmt",):
        first = "alter"
    if name in ("create_role_stmt", "alter_role_stmt", "drop_role_stmt") or first in verbs:
        return facts.kinds[0].startswith(verbs[first])
    return not facts.kinds[0].startswith(("SELECT", "UNKNOWN"))


def tables(message: object) -> set[str]:
    return {table.relname for _, table in postgast.walk(message) if type(table).__name__ == "RangeVar" and table.relname}


def with_names(message: object) -> set[str]:
    return {cte.ctename for _, cte in postgast.walk(message) if type(cte).__name__ == "CommonTableExpr"}


def calls(message: object) -> set[str]:
    found = set()
    for _, call in postgast.walk(message):
        if type(call).__name__ == "FuncCall" and call.funcformat == postgast.pg_query_pb2.COERCE_EXPLICIT_CALL:
            found.add(call.funcname[-1].string.sval)
    return found


@pytest.mark.parametrize("sql", STATEMENTS, ids=[sql[:60] for sql in STATEMENTS])
def test_the_grammar_agrees_on_kind_tables_and_functions(sql: str) -> None:
    tree = postgast.parse(sql)
    (statement,) = tree.stmts
    (facts,) = read(sql.encode())
    assert agreed(node(statement), facts), node(statement)
    seen = {relation.name for relation in (*facts.reads, *facts.writes, *facts.creates)}
    if facts.inner is not None:
        seen |= {relation.name for relation in (*facts.inner.reads, *facts.inner.writes, *facts.inner.creates)}
    if facts.kinds[0].startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "EXPLAIN", "PREPARE", "DECLARE")):
        assert tables(tree) - with_names(tree) == seen - with_names(tree)
    else:
        assert seen <= tables(tree) | {"p"} or facts.kinds[0].startswith(("DROP", "ALTER"))
    assert calls(tree) <= {name for _, name in facts.functions} | NOT_WRITTEN


@given(
    st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=5),
    st.sampled_from([";", " ; ", ";;", ";/*;*/", ";--;\n"]),
)
@settings(max_examples=150, deadline=None)
def test_a_message_is_cut_where_the_grammar_cuts_it(statements: list[str], between: str) -> None:
    sql = between.join(statements)
    tree = postgast.parse(sql)
    found = read(sql.encode())
    assert len(found) == len(tree.stmts)
    assert all(agreed(node(statement), facts) for statement, facts in zip(tree.stmts, found, strict=True))


@given(st.lists(st.sampled_from(sorted({word for sql in STATEMENTS for word in sql.split()})), max_size=12))
@settings(max_examples=500, deadline=None)
def test_what_the_grammar_takes_is_cut_alike(words: list[str]) -> None:
    sql = " ".join(words)
    try:
        tree = postgast.parse(sql)
    except postgast.PgQueryError:
        return
    found = read(sql.encode())
    if all(facts.complete for facts in found):
        assert len(found) == len(tree.stmts)
        assert all(agreed(node(statement), facts) for statement, facts in zip(tree.stmts, found, strict=True))
