"""The proof of a password, against the example of RFC 7677."""

import base64

import pytest
import scram

CHALLENGE = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"


def test_proof_is_that_of_the_standards_example() -> None:
    proof = scram.Proof("pencil")
    proof._bare = b"n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert proof.final(CHALLENGE) == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )


def test_secret_is_what_a_server_keeps() -> None:
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    found = scram.secret("pencil", salt)
    assert found.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    _, stored = scram.keys("pencil", salt, 4096)
    assert base64.b64encode(stored).decode() in found


@pytest.mark.parametrize("password", ["a", "pässword"])
def test_two_proofs_are_never_the_same(password: str) -> None:
    assert scram.Proof(password).first != scram.Proof(password).first
