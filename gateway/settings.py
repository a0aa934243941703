"""sluice.toml: what it may say, its defaults, and every mistake in it told by file, line, key and mend.

Paths stay as they are written: the workers resolve them against the folder of the configuration. Passwords
are never in here; `password_env` is only checked to name a variable that exists.

Two defaults depend on where things listen. `tls` is "required" unless `listen` is loopback, then "off".
`sslmode` is "verify-full" unless every host of the database is loopback or a Unix socket's folder, then
"prefer": a password or a row never crosses a network unproven because a line was left out.
"""

import ipaddress
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from gateway import channels as channel_tables
from gateway import door_settings, issuers, store_settings
from gateway.channels import Channel
from gateway.door_settings import Certificate
from gateway.issuers import Issuer
from gateway.store_settings import Approvals, Fleet, SslMode
from gateway.toml_source import Path, convert, fail, nearest, parse

Tls = Literal["off", "optional", "required"]
TargetSessionAttrs = Literal["any", "read-write", "read-only", "primary", "standby", "prefer-standby"]
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=86_400 * 366)]
Text = Annotated[str, Meta(min_length=1)]


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`workers` None: one a core. Addresses are "host:port", port 0 for any free one."""

    listen: str = "127.0.0.1:6432"
    admin: str = "127.0.0.1:6480"
    console_url: str = ""  # under which people reach the console; "": at `admin`
    workers: Annotated[int, Meta(ge=1, le=1024)] | None = None
    tls: Tls = "off"
    tls_cert: str = ""
    tls_key: str = ""
    proxy_protocol: bool = False
    trusted_proxies: tuple[str, ...] = ()
    drain_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 30.0
    max_sessions: Count = 10_000
    message_bytes_max: Annotated[int, Meta(ge=65_536, le=1_073_741_824)] = 16_777_216
    login_seconds: Seconds = 10.0
    auth: Literal["password", "oauth"] = "password"  # how a client is asked for its token where it does not say
    tls_client_ca: str = ""  # who signs client certificates, and which of them are revoked
    tls_client_crl: str = ""
    credentials: str = ""  # the file of static credentials, and the names that are asked for them
    scram_users: tuple[Text, ...] = ()
    sign_in_failures_per_minute: Annotated[int, Meta(ge=1, le=1_000_000)] = 600  # of an address; of a user there a fifth

    @property
    def console(self) -> str:
        """The console's origin, to which paths are added."""
        host, _ = split_address(self.admin)
        return self.console_url.rstrip("/") or f"{'http' if is_local(host) else 'https'}://{self.admin}"


class Audit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the trail lies, when an intent counts as kept, what happens when it cannot be written, and of which tables it
    is on record whose rows were shown: those with a labelled column, all, or none."""

    dir: Text = "var/audit"
    durability: Literal["process", "power"] = "process"
    segment_bytes: Annotated[int, Meta(ge=4096, le=2**40)] = 67_108_864
    retention_days: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 400  # 0: for ever
    compress: bool = False  # segments that are complete (zstd)
    on_failure: Literal["refuse", "continue"] = "refuse"
    row_keys: Literal["labelled", "all", "off"] = "labelled"


class PolicyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policy's file, or a folder of *.toml."""

    file: Text = "policy.toml"


