"""Fixtures of the live tests. Servers live as long as the test session, started when the first test needs them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.live.rig import DEBIAN_15, POLICY, Gateway, Postgres, serving, standard_entries, start_postgres


@pytest.fixture(scope="session")
def postgres_of() -> Iterator[Callable[[str], Postgres]]:
    """The server of a major version ("18", "16", "15"), started once. 15 is Debian's, with TLS."""
    running: dict[str, Postgres] = {}

    def of(name: str) -> Postgres:
        if name == "15" and not DEBIAN_15.is_dir():
            pytest.skip("Debian's PostgreSQL 15 is not installed")
        if name not in running:
            running[name] = start_postgres(name)
        return running[name]

    yield of
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session")
def postgres(postgres_of: Callable[[str], Postgres]) -> Postgres:
    """The newest server, which most tests use."""
    return postgres_of("18")


@pytest.fixture(scope="session")
def gateway(postgres: Postgres) -> Iterator[Gateway]:
    """The gateway that tests share: two workers, the standard databases and policy. Nobody reloads or kills it."""
    yield from serving(Gateway(standard_entries(postgres)))


@pytest.fixture
def make_gateway(postgres: Postgres) -> Iterator[Callable[..., Gateway]]:
    """Starts a gateway of the test's own, which it may reload, kill and stop."""
    made: list[Gateway] = []

    def make(entries: list[dict[str, Any]] | None = None, policy: str = POLICY, **settings: Any) -> Gateway:
        gateway = Gateway(entries or standard_entries(postgres), policy, **settings)
        made.append(gateway)
        gateway.start()
        return gateway

    yield make
    for gateway in made:
        gateway.stop()
        gateway.remove()
