"""Every door with a real client, and with all who should not come in by it: none does, each is told what it may know, and
nothing that they said stands anywhere afterwards."""

import asyncio
import base64
import ctypes
import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import pg8000.native
import psycopg
import psycopg_binary
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.gateway.identity.certificate_rig import HOUR, Authority, authority
from tests.gateway.identity.token_rig import OTHER_ED, RSA, b64, jwk
from tests.live.door_rig import COMPANY, Doors, Visitor, doors, scram_reply, told_nothing
from tests.live.rig import Postgres, wait_for
from tests.live.wire import error_fields, message, startup, tapped

RSA_PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
BATCH = "CN=batch-1,O=Example"
AGENT = "spiffe://example.org/agent/7"
STRANGER = "sign-in refused: the token is not signed by a key of a configured issuer"


@pytest.fixture(scope="module")
def found(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with doors(postgres, tmp_path_factory.mktemp("doors")) as made:
        yield made


def files(issued: Authority, folder: Path) -> str:
    """libpq's parameters to show this certificate."""
    (folder / "c.crt").write_bytes(issued.pem)
    (folder / "c.key").touch(mode=0o600)
    (folder / "c.key").write_bytes(issued.key_pem)
    return f"sslmode=require sslcert={folder / 'c.crt'} sslkey={folder / 'c.key'}"


def opened(found: Doors, user: str) -> list[dict[str, Any]]:
    return [one for one in found.events("session opened") if one["user"] == user]


# --- the good way -----------------------------------------------------------------------------------


class _Request(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in ("openid_configuration", "scope")]
    _fields_ += [(name, ctypes.c_void_p) for name in ("run", "cleanup")]
    _fields_ += [("token", ctypes.c_char_p), ("user", ctypes.c_void_p)]


_HOOK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_Request))
_BEARER_TOKEN = 1  # PQAUTHDATA_OAUTH_BEARER_TOKEN


@contextmanager
def libpq_gives(token: str) -> Iterator[list[tuple[str, str]]]:
    """psycopg's own libpq asks us for tokens; yields what it was told of where to get them."""
    (file,) = (Path(psycopg_binary.__file__).parents[1] / "psycopg_binary.libs").glob("libpq-*.so*")
    library, seen = ctypes.CDLL(str(file)), []
    given = token.encode()

    def hook(kind: int, connection: int, request: Any) -> int:
        if kind != _BEARER_TOKEN:
            return 0
        seen.append((request.contents.openid_configuration.decode(), request.contents.scope.decode()))
        request.contents.token = given
        return 1

    kept = _HOOK(hook)
    library.PQsetAuthDataHook(kept)
    try:
        yield seen
    finally:
        library.PQsetAuthDataHook(None)


def test_libpq_finds_out_where_tokens_come_from_and_brings_one(found: Doors) -> None:
    token = found.token(found.claims(sub="olga"))
    with tapped(found.port) as tap, libpq_gives(token) as asked:
        dsn = f"host=127.0.0.1 port={tap.port} dbname=dev user=olga oauth_issuer={COMPANY} oauth_client_id=sluice"
        options = "options='-c sluice.auth=oauth -c sluice.issuer=company'"
        with psycopg.connect(f"{dsn} {options} sslmode=disable") as connection:
            assert connection.execute("select 1").fetchone() == (1,)
            shown = connection.execute("select current_setting('sluice.auth', true)").fetchone()
            assert shown in ((None,), ("",)), "the parameter stays here"
        assert len(tap._sockets) == 2 * 2, "one connection asked, one brought the token"
        assert tap.to_client.count(b"OAUTHBEARER\0") == 2
        assert tap.to_client.count(b'"status": "invalid_token"') == 1
    assert asked == [(f"{COMPANY}/.well-known/openid-configuration", "openid db")]
    (record,) = opened(found, "olga")
    assert (record["method"], record["issuer"]) == ("oauthbearer", "company")
    assert "weak" not in record
    assert not [one for one in found.events("sign-in refused") if one["user"] == "olga"], "asking is no failed sign-in"


def test_libpq_reads_why_its_token_does_not_count(found: Doors) -> None:
    expired = found.token(found.claims(sub="olga", iat=int(time.time()) - 900, exp=int(time.time()) - 300))
    dsn = f"host=127.0.0.1 port={found.port} dbname=dev user=olga oauth_issuer={COMPANY} oauth_client_id=sluice"
    with libpq_gives(expired), pytest.raises(psycopg.OperationalError, match="the token has expired"):
        psycopg.connect(f"{dsn} options='-c sluice.auth=oauth -c sluice.issuer=company' sslmode=disable")


def test_certificate_is_enough_for_its_user(found: Doors, tmp_path: Path) -> None:
    issued = found.middle.issue(BATCH)
    dsn = f"host=127.0.0.1 port={found.port} dbname=dev user=batch-1 require_auth=none {files(issued, tmp_path)}"
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    (record,) = opened(found, "batch-1")
    assert (record["method"], record["issuer"], record["groups"]) == ("certificate", "batch jobs", ["batch"])
    assert len(record["token_id"]) == 16


def test_workload_with_a_spiffe_id_comes_in_as_its_agent(found: Doors) -> None:
    with found.visit(found.context(found.root.issue("CN=x", uris=(AGENT,)))) as visitor:
        assert visitor.call(AGENT) == (0, b"")
        assert visitor.is_in()
    (record,) = opened(found, AGENT)
    assert (record["actor"], record["issuer"]) == (["agent-7"], "agents")


