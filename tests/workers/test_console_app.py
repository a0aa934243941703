"""The console over HTTP: what its pages do for people, and what other people's pages cannot make it do."""

import random
import time
from functools import partial
from pathlib import Path

import httpx2
import pytest
import trio

from gateway.approvals.one_time import Links
from gateway.approvals.outcomes import Changed, Preview
from gateway.identity.barred import Bar
from tests.workers.console_rig import SITE, Browser, Read, site
from tests.workers.desk_rig import waits
from workers import admin_post, console_sessions
from workers.holds_link import Decided, Previewed

pytestmark = pytest.mark.trio
HEADERS = {
    "cache-control": "no-store", "cross-origin-opener-policy": "same-origin", "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff", "x-frame-options": "DENY", "cross-origin-resource-policy": "same-origin",
}  # fmt: skip
POLICY = (
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "form-action 'self'",
    "frame-ancestors 'none'", "base-uri 'none'",
)  # fmt: skip
EVIL = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\"'><a href='javascript:alert(3)'>{{7*7}}"


async def test_an_approver_sees_what_waits_and_lets_it_run(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        worker = await at.at.worker(waits(reason="a refund", actors=("bot", "helper")))
        browser = await at.signed_in()
        queue = await browser.get("/")
        page = Read(queue.text)
        assert (queue.status_code, "UPDATE on t" in page.text, "T-1: a refund" in page.text) == (200, True, True)
        assert "bot acts for helper, which acts for dave" in page.text
        assert "4711" not in queue.text
        shown = await browser.get("/approvals/h1")
        assert "geheim-4711" in Read(shown.text).text
        assert "show statement" in str(at.at.supervisor.told), "that the values were shown is on record"
        answer = await browser.post("/approvals/h1/approve", {"reason": "seen"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/approvals/h1")
        assert await worker.hears() == Decided("h1", True, "bo (local)")
        again = await browser.post("/approvals/h1/approve")
        assert (again.status_code, "it is approved already" in again.text) == (409, True)
        assert "bo (local)" in (await browser.get("/")).text


async def test_what_is_alike_is_decided_with_one_word(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        worker = await at.at.worker(waits("h1"), waits("h2"), waits("h3", "two"))
        browser = await at.signed_in()
        assert "2 alike" in (await browser.get("/")).text
        shown = Read((await browser.get("/approvals/h1")).text)
        assert "and the 1 like it" in shown.text
        assert (await browser.post("/approvals/h1/approve", {"alike": shown.fields["alike"]})).status_code == 303
        assert {(await worker.hears()).id, (await worker.hears()).id} == {"h1", "h2"}
        assert (await at.at.kept("h3")).state == "pending"


async def test_a_page_is_told_when_it_is_known_what_a_statement_would_change(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        worker = await at.at.worker(waits(previews=True))
        browser, own = await at.signed_in(), await at.signed_in("dave", ("devs",))
        before = await browser.get("/approvals/h1")
        assert "It is being tried" in before.text
        moved = at.watch.event
        await worker.say(Previewed("h1", Preview("", "UPDATE", 3, (Changed("public.t", updated=3),))))
        with trio.fail_after(5):
            await moved.wait()
        after = await browser.get("/approvals/h1")
        assert "UPDATE 3" in after.text
        assert mark_of(before) != mark_of(after), "so that a page that is open asks again"
        assert "What it would change" not in (await own.get("/approvals/h1")).text


def mark_of(answer: httpx2.Response) -> str:
    return answer.text.partition('data-mark="')[2].partition('"')[0]


async def test_a_denial_is_read_in_its_words_and_who_asked_is_told_why_he_does_not_decide(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        worker = await at.at.worker(waits())
        dave = await at.signed_in("dave", ("shop",))
        own = await dave.get("/approvals/h1")
        assert "nobody decides about what he, or an agent of his, has asked for" in own.text
        assert "geheim" not in own.text
        assert Read(own.text).fields.keys() == {"csrf"}, "nothing to press"
        refused = await dave.post("/approvals/h1/approve")
        assert (refused.status_code, "Nothing was done: nobody decides" in refused.text) == (403, True)
        stranger = await at.signed_in("eve", ("others",))
        assert (await stranger.get("/approvals/h1")).status_code == 404
        assert (await stranger.post("/approvals/h1/deny")).status_code == 404
        bo = await at.signed_in()
        assert (await bo.post("/approvals/h1/deny", {"reason": "not this one"})).status_code == 303
        assert await worker.hears() == Decided("h1", False, "bo (local)", "not this one")


async def test_what_another_page_sends_decides_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        await at.at.worker(waits())
        browser, other = await at.signed_in(), await at.signed_in()
        own = {"origin": SITE, "sec-fetch-site": "same-origin"}
        for form, headers in (
            ({"csrf": ""}, own),
            ({"csrf": "x" * 43}, own),
            ({"csrf": other.csrf}, own),
            ({"csrf": browser.csrf + "x"}, own),
            ({}, {"origin": "https://evil.example.com"}),
            ({}, {"origin": "https://evil.example.com", "sec-fetch-site": "cross-site"}),
            ({}, {"origin": "http://127.0.0.1:3000", "sec-fetch-site": "same-site"}),
            ({}, {"origin": SITE, "sec-fetch-site": "cross-site"}),
            ({}, {"origin": "null"}),
            ({}, {"origin": "null", "sec-fetch-site": "none"}),
            ({}, {}),
        ):
            answer = await browser.post("/approvals/h1/approve", form, headers)
            assert answer.status_code == 403, (form, headers)
        for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
            answer = await browser.send(method, "/approvals/h1/approve", None, own)
            assert answer.status_code in (404, 405), method
        json = await browser.client.request("POST", "/approvals/h1/approve", json={"csrf": browser.csrf}, headers=own)
        assert json.status_code == 415
        assert (await at.at.kept("h1")).state == "pending"
        assert not [one for one in at.at.told() if "approved" in one]
        assert (await browser.post("/approvals/h1/approve", {}, {"origin": SITE})).status_code == 303, "older browsers"


async def test_other_names_are_not_answered(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        browser = await at.signed_in()
        for host in ("evil.example.com", "evil.example.com:6480", "127.0.0.1.evil.example.com", "127.0.0.1@evil", "", "[::"):
            for method, path in (("GET", "/"), ("POST", "/approvals/h1/approve"), ("GET", "/live"), ("POST", "/sign-in")):
                answer = await browser.send(method, path, {} if method == "POST" else None, {"host": host})
                assert (answer.status_code, "set-cookie" in answer.headers) == (421, False), host
        for host in ("localhost:9000", "127.0.0.1:6480", "[::1]:6480"):
            assert (await browser.get("/", host=host)).status_code == 200, "a tunnel of this machine"
        at.configure(console_url="https://sluice.example.com")
        public = at.browser("https://sluice.example.com")
        assert (await public.sign_in(at.token())).status_code == 303
        assert list(public.cookies) == ["__Host-sluice"]
        answer = await public.get("/")
        assert (answer.status_code, "max-age" in answer.headers["strict-transport-security"]) == (200, True)


async def test_a_session_ends_with_its_token_its_idleness_a_bar_and_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path) as at:
        for end in ("sign out", "token", "idle", "bar"):
            browser = await at.signed_in()
            kept = dict(browser.cookies)
            assert (await browser.get("/")).status_code == 200
            with monkeypatch.context() as patch:
                if end == "sign out":
                    assert (await browser.post("/sign-out")).status_code == 303
                    assert browser.cookies == {}
                elif end == "bar":
                    at.at.desk.bars.move((Bar("user", "bo", by="x", since=0.0),), (), 0.0)
                else:
                    later = {"token": 3601.0, "idle": console_sessions.IDLE_SECONDS + 1}[end]
                    patch.setattr(at.console._sessions, "_clock", partial(_in, later))
                browser.cookies = kept
                for answer in (await browser.get("/"), await browser.post("/approvals/h1/approve")):
                    assert (answer.status_code, "Sign in" in answer.text) == (401, True), end
                assert (await browser.get("/live")).status_code == 401
            assert (await browser.get("/")).status_code == 401, "it does not come back"
        assert (await at.browser().sign_in(at.token())).status_code == 401, "who is barred does not sign in either"


async def test_a_page_that_keeps_itself_up_to_date_keeps_nobody_signed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path) as at:
        browser = await at.signed_in()
        for after, headers, status in (
            (900.0, {}, 200), (2600.0, {"x-sluice-by-itself": "yes"}, 200), (2750.0, {"x-sluice-by-itself": "yes"}, 401),
        ):  # fmt: skip
            with monkeypatch.context() as patch:
                patch.setattr(at.console._sessions, "_clock", partial(_in, after))
                assert (await browser.get("/", **headers)).status_code == status, after


async def test_a_name_that_somebody_else_has_chosen_is_never_a_session(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        browser = at.browser()
        browser.cookies = {"sluice": "chosen-by-somebody-else"}
        assert (await browser.get("/")).status_code == 401
        await browser.sign_in(at.token())
        assert browser.cookies["sluice"] != "chosen-by-somebody-else"
        first = browser.cookies["sluice"]
        await browser.sign_in(at.token())
        assert browser.cookies["sluice"] != first
        browser.cookies["sluice"] = first
        assert (await browser.get("/")).status_code == 401, "the one before has ended"
        good = await at.signed_in()
        name = good.cookies["sluice"]
        both = await at.browser().send("GET", "/", None, {"cookie": f"sluice=other; sluice={name}"})
        assert both.status_code == 401
        with_flags = await at.browser().post("/sign-in", {"token": at.token()})
        assert all(word in with_flags.headers["set-cookie"] for word in ("HttpOnly", "SameSite=Lax", "Path=/"))


async def test_every_answer_says_what_a_page_may_do(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        await at.at.worker(waits())
        browser = await at.signed_in()
        answers = [await browser.get(path) for path in ("/", "/approvals/h1", "/approvals/none", "/sign-in/callback?code=x")]
        answers += [await at.browser().get("/"), await browser.get("/", host="evil.example.com")]
        answers += [await browser.post("/approvals/h1/approve", {"csrf": "x"}), await browser.get("/sign-in/go?issuer=x")]
        for answer in answers:
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS, answer.url
            assert all(each in answer.headers["content-security-policy"].split("; ") for each in POLICY)
            assert "unsafe" not in answer.headers["content-security-policy"]
        files = [link for link in answers[0].text.split('"') if link.startswith("/console/")]
        assert len(files) == 3
        for one in files:
            answer = await browser.get(one)
            assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
            assert (await browser.get(one.replace("/console/", "/console/x"))).status_code == 404


@pytest.mark.parametrize(
    "onward",
    ["https://evil.example.com", "//evil.example.com", "/\\evil.example.com", "/approvals/h1/../../x", "javascript:alert(1)",
     "/approvals/h1\r\nSet-Cookie: a=b", "/sign-out", "/approvals/h1?x=//evil", "\t//evil"],
)  # fmt: skip
async def test_after_a_sign_in_nobody_is_sent_elsewhere(tmp_path: Path, onward: str) -> None:
    async with site(tmp_path) as at:
        answer = await at.browser().post("/sign-in", {"token": at.token(), "next": onward})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_what_a_request_says_is_text_and_never_a_part_of_the_page(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        facts = dict.fromkeys(("user", "account", "application", "database", "environment", "role", "model", "run", "reason",
                               "ticket", "statement", "words", "session"), EVIL)  # fmt: skip
        lists = dict.fromkeys(("actors", "kinds", "tables", "labels", "rules"), (EVIL, EVIL))
        values = b"\0\0\0\1" + len(EVIL).to_bytes(4, "big") + EVIL.encode() + b"\0\0"
        await at.at.worker(waits("h1", **facts, **lists, text=EVIL.encode(), types=b"", values=values))
        browser = await at.signed_in()
        denied = None
        for step in ("open", "refused", "denied"):
            if step == "refused":
                denied = await browser.post("/approvals/h1/approve", {"reason": "a\nb" + EVIL})
                assert denied.status_code == 400
            if step == "denied":
                assert (await browser.post("/approvals/h1/deny", {"reason": EVIL})).status_code == 303
            for answer in filter(None, (await browser.get("/"), await browser.get("/approvals/h1"), denied)):
                page = Read(answer.text)
                assert (page.active, len(page.scripts), "inline" in page.scripts) == ([], 1, False), step
                assert all(link.startswith("/") or link == "#main" for link in page.links)
                assert EVIL in page.text
        signed_out = await at.browser().post("/sign-in", {"token": EVIL, "next": EVIL})
        assert (signed_out.status_code, Read(signed_out.text).active, EVIL in signed_out.text) == (401, [], False)


async def test_only_people_sign_in_and_refusals_are_on_record_in_bulk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_post, "RECORD_SECONDS", 0.1)
    async with site(tmp_path) as at:
        agent = await at.browser().sign_in(at.token(actors=("bot",)))
        assert (agent.status_code, "An agent decides nothing" in agent.text) == (403, True)
        old = at.token(life=-30)
        for given in ("", "x.y.z", old, "x" * 9000, old[:-4] + "AAAA"):
            answer = await at.browser().sign_in(given)
            assert answer.status_code == 401
            assert given == "" or given not in answer.text
        assert at.strangers._count == 6
        at.at.supervisor.records = False
        with trio.fail_after(20):
            assert (await at.browser().sign_in(at.token())).status_code == 503
        assert len(at.console._sessions) == 0


async def test_a_link_of_a_message_shows_the_request_and_decides_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        worker = await at.at.worker(waits(reason="a refund"))
        links = Links(at.at.desk.loaded.secrets.approvals_key)
        until = waits().until
        link = links.make("h1", "bo@example.com", until, "n1")
        for _ in range(3):  # programs look into mail, too
            answer = await at.browser().get(f"/approvals/h1?link={link}")
            assert (answer.status_code, "a refund" in answer.text, "geheim" in answer.text) == (401, True, False)
        other = links.make("h2", "bo@example.com", until, "n2")
        for bad in (other, link[:-3] + "AAA", "x", links.make("h1", "b", 1.0, "n3")):
            answer = await at.browser().get(f"/approvals/h1?link={bad}")
            assert (answer.status_code, "a refund" in answer.text) == (401, False)
        browser = await at.signed_in()
        assert Read((await browser.get(f"/approvals/h1?link={link}")).text).fields["link"] == link
        assert (await browser.post("/approvals/h1/approve", {"link": link})).status_code == 303
        assert (await worker.hears()).approve
        used = await at.browser().get(f"/approvals/h1?link={link}")
        assert (used.status_code, "The link was used already" in used.text, "a refund" in used.text) == (401, True, False)


async def test_mangled_requests_are_refused_and_break_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with site(tmp_path) as at:
        await at.at.worker(waits())
        browser, chance = await at.signed_in(), random.Random(7)
        good = f"csrf={browser.csrf}&reason=seen".encode()
        for _ in range(150):
            body = bytearray(good)
            for _ in range(chance.randrange(1, 4)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            body = bytes(body[: chance.randrange(len(body) + 1)]) if chance.random() < 0.3 else bytes(body)
            path = "/approvals/h9/deny" if b"csrf=" + browser.csrf.encode() in body else "/approvals/h1/deny"
            status = await mangled(browser, path, body)
            assert status in (400, 403, 404, 413), body
        assert await mangled(browser, "/approvals/h1/deny", b"a=" + b"x" * 20_000) == 413
        assert await mangled(browser, "/approvals/h1/deny", b"&".join(b"a=1" for _ in range(100))) == 400
        for path in ("/approvals/%00", "/approvals/" + "x" * 5000, "/approvals/h1/%2e%2e/x", "/console/x/../../sluice.toml"):
            assert (await browser.get(path)).status_code in (401, 404), path
        assert (await at.at.kept("h1")).state == "pending"
        assert "unexpected" not in caplog.text


async def mangled(browser: Browser, path: str, body: bytes) -> int:
    cookie = f"sluice={browser.cookies['sluice']}"
    headers = {"origin": SITE, "content-type": "application/x-www-form-urlencoded", "cookie": cookie}
    answer: httpx2.Response = await browser.client.request("POST", path, content=body, headers=headers)
    return int(answer.status_code)


def _in(seconds: float) -> float:
    return time.time() + seconds
