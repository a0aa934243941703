"""Nothing dangerous gets by and nothing harmless is stopped: the corpus, through real processes, against a real database.

The sessions of the gateway are a superuser's on the server, so nothing but the gateway stands in the way of any statement.
Dangerous ones must be refused (or masked) and leave no trace anywhere; harmless ones must get the answer that the server
itself gives. Each is sent as a simple query, in the extended protocol, and respelled in pieces.
"""

import os
import random
import shutil
from collections.abc import Iterator

import psycopg
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.classify.catalog import Catalog
from gateway.identity.principal import Principal
from gateway.policy.compile import compile
from gateway.policy.rights import Rights
from gateway.policy.rules import load
from gateway.policy.table import PolicyTable
from gateway.scope import Scope
from gateway.settings import Settings
from tests.live.corpus import DATABASE, Entry, entries, oids
from tests.live.corpus_player import TWIN, Answer, Player, State
from tests.live.mutation import KINDS, mutate, statements
from tests.live.rig import (
    SLUICE_PASSWORD,
    Gateway,
    Postgres,
    database_entries,
    serving,
    start_postgres,
    wait_for,
)
from workers import catalog

DANGEROUS, HARMLESS = entries("dangerous"), entries("harmless")
# What is made for good comes last: its numbers differ in the two databases.
HARMLESS = {name: HARMLESS[name] for name in sorted(HARMLESS, key=lambda name: ("migrations" in name, name))}
ENTRIES_MIN = 150
STORM = "SLUICE_STORM_SECONDS" in os.environ
SPELLINGS, TEXTS = (300, 1000) if STORM else (40, 24)  # how often a theme is respelled, and how many of its texts at a time

GROUPS = {
    "reader": 'allow = ["read"]',
    "writer": 'allow = ["read", "write"]',
    "careful": 'allow = ["read", "write"]\nmax_affected_rows = 3',
    "ddl": 'allow = ["read", "write", "ddl"]',
    "all": 'allow = ["all"]',
}
POLICY = "".join(
    f'[[grant]]\nname = "{name}"\ngroups = ["{name}"]\n{words}\n\n' for name, words in GROUPS.items()
)


class World:
    """A server with the corpus database, its twin for the direct answers, and a gateway in front of the first."""

    def __init__(self, server: Postgres, gateway: Gateway) -> None:
        self.server = server
        self.gateway = gateway
        self.folder = server.home / "written"
        self.folder.mkdir()
        self.folder.chmod(0o777)
        self._connect()
        self._oids = oids(self._keeper)
        self.apart = False  # the twin and the database have not seen the same changes
        self.endangered = False  # refused statements leave temporary schemas and dead rows, which the harmless would see

    def _connect(self) -> None:
        """A session that others may want to end or to look at, and one that looks for traces."""
        self._victim = self.server.connect("corpus", autocommit=True)
        self._victim.execute("SELECT 'canary.in.another.session@example.com'")
        self._keeper = self.server.connect("corpus", autocommit=True)
        self.state = State(self._keeper, self.folder)

    def player(self, entry: Entry) -> Player:
        """A session through the gateway as the entry's principal."""
        token = self.gateway.token("someone", (entry.group,))
        return Player(self.gateway.port, entry.database, "someone", token, self.names())

    def direct(self) -> Player:
        """A session with the server itself, in the twin."""
        return Player(self.server.port, TWIN, "sluice_plain", SLUICE_PASSWORD, self.names())

    def names(self) -> dict[str, str]:
        """What stands in braces in the corpus."""
        return {"folder": str(self.folder), "victim": str(self._victim.info.backend_pid)} | self._oids

    def trace(self, spared: int = 0) -> str:
        """What the state of the world is, once every session of the corpus but `spared` ones has ended."""
        return self.state.trace(self._victim.info.backend_pid, spared)

    def close(self) -> None:
        self._victim.close()
        self._keeper.close()

    def forget(self) -> None:
        """Has the gateway forget what it learned of columns: labels stay though a copy is rolled back."""
        folder = self.gateway.folder / "var" / "labels"
        if any(file.stat().st_size for file in folder.glob("*")):
            self.gateway.stop()
            shutil.rmtree(folder)
            self.gateway.start()

    def mend(self) -> None:
        """The database as it was, after a dangerous statement did get through."""
        self.close()
        for file in self.folder.iterdir():
            file.unlink()
        with self.server.connect(autocommit=True) as admin:
            admin.execute("DROP DATABASE IF EXISTS corpus WITH (FORCE)")
            admin.execute("CREATE DATABASE corpus TEMPLATE pristine")
        self._connect()
        self.endangered = False


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    server = start_postgres("18")
    try:
        with server.connect(autocommit=True) as admin:
            admin.execute("ALTER ROLE sluice_plain SUPERUSER")
            admin.execute("ALTER SYSTEM SET autovacuum = off")  # it changes what the catalogue tells
            admin.execute("SELECT pg_reload_conf()")
            admin.execute("CREATE DATABASE pristine")
            with server.connect("pristine", autocommit=True) as maker:
                maker.execute(DATABASE.read_text())
            for name in ("corpus", "twin"):
                admin.execute(f"CREATE DATABASE {name} TEMPLATE pristine")
        # What a session left behind is looked for when it has ended.
        common = {"dbname": "corpus", "user": "sluice_plain", "pool_size": 0}
        databases = {"prod": common | {"environment": "production"}, "dev": common}
        for gateway in serving(Gateway(database_entries(server, databases), POLICY)):
            made = World(server, gateway)
            yield made
            made.close()
    finally:
        server.stop()


