"""One sealed memory file per version, handed over as a descriptor: the compiled policy can neither tear nor
change after it was checked."""

import fcntl
import hashlib
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL

T = TypeVar("T")


class NotSealed(Exception):
    """A descriptor is not the sealed, whole and unaltered file that was announced."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed memory file: its descriptor (owned by whoever holds this), size in bytes and SHA-256."""

    fd: int
    size: int
    digest: bytes

    def close(self) -> None:
        """Close the descriptor; mappings made by receivers live on."""
        os.close(self.fd)


def seal(content: bytes, name: str = "sluice-policy") -> Sealed:
    """Write `content` to a new memory file and seal it for good (memfd_create(2), fcntl(2) F_ADD_SEALS)."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(fd, left) :]
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    except OSError:
        os.close(fd)
        raise
    return Sealed(fd, len(content), hashlib.sha256(content).digest())


def unseal(fd: int, size: int, digest: bytes) -> bytes:
    """The content of a received descriptor, after its seals, size and SHA-256 were checked; does not close
    `fd`. Raises NotSealed."""
    try:
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except OSError as error:
        raise NotSealed("the descriptor is not a memory file") from error
    if seals & SEALS != SEALS:
        raise NotSealed("the memory file is not sealed against writing, shrinking, growing and unsealing")
    if os.fstat(fd).st_size != size:
        raise NotSealed("the memory file does not have the announced size")
    if size == 0:
        content = b""
    else:
        with mmap.mmap(fd, size, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED) as mapped:
            content = mapped[:]
    if hashlib.sha256(content).digest() != digest:
        raise NotSealed("the memory file does not have the announced SHA-256")
    return content


class PolicyShelf(Generic[T]):
    """A worker's versions by number, as `make` made them of their bytes: once, when they come. The generation word says
    which one is in force; older ones are dropped when it moves."""

    def __init__(self, make: Callable[[bytes], T]) -> None:
        self._make = make
        self._versions: dict[int, T] = {}

    def read(self, fd: int, size: int, digest: bytes) -> T:
        """Check and make a version, which any thread may do; closes `fd` in every case. Raises NotSealed, and what `make`
        raises."""
        try:
            content = unseal(fd, size, digest)
        finally:
            os.close(fd)
        return self._make(content)

    def put(self, version: int, policy: T) -> None:
        """Keep a version until a newer one is in force."""
        self._versions[version] = policy

    def __contains__(self, generation: int) -> bool:
        return generation in self._versions

    def current(self, generation: int) -> T:
        """The policy of the generation in force. A generation that was never received is our bug (KeyError):
        the word moves after the acks."""
        policy = self._versions[generation]
        for old in [version for version in self._versions if version < generation]:
            del self._versions[old]
        return policy
