"""Which tokens become a principal, and that no forged one does."""

import hashlib
import json
import random
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Refusal, State
from gateway.identity.claims import LEEWAY_SECONDS, Presented, VerifiedTokens, verify
from gateway.identity.declaration import Declaration
from gateway.identity.principal import Principal

from .token_rig import (
    EC,
    ED,
    ED_KEYS,
    ISSUER,
    NOW,
    OTHER_ED,
    RSA,
    b64,
    claims,
    jwk,
    jwks,
    pem,
    read,
    sign,
    token,
)

GOOD_JSON = json.dumps(claims()).encode()
ED_PEM = pem(ED)


def with_field(name: str, value: Any) -> bytes:
    """The good claims with one more pair at the end, whatever that makes of them."""
    return GOOD_JSON[:-1] + b', "%s": %s}' % (
        name.encode(),
        value if isinstance(value, bytes) else json.dumps(value).encode(),
    )


def nested_actors(depth: int) -> dict[str, Any]:
    actor: dict[str, Any] = {"sub": "agent-0"}
    for number in range(1, depth):
        actor = {"sub": f"agent-{number}", "act": actor}
    return actor


def header(**changes: Any) -> dict[str, Any]:
    return {"alg": "EdDSA", "typ": "JWT"} | changes


def resigned(change: Callable[[str], str]) -> str:
    """A good token whose three parts are spelled another way."""
    return ".".join(change(part) for part in token().split("."))


def unsigned(algorithm: str) -> str:
    return f"{b64(json.dumps(header(alg=algorithm)).encode())}.{b64(GOOD_JSON)}."