def report(problems: list[str], pending: list[str]) -> None:
    """Fails with all problems at once; what is pending is only printed."""
    for line in pending:
        print(line)
    assert not problems, f"{len(problems)} of the corpus:\n" + "\n".join(problems)


def sort(entry: Entry, problem: str, problems: list[str], pending: list[str]) -> None:
    if entry.pending:
        pending.append(f"PENDING ({problem or 'passes now'}): {entry} -- {entry.pending}")
    elif problem:
        problems.append(f"{problem}: {entry}")


@pytest.mark.xdist_group("corpus of the dangerous")
@pytest.mark.parametrize("theme", DANGEROUS)
def test_nothing_dangerous_gets_by(world: World, theme: str) -> None:
    problems: list[str] = []
    pending: list[str] = []
    before = world.trace()
    world.endangered = True
    for entry in DANGEROUS[theme]:
        problem = danger(world, entry)
        after = world.trace()
        if after != before:
            problem = f"AN EFFECT ({State.difference(before, after)}), {problem}"
            world.mend()
            before = world.trace()
        sort(entry, problem, problems, pending)
    world.forget()
    report(problems, pending)


def danger(world: World, entry: Entry) -> str:
    """Plays the entry in each way; what was wrong, "" where all was well."""
    more = []
    if not any(entry.params) and not entry.data:
        more += ["joined"] if len(entry.texts) > 1 else []
        more += ["split"] if any(len(statements(text)) > 1 for text in entry.texts) else []
    for way in (*entry.sent, "respelled", *more):
        with world.player(entry) as player:
            answers = player.play(entry, way)
        if leaked := player.leaked(entry):
            return f"{way}: A LEAK of {leaked}"
        if answers[-1].ended:
            return f"{way}: the session ended"
        if entry.then == "denied" and not any(one.denied for one in answers):
            return f"{way}: not refused"
    return ""


EFFECTS = (
    "DELETE FROM items WHERE order_id = 1",
    "UPDATE stock SET quantity = 0 WHERE product = 'thing 1'",
    "SELECT nextval('tickets')",
    "CREATE VIEW made AS SELECT 1",
    "DROP INDEX orders_by_customer",
    "REINDEX TABLE orders",
    "GRANT SELECT ON orders TO PUBLIC",
    "COMMENT ON TABLE stock IS 'x'",
    "ALTER TABLE stock DISABLE TRIGGER bump",
    "ALTER DATABASE corpus SET work_mem = '1MB'",
    "ALTER ROLE app_ro SET work_mem = '1MB'",
    "SELECT lo_from_bytea(0, 'x')",
    "ALTER SYSTEM SET work_mem = '8MB'",
    "ALTER SYSTEM RESET work_mem",
    "SELECT pg_reload_conf()",
    "COPY stock TO '{folder}/made'",
    "SELECT pg_terminate_backend({victim})",
)


@pytest.mark.xdist_group("corpus of the dangerous")
def test_trace_shows_every_sort_of_effect_and_the_player_every_leak(world: World) -> None:
    """The detectors work: what the server does when nobody stands in the way is seen."""
    with world.server.connect("corpus", autocommit=True) as owner:
        for sql in EFFECTS:
            before = world.trace(spared=1)
            for name, value in world.names().items():
                sql = sql.replace("{" + name + "}", value)
            owner.execute(sql.encode())
            assert changes(world, before), sql
    look = DANGEROUS["masked_values"][0]
    with world.direct() as direct:
        direct.play(look, "simple")
        assert direct.leaked(look)
    world.mend()


