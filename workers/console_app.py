"""The console: pages on which people see what waits for them, and decide. GET changes nothing; what decides is the desk that
every other way asks, too."""

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import trio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.approvals.one_time import Links
from gateway.approvals.signatures import Unproven
from workers import console_guard, console_live
from workers.admin_approvals import Approvals
from workers.admin_calls import Call, Tables, Turned
from workers.admin_process import Desk
from workers.admin_strangers import Strangers
from workers.browser_login import fresh
from workers.channel_routes import body_of
from workers.console_guard import Site, own_path
from workers.console_live import Live, Watch
from workers.console_pages import STATIC, Pages
from workers.console_rows import row
from workers.console_sessions import Session, Sessions
from workers.console_sign_in import FLOW_SECONDS, SignIns
from workers.http_out import NotReached
from workers.oauth import SignInFailed

BODY_BYTES_MAX: Final = 16 * 1024
FIELDS_MAX: Final = 20
DECIDED_MAX: Final = 50  # on the queue's page
SESSION: Final = "sluice"
FLOW: Final = "sluice-sign-in"
BY_ITSELF: Final = "x-sluice-by-itself"  # a page brings itself up to date; nobody need be there
VERBS: Final = ("approve", "deny", "review")
_MOVED_ON: Final = HTTPStatus.SEE_OTHER
log = logging.getLogger("sluice.console")


