"""From the command line to one loaded bundle: finds sluice.toml, reads every file it names, and checks all of
it before anything starts."""

import importlib.util
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway import settings as sluice_toml
from gateway.approvals import people, signatures
from gateway.approvals.people import People
from gateway.channels import Channel
from gateway.errors import ConfigError, ConfigFault
from gateway.identity import keys as issuer_keys
from gateway.identity.keys import FetchedSet, IssuerKeys
from gateway.issuers import Issuer, url_fault
from gateway.policy import compile as policy_table
from gateway.policy import rules
from gateway.policy.rules import Policy
from gateway.settings import Settings
from gateway.store_settings import Shared
from gateway.toml_source import parse
from workers import door_files, key_store, store_connection
from workers.door_files import DoorFiles
from workers.store_connection import StoreTarget

MASK_KEY_FILE = "mask.key"  # keys the `hash` mask: equal on all hosts whose hashes shall be equal
_KEY_BYTES_MIN = 32

KeyFiles = dict[str, tuple[str, bytes]]  # by issuer's name: path and content


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """What must not be printed: the mask's key, and the databases' passwords by their configured name."""

    mask_key: bytes
    passwords: Mapping[str, str | None]
    client_secrets: Mapping[str, str] = field(default_factory=dict)  # by issuer's name, for asking it about tokens
    console_secrets: Mapping[str, str] = field(default_factory=dict)  # … for signing people in at the console

    @property
    def mock_key(self) -> bytes:
        """The key of the challenges that names without a credential get: the same on all workers, and after a restart."""
        return HKDF(SHA256(), 32, None, b"sluice scram challenges").derive(self.mask_key)

    @property
    def digest_key(self) -> bytes:
        """The key of what the audit keeps of values: digests of literals and of rows' keys."""
        return _digest_key(self.mask_key)

    @property
    def approvals_key(self) -> bytes:
        """The key under which literals of statements are kept that wait for people."""
        return _derived(self.mask_key, b"sluice approvals")

    @property
    def budgets_key(self) -> bytes:
        """The key under which gateways that share a store count budgets: no key of theirs names anybody."""
        return _derived(self.mask_key, b"sluice budgets")

    @property
    def fleet_digest(self) -> bytes:
        """By which gateways that share a store know that they share mask.key: it tells nothing else of it."""
        return _derived(self.mask_key, b"sluice fleet digest")

    @property
    def rows_key(self) -> bytes:
        """Under which gateways that share a store know each other's rows."""
        return _derived(self.mask_key, b"sluice fleet rows")

    def password(self, database: str) -> str | None:
        """The upstream password of the database a client named. "*" answers only for names without an
        entry."""
        return self.passwords[database] if database in self.passwords else self.passwords.get("*")


@dataclass(frozen=True, slots=True, repr=False)
class Loaded:
    """A configuration that holds together: settings, the compiled policy, keys and secrets, with all paths
    absolute."""

    file: Path
    folder: Path
    settings: Settings
    policy: bytes
    key_files: KeyFiles
    fetched: Mapping[str, FetchedSet]  # by issuer's name: keys that came over the network
    keys: IssuerKeys
    secrets: Secrets
    audit_dir: Path
    door_files: DoorFiles
    run_dir: Path  # beside the audit: lock, status and cancel sockets

    @property
    def fleet_key(self) -> bytes | None:
        """Under which the hosts of a fleet count budgets, where there is one."""
        return self.secrets.budgets_key if self.settings.fleet.shared else None

    @property
    def state_dir(self) -> Path:
        """What the gateway itself keeps beside the audit, and needs again when it starts."""
        return self.audit_dir.parent / "state"


def find(config: str | None, environ: Mapping[str, str]) -> Path:
    """The configuration's path: `--config`, else ./sluice.toml, else SLUICE_CONFIG. Raises ConfigError when
    none exists."""
    if config is not None:
        return Path(config).absolute()
    if Path("sluice.toml").exists() or "SLUICE_CONFIG" not in environ:
        return Path("sluice.toml").absolute()
    return Path(environ["SLUICE_CONFIG"]).absolute()


