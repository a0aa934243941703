"""The supervisor's status socket: whoever may enter the run folder connects, reads one JSON object, and that
is all."""

import contextlib
import socket
from pathlib import Path
from typing import Any

import orjson

from gateway.settings import Settings
from workers.run_folder import RunFolder
from workers.slab import AUDIT_HEALTH, Counter, Slab

_SOCKET = "status.sock"
_ASK_SECONDS = 5.0


class NotRunning(Exception):
    """No supervisor answers in this folder."""


class StatusSocket:
    """The supervisor's end: non-blocking, one answer a connection."""

    def __init__(self, folder: RunFolder) -> None:
        path = folder.socket_path(_SOCKET)
        Path(path).unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listening.bind(path)
        self._listening.listen(16)

    def fileno(self) -> int:
        """For the supervisor's selector."""
        return self._listening.fileno()

    def answer(self, status: dict[str, Any]) -> None:
        """Give `status` to one waiting asker. One that does not read loses what the socket's buffer does not
        hold, and never delays us."""
        with contextlib.suppress(OSError):
            asker, _ = self._listening.accept()
            with asker:
                asker.setblocking(False)
                asker.send(orjson.dumps(status))

    def close(self) -> None:
        """Stop answering."""
        self._listening.close()


def audit(slab: Slab) -> dict[str, Any]:
    """How the audit is in all workers."""
    return {
        "state": AUDIT_HEALTH[slab.worst(Counter.AUDIT_HEALTH)],
        "lag_bytes": slab.total(Counter.AUDIT_LAG),
        "failures": slab.total(Counter.AUDIT_FAILURES),
        "unrecorded": slab.total(Counter.AUDIT_UNRECORDED),
    }


def databases(slab: Slab, settings: Settings) -> list[dict[str, Any]]:
    """The databases, and when each was last reached and last not (POSIX seconds, 0 for never)."""
    found = []
    for one in settings.databases:
        reached, failed = slab.health(one.name)
        found.append({"name": one.name, "environment": one.environment, "reached": reached, "failed": failed})
    return found


def ask(run_dir: Path) -> dict[str, Any]:
    """The running supervisor's status. Raises NotRunning."""
    try:
        folder = RunFolder(run_dir)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as supervisor:
                supervisor.settimeout(_ASK_SECONDS)
                supervisor.connect(folder.socket_path(_SOCKET))
                parts = []
                while part := supervisor.recv(65536):
                    parts.append(part)
        finally:
            folder.close()
        status = orjson.loads(b"".join(parts))
    except (OSError, orjson.JSONDecodeError) as error:
        raise NotRunning(f"no gateway answers in {run_dir}") from error
    assert isinstance(status, dict)
    return status
