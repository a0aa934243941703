"""Asking an issuer about tokens that only it can read: the service and the worker's side of it, with a real issuer."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.live.rig import toml
from tests.workers.issuer_rig import Provider, as_json, basic, provider
from workers import configuration, introspection_link, introspector
from workers.admin_process import Desk
from workers.control import pair
from workers.init import init
from workers.introspection_link import NotAsked, ask

pytestmark = pytest.mark.trio
ACTIVE = {"active": True, "sub": "ada", "aud": "sluice", "client_id": "app", "exp": 4_000_000_000}


@pytest.fixture
def idp(tmp_path: Path) -> Iterator[Provider]:
    with provider(tmp_path / "idp") as made:
        yield made


@pytest.fixture
def answers(idp: Provider) -> dict[str, Any]:
    """What the issuer says of which token; of others that they are none."""
    known: dict[str, Any] = {"good": ACTIVE}

    def introspect(method: str, headers: dict[str, str], form: dict[str, str]) -> Any:
        if headers.get("authorization") != basic("gateway", "the-secret"):
            return as_json({"error": "invalid_client"}, 401)
        return as_json(known.get(form["token"], {"active": False}))

    idp.routes["/introspect"] = introspect
    return known


@asynccontextmanager
async def serving(folder: Path, idp: Provider) -> AsyncIterator[Path]:
    """The service; the run folder."""
    init(folder)
    (folder / "client.secret").write_text("the-secret\n")
    (folder / "client.secret").chmod(0o600)
    asked = {"introspection": f"{idp.url}/introspect", "client_id": "gateway", "client_secret_file": "client.secret"}
    entry = {"name": "idp", "issuer": idp.url, "audience": "sluice", "ca_file": str(idp.ca_file)} | asked
    with (folder / "sluice.toml").open("a") as file:
        file.write("\n" + toml({"issuer": [entry]}))
    loaded = configuration.load(folder / "sluice.toml", {})
    assert "the-secret" not in repr(loaded)
    ours, theirs = pair()
    with ours, theirs:
        async with trio.open_nursery() as nursery:
            await nursery.start(introspector.serve, Desk(theirs, loaded, {}))
            yield loaded.run_dir
            nursery.cancel_scope.cancel()


async def test_the_issuer_is_asked_by_whom_it_knows(tmp_path: Path, idp: Provider, answers: dict[str, Any]) -> None:
    async with serving(tmp_path, idp) as run_dir:
        assert await ask(run_dir, "good") == ACTIVE
        assert await ask(run_dir, "bad") == {"active": False}
    ((method, _, _, form), _) = idp.asked
    assert (method, form) == ("POST", {"token": "good", "token_type_hint": "access_token"})


async def test_what_was_no_token_is_not_asked_about_again(tmp_path: Path, idp: Provider, answers: dict[str, Any]) -> None:
    async with serving(tmp_path, idp) as run_dir:
        for _ in range(3):
            assert await ask(run_dir, "bad") == {"active": False}
        assert idp.count("/introspect") == 1
        for _ in range(2):
            await ask(run_dir, "good")
        assert idp.count("/introspect") == 3


async def test_only_so_many_are_asked_about(
    tmp_path: Path, idp: Provider, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspector, "MINUTE_MAX", 3)
    async with serving(tmp_path, idp) as run_dir:
        told = []
        async with trio.open_nursery() as nursery:

            async def one(token: str) -> None:
                try:
                    told.append((await ask(run_dir, token))["active"])
                except NotAsked as error:
                    told.append(str(error))

            for number in range(10):
                nursery.start_soon(one, f"garbage-{number}")
    assert sorted(map(str, told)) == ["False"] * 3 + ["too many tokens to ask about"] * 7
    assert idp.count("/introspect") == 3


@pytest.mark.parametrize(
    "answer", [(500, {}, b""), as_json([]), (200, {}, b"nonsense"), as_json({"error": "invalid_client"}, 401)]
)
async def test_an_issuer_that_cannot_say_lets_nobody_in(tmp_path: Path, idp: Provider, answer: Any) -> None:
    idp.routes["/introspect"] = lambda *_: answer
    async with serving(tmp_path, idp) as run_dir:
        with pytest.raises(NotAsked, match="cannot be reached"):
            await ask(run_dir, "good")


async def test_a_question_that_is_too_long_is_not_passed_on(tmp_path: Path, idp: Provider, answers: Any) -> None:
    async with serving(tmp_path, idp) as run_dir:
        with pytest.raises(NotAsked):
            await ask(run_dir, "x" * (introspection_link.TOKEN_BYTES_MAX + 1))
    assert not idp.asked


async def test_without_such_an_issuer_there_is_no_service(tmp_path: Path) -> None:
    init(tmp_path)
    loaded = configuration.load(tmp_path / "sluice.toml", {})
    ours, theirs = pair()
    with ours, theirs:
        async with trio.open_nursery() as nursery:
            await nursery.start(introspector.serve, Desk(theirs, loaded, {}))
    with pytest.raises(NotAsked, match="just now"):
        await ask(tmp_path, "good")
