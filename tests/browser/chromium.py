"""A headless Chromium that a test drives by the DevTools protocol, over a websocket on loopback."""

import base64
import json
import math
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import trio
import trio_websocket

PROGRAM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--ignore-certificate-errors"),
    *("--remote-debugging-port=0", "--disable-default-apps", "--mute-audio", "--no-default-browser-check"),
)
KEYS = {"Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, "")}
LOOK_SECONDS = 0.03
START_SECONDS = 30


class Tab:
    """One page. `complaints` are what its console, its scripts and its content security policy have said."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser = browser
        self._session = session
        self.complaints: list[str] = []

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        return await self._browser.send(method, parameters, self._session)

    async def open(self, url: str) -> None:
        await self.send("Page.navigate", url=url)
        await self.until(f"document.readyState === 'complete' && location.href === {json.dumps(url)}")

    async def value(self, expression: str) -> Any:
        answer = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"].get("exception", answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def text(self) -> str:
        return str(await self.value("document.body.innerText"))

    async def until(self, expression: str, seconds: float = 10) -> Any:
        """What the expression is, once it is true; pages may come and go meanwhile."""
        deadline = trio.current_time() + seconds
        while True:
            try:
                if found := await self.value(expression):
                    return found
            except (AssertionError, RuntimeError):
                pass
            if trio.current_time() > deadline:
                raise AssertionError(f"{expression}: not within {seconds} s; the page says: {await self.text()}")
            await trio.sleep(LOOK_SECONDS)

    async def shows(self, words: str, seconds: float = 10) -> None:
        """And is loaded, so that its keys work."""
        said = f"document.body.innerText.includes({json.dumps(words)})"
        await self.until(f"document.readyState === 'complete' && {said}", seconds)

    async def key(self, name: str) -> None:
        key, code, text = KEYS[name] if name in KEYS else (name, ord(name.upper()), name)
        for kind in ("keyDown", "keyUp"):
            said = {"text": text} if text and kind == "keyDown" else {}
            await self.send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **said)

    async def type(self, text: str) -> None:
        await self.send("Input.insertText", text=text)

    async def shape(self, width: int, height: int, dark: bool = False) -> None:
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.send("Emulation.setEmulatedMedia", features=scheme)

    async def picture(self, file: Path) -> None:
        await self.send("Page.bringToFront")  # what is hidden is not drawn
        answer = await self.send("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(answer["data"]))


class Browser:
    def __init__(self, socket: trio_websocket.WebSocketConnection) -> None:
        self._socket = socket
        self._number = 0
        self._answers: dict[int, trio.MemorySendChannel[dict[str, Any]]] = {}
        self._tabs: dict[str, Tab] = {}
        self._contexts: list[str] = []

    async def listen(self) -> None:
        while True:
            try:
                said = json.loads(await self._socket.get_message())
            except trio_websocket.ConnectionClosed:
                return
            if "id" in said:
                self._answers.pop(said["id"]).send_nowait(said)
            elif said.get("sessionId") in self._tabs:
                self._note(self._tabs[said["sessionId"]], said["method"], said["params"])

    def _note(self, tab: Tab, method: str, facts: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            tab.complaints.append(str(facts["exceptionDetails"]))
        elif method == "Log.entryAdded" and facts["entry"]["source"] in ("security", "javascript"):
            tab.complaints.append(facts["entry"]["text"])
        elif method == "Audits.issueAdded" and facts["issue"]["code"] != "GenericIssue":
            tab.complaints.append(json.dumps(facts["issue"]))

    async def send(self, method: str, parameters: dict[str, Any], session: str = "") -> dict[str, Any]:
        self._number += 1
        number = self._number
        send, receive = trio.open_memory_channel[dict[str, Any]](math.inf)
        self._answers[number] = send
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        await self._socket.send_message(json.dumps(message))
        with trio.fail_after(20):
            answer = await receive.receive()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    async def tab(self) -> Tab:
        """A new one, in a profile of its own: nobody is signed in."""
        context = (await self.send("Target.createBrowserContext", {}))["browserContextId"]
        self._contexts.append(context)
        return await self._open(context)

    async def beside(self, tab: Tab) -> Tab:
        """Another of the same profile."""
        target = await tab.send("Target.getTargetInfo")
        return await self._open(target["targetInfo"]["browserContextId"])

    async def close(self) -> None:
        """All tabs. It is not always answered, so nobody waits for that."""
        for context in self._contexts:
            with trio.move_on_after(1):
                await self.send("Target.disposeBrowserContext", {"browserContextId": context})

    async def _open(self, context: str) -> Tab:
        target = (await self.send("Target.createTarget", {"url": "about:blank", "browserContextId": context}))["targetId"]
        session = (await self.send("Target.attachToTarget", {"targetId": target, "flatten": True}))["sessionId"]
        tab = self._tabs[session] = Tab(self, session)
        for domain in ("Page", "Runtime", "Log", "Audits"):
            await tab.send(f"{domain}.enable")
        return tab


@contextmanager
def launched(folder: Path) -> Iterator[str]:
    """A running one, and the address to drive it at; `folder` is its own."""
    arguments = [str(PROGRAM), *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        said, late = folder / "DevToolsActivePort", time.monotonic() + START_SECONDS
        while not said.exists() or said.read_text().count("\n") < 1:
            assert time.monotonic() < late, "chromium does not start"
            time.sleep(LOOK_SECONDS)
        port, path = said.read_text().split("\n")[:2]
        yield f"ws://127.0.0.1:{port}{path}"
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def driving(url: str) -> AsyncIterator[Browser]:
    """The browser at this address."""
    async with trio_websocket.open_websocket_url(url, max_message_size=2**26) as socket, trio.open_nursery() as nursery:
        browser = Browser(socket)
        nursery.start_soon(browser.listen)
        yield browser
        await browser.close()
        nursery.cancel_scope.cancel()
