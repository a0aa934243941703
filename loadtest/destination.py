"""Where the users go, as whom, and what they look at: told by the environment, so that it can be anybody's gateway."""

import os
import re
import ssl
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from wire import Client

DSN, TOKEN, AGENT_TOKEN, BATCH_TOKEN = (
    "SLUICE_DSN",
    "SLUICE_TOKEN",
    "SLUICE_AGENT_TOKEN",
    "SLUICE_BATCH_TOKEN",
)
REFUSALS = Path(__file__).with_name("refusals.toml")
# what this client acts on of libpq's; another is refused, for to pass over it could mean less safety than was asked for
UNDERSTOOD = {
    "host",
    "hostaddr",
    "port",
    "user",
    "dbname",
    "password",
    "sslmode",
    "sslrootcert",
    "application_name",
    "options",
}
SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


class DestinationError(Exception):
    """The environment does not say where to go; the text says how to mend it."""


@dataclass(frozen=True, slots=True)
class Address:
    """What a connection string says, in the words of the wire."""

    host: str
    port: int
    user: str
    database: str
    password: str
    parameters: Mapping[str, str]
    tls: ssl.SSLContext | None
    tls_optional: bool

    def connect(self, secret: str = "", receive_buffer: int = 0) -> Client:
        """A signed-in session; `secret` is the token where the connection string holds none."""
        return Client(
            self.port,
            self.user,
            self.database,
            secret or self.password,
            self.host,
            tls=self.tls,
            tls_optional=self.tls_optional,
            parameters=self.parameters,
            receive_buffer=receive_buffer,
        )


def address(dsn: str) -> Address:
    """Reads a connection string of libpq, keywords or URI."""
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    except ProgrammingError as error:
        raise DestinationError(f"{DSN}: {str(error).strip()}") from None
    if unknown := given.keys() - UNDERSTOOD:
        raise DestinationError(f"{DSN}: leave out {', '.join(sorted(unknown))}: this client does not do it")
    host = given.get("host") or given.get("hostaddr") or "127.0.0.1"
    if host.startswith(("/", "@")) or "," in host or "," in given.get("port", ""):
        raise DestinationError(f"{DSN}: host must be one name or address, over TCP")
    if not given.get("user"):
        raise DestinationError(f"{DSN}: say as whom, user=…")
    mode = given.get("sslmode", "prefer")
    return Address(
        host,
        int(given.get("port", "5432")),
        given["user"],
        given.get("dbname") or given["user"],
        given.get("password", ""),
        {"application_name": given.get("application_name", "locust")}
        | ({"options": given["options"]} if "options" in given else {}),
        context(mode, given.get("sslrootcert", "")),
        mode in ("allow", "prefer"),
    )


def context(mode: str, root: str) -> ssl.SSLContext | None:
    """TLS as libpq means it: verify-ca and verify-full verify the server, and so does `require` where a root is named."""
    if mode not in SSLMODES:
        raise DestinationError(f"{DSN}: sslmode is one of {', '.join(SSLMODES)}")
    if mode == "disable":
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = mode == "verify-full"
    if mode.startswith("verify") or (mode == "require" and root):
        try:
            made.load_default_certs() if root == "system" else made.load_verify_locations(root or _root())
        except (OSError, ssl.SSLError) as error:
            raise DestinationError(f"{DSN}: sslrootcert cannot be read: {error}") from None
    else:
        made.verify_mode = ssl.CERT_NONE
    return made


def _root() -> str:
    return str(Path.home() / ".postgresql" / "root.crt")  # libpq's place


@dataclass(frozen=True, slots=True)
class Refusal:
    """A statement that must be refused, with what, and by which rule."""

    name: str
    statement: str
    sqlstate: str
    rule: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table with people in it: its key and what is beside it. Nobody may change it during the run."""

    name: str
    key: str
    masked: tuple[str, ...]
    clear: str
    mask: re.Pattern[bytes]  # what a masked cell looks like
    secret: re.Pattern[bytes]  # what must never come


@dataclass(frozen=True, slots=True)
class Destination:
    """Everything the users must be told."""

    address: Address
    tokens: Mapping[str, str]
    table: Table
    refusals: tuple[Refusal, ...]


def destination(environ: Mapping[str, str]) -> Destination:
    """Reads the environment; what it does not say of the table is what the demo's customers are like."""
    if not environ.get(DSN):
        raise DestinationError(f'set {DSN}, as in {DSN}="host=127.0.0.1 port=6432 dbname=prod user=alice"')
    there = address(environ[DSN])
    token = environ.get(TOKEN) or there.password
    if not token:
        raise DestinationError(f"set {TOKEN}, as in {TOKEN}=$(sluice token mint --user {there.user})")
    tokens = {name: environ.get(name) or token for name in (TOKEN, AGENT_TOKEN, BATCH_TOKEN)}
    table = Table(
        environ.get("SLUICE_LOAD_TABLE", "customers"),
        environ.get("SLUICE_LOAD_KEY", "id"),
        tuple(environ.get("SLUICE_LOAD_MASKED", "name,email,ssn,phone").split(",")),
        environ.get("SLUICE_LOAD_CLEAR", "city"),
        re.compile(environ.get("SLUICE_LOAD_MASK", r"\[redacted\]|tok_[a-z]+_[a-z2-7]+").encode()),
        re.compile(environ.get("SLUICE_LOAD_SECRET", r"@mail\.example|\d{3}-\d{2}-\d{4}|\+1-555-").encode()),
    )
    return Destination(
        there, tokens, table, refusals(Path(environ.get("SLUICE_LOAD_REFUSALS", REFUSALS)), table)
    )


def refusals(file: Path, table: Table) -> tuple[Refusal, ...]:
    """What must be refused, with {table}, {key} and {column} filled in."""
    try:
        listed = tomllib.loads(file.read_text())["refusal"]
        return tuple(
            Refusal(
                each["name"],
                each["statement"].format(table=table.name, key=table.key, column=table.clear),
                each["sqlstate"],
                each["rule"],
            )
            for each in listed
        )
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise DestinationError(f"{file}: {error!r}") from None


def told() -> Destination:
    """This process's destination, or the end of the process with one line that says what is missing."""
    try:
        return destination(os.environ)
    except DestinationError as error:
        sys.exit(f"loadtest: {error}")
