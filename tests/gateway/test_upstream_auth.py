"""MD5 and SCRAM: vectors of the standards, an independent server as the oracle, and servers that cheat."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scramp import ScramMechanism

from gateway import upstream_auth
from gateway.errors import Unavailable
from gateway.upstream_auth import PLAIN, PLUS, Choice, Scram, choose, saslprep

UNBOUND = Choice(PLAIN, "n,,", b"")
PASSWORDS = st.text(min_size=1, max_size=12).filter(
    lambda text: not any("\ud800" <= c <= "\udfff" for c in text)
)


def test_md5_is_what_postgresql_stores_and_salts() -> None:
    stored = hashlib.md5(b"secret" + b"alice").hexdigest()
    assert (
        upstream_auth.md5("alice", "secret", b"salt")
        == "md5" + hashlib.md5(stored.encode() + b"salt").hexdigest()
    )


def test_the_exchange_of_rfc_7677() -> None:
    """Section 3. PostgreSQL ignores the user name in the message, where we send a star, so the proof is another;
    the signature is checked against one computed from the RFC's own keys."""
    nonce = "rOprNGfwEbeRWgbNEkqO"
    scram = Scram("pencil", UNBOUND, nonce)
    assert scram.first() == f"n,,n=*,r={nonce}".encode()
    server_first = f"r={nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    final = scram.answer(server_first.encode()).decode()
    without_proof, _, proof = final.rpartition(",p=")
    signed = f"n=*,r={nonce},{server_first},{without_proof}".encode()
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    recovered = bytes(
        a ^ b for a, b in zip(base64.b64decode(proof), hmac.digest(stored_key, signed, "sha256"), strict=True)
    )
    assert recovered == client_key
    signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
    assert not scram.proven
    scram.finish(b"v=" + base64.b64encode(signature))
    assert scram.proven


@pytest.mark.parametrize("binding", [None, b"\1" * 32])
@settings(max_examples=15)
@given(password=PASSWORDS)
def test_an_independent_server_and_we_convince_each_other(binding: bytes | None, password: str) -> None:
    mechanism = ScramMechanism(mechanism=PLUS if binding else PLAIN)
    prepared = saslprep(password)
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", prepared.encode(), salt, 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    info = (salt, stored, hmac.digest(salted, b"Server Key", "sha256"), 4096)
    channel = ("tls-server-end-point", binding) if binding else None
    server = mechanism.make_server(lambda user: info, channel_binding=channel)

    scram = Scram(password, choose([PLAIN, PLUS], binding), "abcdefghijklmnop")
    server.set_client_first(scram.first().decode())
    server.set_client_final(scram.answer(server.get_server_first().encode()).decode())
    scram.finish(server.get_server_final().encode())
    assert scram.proven


def test_the_strongest_mechanism_is_chosen_and_a_stripped_one_noticed() -> None:
    assert choose([PLAIN, PLUS], b"hash") == Choice(PLUS, "p=tls-server-end-point,,", b"hash")
    assert choose([PLAIN], b"hash") == Choice(PLAIN, "y,,", b"")
    assert choose([PLAIN, PLUS], None) == Choice(PLAIN, "n,,", b"")
    for offered in ([], [PLUS], ["SCRAM-SHA-1", "PLAIN"]):
        with pytest.raises(Unavailable):
            choose(offered, None)


@pytest.mark.parametrize(
    ("password", "prepared"),
    [
        ("pencil", "pencil"),
        ("I\u00adX", "IX"),  # RFC 4013, section 3
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("\u0007\u00aa", "\u0007\u00aa"),  # prohibited: as it is
        ("\u0627\u0031", "\u0627\u0031"),  # bidirectional text that the profile forbids: as it is
        ("\u00ad", "\u00ad"),  # nothing left: as it is
    ],
)
def test_passwords_are_prepared_as_postgresql_does(password: str, prepared: str) -> None:
    assert saslprep(password) == prepared


GOOD = "r=oursmore,s=c2FsdA==,i=4096"


@pytest.mark.parametrize(
    "first",
    [
        "",
        "r=oursmore",
        "r=oursmore,s=c2FsdA==",
        "s=c2FsdA==,r=oursmore,i=4096",
        "r=ours,s=c2FsdA==,i=4096",
        "r=theirs,s=c2FsdA==,i=4096",
        "r=oursm re,s=c2FsdA==,i=4096",
        "r=oursmöre,s=c2FsdA==,i=4096",
        "r=ours" + "x" * 2000 + ",s=c2FsdA==,i=4096",
        "r=oursmore,s=,i=4096",
        "r=oursmore,s=c2FsdA,i=4096",
        "r=oursmore,s=c2 FsdA==,i=4096",
        "r=oursmore,s=c2FsdA==,i=",
        "r=oursmore,s=c2FsdA==,i=0",
        "r=oursmore,s=c2FsdA==,i=-4096",
        "r=oursmore,s=c2FsdA==,i=+4096",
        "r=oursmore,s=c2FsdA==,i=4_096",
        "r=oursmore,s=c2FsdA==,i=100001",
        "r=oursmore,s=c2FsdA==,i=99999999999999999999",
        "m=must," + GOOD,
        "e=other-error",
        GOOD + "," + "x" * 70_000,
    ],
)
def test_a_bad_first_message_gets_no_proof(first: str) -> None:
    scram = Scram("secret", UNBOUND, "ours")
    with pytest.raises(Unavailable):
        scram.answer(first.encode())
    with pytest.raises(Unavailable):
        scram.finish(b"v=" + base64.b64encode(bytes(32)))
    assert not scram.proven


@pytest.mark.parametrize(
    "final",
    [b"", b"v=", b"v=?", b"v=" + base64.b64encode(bytes(32)), b"e=invalid-proof", b"x", b"\xff", b"v=AAAA,x"],
)
def test_a_server_that_cannot_prove_itself_is_not_believed(final: bytes) -> None:
    scram = Scram("secret", UNBOUND, "ours")
    scram.answer(GOOD.encode())
    with pytest.raises(Unavailable):
        scram.finish(final)
    assert not scram.proven


def test_one_exchange_gives_one_proof() -> None:
    scram = Scram("secret", UNBOUND, "ours")
    scram.answer(GOOD.encode())
    with pytest.raises(Unavailable):
        scram.answer(GOOD.encode())


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_of_a_server_are_refused_and_nothing_else(first: bytes, final: bytes) -> None:
    scram = Scram("secret", UNBOUND, "ours")
    with pytest.raises(Unavailable):
        scram.answer(first)
    with pytest.raises(Unavailable):
        scram.finish(final)