def test_certificate_of_somebody_else_leaves_the_token_to_be_asked_for(found: Doors, tmp_path: Path) -> None:
    issued = found.root.issue(BATCH)
    dsn = f"host=127.0.0.1 port={found.port} dbname=dev user=alice password={found.token()} {files(issued, tmp_path)}"
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_bound_token_comes_in_with_its_certificate_by_both_doors(found: Doors) -> None:
    issued = found.root.issue("CN=laptop")
    token = found.token(found.claims(cnf={"x5t#S256": b64(thumbprint(issued))}))
    for auth in ("password", "oauth", "password"):
        with found.visit(found.context(issued)) as visitor:
            offer(visitor, "alice", token, auth)
            assert visitor.is_in()


def thumbprint(issued: Authority) -> bytes:
    return sha256(issued.der).digest()


@pytest.mark.parametrize("more", ["sslmode=disable", "sslmode=require", "sslmode=require channel_binding=require"])
def test_libpq_signs_in_by_scram(found: Doors, more: str) -> None:
    dsn = f"host=127.0.0.1 port={found.port} dbname=dev user=svc-report password={found.passwords['svc-report']}"
    with psycopg.connect(f"{dsn} require_auth=scram-sha-256 {more}") as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_asyncpg_signs_in_by_scram_over_tls(found: Doors) -> None:
    async def work() -> int:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=found.port, user="svc-report", database="dev", ssl=found.context(),
            password=found.passwords["svc-report"],
        )  # fmt: skip
        try:
            return int(await connection.fetchval("select 1"))
        finally:
            await connection.close()

    assert asyncio.run(work()) == 1


def test_pg8000_signs_in_by_scram_and_every_record_says_that_it_is_weak(found: Doors) -> None:
    connection = pg8000.native.Connection(
        "svc-other", host="127.0.0.1", port=found.port, database="dev", password=found.passwords["svc-other"]
    )
    assert connection.run("select 1") == [[1]]
    connection.close()
    records = wait_for("the session's end", lambda: len(seen := found.records("svc-other")) >= 4 and seen)
    assert {(one["method"], one["weak"], one["issuer"]) for one in records} == {("scram", True, "credentials")}


# --- tokens that do not count, by both doors that take one ------------------------------------------


def offer(visitor: Visitor, user: str, token: str, auth: str, **more: str) -> None:
    """The token, as a password or by OAUTHBEARER."""
    code, data = visitor.call(user, sluice__auth=auth, sluice__issuer="company", **more)
    raw = token.encode("utf-8", "surrogatepass")
    if auth == "password":
        assert code == 3, (code, data)
        visitor.answer(raw + b"\0")
    else:
        assert (code, data) == (10, b"OAUTHBEARER\0\0")
        visitor.initial("OAUTHBEARER", b"n,,\x01auth=Bearer " + raw + b"\x01\x01")


def told_by(visitor: Visitor, auth: str) -> dict[str, str]:
    """The last word; OAUTHBEARER has one before it."""
    if auth == "oauth":
        code, data = visitor.asked()
        if code == -1:
            return error_fields(data)
        told = json.loads(data)
        assert (code, told["status"]) == (11, "invalid_token")
        assert told["openid-configuration"] == f"{COMPANY}/.well-known/openid-configuration"
        visitor.answer(b"\x01")
    return visitor.verdict()


def nested(depth: int) -> dict[str, Any]:
    actor: dict[str, Any] = {"sub": "agent"}
    for _ in range(depth):
        actor = {"sub": "agent", "act": actor}
    return actor


def raw(found: Doors, text: str) -> bytes:
    """The good claims with these pairs behind them."""
    return json.dumps(found.claims()).encode()[:-1] + b", " + text.encode() + b"}"


def header(**more: Any) -> dict[str, Any]:
    return {"alg": "RS256", "typ": "JWT", "kid": "k1"} | more


def unsigned(found: Doors, algorithm: str) -> str:
    made = ".".join(b64(json.dumps(part).encode()) for part in (header(alg=algorithm), found.claims())) + "."
    found.said.append(made)
    return made


