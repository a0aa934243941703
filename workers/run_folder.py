"""The folder of a running gateway (mode 0700): its lock, and the Unix sockets by which its processes and its
owner reach it."""

import fcntl
import os
import time
from pathlib import Path

_LOCK_WAIT_SECONDS = 1.0
_LOCK_PAUSE_SECONDS = 0.02


class AlreadyRunning(Exception):
    """Another supervisor serves from this folder."""


class RunFolder:
    """An open folder. Sockets are reached through its descriptor, because a socket's path may have only 107
    bytes (unix(7))."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._lock_fd: int | None = None

    @classmethod
    def make(cls, path: Path) -> "RunFolder":
        """Create the folder where it is missing, for its owner only. Raises OSError."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        return cls(path)

    def socket_path(self, name: str) -> str:
        """Where to bind or connect the socket `name`."""
        return f"/proc/self/fd/{self._fd}/{name}"

    def lock(self) -> None:
        """Become the only supervisor of this folder, for as long as this process lives. Raises
        AlreadyRunning.

        A lock of the kernel and no pid file: a predecessor that was killed has let go of it before anybody
        reaped it. The short wait is for a child of that predecessor that had not yet closed its copy.
        """
        fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        give_up = time.monotonic() + _LOCK_WAIT_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    os.close(fd)
                    raise AlreadyRunning(f"another gateway is running in {self.path}") from None
                time.sleep(_LOCK_PAUSE_SECONDS)
        self._lock_fd = fd

    def unlock(self) -> None:
        """Close this process's copy of the lock; a forked child does so at once, or it would keep the lock
        alive."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def close(self) -> None:
        """Give all descriptors back."""
        self.unlock()
        os.close(self._fd)
