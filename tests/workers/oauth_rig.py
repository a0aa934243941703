"""What an identity provider does beyond publishing keys: device codes, a page to sign in at, tokens and their renewal."""

import base64
import hashlib
import itertools
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.workers.issuer_rig import Provider, Reply, as_json

CLIENT = "sluice-cli"


@dataclass
class SignIns:
    """`polls` are the errors that a device reads before its token; `lasts` is how long tokens count, in seconds; `back`
    changes what the browser brings back, `tokens` what the token endpoint answers."""

    idp: Provider
    user: str = "ada"
    lasts: int = 600
    polls: list[str] = field(default_factory=list)
    back: dict[str, str | None] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    refresh_tokens: set[str] = field(default_factory=set)
    revoked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    numbers: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        url = self.idp.url
        self.idp.document_changes = {
            "authorization_endpoint": f"{url}/authorize", "token_endpoint": f"{url}/token",
            "device_authorization_endpoint": f"{url}/device", "revocation_endpoint": f"{url}/revoke",
            "authorization_response_iss_parameter_supported": True, "scopes_supported": ["openid", "offline_access"],
        }  # fmt: skip
        self.idp.routes |= {
            "/device": self.device, "/token": self.token, "/authorize": self.authorize, "/revoke": self.revoke,
        }  # fmt: skip

    def device(self, method: str, headers: dict[str, str], form: dict[str, str]) -> Reply:
        assert (method, form["client_id"], form["scope"]) == ("POST", CLIENT, "openid offline_access")
        answer = {"device_code": "the-device-code", "user_code": "WDJB-MJHT", "verification_uri": f"{self.idp.url}/go"}
        return as_json(answer | {"expires_in": 600, "interval": 0.01})

    def authorize(self, method: str, headers: dict[str, str], form: dict[str, str]) -> Reply:
        assert (form["response_type"], form["code_challenge_method"]) == ("code", "S256")
        code = f"code-{next(self.numbers)}"
        self.codes[code] = form
        pairs = {"code": code, "state": form["state"], "iss": self.idp.url} | self.back
        query = urlencode({name: value for name, value in pairs.items() if value is not None})
        return 302, {"location": f"{form['redirect_uri']}?{query}"}, b""

    def token(self, method: str, headers: dict[str, str], form: dict[str, str]) -> Reply:
        assert form["client_id"] == CLIENT
        nonce = {}
        if form["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code":
            assert form["device_code"] == "the-device-code"
            if self.polls:
                return as_json({"error": self.polls.pop(0), "error_description": "as it goes"}, 400)
        elif form["grant_type"] == "authorization_code":
            asked = self.codes.pop(form["code"])
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
            assert form["redirect_uri"] == asked["redirect_uri"]
            nonce = {"nonce": asked["nonce"]}
        elif form["refresh_token"] not in self.refresh_tokens:
            return as_json({"error": "invalid_grant"}, 400)
        else:
            self.refresh_tokens.remove(form["refresh_token"])
        return as_json(self.granted(nonce) | self.tokens)

    def granted(self, nonce: dict[str, str]) -> dict[str, Any]:
        refresh_token = f"refresh-{next(self.numbers)}"
        self.refresh_tokens.add(refresh_token)
        exp = int(time.time()) + self.lasts
        return {
            "access_token": self.idp.token(self.user, exp=exp, jti=refresh_token), "token_type": "Bearer",
            "refresh_token": refresh_token, "expires_in": str(self.lasts),
            "id_token": self.idp.token(self.user, aud=CLIENT, **nonce),
        }  # fmt: skip

    def revoke(self, method: str, headers: dict[str, str], form: dict[str, str]) -> Reply:
        self.revoked.append(form["token"])
        return 200, {}, b""
