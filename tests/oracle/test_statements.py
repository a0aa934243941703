"""The reader of statements against PostgreSQL 18's own grammar (libpg_query, through postgast).

Compared are: where a text is cut, the kind of each statement and of everything inside it, the tables and the functions that
stand in it. The statements: the project's own corpus, which has every kind of the grammar, and PostgreSQL's regression suite
where it was fetched. `python -m pytest tests/oracle/test_statements.py -s` prints what the reader did not understand.

Where the two differ on purpose:

- Names of WITH queries are tables there; the reader leaves them out where they are in scope.
- The grammar gives functions to constructs that are no calls (`a LIKE b ESCAPE c`, `extract`, `AT TIME ZONE`); only what
  is written with brackets is compared: every function the reader must not miss.
"""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import postgast
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parser.facts import Facts, Relation
from parser.kinds import ALL_EFFECTS
from parser.statements import read
from tests.oracle import grammar, regression

CORPUS = Path(__file__).parent.parent / "corpus" / "statements"
STATEMENTS = [
    line.split("\t")[0] for line in (CORPUS / "facts.tsv").read_text().splitlines() if not line.startswith("# ")
] + [line for line in (CORPUS / "grammar.sql").read_text().splitlines() if not line.startswith("-- ")]
# For ESCAPE, XML and TREAT … AS int; json_object('{}') is a function before 16 and grammar from then on.
NOT_WRITTEN = {"xmlconcat", "like_escape", "similar_to_escape", "int4", "json_object"}
# Texts that the grammar takes and the tokenizer refuses: what PostgreSQL 15 and later refuse, too, or take for two words.
STRICTER = re.compile(r"\$\d+[A-Za-z_]|\b\d+[A-Za-z_]")
# What the reader does not understand of the regression suite: at most so many in a thousand statements of a kind.
# Bodies "not even SQL", and of utility statements behind BEGIN ATOMIC, which the server refuses; DO blocks that do what
# PL/pgSQL alone can.
UNREAD_MOST = {"create_function_stmt": 5, "view_stmt": 3, "do_stmt": 1000}
UNREAD_MOST_ELSE = 1
# What each first word does at least.
EFFECTS = {
    "SELECT": "read", "SHOW": "session", "EXPLAIN": "read", "FETCH": "read", "INSERT": "write", "UPDATE": "write",
    "DELETE": "write", "MERGE": "write", "TRUNCATE": "write", "REFRESH": "write", "COPY TO": "read", "COPY FROM": "write",
    "GRANT": "privilege", "REVOKE": "privilege", "REASSIGN": "privilege", "SECURITY": "privilege", "SET": "session",
    "RESET": "session", "DISCARD": "session", "LISTEN": "session", "UNLISTEN": "session", "NOTIFY": "session",
    "BEGIN": "session", "START": "session", "COMMIT": "session", "ROLLBACK": "session", "SAVEPOINT": "session",
    "RELEASE": "session", "PREPARE": "session", "DEALLOCATE": "session", "DECLARE": "session", "CLOSE": "session",
    "MOVE": "session", "DO": "session", "CALL": "procedural", "EXECUTE": "procedural", "LOAD": "unsafe-io",
    "CHECKPOINT": "unsafe-io", "IMPORT": "unsafe-io", "ALTER SYSTEM": "unsafe-io", "COMMENT": "ddl", "VACUUM": "ddl",
    "ANALYZE": "write", "CLUSTER": "ddl", "REINDEX": "ddl", "CREATE ROLE": "privilege", "ALTER ROLE": "privilege",
    "DROP ROLE": "privilege", "ALTER DEFAULT PRIVILEGES": "privilege", "ALTER LARGE OBJECT": "privilege",
    "CREATE USER MAPPING": "privilege", "ALTER USER MAPPING": "privilege", "DROP USER MAPPING": "privilege",
    "CREATE": "ddl", "ALTER": "ddl", "DROP": "ddl", "LOCK": "",
}  # fmt: skip
REACH_OUT = (
    *("EXTENSION", "SERVER", "FOREIGN", "SUBSCRIPTION", "PUBLICATION", "LANGUAGE", "TABLESPACE", "ACCESS METHOD"),
    *("TRANSFORM", "USER MAPPING", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE", "TEXT SEARCH DICTIONARY"),
)


def kinds(facts: Facts) -> set[str]:
    return set(facts.kinds) | (set(facts.inner.kinds) if facts.inner is not None else set())


def relations(facts: Facts) -> set[Relation]:
    return {*facts.reads, *facts.writes, *facts.creates}


def tables(message: object) -> set[str]:
    return {table.relname for _, table in postgast.walk(message) if type(table).__name__ == "RangeVar" and table.relname}


def with_names(message: object) -> set[str]:
    return {cte.ctename for _, cte in postgast.walk(message) if type(cte).__name__ == "CommonTableExpr"}


def calls(message: object) -> set[str]:
    found = set()
    for _, call in postgast.walk(message):
        name = type(call).__name__
        written = name == "FuncCall" and call.funcformat == postgast.pg_query_pb2.COERCE_EXPLICIT_CALL
        if written or name in ("CreateTrigStmt", "CreateEventTrigStmt"):
            found.add(call.funcname[-1].string.sval)
    return found


def missed(facts: Facts, raw: object) -> set[str]:
    """What the grammar sees in a statement and the facts do not have."""
    functions = {name for _, name in facts.functions}
    seen = {relation.name for relation in relations(facts)}
    if facts.inner is not None:
        functions |= {name for _, name in facts.inner.functions}
        seen |= {relation.name for relation in relations(facts.inner)}
    found = {f"kind {kind}" for kind in grammar.inside(raw) - kinds(facts)}
    found |= {f"function {name}" for name in calls(raw) - functions - NOT_WRITTEN}
    if facts.kinds[0].startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "EXPLAIN", "PREPARE", "DECLARE",
                                  "CREATE TABLE", "CREATE VIEW", "CREATE INDEX", "ALTER TABLE", "TRUNCATE")):  # fmt: skip
        locked = {table.relname for _, lock in postgast.walk(raw) if type(lock).__name__ == "LockingClause"
                  for _, table in postgast.walk(lock) if type(table).__name__ == "RangeVar"}  # fmt: skip
        found |= {f"table {name}" for name in tables(raw) - with_names(raw) - seen - locked}
    return found


