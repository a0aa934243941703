"""The console in a real browser: psql waits, a page shows it without being asked, keys decide."""

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.browser.chromium import PROGRAM, Browser, Tab, driving, launched
from tests.live.rig import Gateway, Postgres, serving, standard_entries, start_postgres, toml, wait_for
from tests.workers.issuer_rig import provider
from tests.workers.oauth_rig import CLIENT, SignIns

pytestmark = [pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed"), pytest.mark.trio]
PICTURES = os.environ.get("SLUICE_PICTURES", "")  # a folder, for whoever wants to look at the pages
EVIL = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
POLICY = """
[[grant]]
name = "owners"
groups = ["owners"]
databases = ["dev"]
allow = ["all"]
unmask = ["*"]
[[grant]]
name = "their agents"
groups = ["owners"]
actors = ["*"]
databases = ["dev"]
allow = ["all"]
unmask = ["*"]
[[guardrail]]
name = "refunds wait"
effect = "hold"
statements = ["UPDATE"]
message = "The shop looks at it first."
[[approval]]
name = "the shop"
approvers = { groups = ["shop"] }
wait_seconds = 240
[[approval]]
name = "payments"
actors = ["pay-agent"]
approvers = { groups = ["shop"] }
wait_seconds = 240
step_up = { max_age_seconds = 300, amr = ["mfa"] }
[[access]]
name = "on request"
groups = ["devs"]
databases = ["dev"]
allow = ["read"]
unmask = ["email"]
approvers = { groups = ["shop"] }
"""
UPDATE = "update orders\n   set total = 0\n where customer_id = 2 and total > 50\nreturning customer_id"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = start_postgres("18")
    yield server
    server.stop()


class Company(SignIns):
    """Its people have signed in this morning; whoever is asked to sign in anew does so, with a second factor."""

    def granted(self, nonce: dict[str, str]) -> dict[str, Any]:
        anew = "max_age" in self.idp.asked[-2][3]
        said = {"amr": ["mfa"], "auth_time": int(time.time())} if anew else {"auth_time": int(time.time()) - 7200}
        id_token = self.idp.token("bo", aud=CLIENT, **said, **nonce)
        return super().granted(nonce) | {"access_token": self.idp.token("bo", groups=["shop"]), "id_token": id_token}


@pytest.fixture(scope="module")
def gateway(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with provider(tmp_path_factory.mktemp("company")) as idp:
        Company(idp)
        made = Gateway(standard_entries(postgres), POLICY, workers=1)
        made.config.write_text(made.config.read_text() + toml({"issuer": [idp.entry("company", console_client_id=CLIENT)]}))
        for gateway in serving(made):
            wait_for("the console", partial(_answers, gateway.admin_port))
            yield gateway


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with launched(tmp_path_factory.mktemp("profile")) as address:
        yield address


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def psql(gateway: Gateway, postgres: Postgres) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start(sql: str, *before: str, actor: str = "", application: str = "psql") -> subprocess.Popen[str]:
        texts = [argument for text in (*before, sql) for argument in ("-c", text)]
        made = subprocess.Popen(
            [postgres.program("psql"), gateway.dsn("dev", "ada", ("owners",), actor), "-X", "-A", "-t", *texts],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PGAPPNAME": application},
        )  # fmt: skip
        started.append(made)
        return made

    yield start
    for one in started:
        if one.poll() is None:
            one.terminate()
        one.communicate(timeout=20)


async def sign_in(browser: Browser, gateway: Gateway, user: str = "bo", groups: tuple[str, ...] = ("shop",)) -> Tab:
    tab = await browser.tab()
    await tab.open(f"http://127.0.0.1:{gateway.admin_port}/")
    await tab.shows("Sign in with company")
    await tab.value("document.querySelector('details.token').open = true, document.getElementById('token').focus()")
    await tab.type(gateway.token(user, groups))
    await tab.key("Enter")
    await tab.until("!!document.querySelector('#live.on')")
    return tab


async def ended(one: subprocess.Popen[str]) -> tuple[str, str]:
    return await trio.to_thread.run_sync(lambda: one.communicate(timeout=20))


def ask_for_access(gateway: Gateway) -> None:
    """As `sluice request` does it."""
    body = {"database": "dev", "reason": "T-99: look into an order", "unmask": ["email"], "seconds": 7200}
    headers = {"Authorization": f"Bearer {gateway.token('dev1', ('devs',))}"}
    url = f"http://127.0.0.1:{gateway.admin_port}/v1/approvals"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=10) as answer:
        assert answer.status == 200


async def open_row(tab: Tab) -> None:
    await tab.until("!!document.querySelector('#waiting [data-row^=h]')")
    await tab.key("j")
    await tab.key("Enter")
    await tab.shows("left to decide")


async def looks_good(tab: Tab, name: str) -> None:
    """It fits, wide and narrow, in light and dark; and may be looked at."""
    shapes = ((1200, 780, False), (375, 740, True), (1200, 780, True), (375, 740, False))
    for width, height, dark in shapes if PICTURES else shapes[:2]:
        await tab.shape(width, height, dark)
        needs, has = await tab.value("[document.documentElement.scrollWidth, innerWidth]")
        assert needs <= has, f"{name} needs {needs} of {has} pixels"
        low = await tab.value(CONTRAST)
        assert low == [], f"{name}, {'dark' if dark else 'light'}: text that is hard to read"
        if PICTURES:
            await tab.picture(Path(PICTURES) / f"{name}-{width}-{'dark' if dark else 'light'}.png")
    await tab.shape(1200, 780)


# Texts whose contrast is below WCAG's 4.5 (AA), against the nearest background that is not transparent.
CONTRAST = """(() => {
  const channels = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
  const behind = (at) => {
    for (; at; at = at.parentElement) {
      const found = channels(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > .9) return found;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const one of document.querySelectorAll("main *, header *")) {
    const own = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !one.checkVisibility() || one.tagName === "KBD") continue;
    const [a, b] = [light(channels(getComputedStyle(one).color)), light(behind(one))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) low.push(`${one.tagName}.${one.className} ${one.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return low;
})()"""


async def test_psql_waits_a_page_shows_it_unasked_and_two_keys_let_it_run(
    gateway: Gateway, psql: Start, chromium: str
) -> None:
    async with driving(chromium) as browser:
        tab = await sign_in(browser, gateway)
        await tab.shows("Nothing waits.")
        second = await browser.beside(tab)
        await second.open(f"http://127.0.0.1:{gateway.admin_port}/")
        waits = psql(UPDATE, "set sluice.reason = 'ticket=T-4711 refund what the carrier has lost'", actor="reports-agent")
        await tab.shows("reports-agent acts for ada")
        ask_for_access(gateway)
        await tab.shows("email in clear, for 2 h")
        await tab.key("j")
        await looks_good(tab, "queue")
        await tab.key("Enter")
        await tab.shows("left to decide")
        shown = await tab.text()
        assert "set total = 0\n where customer_id = 2 and total > 50" in shown
        assert "T-4711: refund what the carrier has lost" in shown
        await looks_good(tab, "request")
        await tab.key("j")
        await tab.shows("What is asked for")
        await tab.key("k")
        await tab.shows("Approved, it runs once, exactly as it stands here.")
        await tab.key("?")
        assert await tab.value("document.getElementById('keys').open")
        await tab.key("Escape")
        await tab.key("d")
        await tab.type("wait")
        await tab.key("Escape")
        assert waits.poll() is None, "nothing is decided by half"
        await second.open(str(await tab.value("location.href")))
        await tab.key("a")
        await tab.key("Enter")
        output, errors = await ended(waits)
        assert (output.splitlines()[:2], errors.count("held by guardrail")) == (["SET", "2"], 1)
        await tab.shows("approved, has run")
        await second.shows("approved, has run")
        await second.key("q")
        await second.shows("by bo (local)")
        await looks_good(second, "decided")
        await second.key("j")
        await second.key("Enter")
        await second.shows("What is asked for")
        await second.key("d")
        await second.type("ask again with a ticket")
        await second.key("Enter")
        await second.shows("denied")
        assert (tab.complaints, second.complaints) == ([], [])


async def test_a_denial_is_read_by_psql_and_who_asked_decides_nothing(gateway: Gateway, psql: Start, chromium: str) -> None:
    async with driving(chromium) as browser:
        waits = psql("update orders set total = 1 where id = 1")
        own = await sign_in(browser, gateway, "ada", ("owners", "shop"))
        await open_row(own)
        await own.key("a")
        await own.key("Enter")
        await own.shows("You do not decide this: nobody decides about what he, or an agent of his, has asked for.")
        assert "total = 1" not in await own.text()
        await looks_good(own, "own")
        tab = await sign_in(browser, gateway)
        await open_row(tab)
        await tab.key("d")
        await tab.key("Enter")  # a denial says why
        await tab.type("not without the customer's word")
        await looks_good(tab, "denying")
        await tab.key("Enter")
        _, errors = await ended(waits)
        assert "was denied by bo (local): not without the customer's word" in errors
        await own.shows("not without the customer's word")
        assert own.complaints == tab.complaints == []


async def test_what_a_client_says_runs_on_no_page(gateway: Gateway, psql: Start, chromium: str) -> None:
    quoted = EVIL.replace("'", "''")
    async with driving(chromium) as browser:
        tab = await sign_in(browser, gateway)
        waits = psql(
            f"update orders set total = 1 where id = 1 and '{quoted}' <> '' /* {EVIL} */",
            f"set sluice.reason = 'ticket=<b>T</b> {quoted}'", actor=EVIL, application=EVIL,
        )  # fmt: skip
        await open_row(tab)
        await tab.shows(EVIL)
        await tab.key("d")
        await tab.type(EVIL)
        await tab.key("Enter")
        await ended(waits)
        await tab.shows("denied")
        await tab.key("q")
        await tab.shows(f"by bo (local): {EVIL}")
        assert await tab.value("document.title") == "Approvals · Sluice", "and nobody's else"
        assert await tab.value("document.querySelectorAll('main img, main script, main b').length") == 0
        assert tab.complaints == [], "nothing was even stopped: there was nothing to stop"


async def test_a_rule_that_wants_a_fresh_sign_in_gets_one_and_comes_back_to_the_decision(
    gateway: Gateway, psql: Start, chromium: str
) -> None:
    async with driving(chromium) as browser:
        waits = psql("update orders set total = 4 where id = 4", actor="pay-agent")
        tab = await browser.tab()
        await tab.open(f"http://127.0.0.1:{gateway.admin_port}/")
        await tab.value("document.querySelector('a.go').click()")
        await open_row(tab)
        await tab.shows("Sign in again to decide.")
        await looks_good(tab, "step-up")
        await tab.key("a")
        await tab.key("Enter")
        await tab.shows("Approved, it runs once, exactly as it stands here.")
        await tab.key("a")
        await tab.key("Enter")
        output, _ = await ended(waits)
        assert output == "UPDATE 1\n"
        assert tab.complaints == []


async def test_a_page_of_another_site_decides_nothing_and_shows_nothing(
    gateway: Gateway, psql: Start, chromium: str, tmp_path: Path
) -> None:
    async with driving(chromium) as browser:
        tab = await sign_in(browser, gateway)
        waits = psql("update orders set total = 3 where id = 3")
        await open_row(tab)
        target, csrf = await tab.value("[location.href, document.querySelector('[name=csrf]').value]")
        (tmp_path / "evil.html").write_text(
            f"<title>evil</title><form id=f method=post action='{target}/approve'><input name=csrf value='{csrf}'></form>"
            f"<iframe id=i src='{target}'></iframe>"
        )
        evil = await browser.beside(tab)
        await evil.open((tmp_path / "evil.html").as_uri())
        await evil.value("document.getElementById('f').submit()")
        await evil.shows("Another site has sent this.")
        assert waits.poll() is None
        assert any("frame-ancestors" in one for one in evil.complaints)


async def test_signing_out_ends_every_tab(gateway: Gateway, chromium: str) -> None:
    async with driving(chromium) as browser:
        tab = await sign_in(browser, gateway)
        other = await browser.beside(tab)
        await other.open(f"http://127.0.0.1:{gateway.admin_port}/")
        await other.shows("Waiting for people")
        await tab.value("document.querySelector('.bar form button').click()")
        for each in (tab, other):
            await each.shows("or with a token")
        await looks_good(tab, "signed-out")
        await tab.value("document.querySelector('details.token').open = true, document.getElementById('token').focus()")
        await tab.type("eyJ.no.token")
        await tab.key("Enter")
        await tab.shows("that is not a readable token")
        assert tab.complaints == []

