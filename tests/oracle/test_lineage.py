"""Lineage of outputs against PostgreSQL's own analyser: never less tainted, and nearly always exactly as tainted.

Three sources: statements that are easily got wrong (tests/corpus/lineage), made ones (made_queries), and PostgreSQL's
regression suite where it was fetched. `python -m pytest tests/oracle/test_lineage.py -s` prints the counts and what differs.
"""

import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from gateway.classify.resolver import Resolver
from parser.facts import Column, Facts, Output, Relation
from parser.known import Known
from parser.statements import read
from tests.live.rig import DEBIAN_15, private_directory
from tests.oracle.analysed import OPAQUE, Unreadable, nodes
from tests.oracle.judge import Judge, Refused, Tally, catalog_of, verdict
from tests.oracle.made_queries import made
from tests.oracle.regression import ABSENT, files, statements
from workers.embedded import EmbeddedServer, wheel_programs

CORPUS = Path(__file__).parent.parent / "corpus" / "lineage"
NEWEST = 18
SEED, MADE = 20, 2200
PRECISION = 0.95
PATH = ("public",)


def corpus() -> list[str]:
    """The corpus's statements; comments stand in front of them."""
    text = "\n".join(line for line in (CORPUS / "statements.sql").read_text().splitlines() if line[:3] != "-- ")
    return [statement.strip() for statement in text.split("\n\n") if statement.strip()]


NASTY = corpus()


@contextmanager
def running(programs: Path) -> Iterator[EmbeddedServer]:
    home = private_directory()
    server = EmbeddedServer(programs, home, settings={"statement_timeout": "10s", "jit": "off"})
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running(wheel_programs(NEWEST)) as one:
        yield one


@pytest.fixture(scope="module")
def shop(server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute((CORPUS / "schema.sql").read_text())
        yield connection


@pytest.fixture(scope="module")
def judge(shop: psycopg.Connection) -> Judge:
    return Judge(shop)


@pytest.fixture(scope="module")
def resolver(shop: psycopg.Connection) -> Resolver:
    return Resolver(catalog_of(shop), PATH)


def tallied(judge: Judge, texts: Iterable[str], known: Known | None) -> Tally:
    """The reader beside the judge, over every text that the analyser takes."""
    tally = Tally(judge)
    for text in texts:
        try:
            truth = judge.truth(text)
        except Refused:
            tally.refused.append(text)
            continue
        answers = read(text.encode(), known=known)
        assert len(answers) == 1, text
        tally.take(text, truth, answers[0])
    return tally


# --- the judge itself ---


def test_nodes_are_read_with_their_escapes_strings_and_lists() -> None:
    text = r"""({A :one (i 1 2) :two <> :name a\ \(b :text ("x\"y" "" ":odd") :flag true}
               {B :empty <> :colon :colon :constvalue 4 [ 1 0 0 0 ] :location -1 :inner {C :deep ((o 5) <>)}})"""
    first, second = nodes(text)
    assert (first.tag, dict(first)) == (
        "A",
        {"one": ["i", "1", "2"], "two": None, "name": "a (b", "text": ['x"y', "", ":odd"], "flag": "true"},
    )
    assert second["colon"] == ":colon"
    assert second["inner"]["deep"] == [["o", "5"], None]
    assert "location" not in second


@pytest.mark.parametrize("text", ["({A :one 1}) 2", "{A one 1}"])
def test_nodes_that_are_not_understood_are_an_error(text: str) -> None:
    with pytest.raises(Unreadable):
        nodes(text)


SAID = [
    ("SELECT c.id AS a, name FROM customers c", "customers.id | customers.name"),
    ("SELECT id FROM customers WHERE ssn > '1' ORDER BY email", "customers.id"),
    ("SELECT count(ssn), count(*) FILTER (WHERE city = 'x'), sum(score) FROM customers",
     " | customers.city | customers.score"),
    ("SELECT rank() OVER (PARTITION BY city ORDER BY score) FROM customers", "customers.city customers.score"),
    ("SELECT EXISTS (SELECT ssn FROM customers), id IN (SELECT customer_id FROM orders) FROM crm.staff",
     " | orders.customer_id staff.id"),
    ("SELECT name FROM customers UNION SELECT note FROM orders", "customers.name orders.note"),
    ("SELECT id FROM customers FULL JOIN orders USING (id)", "customers.id orders.id"),
    ("SELECT id FROM customers RIGHT JOIN orders USING (id)", "orders.id"),
    ("SELECT (SELECT c.ssn || o.note FROM customers c) FROM orders o", "customers.ssn orders.note"),
    ("WITH x(b, a) AS (SELECT id, ssn FROM customers) SELECT a FROM x", "customers.ssn"),
    ("WITH RECURSIVE t(a, b, c) AS (SELECT '', '', ssn FROM customers UNION ALL SELECT b, c, '' FROM t) SELECT a, c FROM t",
     "customers.ssn | customers.ssn"),
    ("SELECT g FROM gone g", "gone.kept gone.late"),
    ("SELECT (x.r).f2 FROM (SELECT ROW(id, ssn) AS r FROM customers) x", "customers.ssn"),
    ("WITH x AS (SELECT c FROM customers c) SELECT (j.c).ssn FROM (x CROSS JOIN orders) AS j", "customers.ssn"),
    ("SELECT ssn, tableoid FROM contacts, orders", "contacts.ssn | orders.tableoid"),
    ("SELECT ssn_of(id) FROM orders", "customers.ssn orders.id"),
    ("SELECT k FROM pairs(1)", "anything"),
    ("SELECT name <~> 'x' FROM customers", "customers.name orders.secret"),
    ("INSERT INTO parties (name) SELECT ssn FROM customers RETURNING name, id", "customers.ssn parties.name | parties.id"),
    ("UPDATE customers SET city = ssn RETURNING old.city, city", "customers.city | customers.city customers.ssn"),
    ("SELECT CASE WHEN ssn > '1' THEN 1 END, GROUPING(ssn), pg_typeof(ssn) FROM customers GROUP BY ssn",
     "customers.ssn |  | "),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "said"), SAID, ids=[statement[:60] for statement, _ in SAID])
