"""A PostgreSQL for what gateways share, which a test may stop, freeze and start again."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from gateway.store_settings import Shared
from workers.embedded import EmbeddedServer, wheel_programs
from workers.store_connection import StoreConnection, StoreTarget, target

USER, PASSWORD, DATABASE = "fleet", "a store's own secret", "approvals"
DIGEST = b"a digest of mask.key"


class StoreServer:
    """One database that a role without other rights may use."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="sluice-store-"))
        self._home.chmod(0o755)
        self.server = EmbeddedServer(wheel_programs(), self._home)
        self.server.create()
        self._runs = False
        self.start()
        with self.superuser("postgres") as admin:
            admin.execute(psycopg.sql.SQL("create role fleet login password {}").format(PASSWORD))
            admin.execute("create database approvals")
            admin.execute("revoke all on database approvals from public")
            admin.execute("grant connect, create on database approvals to fleet")

    @property
    def url(self) -> str:
        return f"postgres://{USER}@127.0.0.1:{self.server.port}/{DATABASE}"

    @property
    def target(self) -> StoreTarget:
        return target(Shared(self.url, sslmode="prefer"), PASSWORD, "/")

    def superuser(self, database: str = DATABASE) -> psycopg.Connection:
        return psycopg.connect(self.server.dsn(database), autocommit=True)

    def connect(self) -> psycopg.Connection:
        """As the gateways do."""
        return psycopg.connect(self.server.dsn(DATABASE, USER, ""), password=PASSWORD, autocommit=True)

    def connection(self) -> StoreConnection:
        return StoreConnection(lambda: self.target, "a test")

    def empty(self) -> None:
        """As on the first day."""
        with self.superuser() as admin:
            admin.execute("drop schema if exists sluice cascade")

    def stop(self) -> None:
        self.server.stop()
        self._runs = False

    def start(self) -> None:
        """Where it does not run."""
        if not self._runs:
            self.server.start()
            self._runs = True

    def freeze(self, frozen: bool) -> None:
        """Its processes neither answer nor end."""
        processes = [psutil.Process(self.server.pid)]
        for process in [*processes, *processes[0].children(recursive=True)]:
            os.kill(process.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def remove(self) -> None:
        self.server.stop()
        shutil.rmtree(self._home)


@contextmanager
def store_server() -> Iterator[StoreServer]:
    made = StoreServer()
    try:
        yield made
    finally:
        made.remove()
