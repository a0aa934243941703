"""What was given with a decision is taken back, on record, by those who may."""

from pathlib import Path

import pytest

from tests.workers.test_held_desk import house
from tests.workers.test_ticket_desk import asks, line

pytestmark = pytest.mark.trio


async def test_a_ticket_that_was_approved_and_not_used_is_taken_back_once(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await line(at)
        await one.ticket(asks("h1"))
        assert await at.status(at.held.revoke, at.call()) == 409, "it waits: it is denied, or its time ends it"
        await at.approve()
        assert await at.status(at.held.revoke, at.call(user="eve", groups=("nobody",))) == 404
        assert await at.status(at.held.revoke, at.call(user="dave", groups=("devs",))) == 200
        assert await at.status(at.held.revoke, at.call()) == 409
        assert (await at.kept("h1")).state == "withdrawn"
        assert (await one.ticket(asks("h2"))).state == "pending"
        assert at.told() == ["statement approved", "approval revoked"]


async def test_what_is_used_is_not_taken_back(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        one = await line(at)
        await one.ticket(asks("h1"))
        await at.approve()
        assert (await one.ticket(asks("h2"))).state == "approved"
        assert await at.status(at.held.revoke, at.call()) == 409
