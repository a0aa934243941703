"""What each kind of issuer's tokens must say: one that is good, as that issuer makes them, and what is wrong with others."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from gateway.errors import Refusal
from gateway.identity.claims import verify
from gateway.identity.kinds import claim_at
from gateway.issuers import Issuer
from gateway.settings import load

from .token_rig import EC, NOW, RSA, jwk, jwks, read, token

TENANT = "0f1e2d3c-0000-4000-8000-00000000beef"
TIMES = {"iat": int(NOW), "exp": int(NOW) + 3600}


def issuer(kind: str, iss: str, **more: Any) -> Issuer:
    text = f'[[issuer]]\nname = "{kind}"\nkind = "{kind}"\nissuer = "{iss}"\naudience = "sluice"\njwks_url = "https://k.example"\n'
    for name, value in more.items():
        text += f"{name} = {value}\n"
    return load(text, "sluice.toml", {}).issuers[0]


@dataclass(frozen=True)
class Sample:
    """An issuer, its token's header and claims, and who that is."""

    issuer: Issuer
    claims: dict[str, Any]
    user: str
    groups: tuple[str, ...] = ()
    header: dict[str, Any] | None = None

    def token(self, changes: dict[str, Any]) -> str:
        body = {name: value for name, value in (TIMES | self.claims | changes).items() if value is not None}
        return token(body, {"alg": "RS256", "kid": "k1"} | (self.header or {}), RSA, "RS256")

    def verify(self, changes: dict[str, Any]) -> Any:
        fetched = msgspec.structs.replace(self.issuer, jwks_url="", jwks_file="k")
        return verify(self.token(changes), self.user, read(jwks(jwk(RSA, kid="k1")), fetched), NOW)