def changes(world: World, before: str) -> bool:
    """Whether the trace becomes another one: a signal takes a moment to arrive."""
    return bool(wait_for("a trace", lambda: world.trace(spared=1) != before))


@pytest.mark.xdist_group("corpus of the harmless")
@pytest.mark.parametrize("theme", HARMLESS)
def test_nothing_harmless_is_stopped(world: World, theme: str) -> None:
    problems: list[str] = []
    pending: list[str] = []
    if world.endangered:
        world.mend()
    for entry in HARMLESS[theme]:
        problem = stopped(world, entry)
        world.apart |= bool(problem)
        sort(entry, problem, problems, pending)
    report(problems, pending)


def stopped(world: World, entry: Entry) -> str:
    """Plays the entry through the gateway and directly; how the answers differ."""
    for way in (*entry.sent, "respelled"):
        with world.player(entry) as player:
            answers = player.play(entry, way)
        with world.direct() as direct:
            expected = direct.play(entry, entry.sent[0] if way == "respelled" else way)
        found = [
            f"{way}: {difference} in {' '.join(text.split())[:200]}"
            for text, one, other in zip(entry.texts, answers, expected, strict=True)
            if (difference := Answer.difference(one, other, entry, text))
        ]
        if found:
            return " | ".join(found)
    return ""


@pytest.mark.xdist_group("corpus of the harmless")
def test_databases_of_the_harmless_are_alike_afterwards(world: World) -> None:
    if world.apart:
        pytest.skip("a statement was stopped, which its own test tells")
    with world.server.connect("twin", autocommit=True) as twin:
        assert State.rows(twin) == world.state.rows(world.state.connection)


def test_corpus_has_enough_of_both_sorts() -> None:
    for sort_of in (DANGEROUS, HARMLESS):
        assert sum(len(theme) for theme in sort_of.values()) >= ENTRIES_MIN
    waiting = [
        str(one)
        for sort_of in (DANGEROUS, HARMLESS)
        for theme in sort_of.values()
        for one in theme
        if one.pending
    ]
    print(f"{len(waiting)} entries are pending")


class Reader:
    """workers.catalog's Connection over psycopg."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    async def query(self, sql: str) -> list[list[bytes | None]]:
        cursor = self._connection.execute(sql)
        rows = []
        while True:
            if (result := cursor.pgresult) is not None:
                columns = range(result.nfields)
                rows += [[result.get_value(n, column) for column in columns] for n in range(result.ntuples)]
            if not cursor.nextset():
                return rows


@pytest.fixture(scope="module")
def known(world: World) -> Catalog:
    with world.server.connect("pristine", autocommit=True) as connection:
        return trio.run(catalog.read, Reader(connection), 1, ())


def rights(group: str, environment: str) -> Rights:
    principal = Principal("someone", "local", (group,), (), 9e9, "t")
    table = PolicyTable(compile([load(POLICY, "policy")], Settings()))
    return table.rights(principal, "prod", environment, 0.0, 1)


def verdict(scope: Scope, sql: str) -> tuple[object, ...]:
    """What must not depend on the spelling: the decision on each statement, and what may flow into each column."""
    return tuple(
        (
            ruling.refused is None,
            ruling.decision.verdict,
            ruling.basis.inert,
            ruling.basis.outputs and tuple(ruling.basis.lineage(output) for output in ruling.basis.outputs),
        )
        for ruling in scope.script(sql.encode()).rulings
    )


@pytest.mark.parametrize("theme", [*DANGEROUS, *HARMLESS])
def test_verdict_does_not_depend_on_the_spelling(known: Catalog, theme: str) -> None:
    found = [one for one in (*DANGEROUS.get(theme, ()), *HARMLESS.get(theme, ())) if not one.pending]
    texts = sorted({(one.group, one.database, text) for one in found for text in one.texts})
    scopes = {
        (group, name): Scope(rights(group, "production" if name == "prod" else "dev"), known, "0" * 64)
        for group, name, _ in texts
    }

    @settings(max_examples=SPELLINGS, database=None)
    @given(st.frozensets(st.sampled_from(KINDS), min_size=1), st.integers(0, 2**32))
    def hold(kinds: frozenset[str], seed: int) -> None:
        for group, name, text in random.Random(seed).sample(texts, min(len(texts), TEXTS)):
            scope = scopes[group, name]
            respelled = mutate(text, kinds, seed)
            assert verdict(scope, respelled) == verdict(scope, text), f"{group}:\n{text}\n{respelled}"

    hold()
