"""Scopes are shared by sessions that are decided alike, and there are never too many."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.worker_rig import housed, running_server
from workers import scopes
from workers.embedded import EmbeddedServer

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running_server() as running:
        yield running


async def test_equal_rights_share_a_scope_and_the_number_of_scopes_is_bounded(
    tmp_path: Path, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scopes, "SCOPES_MAX", 4)
    async with housed(tmp_path, server) as house:
        first, second = await house.guest("ada"), await house.guest("bob")
        shared = {id(link.session.scope) for link in house.worker.relay.links}
        assert len(shared) == 1
        maker = await house.guest(groups=("analysts",))
        for number in range(10):  # each makes its own table, and so reads names its own way
            assert error_free(await maker.ask(f"create temp table own_{number} (n int)"))
            assert error_free(await maker.ask(f"select n from own_{number}"))
            assert len(house.worker.standing._scopes) <= 4
        assert await first.cell("select 1") == await second.cell("select 1") == "1"


def error_free(seen: list[tuple[bytes, bytes]]) -> bool:
    return all(kind != b"E" for kind, _ in seen)
