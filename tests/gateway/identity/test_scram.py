"""SCRAM as the server's side, with scramp as the client, and clients that cheat."""

import base64
import hashlib
from collections.abc import Callable

import pytest
from scramp import ScramClient, ScramException

from gateway.errors import Refusal, State
from gateway.identity import scram
from gateway.identity.scram import Exchange, Verifier, mock, read_verifier, verifier_of

PASSWORD = "correct horse battery staple"
VERIFIER = verifier_of(PASSWORD, b"salt" * 4)
NEXT = verifier_of("the next one", b"salt" * 4)
BINDING = hashlib.sha256(b"our certificate").digest()
NONCE = "c2VydmVyLW5vbmNl"


def client(password: str = PASSWORD, binding: bytes | None = None, offered: tuple[str, ...] = ()) -> ScramClient:
    bound = None if binding is None else ("tls-server-end-point", binding)
    return ScramClient(list(offered or scram.mechanisms(binding)), "alice", password, channel_binding=bound)


def converse(exchange: Exchange, c: ScramClient) -> tuple[bytes, Verifier] | None:
    challenge = exchange.first(c.mechanism_name, c.get_client_first().encode())
    c.set_server_first(challenge.decode())
    found = exchange.final(c.get_client_final().encode())
    if found is not None:
        c.set_server_final(found[0].decode())
    return found


@pytest.mark.parametrize("binding", [None, BINDING])
def test_who_knows_the_password_comes_in_and_sees_the_server_proven(binding: bytes | None) -> None:
    c = client(binding=binding)
    assert c.mechanism_name == ("SCRAM-SHA-256" if binding is None else "SCRAM-SHA-256-PLUS")
    found = converse(Exchange([VERIFIER, VERIFIER], NONCE, binding), c)
    assert found is not None
    assert found[1] is VERIFIER


@pytest.mark.parametrize(("password", "expected"), [(PASSWORD, VERIFIER), ("the next one", NEXT), ("a third", None)])
def test_both_passwords_count_while_they_are_rotated(password: str, expected: Verifier | None) -> None:
    found = converse(Exchange([VERIFIER, NEXT], NONCE, None), client(password))
    assert (found and found[1]) == expected


def test_an_unknown_name_gets_a_challenge_of_its_own_that_nobody_meets() -> None:
    made = mock("nobody", b"k" * 32, [VERIFIER])
    assert made == mock("nobody", b"k" * 32, [VERIFIER])
    assert made.salt != mock("nobody2", b"k" * 32, [VERIFIER]).salt
    assert made.salt != mock("nobody", b"j" * 32, [VERIFIER]).salt
    assert (made.iterations, len(made.salt)) == (VERIFIER.iterations, len(VERIFIER.salt))
    assert converse(Exchange([made, made], NONCE, None), client()) is None
    assert len(mock("nobody", b"k" * 32, []).salt) == scram.SALT_BYTES


def test_a_verifier_is_spelled_as_postgresql_spells_it() -> None:
    text = str(VERIFIER)
    assert text.startswith("SCRAM-SHA-256$4096:")
    assert read_verifier(text) == VERIFIER
    assert "stored_key" not in repr(VERIFIER)


@pytest.mark.parametrize(
    "text",
    [
        "", "secret", "md5" + "0" * 32, str(VERIFIER) + "x", str(VERIFIER).replace("4096", "1"),
        str(VERIFIER).replace("4096", "200000"), str(VERIFIER).replace("SCRAM-SHA-256", "SCRAM-SHA-1"),
        "SCRAM-SHA-256$4096:c2FsdA==$c2FsdA==:c2FsdA==", str(VERIFIER).replace("=:", ":"),
    ],
)  # fmt: skip
def test_other_spellings_are_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is looked at
        read_verifier(text)
    assert not text or text not in str(caught.value)


FIRST: dict[str, tuple[str, str, bool, str]] = {  # mechanism, message, over TLS, SQLSTATE
    "a mechanism that was not offered": ("SCRAM-SHA-1", "n,,n=,r=abc", True, State.PROTOCOL),
    "PLUS outside TLS": ("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc", False, State.PROTOCOL),
    "PLUS without binding": ("SCRAM-SHA-256-PLUS", "n,,n=,r=abc", True, State.PROTOCOL),
    "PLUS with y": ("SCRAM-SHA-256-PLUS", "y,,n=,r=abc", True, State.PROTOCOL),
    "another kind of binding": ("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abc", True, State.PROTOCOL),
    "told that there was no PLUS": ("SCRAM-SHA-256", "y,,n=,r=abc", True, State.NOT_SIGNED_IN),
    "binding without PLUS": ("SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abc", True, State.PROTOCOL),
    "an authorization identity": ("SCRAM-SHA-256", "n,a=root,n=,r=abc", True, State.FEATURE),
    "a mandatory extension": ("SCRAM-SHA-256", "n,,m=x,n=,r=abc", True, State.PROTOCOL),
    "no header": ("SCRAM-SHA-256", "n=,r=abc", True, State.PROTOCOL),
    "no nonce": ("SCRAM-SHA-256", "n,,n=", True, State.PROTOCOL),
    "an empty nonce": ("SCRAM-SHA-256", "n,,n=,r=", True, State.PROTOCOL),
    "a nonce that is not printable": ("SCRAM-SHA-256", "n,,n=,r=a\tb", True, State.PROTOCOL),
    "a nonce too long": ("SCRAM-SHA-256", "n,,n=,r=" + "a" * 1025, True, State.PROTOCOL),
    "a NUL": ("SCRAM-SHA-256", "n,,n=\0,r=abc", True, State.PROTOCOL),
    "nothing": ("SCRAM-SHA-256", "", True, State.PROTOCOL),
    "far too much": ("SCRAM-SHA-256", "n,,n=" + "a" * 9000 + ",r=abc", True, State.PROTOCOL),
}