SAMPLES = {
    "okta": Sample(
        issuer("okta", "https://acme.okta.com/oauth2/default", client_ids='["0oa1"]', scopes='["sluice"]'),
        {
            "ver": 1, "jti": "AT.x1", "iss": "https://acme.okta.com/oauth2/default", "aud": "sluice", "cid": "0oa1",
            "uid": "00u1", "scp": ["openid", "sluice"], "auth_time": int(NOW), "sub": "ada@acme.example",
            "groups": ["analysts"],
        },
        "ada@acme.example",
        ("analysts",),
    ),
    "entra": Sample(
        issuer("entra", f"https://login.microsoftonline.com/{TENANT}/v2.0", groups_claim='"roles"', client_ids='["c1"]'),
        {
            "aud": "sluice", "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0", "nbf": int(NOW), "azp": "c1",
            "azpacr": "0", "name": "Ada", "oid": "00000000-0000-0000-0000-0000000000aa", "sub": "pairwise",
            "preferred_username": "ada@acme.example", "roles": ["analysts"], "scp": "access", "tid": TENANT,
            "uti": "u", "ver": "2.0",
        },
        "ada@acme.example",
        ("analysts",),
        {"typ": "JWT"},
    ),
    "google": Sample(
        issuer("google", "https://accounts.google.com", hosted_domains='["acme.example"]'),
        {
            "iss": "https://accounts.google.com", "azp": "1.apps.googleusercontent.com", "aud": "sluice", "sub": "117",
            "hd": "acme.example", "email": "ada@acme.example", "email_verified": True, "at_hash": "x",
        },
        "ada@acme.example",
        (),
        {"typ": "JWT"},
    ),
    "keycloak": Sample(
        issuer("keycloak", "https://kc.example/realms/acme", client_ids='["sluice-cli"]'),
        {
            "jti": "onrtac:1", "iss": "https://kc.example/realms/acme", "aud": "sluice", "sub": "7f", "typ": "Bearer",
            "azp": "sluice-cli", "sid": "s", "acr": "1", "realm_access": {"roles": ["analysts", "offline_access"]},
            "resource_access": {"sluice": {"roles": ["dba"]}}, "scope": "email profile", "email_verified": False,
            "preferred_username": "ada",
        },
        "ada",
        ("analysts", "offline_access"),
        {"typ": "JWT"},
    ),
    "kubernetes": Sample(
        issuer("kubernetes", "https://kubernetes.default.svc.cluster.local"),
        {
            "aud": ["sluice"], "iss": "https://kubernetes.default.svc.cluster.local", "jti": "j", "nbf": int(NOW),
            "kubernetes.io": {
                "namespace": "etl", "pod": {"name": "load-1", "uid": "u"}, "serviceaccount": {"name": "loader", "uid": "u"},
            },
            "sub": "system:serviceaccount:etl:loader",
        },
        "system:serviceaccount:etl:loader",
        ("system:serviceaccounts", "system:serviceaccounts:etl"),
    ),
    "github": Sample(
        issuer(
            "github", "https://token.actions.githubusercontent.com", groups_claim='"repository"',
            require_claims='{ repository = "acme/app", ref = ["refs/heads/main", "refs/heads/next"] }',
        ),
        {
            "jti": "j", "sub": "repo:acme/app:environment:prod", "environment": "prod", "aud": "sluice",
            "ref": "refs/heads/main", "sha": "1", "repository": "acme/app", "repository_owner": "acme", "run_id": "7",
            "repository_visibility": "private", "actor": "ada", "workflow": "deploy", "event_name": "push",
            "ref_type": "branch", "ref_protected": "true", "iss": "https://token.actions.githubusercontent.com",
            "nbf": int(NOW) - 300,
        },
        "repo:acme/app:environment:prod",
        ("acme/app",),
        {"typ": "JWT", "x5t": "x"},
    ),
    "gitlab": Sample(
        issuer(
            "gitlab", "https://gitlab.com", require_claims='{ project_path = "acme/app", ref_protected = "true" }'
        ),
        {
            "namespace_id": "72", "namespace_path": "acme", "project_id": "20", "project_path": "acme/app", "user_id": "1",
            "user_login": "ada", "pipeline_source": "push", "job_id": "302", "ref": "main", "ref_type": "branch",
            "ref_path": "refs/heads/main", "ref_protected": "true", "iss": "https://gitlab.com", "nbf": int(NOW) - 5,
            "sub": "project_path:acme/app:ref_type:branch:ref:main", "aud": "sluice", "jti": "j",
        },
        "project_path:acme/app:ref_type:branch:ref:main",
        (),
        {"typ": "JWT"},
    ),
}  # fmt: skip

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("okta", {"cid": "0oa2"}, "another application"),
    ("okta", {"cid": None}, "not an access token"),
    ("okta", {"cid": ["0oa1"]}, "not an access token"),
    ("okta", {"scp": ["openid"]}, "lacks a scope"),
    ("okta", {"scp": None}, "lacks a scope"),
    ("okta", {"scp": {"sluice": True}}, "lacks a scope"),
    ("okta", {"aud": ["sluice"]}, "another audience"),
    ("okta", {"groups": "analysts"}, "not a list"),
    ("entra", {"tid": "00000000-0000-4000-8000-000000000000"}, "version 2.0 of this tenant"),
    ("entra", {"ver": "1.0", "azp": None, "appid": "c1"}, "version 2.0 of this tenant"),
    ("entra", {"azp": "c2"}, "another application"),
    ("entra", {"_claim_names": {"roles": "src1"}}, "more groups than a token can carry"),
    ("entra", {"preferred_username": None, "idtyp": "app"}, "application's own"),
    ("entra", {"preferred_username": None}, "user claim"),
    ("google", {"email_verified": False}, "not verified"),
    ("google", {"email_verified": "true"}, "not verified"),
    ("google", {"email_verified": None}, "not verified"),
    ("google", {"hd": None}, "not of a domain"),
    ("google", {"hd": "evil.example"}, "not of a domain"),
    ("google", {"hd": ["acme.example"]}, "not of a domain"),
    ("keycloak", {"typ": "ID"}, "not an access token"),
    ("keycloak", {"typ": "Refresh"}, "not an access token"),
    ("keycloak", {"typ": None}, "not an access token"),
    ("keycloak", {"azp": "account-console"}, "another application"),
    ("keycloak", {"aud": ["sluice", "account"]}, "another audience"),
    ("keycloak", {"realm_access": {"roles": {"a": 1}}}, "not a list"),
    ("kubernetes", {"aud": "sluice"}, "another audience"),
    ("kubernetes", {"aud": ["sluice", "vault"]}, "another audience"),
    ("kubernetes", {"aud": []}, "another audience"),
    ("kubernetes", {"kubernetes.io": None}, "not a projected token"),
    ("kubernetes", {"kubernetes.io": {"namespace": "prod", "serviceaccount": {"name": "loader"}}}, "two service accounts"),
    ("kubernetes", {"kubernetes.io": {"namespace": "etl", "serviceaccount": "loader"}}, "two service accounts"),
    ("kubernetes", {"sub": "system:node:a"}, "not a projected token"),
    ("github", {"repository": "evil/app"}, '"repository"'),
    ("github", {"repository": "acme/app2"}, '"repository"'),
    ("github", {"repository": None}, '"repository"'),
    ("github", {"repository": {"acme/app": 1}}, '"repository"'),
    ("github", {"ref": "refs/heads/feature"}, '"ref"'),
    ("gitlab", {"ref_protected": True}, '"ref_protected"'),
    ("gitlab", {"ref_protected": "false"}, '"ref_protected"'),
    ("gitlab", {"project_path": "acme/other"}, '"project_path"'),
]


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_token_as_its_issuer_makes_it_signs_in(kind: str) -> None:
    found = SAMPLES[kind].verify({})
    assert (found.user, found.groups, found.issuer) == (SAMPLES[kind].user, SAMPLES[kind].groups, kind)


