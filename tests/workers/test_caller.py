"""Whose token a verb gives."""

import time
from pathlib import Path

import pytest

from tests.workers.test_token_cache import KEPT
from workers import caller, token_cache
from workers.caller import NotSignedIn


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
