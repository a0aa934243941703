"""Which desk answers for which request, and the list of both."""

from http import HTTPStatus
from typing import Any, cast

import pytest

from workers.admin_access import AccessDesk
from workers.admin_approvals import Approvals
from workers.admin_calls import Call, Turned
from workers.held_desk import HeldDesk

pytestmark = pytest.mark.trio


class One:
    """A desk that says what it was asked."""

    def __init__(self, name: str, *since: float) -> None:
        self.name, self.since = name, since

    def __getattr__(self, verb: str) -> Any:
        async def answer(call: Call) -> tuple[str, str]:
            return self.name, verb

        return answer

    def found(self) -> list[dict[str, Any]]:
        return [{"id": f"{self.name}{since:g}", "since": since} for since in self.since]


class Access(One):
    async def list(self, call: Call) -> dict[str, Any]:
        return {"approvals": self.found()}


class Statements(One):
    async def list(self, call: Call) -> list[dict[str, Any]]:
        return self.found()


def call(request: str) -> Call:
    return Call(cast("Any", None), cast("Any", None), cast("Any", None), "", path={"id": request}, now=0.0)


def both() -> Approvals:
    return Approvals(cast("AccessDesk", Access("a", 1, 3, 3)), cast("HeldDesk", Statements("h", 2, 3)))


async def test_a_request_is_answered_by_the_desk_that_its_id_names() -> None:
    verbs = {operation.path.rpartition("/")[2]: operation.handler for operation in both().all() if "{id}" in operation.path}
    assert set(verbs) == {"{id}", "approve", "deny", "revoke", "review"}
    for verb, handler in verbs.items():
        asked = "show" if verb == "{id}" else verb
        assert await handler(call("a-12")) == ("a", asked)
        if asked != "review":
            assert await handler(call("h12")) == ("h", asked)
        else:
            with pytest.raises(Turned, match="is not reviewed") as turned:
                await handler(call("h12"))
            assert turned.value.status == HTTPStatus.CONFLICT


async def test_the_list_has_both_kinds_the_newest_first() -> None:
    listed = await both().list(call(""))
    assert [one["id"] for one in listed["approvals"]] == ["a3", "a3", "h3", "h2", "a1"]


async def test_access_alone_is_asked_for() -> None:
    (ask,) = [one.handler for one in both().all() if one.method == "POST" and one.path == "/v1/approvals"]
    assert await ask(call("")) == ("a", "ask")
