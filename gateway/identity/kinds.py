"""What a token must say beyond its signature, times and audience: what the issuer's kind demands and its settings.

Where a claim is looked for by a path, names that hold dots themselves come first: `realm_access.roles` is `roles` within
`realm_access`, unless there is a claim of that very name.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from gateway.errors import Refusal, Refused, State
from gateway.issuers import Issuer, Wanted

Claims = Mapping[str, Any]
NEW_TOKEN: Final = "Get a new token and sign in with it."  # noqa: S105 - a hint
OWN_TOKEN: Final = "Sign in with a token of a configured issuer."  # noqa: S105 - a hint
_DEPTH_MAX: Final = 8
_SERVICE_ACCOUNT: Final = re.compile(r"system:serviceaccount:(?P<namespace>[^:]+):(?P<name>[^:]+)")
_WORKLOADS: Final = frozenset({"kubernetes", "github", "gitlab"})


def refuse(why: str, hint: str = NEW_TOKEN) -> NoReturn:
    """A sign-in that ends here; neither text quotes the token."""
    raise Refusal(Refused(State.BAD_TOKEN, f"sign-in refused: {why}", hint, "sign-in"))


def refuse_stranger() -> NoReturn:
    """One text, whatever is wrong with issuer, key and signature: strangers learn nothing of either."""
    hint = f"{OWN_TOKEN} If it was issued just now, try again in a moment."
    refuse("the token is not signed by a key of a configured issuer", hint)


def claim_at(claims: Claims, path: str, depth: int = 0) -> Any:
    """The claim of this name, or the one at this dotted path; None where there is none."""
    if path in claims:
        return claims[path]
    parts = path.split(".")
    if depth == _DEPTH_MAX:
        return None
    for length in range(len(parts) - 1, 0, -1):
        within = claims.get(".".join(parts[:length]))
        if isinstance(within, dict):
            found = claim_at(within, ".".join(parts[length:]), depth + 1)
            if found is not None:
                return found
    return None


def check(claims: Claims, issuer: Issuer) -> None:
    """Raises Refusal where the token is not one that this issuer's settings let in."""
    _check_audience(claims, issuer)
    if issuer.max_token_seconds is not None and claims["exp"] - claims["iat"] > issuer.max_token_seconds:
        refuse("the token lasts longer than this gateway takes", "Ask the issuer for one that ends sooner.")
    judge = _JUDGES.get(issuer.kind)
    if judge is not None:
        judge(claims, issuer)
    if issuer.user_claim == "email" and claims.get("email_verified") is False:
        refuse("the token's e-mail address is not verified", "Verify the address at the issuer.")
    if issuer.client_ids and _client(claims, issuer) not in issuer.client_ids:
        refuse("the token was issued to another application", "Sign in through the application for this gateway.")
    if issuer.scopes and not set(issuer.scopes) <= _scopes(claims):
        refuse("the token lacks a scope that this gateway asks for", f"Ask the issuer for: {' '.join(issuer.scopes)}.")
    for name, wanted in issuer.require_claims.items():
        if not _is_one(claim_at(claims, name), wanted):
            refuse(f'the token\'s claim "{name}" is not as this gateway demands', OWN_TOKEN)


def groups_of(claims: Claims, issuer: Issuer) -> Any:
    """What the issuer says of groups. A workload may have one as a text, and Kubernetes' service accounts have those that
    Kubernetes itself gives them."""
    value = claim_at(claims, issuer.groups_claim)
    account = _SERVICE_ACCOUNT.fullmatch(str(claims.get("sub"))) if issuer.kind == "kubernetes" else None
    if value is None and account is not None:
        return ["system:serviceaccounts", f"system:serviceaccounts:{account['namespace']}"]
    return [value] if isinstance(value, str) and issuer.kind in _WORKLOADS else value


