"""What of a database's settings the connection gets."""

from pathlib import Path

from gateway import settings
from workers.configuration import Secrets
from workers.targets import target

TEXT = """
[[database]]
name = "prod"
hosts = ["db1:5433", "db2"]
dbname = "shop"
user = "sluice"
sslmode = "verify-ca"
sslrootcert = "ca.crt"

[[database]]
name = "*"
user = "dev"
"""


def test_a_database_becomes_a_target() -> None:
    read = settings.load(TEXT, "sluice.toml", {})
    secrets = Secrets(b"", {"prod": "s3", "*": "dev-secret"})
    prod, other = read.database("prod"), read.database("crm")
    assert prod is not None
    assert other is not None
    made = target(prod, secrets, Path("/etc/sluice"))
    assert (made.hosts, made.dbname, made.user) == ((("db1", 5433), ("db2", 5432)), "shop", "sluice")
    assert (made.password, made.sslmode, made.sslrootcert) == ("s3", "verify-ca", "/etc/sluice/ca.crt")
    passed_on = target(other, secrets, Path("/etc/sluice"))
    assert (passed_on.dbname, passed_on.password, passed_on.sslrootcert) == ("crm", "dev-secret", None)
