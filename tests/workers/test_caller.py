"""Whose token a verb gives."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from tests.workers.issuer_rig import provider
from tests.workers.oauth_rig import CLIENT, SignIns
from tests.workers.test_token_cache import KEPT
from workers import caller, token_cache
from workers.caller import NotSignedIn
from workers.token_cache import KeptSignIn


def test_the_variable_wins_over_what_is_kept(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    token_cache.write(KEPT, environ)
    assert caller.token(environ, time.time()) == "the-token"
    assert caller.token(environ | {"SLUICE_TOKEN": "another\n"}, time.time()) == "another"


def test_who_is_not_signed_in_is_told_how(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    with pytest.raises(NotSignedIn, match="sluice login"):
        caller.token(environ, time.time())
    token_cache.write(KEPT, environ)
    with pytest.raises(NotSignedIn, match="has expired"):
        caller.token(environ, 2e9)
    (tmp_path / "sluice" / token_cache.FILE).chmod(0o644)
    with pytest.raises(NotSignedIn, match="others may read it"):
        caller.token(environ, time.time())


@pytest.fixture
def signing(tmp_path: Path) -> Iterator[SignIns]:
    with provider(tmp_path / "idp") as idp:
        yield SignIns(idp)


def ending(signing: SignIns, seconds: float) -> KeptSignIn:
    signing.refresh_tokens.add("first")
    return KeptSignIn(
        issuer=signing.idp.url, client_id=CLIENT, token_endpoint=f"{signing.idp.url}/token", token="the-token",
        expires=time.time() + seconds, user="ada", refresh_token="first", ca_file=str(signing.idp.ca_file),
        host="127.0.0.1", port=6432,
    )  # fmt: skip


def test_a_token_that_ends_soon_is_renewed_and_kept(tmp_path: Path, signing: SignIns) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    token_cache.write(ending(signing, 30), environ)
    fresh = caller.token(environ, time.time())
    assert fresh != "the-token"
    kept = token_cache.read(environ)
    assert kept is not None
    assert (kept.token, kept.host, kept.port) == (fresh, "127.0.0.1", 6432)
    assert caller.token(environ, time.time()) == fresh
    assert signing.idp.count("/token") == 1


def test_several_verbs_at_once_renew_once(tmp_path: Path, signing: SignIns) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    token_cache.write(ending(signing, 30), environ)
    with ThreadPoolExecutor(4) as several:
        found = list(several.map(lambda _: caller.token(environ, time.time()), range(4)))
    assert len(set(found)) == 1
    assert signing.idp.count("/token") == 1


def test_a_provider_that_is_down_costs_nothing_while_the_token_counts(tmp_path: Path, signing: SignIns) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    signing.idp.down = True
    token_cache.write(ending(signing, 30), environ)
    assert caller.token(environ, time.time()) == "the-token"
    token_cache.write(ending(signing, -1), environ)
    with pytest.raises(NotSignedIn, match="could not be renewed: 127"):
        caller.token(environ, time.time())


def test_a_sign_in_that_ended_at_the_provider_is_told(tmp_path: Path, signing: SignIns) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    token_cache.write(msgspec.structs.replace(ending(signing, -1), refresh_token="another"), environ)
    with pytest.raises(NotSignedIn, match="it has ended at the provider"):
        caller.token(environ, time.time())