# --- the project's own corpus ---


@pytest.mark.parametrize("sql", STATEMENTS, ids=[sql[:60] for sql in STATEMENTS])
def test_the_grammar_agrees_on_kinds_tables_and_functions(sql: str) -> None:
    (raw,) = postgast.parse(sql).stmts
    (facts,) = read(sql.encode())
    assert facts.complete, facts.reason
    assert facts.kinds[0] == grammar.kind(raw)
    assert missed(facts, raw) == set()
    if facts.kinds[0].startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY")):
        assert {relation.name for relation in relations(facts)} <= tables(raw)  # and nothing is made up


@pytest.mark.parametrize("sql", STATEMENTS, ids=[sql[:60] for sql in STATEMENTS])
def test_each_kind_has_its_effect(sql: str) -> None:
    (facts,) = read(sql.encode())
    words = facts.kinds[0].split()
    phrases = [" ".join(words[:length]) for length in range(len(words), 0, -1)]
    wanted = next(EFFECTS[phrase] for phrase in phrases if phrase in EFFECTS)
    assert facts.effects >= ({wanted} if wanted else set())
    assert facts.effects
    if words[0] in ("CREATE", "ALTER", "DROP") and " ".join(words[1:]).startswith(REACH_OUT):
        assert "unsafe-io" in facts.effects


def test_the_corpus_has_every_statement_of_the_grammar() -> None:
    covered = {grammar.node(raw) for sql in STATEMENTS for raw in postgast.parse(sql).stmts}
    every = {field.name for field in postgast.pg_query_pb2.Node.DESCRIPTOR.fields if field.name.endswith("_stmt")}
    assert every - covered == grammar.NOT_STATEMENTS
    assert len(STATEMENTS) >= 700