def test_judge_says_what_a_person_would(judge: Judge, statement: str, said: str) -> None:
    truth = judge.truth(statement)
    assert [judge.names(flow) for flow in truth] == [
        "{" + ", ".join(sorted(part.split())) + "}" for part in said.split("|")
    ]


@pytest.mark.parametrize(
    "text", ["SELECT no_such_column FROM customers", "UPDATE customers SET city = 'x'", "SELECT 1; SELECT 2", "SELEC 1"]
)
def test_judge_does_not_speak_of_what_the_server_refuses_or_returns_nothing(judge: Judge, text: str) -> None:
    with pytest.raises(Refused):
        judge.truth(text)


def test_verdict_is_less_wherever_a_column_is_missing() -> None:
    one, two = frozenset({(1, 1)}), frozenset({(1, 1), (1, 2)})
    assert verdict(one, one) == "equal"
    assert verdict(one, two) == "more"
    assert verdict(two, one) == "less"
    assert verdict(two, frozenset({(1, 1), (1, 3)})) == "less"
    assert verdict(two, OPAQUE) == "more"
    assert verdict(OPAQUE | one, OPAQUE) == "equal"
    assert verdict(OPAQUE, one) == "less"


def test_reader_that_loses_one_column_is_caught(judge: Judge) -> None:
    name = Column(Relation("public", "customers"), "name")
    careless = Facts(("SELECT",), frozenset(("read",)), outputs=(Output(frozenset((name,))), Output()))
    tally = Tally(judge)
    statement = "SELECT name || ssn, 1 FROM customers"
    truth = judge.truth(statement)
    assert tally.take(statement, truth, careless) == "less"
    assert tally.columns == {"less": 1, "equal": 1}
    short = Facts(("SELECT",), frozenset(("read",)), outputs=(Output(opaque=True),))
    assert tally.take(statement, truth, short) == "less"
    assert "customers.name, customers.ssn" in tally.report()


