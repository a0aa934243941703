"""Asking issuers about tokens that only they can read, a service of the admin process; workers ask it over a Unix socket.

Anybody can send anything as a password, and each is a question to the issuer. So only so many are asked in a minute, few at
once, and what was no token is remembered for a while.
"""

import hashlib
import json
import logging
import os
import socket
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import trio

from gateway.issuers import Issuer
from workers import http_out
from workers.admin_process import Desk
from workers.http_out import NotReached
from workers.introspection_link import PATIENCE_SECONDS, SOCKET, TOKEN_BYTES_MAX, read_all
from workers.run_folder import RunFolder

AT_ONCE_MAX: Final = 16
MINUTE_MAX: Final = 600  # questions to the issuer
REFUSED_MAX: Final = 4096  # tokens that were none, remembered for REFUSED_SECONDS
REFUSED_SECONDS: Final = 60.0
INACTIVE: Final[dict[str, Any]] = {"active": False}
log = logging.getLogger("sluice.introspection")


async def serve(desk: Desk, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """The service; there is nothing to do where no issuer is asked."""
    issuer = next((one for one in desk.loaded.settings.issuers if one.introspection), None)
    if issuer is None:
        return task_status.started()
    folder = RunFolder.make(desk.loaded.run_dir)
    path = folder.socket_path(SOCKET)
    Path(path).unlink(missing_ok=True)
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await listening.bind(path)
    listening.listen(128)
    questions = _Questions(desk, issuer)
    task_status.started()
    await trio.serve_listeners(questions.answer, [trio.SocketListener(listening)])


class _Questions:
    def __init__(self, desk: Desk, issuer: Issuer) -> None:
        self._desk = desk
        self._issuer = issuer
        self._slots = trio.CapacityLimiter(AT_ONCE_MAX)
        self._left = float(MINUTE_MAX)
        self._counted = trio.current_time()
        self._refused: OrderedDict[bytes, float] = OrderedDict()

    async def answer(self, stream: trio.SocketStream) -> None:
        """One connection is one question: the token up to the end, and then the issuer's answer as JSON."""
        async with stream:
            credentials = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            if struct.unpack("3i", credentials)[1] != os.geteuid():
                return
            try:
                with trio.move_on_after(PATIENCE_SECONDS):
                    token = await read_all(stream, TOKEN_BYTES_MAX)
                    await stream.send_all(json.dumps(await self._ask(token.decode())).encode())
            except (trio.BrokenResourceError, UnicodeDecodeError):
                return

    async def _ask(self, token: str) -> dict[str, Any]:
        digest = hashlib.sha256(token.encode()).digest()
        now = trio.current_time()
        if self._refused.get(digest, 0.0) > now:
            return INACTIVE
        self._left = min(MINUTE_MAX, self._left + (now - self._counted) * MINUTE_MAX / 60)
        self._counted = now
        if self._left < 1:
            return {"error": "too many tokens to ask about"}
        self._left -= 1
        try:
            async with self._slots:
                found = await introspect(self._issuer, token, self._secret(), self._desk.loaded.folder)
        except NotReached as error:
            log.warning("issuer %s could not be asked about a token: %s", self._issuer.name, error)
            return {"error": "the issuer cannot be reached"}
        if found.get("active") is not True:
            self._refused[digest] = trio.current_time() + REFUSED_SECONDS
            if len(self._refused) > REFUSED_MAX:
                self._refused.popitem(last=False)
            return INACTIVE
        return found

    def _secret(self) -> str:
        return self._desk.loaded.secrets.client_secrets[self._issuer.name]


async def introspect(issuer: Issuer, token: str, client_secret: str, folder: Path) -> dict[str, Any]:
    """What the issuer says of a token (RFC 7662, 2.1 and 2.2). Raises NotReached."""
    ca_file = str(folder / issuer.ca_file) if issuer.ca_file else ""
    form = {"token": token, "token_type_hint": "access_token"}
    who = issuer.client_id, client_secret
    return (await http_out.ask(issuer.introspection, form, ca_file=ca_file, basic=who)).good().object()
