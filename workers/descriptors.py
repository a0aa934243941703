"""How many sessions a worker can hold under its limit on open files: each has two, and any worker may hold all."""

import resource

from workers.sockets import SIGNING_IN_MAX
from workers.warm import KEPT_MAX

# For those at the door and those on their way in (a server's connection is opened for these), kept connections, the audit,
# the gateway's own.
SPARE = 3 * SIGNING_IN_MAX + KEPT_MAX + 128


def needed(sessions: int) -> int:
    """Open files of a worker with so many sessions."""
    return 2 * sessions + SPARE


def allow(sessions_max: int, workers: int) -> str:
    """Lifts the process's limit as far as it is needed and may be lifted; workers inherit it. What to say where so many
    workers cannot hold all the sessions together, "" where they can."""
    wanted = needed(sessions_max)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    room = sessions_room() * workers
    if room >= sessions_max:
        return ""
    return (
        f"gateway.max_sessions = {sessions_max} wants a limit of {wanted} open files and it is {hard}: there can be no more "
        f"than {room} sessions; raise the limit (LimitNOFILE, ulimit -n) or lower max_sessions"
    )


def sessions_room() -> int:
    """How many sessions this process can hold."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 62 if soft == resource.RLIM_INFINITY else max(0, (soft - SPARE) // 2)
