"""No canary gets out: every door of tests/corpus/canaries tried by everyone who may not see it, every byte looked at."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.live.canary_forms import found
from tests.live.canary_player import DATABASE, Door, Visitor, door_files, refused, stream
from tests.live.rig import SLUICE_PASSWORD, Gateway, Postgres, database_entries, serving

FILES = door_files("canaries")
DOORS_MIN = 250
USER = "sluice_doors"  # a superuser on the server, so that nothing but the gateway stands in the way
GRANTS = {"analyst": '["read"]', "writer": '["read", "write", "ddl"]', "all": '["all"]'}
POLICY = "".join(
    f'[[grant]]\nname = "{name}"\ngroups = ["{name}"]\nactors = ["", "*"]\nallow = {words}\n\n'
    for name, words in GRANTS.items()
) + '[[grant]]\nname = "owner"\ngroups = ["owner"]\nallow = ["all"]\nunmask = ["*"]\n'
POLICY = POLICY.replace('actors = ["", "*"]\n', "") + (
    '\n[[grant]]\nname = "agents"\ngroups = ["analyst"]\nactors = ["*"]\nallow = ["read"]\n'
)


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
        return Visitor(self.server.port, "canaries", USER, SLUICE_PASSWORD)


def furnish(server: Postgres) -> None:
    """Makes the database and the roles."""
    with server.connect(autocommit=True) as admin:
        quoted = SLUICE_PASSWORD.replace("'", "''")
        admin.execute(f"CREATE ROLE {USER} LOGIN SUPERUSER PASSWORD '{quoted}'")
        admin.execute("CREATE DATABASE canaries")
    with server.connect("canaries", autocommit=True) as maker:
        maker.execute(DATABASE.read_text())


@pytest.fixture(scope="module")
def world(postgres: Postgres) -> Iterator[World]:
    furnish(postgres)
    common = {"dbname": "canaries", "user": USER}
    entries = database_entries(postgres, {"dev": common, "prod": common | {"environment": "production"}})
    for gateway in serving(Gateway(entries, POLICY, workers=1)):
        made = World(postgres, gateway)
        yield made
        made.other.close()


def try_doors(world: World, group: str, doors: tuple[Door, ...], way: str) -> list[str]:
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


@pytest.mark.parametrize("way", ["simple", "binary"])
@pytest.mark.parametrize("name", [name for name, one in FILES.items() if one.server == "18"])
def test_no_door_lets_a_canary_out(world: World, name: str, way: str) -> None:
    problems: list[str] = []
    for group in FILES[name].groups:
        problems += try_doors(world, group, FILES[name].doors, way)
    waiting = FILES[name].doors[0].pending
    if waiting:
        print(f"PENDING ({waiting}): {len(problems)} of {len(FILES[name].doors)} doors")
    else:
        assert not problems, f"{len(problems)} doors:\n" + "\n".join(problems)