def load(file: Path, environ: Mapping[str, str]) -> Loaded:
    """Read and check everything. Raises ConfigError for the first fault."""
    folder = file.parent
    settings = load_settings(file, environ)
    key_files = _key_files(file, settings)
    trail = audit_dir(file, settings)
    fetched = key_store.read_all(key_store.folder(trail), settings.issuers)
    secrets = _secrets(file, settings, environ)
    for channel in settings.channels:
        channel_secrets(file, channel)
        channel_people(file, channel)
    store_target(file, "approvals", settings.approvals, environ)
    store_target(file, "fleet", settings.fleet, environ)
    return Loaded(
        file=file,
        folder=folder,
        settings=settings,
        policy=compile_policy(file, settings),
        key_files=key_files,
        fetched=fetched,
        keys=issuer_keys.read(settings.issuers, key_files, fetched),
        secrets=secrets,
        door_files=_door_files(file, settings, secrets),
        audit_dir=trail,
        run_dir=run_dir(file, settings),
    )


def with_fetched(loaded: Loaded, fetched: Mapping[str, FetchedSet]) -> Loaded:
    """The same with these keys of issuers that are fetched from. Raises ConfigError."""
    keys = issuer_keys.read(loaded.settings.issuers, loaded.key_files, fetched)
    return replace(loaded, fetched=fetched, keys=keys)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What SIGHUP brings: the running settings with the files' policy and keys."""

    loaded: Loaded
    settings_changed: bool  # sluice.toml is different now, which only a restart can apply


def reload(running: Loaded, environ: Mapping[str, str]) -> Reloaded:
    """Read everything again and check all of it; take over policy and keys. Raises ConfigError: then nothing
    changes."""
    fresh = load(running.file, environ)
    if fresh.settings == running.settings:  # what was fetched stays: it may be newer than what is on the disk
        return Reloaded(with_fetched(fresh, running.fetched), settings_changed=False)
    kept = replace(
        running,
        policy=compile_policy(running.file, running.settings),
        key_files=_key_files(running.file, running.settings),
        door_files=_door_files(running.file, running.settings, running.secrets),
    )
    return Reloaded(with_fetched(kept, running.fetched), settings_changed=True)


def compile_policy(file: Path, settings: Settings) -> bytes:
    """The table of the policy file, or of all *.toml of the policy folder in the order of their names. Raises
    ConfigError."""
    return policy_table.compile(read_policies(file, settings), settings)


def read_policies(file: Path, settings: Settings) -> list[Policy]:
    """The rules of every policy file; *.test.toml beside them are tests of theirs. Raises ConfigError."""
    path = file.parent / settings.policy.file
    files = [path]
    if path.is_dir():
        files = sorted(one for one in path.glob("*.toml") if not one.name.endswith(".test.toml"))
    if not files:
        _fault(file, "policy.file", "the folder holds no *.toml", "put a policy there")
    return [rules.load(read_text(one, "policy.file"), str(one)) for one in files]


def load_settings(file: Path, environ: Mapping[str, str]) -> Settings:
    """sluice.toml alone, for what needs no more of it. Raises ConfigError."""
    return sluice_toml.load(read_text(file, "--config"), str(file), environ)


def load_policy_settings(file: Path, environ: Mapping[str, str]) -> Settings:
    """sluice.toml for what only asks the policy: variables that hold passwords need not be set. Raises ConfigError."""
    text = read_text(file, "--config")
    unset = dict.fromkeys(_variables([one for table in parse(text, str(file)).values() for one in _entries(table)]), "")
    return sluice_toml.load(text, str(file), {**unset, **environ})


def _entries(table: Any) -> list[Any]:
    return table if isinstance(table, list) else [table]


def _variables(tables: list[Any]) -> list[str]:
    given = [one.get("password_env") for one in tables if isinstance(one, dict)]
    return [name for name in given if isinstance(name, str)]


