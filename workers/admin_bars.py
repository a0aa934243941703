"""The admin process keeps who is barred: on the disk first, then in force in every worker."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from gateway.identity.barred import Bar, Bars, Key
from workers import barred_file
from workers.admin_post import Replies
from workers.admin_process import Desk
from workers.errands import MoveBars

TIDY_SECONDS: Final = 60.0
log = logging.getLogger("sluice.admin")


class Keeper:
    """All that moves bars goes through it, one after the other."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._folder: Path = desk.loaded.state_dir
        self._moving = trio.Lock()
        self._changed = trio.Event()
        desk.barred = self._from_rule
        if len(desk.bars):
            self._changed.set()  # a predecessor may not have kept all that the supervisor knows

    async def move(self, put: Sequence[Bar] = (), lift: Sequence[Key] = ()) -> tuple[Replies, bool]:
        """What the workers answered, and whether the disk has it. Raises Full. What keeps somebody out does so even where it
        cannot be kept."""
        async with self._moving:
            fresh = Bars(self._desk.bars)
            fresh.move(put, lift, time.time())
            self._desk.bars = fresh
            kept = await self._write(fresh)
            return await self._desk.post.ask(MoveBars(tuple(put), tuple(lift))), kept

    async def keep(self) -> None:
        """Keeps what rules have barred, and forgets what is over."""
        while True:
            with trio.move_on_after(TIDY_SECONDS):
                await self._changed.wait()
            if self._changed.is_set():
                self._changed = trio.Event()
                async with self._moving:
                    await self._write(self._desk.bars)
            now = time.time()
            over = [bar.key for bar in self._desk.bars if bar.over(now)]
            if over:
                await self.move(lift=over)

    def _from_rule(self, bar: Bar) -> None:
        """In force already."""
        self._desk.bars.move((bar,), (), time.time())
        self._changed.set()

    async def _write(self, bars: Bars) -> bool:
        try:
            await trio.to_thread.run_sync(barred_file.write, self._folder, bars)
        except OSError as error:
            log.critical("who is kept out could not be kept in %s: %s", self._folder, error.strerror)
            return False
        return True
