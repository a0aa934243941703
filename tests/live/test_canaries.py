"""No canary gets out: every door of tests/corpus/canaries tried by everyone who may not see it, every byte looked at."""

import os
from collections.abc import Callable, Iterator, Sequence
from struct import pack
from typing import Any

import pytest

from tests.live.canary_forms import found
from tests.live.canary_player import DATABASE, Door, DoorFile, Visitor, door_files, extended, refused, stream
from tests.live.rig import SLUICE_PASSWORD, Gateway, Postgres, database_entries, serving
from tests.live.wire import message, query

FILES, USEFUL = door_files("canaries"), door_files("useful")
DOORS_MIN, USEFUL_MIN = 1000, 160
WAYS = ("simple", "binary")
STORM = "SLUICE_STORM_SECONDS" in os.environ
# Where two sessions differ: in their process, their clock, or who they are.
VARY = frozenset(
    (
        *("what other sessions run", "all about other sessions", "the function behind it", "a session's text by number"),
        *("the write-ahead log", "settings of the session", "the log's place", "TABLESAMPLE", "an age", "a time zone"),
    )
)
USER = "sluice_doors"  # a superuser on the server, so that nothing but the gateway stands in the way
GRANTS = {"analyst": '["read"]', "writer": '["read", "write", "ddl"]', "all": '["all"]'}
POLICY = "".join(
    f'[[grant]]\nname = "{name}"\ngroups = ["{name}"]\nallow = {words}\n\n' for name, words in GRANTS.items()
) + """
[[grant]]
name = "owner"
groups = ["owner"]
allow = ["all"]
unmask = ["*"]

[[grant]]
name = "agents"
groups = ["analyst"]
actors = ["*"]
allow = ["read"]
"""


class World:
    """A server with the database of the canaries, a session in it that once ran a text with a canary, and a gateway."""

    def __init__(self, server: Postgres, gateway: Gateway) -> None:
        self.server = server
        self.gateway = gateway
        self.other = server.connect("canaries", autocommit=True)
        self.other.execute("SELECT 'quaxil.elsewhere@example.com'")

    def visitor(self, group: str, database: str = "dev") -> Visitor:
        """A session through the gateway; "agent" is an agent of an analyst's."""
        actor = "agent-7" if group == "agent" else ""
        token = self.gateway.token("someone", ("analyst" if actor else group,), actor)
        return Visitor(self.gateway.port, database, "someone", token)

    def direct(self) -> Visitor:
        """A session with the server itself."""
        return Visitor(self.server.port, "canaries", "sluice_plain", SLUICE_PASSWORD, role=USER)


def furnish(server: Postgres, setup: str = "") -> None:
    """Makes the database and the roles. Where the server is older, what it does not know is left out."""
    with server.connect(autocommit=True) as admin:
        quoted = SLUICE_PASSWORD.replace("'", "''")
        admin.execute(f"CREATE ROLE {USER} LOGIN SUPERUSER PASSWORD '{quoted}'")
        admin.execute(f"GRANT {USER} TO sluice_plain")  # who may sign in with a password in clear
        admin.execute("CREATE DATABASE canaries")
    with server.connect("canaries", autocommit=True) as maker:
        maker.execute(DATABASE.read_text())
        for statement in setup.split(";"):
            if statement.strip():
                maker.execute(statement.encode())


def entries_over(server: Postgres) -> list[dict[str, Any]]:
    common = {"dbname": "canaries", "user": USER}
    return database_entries(server, {"dev": common, "prod": common | {"environment": "production"}})


@pytest.fixture(scope="module")
def world(postgres: Postgres) -> Iterator[World]:
    furnish(postgres)
    for gateway in serving(Gateway(entries_over(postgres), POLICY, workers=1)):
        made = World(postgres, gateway)
        yield made
        made.other.close()


