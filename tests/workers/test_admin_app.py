"""The interface as an application: what a request may be, and what becomes of errors."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from tests.workers.admin_rig import desk, load, tending, token
from workers import admin_app
from workers.admin_app import application
from workers.admin_calls import Call, Operation
from workers.admin_strangers import Strangers

pytestmark = pytest.mark.trio
SECRET = "hunter2"


async def echo(call: Call) -> dict[str, Any]:
    return {"bytes": len(call.body), "user": call.who.user, "path": dict(call.path), "address": call.address}


async def breaks(call: Call) -> None:
    raise ValueError(f"it quotes {SECRET}")


Sent = tuple[str, str, Any, str | None]


async def requests(folder: Path, *sent: Sent) -> tuple[list[httpx2.Response], list[dict[str, Any]]]:
    loaded = load(folder)
    with desk(loaded) as (one, supervisor):
        strangers = Strangers(one)
        operations = [Operation("POST", "/v1/echo/{id}", echo), Operation("POST", "/v1/breaks", breaks)]
        app = application(one, operations, strangers)
        answers = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tending, one, supervisor)
            nursery.start_soon(strangers.tell)
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://x") as client:
                for method, path, content, given in sent:
                    given = token(loaded) if given is None else given
                    headers = {"Authorization": f"Bearer {given}"}
                    answers.append(await client.request(method, path, content=content, headers=headers))
            await trio.testing.wait_all_tasks_blocked(0.05)
            nursery.cancel_scope.cancel()
        return answers, [told.data for told in supervisor.told]


async def test_an_answer_is_json_that_nobody_keeps(tmp_path: Path) -> None:
    (answer,), _ = await requests(tmp_path, ("POST", "/v1/echo/7", b"x" * 16384, None))
    assert answer.json()["bytes"] == 16384
    assert (answer.json()["user"], answer.json()["path"]) == ("dora", {"id": "7"})
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


async def test_what_is_no_request_of_the_interface_is_said_in_json(tmp_path: Path) -> None:
    answers, _ = await requests(tmp_path, ("GET", "/v1/echo/1", None, None), ("POST", "/nowhere", None, None))
    assert [answer.status_code for answer in answers] == [405, 404]
    assert all(answer.json()["error"] for answer in answers)


async def test_an_unexpected_error_quotes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (answer,), _ = await requests(tmp_path, ("POST", "/v1/breaks", b"", None))
    assert (answer.status_code, answer.json()["error"]) == (500, "internal error")
    assert SECRET not in caplog.text
    assert "ValueError in breaks" in caplog.text


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_app, "BODY_SECONDS", 0.05)

    loaded = load(tmp_path)
    with desk(loaded) as (one, _):
        app = application(one, [Operation("POST", "/v1/echo/{id}", echo)], Strangers(one))
        said: list[dict[str, Any]] = []
        first = True

        async def receive() -> dict[str, Any]:
            nonlocal first
            if first:
                first = False
                return {"type": "http.request", "body": b"{", "more_body": True}
            await trio.sleep_forever()
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        headers = [(b"authorization", b"Bearer " + token(loaded).encode())]
        scope = {"type": "http", "method": "POST", "path": "/v1/echo/1", "raw_path": b"/v1/echo/1", "query_string": b"",
                 "headers": headers, "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 1), "scheme": "http",
                 "http_version": "1.1", "root_path": ""}  # fmt: skip
        with trio.fail_after(5):
            await app(scope, receive, send)
        assert said[0]["status"] == 408