def audit_dir(file: Path, settings: Settings) -> Path:
    """Where the trail lies."""
    return file.parent / settings.audit.dir


def run_dir(file: Path, settings: Settings) -> Path:
    """Lock, status and cancel sockets: beside the audit."""
    return audit_dir(file, settings).parent / "run"


def local_issuer(file: Path, environ: Mapping[str, str], name: str | None) -> tuple[Issuer, bytes]:
    """The issuer named, or the first whose private key lies here, and that key (PEM): its key_file with the
    ending .key.

    Raises ConfigError.
    """
    for issuer in load_settings(file, environ).issuers:
        path = (file.parent / issuer.key_file).with_suffix(".key") if issuer.key_file else None
        if name == issuer.name or (name is None and path is not None and path.exists()):
            if path is None:
                _fault(
                    file, f'issuer "{issuer.name}"', "its keys are elsewhere", "ask that issuer for a token"
                )
            return issuer, secret(path, f'issuer "{issuer.name}"')
    _fault(file, "issuer", "none of this name has its private key here", "`sluice init` makes a local one")


class _Sources(msgspec.Struct, frozen=True):
    files: KeyFiles
    fetched: Mapping[str, FetchedSet]


def pack_keys(files: KeyFiles, fetched: Mapping[str, FetchedSet]) -> bytes:
    """For handing changed keys to running workers."""
    return msgspec.msgpack.encode(_Sources(files, fetched))


def unpack_keys(content: bytes, settings: Settings) -> IssuerKeys:
    """The issuers' keys of what `pack_keys` made. Raises ConfigError, which the supervisor had ruled out before it sent
    them."""
    sources = msgspec.msgpack.decode(content, type=_Sources)
    return issuer_keys.read(settings.issuers, sources.files, sources.fetched)


def _key_files(file: Path, settings: Settings) -> KeyFiles:
    """What is read from files: keys, and the certificates of whom they are fetched from, which must be there."""
    key_files: KeyFiles = {}
    for issuer in settings.issuers:
        key = f'issuer "{issuer.name}"'
        if issuer.ca_file:
            _bytes(file.parent / issuer.ca_file, key)
        name = issuer.key_file or issuer.jwks_file
        if name:
            key_files[issuer.name] = (str(file.parent / name), _bytes(file.parent / name, key))
    return key_files


def _door_files(file: Path, settings: Settings, secrets: Secrets) -> DoorFiles:
    """What the doors need of files, checked."""
    named = door_files.named(file.parent, settings)
    files = {
        key: (str(path), (secret if key == door_files.CREDENTIALS else _bytes)(path, f"gateway.{key}"))
        for key, path in named.items()
    }
    door_files.check(files, settings, str(file), secrets.mock_key)
    return files


def _secrets(file: Path, settings: Settings, environ: Mapping[str, str]) -> Secrets:
    passwords: dict[str, str | None] = {}
    for database in settings.databases:
        key = f'database "{database.name}"'
        if database.password_file:
            passwords[database.name] = (
                secret(file.parent / database.password_file, key).decode().rstrip("\r\n")
            )
        elif database.password_env:
            passwords[database.name] = environ[database.password_env]
        else:
            passwords[database.name] = None
    asking, console = (_client_secrets(file, settings, key) for key in ("client_secret_file", "console_client_secret_file"))
    return Secrets(_mask_key(file, environ), passwords, asking, console)


def _client_secrets(file: Path, settings: Settings, key: str) -> dict[str, str]:
    files = {one.name: getattr(one, key) for one in settings.issuers}
    return {
        name: secret(file.parent / path, f'issuer "{name}"').decode().strip() for name, path in files.items() if path
    }


def channel_secrets(file: Path, channel: Channel) -> dict[str, str]:
    """What is in the secret files of a channel, by the keys that name them. Only the process that sends has them. Raises
    ConfigError."""
    found: dict[str, str] = {}
    for key in channel.secret_files:
        where = f'channel "{channel.name}": {key}'
        content = secret(file.parent / getattr(channel, key), where)
        try:
            found[key] = content.decode("ascii").strip()
        except UnicodeDecodeError:
            found[key] = ""
        if not found[key] or not found[key].isprintable():
            _fault(file.parent / getattr(channel, key), where, "it does not hold one line", "put the secret alone there")
        _check_channel_secret(file.parent / getattr(channel, key), where, key, found[key])
    return found