def try_doors(world: World, group: str, doors: Sequence[Door], way: str) -> list[str]:
    """What got out, and where a refusal was awaited and did not come."""
    problems = []
    with world.visitor(group) as visitor:
        for door in doors:
            said = visitor.attempt(door, way)
            if leaks := found(visitor.received):
                problems.append(f"{group}, {way}: A LEAK ({', '.join(sorted(leaks))[:80]}): {door}")
            elif door.expect == "refused" and not refused(said):
                problems.append(f"{group}, {way}: not refused: {door}")
    return problems


def share(file: DoorFile, group: str, way: str) -> Sequence[Door]:
    """The doors that this group tries in this way: where each takes a catalogue to be read again, one combination a door.
    An agent tries half of them in each."""
    if STORM or not (file.rollback or file.lasting or group == "agent"):
        return file.doors
    if group == "agent":
        return file.doors[WAYS.index(way) :: len(WAYS)]
    turns = [(one, other) for one in file.groups for other in WAYS]
    return file.doors[turns.index((group, way)) :: len(turns)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", USEFUL)
def test_ordinary_queries_get_the_server_s_own_answers(world: World, name: str, way: str) -> None:
    """Not a cell is masked and nothing is refused: the answer is the same, byte for byte. It comes before the doors, which
    bring labels to columns for good."""
    assert (found_ones := differences(world, "analyst", USEFUL[name].doors, way)) == [], "\n".join(found_ones)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [name for name, one in FILES.items() if one.server == "18"])
def test_no_door_lets_a_canary_out(world: World, name: str, way: str) -> None:
    file, problems = FILES[name], []
    for group in file.groups:
        problems += try_doors(world, group, share(file, group, way), way)
    if file.pending:
        print(f"PENDING ({file.pending}): {len(problems)} of {len(file.doors)} doors")
        print("\n".join(problems))
    else:
        assert not problems, f"{len(problems)} doors:\n" + "\n".join(problems)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["rows", "reports", "catalogue", "definitions"])
def test_those_who_see_everything_get_the_server_s_own_bytes(world: World, name: str, way: str) -> None:
    doors = tuple(one for one in FILES[name].doors if one.reason not in VARY)
    assert (found_ones := differences(world, "owner", doors, way)) == [], "\n".join(found_ones)


def differences(world: World, group: str, doors: tuple[Door, ...], way: str) -> list[str]:
    """Doors whose answer through the gateway is not the direct one."""
    found_differences = []
    with world.visitor(group) as visitor, world.direct() as direct:
        for door in doors:
            ours, its = (stream(one.attempt(door, way)) for one in (visitor, direct))
            if ours != its:
                pairs = [one for one in zip(ours, its, strict=False) if one[0] != one[1]]
                mine, other = pairs[0] if pairs else (len(ours), len(its))
                found_differences.append(f"{door}: {mine!r:.200} in place of {other!r:.200}")
    return found_differences


# --- doors of the protocol itself ---


def function_call(oid: int, *arguments: bytes) -> bytes:
    """A FunctionCall with binary arguments and a binary result."""
    given = b"".join(pack("!i", len(one)) + one for one in arguments)
    return message(b"F", pack("!ihhh", oid, 1, 1, len(arguments)) + given + pack("!h", 1))


def oid_of(world: World, function: str) -> int:
    row = world.other.execute("SELECT %s::regprocedure::oid", (function,)).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("group", ["analyst", "agent", "writer", "all"])
def test_function_called_by_its_number_tells_nothing_and_the_session_lives(world: World, group: str) -> None:
    oid = oid_of(world, "mail_of(integer)")
    with world.visitor(group) as visitor, world.visitor("owner") as owner:
        visitor.send(function_call(oid, pack("!i", 1)))
        visitor.send(query("SELECT 1"))
        assert not found(visitor.received)
        owner.send(function_call(oid, pack("!i", 1)))
        assert found(owner.received), "the call itself works"