NOW = int(time.time())
Make = Callable[[Doors], str]
TOKENS: dict[str, tuple[Make, str]] = {
    "none at all": (lambda f: "", "no token was given"),
    "a word": (lambda f: "hunter2-hunter2", "not a readable token"),
    "two parts": (lambda f: f.token().rpartition(".")[0], "not a readable token"),
    "five parts": (lambda f: f.token() + ".x.y", "not a readable token"),
    "only dots": (lambda f: "..", "not a readable token"),
    "far too long": (lambda f: f.token(f.claims(x="y" * 9000)), "longer than 8192"),
    "a blank behind it": (lambda f: f.token() + " ", "not a readable token"),
    "base64 with padding": (lambda f: f.token() + "=", "not a readable token"),
    "base64 of the other alphabet": (lambda f: f.token().replace("-", "+").replace("_", "/") + "+", "not a readable token"),
    "claims twice": (lambda f: f.token(raw(f, '"sub": "alice"')), "not a readable token"),
    "claims nested deep": (lambda f: f.token(b'{"sub":' + b"[" * 2500 + b"]" * 2500 + b"}"), "not a readable token"),
    "NaN": (lambda f: f.token(raw(f, '"x": NaN')), "not a readable token"),
    "alg none": (lambda f: unsigned(f, "none"), STRANGER),
    "alg nOnE": (lambda f: unsigned(f, "nOnE"), STRANGER),
    "HS256 with the RSA public key": (lambda f: f.token(key=RSA_PEM, algorithm="HS256"), STRANGER),
    "HS256 called RS256": (lambda f: f.token(header=header(), key=RSA_PEM, algorithm="HS256"), STRANGER),
    "PS256 with the RS256 key": (lambda f: f.token(algorithm="PS256"), STRANGER),
    "another issuer's key": (lambda f: f.token(header=header(alg="EdDSA"), key=f.local_key(), algorithm="EdDSA"), STRANGER),
    "another issuer's name": (lambda f: f.token(f.claims(iss="https://sluice.local")), STRANGER),
    "an unknown issuer": (lambda f: f.token(f.claims(iss="https://evil.example")), STRANGER),
    "an issuer with a slash more": (lambda f: f.token(f.claims(iss=COMPANY + "/")), STRANGER),
    "no issuer": (lambda f: f.token(f.claims(iss=None)), STRANGER),
    "an unknown kid": (lambda f: f.token(header=header(kid="k2")), STRANGER),
    "a kid that is a path": (lambda f: f.token(header=header(kid="../../dev/null"), key=b"", algorithm="HS256"), STRANGER),
    "a key of its own in jwk": (lambda f: f.token(header=header(alg="EdDSA", jwk=jwk(OTHER_ED)), key=OTHER_ED,
                                                  algorithm="EdDSA"), STRANGER),
    "a key of its own at jku": (lambda f: f.token(header=header(alg="EdDSA", jku="https://evil.example"), key=OTHER_ED,
                                                  algorithm="EdDSA"), STRANGER),
    "a key of its own at x5u": (lambda f: f.token(header=header(alg="EdDSA", x5u="https://evil.example"), key=OTHER_ED,
                                                  algorithm="EdDSA"), STRANGER),
    "crit": (lambda f: f.token(header=header(crit=["exp"], exp=1)), "asks for an extension"),
    "zip": (lambda f: f.token(header=header(zip="DEF")), "asks for an extension"),
    "an id token of another type": (lambda f: f.token(header=header(typ="id_token+jwt")), "not an access token"),
    "a logout token": (lambda f: f.token(header=header(typ="logout+jwt")), "not an access token"),
    "expired": (lambda f: f.token(f.claims(iat=NOW - 900, exp=NOW - 300)), "has expired"),
    "not yet valid": (lambda f: f.token(f.claims(nbf=NOW + 500)), "not valid yet"),
    "issued in the future": (lambda f: f.token(f.claims(iat=NOW + 900, exp=NOW + 1800)), "not valid yet"),
    "valid for ever": (lambda f: f.token(f.claims(exp=2**53)), "lifetime is not credible"),
    "without exp": (lambda f: f.token(f.claims(exp=None)), "lacks whole numbers"),
    "without iat": (lambda f: f.token(f.claims(iat=None)), "lacks whole numbers"),
    "exp with a fraction": (lambda f: f.token(f.claims(exp=NOW + 600.5)), "lacks whole numbers"),
    "exp as a text": (lambda f: f.token(f.claims(exp=str(NOW + 600))), "lacks whole numbers"),
    "exp true": (lambda f: f.token(f.claims(exp=True)), "lacks whole numbers"),
    "another audience": (lambda f: f.token(f.claims(aud="other")), "for another audience"),
    "a list of audiences": (lambda f: f.token(f.claims(aud=["sluice", "other"])), "for another audience"),
    "no audience": (lambda f: f.token(f.claims(aud=None)), "for another audience"),
    "another user": (lambda f: f.token(f.claims(sub="bob")), "belongs to another user"),
    "another case of the user": (lambda f: f.token(f.claims(sub="Alice")), "belongs to another user"),
    "a user who looks alike": (lambda f: f.token(f.claims(sub="аlice")), "belongs to another user"),
    "a user in compatibility characters": (lambda f: f.token(f.claims(sub="ａlice")), "belongs to another user"),
    "a user with a blank": (lambda f: f.token(f.claims(sub="alice ")), "belongs to another user"),
    "a user with a NUL": (lambda f: f.token(f.claims(sub="alice\0")), "not a plain text"),
    "a user who is a list": (lambda f: f.token(f.claims(sub=["alice"])), "not a plain text"),
    "a chain of actors too deep": (lambda f: f.token(f.claims(act=nested(16))), "not a chain"),
    "an actor without a name": (lambda f: f.token(f.claims(act={"sub": ""})), "not a plain text"),
    "an actor that is a text": (lambda f: f.token(f.claims(act="agent")), "not a chain"),
    "bound to a certificate": (lambda f: f.token(f.claims(cnf={"x5t#S256": b64(b"x" * 32)})), "bound to a client"),
    "bound to a key": (lambda f: f.token(f.claims(cnf={"jkt": b64(b"x" * 32)})), "proof of possession"),
}  # fmt: skip


# Without any token OAUTHBEARER asks where to get one.
BY_BOTH = [(name, auth) for name in TOKENS for auth in ("password", "oauth") if (name, auth) != ("none at all", "oauth")]


@pytest.mark.parametrize(("name", "auth"), BY_BOTH)
def test_token_that_does_not_count_is_refused_with_its_reason(found: Doors, name: str, auth: str) -> None:
    make, why = TOKENS[name]
    token = make(found)
    with found.visit() as visitor:
        offer(visitor, "alice", token, auth)
        fields = told_by(visitor, auth)
    assert why in fields["M"], fields
    if "OAUTHBEARER" not in fields["M"]:
        assert fields["C"] == "28P01"