def _check_channel_secret(path: Path, where: str, key: str, content: str) -> None:
    if key in ("secret_file", "callback_secret_file"):
        try:
            signatures.secret_of(content)
        except ValueError as error:
            _fault(path, where, str(error), "make one: printf 'whsec_%s' \"$(head -c 32 /dev/urandom | base64)\"")
    if key == "url_file" and (why := url_fault(content)):
        _fault(path, where, why, "save the workflow's address there")


def channel_people(file: Path, channel: Channel) -> People:
    """Who those are whom a channel knows by their address. Raises ConfigError."""
    if not channel.people_file:
        return People(())
    path = file.parent / channel.people_file
    return people.load(read_text(path, f'channel "{channel.name}": people_file'), str(path))


def store_target(file: Path, name: str, table: Shared, environ: Mapping[str, str]) -> StoreTarget | None:
    """Where the store that this table names is, and as whom it is asked; None: it names none. Only the process that asks
    has the password. Raises ConfigError."""
    if not table.shared:
        return None
    if importlib.util.find_spec("psycopg") is None:
        _fault(file, f"{name}.store", "psycopg is not installed", "pip install 'sluice-gateway[fleet]'")
    password = environ[table.password_env] if table.password_env else None
    if table.password_file:
        password = secret(file.parent / table.password_file, f"{name}.password_file").decode().rstrip("\r\n")
    if table.sslrootcert:
        _bytes(file.parent / table.sslrootcert, f"{name}.sslrootcert")
    return store_connection.target(table, password, str(file.parent))


def load_digest_key(file: Path, environ: Mapping[str, str]) -> bytes:
    """The audit's digest key (see Secrets) of the installation whose sluice.toml this is; nothing else is read. Raises
    ConfigError."""
    return _digest_key(_mask_key(file, environ))


def _digest_key(mask_key: bytes) -> bytes:
    return _derived(mask_key, b"sluice audit digests")


def _derived(mask_key: bytes, purpose: bytes) -> bytes:
    """HKDF (RFC 5869), so that nothing which the masks make can be compared with what is kept elsewhere."""
    return HKDF(SHA256(), 32, None, purpose).derive(mask_key)


def _mask_key(file: Path, environ: Mapping[str, str]) -> bytes:
    mask_key = secret(key_path(file.parent, MASK_KEY_FILE, environ), MASK_KEY_FILE)
    if len(mask_key.strip()) < _KEY_BYTES_MIN:
        _fault(
            file,
            MASK_KEY_FILE,
            f"the key is shorter than {_KEY_BYTES_MIN} bytes",
            "make one with `sluice init`",
        )
    return mask_key.strip()


def key_path(folder: Path, name: str, environ: Mapping[str, str]) -> Path:
    """systemd's LoadCredential= comes first, so that keys need not lie beside the configuration."""
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / name).exists():
        return Path(credentials) / name
    return folder / name


def secret(path: Path, key: str) -> bytes:
    content = _bytes(path, key)
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IROTH | stat.S_IWOTH):
        _fault(path, key, "everybody may read or write the file", f"chmod 600 {path.name}")
    return content


def read_text(path: Path, key: str) -> str:
    """The file's text; `key` is what named it. Raises ConfigError."""
    try:
        return _bytes(path, key).decode()
    except UnicodeDecodeError:
        _fault(path, key, "the file is not UTF-8", "save it as UTF-8")


def _bytes(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "it cannot be read"
        _fault(path, key, reason, "`sluice init` writes a first configuration")


def _fault(file: Path, key: str, why: str, mend: str) -> NoReturn:
    raise ConfigError(ConfigFault(file=str(file), line=0, key=key, why=why, mend=mend))