@dataclass(slots=True)
class Visit:
    """One request of a browser."""

    request: Request
    site: Site
    session: Session | None
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where it came from."""
        return f"{self.request.client.host}:{self.request.client.port}" if self.request.client else ""

    def signed_in(self) -> Session:
        """Who. Raises Turned."""
        if self.session is None:
            raise Turned(HTTPStatus.UNAUTHORIZED, "you are not signed in any more", "Sign in, then decide again.")
        return self.session

    def asked(self, name: str) -> str:
        """Of the query."""
        return self.request.query_params.get(name, "")


Answers = Callable[[Visit], Awaitable[Any]]


class Console:
    """See the module."""

    def __init__(self, desk: Desk, approvals: Approvals, strangers: Strangers, watch: Watch) -> None:
        self._desk = desk
        self._approvals = approvals
        self._strangers = strangers
        self._tables = Tables()
        self._pages = Pages()
        self._sessions = Sessions(desk)
        self._sign_ins = SignIns(desk)
        self._watch = watch
        self._live = Live(watch, self._sessions)
        self._links = Links(desk.loaded.secrets.approvals_key)

    def routes(self) -> list[Route]:
        """As the application takes them."""
        pages = {
            "/": self._queue,
            "/approvals/{id}": self._request,
            "/live": self._events,
            "/live/{id}": self._events,
            "/sign-in/go": self._go,
            "/sign-in/callback": self._callback,
            "/console/{mark}/{name}": self._file,
        }
        posts = {"/sign-in": self._sign_in, "/sign-out": self._sign_out, "/approvals/{id}/{verb}": self._decide}
        made = [Route(path, self._guarded(answers), methods=["GET"]) for path, answers in pages.items()]
        return made + [Route(path, self._guarded(answers), methods=["POST"]) for path, answers in posts.items()]

    # -- around all of them

    def _guarded(self, answers: Answers) -> Callable[[Request], Awaitable[Any]]:
        async def endpoint(request: Request) -> Any:
            gateway = self._desk.loaded.settings.gateway
            site = console_guard.site_of(request.headers.raw, request.url.scheme, gateway.console, gateway.admin)
            if site is None:
                text = b"This gateway is not known by that name. console_url in sluice.toml says how it is.\n"
                return Response(text, HTTPStatus.MISDIRECTED_REQUEST, Site("http:").headers(), "text/plain")
            by_itself = BY_ITSELF in request.headers or request.url.path.startswith("/live")
            session = self._sessions.find(site.cookie_of(request.headers.raw, SESSION), by_itself=by_itself)
            visit = Visit(request, site, session)
            try:
                if request.method == "POST":
                    visit.form = await self._form(visit)
                return await answers(visit)
            except Turned as turned:
                return self._message(visit, turned)
            except (ClientDisconnect, trio.Cancelled):
                raise
            except Exception as fault:  # a text may quote what was sent: only the places are told
                places = " < ".join(f"{at.name}:{at.lineno}" for at in reversed(traceback.extract_tb(fault.__traceback__)))
                log.error("a page ended on an unexpected %s in %s", type(fault).__name__, places)
                return self._message(visit, Turned(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error"))

        return endpoint

    async def _form(self, visit: Visit) -> Mapping[str, str]:
        """What a page of ours has sent, in the sign-in that it was made for. Raises Turned."""
        raw = visit.request.headers.raw
        if not visit.site.sent_this(raw):
            raise Turned(HTTPStatus.FORBIDDEN, "another site has sent this", "Open the console itself, and decide there.")
        if console_guard.every(raw, b"content-type") != ["application/x-www-form-urlencoded"]:
            raise Turned(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "this is not what a page of the console sends")
        body = await body_of(visit.request, BODY_BYTES_MAX)
        if isinstance(body, HTTPStatus):
            raise Turned(body, "the form did not come as a whole")
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=FIELDS_MAX)
        except ValueError:
            raise Turned(HTTPStatus.BAD_REQUEST, "the form cannot be read") from None
        form = dict(pairs)
        wanted = visit.session.csrf if visit.session is not None and visit.request.url.path != "/sign-in" else None
        if wanted is not None and not console_guard.equal(form.get("csrf", ""), wanted):
            why = "this page is of another sign-in"
            raise Turned(HTTPStatus.FORBIDDEN, why, "Nothing was done. Load the page again, then decide.")
        return form

    def _page(self, visit: Visit, template: str, status: int = HTTPStatus.OK, **given: Any) -> Response:
        content = self._pages.render(template, session=visit.session, **given)
        return Response(content, status, visit.site.headers(), "text/html")

    def _message(self, visit: Visit, turned: Turned) -> Response:
        if turned.status == HTTPStatus.UNAUTHORIZED and visit.session is None:
            return self._signed_out(visit, turned, visit.request.url.path)
        return self._page(visit, "message", turned.status, error=turned.error, hint=turned.hint)

    def _onward(self, visit: Visit, path: str, *cookies: str) -> Response:
        answer = Response(b"", _MOVED_ON, {**visit.site.headers(), "Location": path})
        for cookie in cookies:
            answer.headers.append("Set-Cookie", cookie)
        return answer

    def _call(self, visit: Visit, request_id: str = "") -> Call:
        """What the desk would be asked by any other way. Raises Turned."""
        who, alike = visit.signed_in().who, visit.form.get("alike", "")
        more = {"alike": alike.split(",")} if alike else {}
        body = msgspec.json.encode({"reason": visit.form.get("reason", "").strip(), **more})
        table = self._tables.of(self._desk.loaded.policy)
        return Call(self._desk, table, who, visit.address, body, {"id": request_id}, time.time(), "console")

    # -- what waits

    async def _queue(self, visit: Visit) -> Any:
        if visit.session is None:
            return self._signed_out(visit)
        found = (await self._approvals.list(self._call(visit)))["approvals"]
        rows = [row(one) for one in found]
        waiting = sorted((one for one in rows if one.waits), key=lambda one: one.until)
        decided = sorted((one for one in rows if not one.waits), key=lambda one: -max(one.decided, one.since))
        return self._page(
            visit, "queue", waiting=waiting, decided=decided[:DECIDED_MAX], mark=console_live.mark(found), live="/live"
        )

    async def _request(self, visit: Visit) -> Any:
        if visit.session is None:
            return await self._glance(visit)
        return await self._shown(visit)

    async def _shown(self, visit: Visit, refused: Turned | None = None) -> Any:
        """One request in full; and why a decision did not count."""
        request_id = visit.request.path_params["id"]
        call = self._call(visit, request_id)
        found = (await self._approvals.list(call))["approvals"]  # first: the mark must not be of what came later
        told = (await self._approvals.show(call))["approval"]
        waiting = sorted((one for one in map(row, found) if one.waits), key=lambda one: one.until)
        places = [one.id for one in waiting]
        place = places.index(request_id) if request_id in places else -1
        around = (places[place - 1] if place > 0 else "", places[place + 1] if -1 < place < len(places) - 1 else "")
        issuer = visit.signed_in().who.issuer
        return self._page(
            visit,
            "request",
            HTTPStatus.OK if refused is None else refused.status,
            one=row(told),
            told=told,
            refused=refused,
            place=place,
            count=len(places),
            around=around if place >= 0 else ("", places[0] if places else ""),
            by=call.by,
            again=any(one.name == issuer for one in self._sign_ins.issuers),
            link=visit.form.get("link", visit.asked("link")),
            mark=_mark_of(found, request_id),
            live=f"/live/{request_id}",
        )

    async def _decide(self, visit: Visit) -> Any:
        request_id, verb = visit.request.path_params["id"], visit.request.path_params["verb"]
        if verb not in VERBS:
            raise Turned(HTTPStatus.NOT_FOUND, "there is nothing here")
        call = self._call(visit, request_id)
        try:
            await getattr(self._approvals, verb)(call)
        except Turned as turned:
            return await self._shown(visit, turned)
        with suppress(Unproven):  # what was used already, or of nothing, needs no end
            self._links.spend(visit.form.get("link", ""), request_id, call.now)
        return self._onward(visit, own_path(f"/approvals/{request_id}"))

    async def _events(self, visit: Visit) -> Any:
        session, request_id = visit.session, visit.request.path_params.get("id", "")
        fetched = console_guard.every(visit.request.headers.raw, b"sec-fetch-site")
        if session is None or fetched not in ([], ["same-origin"]):
            return Response(b"", HTTPStatus.UNAUTHORIZED, visit.site.headers())

        async def look() -> str:
            found = (await self._approvals.list(self._call(visit)))["approvals"]
            return _mark_of(found, request_id) if request_id else console_live.mark(found)

        return self._live.stream(session, look, visit.site.headers())

    async def _file(self, visit: Visit) -> Any:
        name = visit.request.path_params["name"]
        content = self._pages.file(visit.request.path_params["mark"], name)
        if content is None:
            raise Turned(HTTPStatus.NOT_FOUND, "there is nothing here")
        headers = {**visit.site.headers(), "Cache-Control": "public, max-age=31536000, immutable"}
        return Response(content, HTTPStatus.OK, headers, STATIC[name])

    # -- who

    def _signed_out(self, visit: Visit, turned: Turned | None = None, onward: str = "/", glance: Any = None) -> Response:
        issuers = [one.name for one in self._sign_ins.issuers]
        given = {"turned": turned, "issuers": issuers, "onward": own_path(onward), "glance": glance}
        status = HTTPStatus.UNAUTHORIZED if turned is None else turned.status
        return self._page(visit, "signed_out", status, **given)

    async def _glance(self, visit: Visit) -> Response:
        """What a message told already, to who has a link of it; and a sign-in."""
        request_id, link = visit.request.path_params["id"], visit.asked("link")
        glance, turned = None, None
        if link:
            try:
                now = time.time()
                self._links.read(link, request_id, now)
                told = await self._approvals.told(request_id, now)
                glance = None if told is None else row(told)
            except Unproven as unproven:
                turned = Turned(HTTPStatus.UNAUTHORIZED, str(unproven), "Sign in to see the request.")
        return self._signed_out(visit, turned, visit.request.url.path, glance)

    async def _sign_in(self, visit: Visit) -> Any:
        onward = own_path(visit.form.get("next", ""))
        try:
            return await self._begun(visit, visit.form.get("token", "").strip(), onward)
        except Turned as turned:
            self._strangers.note(visit.address, turned.error)
            return self._signed_out(visit, turned, onward)

    async def _begun(self, visit: Visit, token: str, onward: str, facts: Any = None, *cookies: str) -> Response:
        """A new session under a new name, whatever name the browser had. Raises Turned."""
        name, session = self._sessions.begin(token, facts)
        if visit.session is not None:
            self._sessions.end(visit.session)
        visit.session = session
        if not await self._call(visit).record("sign in at the console"):
            self._sessions.end(session)
            visit.session = None
            raise Turned(HTTPStatus.SERVICE_UNAVAILABLE, "it could not be put on record", "Look at `sluice status`.")
        return self._onward(visit, onward, visit.site.cookie(SESSION, name), *cookies)

    async def _sign_out(self, visit: Visit) -> Any:
        if visit.session is not None:
            self._sessions.end(visit.session)
            self._watch.changed()  # its other pages notice at once
        return self._onward(visit, "/", visit.site.cookie(SESSION, "", 0))

    async def _go(self, visit: Visit) -> Any:
        """To the issuer. Nothing here changes but a cookie."""
        age = visit.asked("max_age")
        seconds = int(age) if age.isascii() and age.isdigit() and len(age) < 6 else None
        acr_values = visit.asked("acr_values")
        more = fresh(seconds, acr_values if acr_values.isprintable() else "")
        if more:
            more["prompt"] = "login"  # also where the issuer knows no max_age
        onward = own_path(visit.asked("next"))
        try:
            url, cookie = await self._sign_ins.begin(visit.asked("issuer"), visit.site.origin, onward, more)
        except (SignInFailed, NotReached) as failed:
            return self._signed_out(visit, Turned(HTTPStatus.BAD_GATEWAY, str(failed)), onward)
        return self._onward(visit, url, visit.site.cookie(FLOW, cookie, FLOW_SECONDS))

    async def _callback(self, visit: Visit) -> Any:
        """Back from the issuer."""
        cookie = visit.site.cookie_of(visit.request.headers.raw, FLOW)
        gone = visit.site.cookie(FLOW, "", 0)
        try:
            items = visit.request.query_params.multi_items()
            pairs = dict(items) if len(dict(items)) == len(items) else {}
            signed_in = await self._sign_ins.finish(cookie, visit.site.origin, pairs)
            return await self._begun(visit, signed_in.token, signed_in.onward, signed_in.facts, gone)
        except (SignInFailed, NotReached) as failed:
            answer = self._signed_out(visit, Turned(HTTPStatus.UNAUTHORIZED, str(failed)))
        except Turned as turned:
            self._strangers.note(visit.address, turned.error)
            answer = self._signed_out(visit, turned)
        answer.headers.append("Set-Cookie", gone)
        return answer


def _mark_of(found: list[dict[str, Any]], request_id: str) -> str:
    return console_live.mark([one for one in found if one["id"] == request_id])