def _check_audience(claims: Claims, issuer: Issuer) -> None:
    """One text. Kubernetes alone writes a list, which must then be of exactly this one."""
    wanted = [issuer.audience] if issuer.kind == "kubernetes" else issuer.audience
    if claims.get("aud") != wanted:
        refuse("the token is for another audience", "Ask the issuer for a token for this gateway.")


def _client(claims: Claims, issuer: Issuer) -> Any:
    """The application that the token was issued to, by the claim that its kind of issuer names it in."""
    names = {"okta": ("cid",), "entra": ("azp", "appid"), "keycloak": ("azp",), "google": ("azp",)}
    found = (claims.get(name) for name in names.get(issuer.kind, ("client_id", "azp")))
    return next((one for one in found if isinstance(one, str)), None)


def _scopes(claims: Claims) -> set[str]:
    """Of `scp` (a list, or a text with blanks) or `scope` (RFC 8693)."""
    found: set[str] = set()
    for value in (claims.get("scp"), claims.get("scope")):
        if isinstance(value, str):
            found.update(value.split())
        elif isinstance(value, list):
            found.update(one for one in value if isinstance(one, str))
    return found


def _is_one(value: Any, wanted: Wanted) -> bool:
    """Whether the claim is what is wanted, or one of several; a list is where an entry of it is."""
    if isinstance(wanted, bool):
        return value is wanted
    choices = (wanted,) if isinstance(wanted, str) else wanted
    return any(isinstance(one, str) and one in choices for one in (value if isinstance(value, list) else [value]))


def _okta(claims: Claims, issuer: Issuer) -> None:
    if not isinstance(claims.get("cid"), str):
        refuse("the token is not an access token of the authorization server", "Give the access token, not the ID token.")


def _entra(claims: Claims, issuer: Issuer) -> None:
    if claims.get("tid") != issuer.tenant or claims.get("ver") != "2.0":
        refuse(
            "the token is not one of version 2.0 of this tenant",
            "Set requestedAccessTokenVersion to 2 in the manifest of the gateway's application.",
        )
    sources = claims.get("_claim_names")
    elsewhere = isinstance(sources, dict) and issuer.groups_claim in sources
    if elsewhere or (issuer.groups_claim == "groups" and claims.get("hasgroups") is True):
        refuse(
            "you are in more groups than a token can carry, so it carries none",
            "Ask for tokens with the groups assigned to the gateway's application only, or with its roles.",
        )
    if claims.get("idtyp") == "app" and claim_at(claims, issuer.user_claim) is None:
        refuse("the token is an application's own and names no user", "Sign in as a person.")


def _google(claims: Claims, issuer: Issuer) -> None:
    if claims.get("email_verified") is not True:
        refuse("the token's e-mail address is not verified", "Verify the address at Google.")
    if claims.get("hd") not in issuer.hosted_domains:
        refuse("the account is not of a domain that this gateway serves", "Sign in with your organization's account.")


def _keycloak(claims: Claims, issuer: Issuer) -> None:
    if claims.get("typ") != "Bearer":
        refuse("the token is not an access token", "Give the access token, not the ID or refresh token.")


def _kubernetes(claims: Claims, issuer: Issuer) -> None:
    account = _SERVICE_ACCOUNT.fullmatch(str(claims.get("sub")))
    bound = claims.get("kubernetes.io")
    if account is None or not isinstance(bound, dict):
        refuse("the token is not a projected token of a service account", "Mount a serviceAccountToken for this gateway.")
    within = bound.get("serviceaccount")
    name = within.get("name") if isinstance(within, dict) else None
    if (bound.get("namespace"), name) != (account["namespace"], account["name"]):
        refuse("the token names two service accounts", OWN_TOKEN)


_JUDGES: Mapping[str, Callable[[Claims, Issuer], None]] = {
    "okta": _okta,
    "entra": _entra,
    "google": _google,
    "keycloak": _keycloak,
    "kubernetes": _kubernetes,
}
