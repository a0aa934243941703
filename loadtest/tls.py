"""`pgbench -S` with TLS between client and proxy; the way to the server stays in clear for both."""

import re
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

from pgbench import pgbench
from servers import Servers, Target, environment
from throughput import PEERS, beside_pgbouncer, clients_of

PROGRAMS = Path("/usr/lib/postgresql")  # where Debian puts them; those of the wheel have no TLS
NO_ATTEMPT = 3  # pg_isready's exit code where the parameters made no sense, as they do to a libpq without TLS
CLIENTS = (16, 64)


def measure(servers: Servers, *, short: bool) -> list[str]:
    rounds, seconds = (1, 2) if short else (3, 5)
    folder = with_tls()
    if folder is None:
        return [f"Not measured: no pgbench below {PROGRAMS} whose libpq has TLS."]
    works = {
        f"-M {mode}, {clients_of(clients)}": partial(
            pgbench, options=["-S", "-M", mode], clients=clients, seconds=seconds, program=folder / "pgbench"
        )
        for mode in ("simple", "prepared")
        for clients in (CLIENTS[:1] if short else CLIENTS)
    }
    peers = [replace(peer, tls=True) for peer in servers.among(PEERS)]
    agreed = "; ".join(f"{peer.name}: {cipher(peer, folder)}" for peer in peers)
    return [*beside_pgbouncer("pgbench -S with TLS", works, peers, rounds, seconds), "", f"Agreed on, {agreed}."]


def with_tls() -> Path | None:
    """The newest installed programs of PostgreSQL whose libpq has TLS."""
    for program in sorted(PROGRAMS.glob("*/bin/pgbench"), key=lambda file: float(file.parts[-3]), reverse=True):
        asked = [str(program.with_name("pg_isready")), "-q", "-d", "host=127.0.0.1 port=1 sslmode=require"]
        if subprocess.run(asked, env=environment(), check=False, capture_output=True).returncode != NO_ATTEMPT:
            return program.parent
    return None


def cipher(target: Target, folder: Path) -> str:
    """Protocol and cipher, as psql tells them."""
    asked = [str(folder / "psql"), "-X", "-c", "\\conninfo"]
    said = subprocess.run(asked, env=target.environment(), check=False, capture_output=True, text=True)
    found = re.search(r"protocol: ([^,]+), cipher: ([^,)]+)", said.stdout)
    return f"{found[1]} {found[2]}" if found else f"nothing ({said.stderr.strip() or said.stdout.strip()})"
