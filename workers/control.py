"""A control socket: messages of one datagram each, and a descriptor beside one where it has something large to show."""

import array
import os
import socket

MESSAGE_BYTES_MAX = 65536


def pair() -> tuple[socket.socket, socket.socket]:
    """The supervisor's and the child's end, both non-blocking, record boundaries kept."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def send(control: socket.socket, data: bytes, fd: int | None = None) -> None:
    """Send one message, with a descriptor beside it if given. Raises OSError (BlockingIOError when the peer
    does not read)."""
    ancillary = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
    control.sendmsg([data], ancillary)


def receive(control: socket.socket) -> tuple[bytes, int | None] | None:
    """The next message and its descriptor (owned by the caller); None at the end of file. Raises
    BlockingIOError when there is none yet.

    With trio: `await trio.lowlevel.wait_readable(control)` before it.
    """
    data, ancillary, flags, _ = control.recvmsg(MESSAGE_BYTES_MAX, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, body in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(body[: len(body) - len(body) % fds.itemsize])
    if not data:
        return None
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or len(fds) > 1:
        for fd in fds:
            os.close(fd)
        raise OSError("a control message was cut short")
    return data, fds[0] if fds else None