def test_token_of_one_person_refuses_another_whatever_the_unicode(found: Doors) -> None:
    token = found.token(found.claims(sub="jos\u00e9"))
    for user in ("jose", "jos\u0435\u0301", "Jos\u00e9", "jos\u00e9 "):
        with found.visit() as visitor:
            offer(visitor, user, token, "password")
            assert "belongs to another user" in visitor.verdict()["M"]
    with found.visit() as visitor:  # the same text in another normal form
        offer(visitor, "jose\u0301", token, "password")
        assert visitor.is_in()


# --- conversations that go astray -------------------------------------------------------------------

AUTH = b"n,,\x01auth=Bearer "
BEARERS: dict[str, tuple[bytes, str]] = {
    "no header": (b"auth=Bearer T\x01\x01", "malformed"),
    "no end": (b"n,,\x01auth=Bearer T", "malformed"),
    "half an end": (b"n,,\x01auth=Bearer T\x01", "malformed"),
    "no fields": (b"n,,\x01\x01", "malformed"),
    "no auth": (b"n,,\x01host=x\x01\x01", "malformed"),
    "auth twice": (b"n,,\x01auth=Bearer T\x01auth=Bearer T\x01\x01", "malformed"),
    "discovery and a token": (b"n,,\x01auth=\x01auth=Bearer T\x01\x01", "malformed"),
    "another scheme": (b"n,,\x01auth=Basic T\x01\x01", "malformed"),
    "a scheme without a token": (b"n,,\x01auth=Bearer \x01\x01", "malformed"),
    "bytes behind it": (b"n,,\x01auth=Bearer T\x01\x01x", "malformed"),
    "a second message behind it": (b"n,,\x01auth=Bearer T\x01\x01n,,\x01auth=Bearer T\x01\x01", "malformed"),
    "a NUL in it": (b"n,,\x01auth=Bearer T\0\x01\x01", "readable"),
    "not ASCII": (b"n,,\x01auth=Bearer \xff\x01\x01", "malformed"),
    "an unknown flag": (b"x,,\x01auth=Bearer T\x01\x01", "malformed"),
    "channel binding": (b"p=tls-server-end-point,,\x01auth=Bearer T\x01\x01", "binds to no channel"),
    "the identity of another": (b"n,a=root,\x01auth=Bearer T\x01\x01", "another user"),
    "the identity in another case": (b"n,a=Alice,\x01auth=Bearer T\x01\x01", "another user"),
    "a header with more": (b"n,,x,\x01auth=Bearer T\x01\x01", "malformed"),
}


@pytest.mark.parametrize("name", BEARERS)
def test_oauthbearer_message_that_is_none_lets_nobody_in(found: Doors, name: str) -> None:
    body, why = BEARERS[name]
    with found.visit() as visitor:
        visitor.call("alice", sluice__auth="oauth", sluice__issuer="company")
        visitor.initial("OAUTHBEARER", body.replace(b"T", found.token().encode()))
        assert why in told_by(visitor, "oauth")["M"]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "PLAIN", "oauthbearer", "OAUTHBEARER-PLUS", ""])
def test_mechanism_that_was_not_offered_lets_nobody_in(found: Doors, mechanism: str) -> None:
    with found.visit() as visitor:
        visitor.call("alice", sluice__auth="oauth")
        visitor.initial(mechanism, AUTH + found.token().encode() + b"\x01\x01")
        assert "malformed" in visitor.verdict()["M"]


def test_discovery_ends_without_a_session_whatever_answers_it(found: Doors) -> None:
    for answer, why in ((b"\x01", "a token is needed"), (b"", "malformed"), (AUTH + b"x\x01\x01", "malformed")):
        with found.visit() as visitor:
            visitor.call("alice", sluice__auth="oauth")
            visitor.initial("OAUTHBEARER", b"n,,\x01auth=\x01\x01")
            assert visitor.asked()[0] == 11
            visitor.answer(answer)
            assert why in visitor.verdict()["M"]


@pytest.mark.parametrize("auth", ["password", "oauth", "scram"])
@pytest.mark.parametrize(
    "second",
    [startup({"user": "root"}), b"Q\0\0\0\rselect 1\0", b"p\0\0\0\3", b"p\xff\xff\xff\xff", b"R\0\0\0\x08\0\0\0\0"],
    ids=["a second start-up packet", "a query", "a length too short", "a length too long", "our own word"],
)  # fmt: skip
def test_what_is_no_answer_ends_every_conversation(found: Doors, auth: str, second: bytes) -> None:
    with found.visit() as visitor:
        visitor.call("svc-report" if auth == "scram" else "alice", **({} if auth == "scram" else {"sluice__auth": auth}))
        visitor.send(second)
        assert visitor.verdict()["C"] == "08P01"


@pytest.mark.parametrize(
    ("body", "sqlstate"), [(b"tok\0en\0", "08P01"), (b"token", "08P01"), (b"a\0\0", "08P01"), (b"\xff\xfe\0", "28P01")]
)
def test_password_message_that_is_none_lets_nobody_in(found: Doors, body: bytes, sqlstate: str) -> None:
    with found.visit() as visitor:
        visitor.call("alice")
        visitor.answer(body)
        assert visitor.verdict()["C"] == sqlstate


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"sluice__auth": "none"}, "neither password nor oauth"),
        ({"sluice__auth": "oauth", "sluice__issuer": "nobody"}, "names no issuer"),
        ({"options": "-c sluice.auth=trust"}, "neither password nor oauth"),
        ({"options": "-c"}, "options ends in -c"),
    ],
)
def test_way_that_does_not_exist_is_no_way_in(found: Doors, more: dict[str, str], why: str) -> None:
    with found.visit() as visitor:
        code, body = visitor.call("alice", **more)
        assert code == -1
        assert why in error_fields(body)["M"]


