"""`sluice init`: a first configuration that works with one database, and the keys that belong to it."""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

SLUICE_TOML = """\
# Sluice: what it listens on, whom it believes, and which databases are behind it.
# Paths are relative to this file. `sluice check` reads it as `sluice serve` would, and starts nothing.

[gateway]
listen = "127.0.0.1:6432"        # anything but loopback also needs tls_cert and tls_key
admin = "127.0.0.1:6480"         # the console, and the operators' interface
# workers = 2                    # processes; one a core when left out
# tls = "required"               # off | optional | required
# tls_cert = "server.crt"
# tls_key = "server.key"
drain_seconds = 30               # how long statements may go on after SIGTERM
max_sessions = 10000

[audit]
dir = "var/audit"
durability = "process"           # or power: the intent is on the disk before its statement leaves
retention_days = 400             # then sealed segments go, which the signed log keeps on record; 0: never
# compress = true                # sealed segments, with zstd; `sluice audit compress` does it once
on_failure = "refuse"            # refuse: no record, no statement | continue
row_keys = "labelled"            # whose rows were shown: of tables with a labelled column | all | off

[policy]
file = "policy.toml"             # or a folder of *.toml; SIGHUP reads it again

[[issuer]]                       # whose tokens count; this one is local: `sluice token mint`
name = "local"
issuer = "https://sluice.local"
audience = "sluice"
key_file = "local-issuer.pub"    # or discovery, jwks_url or jwks_file of an identity provider: docs/issuers.md
user_claim = "sub"
groups_claim = "groups"
actor_claim = "act"              # RFC 8693: the agent that acts for the user

[[database]]
name = "prod"                    # what clients give as dbname
environment = "production"       # any word; the built-in guardrails look at production
host = "127.0.0.1"
port = 5432
dbname = "postgres"
user = "postgres"                # the role on the server where a grant names no other
# password_file = "prod.password"  # or password_env = "PROD_PASSWORD"; never the password itself
"""

POLICY_TOML = """\
# Who may do what. Deny by default: without a grant nobody gets in. The order of rules never matters:
# a deny beats a hold, a hold beats an allow, and the stricter mask wins. After a change: SIGHUP.

[[grant]]
name = "analysts read production"
groups = ["analysts"]            # any of users, groups, issuers; empty means any
databases = ["prod"]             # or environments = ["production"]; ["*"] is every database
allow = ["read"]                 # read | write | ddl | admin | all
# role = "app_ro"                # the server's role (default: the database's user)
unmask = []                      # labels or columns seen in clear: ["email", "public.customers.phone"]
granted_by = "you@example.com"
reason = "first steps"
# expires = 2030-01-01T00:00:00Z

# [[grant]]                      # an agent may do what its own grant and that of its person both allow
# name = "agents read for analysts"
# groups = ["analysts"]          # for whom
# actors = ["*"]                 # which agents; a grant without actors is a person's own
# databases = ["prod"]
# allow = ["read"]

# [[access]]                     # for a while, when somebody else says yes: `sluice request`, `sluice approvals`
# name = "production on request"
# groups = ["developers"]        # who may ask
# databases = ["prod"]
# allow = ["read", "write"]      # the most that may be asked for
# max_seconds = 14400
# approvers = { groups = ["dba"] }        # never the requester
# break_glass = true             # in an emergency at once, alarmed
# review_by = { groups = ["security"] }   # … and reviewed afterwards

# [[guardrail]]
# name = "no destructive DDL in production"
# environments = ["production"]
# statements = ["DROP", "TRUNCATE", "ALTER TABLE DROP COLUMN"]
# effect = "deny"                # deny | hold | warn
# message = "Ask the data platform team."

# [[approval]]                   # who releases what is held (`sluice approvals`); without it a hold is a denial
# name = "production changes"
# approvers = { groups = ["dba"] }
# environments = ["production"]
# wait_seconds = 300

# [[mask]]                       # where nothing is said, what looks sensitive is redacted
# labels = ["card"]
# with = "partial"               # redact | partial | hash | null | clear
# keep_last = 4
"""

POLICY_TEST_TOML = """\
# What the policy is expected to say: `sluice policy test policy.test.toml`. Run it after every change of the policy.
# The tables stand here, so it needs no database; without [[table]] and [[function]] it asks the real ones.

[[table]]
name = "public.customers"
columns = { id = "integer", email = "text", city = "text" }

[[test]]
name = "analysts read, and see no e-mail address"
user = "alice"
groups = ["analysts"]
database = "prod"
sql = "SELECT id, email, city FROM customers"
expect = "allow"                 # allow | deny | hold | warn
rule = "analysts read production"
masked = ["email"]
clear = ["id", "city"]

[[test]]
name = "analysts change nothing"
user = "alice"
groups = ["analysts"]
database = "prod"
sql = "UPDATE customers SET city = 'Graz' WHERE id = 1"
expect = "deny"

[[test]]
name = "others do not come in"
user = "mallory"
database = "prod"
sql = "SELECT 1"
expect = "deny"
"""


def init(folder: Path) -> list[Path]:
    """Write everything into `folder`, made where missing; the paths written. Raises FileExistsError before
    writing anything."""
    signing = Ed25519PrivateKey.generate()
    anchoring = Ed25519PrivateKey.generate()
    files: list[tuple[str, bytes, int]] = [
        ("sluice.toml", SLUICE_TOML.encode(), 0o644),
        ("policy.toml", POLICY_TOML.encode(), 0o644),
        ("policy.test.toml", POLICY_TEST_TOML.encode(), 0o644),
        ("local-issuer.key", _private(signing), 0o600),  # signs the tokens of `sluice token mint`
        ("local-issuer.pub", _public(signing), 0o644),
        ("audit.key", _private(anchoring), 0o600),  # signs the audit's heads
        ("audit.pub", _public(anchoring), 0o644),
        ("mask.key", secrets.token_hex(32).encode() + b"\n", 0o600),  # keys the `hash` mask
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for name, _, _ in files:
        if (folder / name).exists():
            raise FileExistsError(f"{folder / name} is already there")
    for name, content, mode in files:
        _write(folder / name, content, mode)
    return [folder / name for name, _, _ in files]


def _write(path: Path, content: bytes, mode: int) -> None:
    """Never over an existing file, and never readable by others for a moment."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        file.write(content)


def _private(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
