"""Sealed memory files: what a worker maps is what was published, or it is refused."""

import fcntl
import hashlib
import mmap
import os
import random
import tempfile

import pytest

from workers import slot
from workers.control import pair
from workers.shared_policy import NotSealed, PolicyShelf, seal, unseal
from workers.slab import Slab
from workers.slot import PolicyMessage


def unsealed(content: bytes, seals: int) -> int:
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


@pytest.mark.parametrize("size", [0, 1, 4096, 4097, 1_000_000])
def test_content_comes_back_whole(size: int) -> None:
    content = random.Random(size).randbytes(size)
    sealed = seal(content)
    assert unseal(sealed.fd, sealed.size, sealed.digest) == content
    sealed.close()


def test_a_published_file_can_never_be_changed_again() -> None:
    sealed = seal(b"policy")
    with pytest.raises(PermissionError):
        os.pwrite(sealed.fd, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(sealed.fd, 3)
    with pytest.raises(PermissionError):
        os.ftruncate(sealed.fd, 4096)
    with pytest.raises(PermissionError):
        mmap.mmap(sealed.fd, 6, prot=mmap.PROT_READ | mmap.PROT_WRITE, flags=mmap.MAP_SHARED)
    with pytest.raises(PermissionError):
        fcntl.fcntl(sealed.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    sealed.close()


@pytest.mark.parametrize(
    "missing", [fcntl.F_SEAL_WRITE, fcntl.F_SEAL_SHRINK, fcntl.F_SEAL_GROW, fcntl.F_SEAL_SEAL]
)
def test_a_file_that_lacks_one_seal_is_refused(missing: int) -> None:
    every = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fd = unsealed(b"policy", every & ~missing)
    with pytest.raises(NotSealed):
        unseal(fd, 6, hashlib.sha256(b"policy").digest())
    os.close(fd)


def test_an_ordinary_file_is_refused() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"policy")
        file.flush()
        with pytest.raises(NotSealed):
            unseal(file.fileno(), 6, hashlib.sha256(b"policy").digest())


def test_another_size_or_digest_is_refused() -> None:
    sealed = seal(b"policy")
    for size, digest in ((5, sealed.digest), (7, sealed.digest), (6, hashlib.sha256(b"Policy").digest())):
        with pytest.raises(NotSealed):
            unseal(sealed.fd, size, digest)
    sealed.close()


def test_a_version_travels_over_the_control_socket_and_is_in_force_when_the_word_says_so() -> None:
    slab = Slab(1)
    ours, theirs = pair()
    shelf = PolicyShelf(bytes)
    for version in (1, 2):
        sealed = seal(b"policy %d" % version)
        slot.send(ours, PolicyMessage(version, sealed.size, sealed.digest), sealed.fd)
        sealed.close()
        heard = slot.receive(theirs)
        assert heard is not None
        message, fd = heard
        assert isinstance(message, PolicyMessage)
        assert fd is not None
        shelf.put(message.version, shelf.read(fd, message.size, message.digest))
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(fd)
    slab.publish(1)
    assert shelf.current(slab.generation) == b"policy 1"
    slab.publish(2)
    assert shelf.current(slab.generation) == b"policy 2"
    assert 1 not in shelf
    ours.close()
    assert slot.receive(theirs) is None
    theirs.close()


def test_a_refused_version_leaves_the_shelf_as_it_was() -> None:
    shelf = PolicyShelf(bytes)
    good = seal(b"good")
    shelf.put(1, shelf.read(good.fd, good.size, good.digest))
    bad = seal(b"bad")
    with pytest.raises(NotSealed):
        shelf.put(2, shelf.read(bad.fd, bad.size, good.digest))
    assert 2 not in shelf
    assert shelf.current(1) == b"good"