# --- SCRAM ------------------------------------------------------------------------------------------


def edited(change: Callable[[str], str]) -> Callable[[Doors, Visitor], None]:
    """A good exchange, but for its last message."""

    def play(found: Doors, visitor: Visitor) -> None:
        client = found.scram("svc-report", found.passwords["svc-report"])
        visitor.initial("SCRAM-SHA-256", client.get_client_first().encode())
        client.set_server_first(visitor.asked()[1].decode())
        visitor.answer(change(client.get_client_final()).encode())

    return play


def first(text: str, mechanism: str = "SCRAM-SHA-256") -> Callable[[Doors, Visitor], None]:
    return lambda found, visitor: visitor.initial(mechanism, text.encode())


def with_password(password: Callable[[Doors], str]) -> Callable[[Doors, Visitor], None]:
    return lambda found, visitor: scram_reply(visitor, found.scram("svc-report", password(found)))


def replayed(found: Doors, visitor: Visitor) -> None:
    """What opened another conversation a moment ago."""
    client = found.scram("svc-report", found.passwords["svc-report"])
    message = client.get_client_first().encode()
    with found.visit() as other:
        other.call("svc-report")
        other.initial("SCRAM-SHA-256", message)
        client.set_server_first(other.asked()[1].decode())
        final = client.get_client_final().encode()
        other.answer(final)
        assert other.asked()[0] == 12
    visitor.initial("SCRAM-SHA-256", message)
    assert visitor.asked()[0] == 11
    visitor.answer(final)


def proof_first(found: Doors, visitor: Visitor) -> None:
    visitor.initial("SCRAM-SHA-256", b"c=biws,r=abc,p=" + base64.b64encode(bytes(32)))


WRONG = 'password authentication failed for user "svc-report"'
Play = Callable[[Doors, Visitor], None]
SCRAMS: dict[str, tuple[Play, str]] = {
    "a wrong password": (with_password(lambda f: "not-the-password"), WRONG),
    "the password of another": (with_password(lambda f: f.passwords["svc-other"]), WRONG),
    "an empty password": (with_password(lambda f: ""), WRONG),
    "the password in another case": (with_password(lambda f: f.passwords["svc-report"].swapcase()), WRONG),
    "a blank behind the password": (with_password(lambda f: f.passwords["svc-report"] + " "), WRONG),
    "the verifier as password": (with_password(lambda f: verifier(f)), WRONG),
    "a token as password": (with_password(lambda f: f.token(f.claims(sub="svc-report"))), WRONG),
    "a replayed proof": (replayed, "nonce"),
    "a proof before the challenge": (proof_first, "malformed"),
    "a proof of zeros": (edited(lambda t: t.rpartition(",p=")[0] + ",p=" + "A" * 43 + "="), WRONG),
    "no proof": (edited(lambda t: t.rpartition(",p=")[0]), "malformed"),
    "a short proof": (edited(lambda t: t.rpartition(",p=")[0] + ",p=AAAA"), "malformed"),
    "a proof that is not base64": (edited(lambda t: t.rpartition(",p=")[0] + ",p=?" + "A" * 43), "malformed"),
    "bytes behind the proof": (edited(lambda t: t + ",x=y"), "malformed"),
    "a NUL behind the proof": (edited(lambda t: t + "\0"), "malformed"),
    "another nonce": (edited(lambda t: t.replace(",r=", ",r=x")), "nonce"),
    "the nonce cut": (edited(lambda t: t.replace(t[t.index(",r=") : t.index(",p=")], ",r=abc")), "nonce"),
    "no nonce at the end": (edited(lambda t: t.replace(t[t.index(",r=") : t.index(",p=")], "")), "malformed"),
    "another header at the end": (edited(lambda t: t.replace("c=biws", "c=eSws")), "does not match"),
    "an extension nobody signed": (edited(lambda t: t.replace(",p=", ",e=1,p=")), WRONG),
    "nothing at first": (first(""), "malformed"),
    "an authorization identity": (first("n,a=root,n=,r=abc"), "authorization identity"),
    "a mandatory extension": (first("n,,m=1,n=,r=abc"), "malformed"),
    "no nonce": (first("n,,n="), "malformed"),
    "an empty nonce": (first("n,,n=,r="), "malformed"),
    "a nonce of two kilobytes": (first("n,,n=,r=" + "a" * 2048), "malformed"),
    "a message of nine kilobytes": (first("n,,n=" + "a" * 9000 + ",r=abc"), "malformed"),
    "PLUS where there is no TLS": (first("p=tls-server-end-point,,n=,r=abc", "SCRAM-SHA-256-PLUS"), "malformed"),
    "binding without PLUS": (first("p=tls-server-end-point,,n=,r=abc"), "malformed"),
    "SCRAM-SHA-1": (first("n,,n=,r=abc", "SCRAM-SHA-1"), "malformed"),
    "OAUTHBEARER": (lambda f, v: v.initial("OAUTHBEARER", AUTH + f.token(f.claims(sub="svc-report")).encode() + b"\x01\x01"),
                    "malformed"),
    "a password in clear": (lambda f, v: v.answer(f.passwords["svc-report"].encode() + b"\0"), ""),
}  # fmt: skip