@pytest.mark.parametrize(("kind", "changes", "why"), WRONG)
def test_a_token_that_is_not_as_it_must_be_does_not(kind: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Refusal, match=why) as caught:
        SAMPLES[kind].verify(changes)
    told = caught.value.refused.message + caught.value.refused.hint
    assert "evil" not in told, "no value of the token is told"


def test_what_a_token_must_say_is_looked_at_after_its_signature() -> None:
    wrong = {"repository": "evil/app"}
    with pytest.raises(Refusal, match="not signed by a key"):
        sample = SAMPLES["github"]
        body = TIMES | sample.claims | wrong
        fetched = msgspec.structs.replace(sample.issuer, jwks_url="", jwks_file="k")
        forged = token(body, {"alg": "RS256", "kid": "k1"}, EC, "ES256")
        verify(forged, sample.user, read(jwks(jwk(RSA, kid="k1")), fetched), NOW)


def test_groups_of_a_client_are_found_by_their_path() -> None:
    sample = SAMPLES["keycloak"]
    nested = msgspec.structs.replace(sample.issuer, groups_claim="resource_access.sluice.roles")
    assert Sample(nested, sample.claims, "ada", header=sample.header).verify({}).groups == ("dba",)


def test_an_entra_token_whose_groups_are_elsewhere_is_refused_though_they_are_not_asked_for_by_roles() -> None:
    sample = SAMPLES["entra"]
    assert sample.verify({"_claim_names": {"groups": "src1"}}).groups == ("analysts",)
    by_groups = Sample(msgspec.structs.replace(sample.issuer, groups_claim="groups"), sample.claims, sample.user)
    for elsewhere in ({"_claim_names": {"groups": "src1"}}, {"hasgroups": True}):
        with pytest.raises(Refusal, match="more groups"):
            by_groups.verify(elsewhere)


def test_a_machine_signs_in_by_its_object_id() -> None:
    sample = SAMPLES["entra"]
    by_id = Sample(msgspec.structs.replace(sample.issuer, user_claim="oid"), sample.claims, sample.claims["oid"])
    assert by_id.verify({"preferred_username": None, "idtyp": "app"}).user == sample.claims["oid"]


def test_a_token_that_lasts_too_long_is_refused() -> None:
    sample = SAMPLES["okta"]
    short = Sample(msgspec.structs.replace(sample.issuer, max_token_seconds=3599.0), sample.claims, sample.user)
    with pytest.raises(Refusal, match="lasts longer"):
        short.verify({})
    assert short.verify({"exp": int(NOW) + 3599}).user == sample.user


def test_a_claim_may_be_demanded_as_true_and_within_a_list() -> None:
    sample = SAMPLES["keycloak"]
    strict = msgspec.structs.replace(sample.issuer, require_claims={"email_verified": True, "amr": ("mfa", "hwk")})
    demanding = Sample(strict, sample.claims, "ada")
    assert demanding.verify({"email_verified": True, "amr": ["pwd", "mfa"]}).user == "ada"
    for changes in ({"email_verified": "true", "amr": ["mfa"]}, {"email_verified": True, "amr": ["pwd"]}, {"amr": "mfa"}):
        with pytest.raises(Refusal, match="not as this gateway demands"):
            demanding.verify(changes)


@pytest.mark.parametrize(
    ("path", "found"),
    [("a", 1), ("b.c", 2), ("d.e.f", 3), ("d.e", {"f": 3}), ("x.y", 4), ("u.v.w", 5), ("a.b", None), ("b", {"c": 2})],
)
def test_a_name_with_dots_of_its_own_comes_before_a_path(path: str, found: Any) -> None:
    claims = {"a": 1, "b": {"c": 2}, "d": {"e": {"f": 3}}, "x.y": 4, "x": {"y": 9}, "u.v": {"w": 5}, "u": {"v": 1}}
    assert claim_at(claims, path) == found