# --- the reader before the judge ---


def test_nasty_statements_are_never_less_tainted(judge: Judge, resolver: Resolver) -> None:
    assert len(set(NASTY)) == len(NASTY) >= 150
    tally = tallied(judge, NASTY, resolver)
    print("\nnasty:", tally.report(1000))
    assert tally.refused == []
    assert not tally.shown["less"], tally.report()


def test_made_and_nasty_statements_are_as_tainted_as_the_analyser_says(judge: Judge, resolver: Resolver) -> None:
    texts = list(dict.fromkeys([*NASTY, *made(SEED, MADE)]))
    tally = tallied(judge, texts, resolver)
    print("\nmade and nasty:", tally.report())
    assert tally.statements.total() >= 2000, "the generator makes what the analyser refuses"
    assert not tally.shown["less"], tally.report()
    assert tally.precision() >= PRECISION, tally.report()
    assert tally.columns["equal"] >= PRECISION * tally.columns.total(), tally.report()


def test_names_alone_are_never_less_tainted(judge: Judge) -> None:
    """Without a catalogue nothing tells an operator or a cast of the database's own from PostgreSQL's."""
    texts = [text for text in [*NASTY, *made(SEED + 1, 500)] if "<~>" not in text and "seal" not in text]
    tally = tallied(judge, texts, None)
    print("\nnames alone:", tally.report(verdicts=("less",)))
    assert not tally.shown["less"], tally.report()


@pytest.mark.parametrize("path", [("crm", "public"), None], ids=["crm first", "unknown"])
def test_names_are_resolved_by_the_search_path(
    server: EmbeddedServer, path: tuple[str, ...] | None
) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("SET search_path = crm, public")
        found = Resolver(catalog_of(connection), path)
        tally = tallied(Judge(connection), [*NASTY, *made(SEED + 2, 250)], found)
    print("\nother path:", tally.report(verdicts=("less",)))
    assert tally.statements.total() > 400
    assert not tally.shown["less"], tally.report()


def test_what_the_session_made_itself_hides_the_tables_of_its_name(server: EmbeddedServer) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        catalog = catalog_of(connection)
        connection.execute("CREATE TEMP TABLE customers AS SELECT ssn AS id, mail AS name, who AS city FROM contacts")
        connection.execute("CREATE TEMP VIEW orders AS SELECT ssn AS note, name AS id FROM public.customers")
        found = Resolver(catalog, PATH, frozenset(("customers", "orders")))
        tally = tallied(Judge(connection), NASTY, found)
    print("\nshadowed:", tally.report(verdicts=("less",)))
    assert tally.statements.total() > 100
    assert not tally.shown["less"], tally.report()


IMPLICIT = [
    "SELECT held::text, upper(held), length(held) FROM envelopes",
    "SELECT reverse(held), btrim(e.held) FROM envelopes e",
    "SELECT coalesce(held::text, 'x'), concat(held), (e.held).inside, e FROM envelopes e",
    "SELECT string_agg(held, ',') FROM envelopes",
    "SELECT held LIKE 'x', held IS NULL, held::varchar FROM envelopes",
    "SELECT s FROM envelopes, LATERAL upper(held) AS s",
    "SELECT s FROM envelopes, string_to_table(held, ',') AS s",
    "INSERT INTO parties (name) SELECT held FROM envelopes RETURNING name",
    "UPDATE parties SET name = held FROM envelopes RETURNING name",
    "SELECT overlay(held PLACING 'x' FROM 1), substring(held FROM 1), position('x' IN held) FROM envelopes",
    "SELECT lag(held) OVER (), lag(held::text) OVER (), max(upper(held)) OVER () FROM envelopes",
]


