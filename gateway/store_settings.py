"""A PostgreSQL database that several gateways share, as sluice.toml names it: an address, and what proves who connects."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec

from gateway.issuers import is_loopback
from gateway.toml_source import fail, nearest

SQLITE: Final = "sqlite"  # the approvals' own file
SCHEMES: Final = ("postgres", "postgresql")
PORT: Final = 5432
SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
_HOST = re.compile(r"\[(?P<six>[0-9a-fA-F:.%]+)\](?::(?P<six_port>\d+))?|(?P<host>[^:\[\]]+)(?::(?P<port>\d+))?")
_MEND: Final = 'write it as "postgres://user@host:5432/dbname"'


class Shared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table that names one. `sslmode` "": verify-full, or prefer where every host is this machine."""

    store: str = ""
    password_file: str = ""
    password_env: str = ""
    sslmode: SslMode | Literal[""] = ""
    sslrootcert: str = ""

    @property
    def shared(self) -> bool:
        """Whether it names one at all."""
        return self.store not in ("", SQLITE)


class Approvals(Shared, frozen=True, forbid_unknown_fields=True):
    """Where what waits for people is kept: beside the audit, or in one database for all gateways of a fleet."""

    store: str = SQLITE


class Fleet(Shared, frozen=True, forbid_unknown_fields=True):
    """Where the gateways of a fleet tell each other what was used of budgets."""

    @property
    def shared(self) -> bool:
        """There is no other kind."""
        return bool(self.store)


S = TypeVar("S", bound=Shared)


@dataclass(frozen=True, slots=True)
class Address:
    """What the address says. A host that begins with "/" is a Unix socket's folder."""

    hosts: tuple[tuple[str, int], ...]
    dbname: str
    user: str

    @property
    def local(self) -> bool:
        """Whether nothing crosses a network."""
        return all(host.startswith("/") or is_loopback(host) for host, _ in self.hosts)


def address(store: str) -> Address:
    """Several hosts, with commas between them, are tried in this order. Raises ValueError, which says why."""
    try:
        parts = urlsplit(store)
    except ValueError:
        raise ValueError("it is not an address") from None
    if parts.scheme not in SCHEMES:
        raise ValueError("it is not an address of PostgreSQL")
    if parts.query or parts.fragment:
        raise ValueError("it has parameters")
    who, _, where = parts.netloc.rpartition("@")
    dbname = unquote(parts.path.removeprefix("/"))
    if not who or not dbname or not where:
        raise ValueError("it does not name user, host and database")
    hosts = tuple(_host(one) for one in where.split(","))
    user = unquote(who)
    if any("\0" in one for one in (user, dbname, *(host for host, _ in hosts))):
        raise ValueError("it holds a NUL character")
    return Address(hosts, dbname, user)


def completed(
    one: S, name: str, given: Mapping[str, Any], text: str, file: str, environ: Mapping[str, str]
) -> S:
    """With what is left out. `given`: the table [`name`] as it was written. Raises ConfigError for the first mistake."""
    if not one.shared:
        for key in given:
            if key in Shared.__struct_fields__ and key != "store":
                mend = f"name the database first: {name}.store"
                fail(text, file, (name, key), "it belongs to a store in PostgreSQL", mend)
        return one
    if ":" in _before_host(one.store):
        mend = "put it in a file or a variable and name that by password_file or password_env"
        fail(text, file, (name, "store"), "the password itself is never written here", mend)
    try:
        where = address(one.store)
    except ValueError as error:
        fail(text, file, (name, "store"), str(error), _MEND)
    if one.password_file and one.password_env:
        fail(text, file, (name, "password_env"), "password_file is there too", "keep one of the two")
    if one.password_env and one.password_env not in environ:
        close = nearest(one.password_env, list(environ))
        mend = close if close.startswith("did you mean") else "set it in the environment"
        fail(text, file, (name, "password_env"), f"{one.password_env} is not set", mend)
    return msgspec.structs.replace(one, sslmode=one.sslmode or ("prefer" if where.local else "verify-full"))


def _before_host(store: str) -> str:
    """What stands before the host, and may hold a password."""
    return store.partition("://")[2].partition("/")[0].rpartition("@")[0]


def _host(text: str) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None:
        raise ValueError("a host is not one")
    port = int(found["port"] or found["six_port"] or PORT)
    if not 0 < port < 65536:
        raise ValueError("a port is not one")
    return found["six"] or unquote(found["host"]), port
