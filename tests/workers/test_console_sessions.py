"""Who is signed in, for how long, and how many."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.identity.authentication import Authentication
from gateway.identity.keys import IssuerKeys
from tests.workers.admin_rig import desk, load, token
from workers import console_sessions
from workers.admin_calls import Turned
from workers.admin_process import Desk
from workers.console_sessions import IDLE_SECONDS, Sessions


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Desk]:
    with desk(load(tmp_path)) as (made, _):
        yield made


def test_a_session_is_found_by_its_name_alone(one: Desk) -> None:
    sessions = Sessions(one)
    name, session = sessions.begin(token(one.loaded), Authentication(7))
    assert sessions.find(name) is session
    assert session.who.authentication == Authentication(7)
    assert [sessions.find(bad) for bad in ("", name[:-1], name + "x", "\udcff", session.csrf)] == [None] * 5
    assert token(one.loaded) not in repr(session)
    assert session.csrf not in repr(session)
    sessions.end(session)
    assert (sessions.find(name), sessions.alive(session), len(sessions)) == (None, False, 0)


def test_a_session_ends_when_the_key_of_its_token_is_withdrawn(one: Desk) -> None:
    sessions = Sessions(one)
    name, _ = sessions.begin(token(one.loaded))
    object.__setattr__(one.loaded, "keys", IssuerKeys(one.loaded.keys.by_issuer))
    assert sessions.find(name) is not None, "other files were read, and the key is there"
    object.__setattr__(one.loaded, "keys", IssuerKeys({}))
    assert sessions.find(name) is None


def test_looking_on_is_not_being_there(one: Desk) -> None:
    now = [0.0]
    begun = time.time()
    sessions = Sessions(one, lambda: begun + now[0])
    name, session = sessions.begin(token(one.loaded))
    now[0] = IDLE_SECONDS - 1
    assert sessions.find(name) is session
    now[0] = 2 * IDLE_SECONDS - 2
    assert sessions.alive(session), "a page that is open"
    now[0] = 2 * IDLE_SECONDS
    assert not sessions.alive(session)
    assert sessions.find(name) is None


def test_one_person_has_so_many_sessions_and_all_have_so_many(one: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_sessions, "PERSON_MAX", 3)
    monkeypatch.setattr(console_sessions, "SESSIONS_MAX", 5)
    sessions = Sessions(one)
    names = [sessions.begin(token(one.loaded))[0] for _ in range(5)]
    assert [sessions.find(name) is None for name in names] == [True, True, False, False, False]
    others = [sessions.begin(token(one.loaded, f"u{number}"))[0] for number in range(4)]
    assert (len(sessions), sessions.find(names[-1]) is None) == (5, False)
    assert all(sessions.find(name) for name in others)


def test_agents_and_expired_tokens_sign_nobody_in(one: Desk) -> None:
    sessions = Sessions(one)
    for given in (token(one.loaded, actors=("bot",)), token(one.loaded, life=-10), token(one.loaded, life=-40), "x"):
        with pytest.raises(Turned):
            sessions.begin(given)
    assert len(sessions) == 0