def test_casts_that_nobody_writes_are_never_less_tainted(server: EmbeddedServer, shop: psycopg.Connection) -> None:
    shop.execute("CREATE DATABASE casts")
    with psycopg.connect(server.dsn("casts"), autocommit=True) as connection:
        connection.execute((CORPUS / "schema.sql").read_text() + (CORPUS / "implicit_casts.sql").read_text())
        found = Resolver(catalog_of(connection), PATH)
        judge = Judge(connection)
        tally = tallied(judge, [*IMPLICIT, *NASTY, *made(SEED + 3, 200)], found)
        assert not tallied(judge, IMPLICIT, found).refused
    print("\nimplicit casts:", tally.report(verdicts=("less",)))
    assert tally.statements.total() > 500
    assert not tally.shown["less"], tally.report()


# --- PostgreSQL's regression suite ---

_BASE = ("test_setup", "create_type", "create_table", "create_function_sql", "create_misc", "create_aggregate",
         "create_operator", "create_view", "create_index")  # fmt: skip
_MAKES = re.compile(r"(create|alter|set\s+search_path|select\b.*\binto\b)", re.IGNORECASE | re.DOTALL)
_LEFT_ALONE = re.compile(
    r"create\s+(database|tablespace|subscription|event|role|user|group|server|extension)|alter\s+(system|database|role|user|group)"
    r"|create\s+(or\s+replace\s+)?rule|.*\bfrom\s+stdin\b",
    re.IGNORECASE | re.DOTALL,
)
_TEMPORARY = re.compile(r"^(\s*create\s+)(?:(?:local|global)\s+)?temp(?:orary)?\s+", re.IGNORECASE)
_JUDGED = re.compile(r"\s*\(*\s*(select|with|values|table|insert|update|delete|merge)\b", re.IGNORECASE)
_SUITES = {"postgresql-15": DEBIAN_15, "postgresql-18": wheel_programs(18)}


def load(connection: psycopg.Connection, texts: Iterable[str]) -> None:
    """Makes what the script makes, as far as it can be made one by one; drops nothing, so that all of it is there at the
    end. Temporary relations become lasting ones: they would hide each other's names."""
    for text in texts:
        bare = re.sub(r"^(\s*--[^\n]*\n|\s+)*", "", text)
        if not _MAKES.match(bare) or _LEFT_ALONE.match(bare):
            continue
        try:
            connection.execute(_TEMPORARY.sub(r"\1", bare).encode())
        except psycopg.Error:
            continue
        finally:
            if connection.info.transaction_status is not TransactionStatus.IDLE:  # a text with a BEGIN in it
                connection.execute("ROLLBACK")


def suite_tally(server: EmbeddedServer, scripts: list[Path]) -> Tally:
    """Every query and change of the suite, each file in a database of its own that has what the first files make."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE suite")
    by_name = {script.stem: script for script in scripts}
    for name in _BASE:
        with psycopg.connect(server.dsn("suite"), autocommit=True) as connection:
            load(connection, statements(by_name[name]))
    whole: Tally | None = None
    for script in scripts:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute("DROP DATABASE IF EXISTS one")
            admin.execute("CREATE DATABASE one TEMPLATE suite STRATEGY file_copy")
        texts = list(dict.fromkeys(statements(script)))
        with psycopg.connect(server.dsn("one"), autocommit=True) as connection:
            load(connection, texts)
            row = connection.execute("SELECT current_schemas(false)").fetchone()
            assert row is not None
            judge = Judge(connection)
            asked = [text.rstrip().rstrip(";") for text in texts if _JUDGED.match(text)]
            tally = tallied(judge, asked, Resolver(catalog_of(connection), tuple(row[0])))
        if whole is None:
            whole = tally
        else:
            whole.add(tally)
    assert whole is not None
    return whole


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("suite", _SUITES)
def test_regression_suite_is_as_tainted_as_the_analyser_says(suite: str) -> None:
    scripts = [file for file in files() if file.parent.name == suite]
    if not scripts:
        pytest.skip(ABSENT)
    if not _SUITES[suite].is_dir():
        pytest.skip(f"no server of {suite} is installed")
    with running(_SUITES[suite]) as one:
        tally = suite_tally(one, scripts)
    print(f"\n{suite}:", tally.report(200))
    assert tally.statements.total() >= 2000
    assert not tally.shown["less"], tally.report()
    assert tally.precision() >= PRECISION, tally.report()
