"""The kept sign-in on a real disk."""

import stat
from pathlib import Path

import pytest

from workers import token_cache
from workers.token_cache import KeptSignIn, Unusable

KEPT = KeptSignIn("https://id.example", "cli", "https://id.example/token", "the-token", 2e9, "ada", "the-refresh-token")


def test_it_is_for_its_owner_alone_and_replaced_as_a_whole(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    assert token_cache.read(environ) is None
    file = token_cache.write(KEPT, environ)
    assert token_cache.read(environ) == KEPT
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    token_cache.write(KEPT, environ)
    assert [one.name for one in file.parent.iterdir()] == [token_cache.FILE]
    assert token_cache.remove(environ)
    assert not token_cache.remove(environ)


def test_one_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_STATE_HOME": "relative/is/passed/over"}
    file = token_cache.write(KEPT, environ)
    assert file == tmp_path / ".local/state/sluice/sign-in.json"
    file.chmod(0o640)
    with pytest.raises(Unusable, match="others may read it"):
        token_cache.read(environ)


@pytest.mark.parametrize("content", ["", "{", '{"issuer": 1}'])
def test_what_is_no_sign_in_is_told_without_its_content(tmp_path: Path, content: str) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    token_cache.write(KEPT, environ).write_text(content)
    with pytest.raises(Unusable, match="cannot be read"):
        token_cache.read(environ)


def test_it_does_not_print_its_secrets() -> None:
    assert "token" not in repr(KEPT)