def verifier(found: Doors) -> str:
    lines = (found.folder / "credentials.toml").read_text().splitlines()
    return next(line for line in lines if line.startswith("verifier")).split('"')[1]


@pytest.mark.parametrize("name", SCRAMS)
def test_scram_without_the_password_lets_nobody_in(found: Doors, name: str) -> None:
    play, why = SCRAMS[name]
    with found.visit() as visitor:
        assert visitor.call("svc-report") == (10, b"SCRAM-SHA-256\0\0")
        play(found, visitor)
        assert why in visitor.verdict()["M"]


TLS_SCRAMS: dict[str, tuple[str, str, str]] = {
    "a client that was told there is no PLUS": ("SCRAM-SHA-256", "y,,n=,r=abc", "channel binding was offered"),
    "PLUS without binding": ("SCRAM-SHA-256-PLUS", "n,,n=,r=abc", "malformed"),
    "PLUS that thinks there is none": ("SCRAM-SHA-256-PLUS", "y,,n=,r=abc", "malformed"),
    "a binding of another kind": ("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abc", "malformed"),
}


@pytest.mark.parametrize("name", TLS_SCRAMS)
def test_nobody_is_talked_out_of_channel_binding(found: Doors, name: str) -> None:
    mechanism, message, why = TLS_SCRAMS[name]
    with found.visit(found.context()) as visitor:
        assert visitor.call("svc-report") == (10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
        visitor.initial(mechanism, message.encode())
        assert why in visitor.verdict()["M"]


def test_unknown_name_is_asked_and_refused_as_a_known_one(found: Doors) -> None:
    """Nobody learns from the answers which credentials there are."""
    challenges: dict[str, set[tuple[str, str]]] = {}
    for user in ("svc-report", "svc-nobody", "svc-report", "svc-nobody"):
        with found.visit() as visitor:
            assert visitor.call(user) == (10, b"SCRAM-SHA-256\0\0")
            client = found.scram(user, "not-the-password")
            visitor.initial("SCRAM-SHA-256", client.get_client_first().encode())
            challenge = visitor.asked()[1].decode()
            _, salt, iterations = challenge.split(",")
            challenges.setdefault(user, set()).add((salt, iterations))
            client.set_server_first(challenge)
            visitor.answer(client.get_client_final().encode())
            assert visitor.verdict() == {
                "S": "FATAL", "V": "FATAL", "C": "28P01", "M": f'password authentication failed for user "{user}"',
            }  # fmt: skip
    ((salt, iterations),), ((other, same),) = challenges.values()
    assert salt != other
    assert (len(salt), iterations) == (len(other), same)


@pytest.mark.parametrize("user", ["alice", "SVC-report", "xsvc-report", "ｓvc-report"])
def test_names_outside_the_pattern_are_never_asked_by_scram(found: Doors, user: str) -> None:
    with found.visit() as visitor:
        assert visitor.call(user)[0] == 3


# --- client certificates ----------------------------------------------------------------------------


def self_signed(found: Doors) -> Authority:
    return authority(BATCH)


def of_a_leaf(found: Doors) -> Authority:
    """Signed by a certificate that may sign none."""
    return found.root.issue("CN=leaf").issue(BATCH)


def without_middle(found: Doors) -> Authority:
    issued = found.middle.issue(BATCH)
    issued.chain.clear()
    return issued


def no_list(found: Doors) -> Authority:
    """Of a CA that has published nothing."""
    return found.root.issue("CN=Newcomer", ca=True, usage=None).issue(BATCH)


def of_an_expired_ca(found: Doors) -> Authority:
    return found.root.issue("CN=Old", ca=True, usage=None, begins=-9 * HOUR, ends=-HOUR).issue(BATCH)


def same_names(found: Doors) -> Authority:
    return authority("CN=Root,O=Example").issue(BATCH)


HANDSHAKES: dict[str, tuple[Callable[[Doors], Authority], str]] = {
    "self-signed": (self_signed, "self-signed certificate"),
    "of another CA": (lambda f: authority("CN=Other").issue(BATCH), "unable to get local issuer certificate"),
    "of a CA of the same name": (same_names, "certificate signature failure"),
    "of a certificate that is no CA": (of_a_leaf, "invalid CA certificate"),
    "expired": (lambda f: f.root.issue(BATCH, begins=-9 * HOUR, ends=-HOUR), "certificate has expired"),
    "not yet valid": (lambda f: f.root.issue(BATCH, begins=HOUR), "certificate is not yet valid"),
    "for servers": (lambda f: f.root.issue(BATCH, usage=ExtendedKeyUsageOID.SERVER_AUTH), "unsuitable certificate"),
    "for mail": (lambda f: f.root.issue(BATCH, usage=ExtendedKeyUsageOID.EMAIL_PROTECTION), "unsuitable certificate"),
    "of an expired CA": (of_an_expired_ca, ""),
    "without the CA between": (without_middle, "unable to get local issuer certificate"),
    "of a CA without a revocation list": (no_list, "unable to get certificate CRL"),
}  # fmt: skip


@pytest.mark.parametrize("name", HANDSHAKES)
def test_certificate_that_does_not_verify_ends_in_the_handshake(found: Doors, name: str) -> None:
    make, why = HANDSHAKES[name]
    refused_in_handshake(found, make(found), why)


def refused_in_handshake(found: Doors, issued: Authority, why: str) -> None:
    before = len(found.events("sign-in refused"))
    with pytest.raises(ssl.SSLError, match="alert"), found.visit(found.context(issued)) as visitor:
        visitor.send(startup({"user": "batch-1", "database": "dev"}))
        visitor._socket.recv(1)
    (record,) = wait_for(
        "the record", lambda: [one for one in found.events("sign-in refused")[before:] if why in one["event"]["why"]]
    )
    assert (record["method"], record["event"]["tls"]) == ("certificate", True)


def named(*pairs: tuple[x509.ObjectIdentifier, str]) -> Callable[[Doors], Authority]:
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])
    return lambda found: found.root.issue(name=name)


