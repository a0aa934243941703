"""What is sent to others, and how they can misbehave."""

import email.utils
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workers.issuer_rig import as_json
from tests.workers.vendor_rig import Vendor, closing, status, vendor
from workers import http_out
from workers.channel_http import AFTER_SECONDS_MAX, Out
from workers.channels import NotTold

pytestmark = pytest.mark.trio


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with vendor(tmp_path_factory.mktemp("house")) as made:
        yield made


def out(house: Vendor) -> Out:
    return Out(str(house.ca_file))


async def test_it_posts_what_it_is_given_over_tls_that_is_verified(house: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    house.routes["/x"] = lambda asked: as_json({"got": asked.body.decode(), "by": asked.headers["x-me"]})
    answer = await out(house).post(f"{house.url}/x", b"{}", {"Content-Type": "application/json", "X-Me": "me"})
    assert answer.good(200).object() == {"got": "{}", "by": "me"}
    with pytest.raises(NotTold, match="certificate verify failed") as caught:
        await Out().post(f"{house.url}/x", b"{}", {})
    assert caught.value.again


@pytest.mark.parametrize(
    ("answer", "again", "after"),
    [
        (status(429, retry_after="7"), True, 7.0),
        (status(429, retry_after="999999"), True, AFTER_SECONDS_MAX),
        (status(429, retry_after="soon"), True, None),
        (status(503, retry_after="0"), True, 0.0),
        (status(500), True, None),
        (status(404), False, None),
        (status(400), False, None),
    ],
)
async def test_an_answer_says_whether_to_try_again(house: Vendor, answer: Any, again: bool, after: float | None) -> None:
    house.next["/s"].append(answer)
    with pytest.raises(NotTold, match="answers with status") as caught:
        (await out(house).post(f"{house.url}/s?secret=abc", b"", {})).good(200)
    assert (caught.value.again, caught.value.after) == (again, after)
    assert "abc" not in str(caught.value)


async def test_a_date_to_try_again_is_understood(house: Vendor) -> None:
    house.next["/s"].append(status(429, retry_after=email.utils.formatdate(time.time() + 100, usegmt=True)))
    answer = await out(house).post(f"{house.url}/s", b"", {})
    assert answer.after is not None
    assert 90 < answer.after <= 100


async def test_no_answer_and_too_much_of_it_are_told(house: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    house.next["/s"].append(closing)
    with pytest.raises(NotTold, match="disconnected") as caught:
        await out(house).post(f"{house.url}/s?secret=abc", b"", {})
    assert caught.value.again
    assert "abc" not in str(caught.value)
    house.next["/s"].append(lambda asked: (200, {}, b"x" * (http_out.BODY_BYTES_MAX + 1)))
    with pytest.raises(NotTold, match="more than"):
        await out(house).get(f"{house.url}/s", {})
    house.next["/s"].append(status(302, location="https://127.0.0.1:1/"))
    with pytest.raises(NotTold, match="redirect"):
        await out(house).post(f"{house.url}/s", b"", {})
    monkeypatch.setattr(http_out, "SECONDS", 0.2)
    house.next["/s"].append(house.hanging)
    with pytest.raises(NotTold, match="does not answer within"):
        await out(house).post(f"{house.url}/s", b"", {})


async def test_nothing_is_sent_in_clear_and_a_port_where_nobody_listens_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotTold, match="not https"):
        await Out().post("http://hooks.example.com/", b"", {})
    with pytest.raises(NotTold, match="refused"):
        await Out().post("http://127.0.0.1:1/", b"", {})
    with pytest.raises(NotTold, match="No such file"):
        await Out(str(tmp_path / "none.pem")).post("https://127.0.0.1:1/", b"", {})


async def test_a_body_that_is_no_object_is_told(house: Vendor) -> None:
    house.next["/s"] += [lambda asked: (200, {}, b"[]"), lambda asked: (200, {}, b"<html>")]
    for _ in range(2):
        with pytest.raises(NotTold, match="JSON object"):
            (await out(house).get(f"{house.url}/s", {})).object()
