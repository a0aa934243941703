"""What tests of the console stand on: its application over a desk with statements that wait, and browsers, good and bad."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import trio
import trio.testing

from tests.workers.admin_rig import token
from tests.workers.test_held_desk import House, house
from workers.admin_access import AccessDesk
from workers.admin_app import application
from workers.admin_approvals import Approvals
from workers.admin_server import Server
from workers.admin_strangers import Strangers
from workers.console_app import Console
from workers.console_live import Watch

SITE = "http://127.0.0.1:6480"


class Read(HTMLParser):
    """A page: its text, its forms' fields, and what it could run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.scripts: list[str] = []
        self.active: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        if tag == "input":
            self.fields[found["name"]] = found.get("value", "")
        if tag == "script":
            self.scripts.append(found.get("src", "inline"))
        if tag == "a":
            self.links.append(found["href"])
        self.active += [f"{tag} {name}" for name in found if name.startswith("on") or name in ("style", "srcdoc")]
        if tag in ("iframe", "object", "embed", "base", "style", "img"):
            self.active.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


class Browser:
    """Keeps cookies, and sends with each request what a browser sends."""

    def __init__(self, app: Any, site: str = SITE) -> None:
        self.site = site
        self.cookies: dict[str, str] = {}
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=site)
        self.csrf = ""

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.send("GET", path, None, {"sec-fetch-site": "same-origin"} | headers)

    async def post(
        self, path: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        usual = {"origin": "null", "sec-fetch-site": "same-origin"}
        return await self.send("POST", path, {"csrf": self.csrf} | (form or {}), usual if headers is None else headers)

    async def send(self, method: str, path: str, form: dict[str, str] | None, headers: dict[str, str]) -> httpx2.Response:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        given = ({"cookie": cookies} if cookies else {}) | headers
        answer = await self.client.request(method, path, data=form, headers=given)
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            self.cookies[name] = rest.partition(";")[0]
            if "Max-Age=0" in rest:
                del self.cookies[name]
        if fields := Read(answer.text).fields if answer.headers.get("content-type", "").startswith("text/html") else {}:
            self.csrf = fields.get("csrf", self.csrf)
        return answer

    async def sign_in(self, given: str) -> httpx2.Response:
        answer = await self.post("/sign-in", {"token": given, "next": "/"})
        if answer.status_code == 303:
            await self.get("/")
        return answer


class Site:
    """The console, and whoever waits and asks behind it."""

    def __init__(self, at: House) -> None:
        self.at = at
        self.watch = Watch()
        self.access = AccessDesk(at.desk)
        self.access.onlooker = at.held.onlooker = self.watch.changed
        self.strangers = Strangers(at.desk)
        self.console = Console(at.desk, Approvals(self.access, at.held), self.strangers, self.watch)
        self.server: Server | None = None
        self.app = application(at.desk, [], self.strangers, self.console.routes())

    def browser(self, site: str = SITE) -> Browser:
        return Browser(self.app, site)

    def token(self, user: str = "bo", groups: tuple[str, ...] = ("shop",), **more: Any) -> str:
        return token(self.at.desk.loaded, user, groups, **more)

    async def signed_in(self, user: str = "bo", groups: tuple[str, ...] = ("shop",)) -> Browser:
        made = self.browser()
        assert (await made.sign_in(self.token(user, groups))).status_code == 303
        return made

    def configure(self, **gateway: Any) -> None:
        """Changes [gateway]."""
        settings = self.at.desk.loaded.settings
        changed = msgspec.structs.replace(settings, gateway=msgspec.structs.replace(settings.gateway, **gateway))
        object.__setattr__(self.at.desk.loaded, "settings", changed)


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    async with house(folder) as at:
        made = Site(at)
        yield made
        await trio.testing.wait_all_tasks_blocked()
        if made.access._store is not None:
            made.access._store.close()