@pytest.mark.parametrize("name", FIRST)
def test_first_messages_that_are_none_end_the_exchange(name: str) -> None:
    mechanism, message, encrypted, sqlstate = FIRST[name]
    with pytest.raises(Refusal) as caught:
        Exchange([VERIFIER], NONCE, BINDING if encrypted else None).first(mechanism, message.encode())
    assert caught.value.refused.sqlstate == sqlstate


def test_y_is_fine_where_nothing_could_be_bound_to() -> None:
    assert Exchange([VERIFIER], NONCE, None).first("SCRAM-SHA-256", b"y,,n=,r=abc").startswith(b"r=abc" + NONCE.encode())


def final_of(exchange: Exchange) -> str:
    c = client()
    c.set_server_first(exchange.first("SCRAM-SHA-256", c.get_client_first().encode()).decode())
    return c.get_client_final()


def without(part: str) -> Callable[[str], str]:
    return lambda text: ",".join(each for each in text.split(",") if not each.startswith(part))


def other_binding(text: str) -> str:
    return text.replace("c=biws", "c=" + base64.b64encode(b"y,,").decode())


FINAL: dict[str, tuple[Callable[[str], str], str | None]] = {
    "no proof": (without("p="), State.PROTOCOL),
    "no nonce": (without("r="), State.PROTOCOL),
    "no binding": (without("c="), State.PROTOCOL),
    "another header than at first": (other_binding, State.NOT_SIGNED_IN),
    "the nonce of another conversation": (lambda text: text.replace(NONCE, NONCE[::-1]), State.PROTOCOL),
    "only the client's nonce": (lambda text: text.replace(NONCE, ""), State.PROTOCOL),
    "a proof that is not base64": (lambda text: text[:-4] + "!!!!", State.PROTOCOL),
    "a short proof": (lambda text: text.rpartition(",p=")[0] + ",p=AAAA", State.PROTOCOL),
    "a proof of zeros": (lambda text: text.rpartition(",p=")[0] + ",p=" + "A" * 43 + "=", None),
    "a proof in another spelling": (lambda text: text + "=", State.PROTOCOL),
    "an extension that was not signed": (lambda text: text.replace(",p=", ",x=1,p="), None),
    "a NUL behind it": (lambda text: text + "\0", State.PROTOCOL),
}


@pytest.mark.parametrize("name", FINAL)
def test_final_messages_that_are_not_right_prove_nothing(name: str) -> None:
    change, sqlstate = FINAL[name]
    exchange = Exchange([VERIFIER, VERIFIER], NONCE, None)
    message = change(final_of(exchange)).encode()
    if sqlstate is None:
        assert exchange.final(message) is None
        return
    with pytest.raises(Refusal) as caught:
        exchange.final(message)
    assert caught.value.refused.sqlstate == sqlstate


def test_a_proof_bound_to_another_certificate_proves_nothing() -> None:
    """Somebody in between who ends TLS has another certificate than ours."""
    c = client(binding=hashlib.sha256(b"theirs").digest())
    exchange = Exchange([VERIFIER], NONCE, BINDING)
    c.set_server_first(exchange.first(c.mechanism_name, c.get_client_first().encode()).decode())
    with pytest.raises(Refusal, match="does not match this connection"):
        exchange.final(c.get_client_final().encode())


def test_a_proof_of_one_conversation_proves_nothing_in_the_next() -> None:
    c = client()
    first = c.get_client_first()
    exchange = Exchange([VERIFIER], NONCE, None)
    c.set_server_first(exchange.first("SCRAM-SHA-256", first.encode()).decode())
    final = c.get_client_final()
    assert exchange.final(final.encode()) is not None
    again = Exchange([VERIFIER], NONCE[::-1], None)
    again.first("SCRAM-SHA-256", first.encode())
    with pytest.raises(Refusal, match="nonce"):
        again.final(final.encode())


def test_the_oracle_notices_a_server_that_does_not_know_the_password() -> None:
    c = client()
    exchange = Exchange([VERIFIER], NONCE, None)
    c.set_server_first(exchange.first("SCRAM-SHA-256", c.get_client_first().encode()).decode())
    found = exchange.final(c.get_client_final().encode())
    assert found is not None
    with pytest.raises(ScramException):
        c.set_server_final("v=" + base64.b64encode(bytes(32)).decode())