def loosened(part: str) -> str:
    """The same bytes for a lax reader: another last character with the same leading bits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spare = {2: 4, 3: 2}.get(len(part) % 4)
    return part if spare is None else part[:-1] + alphabet[alphabet.index(part[-1]) ^ 1]


FORGED: dict[str, str] = {
    "empty": "",
    "no dots": "token",
    "two parts": token().rsplit(".", 1)[0],
    "four parts": token() + ".x",
    "five parts, as encrypted tokens have": token() + ".x.y",
    "only dots": "..",
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg NONE": unsigned("NONE"),
    "alg empty": unsigned(""),
    "no signature": token().rsplit(".", 1)[0] + ".",
    "no alg": token(header={"typ": "JWT"}),
    "alg is a list": token(header=header(alg=["EdDSA"])),
    "alg is null": token(header=header(alg=None)),
    "alg in lower case": token(header=header(alg="eddsa")),
    "HS256 with the public key as secret": token(key=ED_PEM, algorithm="HS256"),
    "HS256 with the stripped public key": token(key=ED_PEM.strip(), algorithm="HS256"),
    "HS384 with the public key as secret": token(key=ED_PEM, algorithm="HS384"),
    "HS512 with the public key as secret": token(key=ED_PEM, algorithm="HS512"),
    "HS256 with an empty secret": token(key=b"", algorithm="HS256"),
    "HS256 under the name of EdDSA": token(header=header(), key=ED_PEM, algorithm="HS256"),
    "another Ed25519 key": token(key=OTHER_ED),
    "a P-256 key": token(key=EC, algorithm="ES256"),
    "an RSA key": token(key=RSA, algorithm="RS256"),
    "an RSA signature called EdDSA": token(header=header(), key=RSA, algorithm="RS256"),
    "own key in jwk": token(header=header(jwk=jwk(OTHER_ED)), key=OTHER_ED),
    "own key in jku": token(header=header(jku="https://evil.example/keys"), key=OTHER_ED),
    "own key in x5u": token(header=header(x5u="https://evil.example/cert"), key=OTHER_ED),
    "own key in x5c": token(header=header(x5c=["MIIB"]), key=OTHER_ED),
    "kid as a path": token(header=header(kid="../../dev/null"), key=b"", algorithm="HS256"),
    "kid is a number": token(header=header(kid=1)),
    "kid is a list": token(header=header(kid=["a"])),
    "kid is empty": token(header=header(kid="")),
    "kid too long": token(header=header(kid="k" * 129)),
    "kid with a line break": token(header=header(kid="a\nb")),
    "crit of an unknown extension": token(header=header(crit=["exp2"], exp2=1)),
    "crit of a known extension": token(header=header(crit=["b64"], b64=True)),
    "crit empty": token(header=header(crit=[])),
    "crit is null": token(header=header(crit=None)),
    "b64 false": token(header=header(b64=False)),
    "zipped": token(header=header(zip="DEF")),
    "encrypted": token(header=header(enc="A256GCM")),
    "a proof of possession": token(header=header(typ="dpop+jwt")),
    "a logout token": token(header=header(typ="logout+jwt")),
    "typ is a number": token(header=header(typ=1)),
    "header is a list": token(header=b'["EdDSA"]'),
    "header has alg twice": token(header=b'{"alg":"none","alg":"EdDSA"}'),
    "header is not JSON": token(header=b"{alg:EdDSA}"),
    "header is not UTF-8": token(header=b'{"alg":"EdDSA","x":"\xff"}'),
    "claims are a list": token(b'["alice"]'),
    "claims are a text": token(b'"alice"'),
    "claims are empty": token(b""),
    "claims are another token": token(token().encode(), header(cty="JWT")),
    "claims nested deep": token(b'{"sub":' + b"[" * 2500 + b"]" * 2500 + b"}"),
    "actors nested deep": token(with_field("act", b'{"sub":"a","act":' * 300 + b"null" + b"}" * 300)),
    "user twice": token(with_field("sub", "alice")),
    "user twice, another first": token(GOOD_JSON.replace(b'"alice"', b'"mallory", "sub": "alice"')),
    "exp twice": token(with_field("exp", int(NOW) + 60)),
    "claim twice within the actor": token(with_field("act", b'{"sub": "a", "sub": "b"}')),
    "claim twice through an escape": token(with_field("s\\u0075b", "alice")),
    "a NaN": token(with_field("x", b"NaN")),
    "exp infinite": token(GOOD_JSON.replace(str(int(NOW) + 3600).encode(), b"Infinity")),
    "a number of 5000 digits": token(with_field("x", b"1" * 5000)),
    "no iss": token(claims(iss=None)),
    "iss longer by a slash": token(claims(iss="https://sluice.local/")),
    "iss a part": token(claims(iss="https://sluice")),
    "iss in other case": token(claims(iss="https://SLUICE.local")),
    "iss in a list": token(claims(iss=["https://sluice.local"])),
    "no aud": token(claims(aud=None)),
    "aud a part": token(claims(aud="sluic")),
    "aud longer": token(claims(aud="sluice2")),
    "aud in a list with others": token(claims(aud=["other", "sluice"])),
    "aud as a key": token(claims(aud={"sluice": 1})),
    "no exp": token(claims(exp=None)),
    "exp passed": token(claims(iat=int(NOW) - 100, exp=int(NOW) - LEEWAY_SECONDS)),
    "exp 2**53": token(claims(exp=2**53)),
    "exp 2**64": token(claims(exp=2**64)),
    "exp negative": token(claims(exp=-1)),
    "exp a fraction": token(claims(exp=NOW + 60.5)),
    "exp 1e12": token(GOOD_JSON.replace(str(int(NOW) + 3600).encode(), b"1e12")),
    "exp a text": token(claims(exp=str(int(NOW) + 60))),
    "exp in full-width digits": token(claims(exp="１８０００００６００")),
    "exp true": token(claims(exp=True)),
    "no iat": token(claims(iat=None)),
    "iat in the future": token(claims(iat=int(NOW) + LEEWAY_SECONDS + 1)),
    "iat negative": token(claims(iat=-1)),
    "iat after exp": token(claims(iat=int(NOW), exp=int(NOW) - 1)),
    "iat a fraction": token(claims(iat=NOW + 0.5)),
    "life of ten years": token(claims(exp=int(NOW) + 3650 * 86400)),
    "nbf in the future": token(claims(nbf=int(NOW) + LEEWAY_SECONDS + 1)),
    "nbf a text": token(claims(nbf="0")),
    "nbf null": token(with_field("nbf", b"null")),
    "no user": token(claims(sub=None)),
    "user is null": token(GOOD_JSON.replace(b'"alice"', b"null")),
    "user is empty": token(claims(sub="")),
    "user in a list": token(claims(sub=["alice"])),
    "another user": token(claims(sub="mallory")),
    "user in other case": token(claims(sub="Alice")),
    "user with a space": token(claims(sub="alice ")),
    "user with a NUL": token(claims(sub="alice\0")),
    "user with a zero-width space": token(claims(sub="alice\u200b")),
    "user in Cyrillic look-alikes": token(claims(sub="\u0430lice")),
    "user in full-width letters": token(claims(sub="\uff41lice")),
    "user a lone surrogate": token(GOOD_JSON.replace(b"alice", b"\\ud800")),
    "groups a text": token(claims(groups="analysts")),
    "groups of numbers": token(claims(groups=[1])),
    "groups with a control character": token(claims(groups=["a\x1bb"])),
    "groups an object": token(claims(groups={"analysts": True})),
    "actor a text": token(claims(act="agent-7")),
    "actor without sub": token(claims(act={"iss": "x"})),
    "actor is empty": token(claims(act={})),
    "actor's actor a list": token(claims(act={"sub": "a", "act": ["b"]})),
    "seventeen actors": token(claims(act=nested_actors(17))),
    "longer than 8 KiB": token(claims(x="x" * 8192)),
    "padded": resigned(lambda part: part + "=" * (-len(part) % 4)),
    "spelled loosely": ".".join([*token().split(".")[:2], loosened(token().split(".")[2])]),
    "line break at its end": token() + "\n",
    "space at its start": " " + token(),
    "Bearer before it": "Bearer " + token(),
    "a byte order mark": "\ufeff" + token(),
    "full-width dots": token().replace(".", "\uff0e"),
    "signature of another token": token(claims(sub="mallory")).rsplit(".", 1)[0]
    + "."
    + token().rsplit(".", 1)[1],
    "signature doubled": token() + token().rsplit(".", 1)[1],
    "signature cut": token()[:-4],
    "signature of zeros": token().rsplit(".", 1)[0] + "." + b64(bytes(64)),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_token_is_refused(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        verify(FORGED[name], "alice", ED_KEYS, NOW)
    assert caught.value.refused.sqlstate == State.BAD_TOKEN
    for text in ("alice", "mallory", "sluice.local", "analysts", str(int(NOW))):
        assert text not in caught.value.refused.message + caught.value.refused.hint


def test_forged_tokens_are_many() -> None:
    assert len(FORGED) >= 100


def test_good_token_becomes_a_principal() -> None:
    body = claims(groups=["analysts", "dba"], act={"sub": "agent-7", "act": {"sub": "planner"}})
    assert verify(token(body), "alice", ED_KEYS, NOW) == Principal(
        user="alice",
        issuer="local",
        groups=("analysts", "dba"),
        actors=("agent-7", "planner"),
        expires=NOW + 3600,
        token_id="t-1",
        key=ED_KEYS.by_issuer[ISSUER.issuer].only.thumbprint,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"groups": None},
        {"nbf": int(NOW) + LEEWAY_SECONDS},
        {"iat": int(NOW) + LEEWAY_SECONDS},
        {"iat": int(NOW) - 60, "exp": int(NOW) - LEEWAY_SECONDS + 1},
        {"act": nested_actors(16)},
        {"scope": "openid", "azp": "psql"},
    ],
)
def test_token_at_the_limits_is_good(change: dict[str, Any]) -> None:
    assert verify(token(claims(**change)), "alice", ED_KEYS, NOW).user == "alice"


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
def test_the_usual_types_are_good(kind: str) -> None:
    assert verify(token(header=header(typ=kind)), "alice", ED_KEYS, NOW).user == "alice"


def test_what_a_header_says_of_keys_is_not_looked_at() -> None:
    told = header(jku="https://evil.example", x5u="x", x5c=["y"], jwk=jwk(OTHER_ED), kid="anything")
    assert verify(token(header=told), "alice", ED_KEYS, NOW).user == "alice"


@pytest.mark.parametrize("jti", [None, "", 7, "x" * 129, "a\nb"])
def test_token_without_a_usable_id_is_known_by_its_hash(jti: Any) -> None:
    found = verify(token(claims(jti=jti)), "alice", ED_KEYS, NOW).token_id
    assert len(found) == 16
    assert int(found, 16) >= 0


def test_names_are_compared_in_nfc() -> None:
    composed, decomposed = "zo\u00eb", "zoe\u0308"
    for claimed, given_user in ((composed, decomposed), (decomposed, composed), (composed, composed)):
        assert verify(token(claims(sub=claimed)), given_user, ED_KEYS, NOW).user == composed


def test_user_claim_is_the_configured_one() -> None:
    issuer = ISSUER.__class__(
        name="okta",
        issuer=ISSUER.issuer,
        audience="sluice",
        key_file="x",
        user_claim="email",
        groups_claim="roles",
    )
    keys = read(ED_PEM, issuer)
    body = claims(email="alice@example.com", roles=["dba"])
    found = verify(token(body), "alice@example.com", keys, NOW)
    assert (found.user, found.groups, found.issuer) == ("alice@example.com", ("dba",), "okta")
    with pytest.raises(Refusal):
        verify(token(body), "alice", keys, NOW)
    with pytest.raises(Refusal, match="not verified"):
        verify(token(body | {"email_verified": False}), "alice@example.com", keys, NOW)


@pytest.mark.parametrize(
    ("key", "algorithm", "named"),
    [
        (ED, "EdDSA", "EdDSA"),
        (EC, "ES256", "ES256"),
        (RSA, "RS256", None),
        (RSA, "RS256", "RS256"),
        (RSA, "PS256", "PS256"),
    ],
)
def test_each_key_verifies_its_own_algorithm_alone(key: Any, algorithm: str, named: str | None) -> None:
    keys = read(jwks(jwk(key, kid="k1") | ({"alg": named} if named else {})))
    for tried in ("EdDSA", "ES256", "RS256", "PS256", "RS384", "PS512"):
        suits = tried == "EdDSA" if key is ED else tried == "ES256" if key is EC else tried[0] in "RP"
        if not suits:
            continue
        made = token(header={"alg": tried, "kid": "k1"}, key=key, algorithm=tried)
        if tried == algorithm:
            assert verify(made, "alice", keys, NOW).user == "alice"
        else:
            with pytest.raises(Refusal):
                verify(made, "alice", keys, NOW)


def test_kid_chooses_the_key() -> None:
    keys = read(jwks(jwk(ED, kid="a"), jwk(OTHER_ED, kid="b")))
    assert verify(token(header=header(kid="a")), "alice", keys, NOW)
    assert verify(token(header=header(kid="b"), key=OTHER_ED), "alice", keys, NOW)
    for told, key in ((header(kid="b"), ED), (header(kid="c"), ED), (header(), ED)):
        with pytest.raises(Refusal):
            verify(token(header=told, key=key), "alice", keys, NOW)


def test_our_tokens_are_what_the_library_makes() -> None:
    assert verify(jwt.encode(claims(), ED, algorithm="EdDSA"), "alice", ED_KEYS, NOW).user == "alice"
    assert jwt.decode(
        token(),
        ED.public_key(),
        algorithms=["EdDSA"],
        options={"verify_signature": True, "verify_exp": False, "verify_iat": False},
        audience="sluice",
    )


@pytest.mark.parametrize("key", [ED, EC, RSA], ids=["EdDSA", "ES256", "RS256"])
def test_no_token_with_one_bit_flipped_is_accepted(key: Any) -> None:
    algorithm = {ED: "EdDSA", EC: "ES256", RSA: "RS256"}[key]
    keys = read(pem(key))
    good = token(key=key, algorithm=algorithm).encode()
    assert verify(good.decode(), "alice", keys, NOW)
    flips = [(place, bit) for place in range(len(good)) for bit in range(7)]
    for place, bit in random.Random(7).sample(flips, 1000):
        forged = bytearray(good)
        forged[place] ^= 1 << bit
        with pytest.raises(Refusal):
            verify(forged.decode("latin-1"), "alice", keys, NOW)


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_any_text_is_refused_and_nothing_else_is_raised(text: str) -> None:
    with pytest.raises(Refusal):
        verify(text, "alice", ED_KEYS, NOW)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(st.sampled_from(["iss", "aud", "sub", "iat", "exp", "nbf", "groups", "act", "jti"]), json_values)
def test_any_value_of_any_claim_gives_a_principal_or_a_refusal(name: str, value: Any) -> None:
    try:
        found = verify(token(claims() | {name: value}), "alice", ED_KEYS, NOW)
    except Refusal:
        return  # with any other exception the test fails
    assert found.user == "alice"
    assert found.expires > NOW - LEEWAY_SECONDS
    assert all(isinstance(group, str) for group in (*found.groups, *found.actors))


def test_verified_tokens_are_remembered_until_they_expire() -> None:
    remembered = VerifiedTokens()
    made = token()
    first = remembered.verify(made, "alice", ED_KEYS, NOW)
    assert remembered.verify(made, "alice", ED_KEYS, NOW + 3599) is first
    with pytest.raises(Refusal, match="expired"):
        remembered.verify(made, "alice", ED_KEYS, NOW + 3600 + LEEWAY_SECONDS)
    assert len(remembered) == 0


def test_a_remembered_token_signs_in_nobody_else() -> None:
    remembered = VerifiedTokens()
    made = token()
    remembered.verify(made, "alice", ED_KEYS, NOW)
    with pytest.raises(Refusal, match="another user"):
        remembered.verify(made, "mallory", ED_KEYS, NOW)
    with pytest.raises(Refusal):
        remembered.verify(made + "\ud800", "alice", ED_KEYS, NOW)


def test_changed_keys_forget_every_token() -> None:
    remembered = VerifiedTokens()
    made = token()
    remembered.verify(made, "alice", ED_KEYS, NOW)
    with pytest.raises(Refusal, match="configured issuer"):
        remembered.verify(made, "alice", read(pem(OTHER_ED)), NOW)


def test_remembered_tokens_are_bounded_and_the_longest_unused_goes_first() -> None:
    remembered = VerifiedTokens(limit=3)
    tokens = [token(claims(jti=f"t-{number}")) for number in range(4)]
    principals = [remembered.verify(one, "alice", ED_KEYS, NOW) for one in tokens[:3]]
    assert remembered.verify(tokens[0], "alice", ED_KEYS, NOW) is principals[0]
    remembered.verify(tokens[3], "alice", ED_KEYS, NOW)
    assert len(remembered) == 3
    assert remembered.verify(tokens[0], "alice", ED_KEYS, NOW) is principals[0]
    assert remembered.verify(tokens[1], "alice", ED_KEYS, NOW) is not principals[1]


def bound_to(thumbprint: bytes) -> dict[str, Any]:
    return {"x5t#S256": b64(thumbprint)}


THUMBPRINT = hashlib.sha256(b"a client certificate").digest()
OTHER_THUMBPRINT = hashlib.sha256(b"another").digest()


def test_bound_token_counts_on_its_certificates_connection_alone() -> None:
    made = token(claims(cnf=bound_to(THUMBPRINT)))
    for method in ("token", "oauthbearer"):
        presented = Presented(method, THUMBPRINT)
        assert verify(made, "alice", ED_KEYS, NOW, presented).method == method
    for presented in (Presented(), Presented("token", OTHER_THUMBPRINT)):
        with pytest.raises(Refusal, match="bound to a client certificate"):
            verify(made, "alice", ED_KEYS, NOW, presented)


def test_bound_token_that_is_remembered_is_asked_for_its_certificate_again() -> None:
    made, remembered = token(claims(cnf=bound_to(THUMBPRINT))), VerifiedTokens()
    here = Presented("token", THUMBPRINT)
    first = remembered.verify(made, "alice", ED_KEYS, NOW, here)
    assert remembered.find(made, "alice", ED_KEYS, NOW, here) is first
    assert remembered.find(made, "alice", ED_KEYS, NOW) is None
    for elsewhere in (Presented(), Presented("oauthbearer", OTHER_THUMBPRINT)):
        with pytest.raises(Refusal, match="bound to a client certificate"):
            remembered.verify(made, "alice", ED_KEYS, NOW, elsewhere)


def test_remembered_token_says_by_which_door_it_came() -> None:
    made, remembered = token(), VerifiedTokens()
    assert remembered.verify(made, "alice", ED_KEYS, NOW).method == "token"
    assert remembered.verify(made, "alice", ED_KEYS, NOW, Presented("oauthbearer")).method == "oauthbearer"
    assert len(remembered) == 1


@pytest.mark.parametrize(
    "cnf",
    [
        {}, [], "x", None, {"jkt": b64(THUMBPRINT)}, {"x5t#S256": "short"}, {"x5t#S256": 1}, {"x5t#S256": None},
        {"x5t#S256": b64(THUMBPRINT) + "="}, {"x5t#S256": b64(THUMBPRINT), "jkt": b64(THUMBPRINT)}, {"jwk": {}},
        {"x5t#S256": "\ud800" * 43},
    ],
)  # fmt: skip
def test_proof_of_possession_that_is_not_understood_is_refused(cnf: Any) -> None:
    with pytest.raises(Refusal, match="proof of possession"):
        verify(token(with_field("cnf", cnf)), "alice", ED_KEYS, NOW, Presented("token", THUMBPRINT))


STRANGE = {
    "an unknown issuer": token(claims(iss="https://elsewhere.example"), key=OTHER_ED),
    "an unknown issuer, and expired": token(claims(iss="https://elsewhere.example", exp=int(NOW) - 9000)),
    "another key": token(key=OTHER_ED),
    "another key and another audience": token(claims(aud="other"), key=OTHER_ED),
    "another key and another user": token(claims(sub="bob"), key=OTHER_ED),
    "another key and expired": token(claims(exp=int(NOW) - 9000), key=OTHER_ED),
    "a kid that does not exist": token(header={"alg": "EdDSA", "kid": 7}),
    "no signature": unsigned("none"),
}


def test_strangers_read_one_text_whatever_their_token_says() -> None:
    told = set()
    for forged in STRANGE.values():
        with pytest.raises(Refusal) as caught:
            verify(forged, "alice", ED_KEYS, NOW)
        told.add(caught.value.refused)
    assert len(told) == 1


def test_signing_helper_is_honest() -> None:
    ED.public_key().verify(sign(ED, "EdDSA", b"x"), b"x")


@pytest.mark.parametrize(
    ("more", "model", "run"),
    [
        ({}, "", ""),
        ({"model": "m", "run": "r"}, "m", "r"),
        ({"run_id": "r"}, "", "r"),
        ({"task": "t"}, "", "t"),
        ({"run": "r", "task": "t"}, "", "r"),
        ({"act": {"sub": "agent-7", "model": "m", "run_id": "r"}}, "m", "r"),
        ({"model": "own", "act": {"sub": "agent-7", "model": "m"}}, "m", ""),
        ({"model": "own", "act": {"sub": "agent-7", "act": {"sub": "inner", "run": "r"}}}, "own", "r"),
        ({"model": {"name": "m"}, "run": 7, "task": "two\nlines"}, "", ""),
        ({"model": "x" * 600}, "", ""),
    ],
)
def test_model_and_run_are_those_of_the_agent_or_of_the_token(more: dict[str, Any], model: str, run: str) -> None:
    found = verify(token(claims(**more)), "alice", ED_KEYS, NOW)
    assert (found.model, found.run) == (model, run)


def test_intent_of_the_token_is_read() -> None:
    found = verify(token(claims(sluice_intent={"effect": "read", "tables": ["a"]})), "alice", ED_KEYS, NOW)
    assert found.intent == Declaration("", ("a",), "read", "", "token")
    with pytest.raises(Refusal, match="sluice_intent cannot be read: its effect is none of"):
        verify(token(claims(sluice_intent={"effect": "delete"})), "alice", ED_KEYS, NOW)