class Database(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One database as clients name it, and the server behind it. `dbname` is never empty but for `name` "*".

    `environment` is any word, "" where none was given. `host` may be a socket's folder ("/run/postgresql").
    """

    name: Text
    user: Text
    environment: str = ""
    host: Text = "127.0.0.1"
    port: Port = 5432
    hosts: tuple[str, ...] = ()
    target_session_attrs: TargetSessionAttrs = "any"
    dbname: str = ""
    password_file: str = ""
    password_env: str = ""
    sslmode: SslMode = "verify-full"
    sslrootcert: str = ""
    pool: Literal["session", "transaction"] = "session"  # for how long a client has a connection
    pool_size: Annotated[int, Meta(ge=0, le=10_000)] = 20  # connections kept between sessions, over all workers
    server_idle_timeout: Seconds = 600.0  # … for so long unused
    server_lifetime: Seconds = 3600.0  # … and so long after their login

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of every server to try, in this order."""
        if not self.hosts:
            return ((self.host, self.port),)
        return tuple(split_address(one, 5432) for one in self.hosts)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of sluice.toml."""

    gateway: Gateway = Gateway()
    audit: Audit = Audit()
    policy: PolicyFile = PolicyFile()
    approvals: Approvals = Approvals()
    fleet: Fleet = Fleet()
    issuers: tuple[Issuer, ...] = msgspec.field(name="issuer", default=())
    certificates: tuple[Certificate, ...] = msgspec.field(name="certificate", default=())
    databases: tuple[Database, ...] = msgspec.field(name="database", default=())
    channels: tuple[Channel, ...] = msgspec.field(name="channel", default=())

    @property
    def issuer_names(self) -> set[str]:
        """Whom a rule may name as issuer: of tokens, the rules for certificates, and the static credentials."""
        names = {one.name for one in self.issuers} | {one.name for one in self.certificates}
        return names | {door_settings.CREDENTIALS} if self.gateway.credentials else names

    def database(self, name: str) -> Database | None:
        """The database a client asks for by this name; the "*" entry gives a copy that carries the name."""
        if not name or name == "*" or "\0" in name:
            return None
        for one in self.databases:
            if one.name == name:
                return one
        for one in self.databases:
            if one.name == "*":
                return msgspec.structs.replace(one, name=name, dbname=name)
        return None


def split_address(address: str, default_port: int | None = None) -> tuple[str, int]:
    """ "host:port" as its parts; an IPv6 address stands in brackets. Raises ValueError."""
    host, colon, port = address.rpartition(":")
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        if not bracket or not isinstance(ipaddress.ip_address(host), ipaddress.IPv6Address):
            raise ValueError("an IPv6 address stands in brackets")
        colon, port = rest[:1], rest[1:]
    elif ":" in host:
        raise ValueError("an IPv6 address stands in brackets")
    if colon != ":" and default_port is not None and address:
        return (host if address.startswith("[") else address), default_port
    digits = port.isascii() and port.isdigit() and len(port) <= 5
    if colon != ":" or not host or not digits or int(port) > 65535:
        raise ValueError("not host:port")
    return host, int(port)


def is_local(host: str) -> bool:
    """Whether a host is this very machine: loopback or a Unix socket."""
    if host == "localhost" or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load(text: str, file: str, environ: Mapping[str, str]) -> Settings:
    """The settings of a sluice.toml. Raises ConfigError for the first mistake."""
    tables = parse(text, file)
    _foresee(tables, text, file)
    settings = convert(tables, Settings, text, file)
    gateway = _gateway(settings.gateway, tables.get("gateway", {}), text, file)
    found = tuple(
        issuers.completed(one, tables["issuer"][index], ("issuer", index), text, file)
        for index, one in enumerate(settings.issuers)
    )
    _unique([one.name for one in found], "issuer", text, file)
    issuers.check_asked(found, text, file)
    door_settings.check(gateway, settings.certificates, [one.name for one in found], text, file)
    channel_tables.check(settings.channels, tables.get("channel", ()), text, file)
    approvals = store_settings.completed(
        settings.approvals, "approvals", tables.get("approvals", {}), text, file, environ
    )
    fleet = store_settings.completed(settings.fleet, "fleet", tables.get("fleet", {}), text, file, environ)
    databases = tuple(
        _database(one, tables["database"][index], ("database", index), text, file, environ)
        for index, one in enumerate(settings.databases)
    )
    _unique([one.name for one in databases], "database", text, file)
    return msgspec.structs.replace(
        settings, gateway=gateway, approvals=approvals, fleet=fleet, issuers=found, databases=databases
    )


def _foresee(tables: dict[str, Any], text: str, file: str) -> None:
    """Mistakes whose plain "unknown key" would teach nothing."""
    databases = tables.get("database")
    for index, one in enumerate(databases if isinstance(databases, list) else []):
        if not isinstance(one, dict):
            continue
        path: Path = ("database", index)
        if "password" in one:
            mend = "put it in a file or a variable and name that by password_file or password_env"
            fail(text, file, (*path, "password"), "the password itself is never written here", mend)
        if one.get("pool") == "statement":
            why = "a transaction of several statements needs one connection for all of them"
            fail(text, file, (*path, "pool"), why, 'set pool = "transaction" or "session"')
        if "hosts" in one and ("host" in one or "port" in one):
            fail(text, file, (*path, "hosts"), "it stands beside host or port", "keep one of the two ways")


def _unique(names: list[str], kind: str, text: str, file: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            why = f'there is already a {kind} "{name}"'
            fail(text, file, (kind, index, "name"), why, "give it another name")


def _gateway(gateway: Gateway, given: Mapping[str, Any], text: str, file: str) -> Gateway:
    for key in ("listen", "admin"):
        try:
            host, _ = split_address(getattr(gateway, key))
        except ValueError as error:
            fail(text, file, ("gateway", key), str(error), 'write it as "127.0.0.1:6432" or "[::1]:6432"')
        if key == "listen" and "tls" not in given and not is_local(host):
            gateway = msgspec.structs.replace(gateway, tls="required")
        if key == "admin" and not is_local(host) and not gateway.tls_cert:
            why = "operators' tokens would cross the network in clear"
            fail(text, file, ("gateway", key), why, "set tls_cert and tls_key, or listen on 127.0.0.1 only")
    _console(gateway, text, file)
    for key in ("drain_seconds", "login_seconds"):
        if not math.isfinite(getattr(gateway, key)):
            fail(text, file, ("gateway", key), "it is not a length of time", "give a number of seconds")
    if bool(gateway.tls_cert) != bool(gateway.tls_key):
        here = "tls_cert" if gateway.tls_cert else "tls_key"
        fail(text, file, ("gateway", here), "tls_cert and tls_key belong together", "set both or none")
    if gateway.tls != "off" and not gateway.tls_cert:
        why = f"TLS is {gateway.tls} and there is no tls_cert"
        fail(text, file, ("gateway", "tls"), why, "set tls_cert and tls_key, or listen on 127.0.0.1 only")
    for index, network in enumerate(gateway.trusted_proxies):
        try:
            ipaddress.ip_network(network)
        except ValueError:
            path = ("gateway", "trusted_proxies", index)
            fail(text, file, path, "not a network", 'write it as "10.0.0.0/8"')
    if gateway.proxy_protocol:
        why = "the PROXY protocol is not spoken yet"
        mend = "set it to false and let clients connect directly"
        fail(text, file, ("gateway", "proxy_protocol"), why, mend)
    return gateway


def _console(gateway: Gateway, text: str, file: str) -> None:
    url = gateway.console_url
    why = issuers.url_fault(url) if url else ""
    if url and not why and (urlsplit(url).path not in ("", "/") or urlsplit(url).query or url != url.lower()):
        why = "it is more than scheme, host and port, in lower case"
    if why:
        fail(text, file, ("gateway", "console_url"), why, 'write it as "https://sluice.example.com"')


def _database(
    one: Database, given: Mapping[str, Any], path: Path, text: str, file: str, environ: Mapping[str, str]
) -> Database:
    if one.password_file and one.password_env:
        fail(text, file, (*path, "password_env"), "password_file is there too", "keep one of the two")
    if one.password_env and one.password_env not in environ:
        mend = _nearest_variable(one.password_env, environ)
        fail(text, file, (*path, "password_env"), f"{one.password_env} is not set", mend)
    for key in ("name", "user", "dbname", "host", "environment"):
        if "\0" in getattr(one, key):
            fail(text, file, (*path, key), "it holds a NUL character", "take it out")
    for index, address in enumerate(one.hosts):
        try:
            split_address(address, 5432)
        except ValueError as error:
            mend = 'write it as "10.0.0.1:5432" or "[fd00::1]:5432"'
            fail(text, file, (*path, "hosts", index), str(error), mend)
    if one.name == "*" and one.dbname:
        fail(text, file, (*path, "dbname"), 'the entry "*" passes the name on', "take dbname out")
    if one.pool == "transaction" and not one.pool_size:
        fail(text, file, (*path, "pool_size"), "no connection could be lent", "give a number of connections")
    dbname = one.dbname or ("" if one.name == "*" else one.name)
    sslmode = one.sslmode
    if "sslmode" not in given:
        sslmode = "prefer" if all(is_local(host) for host, _ in one.addresses) else "verify-full"
    return msgspec.structs.replace(one, dbname=dbname, sslmode=sslmode)


def _nearest_variable(name: str, environ: Mapping[str, str]) -> str:
    """How to mend a variable that is not set: a near name that is, or setting it."""
    close = nearest(name, list(environ))
    return close if close.startswith("did you mean") else "set it in the environment"
