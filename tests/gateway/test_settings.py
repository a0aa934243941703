"""sluice.toml: defaults that depend on the network, and mistakes told by line and mend."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.settings import Settings, is_local, load, split_address

WHOLE = """
[gateway]
listen = "127.0.0.1:6432"
admin = "127.0.0.1:6480"
workers = 2                      # default: one a core
tls = "off"
tls_cert = "server.crt"
tls_key = "server.key"
proxy_protocol = false
trusted_proxies = ["10.0.0.0/8"]
drain_seconds = 30
max_sessions = 10000

[audit]
dir = "var/audit"
durability = "power"
segment_bytes = 67108864
retention_days = 400
on_failure = "refuse"

[policy]
file = "policy.toml"

[[issuer]]
name = "local"
issuer = "https://sluice.local"
audience = "sluice"
key_file = "local-issuer.pub"
user_claim = "sub"
groups_claim = "groups"
actor_claim = "act"

[[database]]
name = "prod"
environment = "production"
host = "127.0.0.1"
port = 5432
dbname = "shop"
user = "sluice"
password_file = "prod.password"
sslmode = "require"
pool = "session"
pool_size = 7
server_idle_timeout = 30
server_lifetime = 300.5

[[database]]
name = "*"
host = "127.0.0.1"
user = "sluice"
"""
DATABASE = '[[database]]\nname = "a"\nuser = "u"\n'
ISSUER = '[[issuer]]\nname = "i"\nissuer = "x"\naudience = "y"\n'


def read(text: str, environ: dict[str, str] | None = None) -> Settings:
    return load(text, "sluice.toml", environ or {})


def fault(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value)


def outcome(text: str) -> Settings | ConfigError:
    try:
        return read(text)
    except ConfigError as error:
        return error


def test_the_whole_file_of_the_contract_is_read() -> None:
    found = read(WHOLE)
    assert found.gateway.workers == 2
    assert found.audit.durability == "power"
    assert found.issuers[0].key_file == "local-issuer.pub"
    assert found.databases[0].sslmode == "require"
    assert found.databases[0].dbname == "shop"
    prod, star = found.databases
    assert (prod.pool_size, prod.server_idle_timeout, prod.server_lifetime) == (7, 30, 300.5)
    assert (star.pool_size, star.server_idle_timeout, star.server_lifetime) == (20, 600, 3600)


def test_an_empty_file_has_the_defaults() -> None:
    found = read("")
    assert found == Settings()
    assert found.gateway.tls == "off"
    assert found.gateway.message_bytes_max == 16 * 1024 * 1024
    assert found.gateway.login_seconds == 10


def test_the_star_entry_takes_any_other_name() -> None:
    found = read(WHOLE)
    named = found.database("other")
    assert named is not None
    assert (named.name, named.dbname, named.user) == ("other", "other", "sluice")
    prod = found.database("prod")
    assert prod is not None
    assert prod.dbname == "shop"


@pytest.mark.parametrize("name", ["", "*", "a\0b"])
def test_names_that_no_database_can_have_are_not_passed_on(name: str) -> None:
    assert read(WHOLE).database(name) is None


def test_without_a_star_entry_unknown_names_are_none() -> None:
    assert read(DATABASE).database("b") is None


@pytest.mark.parametrize(
    ("host", "mode"),
    [
        ("127.0.0.1", "prefer"), ("::1", "prefer"), ("localhost", "prefer"), ("/run/postgresql", "prefer"),
        ("10.0.0.1", "verify-full"), ("db.example.com", "verify-full"), ("localhost.example.com", "verify-full"),
        ("fd00::1", "verify-full"),
    ],
)  # fmt: skip
def test_a_server_elsewhere_must_prove_itself_by_default(host: str, mode: str) -> None:
    assert read(DATABASE + f'host = "{host}"\n').databases[0].sslmode == mode
    assert read(DATABASE + f'host = "{host}"\nsslmode = "disable"\n').databases[0].sslmode == "disable"


def test_one_host_elsewhere_makes_all_prove_themselves() -> None:
    both = read(DATABASE + 'hosts = ["127.0.0.1:5432", "[fd00::1]:5433", "db"]\n').databases[0]
    assert both.sslmode == "verify-full"
    assert both.addresses == (("127.0.0.1", 5432), ("fd00::1", 5433), ("db", 5432))


def test_clients_must_use_tls_by_default_unless_listen_is_loopback() -> None:
    certificate = 'tls_cert = "c"\ntls_key = "k"\n'
    assert read(f'[gateway]\nlisten = "0.0.0.0:6432"\n{certificate}').gateway.tls == "required"
    assert read(f'[gateway]\nlisten = "[::1]:0"\n{certificate}').gateway.tls == "off"
    assert read('[gateway]\nlisten = "0.0.0.0:6432"\ntls = "off"\n').gateway.tls == "off"


@pytest.mark.parametrize(
    ("text", "line", "key", "mend"),
    [
        ("[gatway]\n", 1, "gatway", 'did you mean "gateway"?'),
        ('[gateway]\n\nlitsen = "x"\n', 3, "gateway.litsen", 'did you mean "listen"?'),
        (DATABASE + DATABASE.replace('"a"', '"b"') + "prot = 1\n", 7, "database[1].prot", 'did you mean "port"?'),
        ('[gateway]\ntls = "requird"\n', 2, "gateway.tls", 'did you mean "required"?'),
        (DATABASE + 'sslmode = "verify"\n', 4, "database[0].sslmode", 'did you mean "verify-'),
        ('[[database]]\nname = "a"\n', 1, "database[0]", "add user"),
        ("[gateway]\nworkers = 0\n", 2, "gateway.workers", "whole number >= 1"),
        ('[gateway]\nworkers = "2"\n', 2, "gateway.workers", "give whole number"),
        ("[gateway]\ndrain_seconds = nan\n", 2, "gateway.drain_seconds", "number"),
        ("[gateway]\nlogin_seconds = inf\n", 2, "gateway.login_seconds", "number"),
        ('[gateway]\nlisten = "6432"\n', 2, "gateway.listen", '"127.0.0.1:6432"'),
        ('[gateway]\nlisten = "::1:6432"\n', 2, "gateway.listen", "[::1]:6432"),
        ('[gateway]\nadmin = "h:65536"\n', 2, "gateway.admin", "127.0.0.1:6432"),
        ('[gateway]\nadmin = "0.0.0.0:6480"\n', 2, "gateway.admin", "tls_cert"),
        ('[gateway]\nlisten = "0.0.0.0:1"\n', 1, "gateway.tls", "set tls_cert and tls_key"),
        ('[gateway]\ntls_cert = "c"\n', 2, "gateway.tls_cert", "set both or none"),
        ('[gateway]\ntrusted_proxies = ["10/8", "x"]\n', 2, "gateway.trusted_proxies", "10.0.0.0/8"),
        ("[gateway]\nproxy_protocol = true\n", 2, "gateway.proxy_protocol", "false"),
        (DATABASE + "server_lifetime = nan\n", 4, "database[0].server_lifetime", "> 0"),
        (DATABASE + "server_idle_timeout = 0\n", 4, "database[0].server_idle_timeout", "> 0"),
        (DATABASE + "pool_size = -1\n", 4, "database[0].pool_size", ">= 0"),
        (DATABASE + 'pool = "transaction"\npool_size = 0\n', 5, "database[0].pool_size", "number of connections"),
        (DATABASE + 'pool = "statement"\n', 4, "database[0].pool", 'pool = "transaction"'),
        (DATABASE + 'password = "secret"\n', 4, "database[0].password", "password_file or password_env"),
        (DATABASE + 'password_env = "PW"\n', 4, "database[0].password_env", "set it in the environment"),
        (DATABASE + 'hosts = ["a:1"]\nport = 2\n', 4, "database[0].hosts", "keep one"),
        (DATABASE + 'hosts = ["a:x"]\n', 4, "database[0].hosts[0]", "10.0.0.1:5432"),
        (DATABASE + DATABASE, 5, "database[1].name", "another name"),
        (ISSUER + 'key_file = "k"\n' + ISSUER + 'key_file = "k"\n', 7, "issuer[1].name", "another name"),
        ('[[database]]\nname = "*"\nuser = "u"\ndbname = "d"\n', 4, "database[0].dbname", "take dbname out"),
        ("database = 3\n", 1, "database", "give array"),
        ("gateway = 1\n", 1, "gateway", "give table"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_line_key_and_mend(text: str, line: int, key: str, mend: str) -> None:
    told = fault(text)
    assert told.startswith(f"sluice.toml:{line}: {key}")
    assert mend in told


def test_a_password_is_never_quoted_back() -> None:
    assert "hunter2" not in fault(DATABASE + 'password = "hunter2"\n')


def test_a_password_variable_that_exists_is_taken() -> None:
    assert read(DATABASE + 'password_env = "PW"\n', {"PW": "x"}).databases[0].password_env == "PW"


@pytest.mark.parametrize("text", ["", ":", "a:", ":1", "a:-1", "a:1x", "[a]:1", "[::1]", "[::1]1", "[::1:1", "a:٣"])
def test_an_address_without_host_and_port_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        split_address(text)


@pytest.mark.parametrize("host", ["127.8.9.1", "::1", "localhost", "/tmp", "@abstract"])
def test_this_machine_is_local(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "127.0.0.1.example.com", "", "10.0.0.1"])
def test_any_other_machine_is_not_local(host: str) -> None:
    assert not is_local(host)


LINES = WHOLE.splitlines()


@settings(max_examples=300)
@given(st.lists(st.sampled_from(LINES), max_size=12), st.text(alphabet='[]{}="\'\\\n#. ab1,*', max_size=12))
def test_random_text_is_settings_or_a_config_error(lines: list[str], rubbish: str) -> None:
    found = outcome("\n".join([*lines, rubbish]))
    if isinstance(found, ConfigError):
        assert found.fault.why
        assert found.fault.mend
    else:
        assert all(one.dbname or one.name == "*" for one in found.databases)


VALUES = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.text(max_size=5), st.just([]), st.just({}), st.just([1, "a"])
)


@settings(max_examples=300)
@given(st.sampled_from(sorted({line.partition("=")[0].strip() for line in LINES if "=" in line})), VALUES)
def test_any_value_under_any_key_is_settings_or_a_config_error(key: str, value: object) -> None:
    written = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None  # type: ignore[call-overload]
    if written is None:
        written = repr(value) if not isinstance(value, str) else '"' + "".join(filter(str.isalnum, value)) + '"'
    for head in ("[gateway]", "[audit]", "[policy]", ISSUER, DATABASE):
        found = outcome(f"{head}\n{key} = {written}\n")
        assert isinstance(found, Settings) or found.fault.key


@pytest.mark.parametrize(
    ("lines", "console"),
    [
        ("", "http://127.0.0.1:6480"),
        ('admin = "[::1]:7000"', "http://[::1]:7000"),
        ('console_url = "https://sluice.example.com/"', "https://sluice.example.com"),
        ('console_url = "http://127.0.0.1:9000"', "http://127.0.0.1:9000"),
    ],
)
def test_console_is_reached_where_it_is_said_or_at_the_admin_address(lines: str, console: str) -> None:
    assert load(f"[gateway]\n{lines}\n", "sluice.toml", {}).gateway.console == console


@pytest.mark.parametrize(
    "url", ["http://sluice.example.com", "https://x.example.com/sub", "https://X.example.com", "x", "https://u:p@x.example.com"]
)
def test_console_url_is_an_origin_of_https(url: str) -> None:
    with pytest.raises(ConfigError, match="console_url"):
        load(f'[gateway]\nconsole_url = "{url}"\n', "sluice.toml", {})
