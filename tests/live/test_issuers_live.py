"""A whole gateway and an issuer on the network: keys come, change, go, and outlive the issuer; in this order."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.audit.query import Entry
from gateway.identity.claims import said_by
from tests.live.rig import (
    ADMIN,
    COMMAND,
    Gateway,
    Postgres,
    database_entries,
    gateway_environment,
    toml,
    wait_for,
)
from tests.workers.issuer_rig import Provider, as_json, provider
from tests.workers.oauth_rig import CLIENT, SignIns
from workers import status
from workers.audit_trail import read_all


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("idp")) as made:
        yield made


@pytest.fixture(scope="module")
def served(postgres: Postgres, idp: Provider) -> Iterator[Gateway]:
    gateway = Gateway(database_entries(postgres, {"dev": {"environment": "development"}}), workers=1)
    (gateway.folder / "client.secret").write_text("the-secret")
    (gateway.folder / "client.secret").chmod(0o600)
    asked = {"introspection": f"{idp.url}/introspect", "client_id": "gateway", "client_secret_file": "client.secret"}
    with gateway.config.open("a") as file:
        file.write("\n" + toml({"issuer": [idp.entry(**asked)]}))
    gateway.start()
    yield gateway
    gateway.stop()
    gateway.remove()


def connect(gateway: Gateway, token: str, user: str = "ada") -> psycopg.Connection:
    where = f"host=127.0.0.1 port={gateway.port} dbname=dev user={user} password={token}"
    return psycopg.connect(where, autocommit=True)


def issuer_of(gateway: Gateway) -> dict[str, object]:
    (found,) = status.ask(gateway.folder / "var" / "run")["issuers"]
    return found


def trail(gateway: Gateway) -> list[Entry]:
    return list(read_all(gateway.folder / "var" / "audit"))


def fetch_again(gateway: Gateway, idp: Provider) -> None:
    """The admin process asks the issuer as it starts."""
    before = idp.count("/keys")
    for pid in gateway._children(lambda name: name == ADMIN):
        os.kill(pid, signal.SIGKILL)
    wait_for("keys to be fetched", lambda: idp.count("/keys") > before)


def refused(gateway: Gateway, token: str, user: str = "ada") -> str:
    with pytest.raises(psycopg.OperationalError) as caught:
        connect(gateway, token, user)
    return str(caught.value)


def test_a_token_of_an_issuer_on_the_network_signs_in(served: Gateway, idp: Provider) -> None:
    wait_for("the first keys", lambda: issuer_of(served)["keys"])
    with connect(served, idp.token()) as session:
        assert session.execute("select 1").fetchone() == (1,)
    opened = next(entry for entry in trail(served) if entry.data.get("what") == "session opened")
    assert opened.session is not None
    assert (opened.session.issuer, opened.session.user) == ("idp", "ada")
    stolen = idp.token(key=ec.generate_private_key(ec.SECP256R1()))
    assert "not signed by a key" in refused(served, stolen)


def test_a_new_key_is_known_by_the_time_that_its_first_token_waits(served: Gateway, idp: Provider) -> None:
    idp.keys["k2"] = ec.generate_private_key(ec.SECP256R1())
    before = idp.count("/keys")
    with connect(served, idp.token(kid="k2")) as session:
        assert session.execute("select 2").fetchone() == (2,)
    assert idp.count("/keys") == before + 1


def test_keys_that_nobody_published_make_no_storm(served: Gateway, idp: Provider) -> None:
    before = idp.count("/keys")
    stranger = ec.generate_private_key(ec.SECP256R1())
    tokens = [idp.token(f"stranger-{number}", kid=f"made-up-{number}", key=stranger) for number in range(60)]
    began = time.monotonic()
    with ThreadPoolExecutor(8) as crowd:
        told = list(crowd.map(lambda token: refused(served, token, said_by(token)["sub"]), tokens))
    assert all("not signed by a key" in one for one in told)
    assert "try again in a moment" in told[0]
    assert idp.count("/keys") <= before + 1
    assert time.monotonic() - began < 10
    with connect(served, idp.token(kid="k2")):
        pass


def test_a_session_ends_with_the_key_that_signed_it(served: Gateway, idp: Provider) -> None:
    sessions = [connect(served, idp.token(kid=kid)) for kid in ("k1", "k2")]
    gone = idp.token(kid="k1")
    del idp.keys["k1"]
    fetch_again(served, idp)
    wait_for("the old key to be gone", lambda: issuer_of(served)["keys"] == 1)

    def ended() -> bool:
        try:
            sessions[0].execute("select 1")
        except psycopg.Error as error:
            return error.sqlstate == "28000" and "withdrawn" in str(error)
        return False

    wait_for("the session to end", ended, 5)
    assert sessions[1].execute("select 1").fetchone() == (1,)
    assert "not signed by a key" in refused(served, gone)
    for session in sessions:
        session.close()


def test_a_token_that_only_its_issuer_can_read_signs_in(served: Gateway, idp: Provider) -> None:
    known = {"opaque": {"active": True, "sub": "ada", "aud": "sluice", "exp": int(time.time()) + 600, "groups": ["owners"]}}
    idp.routes["/introspect"] = lambda method, headers, form: as_json(known.get(form["token"], {"active": False}))
    for _ in range(2):
        with connect(served, "opaque") as session:
            assert session.execute("select 1").fetchone() == (1,)
    assert "not signed by a key" in refused(served, "another")
    assert idp.count("/introspect") == 2


def test_somebody_signs_in_at_the_issuer_and_psql_has_the_token(
    served: Gateway, idp: Provider, postgres: Postgres, tmp_path: Path
) -> None:
    signing = SignIns(idp)
    signing.polls = ["authorization_pending"]
    programs = str(Path(postgres.program("psql")).parent)
    environ = gateway_environment() | {"XDG_STATE_HOME": str(tmp_path), "PATH": programs}
    environ["SLUICE_CONFIG"] = str(served.config)

    def sluice(*arguments: str) -> str:
        done = subprocess.run([*COMMAND, *arguments], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    sluice("login", "--issuer", "idp", "--client-id", CLIENT)
    who = "select current_setting('application_name'), 40 + 2"
    assert sluice("connect", "dev", "--", "-Atc", who) == "psql|42\n"


def test_what_an_issuer_last_said_outlives_it_and_a_restart(served: Gateway, idp: Provider) -> None:
    idp.down = True
    try:
        served.stop()
        served.start()
        with connect(served, idp.token(kid="k2")) as session:
            assert session.execute("select 1").fetchone() == (1,)
        told = wait_for("the failure", lambda: (found := issuer_of(served))["failure"] and found)
        assert told["keys"] == 1
        assert told["until"] > time.time() + 80_000
        checked = served.sluice("check")
        assert checked.returncode == 1
        assert "no: 127.0.0.1" in checked.stdout
    finally:
        idp.down = False
    what = {entry.data.get("what") for entry in read_all(served.folder / "var" / "audit")}
    assert {"keys fetched", "keys not fetched"} <= what
