"""The service manager's notification protocol (sd_notify(3)): datagrams of NAME=value lines, no library
needed."""

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping


class Notifier:
    """Tells systemd how the service is. Does nothing where there is no NOTIFY_SOCKET; never raises."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._address = environ.pop("NOTIFY_SOCKET", "")  # so that no child speaks for us
        usec, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        ours = usec.isdecimal() and pid in ("", str(os.getpid()))
        self.watchdog_seconds = int(usec) / 2e6 if ours else None
        """How often to say `alive`: half of what the unit's WatchdogSec= allows."""
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]

    def ready(self, status: str) -> None:
        """Started, or reloaded."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload began; `ready` follows in every case (Type=notify-reload)."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The drain began."""
        self._send("STOPPING=1", "STATUS=draining")

    def alive(self) -> None:
        """Feed the watchdog; only said while a worker's relay turns."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.setblocking(False)
            manager.sendto("\n".join(lines).encode(), self._address)