ORG, CN = NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME
STRANGERS: dict[str, tuple[Callable[[Doors], Authority], str]] = {
    "of another user": (lambda f: f.root.issue(BATCH), "batch-2"),
    "of another case": (lambda f: f.root.issue(BATCH), "Batch-1"),
    "of a look-alike": (lambda f: f.root.issue("CN=bаtch-1,O=Example"), "batch-1"),
    "in compatibility characters": (lambda f: f.root.issue("CN=ｂatch-1,O=Example"), "batch-1"),
    "with a blank": (lambda f: f.root.issue(BATCH), "batch-1 "),
    "with a line break": (named((ORG, "Example"), (CN, "batch-1\n")), "batch-1\n"),
    "of another organisation": (lambda f: f.root.issue("CN=batch-1,O=Example2"), "batch-1"),
    "of no organisation": (lambda f: f.root.issue("CN=batch-1"), "batch-1"),
    "with a unit more": (lambda f: f.root.issue("CN=batch-1,OU=x,O=Example"), "batch-1"),
    "in the other order": (lambda f: f.root.issue("O=Example,CN=batch-1"), "batch-1"),
    "with the organisation inside the name": (lambda f: f.root.issue("CN=batch-1\\,O=Example"), "batch-1"),
    "with two names": (named((ORG, "Example"), (CN, "batch-1"), (CN, "batch-2")), "batch-1"),
    "with two attributes in one": (lambda f: f.root.issue("CN=batch-1+O=Example"), "batch-1"),
    "with the pattern as user": (lambda f: f.root.issue(BATCH), "batch-*"),
    "with a deeper path": (lambda f: f.root.issue("CN=x", uris=(AGENT + "/root",)), AGENT + "/root"),
    "of another trust domain": (lambda f: f.root.issue("CN=x", uris=("spiffe://evil.org/agent/7",)), AGENT),
    "with two SPIFFE IDs": (lambda f: f.root.issue("CN=x", uris=(AGENT, AGENT + "1")), AGENT),
    "with a SPIFFE ID as name": (lambda f: f.root.issue(f"CN={AGENT}"), AGENT),
    "with another scheme": (lambda f: f.root.issue("CN=x", uris=("https://example.org/agent/7",)), AGENT),
    "without a subject": (lambda f: f.root.issue(name=x509.Name([])), "batch-1"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_certificate_that_no_rule_gives_to_the_user_is_no_way_in(found: Doors, name: str) -> None:
    make, user = STRANGERS[name]
    with found.visit(found.context(make(found))) as visitor:
        assert visitor.call(user)[0] == 3, "the token is asked for"
        visitor.answer(b"certificate\0")
        assert "not a readable token" in visitor.verdict()["M"]


@pytest.mark.parametrize("auth", ["password", "oauth"])
def test_bound_token_comes_in_nowhere_else(found: Doors, auth: str) -> None:
    mine, other = found.root.issue("CN=laptop"), found.root.issue("CN=laptop")
    token = found.token(found.claims(cnf={"x5t#S256": b64(thumbprint(mine))}))
    with found.visit(found.context(mine)) as visitor:
        offer(visitor, "alice", token, auth)
        assert visitor.is_in(), "so that it is remembered"
    for context in (None, found.context(), found.context(other)):
        with found.visit(context) as visitor:
            offer(visitor, "alice", token, auth)
            assert "bound to a client certificate" in told_by(visitor, auth)["M"]


# --- too many failures ------------------------------------------------------------------------------


def test_failures_keep_strangers_out_for_a_while_and_nobody_who_is_known(found: Doors) -> None:
    address, token = "127.8.0.1", found.token(found.claims(sub="ann"))
    with found.visit(address=address) as visitor:
        offer(visitor, "ann", token, "password")
        assert visitor.is_in()
    count = 0
    while count < 60:
        with found.visit(address=address) as visitor:
            offer(visitor, "ann", "garbage", "password")
            fields = visitor.verdict()
        if "wait" in fields["M"]:
            break
        count += 1
    assert 20 <= count < 60
    assert (fields["C"], fields["M"]) == ("28P01", "sign-in refused: too many sign-ins have failed; wait 1 s")
    with found.visit(address=address) as visitor:
        offer(visitor, "ann", found.token(found.claims(sub="ann")), "password")
        assert "too many sign-ins have failed" in visitor.verdict()["M"], "no signature is looked at"
    with found.visit(address=address) as visitor:
        offer(visitor, "ann", token, "password")
        assert visitor.is_in(), "a token that was verified before"
    with found.visit(address=address) as visitor:
        offer(visitor, "bea", found.token(found.claims(sub="bea")), "password")
        assert visitor.is_in(), "another user of that address"
    with found.visit() as visitor:
        offer(visitor, "ann", found.token(found.claims(sub="ann")), "password")
        assert visitor.is_in(), "the same user from elsewhere"
    (record,) = wait_for("the record", lambda: found.events("sign-ins limited"))
    assert (record["client"]["address"], record["event"]["count"]) == (address, 2)


def test_passwords_cannot_be_tried_one_after_the_other(found: Doors) -> None:
    told = []
    for _ in range(30):
        with found.visit(address="127.8.0.2") as visitor:
            code, body = visitor.call("svc-report")
            if code == -1:
                told.append(error_fields(body)["M"])
                continue
            visitor.initial("SCRAM-SHA-256", b"n,,n=,r=abc")
            challenge = visitor.asked()[1].split(b",")[0]
            visitor.answer(b"c=biws," + challenge + b",p=" + base64.b64encode(bytes(32)))
            assert visitor.verdict()["M"] == WRONG
    assert told
    assert all("too many sign-ins have failed; wait" in text for text in told)


# --- what SIGHUP brings -----------------------------------------------------------------------------


def comes_in(found: Doors, issued: Authority) -> bool:
    try:
        with found.visit(found.context(issued)) as visitor:
            return visitor.call("batch-9")[0] == 0 and visitor.is_in()
    except (OSError, AssertionError):
        return False


@contextmanager
def session_of(found: Doors, issued: Authority) -> Iterator[Visitor]:
    with found.visit(found.context(issued)) as visitor:
        assert visitor.call("batch-9")[0] == 0
        assert visitor.is_in()
        yield visitor


def last_word(visitor: Visitor) -> str:
    """Of a session that ends within five seconds, as rights do."""
    began = time.monotonic()
    told = visitor.verdict()["M"]
    assert time.monotonic() - began < 5
    return told


def asks(visitor: Visitor) -> bool:
    """Whether a session answers."""
    visitor.send(message(b"Q", b"select 1\0"))
    return visitor.is_in()


def test_revocation_counts_from_the_next_reload_and_an_old_list_lets_nobody_in(found: Doors) -> None:
    mine, other = found.middle.issue("CN=batch-9,O=Example"), found.middle.issue("CN=batch-9,O=Example")
    assert comes_in(found, mine)
    with session_of(found, mine) as revoked, session_of(found, other) as kept:
        found.middle.revoked.append(mine.certificate)
        found.write_revocations(found.root.revocations(), found.middle.revocations())
        found.reload(lambda: not comes_in(found, mine))
        assert "the certificate behind this session was withdrawn" in last_word(revoked)
        assert asks(kept)
    refused_in_handshake(found, mine, "certificate revoked")
    assert comes_in(found, other)
    found.write_revocations(found.root.revocations(), found.middle.revocations(ends=-HOUR))
    found.reload(lambda: not comes_in(found, other))
    refused_in_handshake(found, other, "CRL has expired")
    found.middle.revoked.clear()
    found.write_revocations(found.root.revocations(), found.middle.revocations())
    found.reload(lambda: comes_in(found, other))
    with session_of(found, other) as under_it:
        found.root.revoked.append(found.middle.certificate)
        found.write_revocations(found.root.revocations(), found.middle.revocations())
        found.reload(lambda: not comes_in(found, other))
        assert "the certificate behind this session was withdrawn" in last_word(under_it), "the one above it was revoked"
    assert comes_in(found, found.root.issue("CN=batch-9,O=Example"))
    refused_in_handshake(found, other, "certificate revoked")


def test_list_that_cannot_be_read_changes_nothing(found: Doors) -> None:
    found.root.revoked.clear()
    (found.folder / "clients.crl").write_bytes(b"nothing")
    found.reload(lambda: "clients.crl: gateway.tls_client_crl: it holds no revocation list" in found.gateway.errors())
    assert comes_in(found, found.root.issue("CN=batch-9,O=Example"))
    found.write_revocations(found.root.revocations(), found.middle.revocations())


def test_both_passwords_count_while_they_are_rotated_and_none_when_it_is_removed(found: Doors) -> None:
    old = found.passwords["svc-other"]
    rotated = found.gateway.sluice("credential", "rotate", "--user", "svc-other")
    new = rotated.stdout.strip()
    found.said.append(new)

    def enter(visitor: Visitor, password: str) -> bool:
        visitor.call("svc-other")
        scram_reply(visitor, found.scram("svc-other", password))
        return visitor.asked()[0] == 12 and visitor.is_in()

    def counts(password: str) -> bool:
        with found.visit() as visitor:
            return enter(visitor, password)

    with found.visit() as by_old, found.visit() as by_new:
        enter(by_old, old)
        found.reload(lambda: counts(new))
        assert counts(old)
        enter(by_new, new)
        assert asks(by_old)
        assert found.gateway.sluice("credential", "remove", "--user", "svc-other").returncode == 0
        found.reload(lambda: not counts(new))
        assert not counts(old)
        for visitor in (by_old, by_new):
            assert "the password behind this session counts no more" in last_word(visitor)


def test_nothing_that_was_said_stands_in_the_log_or_the_trail(found: Doors) -> None:
    assert len(found.said) > 150
    assert told_nothing(found) == []
    users = {one["user"] for one in found.events("session opened")}
    good = {"olga", "alice", "ann", "bea", "batch-1", "batch-9", AGENT, "svc-report", "svc-other", "jos\u00e9"}
    assert users <= good
