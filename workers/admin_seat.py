"""The admin process as the supervisor sees it."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from workers import admin_link
from workers.admin_link import ChannelsFare, Message, Reread, StoreFares
from workers.channel_health import Health
from workers.companion import Companion


class AdminSeat:
    """`main` is what the admin process runs, given its end of the control socket; its result is the exit code. What it
    missed while it was not there it reads for itself when it starts."""

    def __init__(self, main: Callable[[socket.socket], int]) -> None:
        self.process = Companion("admin process", main)
        self._channels: tuple[Health, ...] = ()  # as they last fared
        self._stores: dict[str, StoreFares] = {}  # … and by name

    def hear(self) -> Iterator[tuple[Message, int | None]]:
        """What it has said, and the descriptors beside that, which are the caller's."""
        control = self.process.control
        with contextlib.suppress(OSError):
            while control is not None:
                heard = admin_link.receive(control)
                if heard is None:
                    return self.process.deaf()
                if isinstance(heard[0], ChannelsFare):
                    self._channels = heard[0].channels
                elif isinstance(heard[0], StoreFares):
                    self._stores[heard[0].name] = heard[0]
                else:
                    yield heard

    def describe(self) -> dict[str, Any]:
        """How channels of approvals and shared stores fare, for `sluice status`."""
        stores = [msgspec.structs.asdict(one) for one in self._stores.values()]
        return {"channels": [msgspec.to_builtins(one) for one in self._channels], "stores": stores}

    def reread(self) -> None:
        """Files were read again."""
        self.tell(Reread())

    def tell(self, message: Message, fd: int | None = None) -> None:
        """Never waits. One that does not read has stopped, and is none of the supervisor's cares."""
        if self.process.control is not None:
            with contextlib.suppress(OSError):
                admin_link.send(self.process.control, message, fd)

    def end(self) -> None:
        """Leave nobody behind."""
        if self.process.control is not None:
            self.process.control.shutdown(socket.SHUT_RDWR)  # it reads the end, and ends
        self.process.end()