def test_the_corpus_has_every_action_of_alter_table() -> None:
    made = {
        grammar.named(command.alter_table_cmd, "subtype")
        for sql in STATEMENTS
        for _, part in postgast.walk(postgast.parse(sql))
        if type(part).__name__ == "AlterTableStmt"
        for command in part.cmds
    }
    assert grammar.ACTIONS.keys() <= made


# --- texts made of it ---


@given(
    st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=5),
    st.sampled_from([";", " ; ", ";;", ";/*;*/", ";--;\n"]),
)
@settings(max_examples=150)
def test_a_message_is_cut_where_the_grammar_cuts_it(statements: list[str], between: str) -> None:
    sql = between.join(statements)
    stmts = postgast.parse(sql).stmts
    assert [facts.kinds[0] for facts in read(sql.encode())] == [grammar.kind(raw) for raw in stmts]


@given(st.lists(st.sampled_from(sorted({word for sql in STATEMENTS for word in sql.split()})), max_size=12))
@settings(max_examples=500)
def test_what_the_grammar_takes_is_cut_alike(words: list[str]) -> None:
    agree_on_whatever_the_grammar_takes(" ".join(words))


@given(st.sampled_from(STATEMENTS), st.sampled_from(STATEMENTS), st.data())
@settings(max_examples=400)
def test_what_the_grammar_takes_of_statements_spliced_is_cut_alike(one: str, other: str, data: st.DataObject) -> None:
    left, right = one.split(" "), other.split(" ")
    at, behind = data.draw(st.integers(1, len(left))), data.draw(st.integers(0, len(right) - 1))
    agree_on_whatever_the_grammar_takes(" ".join(left[:at] + right[behind:]))


def agree_on_whatever_the_grammar_takes(sql: str) -> None:
    try:
        tree = postgast.parse(sql)
    except postgast.PgQueryError:
        return
    found = read(sql.encode())
    if all(facts.complete for facts in found):
        assert [facts.kinds[0] for facts in found] == [grammar.kind(raw) for raw in tree.stmts], sql
        for facts, raw in zip(found, tree.stmts, strict=True):
            assert grammar.inside(raw) <= kinds(facts), sql


# --- PostgreSQL's own ---


@cache
def suite() -> list[str]:
    """The texts of the regression suite of every version that was fetched, each once."""
    return list(dict.fromkeys(text for file in regression.files() for text in regression.statements(file)))


@pytest.mark.skipif(not regression.files(), reason=regression.ABSENT)
@pytest.mark.timeout(1200)
def test_the_regression_suite_is_cut_and_named_as_the_grammar_does() -> None:
    seen: Counter[str] = Counter()
    unread: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    wrong = []
    for sql in suite():
        try:
            stmts = postgast.parse(sql).stmts
        except postgast.PgQueryError:
            continue  # an error on purpose, or of another version
        found = read(sql.encode())
        if [facts.kinds[0] for facts in found] == ["UNKNOWN"] and STRICTER.search(sql):
            reasons["stricter than the grammar"] += 1
            continue
        if len(found) != len(stmts):
            wrong.append(("cut", sql))
            continue
        for facts, raw in zip(found, stmts, strict=True):
            node = grammar.node(raw)
            seen[node] += 1
            if facts.kinds[0] != grammar.kind(raw):
                wrong.append((facts.kinds[0], sql))
            elif not facts.complete:
                unread[node] += 1
                reasons[f"{node}: {facts.reason}"] += 1
                assert facts.effects == ALL_EFFECTS
            elif lacks := missed(facts, raw):
                wrong.append((", ".join(sorted(lacks)), sql))
    print(f"\n{sum(seen.values())} statements, {len(wrong)} disagreements, {sum(unread.values())} not understood")
    for reason, count in reasons.most_common():
        print(f"{count:6} {reason}")
    assert not wrong, "\n".join(f"{what}: {sql[:200]}" for what, sql in wrong[:40])
    for node, count in unread.items():
        assert count * 1000 <= seen[node] * UNREAD_MOST.get(node, UNREAD_MOST_ELSE), f"{node}: {count} of {seen[node]}"
