"""Who waits for a key that its issuer may just have published, and for how long; with a clock that waits for nobody."""

import pytest
import trio
import trio.testing

from workers.missing_keys import (
    ASK_SECONDS,
    PATIENCE_SECONDS,
    UNKNOWN_MAX,
    UNKNOWN_SECONDS,
    WAITING_MAX,
    MissingKeys,
)

pytestmark = pytest.mark.trio


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    return trio.testing.MockClock(autojump_threshold=0)


async def waited(missing: MissingKeys, issuer: str, kid: str) -> float:
    began = trio.current_time()
    await missing.wait(issuer, kid)
    return trio.current_time() - began


async def test_one_asks_and_all_wait_until_keys_come(autojump_clock: trio.testing.MockClock) -> None:
    asked: list[str] = []
    missing = MissingKeys(asked.append)
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(missing.wait, "idp", f"k{number}")
        await trio.sleep(1)
        missing.moved()
    assert trio.current_time() - 1 < 0.01
    assert asked == ["idp"]


async def test_nobody_waits_longer_than_patience_allows_and_an_issuer_is_asked_once_a_minute(
    autojump_clock: trio.testing.MockClock,
) -> None:
    asked: list[str] = []
    missing = MissingKeys(asked.append)
    assert await waited(missing, "idp", "a") == pytest.approx(PATIENCE_SECONDS)
    assert await waited(missing, "idp", "b") == 0
    assert await waited(missing, "other", "a") == pytest.approx(PATIENCE_SECONDS)
    await trio.sleep(ASK_SECONDS)
    assert await waited(missing, "idp", "a") == pytest.approx(PATIENCE_SECONDS)
    assert asked == ["idp", "other", "idp"]


async def test_a_key_that_did_not_come_is_not_waited_for_until_keys_move(autojump_clock: trio.testing.MockClock) -> None:
    asked: list[str] = []
    missing = MissingKeys(asked.append)
    missing.did_not_come("idp", "a")
    await trio.sleep(UNKNOWN_SECONDS - 1)
    assert await waited(missing, "idp", "a") == 0
    assert asked == []
    missing.moved()
    assert await waited(missing, "idp", "a") == pytest.approx(PATIENCE_SECONDS)


async def test_once_the_answer_has_come_nobody_waits_for_another(autojump_clock: trio.testing.MockClock) -> None:
    missing = MissingKeys(lambda _: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(missing.wait, "idp", "a")
        await trio.testing.wait_all_tasks_blocked()
        missing.moved()
    assert await waited(missing, "idp", "b") == 0


async def test_what_is_remembered_and_who_waits_has_an_end(autojump_clock: trio.testing.MockClock) -> None:
    missing = MissingKeys(lambda _: None)
    for number in range(UNKNOWN_MAX + 1):
        missing.did_not_come("idp", str(number))
    assert len(missing._unknown) == UNKNOWN_MAX
    async with trio.open_nursery() as nursery:
        for number in range(WAITING_MAX):
            nursery.start_soon(missing.wait, "idp", f"w{number}")
        await trio.testing.wait_all_tasks_blocked()
        assert await waited(missing, "idp", "one more") == 0
