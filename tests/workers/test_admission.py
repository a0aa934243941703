"""Who gets in, with what, and when their session ends: a whole worker before a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.errors import Refused, State
from parser import messages
from parser.startup import Startup
from tests.workers.relay_rig import no_file_grows, until
from tests.workers.worker_rig import House, housed, quiet, running_server
from workers.embedded import EmbeddedServer
from workers.sign_in import Claimed
from workers.slab import Counter

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running_server() as running:
        yield running


def sessions(house: House) -> int:
    return house.slot.slab.total(Counter.SESSIONS)


# --- the way in -------------------------------------------------------------------------------------


async def test_a_session_is_on_record_from_its_beginning_to_its_end(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest(application_name="desk")
        assert await guest.cell("select 7") == "7"
        (opened,) = house.events("session opened")
        assert opened.session is not None
        assert (opened.session.user, opened.session.database, opened.session.application) == (
            "ada",
            "shop",
            "desk",
        )
        assert opened.session.groups == ("owners",)
        await guest.wire.write_all(messages.TERMINATE)
        await quiet(house)
        (closed,) = house.events("session closed")
        assert (closed.data["statements"], closed.data["refused"]) == (1, 0)
        assert closed.session == opened.session
        assert sessions(house) == 0


@pytest.mark.parametrize(
    ("sign_in", "state"),
    [
        ({"database": "nowhere"}, State.NO_DATABASE),
        ({"groups": ("strangers",)}, State.NOT_SIGNED_IN),
        ({"token": "junk"}, State.BAD_TOKEN),
        ({"replication": "database", "groups": ("analysts",)}, State.DENIED),
        ({"role": "app_ro", "groups": ("analysts",)}, State.DENIED),
        ({"database": "down"}, State.UNREACHABLE),
    ],
)
async def test_a_refused_sign_in_says_why_and_holds_nothing(
    tmp_path: Path, server: EmbeddedServer, sign_in: dict[str, str], state: State
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest(**sign_in)  # type: ignore[arg-type]
        assert guest.refused == state
        assert sessions(house) == 0
        assert not house.events("session opened")
        (refused,) = house.events("sign-in refused")
        assert refused.session is not None
        assert (refused.session.user, refused.session.database) == ("ada", sign_in.get("database", "shop"))
        assert refused.session.address.startswith("127.0.0.1")
        assert (refused.data["sqlstate"], refused.data["tls"]) == (state, False)
        assert refused.data["verified"] is (state is State.UNREACHABLE)
        assert refused.data["why"]
        assert "junk" not in repr(refused)
        assert house.slot.row.get(Counter.SIGN_INS_REFUSED) == 1


async def test_a_grants_role_and_the_clients_parameters_travel_in_the_start_up(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        guest = await house.guest(groups=("readers",), options="-c statement_timeout=1234", role="app_ro")
        assert await guest.cell("select current_user") == "app_ro"
        assert await guest.cell("show statement_timeout") == "1234ms"
        assert await guest.cell("reset all; select current_user") == "app_ro"


async def test_the_last_place_is_given_once_and_given_back(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server, gateway="max_sessions = 2") as house:
        first, _ = await house.guest(), await house.guest()
        third = await house.guest()
        assert third.refused == State.TOO_MANY
        first.wire.close()
        await until(lambda: sessions(house) == 1, "the place is free")
        fourth = await house.guest()
        assert await fourth.cell("select 4") == "4"


async def test_clients_that_leave_during_their_sign_in_keep_no_place(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server, gateway="max_sessions = 3") as house:
        for _ in range(12):
            guest = await house.knock()
            packet = messages.startup_message([("user", "ada"), ("database", "shop")])
            await guest.wire.write_all(packet + messages.password_message(house.token()))
            guest.wire.close()
        welcome = house.slot.row
        await until(
            lambda: welcome.get(Counter.SIGN_INS) + len(house.events("sign-in refused")) > 0, "they came"
        )
        await until(lambda: sessions(house) == 0, "they left")
        opened = house.events("session opened")
        assert opened, "the server had greeted some"
        assert len(house.events("session closed")) == len(opened)
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            count = "select count(*) from pg_stat_activity where usename = 'sluice' and application_name <> 'sluice'"
            await until(lambda: admin.execute(count).fetchone() == (0,), "the server's sessions are over")


async def test_an_audit_that_cannot_be_written_lets_nobody_in(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        with no_file_grows():
            guest = await house.guest()
            assert guest.refused == State.AUDIT
        assert sessions(house) == 0
        await until(lambda: house.worker.audit.health == "ok", "the audit can be written again")
        again = await house.guest()
        assert await again.cell("select 1") == "1"
        (refused,) = house.events("sign-in refused")
        assert (refused.data["sqlstate"], refused.data["verified"]) == (State.AUDIT, True)


# --- cancels ----------------------------------------------------------------------------------------


async def test_guesses_are_counted_by_host_not_by_connection(tmp_path: Path, server: EmbeddedServer) -> None:
    """Each cancel request comes on a connection of its own, with a port of its own."""
    async with housed(tmp_path, server) as house:
        asked: list[str] = []
        request = house.worker.desk.request

        async def watched(pid: int, secret: bytes, address: str) -> bool:
            asked.append(address)
            return await request(pid, secret, address)

        house.worker.desk.request = watched  # type: ignore[method-assign]
        for _ in range(3):
            guest = await house.knock()
            await guest.wire.write_all(messages.cancel_request(1, b"evil"))
            assert await guest.replies() == [(b"", b"")]
            guest.wire.close()
        assert asked == ["127.0.0.1"] * 3
        refused = house.events("cancel refused")
        assert len(refused) == 3
        assert refused[0].session is not None
        assert refused[0].session.address.startswith("127.0.0.1:")


async def test_conversations_that_go_astray_are_on_record_one_by_one_until_there_are_many(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    async with housed(tmp_path, server) as house:
        gate, refused = house.worker.admissions, Refused(State.NOT_SIGNED_IN, "no TLS")
        said = Startup((("user", "ada"), ("database", "shop")), 0, False, ())
        for _ in range(50):
            gate.turned_away(Claimed("127.0.0.1:1", packet=said), None, refused)
        gate.close()
        assert len(house.events("sign-in refused")) == 20
        (record,) = house.events("sign-ins limited")
        assert record.data["count"] == 30
        guest = await house.guest()
        assert await guest.cell("select 7") == "7", "who has said nothing yet takes nothing from others there"
        for _ in range(50):
            gate.turned_away(Claimed("127.0.0.1:1", packet=said, method="token"), None, refused)
        assert (await house.guest(token=house.token())).refused == State.BAD_TOKEN


async def test_who_proves_who_they_are_takes_nothing_from_others(tmp_path: Path, server: EmbeddedServer) -> None:
    async with housed(tmp_path, server) as house:
        for _ in range(30):
            assert (await house.guest(groups=("strangers",))).refused == State.NOT_SIGNED_IN
        guest = await house.guest()
        assert await guest.cell("select 7") == "7"