PORTAL = (
    message(b"P", b"s\0SELECT email, city FROM people ORDER BY id\0\0\0"),
    message(b"B", b"p\0s\0\0\0\0\0\0\0"),
    message(b"E", b"p\0\0\0\0\2"),
    message(b"H"),
    message(b"E", b"p\0\0\0\0\0"),
    message(b"S"),
)


def test_portal_read_in_pieces_and_never_described_is_masked(world: World) -> None:
    with world.visitor("analyst") as visitor:
        said = visitor.send(b"".join(PORTAL))
        assert [kind for kind, _ in said].count(b"D") == 7
        assert not found(visitor.received)


@pytest.mark.parametrize(
    ("change", "undo"),
    [
        (
            "CREATE OR REPLACE VIEW cities AS SELECT email::text AS city, 1::bigint AS residents FROM people",
            "CREATE OR REPLACE VIEW cities AS SELECT city, count(*) AS residents FROM people GROUP BY city",
        ),
        (
            "ALTER TABLE scratch RENAME TO set_aside; CREATE VIEW scratch AS SELECT id, email::text AS label FROM people",
            "DROP VIEW scratch; ALTER TABLE set_aside RENAME TO scratch",
        ),
    ],
)
def test_prepared_statement_that_outlives_a_change_by_others_is_masked(world: World, change: str, undo: str) -> None:
    statement = message(b"P", b"kept\0SELECT label FROM scratch UNION ALL SELECT city FROM cities\0\0\0")
    run = message(b"B", b"\0kept\0\0\0\0\0\0\0") + message(b"E", b"\0\0\0\0\0") + message(b"S")
    try:
        with world.visitor("analyst") as visitor, world.visitor("owner") as owner:
            visitor.send(statement + message(b"S"))
            visitor.send(query("PREPARE q AS SELECT label FROM scratch UNION ALL SELECT city FROM cities"))
            visitor.send(run)
            owner.send(query(change))  # one session's change moves what the other's statement means
            visitor.send(run)
            visitor.send(query("EXECUTE q"))
            assert not found(visitor.received)
    finally:
        world.other.execute(undo)


def test_listener_hears_of_jobs_and_not_of_rows(world: World) -> None:
    with world.visitor("analyst") as listener, world.visitor("owner") as owner:
        for visitor in (listener, owner):
            visitor.send(query("LISTEN changes; LISTEN jobs"))
        owner.send(query("UPDATE people SET points = points WHERE id = 1"))
        owner.send(query("INSERT INTO jobs VALUES (4711, 'new'); DELETE FROM jobs"))
        heard = [body[4:] for kind, body in listener.send(query("SELECT 1")) if kind == b"A"]
        assert heard == [b"changes\0[redacted]\0", b"jobs\x004711\0"]
        assert not found(listener.received)
        assert found(owner.received), "those who see everything hear it"


def test_doors_of_an_older_server_and_of_extensions_stay_shut(postgres_of: Callable[[str], Postgres]) -> None:
    file = FILES["older"]
    server = postgres_of(file.server)
    furnish(server, file.setup)
    for gateway in serving(Gateway(entries_over(server), POLICY, workers=1)):
        world = World(server, gateway)
        turns = zip(file.groups, reversed(WAYS), strict=True)
        problems = [line for group, way in turns for line in try_doors(world, group, file.doors, way)]
        world.other.close()
        assert not problems, f"{len(problems)} doors:\n" + "\n".join(problems)


def test_what_another_session_runs_is_not_told(world: World) -> None:
    for group in ("analyst", "all"):
        with world.visitor(group, "prod") as visitor:
            for text in ("SELECT query FROM pg_stat_activity", "SELECT a FROM pg_stat_activity a"):
                visitor.send(query(text))
                visitor.send(extended(text))
            assert not found(visitor.received)


def test_corpora_are_large_enough() -> None:
    assert sum(len(one.doors) for one in FILES.values()) >= DOORS_MIN
    assert sum(len(one.doors) for one in USEFUL.values()) >= USEFUL_MIN
