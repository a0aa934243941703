"""From a database of sluice.toml to what `workers.upstream.connect` needs."""

from pathlib import Path

from gateway.settings import Database
from workers.configuration import Secrets
from workers.upstream import Target


def target(database: Database, secrets: Secrets, folder: Path) -> Target:
    """Where and as whom the gateway connects; `folder` is sluice.toml's."""
    return Target(
        hosts=database.addresses,
        dbname=database.dbname,
        user=database.user,
        password=secrets.password(database.name),
        sslmode=database.sslmode,
        sslrootcert=str(folder / database.sslrootcert) if database.sslrootcert else None,
    )
